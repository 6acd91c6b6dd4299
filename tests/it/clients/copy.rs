//! COPY both ways: bytes and errors beside those of a real PostgreSQL 15, psql's `\copy`, memory, cancels.

use std::time::{Duration, Instant};

use pgwire::messages::PgWireBackendMessage as Answer;
use pgwire::messages::PgWireFrontendMessage as Message;
use pgwire::messages::copy::{CopyData, CopyDone, CopyFail};

use super::knock::{Client, bind, describe, execute, flush, parse, query};
use super::writes::config;
use super::{Server, text};
use crate::support::postgres::Postgres;

fn data(bytes: &'static [u8]) -> Message {
    Message::CopyData(CopyData::new(bytes.into()))
}

fn done() -> Message {
    Message::CopyDone(CopyDone::new())
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_and_errors_are_those_of_postgresql() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::with(config(&folder)).await;
    let oracle = Postgres::start().await;
    assert_eq!(
        server.python_with("copies.py", &[("ORACLE", &oracle.address())]).await,
        "ok\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_out_is_announced_and_ends_as_the_protocol_says() {
    let server = Server::start().await;
    let mut client = Client::connect(&server).await;
    client
        .send(&[query("COPY (VALUES (1, 'a'), (2, 'b')) TO STDOUT; SELECT 1")])
        .await;
    let expected = [
        "CopyOutResponse",
        "CopyData",
        "CopyData",
        "CopyDone",
        "COPY 2",
        "1 columns",
        "row",
        "SELECT 1",
        "ready",
    ];
    assert_eq!(client.until_ready().await, expected);
    // Row limits are not for copies, and a copy has no columns to describe.
    let said = client
        .say(vec![
            parse(
                "c",
                "COPY (SELECT hip FROM hipparcos ORDER BY hip LIMIT 3) TO STDOUT (FORMAT binary)",
            ),
            describe(b'S', "c"),
            bind("", "c", &[]),
            describe(b'P', ""),
            execute("", 1),
        ])
        .await;
    let expected = [
        "parsed",
        "0 parameters",
        "no data",
        "bound",
        "no data",
        "CopyOutResponse",
        "CopyData",
        "CopyData",
        "CopyData",
        "CopyData",
        "CopyDone",
        "COPY 3",
        "ready",
    ];
    assert_eq!(said, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_in_ends_as_the_protocol_says() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::with(config(&folder)).await;
    let mut client = Client::connect(&server).await;
    client.send(&[query("CREATE TEMP TABLE t (a bigint, b text)")]).await;
    assert_eq!(client.until_ready().await, ["CREATE TABLE", "ready"]);
    // Flush and Sync within a copy mean nothing.
    let sync = Message::Sync(pgwire::messages::extendedquery::Sync::new());
    let said = client
        .say(vec![
            parse("", "COPY t FROM STDIN"),
            bind("", "", &[]),
            execute("", 0),
            flush(),
            sync,
            data(b"1\tx\n2"),
            data(b"\ty\n"),
            done(),
        ])
        .await;
    assert_eq!(said, ["parsed", "bound", "CopyInResponse", "COPY 2", "ready"]);
    // Data that comes after the error of its copy is dropped.
    client.send(&[query("COPY t FROM STDIN"), data(b"x\ty\n")]).await;
    assert_eq!(client.until_ready().await, ["CopyInResponse", "ERROR 22P02", "ready"]);
    client
        .send(&[data(b"5\tz\n"), done(), query("SELECT count(*) FROM t")])
        .await;
    assert_eq!(client.until_ready().await, ["1 columns", "row", "SELECT 1", "ready"]);
    let fail = Message::CopyFail(CopyFail::new("no more".to_owned()));
    client.send(&[query("COPY t FROM STDIN"), data(b"5\tz\n"), fail]).await;
    assert_eq!(client.until_ready().await, ["CopyInResponse", "ERROR 57014", "ready"]);
    client.send(&[query("COPY t FROM STDIN"), query("SELECT 1")]).await;
    assert_eq!(
        client.next().await.map(|answer| super::knock::word(&answer)).as_deref(),
        Some("CopyInResponse")
    );
    assert_eq!(
        client.next().await.map(|answer| super::knock::word(&answer)).as_deref(),
        Some("FATAL 08P01")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn psql_copies_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::with(config(&folder)).await;
    let file = folder.path().join("rows.csv");
    let file = file.to_str().unwrap();
    let script = format!(
        "CREATE TEMP TABLE targets (name text, ra float8, dec float8);\n\
         \\copy (SELECT hip, ra, dec FROM hipparcos ORDER BY hip LIMIT 1000) TO '{file}' CSV HEADER\n\
         \\copy targets FROM '{file}' CSV HEADER\n\
         COPY targets (name, dec) FROM STDIN;\n\
         a\\tb\t1.5\n\
         \\N\t-90\n\
         \\.\n\
         SELECT count(*), count(name), count(ra), min(dec) FROM targets;\n\
         COPY (SELECT name, dec FROM targets WHERE ra IS NULL ORDER BY dec) TO STDOUT;\n\
         COPY targets FROM STDIN CSV;\n\
         x,1,2\n\
         y,one,2\n\
         \\.\n\
         SELECT count(*) FROM targets;\n\
         SELECT count(*) FROM targets t JOIN hipparcos h ON DISTANCE(t.ra, t.dec, h.ra, h.dec) < 0.5/3600.;\n"
    );
    let said = server.psql(&["-A", "-t"], &script).await;
    let expected = "CREATE TABLE\nCOPY 1000\nCOPY 1000\nCOPY 2\n1002|1001|1000|-90\n\\N\t-90\na\\tb\t1.5\n1002\n";
    assert!(said.starts_with(expected), "{said}");
    assert!(
        said.ends_with(
            "ERROR:  invalid input syntax for type double precision: \"one\"\n\
             CONTEXT:  COPY targets, line 2, column ra: \"one\"\n"
        ),
        "{said}"
    );
}

/// Half a gigabyte, if it were ever in one place.
const LARGE: &str = "COPY (SELECT value, repeat('x', 1000) FROM generate_series(1, 500000)) TO STDOUT";

#[tokio::test(flavor = "multi_thread")]
async fn memory_does_not_grow_with_a_copy() {
    let server = Server::start().await;
    let mut client = Client::connect(&server).await;
    client
        .send(&[query("SET datafusion.execution.batch_size = 1024")])
        .await;
    client.until_ready().await;
    client
        .send(&[query("COPY (SELECT value FROM generate_series(1, 1000)) TO STDOUT")])
        .await;
    client.until_ready().await;
    let before = super::stream::resident();
    client.send(&[query(LARGE)]).await;
    let (mut rows, mut most) = (0, 0);
    loop {
        match client.next().await.unwrap() {
            Answer::CopyData(_) => rows += 1,
            Answer::CommandComplete(_) => break,
            Answer::ErrorResponse(error) => panic!("{error:?}"),
            _ => {}
        }
        if rows == 1 {
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        if rows % 10_000 == 1 {
            most = most.max(super::stream::resident());
        }
    }
    assert_eq!(rows, 500_000);
    assert!(
        most.saturating_sub(before) < 150 << 20,
        "{} MiB more",
        (most - before) >> 20
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_can_be_cancelled_in_both_directions() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::with(config(&folder)).await;
    let mut client = Client::connect(&server).await;
    client.send(&[query("SET statement_timeout = 700")]).await;
    client.until_ready().await;
    // Nobody reads: the server stands in the middle of a write.
    client.send(&[query(LARGE)]).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let began = Instant::now();
    let said = client.until_ready().await;
    assert_eq!(said[said.len() - 2..], ["ERROR 57014", "ready"]);
    assert!(began.elapsed() < Duration::from_secs(5));

    client.send(&[query("CREATE TABLE kept (a bigint)")]).await;
    client.until_ready().await;
    let began = Instant::now();
    client.send(&[query("COPY kept FROM STDIN"), data(b"1\n2\n")]).await;
    assert_eq!(client.until_ready().await, ["CopyInResponse", "ERROR 57014", "ready"]);
    assert!(began.elapsed() < Duration::from_millis(1200));

    // A client that leaves in the middle leaves nothing behind.
    client.send(&[query("SET statement_timeout = 0")]).await;
    client.until_ready().await;
    client.send(&[query("COPY kept FROM STDIN"), data(b"1\n2\n")]).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop(client);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let said = server.psql(&["-A", "-t"], "SELECT count(*) FROM kept;\n").await;
    assert_eq!(said, "0\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_write_copies_nothing_in() {
    let server = Server::start().await;
    let said = server
        .psql(
            &["-A", "-t", "-v", "VERBOSITY=sqlstate"],
            "COPY hipparcos FROM STDIN;\n1\n\\.\n",
        )
        .await;
    assert!(said.contains("ERROR:  25006"), "{said}");
    let folder = tempfile::tempdir().unwrap();
    let server = Server::with(config(&folder)).await;
    let script = "COPY hipparcos FROM STDIN;\nBEGIN READ ONLY;\nCREATE TABLE x (a int);\n";
    let said = server.psql(&["-A", "-t", "-v", "VERBOSITY=sqlstate"], script).await;
    assert!(said.contains("ERROR:  42501"), "{said}");
    let output = server
        .command("psql")
        .args(["-X", "-c", "COPY nowhere FROM STDIN"])
        .output();
    let said = text(&output.await.unwrap().stderr);
    assert_eq!(said, "ERROR:  relation \"nowhere\" does not exist\n");
}
