//! psql 15: statements, tags, errors with a caret, transactions, cancelling with Ctrl-C.

use std::time::{Duration, Instant};

use super::{Server, text};

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_tags_are_those_of_postgresql() {
    let server = Server::start().await;
    let said = server
        .psql(
            &["-A", "-t"],
            "SELECT 1, 'a''b', NULL, true, 1.5::float8, 1e-7::float8, 'NaN'::float8;\n\
             SELECT count(*) FROM hipparcos;\n\
             VALUES (1), (2);\n\
             SET TimeZone = 'Asia/Kolkata';\n\
             SELECT TIMESTAMP '2016-01-01 00:00:00.5';\n\
             SHOW timezone;\n\
             BEGIN;\nSELECT 2;\nCOMMIT;\n;\n-- nothing\n",
        )
        .await;
    let expected = "1|a'b||t|1.5|1e-07|NaN\n117955\n1\n2\nSET\n2016-01-01 00:00:00.5\nAsia/Kolkata\nBEGIN\n2\nCOMMIT\n";
    assert_eq!(said, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_are_named_as_postgresql_names_them() {
    let server = Server::start().await;
    let said = server
        .psql(
            &["-A"],
            "SELECT 1, count(*), max(hip) + 1, 'x'::text, 1, 1 FROM hipparcos;\n",
        )
        .await;
    assert!(
        said.starts_with("?column?|count|?column?|text|?column?|?column?\n"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_has_a_caret_and_a_hint() {
    let server = Server::start().await;
    let said = server.psql(&[], "SELECT hip,\n       hpmg\nFROM hipparcos;\n").await;
    let expected = "ERROR:  column \"hpmg\" does not exist\nLINE 2:        hpmg\n               ^\nHINT:  Did you mean \"hpmag\"?\n";
    assert_eq!(said, expected);

    let said = server
        .psql(&["-v", "VERBOSITY=verbose"], "SELECT CIRCLE(1, 2, 3600);\n")
        .await;
    assert!(
        said.contains("ERROR:  22023: CIRCLE radius must lie in [0, 180] degrees, got 3600\n"),
        "{said}"
    );
    assert!(
        said.contains("LINE 1: SELECT CIRCLE(1, 2, 3600);\n                            ^"),
        "{said}"
    );
    assert!(said.contains("HINT:  1 arcsec is 1/3600."), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_in_the_second_of_three_statements_stands_where_it_is() {
    let server = Server::start().await;
    let said = server
        .psql(&["-A", "-t", "-c", "SELECT 'é'; SELECT nope; SELECT 3"], "")
        .await;
    assert!(said.contains("é\n") && !said.contains("\n3\n"), "{said}");
    assert!(
        said.contains("LINE 1: SELECT 'é'; SELECT nope; SELECT 3\n                           ^"),
        "{said}"
    );
    // Text that does not parse runs nothing at all.
    let said = server.psql(&["-A", "-t", "-c", "SELECT 1; SELEC 2"], "").await;
    assert!(said.starts_with("ERROR:  syntax error at or near \"SELEC\""), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_block_waits_for_its_end() {
    let server = Server::start().await;
    let script = "BEGIN;\nSELECT nope;\nSELECT 1;\nCOMMIT;\n\
                  BEGIN;\nSAVEPOINT s;\nSELECT nope;\nROLLBACK TO s;\nSELECT 7;\nCOMMIT;\nCOMMIT;\n";
    let said = server.psql(&["-A", "-t", "-v", "VERBOSITY=sqlstate"], script).await;
    assert!(
        said.contains("ERROR:  42703") && said.contains("ERROR:  25P02"),
        "{said}"
    );
    assert!(
        said.starts_with("BEGIN\nROLLBACK\nBEGIN\nSAVEPOINT\nROLLBACK\n7\nCOMMIT\nCOMMIT\n"),
        "{said}"
    );
    assert!(said.contains("WARNING:  25P01"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_last_as_long_as_they_should() {
    let server = Server::start().await;
    let script = "SET extra_float_digits = 0;\nSELECT 0.1::float8 + 0.2::float8;\nRESET ALL;\nSELECT 0.1::float8 + 0.2::float8;\n\
                  BEGIN;\nSET LOCAL statement_timeout = '1min';\nSHOW statement_timeout;\nROLLBACK;\nSHOW statement_timeout;\n\
                  SET nonsense = 1;\nSET DateStyle = 'German';\nSET datafusion.runtime.memory_limit = '1G';\nDISCARD ALL;\n";
    let said = server.psql(&["-A", "-t", "-v", "VERBOSITY=sqlstate"], script).await;
    let expected = "SET\n0.3\nRESET\n0.30000000000000004\nBEGIN\nSET\n1min\nROLLBACK\n0\nDISCARD ALL\n";
    assert!(said.starts_with(expected), "{said}");
    assert!(
        said.ends_with("ERROR:  42704\nERROR:  22023\nERROR:  25006\n"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dialect_is_the_sessions_own() {
    let server = Server::start().await;
    let script = "SELECT LOG(100);\nSET dreyer.dialect = 'adql';\nSELECT LOG(100);\nSHOW dreyer.dialect;\n";
    let said = server.psql(&["-A", "-t"], script).await;
    assert_eq!(said, "2\nSET\n4.605170185988092\nadql\n");
    assert_eq!(server.psql(&["-A", "-t"], "SELECT LOG(100);\n").await, "2\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_come_in() {
    let server = Server::start().await;
    let said = server.psql(&["-U", "mallory"], "SELECT 1").await;
    assert!(said.contains("FATAL:  role \"mallory\" does not exist"), "{said}");
    let said = server.psql(&["-d", "nowhere"], "SELECT 1").await;
    assert!(said.contains("FATAL:  database \"nowhere\" does not exist"), "{said}");
    let said = text(
        &server
            .command("psql")
            .args(["-X", "-c", "SELECT 1"])
            .env("PGOPTIONS", "-c nonsense=1")
            .output()
            .await
            .unwrap()
            .stderr,
    );
    assert!(
        said.contains("FATAL:  unrecognized configuration parameter \"nonsense\""),
        "{said}"
    );
    let options = server
        .command("psql")
        .args(["-X", "-A", "-t", "-c", "SHOW statement_timeout"])
        .env("PGOPTIONS", "-c statement_timeout=5s")
        .output();
    assert_eq!(text(&options.await.unwrap().stdout), "5s\n");
}

/// A query of minutes: every pair of two hundred thousand rows, with arithmetic that cannot be avoided.
pub(super) const ENDLESS: &str =
    "SELECT count(*) FROM hipparcos a, hipparcos b WHERE sin(a.ra * b.dec) + cos(a.dec * b.ra) > 1.9";

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_stops_a_statement_and_the_session_goes_on() {
    let server = Server::start().await;
    assert_eq!(server.python("terminal.py").await, "ok\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_timeout_covers_the_rows() {
    let server = Server::start().await;
    let began = Instant::now();
    let script = format!("SET statement_timeout = '500ms';\n{ENDLESS};\nSELECT 'still here';\n");
    let said = server.psql(&["-A", "-t"], &script).await;
    assert!(
        said.contains("ERROR:  canceling statement due to statement timeout"),
        "{said}"
    );
    assert!(said.contains("still here"), "{said}");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

/// A join that has no end in sight is not run in silence: the client is told before the rows come.
#[tokio::test(flavor = "multi_thread")]
async fn a_match_without_an_upper_bound_is_noticed() {
    let server = Server::start().await;
    let said = server
        .psql(
            &["-A", "-t"],
            "SET dreyer.crossmatch_notice_pairs = 1000;\n\
             SELECT COUNT(*) FROM (SELECT * FROM hipparcos WHERE hip < 200) h JOIN gaia_bright g \
             ON DISTANCE(h.ra, h.dec, g.ra, g.dec) > 179.9;\n\
             SELECT COUNT(*) FROM hipparcos h JOIN gaia_bright g ON DISTANCE(h.ra, h.dec, g.ra, g.dec) < 0.5;\n\
             SELECT 'done';\n",
        )
        .await;
    for part in [
        "NOTICE:  a join on a separation compares every row of one side with every row of the other",
        "write DISTANCE(..) < radius, in degrees, in the ON clause",
        "NOTICE:  a cross-match within 0.5° has about",
        "1 arcsec is 1/3600.",
        "done\n",
    ] {
        assert!(said.contains(part), "{part} is missing:\n{said}");
    }
    assert!(!said.contains("ERROR"), "{said}");
}
