//! What a scan tells of its tiling, and its parts against the whole.

use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::physical_plan::{ExecutionPlan, collect, displayable};
use dreyer_sphere::{CellRanges, index29};
use dreyer_tiling::TilingSource;
use futures::TryStreamExt;

use super::sky::{Session, Sky};
use crate::{HatsSource, HatsTilingSource, index_column};

/// The leaf below whatever the planner put over it.
fn leaf(plan: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    match plan.children().first() {
        Some(child) => leaf(Arc::clone(child)),
        None => plan,
    }
}

async fn scan(session: &Session, sql: &str) -> Arc<dyn ExecutionPlan> {
    leaf(session.plan(sql).await.unwrap())
}

async fn run(session: &Session, plan: &Arc<dyn ExecutionPlan>) -> Vec<RecordBatch> {
    collect(Arc::clone(plan), session.context.task_ctx()).await.unwrap()
}

fn column(batches: &[RecordBatch], at: usize) -> Vec<i64> {
    batches
        .iter()
        .flat_map(|batch| batch.column(at).as_primitive::<Int64Type>().values().to_vec())
        .collect()
}

#[tokio::test]
async fn a_scan_tells_its_tiles() {
    let sky = Sky::new(3000, 300, 100).await;
    let session = sky.session().await;
    let tiling = HatsTilingSource
        .tiling(&scan(&session, "SELECT ra, dec FROM sky").await)
        .unwrap();
    assert_eq!(tiling.tiles.len(), sky.summary.tiles);
    assert_eq!(tiling.tiles.iter().map(|tile| tile.rows.unwrap()).sum::<u64>(), 3000);
    assert_eq!((tiling.lon_column.as_str(), tiling.lat_column.as_str()), ("ra", "dec"));
    assert_eq!(tiling.index_column.as_deref(), Some("_healpix_29"));
    assert!(tiling.sorted && tiling.index_exact);
    let part = "SELECT ra, dec FROM sky WHERE q3c_radial_query(ra, dec, 83.62, -5.38, 0.02)";
    let tiles = HatsTilingSource.tiling(&scan(&session, part).await).unwrap().tiles;
    assert!(
        !tiles.is_empty() && tiles.len() * 3 < sky.summary.tiles,
        "{} tiles",
        tiles.len()
    );
}

#[tokio::test]
async fn what_cannot_be_cut_has_no_tiling() {
    let sky = Sky::new(500, 50, 50).await;
    let session = sky.session().await;
    let tiling = async |sql| HatsTilingSource.tiling(&scan(&session, sql).await);
    assert!(tiling("SELECT ra, dec FROM sky LIMIT 3").await.is_none());
    assert!(tiling("SELECT 1").await.is_none());
    assert!(
        tiling("SELECT dec AS ra, id FROM sky").await.is_none(),
        "this ra is no right ascension"
    );
}

#[tokio::test]
async fn the_index_joins_any_projection() {
    let sky = Sky::new(500, 50, 50).await;
    let session = sky.session().await;
    for (sql, at, columns) in [
        ("SELECT id FROM sky", 1, 2),
        ("SELECT id, _healpix_29, ra FROM sky", 1, 3),
        ("SELECT id + 1 AS next FROM sky", 1, 2),
        ("SELECT id, name AS _healpix_29 FROM sky", 2, 3),
    ] {
        let plan = scan(&session, sql).await;
        let (with, position) = HatsTilingSource.with_index(&plan).unwrap().unwrap();
        assert_eq!((position, with.schema().fields().len()), (at, columns), "{sql}");
        let batches = run(&session, &with).await;
        let first = column(&run(&session, &plan).await, 0);
        let mut pairs: Vec<_> = column(&batches, 0)
            .into_iter()
            .zip(column(&batches, position))
            .collect();
        pairs.sort_unstable();
        let mut expected: Vec<_> = sky
            .stars
            .iter()
            .map(|star| {
                (
                    star.id + i64::from(sql.contains("+ 1")),
                    index29(star.ra, star.dec).unwrap() as i64,
                )
            })
            .collect();
        expected.sort_unstable();
        assert_eq!(pairs, expected, "{sql}");
        assert_eq!(first.len(), 500);
    }
}

