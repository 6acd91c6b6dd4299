//! Working as intended: rows are the same, stages are shown, a cancel reaches everybody, and a stop is orderly.

use std::time::{Duration, Instant};

use super::{WORK, addresses, coordinator, ready, until, worker, workers};

#[tokio::test(flavor = "multi_thread")]
async fn dealt_queries_give_the_rows_of_one_process_and_say_how() {
    let workers = workers(2).await;
    let (serve, psql) = coordinator(&addresses(&workers)).await;
    ready(&serve, 2).await;
    for sql in [
        WORK,
        "SELECT floor(hpmag) AS m, count(*), min(hip) FROM hipparcos GROUP BY m ORDER BY m",
        "SELECT hip, ra FROM hipparcos ORDER BY hpmag, hip LIMIT 20",
        "SELECT h.hip, g.source_id FROM hipparcos h JOIN gaia_bright g ON DISTANCE(h.ra, h.dec, g.ra, g.dec) < 0.001 \
         ORDER BY 1, 2",
        "SELECT count(*) FROM hipparcos h WHERE NOT EXISTS (SELECT 1 FROM gaia_bright g \
         WHERE DISTANCE(h.ra, h.dec, g.ra, g.dec) < 0.001)",
    ] {
        let (dealt, here) = (psql.dealt(sql).await, psql.with("local", sql).await);
        assert!(!here.rows.is_empty() && here.errors.is_empty(), "{here:?}");
        assert_eq!(dealt, here, "{sql}");
    }
    let shown = psql.dealt(&format!("EXPLAIN ANALYZE {WORK}")).await.rows;
    for part in [
        "DistributedExec",
        "tasks=2",
        "t0: CrossMatchExec: strategy=aligned",
        "t1: CrossMatchExec",
    ] {
        assert!(shown.contains(part), "no {part} in {shown}");
    }
    let staged = psql.dealt(&format!("EXPLAIN {WORK}")).await.rows;
    assert!(
        staged.contains("tasks=2") && staged.contains("t1: CrossMatchExec"),
        "{staged}"
    );
    // A subquery that gives one value is run first; the rest is dealt with the value in it.
    let brighter = "SELECT count(hip) FROM hipparcos WHERE hpmag > (SELECT avg(hpmag) FROM hipparcos)";
    let shown = psql.dealt(&format!("EXPLAIN ANALYZE {brighter}")).await.rows;
    assert!(
        shown.contains("DistributedExec") && !shown.contains("ScalarSubquery"),
        "{shown}"
    );
    // What the scans under a dealt match read is counted too.
    let read = |shown: &str| -> u64 {
        let spent = shown.split("spent: bytes=").nth(1).unwrap_or_else(|| panic!("{shown}"));
        spent.split(',').next().unwrap().parse().unwrap()
    };
    let analyzed = format!("EXPLAIN ANALYZE {WORK}");
    let (dealt, here) = (
        psql.dealt(&analyzed).await.rows,
        psql.with("local", &analyzed).await.rows,
    );
    let (dealt, here) = (read(&dealt), read(&here));
    assert!(
        here > 0 && dealt >= here / 2 && dealt <= 4 * here,
        "{dealt} and {here} bytes"
    );
    assert_eq!(
        psql.run("SELECT state, reason IS NULL FROM dreyer.workers").await.rows,
        "ready|t\nready|t\n"
    );
    assert_eq!(serve.metric("dreyer_workers{state=\"ready\"}").await, 2);
    assert!(serve.metric("dreyer_queries_total{outcome=\"complete\"}").await >= 11);
    assert_eq!(serve.metric("dreyer_queries_running").await, 0);
    for process in [&serve, &workers[0]] {
        assert_eq!(process.page("/healthz").await, (200, "alive\n".to_owned()));
        assert_eq!(process.page("/readyz").await, (200, "ready\n".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn small_queries_stay_unless_told_otherwise() {
    let workers = workers(1).await;
    let (_serve, psql) = coordinator(&addresses(&workers)).await;
    let shown = psql.run(&format!("EXPLAIN ANALYZE {WORK}")).await.rows;
    assert!(
        shown.contains("CrossMatchExec") && !shown.contains("DistributedExec"),
        "{shown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_reaches_the_workers() {
    let workers = workers(2).await;
    let (serve, psql) = coordinator(&addresses(&workers)).await;
    ready(&serve, 2).await;
    let sql = WORK.replace("0.9", "1.0");
    let mut command = psql.command("SET dreyer.compute = 'distributed'");
    let child = command
        .args(["-c", "SET statement_timeout = '1200ms'", "-c", &sql])
        .spawn()
        .unwrap();
    let busy = async || workers[0].metric("dreyer_worker_tasks_running").await > 0;
    until("the work is dealt", Duration::from_secs(10), busy).await;
    let shown = psql
        .run("SELECT user_name, workers, rows FROM dreyer.queries WHERE workers > 0 AND state = 'running'")
        .await
        .rows;
    assert_eq!(shown, "dreyer|2|0\n");
    let output = child.wait_with_output().await.unwrap();
    let ended = Instant::now();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("57014"), "{errors}");
    for worker in &workers {
        let idle = async || worker.metric("dreyer_worker_tasks_running").await == 0;
        until("nothing is left running", Duration::from_millis(500), idle).await;
    }
    assert!(ended.elapsed() < Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_told_to_stop_finishes_what_it_has_and_takes_no_more() {
    let mut workers = workers(2).await;
    let (serve, psql) = coordinator(&addresses(&workers)).await;
    ready(&serve, 2).await;
    let expected = psql.with("local", WORK).await;
    let running = tokio::spawn({
        let psql = psql.clone();
        async move { psql.dealt(WORK).await }
    });
    let busy = async || workers[0].metric("dreyer_worker_tasks_running").await > 0;
    until("the work is dealt", Duration::from_secs(10), busy).await;
    workers[0].signal("-TERM");
    until("it says so", Duration::from_secs(5), async || {
        workers[0].page("/readyz").await.0 == 503
    })
    .await;
    assert_eq!(running.await.unwrap(), expected);
    let ended = tokio::time::timeout(Duration::from_secs(10), workers[0].child.wait()).await;
    assert!(ended.unwrap().unwrap().success());
    let one = async || serve.metric("dreyer_workers{state=\"ready\"}").await == 1;
    until("the others are told apart", Duration::from_secs(5), one).await;
    assert_eq!(psql.dealt(WORK).await.rows, expected.rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_worker_is_found_and_an_old_one_forgotten() {
    let old = worker().await;
    let address = old.said("working on ");
    let port = address.rsplit_once(':').unwrap().1;
    let (serve, psql) = coordinator(&[format!("dns:localhost:{port}")]).await;
    ready(&serve, 1).await;
    let shown = psql
        .dealt("EXPLAIN ANALYZE SELECT count(hpmag) FROM hipparcos")
        .await
        .rows;
    assert!(shown.contains("count"), "{shown}");
    drop(old);
    let none = async || serve.metric("dreyer_workers{state=\"ready\"}").await == 0;
    until("it is missed", Duration::from_secs(5), none).await;
    let refused = psql.dealt("SELECT count(hpmag) FROM hipparcos").await;
    assert!(
        refused.errors.contains("58000") && refused.errors.contains("no worker of dns:localhost"),
        "{refused:?}"
    );
    let _new = super::Process::start(&["worker", "--listen", &address]).await;
    ready(&serve, 1).await;
    assert_eq!(psql.dealt("SELECT count(hip) FROM hipparcos").await.rows, "117955\n");
}
