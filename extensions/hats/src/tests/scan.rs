//! What a scan returns, and what it leaves unread.

use std::fs::File;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Float64Array, RecordBatch};
use datafusion::arrow::datatypes::Float64Type;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::sky::{Session, Sky, Star};

fn ids(stars: &[Star], keep: impl Fn(&Star) -> bool) -> Vec<i64> {
    stars.iter().filter(|star| keep(star)).map(|star| star.id).collect()
}

#[tokio::test]
async fn every_row_comes_once() {
    let sky = Sky::new(5000, 300, 100).await;
    let session = sky.session().await;
    assert!(sky.summary.tiles > 20, "{:?}", sky.summary);
    assert_eq!(session.ids("SELECT id FROM sky").await, ids(&sky.stars, |_| true));
    assert_eq!(session.ids("SELECT count(*) FROM sky").await, [5000]);
    let north = session
        .ids("SELECT id FROM sky WHERE dec > 30 AND name <> 'star 7'")
        .await;
    assert_eq!(north, ids(&sky.stars, |star| star.dec > 30.0 && star.id != 7));
}

#[tokio::test]
async fn a_count_within_a_cone_is_counted_even_in_a_single_tile() {
    let sky = Sky::new(2000, 100_000, 100_000).await;
    let session = sky.session().await;
    let near = |star: &Star| dreyer_sphere::separation_deg(0.0, 0.0, star.ra, star.dec) < 170.0;
    let expected = ids(&sky.stars, near).len() as i64;
    assert_eq!(
        session
            .ids("SELECT count(*) FROM sky WHERE q3c_radial_query(ra, dec, 0, 0, 170)")
            .await,
        [expected]
    );
}

#[tokio::test]
async fn the_count_of_all_rows_reads_nothing() {
    let sky = Sky::new(2000, 300, 100).await;
    let session = sky.session().await;
    session.reads.take();
    assert_eq!(session.ids("SELECT count(*) FROM sky").await, [2000]);
    assert_eq!(session.reads.take(), (0, 0));
}

#[tokio::test]
async fn an_index_filter_prunes_tiles_row_groups_and_bytes() {
    let sky = Sky::new(20_000, 4000, 500).await;
    let session = sky.session().await;
    session.ids("SELECT id FROM sky WHERE name <> ''").await;
    let (all, _) = session.reads.take();
    let cell = dreyer_sphere::Cell::containing(6, dreyer_sphere::LonLat::new(83.62, -5.38).unwrap());
    let range = cell.range();
    let filter = format!("_healpix_29 BETWEEN {} AND {}", range.start, range.end - 1);
    let sql = format!("SELECT id FROM sky WHERE name <> '' AND {filter}");
    let found = session.ids(&sql).await;
    let (some, _) = session.reads.take();
    let expected = ids(&sky.stars, |star| {
        range.contains(&dreyer_sphere::index29(star.ra, star.dec).unwrap())
    });
    assert!(!expected.is_empty());
    assert_eq!(found, expected);
    assert!(some * 4 < all, "{some} of {all} bytes");
    let plan = session.text(&format!("EXPLAIN ANALYZE {sql}")).await;
    assert!(
        plan.contains(&format!("tiles=1/{}, sky_ranges=1", sky.summary.tiles)),
        "{plan}"
    );
    assert!(plan.contains("row_groups_pruned_statistics"), "{plan}");
}

#[tokio::test]
async fn sorted_leaves_need_no_sort() {
    let sky = Sky::new(5000, 300, 100).await;
    let session = sky.session().await;
    let sql = "SELECT _healpix_29 FROM sky ORDER BY _healpix_29";
    let plan = session.text(&format!("EXPLAIN {sql}")).await;
    assert!(!plan.contains("SortExec"), "{plan}");
    assert!(plan.contains("SortPreservingMergeExec"), "{plan}");
    let batches = session.query(sql).await.unwrap();
    let rows: Vec<i64> = batches
        .iter()
        .flat_map(|batch| {
            use datafusion::arrow::array::AsArray;
            batch
                .column(0)
                .as_primitive::<datafusion::arrow::datatypes::Int64Type>()
                .values()
                .to_vec()
        })
        .collect();
    assert_eq!(rows.len(), 5000);
    assert!(rows.is_sorted());
}

