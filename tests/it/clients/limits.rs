//! Limits and time-outs: each with its SQLSTATE, and the limit's name in what is told.

use std::time::{Duration, Instant};

use dreyer::{Config, Limits};
use pgwire::messages::PgWireBackendMessage as Answer;

use super::Server;
use super::knock::{Client, query, word};
use super::psql::ENDLESS;

async fn limited(limits: Limits) -> Server {
    Server::with(Config {
        limits,
        ..Config::default()
    })
    .await
}

/// Sends one text and collects the answers.
async fn ask(client: &mut Client, text: &str) -> Vec<String> {
    client.send(&[query(text)]).await;
    client.until_ready().await
}

/// The message and detail of the next error.
async fn told(client: &mut Client) -> String {
    loop {
        let answer = client.next().await.expect("an error was to come");
        if let Answer::ErrorResponse(error) = answer {
            let fields = error
                .fields
                .iter()
                .filter(|(code, _)| [b'C', b'M', b'D'].contains(code));
            return fields.map(|(_, text)| text.as_str()).collect::<Vec<_>>().join(" · ");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_stand_idle_end() {
    let server = Server::start().await;
    let mut client = Client::connect(&server).await;
    assert_eq!(
        ask(
            &mut client,
            "SET idle_session_timeout = 400; SET idle_in_transaction_session_timeout = '300ms'"
        )
        .await,
        ["SET", "SET", "ready"]
    );
    // A statement that runs is not idle.
    assert_eq!(
        ask(&mut client, &format!("SET statement_timeout = 900; {ENDLESS}"))
            .await
            .pop()
            .as_deref(),
        Some("ready")
    );
    let began = Instant::now();
    let said = told(&mut client).await;
    assert!(
        said.contains("57P05 · terminating connection due to idle-session timeout"),
        "{said}"
    );
    assert!(
        said.contains("idle_session_timeout") && said.contains("400 ms"),
        "{said}"
    );
    assert!((300..3000).contains(&began.elapsed().as_millis()));
    assert!(client.next().await.is_none());

    let mut client = Client::connect(&server).await;
    ask(&mut client, "SET idle_in_transaction_session_timeout = '300ms'").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(ask(&mut client, "BEGIN").await, ["BEGIN", "ready in block"]);
    let said = told(&mut client).await;
    assert!(
        said.starts_with("25P03 · terminating connection due to idle-in-transaction timeout"),
        "{said}"
    );

    let server = limited(Limits {
        idle_session_timeout_s: 1,
        ..Limits::default()
    })
    .await;
    let mut client = Client::connect(&server).await;
    ask(&mut client, "SET idle_session_timeout = 0").await;
    let said = told(&mut client).await;
    assert!(
        said.contains("57P05") && said.contains("limits.idle_session_timeout_s"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_has_so_many_connections() {
    let mut config = Config::parse("[[users]]\nname = 'ada'\n").unwrap();
    config.limits.max_connections_per_user = 2;
    let server = Server::with(config).await;
    let mut first = Client::connect(&server).await;
    let _second = Client::connect(&server).await;
    let said = server.psql(&["-v", "VERBOSITY=verbose"], "SELECT 1").await;
    assert!(
        said.contains("FATAL:  too many connections for role \"dreyer\""),
        "{said}"
    );
    assert!(said.contains("limits.max_connections_per_user"), "{said}");
    let said = server.psql(&["-A", "-t", "-U", "ada"], "SELECT 1;\n").await;
    assert_eq!(said, "1\n");
    first
        .send(&[pgwire::messages::PgWireFrontendMessage::Terminate(
            pgwire::messages::terminate::Terminate::new(),
        )])
        .await;
    assert!(first.next().await.is_none());
    for _ in 0..50 {
        if server.psql(&["-A", "-t"], "SELECT 1;\n").await == "1\n" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("a place that is free is not given");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_has_so_many_bytes() {
    let server = limited(Limits {
        max_result_bytes: 1_000_000,
        ..Limits::default()
    })
    .await;
    let mut client = Client::connect(&server).await;
    for text in [
        "SELECT * FROM hipparcos",
        "COPY hipparcos TO STDOUT",
        "SELECT repeat('x', 2000000)",
    ] {
        client.send(&[query(text)]).await;
        let said = told(&mut client).await;
        assert!(
            said.starts_with("54000 · ") && said.contains("limits.max_result_bytes"),
            "{said}"
        );
        assert_eq!(client.until_ready().await, ["ready"]);
    }
    assert_eq!(ask(&mut client, "SELECT count(*) FROM hipparcos").await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_queries_run_at_once() {
    let server = limited(Limits {
        max_queries: 1,
        max_queued_queries: 1,
        queue_timeout_s: 2,
        ..Limits::default()
    })
    .await;
    let mut busy = Client::connect(&server).await;
    ask(&mut busy, "SET statement_timeout = 30000").await;
    busy.send(&[query(ENDLESS)]).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    // What reads no data goes on, above all the look at who is busy.
    let mut other = Client::connect(&server).await;
    let began = Instant::now();
    let said = ask(&mut other, "SELECT 1; SELECT count(*) FROM pg_stat_activity").await;
    assert!(
        said.contains(&"SELECT 1".to_owned()) && began.elapsed() < Duration::from_secs(5),
        "{said:?}"
    );
    // One waits, the next is sent away at once; who waits can be stopped.
    let mut queued = Client::connect(&server).await;
    queued.send(&[query("SELECT sum(ra) FROM hipparcos")]).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    other.send(&[query("SELECT sum(ra) FROM hipparcos")]).await;
    let said = told(&mut other).await;
    assert!(
        said.starts_with("53400 · ") && said.contains("limits.max_queued_queries"),
        "{said}"
    );
    other.until_ready().await;
    let said = told(&mut queued).await;
    assert!(
        said.starts_with("53400 · ") && said.contains("limits.queue_timeout_s"),
        "{said}"
    );
    queued.until_ready().await;
    let began = Instant::now();
    let said = ask(
        &mut queued,
        "SET statement_timeout = 200; SELECT sum(ra) FROM hipparcos",
    )
    .await;
    assert!(said.contains(&"ERROR 57014".to_owned()), "{said:?}");
    assert!(began.elapsed() < Duration::from_secs(5));
    // Its turn comes when the busy one has ended.
    let stop = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid();\n";
    assert_eq!(server.psql(&["-A", "-t"], stop).await, "1\n");
    assert!(busy.until_ready().await.contains(&"ERROR 57014".to_owned()));
    assert_eq!(
        ask(&mut other, "SELECT sum(ra) FROM hipparcos").await,
        ["1 columns", "row", "SELECT 1", "ready"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_covers_the_sending_of_rows() {
    let server = Server::start().await;
    let mut client = Client::connect(&server).await;
    ask(&mut client, "SET statement_timeout = 600").await;
    client
        .send(&[query("SELECT value, repeat('x', 1000) FROM generate_series(1, 500000)")])
        .await;
    // Nobody reads meanwhile.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let said = told(&mut client).await;
    assert!(
        said.starts_with("57014 · canceling statement due to statement timeout"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_can_be_ended_by_another() {
    let server = Server::start().await;
    let other = Client::connect(&server).await;
    let mut busy = Client::connect(&server).await;
    busy.send(&[query(ENDLESS)]).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid();\n";
    assert_eq!(server.psql(&["-A", "-t"], end).await, "2\n");
    for mut client in [other, busy] {
        let said = told(&mut client).await;
        assert!(said.starts_with("57P01"), "{said}");
        assert!(client.next().await.is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_is_told_every_five_seconds() {
    let server = Server::start().await;
    let mut client = Client::connect(&server).await;
    ask(&mut client, "SET dreyer.progress = on; SET statement_timeout = 5900").await;
    client.send(&[query(ENDLESS)]).await;
    let mut seen = Vec::new();
    let mut notice = String::new();
    while let Some(answer) = client.next().await {
        if let Answer::NoticeResponse(said) = &answer {
            notice = said
                .fields
                .iter()
                .map(|(_, text)| text.as_str())
                .collect::<Vec<_>>()
                .join(" ");
        }
        let word = word(&answer);
        let last = word == "ready";
        seen.push(word);
        if last {
            break;
        }
    }
    assert_eq!(seen, ["1 columns", "NoticeResponse", "ERROR 57014", "ready"]);
    assert!(notice.contains("00000 5 s: 0 rows"), "{notice}");
    assert_eq!(server.psql(&["-A", "-t"], "SHOW dreyer.progress;\n").await, "off\n");
}
