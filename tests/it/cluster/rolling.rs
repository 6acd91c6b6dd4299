//! Every process is replaced in turn, under load: whoever tries again notices nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::process::{Process, Psql};
use super::{WORK, ready, until};

/// How often a client tries again.
const TRIES: usize = 4;

/// What clients ask in turn: small and at home, large and dealt.
const SMALL: &str = "SELECT count(*) FROM hipparcos WHERE DISTANCE(ra, dec, 56.75, 24.12) < 1";

#[derive(Default)]
struct Seen {
    done: AtomicUsize,
    again: AtomicUsize,
    failed: AtomicUsize,
}

/// A client that goes from one server to the other.
async fn client(servers: Vec<Psql>, expected: [String; 2], stop: Arc<AtomicBool>, seen: Arc<Seen>) {
    let mut turn = 0;
    while !stop.load(Ordering::SeqCst) {
        turn += 1;
        let (compute, sql) = [("auto", SMALL), ("distributed", WORK)][turn % 2];
        let mut right = false;
        for attempt in 0..TRIES {
            let said = servers[(turn + attempt) % servers.len()].with(compute, sql).await;
            right = said.rows == expected[turn % 2];
            if right {
                break;
            }
            // Refused, lost or sent home: said so, with no row.
            assert!(
                said.rows.is_empty() && !said.errors.is_empty(),
                "a wrong answer: {said:?}"
            );
            seen.again.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(300 << attempt)).await;
        }
        let count = if right { &seen.done } else { &seen.failed };
        count.fetch_add(1, Ordering::SeqCst);
    }
}

/// A process that took the place of another.
async fn replaced(mut old: Process, arguments: &[&str]) -> Process {
    old.signal("-TERM");
    let ended = tokio::time::timeout(Duration::from_secs(60), old.child.wait()).await;
    assert!(ended.unwrap().unwrap().success(), "{arguments:?} did not end well");
    Process::start(arguments).await
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_are_replaced_in_turn_and_nobody_fails() {
    let mut workers = super::workers(3).await;
    let addresses = super::addresses(&workers);
    let dealt = addresses.join(",");
    let mut servers = Vec::new();
    for _ in 0..2 {
        let arguments = [
            "serve",
            "--pg",
            "127.0.0.1:0",
            "--http",
            "127.0.0.1:0",
            "--workers",
            &dealt,
        ];
        let server = Process::start(&arguments).await;
        ready(&server, 3).await;
        servers.push(server);
    }
    let doors: Vec<String> = servers.iter().map(|server| server.said("listening on ")).collect();
    let psql: Vec<Psql> = doors.iter().map(|door| Psql::to(door)).collect();
    let expected = [
        psql[0].with("local", SMALL).await.rows,
        psql[0].with("local", WORK).await.rows,
    ];
    assert!(expected.iter().all(|rows| !rows.is_empty()));
    let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Seen::default()));
    let clients: Vec<_> = (0..2)
        .map(|_| {
            tokio::spawn(client(
                psql.clone(),
                expected.clone(),
                Arc::clone(&stop),
                Arc::clone(&seen),
            ))
        })
        .collect();
    for address in addresses.iter().rev() {
        let old = workers.pop().unwrap();
        let new = replaced(old, &["worker", "--listen", address, "--http", "127.0.0.1:0"]).await;
        workers.insert(0, new);
        for server in &servers {
            ready(server, 3).await;
        }
    }
    for door in doors.iter().rev() {
        let old = servers.pop().unwrap();
        let arguments = ["serve", "--pg", door, "--http", "127.0.0.1:0", "--workers", &dealt];
        let new = replaced(old, &arguments).await;
        ready(&new, 3).await;
        servers.insert(0, new);
    }
    let served = async || seen.done.load(Ordering::SeqCst) >= 10;
    until("the clients had their answers", Duration::from_secs(120), served).await;
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(
        seen.failed.load(Ordering::SeqCst),
        0,
        "of {}",
        seen.done.load(Ordering::SeqCst)
    );
}
