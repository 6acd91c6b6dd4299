//! Rows that workers read to be written: in waves, of which only those that fail run again.

use std::path::Path;
use std::time::Duration;

use super::process::{Process, Psql, Said};
use super::{addresses, coordinator_with, ready, until, workers};

/// Pairs of stars: many rows of two columns.
const PAIRS: &str = "SELECT a.hip AS one, b.hip AS other, a.ra, a.dec FROM hipparcos a JOIN hipparcos b \
                     ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.5";

/// What tells one set of such rows from another.
const SUM: &str = "count(*), sum(one), sum(other), sum(one * 7 + other), min(ra)";

/// A server that writes to `folder`, in waves of so many bytes.
async fn writing(folder: &Path, wave_bytes: u64, workers: &[Process]) -> (Process, Psql) {
    let config = folder.join("dreyer.toml");
    std::fs::write(&config, format!("[cluster]\nwave_bytes = {wave_bytes}\n")).unwrap();
    let (config, tables) = (
        config.display().to_string(),
        folder.join("tables").display().to_string(),
    );
    let more = ["--config", &config, "--writable", &tables];
    let (serve, psql) = coordinator_with(&addresses(workers), &more).await;
    ready(&serve, workers.len() as u64).await;
    (serve, psql)
}

/// Makes a table of the pairs, in many waves: units of the sky are small.
async fn make_pairs(psql: &Psql) -> Said {
    let mut command = psql.command("SET dreyer.compute = 'distributed'");
    let create = format!("CREATE TABLE dreyer.pairs AS {PAIRS}");
    let output = command
        .args(["-c", "SET dreyer.crossmatch_unit_rows = 2000", "-c", &create])
        .output();
    let output = output.await.unwrap();
    let rows = String::from_utf8(output.stdout).unwrap();
    Said {
        rows: rows.replace("SET\n", ""),
        errors: String::from_utf8(output.stderr).unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_lost_costs_one_wave() {
    let folder = tempfile::tempdir().unwrap();
    let mut workers = workers(3).await;
    let (serve, psql) = writing(folder.path(), 25_000, &workers).await;
    let running = tokio::spawn({
        let psql = psql.clone();
        async move { make_pairs(&psql).await }
    });
    let done = "dreyer_waves_total{outcome=\"complete\"}";
    let begun = async || serve.metric(done).await >= 2;
    until("waves are done", Duration::from_secs(60), begun).await;
    let under_way = psql
        .run(
            "SELECT waves > 5, progress > 0 AND progress < 1 FROM dreyer.queries WHERE state = 'running' AND waves > 0",
        )
        .await;
    assert_eq!(under_way.rows, "t|t\n", "{under_way:?}");
    workers[1].child.kill().await.unwrap();
    let said = running.await.unwrap();
    assert!(
        said.errors
            .lines()
            .all(|line| line.starts_with("NOTICE") || line.starts_with("LOCATION")),
        "{said:?}"
    );
    assert!(said.errors.contains("was run again"), "{said:?}");
    let expected = psql.with("local", &format!("SELECT {SUM} FROM ({PAIRS})")).await.rows;
    assert_eq!(
        psql.with("local", &format!("SELECT {SUM} FROM dreyer.pairs"))
            .await
            .rows,
        expected
    );
    assert_eq!(said.rows, format!("SELECT {}\n", expected.split('|').next().unwrap()));
    let waves = psql
        .run("SELECT waves, waves_done, waves_failed, state FROM dreyer.queries WHERE waves > 1")
        .await;
    let total = serve.metric(done).await;
    assert_eq!(waves.rows, format!("{total}|{total}|1|complete\n"), "{waves:?}");
    assert_eq!(serve.metric("dreyer_waves_total{outcome=\"failed\"}").await, 1);
    assert_eq!(serve.metric("dreyer_queries_running").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_its_shape_what_is_written_is_what_one_process_writes() {
    let folder = tempfile::tempdir().unwrap();
    let workers = workers(2).await;
    let (serve, psql) = writing(folder.path(), 200_000, &workers).await;
    let bright = "SELECT hip, ra, dec, hpmag FROM hipparcos WHERE hpmag < 8";
    let groups = "SELECT floor(hpmag) AS m, count(*) AS n, min(hip) AS first FROM hipparcos GROUP BY m";
    let middle = "SELECT hip, ra, dec FROM hipparcos WHERE hpmag > (SELECT avg(hpmag) FROM hipparcos)";
    let here = crate::local().await;
    let file = |number| {
        folder
            .path()
            .join(format!("tables/dreyer/copied{number}.parquet"))
            .display()
            .to_string()
    };
    for (number, (sql, compare)) in [
        (bright, "count(*), sum(hip), max(ra)"),
        (groups, "count(*), sum(m), sum(n), sum(first)"),
        (middle, "count(*), sum(hip), max(ra)"),
        (
            "SELECT hip, ra, dec FROM hipparcos ORDER BY hpmag, hip LIMIT 1000",
            "count(*), sum(hip), max(ra)",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let before = serve.metric("dreyer_waves_total{outcome=\"complete\"}").await;
        for statement in [
            format!("CREATE TABLE dreyer.t{number} AS {sql}"),
            format!("COPY ({sql}) TO '{}'", file(number)),
            format!("INSERT INTO dreyer.t{number} {sql}"),
        ] {
            let said = psql.dealt(&statement).await;
            assert!(!said.errors.contains("ERROR"), "{statement}: {said:?}");
        }
        let after = serve.metric("dreyer_waves_total{outcome=\"complete\"}").await;
        assert!(after >= before + 3, "{sql}: {before} and {after} waves");
        let twice =
            format!("SELECT {compare} FROM dreyer.t{number} UNION ALL SELECT {compare} FROM ({sql} UNION ALL {sql})");
        if !sql.contains("LIMIT") {
            let rows = psql.with("local", &twice).await.rows;
            let lines: Vec<&str> = rows.lines().collect();
            assert!(lines.len() == 2 && lines[0] == lines[1], "{sql}: {rows}");
        }
        let copied = format!("SELECT {compare} FROM '{}' AS rows", file(number));
        let copied = crate::table(&here, &copied).await;
        let expected = crate::table(&here, &format!("SELECT {compare} FROM ({sql}) AS rows")).await;
        assert_eq!(copied, expected, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_cannot_be_finished_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut workers = workers(1).await;
    let (serve, psql) = writing(folder.path(), 25_000, &workers).await;
    let running = tokio::spawn({
        let psql = psql.clone();
        async move { make_pairs(&psql).await }
    });
    let begun = async || serve.metric("dreyer_waves_total{outcome=\"complete\"}").await >= 1;
    until("waves are done", Duration::from_secs(60), begun).await;
    workers[0].child.kill().await.unwrap();
    let said = running.await.unwrap();
    assert!(said.errors.contains("58000"), "{said:?}");
    let none = psql.run("SELECT count(*) FROM dreyer.pairs").await;
    assert!(none.errors.contains("42P01"), "{none:?}");
    assert_eq!(serve.metric("dreyer_queries_running").await, 0);
}