#[tokio::test]
async fn parts_add_up_to_the_whole_in_order() {
    let sky = Sky::new(6000, 500, 60).await;
    let session = sky.session().await;
    let plan = scan(&session, "SELECT id, _healpix_29 FROM sky WHERE id >= 0").await;
    let at = |name| plan.schema().index_of(name).unwrap();
    let edges: Vec<u64> = (0..=40).map(|i| i * ((12 << 58) / 40) + i * 12345).collect();
    let mut found = Vec::new();
    for pair in edges.windows(2) {
        let ranges = CellRanges::from_ranges(std::iter::once(pair[0]..pair[1].min(12 << 58)));
        let part = HatsTilingSource.restrict(&plan, &ranges).unwrap().unwrap();
        assert_eq!(part.properties().output_partitioning().partition_count(), 1);
        let batches = run(&session, &part).await;
        let indexes = column(&batches, at("_healpix_29"));
        assert!(indexes.is_sorted());
        let inside = column(&batches, at("id"))
            .into_iter()
            .zip(indexes)
            .filter(|(_, i)| ranges.contains(*i as u64));
        found.extend(inside.map(|(id, _)| id));
    }
    found.sort_unstable();
    assert_eq!(found, sky.stars.iter().map(|star| star.id).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_part_reads_little_and_footers_once() {
    let sky = Sky::new(20_000, 20_000, 500).await;
    let session = sky.session().await;
    let plan = scan(&session, "SELECT id, _healpix_29, name FROM sky").await;
    session.reads.take();
    run(&session, &plan).await;
    let (whole, _) = session.reads.take();
    let start = index29(83.62, -5.38).unwrap();
    let ranges = CellRanges::from_ranges(std::iter::once(start..start + (1 << 30)));
    let part = HatsTilingSource.restrict(&plan, &ranges).unwrap().unwrap();
    run(&session, &part).await;
    let (first, _) = session.reads.take();
    assert!(first * 5 < whole, "{first} of {whole} bytes");
    let again = HatsTilingSource.restrict(&plan, &ranges).unwrap().unwrap();
    run(&session, &again).await;
    let (second, requests) = session.reads.take();
    assert!(
        second <= first && requests <= 2,
        "{second} bytes in {requests} requests"
    );
    // The parts count into the metrics of the whole.
    let scanned = plan
        .metrics()
        .unwrap()
        .sum_by_name("files_processed")
        .unwrap()
        .as_usize();
    assert_eq!(scanned, sky.summary.tiles + 2);
}

#[tokio::test]
async fn nothing_is_a_part_too() {
    let sky = Sky::new(100, 50, 50).await;
    let session = sky.session().await;
    let plan = scan(&session, "SELECT name FROM sky").await;
    let part = HatsTilingSource
        .restrict(&plan, &CellRanges::default())
        .unwrap()
        .unwrap();
    assert_eq!(part.schema(), plan.schema());
    assert!(run(&session, &part).await.is_empty());
    let whole = HatsTilingSource
        .restrict(&plan, &CellRanges::everything())
        .unwrap()
        .unwrap();
    let text = displayable(whole.as_ref()).one_line().to_string();
    assert!(!text.contains("predicate"), "a whole tile needs no pruning: {text}");
}

/// Ranges of many sizes, in one part of the sky and all over it, and what lies between the rows.
fn some_ranges() -> Vec<CellRanges> {
    let all = 12_u64 << 58;
    let clump = index29(83.62, -5.38).unwrap();
    let scattered = (0..50).map(|part| part * (all / 50)..part * (all / 50) + (all / 500));
    vec![
        CellRanges::everything(),
        CellRanges::default(),
        CellRanges::of_range(0..all / 3),
        CellRanges::of_range(all / 7..all / 6),
        CellRanges::of_range(clump..clump + 1),
        CellRanges::of_range(clump - (1 << 34)..clump + (1 << 34)),
        CellRanges::from_ranges(scattered),
    ]
}

#[tokio::test]
async fn indexes_alone_are_those_of_the_restricted_scan() {
    let sky = Sky::new(20_000, 3000, 500).await;
    let session = Session::on_disk(&sky.path()).await;
    let context = session.context.task_ctx();
    let plan = scan(&session, "SELECT _healpix_29 FROM sky").await;
    let inside = |batches: &[RecordBatch], ranges: &CellRanges| -> Vec<i64> {
        let indexes = column(batches, 0).into_iter();
        indexes.filter(|index| ranges.contains(*index as u64)).collect()
    };
    let straight = |plan: &Arc<dyn ExecutionPlan>| {
        let (config, source) = HatsSource::of(plan).unwrap();
        index_column::read(source, config, &CellRanges::everything()).is_some()
    };
    assert!(!straight(&plan), "a footer that nobody has read is no reason to hurry");
    run(&session, &plan).await;
    assert!(straight(&plan));
    for ranges in some_ranges() {
        let part = HatsTilingSource.restrict(&plan, &ranges).unwrap().unwrap();
        let truth = inside(&run(&session, &part).await, &ranges);
        let rows = HatsTilingSource.read(&plan, &ranges, &context).unwrap().unwrap();
        assert_eq!(rows.schema(), plan.schema());
        let batches: Vec<RecordBatch> = rows.try_collect().await.unwrap();
        assert_eq!(inside(&batches, &ranges), truth, "{ranges:?}");
        let read: usize = batches.iter().map(RecordBatch::num_rows).sum();
        assert!(
            ranges.len() > 1 || read == truth.len(),
            "{read} rows for {}",
            truth.len()
        );
    }
    for sql in [
        "SELECT id FROM sky",
        "SELECT _healpix_29, id FROM sky",
        "SELECT id AS _healpix_29 FROM sky",
        "SELECT _healpix_29 FROM sky WHERE id > 7",
    ] {
        assert!(!straight(&scan(&session, sql).await), "{sql}");
    }
}

#[tokio::test]
async fn indexes_alone_are_of_the_version_that_was_planned() {
    let sky = Sky::new(2000, 3000, 500).await;
    let session = Session::on_disk(&sky.path()).await;
    let plan = scan(&session, "SELECT _healpix_29 FROM sky").await;
    run(&session, &plan).await;
    let (config, source) = HatsSource::of(&plan).unwrap();
    let rows = index_column::read(source, config, &CellRanges::everything()).unwrap();
    let leaf = std::path::Path::new("/").join(source.tiles[0].files[0].location.as_ref());
    let bytes = std::fs::read(&leaf).unwrap();
    // In place: a file that is replaced stays what it was for a scan that has it open.
    std::fs::write(&leaf, bytes).unwrap();
    let error = rows.try_collect::<Vec<_>>().await.unwrap_err().to_string();
    assert!(error.contains("rewritten") || error.contains("changed"), "{error}");
}
