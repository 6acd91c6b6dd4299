//! So many queries on the workers, so many that wait, and a word to the others.

use std::time::Duration;

use super::{WORK, addresses, coordinator_with, ready, until, workers};

#[tokio::test(flavor = "multi_thread")]
async fn queries_wait_their_turn_and_no_more_than_may_wait() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("dreyer.toml");
    std::fs::write(&config, "[cluster]\nmax_queries = 1\nmax_queued = 1\n").unwrap();
    let workers = workers(1).await;
    let config = config.display().to_string();
    let (serve, psql) = coordinator_with(&addresses(&workers), &["--config", &config]).await;
    ready(&serve, 1).await;
    let expected = psql.with("local", WORK).await;
    let start = || {
        let psql = psql.clone();
        tokio::spawn(async move { psql.dealt(WORK).await })
    };
    let first = start();
    let busy = async || serve.metric("dreyer_queries_running").await == 1;
    until("one is on the workers", Duration::from_secs(20), busy).await;
    let second = start();
    let waits = async || serve.metric("dreyer_queries_queued").await == 1;
    until("one waits", Duration::from_secs(20), waits).await;
    let states = psql
        .run("SELECT state FROM dreyer.queries WHERE workers > 0 ORDER BY id")
        .await;
    assert_eq!(states.rows, "running\nqueued\n");
    let third = psql.dealt(WORK).await;
    assert!(
        third.errors.contains("53400") && third.errors.contains("cluster.max_queued"),
        "{third:?}"
    );
    // What runs at home needs no turn.
    assert_eq!(psql.run("SELECT count(*) FROM hipparcos").await.rows, "117955\n");
    assert_eq!(first.await.unwrap(), expected);
    assert_eq!(second.await.unwrap(), expected);
    assert_eq!(serve.metric("dreyer_queries_queued").await, 0);
}
