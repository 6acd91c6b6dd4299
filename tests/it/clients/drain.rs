//! Shutting down: nobody is let in, idle sessions are sent home, running statements may finish, and not for ever.

use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use super::Server;
use super::knock::{Client, query, word};
use super::psql::ENDLESS;

#[tokio::test(flavor = "multi_thread")]
async fn a_running_statement_finishes_and_idle_sessions_go() {
    let mut server = Server::start().await;
    let (mut idle, mut busy) = (Client::connect(&server).await, Client::connect(&server).await);
    busy.send(&[query(
        "SELECT sum(sqrt(value::double)) FROM generate_series(1, 20000000)",
    )])
    .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.shutdown.cancel();
    assert_eq!(
        idle.next().await.map(|answer| word(&answer)).as_deref(),
        Some("FATAL 57P01")
    );
    assert!(idle.next().await.is_none());
    assert_eq!(busy.until_ready().await[..4], ["1 columns", "row", "SELECT 1", "ready"]);
    assert_eq!(
        busy.next().await.map(|answer| word(&answer)).as_deref(),
        Some("FATAL 57P01")
    );
    tokio::time::timeout(Duration::from_secs(5), &mut server.task)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_does_not_finish_is_stopped() {
    let mut config = dreyer::Config::default();
    config.limits.drain_s = 1;
    let mut server = Server::with(config).await;
    let mut busy = Client::connect(&server).await;
    busy.send(&[query(ENDLESS)]).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let began = Instant::now();
    server.shutdown.cancel();
    let mut last = String::new();
    while let Some(answer) = busy.next().await {
        last = word(&answer);
    }
    assert_eq!(last, "FATAL 57P01");
    tokio::time::timeout(Duration::from_secs(5), &mut server.task)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(
        (Duration::from_millis(900)..Duration::from_secs(5)).contains(&began.elapsed()),
        "{:?}",
        began.elapsed()
    );
}
