//! A proxy that breaks what an S3 server says: the right rows or a clear error, never wrong rows, and soon enough.

use std::time::{Duration, Instant};

use dreyer::{Config, Database};

use futures::StreamExt;

use super::{rows, shown};
use crate::support::proxy::{Fault, Proxy};
use crate::support::seaweed::{self, S3Server};

/// What must come of a fault.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Outcome {
    Right,
    /// An error of one of these classes.
    Fails(&'static [&'static str]),
}

const IO: Outcome = Outcome::Fails(&["58030"]);

/// Faults, when they begin, and what must come of them.
const CASES: [(Fault, When, Outcome); 25] = [
    (Fault::None, When::Opening, Outcome::Right),
    (
        Fault::Refuse {
            status: 503,
            percent: 5,
        },
        When::Opening,
        Outcome::Right,
    ),
    (
        Fault::Refuse {
            status: 500,
            percent: 30,
        },
        When::Opening,
        Outcome::Right,
    ),
    (
        Fault::Refuse {
            status: 429,
            percent: 30,
        },
        When::Opening,
        Outcome::Right,
    ),
    (
        Fault::Refuse {
            status: 503,
            percent: 100,
        },
        When::Opening,
        IO,
    ),
    (
        Fault::Refuse {
            status: 503,
            percent: 100,
        },
        When::Reading,
        IO,
    ),
    (Fault::Cut { after: 90_000 }, When::Opening, Outcome::Right),
    (Fault::Cut { after: 0 }, When::Opening, IO),
    (Fault::Cut { after: 10 }, When::Reading, IO),
    (Fault::CutOnce { after: 5000 }, When::Opening, Outcome::Right),
    (Fault::CutOnce { after: 0 }, When::Opening, Outcome::Right),
    (Fault::Shorten { by: 1 }, When::Opening, Outcome::Right),
    (Fault::Shorten { by: 5000 }, When::Reading, IO),
    (Fault::Shorten { by: usize::MAX }, When::Reading, IO),
    (Fault::PassForWhole, When::Reading, IO),
    (Fault::WrongRange, When::Opening, IO),
    (Fault::WrongRange, When::Reading, IO),
    (Fault::Silence, When::Opening, IO),
    (Fault::Silence, When::Reading, IO),
    (Fault::Stall { after: 100 }, When::Opening, IO),
    (Fault::Stall { after: 0 }, When::Reading, IO),
    (Fault::Trickle, When::Opening, IO),
    (Fault::Trickle, When::Reading, IO),
    (
        Fault::Rewritten { honest: true },
        When::Reading,
        Outcome::Fails(&["40001"]),
    ),
    (
        Fault::Rewritten { honest: false },
        When::Reading,
        Outcome::Fails(&["40001"]),
    ),
];

#[derive(Debug, Clone, Copy, PartialEq)]
enum When {
    /// Before the catalogue is opened.
    Opening,
    /// Between opening and reading.
    Reading,
}

/// Reads several tiles, and not all of them: unoptimised decoding is what takes the time here.
const QUERY: &str = "SELECT count(*) AS n, sum(hip) AS s FROM hipparcos WHERE DISTANCE(ra, dec, 56.75, 24.12) < 25";

/// Cases that run at once. More of them would make the machine the fault.
const AT_ONCE: usize = 4;

/// Longest that a request may take: the stated time-out, one more attempt, and some for a busy machine.
const BOUND: Duration = Duration::from_secs(12);

fn config(proxy: &Proxy, fault: Fault) -> Config {
    let mut config = seaweed::config(&proxy.endpoint(), "sky", "all");
    config.limits.refresh_s = 0;
    config.storage.connect_timeout_s = 1.0;
    config.storage.read_timeout_s = 0.8;
    // Chance must not decide: with so many attempts, thirty refusals in a hundred are survived.
    let patient = matches!(fault, Fault::Refuse { percent, .. } if percent < 100);
    (config.storage.timeout_s, config.storage.retries) = if patient { (30.0, 12) } else { (2.0, 8) };
    config
}

/// What a query gives under a fault, and how long that took. What cannot be opened gives the error of that.
async fn run(proxy: &Proxy, fault: Fault, when: When) -> (dreyer::Result<String>, Duration) {
    if when == When::Opening {
        proxy.set(fault);
    }
    let from = Instant::now();
    let database = match Database::open(config(proxy, fault)).await {
        Ok(database) => database,
        Err(error) => return (Err(error), from.elapsed()),
    };
    let session = database.session();
    let from = if when == When::Reading {
        proxy.set(fault);
        Instant::now()
    } else {
        from
    };
    let result = rows(&session, QUERY).await;
    let took = from.elapsed();
    let metrics = database.storage_metrics().remove(0);
    match fault {
        Fault::CutOnce { .. } | Fault::Shorten { .. } => {
            assert!(metrics.resumed > 0, "{fault:?} {metrics:?}")
        }
        Fault::Refuse { percent: 30.., .. } | Fault::Silence | Fault::Stall { .. } => {
            assert!(metrics.failures > 0, "{fault:?} {metrics:?}");
        }
        Fault::None => assert_eq!(metrics.resumed, 0, "{metrics:?}"),
        _ => {}
    }
    assert!(proxy.requests() > 0, "{fault:?} was never met");
    // The server is unharmed, and so is the table once the store is.
    assert!(rows(&session, "SELECT 1 AS a").await.is_ok());
    if when == When::Reading {
        proxy.set(Fault::None);
        let healed = rows(&session, QUERY).await;
        assert!(healed.is_ok(), "{fault:?}: {healed:?}");
    }
    (result, took)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_give_the_right_rows_or_a_clear_error() {
    let server = S3Server::start().await;
    server.upload_sample("sky", "all").await;
    let sample = Database::open(Config::default()).await.unwrap().session();
    let right = rows(&sample, QUERY).await.unwrap();
    let port = server.port;
    let cases = futures::stream::iter(CASES).map(|(fault, when, outcome)| async move {
        let proxy = Proxy::start(port).await;
        (fault, when, outcome, run(&proxy, fault, when).await)
    });
    let mut cases = cases.buffer_unordered(AT_ONCE);
    let mut wrong = Vec::new();
    while let Some((fault, when, outcome, (result, took))) = cases.next().await {
        let fine = match (&result, outcome) {
            (Ok(rows), Outcome::Right) => *rows == right,
            (Err(error), Outcome::Fails(classes)) => {
                let clear = ["all/hipparcos", "s3://sky/all:"]
                    .iter()
                    .any(|place| shown(error).contains(place))
                    && !shown(error).contains(seaweed::SECRET);
                classes.contains(&error.sqlstate()) && clear
            }
            _ => false,
        };
        let in_time = outcome == Outcome::Right || took < BOUND;
        if !fine || !in_time {
            wrong.push(format!(
                "{fault:?} {when:?}: {outcome:?} was to come, but in {took:?} {result:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
