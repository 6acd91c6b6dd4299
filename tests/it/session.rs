//! The session: what it can name, what it may do, and what stays its own.

use futures::StreamExt;
use std::time::Duration;

use dreyer::ErrorKind;
use dreyer_adql::Language;
use futures::TryStreamExt;

use crate::{batches, done, error, local, outcome, server, table, value};

#[tokio::test]
async fn without_a_root_the_sample_sky_is_open() {
    let session = server().await.session();
    assert_eq!(value(&session, "SELECT COUNT(*) FROM hipparcos").await, "117955");
    let tables = "SELECT string_agg(table_name, ',' ORDER BY table_name) FROM information_schema.tables \
                  WHERE table_schema = 'public'";
    assert_eq!(value(&session, tables).await, "gaia_bright,hipparcos");
}

#[tokio::test]
async fn columns_carry_their_units_to_the_result() {
    let session = server().await.session();
    let batches = batches(&session, "SELECT ra, pmra AS motion FROM hipparcos LIMIT 1").await;
    let schema = batches[0].schema();
    assert_eq!(schema.field(0).metadata().get("unit").map(String::as_str), Some("deg"));
    assert_eq!(
        schema.field(1).metadata().get("ucd").map(String::as_str),
        Some("pos.pm;pos.eq.ra")
    );
}

#[tokio::test]
async fn what_a_session_creates_is_its_own() {
    let one = local().await;
    let two = one.database().session();
    assert_eq!(
        done(&one, "CREATE VIEW near AS SELECT * FROM hipparcos WHERE parallax > 500").await,
        "CREATE VIEW"
    );
    assert_eq!(
        value(&one, "SELECT COUNT(*) FROM near").await,
        value(&one, "SELECT COUNT(*) FROM hipparcos WHERE parallax > 500").await
    );
    assert_eq!(error(&two, "SELECT * FROM near").await.kind, ErrorKind::UndefinedTable);
    assert_eq!(done(&one, "CREATE TABLE few AS SELECT 1 AS a").await, "SELECT 1");
    assert_eq!(done(&one, "INSERT INTO few VALUES (2), (3)").await, "INSERT 0 2");
    assert_eq!(value(&one, "SELECT SUM(a) FROM few").await, "6");
    assert_eq!(done(&one, "DROP TABLE few").await, "DROP TABLE");
    assert_eq!(error(&one, "DROP TABLE hipparcos").await.sqlstate(), "25006");
    assert_eq!(done(&one, "CREATE SCHEMA work").await, "CREATE SCHEMA");
    assert_eq!(done(&one, "CREATE TABLE work.t AS SELECT 1 AS a").await, "SELECT 1");
    assert_eq!(value(&one, "SELECT a FROM work.t").await, "1");
}

#[tokio::test]
async fn a_server_reads_and_does_nothing_else() {
    let session = server().await.session();
    for sql in [
        "CREATE TABLE t AS SELECT 1",
        "CREATE VIEW v AS SELECT 1",
        "CREATE SCHEMA s",
        "CREATE DATABASE d",
        "CREATE EXTERNAL TABLE passwd STORED AS CSV LOCATION '/etc/passwd'",
        "DROP TABLE hipparcos",
        "DROP SCHEMA public",
        "INSERT INTO hipparcos SELECT * FROM hipparcos",
        "COPY hipparcos TO '/nowhere/out.csv'",
        "COPY (SELECT 1) TO '/nowhere/out.csv'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '/nowhere/out.csv'",
        "PREPARE p AS COPY (SELECT 1) TO '/nowhere/out.csv'",
        "SET datafusion.runtime.memory_limit = '1G'",
        "SET datafusion.catalog.location = '/etc'",
        "SET datafusion.sql_parser.recursion_limit = 100000",
        "RESET datafusion.runtime.memory_limit",
    ] {
        let error = error(&session, sql).await;
        assert!(
            ["25006", "42000", "42601", "0A000"].contains(&error.sqlstate()),
            "{sql}: {error:?}"
        );
        assert!(!error.message.contains("Internal"), "{sql}: {error:?}");
    }
}

