//! Aligned cross-matches of catalogues as they are stored, by every kind of join: rows, and numbers of rows, which are told
//! from the indexes alone.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::arrow::util::pretty::pretty_format_batches;
use dreyer::{Access, Config, Database, Limits, Session};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::crossmatch::{explain, open, run};
use crate::crossmatch_kinds::{KINDS, join_sql, rows};
use crate::skies::{Sky, write_catalogue};

async fn count(session: &Session, sql: &str) -> i64 {
    let batches = run(session, sql).await;
    batches[0].column(0).as_primitive::<Int64Type>().value(0)
}

/// The select list of a query made to count.
fn counting(sql: &str) -> String {
    let from = sql.find(" FROM ").unwrap();
    format!("SELECT COUNT(*){}", &sql[from..])
}

/// Units of a few rows, so that every row is near the rim of one, against the engine's nested loop.
async fn every_kind(sky: Sky, left: usize, right: usize, radius_deg: f64) {
    let folder = tempfile::tempdir().unwrap();
    write_catalogue(folder.path(), "a", &sky.objects(left, 1, radius_deg), 60).await;
    write_catalogue(folder.path(), "b", &sky.objects(right, 2, radius_deg), 40).await;
    let session = open(folder.path()).await;
    let near = format!("DISTANCE(x.ra, x.dec, y.ra, y.dec) < {radius_deg:?}");
    for (condition, suffices) in [(near.clone(), true), (format!("{near} AND x.band = y.band"), false)] {
        for kind in KINDS {
            let sql = join_sql(kind, "a", "b", &condition);
            run(&session, "SET dreyer.crossmatch_strategy = 'nested_loop'").await;
            let truth = rows(&session, &sql).await;
            run(&session, "SET dreyer.crossmatch_strategy = 'aligned'").await;
            for unit_rows in [30, 200, 500_000] {
                run(&session, &format!("SET dreyer.crossmatch_unit_rows = {unit_rows}")).await;
                let plan = explain(&session, &sql).await;
                assert!(
                    plan.contains("strategy=aligned") && plan.contains("index=decides"),
                    "{plan}"
                );
                let found = rows(&session, &sql).await;
                assert_eq!(found, truth, "{sky:?}, units of {unit_rows}: {sql}");
                let number = counting(&sql);
                let plan = explain(&session, &number).await;
                assert_eq!(plan.contains("index=suffices"), suffices, "{plan}");
                assert_eq!(
                    count(&session, &number).await,
                    truth.len() as i64,
                    "{sky:?}, units of {unit_rows}: {number}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_and_their_number_in_clusters() {
    every_kind(Sky::Clustered, 300, 250, 0.1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_and_their_number_at_the_poles() {
    every_kind(Sky::Poles, 300, 250, 0.3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_and_their_number_at_tile_corners() {
    every_kind(Sky::Corners, 300, 250, 1.0 / 3600.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_and_their_number_at_ra_zero() {
    every_kind(Sky::Wrap, 250, 300, 0.8).await;
}

/// A few rows against many: the larger side is read only where partners can lie, if its other rows do not come out.
async fn few_against_many(sky: Sky, left: usize, right: usize, radius_deg: f64) {
    let folder = tempfile::tempdir().unwrap();
    write_catalogue(folder.path(), "a", &sky.objects(left, 1, radius_deg), 60).await;
    write_catalogue(folder.path(), "b", &sky.objects(right, 2, radius_deg), 60).await;
    let session = open(folder.path()).await;
    let condition = format!("DISTANCE(x.ra, x.dec, y.ra, y.dec) < {radius_deg:?}");
    let (mut pruned, mut suffices) = (0, 0);
    for kind in KINDS {
        let sql = join_sql(kind, "a", "b", &condition);
        run(&session, "SET dreyer.crossmatch_strategy = 'nested_loop'").await;
        let truth = rows(&session, &sql).await;
        for strategy in ["auto", "indexed"] {
            run(&session, &format!("SET dreyer.crossmatch_strategy = '{strategy}'")).await;
            let plan = explain(&session, &sql).await;
            pruned += plan.matches("pruned=by footprint").count();
            suffices += plan.matches("index=suffices").count();
            assert_eq!(rows(&session, &sql).await, truth, "{sky:?}, {strategy}: {sql}");
            assert_eq!(
                count(&session, &counting(&sql)).await,
                truth.len() as i64,
                "{sky:?}: {sql}"
            );
        }
    }
    // Wider circles are left to the coordinates.
    let expected = if radius_deg < 1.0 { 4 } else { 0 };
    assert!(pruned >= 8 && suffices >= expected, "{pruned}, {suffices}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn few_left_rows_against_many() {
    few_against_many(Sky::Clustered, 40, 900, 0.1).await;
    few_against_many(Sky::Poles, 30, 700, 0.5).await;
    few_against_many(Sky::Corners, 50, 700, 1.0 / 3600.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_left_rows_against_few() {
    few_against_many(Sky::Wrap, 800, 40, 0.7).await;
    few_against_many(Sky::Uniform, 800, 40, 3.0).await;
}

/// Of one side a filter leaves few rows in each unit, and of the other only what lies around them is read.
async fn filtered_against_all(sky: Sky, radius_deg: f64) {
    let folder = tempfile::tempdir().unwrap();
    write_catalogue(folder.path(), "a", &sky.objects(1500, 1, radius_deg), 250).await;
    write_catalogue(folder.path(), "b", &sky.objects(1400, 2, radius_deg), 250).await;
    let session = open(folder.path()).await;
    run(&session, "SET dreyer.crossmatch_unit_rows = 400").await;
    let near = format!("DISTANCE(x.ra, x.dec, y.ra, y.dec) < {radius_deg:?}");
    let some = |table: &str| format!("(SELECT * FROM {table} WHERE id % 37 < 2)");
    let mut sparse = 0;
    for (left, right) in [
        (some("a"), "b".to_owned()),
        ("a".to_owned(), some("b")),
        (some("a"), some("b")),
    ] {
        for condition in [near.clone(), format!("{near} AND x.band = y.band")] {
            for kind in KINDS {
                let sql = join_sql(kind, &left, &right, &condition);
                run(&session, "SET dreyer.crossmatch_strategy = 'indexed'").await;
                let truth = rows(&session, &sql).await;
                run(&session, "SET dreyer.crossmatch_strategy = 'aligned'").await;
                assert_eq!(rows(&session, &sql).await, truth, "{sky:?}: {sql}");
                assert_eq!(
                    count(&session, &counting(&sql)).await,
                    truth.len() as i64,
                    "{sky:?}: {sql}"
                );
                sparse += sparse_units(&session, &sql).await;
            }
        }
    }
    assert!(sparse > 60, "{sky:?}: {sparse}");
}

/// Two catalogues that overlap in one clump: elsewhere, columns are read of those rows only whose indexes are near.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn few_pairs_of_many_rows_are_found_by_their_indexes() {
    let folder = tempfile::tempdir().unwrap();
    let mut objects = [Sky::Uniform.objects(9000, 1, 1.0), Sky::Uniform.objects(9000, 77, 1.0)];
    for (side, objects) in objects.iter_mut().enumerate() {
        for (row, object) in objects.iter_mut().enumerate() {
            // Neighbours of a few, and one clump that lies in both.
            let turn = row as f64 * 0.618;
            if row % 500 == 0 {
                (object.ra, object.dec) = (Some(turn % 360.0), (row % 160) as f64 - 80.0 + side as f64 * 1e-4);
            } else if row % 10 == 3 {
                (object.ra, object.dec) = (Some(200.0 + turn.sin()), 30.0 + turn.cos());
            }
        }
    }
    write_catalogue(folder.path(), "a", &objects[0], 1500).await;
    write_catalogue(folder.path(), "b", &objects[1], 1500).await;
    let session = open(folder.path()).await;
    run(&session, "SET dreyer.crossmatch_unit_rows = 900").await;
    let mut sparse = 0;
    for condition in [
        "DISTANCE(x.ra, x.dec, y.ra, y.dec) < 0.001",
        "DISTANCE(x.ra, x.dec, y.ra, y.dec) < 0.001 AND x.id % 7 <> y.id % 5",
        "XMATCH(x.ra, x.dec, y.ra, y.dec, radius_arcsec => 3.6, mode => 'nearest')",
        "XMATCH(x.ra, x.dec, y.ra, y.dec, radius_arcsec => 3.6, mode => 'best')",
    ] {
        for kind in KINDS {
            if condition.starts_with("XMATCH") && !["INNER", "LEFT"].contains(&kind) {
                continue;
            }
            let sql = join_sql(kind, "a", "b", condition);
            run(&session, "SET dreyer.crossmatch_strategy = 'indexed'").await;
            let truth = rows(&session, &sql).await;
            assert!(truth.len() > 18, "{sql}: {}", truth.len());
            run(&session, "SET dreyer.crossmatch_strategy = 'aligned'").await;
            assert_eq!(rows(&session, &sql).await, truth, "{sql}");
            sparse += sparse_units(&session, &sql).await;
        }
    }
    assert!(sparse > 50, "{sparse}");
}

/// How many units of a match were read in part.
async fn sparse_units(session: &Session, sql: &str) -> usize {
    metric(session, sql, "sparse_units").await
}

async fn metric(session: &Session, sql: &str, name: &str) -> usize {
    let analyzed = run(session, &format!("EXPLAIN ANALYZE {sql}")).await;
    let analyzed = pretty_format_batches(&analyzed).unwrap().to_string();
    let name = format!("{name}=");
    let counts = analyzed.split(&name).skip(1);
    counts
        .filter_map(|after| after.split([',', ']']).next()?.trim().parse::<usize>().ok())
        .sum()
}

/// With little memory, of blocks whose unit is done no more is kept than lies in the rims of others.
async fn cut_down(sky: Sky, radius_deg: f64) {
    let folder = tempfile::tempdir().unwrap();
    write_catalogue(folder.path(), "a", &sky.objects(800, 1, radius_deg), 250).await;
    write_catalogue(folder.path(), "b", &sky.objects(3500, 2, radius_deg), 600).await;
    let session = open(folder.path()).await;
    let limits = Limits {
        memory_bytes: 3 << 18,
        target_partitions: 2,
        ..Limits::default()
    };
    let tight = Database::open(Config {
        roots: vec![folder.path().display().to_string()],
        access: Access::Full,
        limits,
        ..Config::default()
    });
    let tight = tight.await.unwrap().session();
    run(&tight, "SET dreyer.crossmatch_strategy = 'aligned'").await;
    run(&tight, "SET dreyer.crossmatch_unit_rows = 120").await;
    run(&session, "SET dreyer.crossmatch_strategy = 'indexed'").await;
    let near = format!("DISTANCE(x.ra, x.dec, y.ra, y.dec) < {radius_deg:?}");
    let mut cut = 0;
    for condition in [near.clone(), format!("{near} AND x.band = y.band")] {
        for kind in KINDS {
            let sql = join_sql(kind, "a", "b", &condition);
            let truth = rows(&session, &sql).await;
            assert_eq!(rows(&tight, &sql).await, truth, "{sky:?}: {sql}");
            assert_eq!(
                count(&tight, &counting(&sql)).await,
                truth.len() as i64,
                "{sky:?}: {sql}"
            );
            cut += metric(&tight, &sql, "cut_blocks").await;
        }
    }
    assert!(cut > 10, "{sky:?}: {cut}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_that_are_cut_down_hold_what_is_still_asked_for() {
    cut_down(Sky::Clustered, 0.1).await;
    cut_down(Sky::Poles, 0.3).await;
    cut_down(Sky::Corners, 1.0 / 3600.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_filter_leaves_is_matched_with_what_lies_around() {
    for (sky, radius_deg) in [
        (Sky::Uniform, 0.5),
        (Sky::Clustered, 0.05),
        (Sky::Poles, 0.3),
        (Sky::Wrap, 0.5),
        (Sky::Corners, 1.0 / 3600.0),
    ] {
        filtered_against_all(sky, radius_deg).await;
    }
}

/// Without trust in the index the condition judges all pairs; the rows are the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn indexes_decide_only_where_they_are_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let radius_deg = 0.2;
    write_catalogue(folder.path(), "a", &Sky::Corners.objects(300, 1, radius_deg), 60).await;
    write_catalogue(folder.path(), "b", &Sky::Corners.objects(300, 2, radius_deg), 40).await;
    let session = open(folder.path()).await;
    let sql = join_sql("INNER", "a", "b", "DISTANCE(x.ra, x.dec, y.ra, y.dec) < 0.2");
    let truth = rows(&session, &sql).await;
    assert!(truth.len() > 100);
    for (trust, rows_by, number_by) in [
        ("none", "index=proposes", "index=proposes"),
        ("all", "index=decides", "index=suffices"),
        ("recorded", "index=decides", "index=suffices"),
    ] {
        run(&session, &format!("SET dreyer.crossmatch_index_trust = '{trust}'")).await;
        assert!(explain(&session, &sql).await.contains(rows_by), "{trust}");
        assert!(explain(&session, &counting(&sql)).await.contains(number_by), "{trust}");
        assert_eq!(rows(&session, &sql).await, truth, "{trust}");
        assert_eq!(count(&session, &counting(&sql)).await, truth.len() as i64, "{trust}");
    }
}

/// Takes the stored index out of a catalogue, as programs that know none write it.
fn forget_index(catalogue: &Path) {
    for file in files_under(catalogue) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if name.ends_with("properties") {
            let text = fs::read_to_string(&file).unwrap();
            let kept = text
                .lines()
                .filter(|line| !line.starts_with("hats_col_healpix") && !line.starts_with("dreyer_"));
            fs::write(&file, kept.collect::<Vec<_>>().join("\n")).unwrap();
        } else if name.ends_with("_metadata") {
            fs::remove_file(&file).unwrap();
        } else if name.ends_with(".parquet") && name.starts_with("Npix") {
            let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&file).unwrap()).unwrap();
            let batches: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
            let batch = concat_batches(&batches[0].schema(), &batches).unwrap();
            let kept: Vec<usize> = (1..batch.num_columns()).collect();
            assert_eq!(batch.schema().field(0).name(), "_healpix_29");
            let batch = batch.project(&kept).unwrap();
            let mut writer = ArrowWriter::try_new(File::create(&file).unwrap(), batch.schema(), None).unwrap();
            writer.write(&batch).unwrap();
            writer.close().unwrap();
        }
    }
}

fn files_under(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { files_under(&path) } else { vec![path] })
        .collect()
}

/// Tiles of a side without a stored index are read whole, by whoever needs a part of them; no row counts twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn catalogues_without_a_stored_index_match_alike() {
    let radius_deg = 0.3;
    let (left, right) = (
        Sky::Corners.objects(260, 1, radius_deg),
        Sky::Corners.objects(240, 2, radius_deg),
    );
    for (forgetful, tiles) in [("b", (20, 400)), ("b", (60, 40)), ("a", (200, 20)), ("ab", (60, 40))] {
        let folder = tempfile::tempdir().unwrap();
        write_catalogue(folder.path(), "a", &left, tiles.0).await;
        write_catalogue(folder.path(), "b", &right, tiles.1).await;
        for name in forgetful.chars() {
            forget_index(&folder.path().join(name.to_string()));
        }
        let session = open(folder.path()).await;
        for kind in KINDS {
            let sql = join_sql(kind, "a", "b", "DISTANCE(x.ra, x.dec, y.ra, y.dec) < 0.3");
            run(&session, "SET dreyer.crossmatch_strategy = 'nested_loop'").await;
            let truth = rows(&session, &sql).await;
            run(&session, "SET dreyer.crossmatch_strategy = 'aligned'").await;
            for unit_rows in [30, 500_000] {
                run(&session, &format!("SET dreyer.crossmatch_unit_rows = {unit_rows}")).await;
                let plan = explain(&session, &sql).await;
                assert!(
                    plan.contains("strategy=aligned") && plan.contains("index=proposes"),
                    "{plan}"
                );
                let found = rows(&session, &sql).await;
                assert_eq!(
                    found, truth,
                    "without the index of {forgetful}, units of {unit_rows}: {sql}"
                );
            }
        }
    }
}

/// Pairs exactly as far apart as the radius, which no index can decide: coordinates are read for them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pairs_at_the_radius_are_measured() {
    let folder = tempfile::tempdir().unwrap();
    let objects = Sky::Uniform.objects(400, 2, 0.0);
    write_catalogue(folder.path(), "a", &objects, 60).await;
    write_catalogue(folder.path(), "b", &objects, 40).await;
    let session = open(folder.path()).await;
    // Whatever the rounding of each separation, 0 is within any of these radii, and no two objects are as close.
    for radius_arcsec in ["0.0001", "0.0005", "0.0008", "0.002"] {
        let sql =
            format!("SELECT COUNT(*) FROM a JOIN b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < {radius_arcsec}/3600.");
        assert!(explain(&session, &sql).await.contains("index=suffices"));
        assert_eq!(count(&session, &sql).await, 400, "{radius_arcsec}");
    }
    let none = "SELECT COUNT(*) FROM a JOIN b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0";
    assert_eq!(count(&session, none).await, 0);
}

/// The same around a few rows, whatever is asked of the others but their coordinates. Objects lie in threes at one place,
/// which have one index.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_at_the_radius_of_a_few_are_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut objects = Sky::Uniform.objects(900, 2, 0.0);
    for number in 0..objects.len() {
        (objects[number].ra, objects[number].dec) = (objects[number / 3 * 3].ra, objects[number / 3 * 3].dec);
    }
    let few: Vec<_> = objects.iter().step_by(30).copied().collect();
    let ids: i64 = objects.chunks(3).step_by(10).flatten().map(|object| object.id).sum();
    write_catalogue(folder.path(), "a", &objects, 60).await;
    write_catalogue(folder.path(), "b", &few, 40).await;
    let session = open(folder.path()).await;
    for (from, batch_size) in [
        ("a JOIN b", 8192),
        ("b JOIN a", 7),
        ("b LEFT JOIN a", 100),
        ("a RIGHT JOIN b", 1),
    ] {
        run(&session, &format!("SET datafusion.execution.batch_size = {batch_size}")).await;
        for radius_arcsec in ["0.0001", "0.0005", "0.0008", "0.002"] {
            let on = format!("DISTANCE(a.ra, a.dec, b.ra, b.dec) < {radius_arcsec}/3600.");
            let sql = format!("SELECT SUM(a.id) FROM {from} ON {on}");
            let plan = explain(&session, &sql).await;
            assert!(plan.contains("pruned=by footprint, index=suffices"), "{plan}");
            assert_eq!(count(&session, &sql).await, ids, "{sql}");
            // One coordinate is given, and the other read for those in doubt.
            let sql = format!("SELECT COUNT(a.ra) FROM {from} ON {on}");
            assert!(explain(&session, &sql).await.contains("index=suffices"));
            assert_eq!(count(&session, &sql).await, 90, "{sql}");
            // Or by another name as well.
            for other in ["ra AS x", "dec AS x"] {
                let named = from.replacen('a', &format!("(SELECT ra, dec, {other} FROM a) AS a"), 1);
                let sql = format!("SELECT COUNT(a.x) FROM {named} ON {on}");
                assert!(explain(&session, &sql).await.contains("index=suffices"), "{sql}");
                assert_eq!(count(&session, &sql).await, 90, "{sql}");
            }
            let both = format!("SELECT COUNT(a.ra + a.dec) FROM {from} ON {on}");
            assert!(!explain(&session, &both).await.contains("index=suffices"));
            assert_eq!(count(&session, &both).await, 90, "{both}");
        }
        let none = format!("SELECT COUNT(a.id) FROM {from} ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0");
        assert_eq!(count(&session, &none).await, 0);
    }
    let near = "DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.0005/3600.";
    for (sql, number) in [
        (
            format!("SELECT COUNT(*) FROM a WHERE EXISTS (SELECT 1 FROM b WHERE {near})"),
            90,
        ),
        (
            format!("SELECT COUNT(*) FROM b WHERE EXISTS (SELECT 1 FROM a WHERE {near})"),
            30,
        ),
        (
            format!("SELECT COUNT(*) FROM b WHERE NOT EXISTS (SELECT 1 FROM a WHERE {near})"),
            0,
        ),
    ] {
        assert!(explain(&session, &sql).await.contains("index=suffices"), "{sql}");
        assert_eq!(count(&session, &sql).await, number, "{sql}");
    }
}

/// More pairs than come out at once, of rows that have very many each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn very_many_pairs_are_counted_and_listed() {
    let folder = tempfile::tempdir().unwrap();
    let clump = |count: usize| {
        let mut objects = Sky::Uniform.objects(count, 3, 0.0);
        for (number, object) in objects.iter_mut().enumerate() {
            (object.ra, object.dec) = (Some(10.0 + number as f64 * 1e-7), 20.0);
        }
        objects
    };
    write_catalogue(folder.path(), "a", &clump(400), 5000).await;
    write_catalogue(folder.path(), "b", &clump(300), 5000).await;
    let session = open(folder.path()).await;
    let from = |kind: &str| format!("FROM a {kind} JOIN b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1/3600.");
    for batch_size in [8192, 50] {
        run(&session, &format!("SET datafusion.execution.batch_size = {batch_size}")).await;
        for strategy in ["aligned", "indexed"] {
            run(&session, &format!("SET dreyer.crossmatch_strategy = '{strategy}'")).await;
            for kind in ["INNER", "LEFT", "RIGHT", "FULL"] {
                assert_eq!(
                    count(&session, &format!("SELECT COUNT(*) {}", from(kind))).await,
                    120_000,
                    "{kind}"
                );
                let sum = count(&session, &format!("SELECT SUM(a.id - b.id) {}", from(kind))).await;
                let ids = |name: &str| format!("SELECT SUM(id) FROM {name}");
                let (left, right) = (count(&session, &ids("a")).await, count(&session, &ids("b")).await);
                assert_eq!(sum, 300 * left - 400 * right, "{kind}");
            }
        }
    }
}

/// The engine spreads the rows of a scan of few tiles among partitions before it filters them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sides_of_one_tile_are_filtered() {
    let folder = tempfile::tempdir().unwrap();
    // One clump of them, within one base cell.
    let clump = |count, seed| {
        let mut objects = Sky::Clustered.objects(count, seed, 0.1);
        objects.retain(|object| object.ra.is_some_and(|ra| (45.0..47.0).contains(&ra)));
        objects
    };
    write_catalogue(folder.path(), "a", &clump(1500, 1), 5000).await;
    write_catalogue(folder.path(), "b", &clump(1200, 2), 5000).await;
    let session = open(folder.path()).await;
    run(&session, "SET datafusion.execution.target_partitions = 3").await;
    run(&session, "SET datafusion.execution.batch_size = 20").await;
    for kind in ["INNER", "LEFT", "RIGHT"] {
        let on = "DISTANCE(x.ra, x.dec, y.ra, y.dec) < 0.1 AND x.band > 0 AND y.band < 2";
        let sql = format!("{} WHERE x.band + y.band = 2", join_sql(kind, "a", "b", on));
        run(&session, "SET dreyer.crossmatch_strategy = 'nested_loop'").await;
        let truth = rows(&session, &sql).await;
        assert!(truth.len() > 20, "{}", truth.len());
        run(&session, "SET dreyer.crossmatch_strategy = 'aligned'").await;
        let plan = explain(&session, &sql).await;
        assert!(
            plan.contains("strategy=aligned") && plan.contains("RepartitionExec"),
            "{plan}"
        );
        assert_eq!(rows(&session, &sql).await, truth, "{sql}");
    }
}