#[tokio::test]
async fn a_filter_that_leaves_no_tile_gives_no_row() {
    let sky = Sky::new(100, 10, 10).await;
    let session: Session = sky.session().await;
    session.reads.take();
    assert!(session.ids("SELECT id FROM sky WHERE _healpix_29 < 0").await.is_empty());
    assert_eq!(session.ids("SELECT count(*) FROM sky WHERE _healpix_29 < 0").await, [0]);
    assert_eq!(session.reads.take(), (0, 0));
}

#[tokio::test]
async fn cones_agree_with_brute_force_everywhere() {
    let sky = Sky::new(8000, 500, 100).await;
    let session = sky.session().await;
    let cones = [
        (0.0, 0.0, 0.1),
        (359.99, 0.05, 0.2),
        (10.0, 90.0, 0.3),
        (200.0, -90.0, 5.0),
        (83.62, -5.38, 0.01),
        (123.0, 45.0, 30.0),
        (0.0, 0.0, 180.0),
        (77.0, 12.0, 0.0),
        (45.0, 41.810_314_9, 1.0),
    ];
    for (ra, dec, radius) in cones {
        let sql = format!("SELECT id FROM sky WHERE sky_contains(POINT(ra, dec), CIRCLE({ra}, {dec}, {radius}))");
        let within = |star: &Star| dreyer_sphere::separation_deg(ra, dec, star.ra, star.dec) <= radius;
        assert_eq!(session.ids(&sql).await, ids(&sky.stars, within), "{ra} {dec} {radius}");
    }
}

#[tokio::test]
async fn regions_and_their_combinations_agree_with_brute_force() {
    let sky = Sky::new(8000, 500, 100).await;
    let session = sky.session().await;
    let circle = |ra: f64, dec: f64, r: f64| format!("DISTANCE(ra, dec, {ra}, {dec}) < {r}");
    let near = |star: &Star, ra, dec, r| dreyer_sphere::separation_deg(ra, dec, star.ra, star.dec) < r;
    let (a, b) = (circle(83.62, -5.38, 0.03), circle(0.0, 0.0, 0.3));
    let either = session.ids(&format!("SELECT id FROM sky WHERE {a} OR {b}")).await;
    let expected = |star: &Star| near(star, 83.62, -5.38, 0.03) || near(star, 0.0, 0.0, 0.3);
    assert_eq!(either, ids(&sky.stars, expected));
    let plan = session
        .text(&format!("EXPLAIN SELECT id FROM sky WHERE {a} OR {b}"))
        .await;
    assert!(!plan.contains(&format!("tiles={0}/{0}", sky.summary.tiles)), "{plan}");
    let not = session.ids(&format!("SELECT id FROM sky WHERE NOT ({a})")).await;
    assert_eq!(not, ids(&sky.stars, |star| !near(star, 83.62, -5.38, 0.03)));
    let both = session.ids(&format!("SELECT id FROM sky WHERE {a} AND {b}")).await;
    assert!(both.is_empty());
}

#[tokio::test]
async fn a_cone_reads_a_small_part() {
    let sky = Sky::new(20_000, 4000, 500).await;
    let session = sky.session().await;
    session.ids("SELECT id FROM sky WHERE name <> ''").await;
    let (all, _) = session.reads.take();
    let sql = "SELECT id FROM sky WHERE name <> '' AND q3c_radial_query(ra, dec, 83.62, -5.38, 0.002)";
    assert!(!session.ids(sql).await.is_empty());
    let (some, _) = session.reads.take();
    assert!(some * 5 < all, "{some} of {all} bytes");
    let plan = session.text(&format!("EXPLAIN ANALYZE {sql}")).await;
    assert!(plan.contains("sky_ranges="), "{plan}");
    assert!(!plan.contains("_healpix_29 >="), "filters stay readable: {plan}");
    let total = plan.split_once("sky_row_groups=").unwrap().1;
    let mut numbers = total
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|word| word.parse::<u32>().ok());
    let (total, matched) = (numbers.next().unwrap(), numbers.next().unwrap());
    assert!(matched < total, "{plan}");
}

#[tokio::test]
async fn filters_pushed_into_the_reader_change_nothing() {
    let sky = Sky::new(3000, 300, 100).await;
    let mut config = datafusion::prelude::SessionConfig::new().with_target_partitions(2);
    config.options_mut().execution.parquet.pushdown_filters = true;
    let pushing = Session::with_config(&sky.path(), config).await;
    let plain = sky.session().await;
    for filter in [
        "dec > 3 AND name <> 'star 9'",
        "q3c_radial_query(ra, dec, 83.62, -5.38, 0.02)",
        "_healpix_29 > 1",
    ] {
        let sql = format!("SELECT id FROM sky WHERE {filter}");
        assert_eq!(pushing.ids(&sql).await, plain.ids(&sql).await, "{filter}");
    }
}