#[tokio::test]
async fn settings_belong_to_the_session() {
    let database = server().await;
    let (one, two) = (database.session(), database.session());
    assert_eq!(done(&one, "SET datafusion.execution.batch_size = 100").await, "SET");
    assert_eq!(done(&one, "SET dreyer.dialect = 'adql'").await, "SET");
    assert_eq!((one.language(), two.language()), (Language::Adql, Language::Postgres));
    assert!(
        table(&one, "SHOW datafusion.execution.batch_size")
            .await
            .contains("| 100 ")
    );
    assert!(
        table(&two, "SHOW datafusion.execution.batch_size")
            .await
            .contains("| 8192 ")
    );
    assert!(table(&one, "SHOW dreyer.dialect").await.contains("adql"));
    assert_eq!(done(&one, "RESET dreyer.dialect").await, "RESET");
    assert_eq!(one.language(), Language::Postgres);
    two.set_language(Language::Adql).unwrap();
    assert_eq!(two.clone().language(), Language::Adql);
    let error = error(&one, "SET dreyer.dialect = 'klingon'").await;
    assert_eq!(
        (error.sqlstate(), error.message.contains("klingon")),
        ("22023", true),
        "{error:?}"
    );
}

#[tokio::test]
async fn log_means_what_the_language_says() {
    let session = server().await.session();
    assert_eq!(value(&session, "SELECT LOG(100.0)").await, "2.0");
    done(&session, "SET dreyer.dialect = adql").await;
    assert_eq!(value(&session, "SELECT ROUND(LOG(100.0), 6)").await, "4.60517");
}

#[tokio::test]
async fn a_text_is_cut_into_statements_with_their_places() {
    let session = server().await.session();
    assert!(session.parse(" -- nothing\n ; ").unwrap().is_empty());
    let statements = session.parse("SELECT 'é'; SELECT 2 ;").unwrap();
    assert_eq!(
        statements
            .iter()
            .map(|s| (s.offset, s.text.as_str()))
            .collect::<Vec<_>>(),
        [(0, "SELECT 'é'"), (12, "SELECT 2")]
    );
    let long = format!("SELECT '{}'", "x".repeat(2 << 20));
    assert_eq!(session.parse(&long).unwrap_err().sqlstate(), "54000");
}

#[tokio::test]
async fn names_without_quotes_do_not_care_about_case() {
    let session = local().await;
    done(
        &session,
        "CREATE TABLE \"MixedCase\" AS SELECT 1 AS \"psfFlux\", 2 AS other",
    )
    .await;
    assert_eq!(value(&session, "SELECT psfflux FROM mixedcase").await, "1");
    assert_eq!(
        value(&session, "SELECT m.PSFFLUX + OTHER FROM MIXEDCASE AS M").await,
        "3"
    );
    assert_eq!(
        value(&session, "SELECT \"psfFlux\" FROM public.\"MixedCase\"").await,
        "1"
    );
    assert_eq!(
        error(&session, "SELECT \"psfflux\" FROM \"MixedCase\"")
            .await
            .sqlstate(),
        "42703"
    );
    assert_eq!(error(&session, "SELECT * FROM \"mixedcase\"").await.sqlstate(), "42P01");
    assert_eq!(
        value(
            &session,
            "SELECT COUNT(*) FROM Information_Schema.Tables WHERE Table_Name = 'MixedCase'"
        )
        .await,
        "1"
    );
}

#[tokio::test]
async fn every_statement_the_engine_knows_keeps_working() {
    let session = local().await;
    for (sql, tag) in [
        ("PREPARE p(INT) AS SELECT $1 + 1 AS a", "PREPARE"),
        ("DEALLOCATE p", "DEALLOCATE"),
        ("BEGIN", "BEGIN"),
        ("COMMIT", "COMMIT"),
        ("ROLLBACK", "ROLLBACK"),
    ] {
        assert_eq!(done(&session, sql).await, tag);
    }
    done(&session, "PREPARE q(INT) AS SELECT $1 + 1 AS a").await;
    assert_eq!(value(&session, "EXECUTE q(41)").await, "42");
    assert!(table(&session, "SHOW TABLES").await.contains("gaia_bright"));
    assert!(table(&session, "DESCRIBE hipparcos").await.contains("parallax"));
    assert!(table(&session, "SHOW COLUMNS FROM hipparcos").await.contains("hpmag"));
    assert!(
        table(&session, "SHOW ALL")
            .await
            .contains("datafusion.execution.batch_size")
    );
    assert_eq!(
        value(&session, "WITH t(a) AS (VALUES (1), (2)) SELECT SUM(a) FROM t").await,
        "3"
    );
    assert_eq!(
        value(&session, "SELECT array_transform([1, 2], x -> x + 1)").await,
        "[2, 3]"
    );
}

