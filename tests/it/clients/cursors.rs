//! Cursors of SQL: beside a real PostgreSQL, with psycopg's own, and with portals of the protocol.

use super::Server;
use super::knock::{Client, bind, describe, execute, parse, query};
use crate::support::postgres::Postgres;

#[tokio::test(flavor = "multi_thread")]
async fn rows_tags_and_errors_are_those_of_postgresql() {
    let server = Server::start().await;
    let oracle = Postgres::start().await;
    let said = server.python_with("cursors.py", &[("ORACLE", &oracle.address())]).await;
    assert_eq!(said, "ok\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn portals_of_the_protocol_are_cursors_too() {
    let server = Server::start().await;
    let mut client = Client::connect(&server).await;
    client.send(&[query("BEGIN")]).await;
    client.until_ready().await;
    let said = client
        .say(vec![
            parse("s", "SELECT hip FROM hipparcos ORDER BY hip LIMIT 9"),
            bind("p", "s", &[]),
            parse("m", "MOVE 2 FROM p"),
            bind("", "m", &[]),
            describe(b'P', ""),
            execute("", 0),
            execute("p", 2),
            parse("f", "FETCH 3 FROM p"),
            describe(b'S', "f"),
            bind("", "f", &[]),
            execute("", 0),
            execute("p", 0),
        ])
        .await;
    let expected = [
        "parsed",
        "bound",
        "parsed",
        "bound",
        "no data",
        "MOVE 2",
        "row",
        "row",
        "suspended",
        "parsed",
        "0 parameters",
        "1 columns",
        "bound",
        "row",
        "row",
        "row",
        "FETCH 3",
        "row",
        "row",
        "SELECT 2",
        "ready in block",
    ];
    assert_eq!(said, expected);
    // Several statements in one message are a block of their own.
    client.send(&[query("COMMIT")]).await;
    client.until_ready().await;
    client
        .send(&[query("DECLARE c CURSOR FOR SELECT 1; FETCH c; CLOSE c")])
        .await;
    assert_eq!(
        client.until_ready().await,
        ["DECLARE CURSOR", "1 columns", "row", "FETCH 1", "CLOSE CURSOR", "ready"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn psql_fetches_in_pieces() {
    let server = Server::start().await;
    let script = "\\set FETCH_COUNT 1000\nSELECT hip FROM hipparcos ORDER BY hip;\n";
    let said = server.psql(&["-A", "-t"], script).await;
    assert_eq!(said.lines().count(), 117_955);
    assert!(said.starts_with("1\n2\n3\n"));
}
