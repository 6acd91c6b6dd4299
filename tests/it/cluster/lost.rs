//! Workers that are killed, frozen or cut off while they work: right rows or the stated error, and the next query works.

use std::time::{Duration, Instant};

use super::cable::{Cable, Cut};
use super::leaks::{self, Held};
use super::process::{Process, Said};
use super::{WORK, addresses, coordinator, ready, until, worker, workers_with};
use crate::clients::knock::{Client, query, word};
use crate::skies::Random;

/// Longest that a frozen worker may go unnoticed.
const NOTICED: Duration = Duration::from_secs(15);

fn right_or_stated(said: &Said, expected: &str) -> bool {
    let right = said.rows == expected;
    let stated = said.rows.is_empty() && said.errors.contains("58000") && said.errors.contains("lost worker");
    assert!(right || stated, "{said:?}");
    right
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_worker_costs_another_run_and_nothing_else() {
    rounds(6).await;
}

/// Two hundred times.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes hours"]
async fn two_hundred_lost_workers() {
    rounds(200).await;
}

async fn rounds(number: u64) {
    let mut workers = workers_with(3, &[]).await;
    let mut cables = Vec::new();
    for address in addresses(&workers) {
        cables.push(Cable::to(&address).await);
    }
    let lines: Vec<String> = cables.iter().map(|cable| cable.address.to_string()).collect();
    let (serve, psql) = coordinator(&lines).await;
    ready(&serve, 3).await;
    let began = Instant::now();
    let expected = psql.dealt(WORK).await.rows;
    let usual = began.elapsed();
    assert_eq!(expected, psql.with("local", WORK).await.rows);
    let idle = Held::by(&serve);
    let idle_workers: Vec<Held> = workers.iter().map(Held::by).collect();
    let mut right = 0;
    for round in 0..number {
        let mut random = Random(round);
        let victim = (random.unit() * 3.0) as usize;
        let running = tokio::spawn({
            let psql = psql.clone();
            async move { psql.dealt(WORK).await }
        });
        tokio::time::sleep(usual.mul_f64(random.unit())).await;
        let began = Instant::now();
        match round % 3 {
            0 => workers[victim].child.kill().await.unwrap(),
            1 => workers[victim].signal("-STOP"),
            _ => cables[victim].set(if round % 2 == 0 { Cut::Both } else { Cut::Answers }),
        }
        let said = running.await.unwrap();
        assert!(
            began.elapsed() < NOTICED + 4 * usual,
            "round {round}: {:?}",
            began.elapsed()
        );
        right += u64::from(right_or_stated(&said, &expected));
        let next = psql.dealt(WORK).await;
        assert_eq!(next.rows, expected, "round {round}: the next query: {next:?}");
        match round % 3 {
            0 => {
                let address = workers[victim].said("working on ");
                let arguments = ["worker", "--listen", &address, "--http", "127.0.0.1:0"];
                workers[victim] = Process::start(&arguments).await;
            }
            1 => workers[victim].signal("-CONT"),
            _ => cables[victim].set(Cut::Nothing),
        }
        ready(&serve, 3).await;
        for worker in &workers {
            let idle = async || worker.metric("dreyer_worker_tasks_running").await == 0;
            until("no task is left behind", Duration::from_secs(30), idle).await;
        }
        leaks::none(&serve, &idle, &format!("round {round}, the server")).await;
        for (number, (worker, idle)) in workers.iter().zip(&idle_workers).enumerate() {
            leaks::none(
                worker,
                idle,
                &format!("round {round}, worker {number}, of whom {victim} was lost"),
            )
            .await;
        }
    }
    // A count is the last thing to be known, so next to nothing is lost when it has left. Of a few rounds on a busy machine
    // two may come to nothing; of many, a quarter would be too many.
    let least = if number < 50 { number / 2 } else { number * 3 / 4 };
    assert!(right >= least, "{right} of {number}");
    assert_eq!(serve.metric("dreyer_queries_running").await, 0);
    assert_eq!(serve.metric("dreyer_memory_reserved_bytes").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_of_which_rows_have_left_is_not_begun_again() {
    let mut worker = worker().await;
    let (serve, _psql) = coordinator(&[worker.said("working on ")]).await;
    ready(&serve, 1).await;
    let mut client = Client::to(&serve.said("listening on ")).await;
    client.send(&[query("SET dreyer.compute = 'distributed'")]).await;
    client.until_ready().await;
    // More rows than fit between the processes.
    let sql = "SELECT a.*, b.* FROM hipparcos a JOIN hipparcos b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.7";
    client.send(&[query(sql)]).await;
    let mut rows = 0;
    while rows < 1000 {
        let answer = word(&client.next().await.unwrap());
        rows += usize::from(answer == "row");
        assert!(!answer.starts_with("ERROR"), "{answer}");
    }
    worker.child.kill().await.unwrap();
    let mut last = String::new();
    while let Some(answer) = client.next().await {
        let answer = word(&answer);
        if answer == "ready" {
            break;
        }
        last = answer;
    }
    assert_eq!(last, "ERROR 58000");
    client.send(&[query("SELECT 1")]).await;
    assert_eq!(client.until_ready().await, ["1 columns", "row", "SELECT 1", "ready"]);
}
