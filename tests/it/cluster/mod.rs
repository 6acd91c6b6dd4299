//! Several real processes that answer one query: dealt, lost, frozen, cut off, drained, and kept out.

mod cable;
mod keys;
mod leaks;
mod lost;
mod plain;
mod process;
mod rolling;
mod servers;
mod service;
mod stores;
mod trace;
mod turns;
mod waves;

use std::time::Duration;

use process::{Process, Psql};

/// Pairs of Hipparcos stars within a degree: enough work to be caught in the middle of.
const WORK: &str = "SELECT count(*), sum(a.hip), sum(b.hip) FROM hipparcos a JOIN hipparcos b \
                    ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.9 AND a.hpmag < b.hpmag + 1";

/// A coordinator that deals to these workers all that it can.
async fn coordinator(workers: &[String]) -> (Process, Psql) {
    coordinator_with(workers, &[]).await
}

async fn coordinator_with(workers: &[String], more: &[&str]) -> (Process, Psql) {
    let workers = workers.join(",");
    let mut arguments = vec![
        "serve",
        "--pg",
        "127.0.0.1:0",
        "--http",
        "127.0.0.1:0",
        "--workers",
        &workers,
    ];
    arguments.extend(more);
    let process = Process::start(&arguments).await;
    let psql = Psql::to(&process.said("listening on "));
    (process, psql)
}

/// Waits until a coordinator has so many workers that it can use.
async fn ready(coordinator: &Process, workers: u64) {
    let all = async || coordinator.metric("dreyer_workers{state=\"ready\"}").await == workers;
    until("the workers are ready", Duration::from_secs(30), all).await;
}

async fn worker() -> Process {
    worker_with(&[]).await
}

async fn worker_with(more: &[&str]) -> Process {
    let mut arguments = vec!["worker", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"];
    arguments.extend(more);
    Process::start(&arguments).await
}

async fn workers(number: usize) -> Vec<Process> {
    workers_with(number, &[]).await
}

async fn workers_with(number: usize, more: &[&str]) -> Vec<Process> {
    let mut workers = Vec::new();
    for _ in 0..number {
        workers.push(worker_with(more).await);
    }
    workers
}

fn addresses(workers: &[Process]) -> Vec<String> {
    workers.iter().map(|worker| worker.said("working on ")).collect()
}

/// Waits until `test` holds.
async fn until(what: &str, within: Duration, mut test: impl AsyncFnMut() -> bool) {
    let began = std::time::Instant::now();
    while !test().await {
        assert!(began.elapsed() < within, "not within {within:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