#[tokio::test]
async fn files_are_written_and_read_back_locally() {
    let session = local().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("near.parquet");
    let copy = format!(
        "COPY (SELECT TOP 7 hip, ra FROM Hipparcos ORDER BY hip) TO '{}'",
        file.display()
    );
    assert_eq!(done(&session, &copy).await, "COPY 7");
    let create = format!(
        "CREATE EXTERNAL TABLE near STORED AS PARQUET LOCATION '{}'",
        file.display()
    );
    assert_eq!(done(&session, &create).await, "CREATE EXTERNAL TABLE");
    assert_eq!(value(&session, "SELECT COUNT(*) FROM near").await, "7");
    let dictionary = |path: &std::path::Path| {
        let reader = parquet::file::reader::SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
        let group = parquet::file::reader::FileReader::metadata(&reader)
            .row_group(0)
            .clone();
        [0, 1].map(|column| group.column(column).dictionary_page_offset().is_some())
    };
    // Positions hardly ever repeat; whoever wants a dictionary of them can have it.
    assert_eq!(dictionary(&file), [true, false]);
    let again = folder.path().join("again.parquet");
    let copy = copy.replace(file.to_str().unwrap(), again.to_str().unwrap());
    let copy = format!("{copy} OPTIONS ('format.dictionary_enabled' 'true')");
    assert_eq!(done(&session, &copy).await, "COPY 7");
    assert_eq!(dictionary(&again), [true, true]);
}

#[tokio::test]
async fn show_functions_lists_ours_with_what_they_do() {
    let session = server().await.session();
    let functions = table(&session, "SHOW FUNCTIONS LIKE 'ivo_healpix%'").await;
    assert!(
        functions.contains("ivo_healpix_index") && functions.contains("ivo_healpix_center"),
        "{functions}"
    );
}

#[tokio::test]
async fn explain_analyze_tells_what_was_read() {
    let session = server().await.session();
    let sql = "EXPLAIN ANALYZE SELECT COUNT(*) FROM gaia_bright WHERE DISTANCE(ra, dec, 56.75, 24.12) < 1";
    let plan = table(&session, sql).await;
    assert!(plan.contains("metrics=["), "{plan}");
    assert!(plan.contains("bytes_scanned="), "{plan}");
}

#[tokio::test]
async fn a_dropped_stream_ends_the_work_and_the_session_goes_on() {
    let session = server().await.session();
    let mut rows = session
        .query("SELECT * FROM gaia_bright AS a CROSS JOIN gaia_bright AS b")
        .await
        .unwrap();
    assert!(rows.try_next().await.unwrap().is_some());
    drop(rows);
    assert_eq!(value(&session, "SELECT 1").await, "1");
}

/// On one thread: work that keeps it to itself would not let the deadline come.
#[tokio::test]
async fn work_that_multiplies_lets_a_deadline_come() {
    let session = server().await.session();
    for sql in [
        "SELECT COUNT(*) FROM gaia_bright AS a, gaia_bright AS b, gaia_bright AS c WHERE a.ra + b.ra + c.ra < 0",
        "SELECT COUNT(a.ra + b.ra) FROM gaia_bright AS a CROSS JOIN gaia_bright AS b",
        "SELECT COUNT(*) FROM (SELECT a.hip % 2 AS k FROM hipparcos AS a) AS a \
         JOIN (SELECT b.hip % 2 AS k FROM hipparcos AS b) AS b ON a.k = b.k",
    ] {
        let rows = session.query(sql).await.unwrap();
        let work = tokio::time::timeout(Duration::from_millis(200), rows.try_collect::<Vec<_>>());
        assert!(work.await.is_err(), "{sql}");
    }
}

#[tokio::test]
async fn statements_that_give_no_rows_are_not_queries() {
    let session = server().await.session();
    assert!(session.query("SET dreyer.dialect = 'adql'").await.is_err());
    assert!(session.query("SELECT 1; SELECT 2").await.is_err());
    assert!(session.query("").await.is_err());
    assert!(outcome(&session, "SELECT 1").await.is_ok());
}

/// A nested loop holds its thread until its condition fails; the engine's task must end soon after.
#[tokio::test]
async fn a_nested_loop_stops_when_its_rows_are_dropped() {
    let session = local().await;
    done(&session, "SET datafusion.execution.target_partitions = 1").await;
    let sql = "SELECT count(*) FROM hipparcos a JOIN hipparcos b ON a.hpmag * b.hpmag > 1e6";
    assert!(
        table(&session, &format!("EXPLAIN {sql}"))
            .await
            .contains("NestedLoopJoinExec")
    );
    let mut rows = session.query(sql).await.unwrap();
    let half_second = std::time::Duration::from_millis(500);
    assert!(
        tokio::time::timeout(half_second, rows.next()).await.is_err(),
        "the query must be a long one"
    );
    let pool = std::sync::Arc::clone(&session.context().runtime_env().memory_pool);
    assert!(pool.reserved() > 0, "the join holds its left side");
    drop(rows);
    for _ in 0..200 {
        if pool.reserved() == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the join still runs twenty seconds after its rows were dropped");
}
