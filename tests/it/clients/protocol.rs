//! The protocol to the letter: portals with row limits, several at once, Sync discipline, errors with their codes.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Server;
use super::knock::{Client, bind, close, describe, execute, flush, parse, query, word};

const FIVE: &str = "SELECT hip FROM hipparcos ORDER BY hip LIMIT 5";

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_gives_as_many_rows_as_it_is_asked_for() {
    let server = Server::start().await;
    let mut client = Client::connect(&server).await;
    assert_eq!(client.say(vec![query("BEGIN")]).await, ["BEGIN", "ready in block"]);
    client.until_ready().await;
    let said = client
        .say(vec![
            parse("s", FIVE),
            bind("p", "s", &[]),
            describe(b'P', "p"),
            execute("p", 2),
        ])
        .await;
    assert_eq!(
        said,
        [
            "parsed",
            "bound",
            "1 columns",
            "row",
            "row",
            "suspended",
            "ready in block"
        ]
    );
    // Suspended portals live on beyond Sync, beside others.
    let said = client
        .say(vec![
            bind("q", "s", &[]),
            execute("q", 1),
            execute("p", 2),
            execute("p", 0),
            execute("p", 0),
        ])
        .await;
    let expected = [
        "bound",
        "row",
        "suspended",
        "row",
        "row",
        "suspended",
        "row",
        "SELECT 1",
        "SELECT 0",
        "ready in block",
    ];
    assert_eq!(said, expected);
    let said = client
        .say(vec![
            execute("q", 4),
            execute("q", 1),
            close(b'P', "q"),
            execute("q", 1),
        ])
        .await;
    let expected = [
        "row",
        "row",
        "row",
        "row",
        "suspended",
        "SELECT 0",
        "closed",
        "ERROR 34000",
        "ready in failed block",
    ];
    assert_eq!(said, expected);
    client.send(&[query("ROLLBACK")]).await;
    assert_eq!(client.until_ready().await, ["ROLLBACK", "ready"]);
    // Outside a block a portal ends with the Sync.
    assert_eq!(
        client.say(vec![bind("r", "s", &[]), execute("r", 1)]).await,
        ["bound", "row", "suspended", "ready"]
    );
    assert_eq!(client.say(vec![execute("r", 1)]).await, ["ERROR 34000", "ready"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_error_everything_up_to_sync_is_skipped() {
    let server = Server::start().await;
    let mut client = Client::connect(&server).await;
    let said = client
        .say(vec![
            parse("", "SELECT nope"),
            bind("", "", &[]),
            execute("", 0),
            parse("x", "SELECT 1"),
            flush(),
        ])
        .await;
    assert_eq!(said, ["ERROR 42703", "ready"]);
    assert_eq!(client.say(vec![bind("", "x", &[])]).await, ["ERROR 26000", "ready"]);
    // One ReadyForQuery a Sync, and none before it.
    client
        .send(&[parse("", "SELECT 1"), bind("", "", &[]), execute("", 0), flush()])
        .await;
    let mut words = Vec::new();
    for _ in 0..4 {
        words.push(word(&client.next().await.unwrap()));
    }
    assert_eq!(words, ["parsed", "bound", "row", "SELECT 1"]);
    assert_eq!(client.say(vec![]).await, ["ready"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_are_described_and_their_faults_have_codes() {
    let server = Server::start().await;
    let mut client = Client::connect(&server).await;
    let said = client
        .say(vec![
            parse("s", "SELECT hip, ra FROM hipparcos WHERE hip = $1"),
            describe(b'S', "s"),
        ])
        .await;
    assert_eq!(said, ["parsed", "1 parameters", "2 columns", "ready"]);
    let said = client
        .say(vec![bind("", "s", &["11767"]), describe(b'P', ""), execute("", 0)])
        .await;
    assert_eq!(said, ["bound", "2 columns", "row", "SELECT 1", "ready"]);
    for (messages, code) in [
        (vec![parse("s", "SELECT 1")], "ERROR 42P05"),
        (vec![parse("", "SELECT 1; SELECT 2")], "ERROR 42601"),
        (vec![bind("", "s", &[])], "ERROR 08P01"),
        (vec![bind("", "s", &["x"])], "ERROR 22P02"),
        (vec![bind("", "unknown", &[])], "ERROR 26000"),
        (vec![execute("unknown", 0)], "ERROR 34000"),
        (vec![describe(b'S', "unknown")], "ERROR 26000"),
        (vec![describe(b'P', "unknown")], "ERROR 34000"),
    ] {
        assert_eq!(client.say(messages).await, [code, "ready"]);
    }
    let said = client
        .say(vec![
            close(b'S', "s"),
            close(b'S', "s"),
            parse("s", "SET a.b = 1"),
            describe(b'S', "s"),
        ])
        .await;
    assert_eq!(said, ["closed", "closed", "parsed", "0 parameters", "no data", "ready"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_statements_are_answered_as_such() {
    let server = Server::start().await;
    let mut client = Client::connect(&server).await;
    for text in ["", ";", " ;;; ", "-- ping", "/* a */;"] {
        client.send(&[query(text)]).await;
        assert_eq!(client.until_ready().await, ["empty", "ready"], "{text:?}");
        let said = client
            .say(vec![
                parse("", text),
                bind("", "", &[]),
                describe(b'P', ""),
                execute("", 0),
            ])
            .await;
        assert_eq!(said, ["parsed", "bound", "no data", "empty", "ready"], "{text:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_change_are_reported() {
    let server = Server::start().await;
    let mut client = Client::connect(&server).await;
    client.send(&[query("SET TimeZone = 'Europe/Berlin'")]).await;
    assert_eq!(client.until_ready().await, ["ParameterStatus", "SET", "ready"]);
    client
        .send(&[query("SET TimeZone = 'Europe/Berlin'; SET statement_timeout = 0")])
        .await;
    assert_eq!(client.until_ready().await, ["SET", "SET", "ready"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_ends_its_own_connection_and_no_other() {
    let server = Server::start().await;
    let mut good = Client::connect(&server).await;
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0, 0, 0, 9, 0, 2, 0, 0, 0],
        &[0xff; 64],
    ] {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        socket.write_all(bytes).await.unwrap();
        let _ = socket.shutdown().await;
        let mut answer = Vec::new();
        let closed = tokio::time::timeout(Duration::from_secs(5), socket.read_to_end(&mut answer)).await;
        assert!(closed.is_ok(), "the line of {bytes:?} stays open");
    }
    // Inside a session: a length that lies, a type that does not exist, a body cut short.
    for bytes in [
        &b"Q\xff\xff\xff\xff"[..],
        b"Q\x00\x00\x00\x00",
        b"~\x00\x00\x00\x04",
        b"B\x00\x00\x00\x06\x00\x00",
    ] {
        let mut bad = Client::connect(&server).await;
        bad.socket.write_all(bytes).await.unwrap();
        let answer = bad.next().await.map(|answer| word(&answer));
        assert_eq!(answer.as_deref(), Some("FATAL 08P01"), "{bytes:?}");
        assert!(bad.next().await.is_none());
    }
    good.send(&[query("SELECT 1")]).await;
    assert_eq!(good.until_ready().await, ["1 columns", "row", "SELECT 1", "ready"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_counted() {
    let mut config = dreyer::Config::default();
    config.limits.max_connections = 2;
    let server = Server::with(config).await;
    let (one, _two) = (Client::connect(&server).await, Client::connect(&server).await);
    let said = server.psql(&[], "SELECT 1").await;
    assert!(said.contains("FATAL:  sorry, too many clients already"), "{said}");
    assert!(said.contains("limits.max_connections"), "{said}");
    drop(one);
    for _ in 0..50 {
        if server.psql(&["-A", "-t"], "SELECT 1").await == "1\n" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("a place that was left is not given away");
}
