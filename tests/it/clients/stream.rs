//! Rows leave as they are made: the first long before the last, memory flat, and a client that leaves stops the work.

use std::time::{Duration, Instant};

use pgwire::messages::PgWireBackendMessage as Answer;

use super::Server;
use super::knock::{Client, bind, execute, parse, query, word};

/// Half a gigabyte, if it were ever in one place.
const LARGE: &str = "SELECT value, repeat('x', 1000) FROM generate_series(1, 500000)";

/// Bytes of memory that this process holds.
pub(super) fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Reads the rows of an answer, slowly at first; gives the number of rows and the most memory seen.
async fn drain(client: &mut Client) -> (usize, u64) {
    let (mut rows, mut most) = (0, 0);
    loop {
        match client.next().await.unwrap() {
            Answer::DataRow(_) => rows += 1,
            Answer::CommandComplete(_) => break,
            Answer::ErrorResponse(error) => panic!("{error:?}"),
            _ => {}
        }
        if rows == 1 {
            // Time enough to compute everything, were anybody so inclined.
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        if rows % 10_000 == 1 {
            most = most.max(resident());
        }
    }
    client.until_ready().await;
    (rows, most)
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_does_not_grow_with_the_result() {
    let server = Server::start().await;
    let mut client = Client::connect(&server).await;
    // Batches of a megabyte: what is in flight between operators is a few of them.
    client
        .send(&[query("SET datafusion.execution.batch_size = 1024")])
        .await;
    client.until_ready().await;
    client
        .send(&[query("SELECT count(*) FROM generate_series(1, 1000)")])
        .await;
    client.until_ready().await;
    let before = resident();
    client.send(&[query(LARGE)]).await;
    let (rows, most) = drain(&mut client).await;
    assert_eq!(rows, 500_000);
    assert!(
        most.saturating_sub(before) < 150 << 20,
        "simple: {} MiB more",
        (most - before) >> 20
    );

    let sync = pgwire::messages::PgWireFrontendMessage::Sync(pgwire::messages::extendedquery::Sync::new());
    client
        .send(&[parse("", LARGE), bind("", "", &[]), execute("", 0), sync])
        .await;
    let (rows, most) = drain(&mut client).await;
    assert_eq!(rows, 500_000);
    assert!(
        most.saturating_sub(before) < 150 << 20,
        "extended: {} MiB more",
        (most - before) >> 20
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_reaches_rows_that_wait_for_a_slow_reader() {
    let server = Server::start().await;
    let mut client = Client::connect(&server).await;
    client.send(&[query("SELECT pg_backend_pid()")]).await;
    let mut pid = String::new();
    while let Some(answer) = client.next().await {
        if let Answer::DataRow(row) = &answer {
            pid = String::from_utf8_lossy(&row.data[4..]).into_owned();
        }
        if word(&answer) == "ready" {
            break;
        }
    }
    client.send(&[query(LARGE)]).await;
    for _ in 0..10 {
        client.next().await.unwrap();
    }
    // Nobody reads: the server stands in the middle of a write.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(
        server
            .psql(&["-A", "-t"], &format!("SELECT pg_cancel_backend({pid});\n"))
            .await,
        "t\n"
    );
    let began = Instant::now();
    let mut last = String::new();
    while let Some(answer) = client.next().await {
        let word = word(&answer);
        if word == "ready" {
            break;
        }
        last = word;
    }
    assert_eq!(last, "ERROR 57014");
    assert!(began.elapsed() < Duration::from_secs(5));
    client.send(&[query("SELECT 1")]).await;
    assert_eq!(client.until_ready().await, ["1 columns", "row", "SELECT 1", "ready"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_takes_its_work_along() {
    let server = Server::start().await;
    let mut client = Client::connect(&server).await;
    client.send(&[query(super::psql::ENDLESS)]).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid();\n";
    assert_eq!(server.psql(&["-A", "-t"], running).await, "1\n");
    drop(client);
    for _ in 0..50 {
        if server.psql(&["-A", "-t"], running).await == "0\n" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the statement of a client that has left goes on");
}
