//! Matches of two tables neither of which fits into memory: dealt into buckets on disk, and as right as any.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, Float64Array, Int64Array, RecordBatch};
use datafusion::arrow::datatypes::Int64Type;
use dreyer::{Access, Config, Database, Limits, Outcome, Session};
use futures::{StreamExt, TryStreamExt};
use parquet::arrow::ArrowWriter;

use crate::crossmatch::{explain, run};
use crate::skies::Random;

/// Rows of each table: half of them in a clump, so that one bucket holds more than memory does.
const ROWS: usize = 120_000;
const MEMORY: usize = 3 << 20;

fn write(file: &Path, seed: u64) {
    let (mut anchors, mut random) = (Random(7), Random(seed));
    let (mut ra, mut dec) = (Vec::new(), Vec::new());
    for row in 0..ROWS {
        let (lon, lat) = if row % 2 == 0 {
            (80.0 + 2.0 * anchors.unit(), -68.0 - 2.0 * anchors.unit())
        } else {
            (360.0 * anchors.unit(), (2.0 * anchors.unit() - 1.0).asin().to_degrees())
        };
        let step = 2.0 / 3600.0 * (random.unit() - 0.5);
        ra.push(match row % 1000 {
            1 => None,
            3 => Some(f64::NAN),
            _ => Some(lon),
        });
        dec.push((lat + step).clamp(-90.0, 90.0));
    }
    let columns: [(&str, Arc<dyn datafusion::arrow::array::Array>); 3] = [
        ("id", Arc::new(Int64Array::from_iter_values(0..ROWS as i64))),
        ("ra", Arc::new(Float64Array::from(ra))),
        ("dec", Arc::new(Float64Array::from(dec))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(file).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

async fn open(root: &Path, spill: &Path, memory_bytes: usize) -> Session {
    let limits = Limits {
        memory_bytes,
        spill_dir: Some(spill.to_owned()),
        target_partitions: 2,
        ..Limits::default()
    };
    Database::open(Config {
        roots: vec![root.display().to_string()],
        access: Access::Full,
        limits,
        ..Config::default()
    })
    .await
    .unwrap()
    .session()
}

async fn numbers(session: &Session, sql: &str) -> Vec<Option<i64>> {
    let batches = run(session, sql).await;
    let columns = batches[0].columns().iter();
    columns
        .map(|column| column.as_primitive::<Int64Type>().iter().next().unwrap())
        .collect()
}

fn files_under(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| if path.is_dir() { files_under(&path) } else { 1 })
        .sum()
}

async fn is_empty(folder: &Path) -> bool {
    for _ in 0..200 {
        if files_under(folder) == 0 {
            return true;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_is_matched_on_disk() {
    let (folder, spill) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(&folder.path().join("a.parquet"), 1);
    write(&folder.path().join("b.parquet"), 2);
    let roomy = open(folder.path(), spill.path(), 1 << 30).await;
    let tight = open(folder.path(), spill.path(), MEMORY).await;
    let near = "DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1/3600.";
    let sums = "COUNT(*), COUNT(b.id), SUM(a.id), SUM(b.id)";
    let left_sums = "COUNT(*), SUM(a.id)";
    for sql in [
        format!("SELECT {sums} FROM a JOIN b ON {near}"),
        format!("SELECT {sums} FROM a LEFT JOIN b ON {near} AND (a.id + b.id) % 3 < 2"),
        format!("SELECT {sums} FROM a RIGHT JOIN b ON {near} AND (a.id + b.id) % 3 < 2"),
        format!("SELECT {left_sums} FROM a WHERE EXISTS (SELECT 1 FROM b WHERE {near})"),
        format!("SELECT {left_sums} FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE {near})"),
        format!("SELECT {sums} FROM a LEFT JOIN b ON XMATCH(a.ra, a.dec, b.ra, b.dec, radius_arcsec => 5, k => 2)"),
    ] {
        let plan = explain(&tight, &sql).await;
        assert!(plan.contains("strategy=retiled"), "{plan}");
        let plan = explain(&roomy, &sql).await;
        assert!(plan.contains("strategy=indexed"), "{plan}");
        let truth = numbers(&roomy, &sql).await;
        assert!(truth[0] > Some(1000), "{sql}: {truth:?}");
        assert_eq!(numbers(&tight, &sql).await, truth, "{sql}");
        assert!(is_empty(spill.path()).await, "files were left behind");
    }
    let sql = format!("SELECT {sums} FROM a JOIN b ON {near}");
    let analyzed = run(&tight, &format!("EXPLAIN ANALYZE {sql}")).await;
    let analyzed = datafusion::arrow::util::pretty::pretty_format_batches(&analyzed)
        .unwrap()
        .to_string();
    assert!(
        analyzed.contains("spilled_bytes") || analyzed.contains("spill_count"),
        "{analyzed}"
    );
    // Held whole, it does not fit.
    run(&tight, "SET dreyer.crossmatch_strategy = 'indexed'").await;
    let error = crate::error(&tight, &sql).await;
    assert_eq!(error.sqlstate(), "53200");
    let hint = error.hint.as_deref().unwrap_or_default();
    assert!(hint.contains("'retiled'"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_given_up_leaves_no_files() {
    let (folder, spill) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(&folder.path().join("a.parquet"), 1);
    write(&folder.path().join("b.parquet"), 2);
    let session = open(folder.path(), spill.path(), MEMORY).await;
    let sql = "SELECT a.id, b.id FROM a JOIN b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1/3600.";
    let statement = session.parse(sql).unwrap().remove(0);
    let plan = session.plan(&statement).await.unwrap();
    let Outcome::Rows(mut rows) = session.execute(plan).await.unwrap() else {
        panic!("a query gives rows");
    };
    assert!(rows.next().await.unwrap().unwrap().num_rows() > 0);
    assert!(files_under(spill.path()) > 0);
    drop(rows);
    assert!(is_empty(spill.path()).await, "files were left behind");
    // One that fails at a row.
    let sql =
        "SELECT a.id, b.id FROM a JOIN b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1/3600. AND 1 / (b.id - 5002) < 2";
    let statement = session.parse(sql).unwrap().remove(0);
    let plan = session.plan(&statement).await.unwrap();
    if let Outcome::Rows(rows) = session.execute(plan).await.unwrap() {
        assert!(rows.try_collect::<Vec<_>>().await.is_err());
    }
    assert!(is_empty(spill.path()).await, "files were left behind");
}