#[tokio::test]
async fn the_nearest_of_a_column_needs_no_whole_scan() {
    let sky = Sky::new(3000, 300, 100).await;
    let session = sky.session().await;
    assert_eq!(
        session.ids("SELECT id FROM sky ORDER BY id DESC LIMIT 3").await,
        [2997, 2998, 2999]
    );
    assert_eq!(
        session.ids("SELECT id FROM sky WHERE id > 5 ORDER BY id LIMIT 2").await,
        [6, 7]
    );
    assert_eq!(
        session
            .query("SELECT id FROM sky LIMIT 4")
            .await
            .unwrap()
            .iter()
            .map(|b| b.num_rows())
            .sum::<usize>(),
        4
    );
    let descending = session
        .query("SELECT _healpix_29 FROM sky ORDER BY _healpix_29 DESC LIMIT 50")
        .await
        .unwrap();
    let mut expected: Vec<i64> = sky
        .stars
        .iter()
        .map(|star| dreyer_sphere::index29(star.ra, star.dec).unwrap() as i64)
        .collect();
    expected.sort_unstable();
    assert_eq!(super::sky::sorted_ids(&descending), expected[expected.len() - 50..]);
}

mod any_cone {
    use proptest::prelude::*;

    use super::{Sky, Star, ids};

    #[test]
    fn agrees_with_brute_force() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (sky, session) = runtime.block_on(async {
            let sky = Sky::new(4000, 200, 50).await;
            let session = sky.session().await;
            (sky, session)
        });
        let cases = ProptestConfig {
            cases: 24,
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        proptest!(cases, |(ra in -10.0_f64..370.0, dec in -90.0_f64..=90.0, size in -4.0_f64..2.2)| {
            let radius = 10_f64.powf(size);
            let sql = format!("SELECT id FROM sky WHERE q3c_radial_query(ra, dec, {ra}, {dec}, {radius})");
            let near = |star: &Star| dreyer_sphere::separation_deg(ra, dec, star.ra, star.dec) < radius;
            prop_assert_eq!(runtime.block_on(session.ids(&sql)), ids(&sky.stars, near));
        });
    }
}

/// A leaf as another program may write it: the same rows, and not-a-numbers of several kinds.
#[tokio::test]
async fn every_nan_of_a_leaf_is_the_same() {
    let sky = Sky::new(2000, 300, 100).await;
    let leaves = std::fs::read_dir(sky.path().join("dataset")).unwrap().flatten();
    let mut folder = leaves.map(|entry| entry.path()).find(|path| path.is_dir()).unwrap();
    while folder.is_dir() {
        folder = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    }
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&folder).unwrap()).unwrap();
    let batch = reader.build().unwrap().next().unwrap().unwrap();
    let kinds = [f64::NAN, -f64::NAN, f64::from_bits(f64::NAN.to_bits() | 1), 2.5];
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let odd = || {
            (0..batch.num_rows())
                .map(|row| kinds[row % 4])
                .collect::<Float64Array>()
        };
        let column = if field.name() == "ra" {
            Arc::new(odd()) as ArrayRef
        } else {
            Arc::clone(column)
        };
        columns.push((field.name().clone(), column));
    }
    let odd = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(&folder).unwrap(), odd.schema(), None).unwrap();
    writer.write(&odd).unwrap();
    writer.close().unwrap();
    let session = sky.session().await;
    let batches = session.query("SELECT ra FROM sky").await.unwrap();
    let found: Vec<u64> = batches
        .iter()
        .flat_map(|batch| batch.column(0).as_primitive::<Float64Type>().values().to_vec())
        .map(f64::to_bits)
        .collect();
    let nans = found.iter().filter(|bits| **bits == f64::NAN.to_bits()).count();
    let numbers = found.iter().filter(|bits| **bits == 2.5_f64.to_bits()).count();
    assert!(odd.num_rows() > 40, "{} rows", odd.num_rows());
    assert_eq!((nans + numbers, numbers), (odd.num_rows(), odd.num_rows() / 4));
}
