//! What lies beside a catalogue, counted and compared with brute force.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path as FsPath;
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::{Float64Type, Int64Type, UInt8Type, UInt64Type};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use dreyer_sphere::{Cell, LonLat, destination, index29, separation_deg};
use object_store::local::LocalFileSystem;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::sky::{Session, Sky, Star, open, stars, store_path};
use crate::Place;
use crate::supplement::{
    SkyHistogram, write_collection, write_index, write_margin, write_sky_maps, write_statistics, write_thumbnail,
};

fn place(folder: &FsPath) -> Place {
    Place {
        store: Arc::new(LocalFileSystem::new()),
        url: datafusion::execution::object_store::ObjectStoreUrl::local_filesystem(),
        path: store_path(folder),
        local: Some(folder.to_owned()),
    }
}

fn read(path: &FsPath) -> RecordBatch {
    let file = std::fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let schema = Arc::clone(reader.schema());
    let batches: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

fn numbers<'a>(batch: &'a RecordBatch, column: &str) -> &'a [i64] {
    batch
        .column_by_name(column)
        .unwrap()
        .as_primitive::<Int64Type>()
        .values()
}

/// The margin's files: the ids of each, in its order.
async fn margin_files(folder: &FsPath) -> BTreeMap<Cell, Vec<i64>> {
    let margin = open(folder).await.unwrap();
    let ids = |tile: &crate::Tile| {
        let batch = read(FsPath::new(&format!("/{}", tile.files[0].location)));
        assert_eq!(tile.rows, Some(batch.num_rows() as u64));
        assert!(numbers(&batch, "_healpix_29").is_sorted());
        (tile.cell, numbers(&batch, "id").to_vec())
    };
    margin.tiles().iter().map(ids).collect()
}

/// Every row outside a target and within the threshold of it is in the target's file, by brute force: of each row and a
/// ring of points about it, and of each pair of rows.
async fn check_margin(sky: &Sky, session: &Session, threshold_arcsec: f64) -> u64 {
    let folder = sky.folder.path().join(format!("margin_{threshold_arcsec}"));
    let rows = write_margin(
        &session.catalog,
        &session.context.task_ctx(),
        &place(&folder),
        threshold_arcsec,
    )
    .await
    .unwrap();
    let files = margin_files(&folder).await;
    assert_eq!(files.values().map(|ids| ids.len() as u64).sum::<u64>(), rows);
    let margin = open(&folder).await.unwrap();
    assert_eq!((margin.kind(), margin.rows()), ("margin", Some(rows)));
    assert_eq!(margin.schema(), session.catalog.schema());

    let index = |star: &Star| index29(star.ra, star.dec).unwrap();
    let star_of: HashMap<i64, &Star> = sky.stars.iter().map(|star| (star.id, star)).collect();
    for (cell, ids) in &files {
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "each row once");
        assert!(
            ids.iter().all(|id| !cell.range().contains(&index(star_of[id]))),
            "no row of its own"
        );
    }
    // Tiles, and the files of empty sky: whichever holds a point must hold the rows near it.
    let tiles: Vec<Cell> = session.catalog.tiles().iter().map(|tile| tile.cell).collect();
    let mut cells: Vec<Cell> = tiles.iter().chain(files.keys()).copied().collect();
    cells.sort();
    cells.dedup();
    let holder = |point: u64| {
        let at = cells.partition_point(|cell| cell.range().end <= point);
        cells.get(at).copied().filter(|cell| cell.range().contains(&point))
    };
    let mut checked = 0;
    for star in &sky.stars {
        let from = LonLat::new(star.ra, star.dec).unwrap();
        for step in 0..48 {
            let distance = threshold_arcsec / 3600.0 * [1.0, 0.7, 0.2][step % 3];
            let to = destination(from, f64::from(u8::try_from(step).unwrap()) * 7.5, distance);
            let to = index29(to.lon_deg(), to.lat_deg()).unwrap();
            // Where nobody holds the point, empty sky has no file at all, so no row may be near it.
            let cell = holder(to).unwrap_or_else(|| panic!("nobody holds a point near {star:?}"));
            if !cell.range().contains(&index(star)) {
                checked += 1;
                let ids = files
                    .get(&cell)
                    .unwrap_or_else(|| panic!("{cell:?} has no margin, {star:?} is near it"));
                assert!(
                    ids.contains(&star.id),
                    "{star:?} is within {threshold_arcsec} arcsec of {cell:?}"
                );
            }
        }
    }
    let mut pairs = 0;
    for (at, a) in sky.stars.iter().enumerate() {
        for b in &sky.stars[at + 1..] {
            if (a.dec - b.dec).abs() * 3600.0 > threshold_arcsec {
                continue;
            }
            let (own, other) = (holder(index(a)).unwrap(), holder(index(b)).unwrap());
            if own != other && separation_deg(a.ra, a.dec, b.ra, b.dec) * 3600.0 <= threshold_arcsec {
                pairs += 1;
                assert!(
                    files[&own].contains(&b.id) && files[&other].contains(&a.id),
                    "{a:?} {b:?}"
                );
            }
        }
    }
    assert!(
        checked > 0 && (pairs > 0 || threshold_arcsec < 100.0),
        "{checked} rings, {pairs} pairs"
    );
    rows
}

#[tokio::test]
async fn margins_hold_all_that_is_near() {
    let sky = Sky::new(3000, 150, 40).await;
    let session = sky.session().await;
    let orders: BTreeSet<u8> = session.catalog.tiles().iter().map(|tile| tile.cell.order()).collect();
    assert!(orders.len() > 3, "{orders:?}");
    // The last is wider than the smallest tiles.
    let mut before = 0;
    for threshold_arcsec in [10.0, 600.0, 5400.0] {
        let rows = check_margin(&sky, &session, threshold_arcsec).await;
        assert!(rows > before, "{rows} rows at {threshold_arcsec} arcsec");
        before = rows;
    }
}

#[tokio::test]
async fn empty_sky_beside_a_tile_has_a_margin() {
    let clump: Vec<Star> = stars(6000)
        .into_iter()
        .filter(|star| star.id % 15 == 3 || star.dec.abs() > 89.5)
        .collect();
    let sky = Sky::of(clump, 100, 100).await;
    let session = sky.session().await;
    check_margin(&sky, &session, 30.0).await;
    check_margin(&sky, &session, 900.0).await;
    let files = margin_files(&sky.folder.path().join("margin_900")).await;
    let tiles: BTreeSet<Cell> = session.catalog.tiles().iter().map(|tile| tile.cell).collect();
    assert!(files.keys().any(|cell| !tiles.contains(cell)), "{:?}", files.keys());
}

#[tokio::test]
async fn rows_of_a_margin_are_those_of_the_catalogue() {
    let sky = Sky::new(2000, 200, 64).await;
    let session = sky.session().await;
    let folder = sky.folder.path().join("margin");
    write_margin(&session.catalog, &session.context.task_ctx(), &place(&folder), 1800.0)
        .await
        .unwrap();
    let names: HashMap<i64, (f64, f64)> = sky.stars.iter().map(|star| (star.id, (star.ra, star.dec))).collect();
    for tile in open(&folder).await.unwrap().tiles().iter() {
        let batch = read(FsPath::new(&format!("/{}", tile.files[0].location)));
        let leaf = read(FsPath::new(&format!(
            "/{}",
            session.catalog.tiles()[0].files[0].location
        )));
        assert_eq!(batch.schema(), leaf.schema());
        let (ra, dec) = ("ra", "dec");
        let float = |name: &str| {
            batch
                .column_by_name(name)
                .unwrap()
                .as_primitive::<Float64Type>()
                .clone()
        };
        for (row, id) in numbers(&batch, "id").iter().enumerate() {
            assert_eq!(names[id], (float(ra).value(row), float(dec).value(row)));
            assert_eq!(
                batch.column_by_name("name").unwrap().as_string::<i32>().value(row),
                format!("star {id}")
            );
        }
    }
}

#[tokio::test]
async fn a_catalogue_without_rows_has_an_empty_margin_and_index() {
    let sky = Sky::of(Vec::new(), 100, 100).await;
    let session = sky.session().await;
    let (margin, index) = (sky.folder.path().join("margin"), sky.folder.path().join("index"));
    let task = session.context.task_ctx();
    assert_eq!(
        write_margin(&session.catalog, &task, &place(&margin), 5.0)
            .await
            .unwrap(),
        0
    );
    assert_eq!(
        write_index(&session.catalog, &task, &place(&index), "id")
            .await
            .unwrap(),
        0
    );
    assert_eq!(open(&margin).await.unwrap().tiles().len(), 0);
    assert_eq!(
        write_thumbnail(&session.catalog, &task, &place(&sky.path()))
            .await
            .unwrap(),
        0
    );
    assert_eq!(
        write_statistics(&session.catalog, &task, &place(&sky.path()))
            .await
            .unwrap(),
        0
    );
}

#[tokio::test]
async fn sorting_spills_where_memory_is_short() {
    let sky = Sky::new(30_000, 2500, 2500).await;
    let session = sky.session().await;
    let whole = sky.folder.path().join("whole");
    let rows = write_margin(&session.catalog, &session.context.task_ctx(), &place(&whole), 7200.0)
        .await
        .unwrap();
    assert!(rows > 50_000, "{rows} rows are more than memory holds");
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(3_000_000)))
        .build_arc()
        .unwrap();
    let mut config = SessionConfig::new().with_target_partitions(2).with_batch_size(1024);
    config.options_mut().execution.sort_spill_reservation_bytes = 500_000;
    let small = SessionContext::new_with_config_rt(config, runtime);
    let catalog = Arc::new(open(&sky.path()).await.unwrap());
    let spilled = sky.folder.path().join("spilled");
    let task = small.task_ctx();
    assert_eq!(
        write_margin(&catalog, &task, &place(&spilled), 7200.0).await.unwrap(),
        rows
    );
    let sorted = |files: BTreeMap<Cell, Vec<i64>>| {
        let sort = |mut ids: Vec<i64>| {
            ids.sort_unstable();
            ids
        };
        files
            .into_iter()
            .map(|(cell, ids)| (cell, sort(ids)))
            .collect::<BTreeMap<_, _>>()
    };
    assert_eq!(sorted(margin_files(&spilled).await), sorted(margin_files(&whole).await));
}

#[tokio::test]
async fn an_index_names_the_tile_of_every_value() {
    let sky = Sky::new(3000, 150, 40).await;
    let session = sky.session().await;
    let task = session.context.task_ctx();
    let folder = sky.folder.path().join("ids");
    assert_eq!(
        write_index(&session.catalog, &task, &place(&folder), "id")
            .await
            .unwrap(),
        3000
    );
    let batch = read(&folder.join("dataset/index/part.0.parquet"));
    assert_eq!(numbers(&batch, "id"), (0..3000).collect::<Vec<i64>>());
    let norder = batch.column_by_name("Norder").unwrap().as_primitive::<UInt8Type>();
    let npix = batch.column_by_name("Npix").unwrap().as_primitive::<UInt64Type>();
    let tiles: BTreeSet<Cell> = session.catalog.tiles().iter().map(|tile| tile.cell).collect();
    for (row, star) in sky.stars.iter().enumerate() {
        let tile = Cell::new(norder.value(row), npix.value(row)).unwrap();
        let index = index29(star.ra, star.dec).unwrap();
        assert!(tiles.contains(&tile) && tile.range().contains(&index));
        assert_eq!(numbers(&batch, "_healpix_29")[row], i64::try_from(index).unwrap());
    }
    let metadata = std::fs::File::open(folder.join("dataset/_metadata")).unwrap();
    let metadata = SerializedFileReader::new(metadata);
    // It has no pages of its own, only footers.
    let footer = metadata.unwrap().metadata().clone();
    assert_eq!(footer.file_metadata().num_rows(), 3000);
    assert_eq!(footer.row_group(0).column(0).file_path(), Some("index/part.0.parquet"));

    let names = sky.folder.path().join("names");
    assert_eq!(
        write_index(&session.catalog, &task, &place(&names), "name")
            .await
            .unwrap(),
        3000
    );
    let batch = read(&names.join("dataset/index/part.0.parquet"));
    assert_eq!(batch.column(0).as_string::<i32>().value(1), "star 1");
    assert_eq!(batch.column(0).as_string::<i32>().value(2), "star 10");
}

#[tokio::test]
async fn what_cannot_be_indexed_is_refused() {
    let sky = Sky::new(100, 50, 50).await;
    let session = sky.session().await;
    let folder = sky.folder.path().join("x");
    for column in ["nothing", "_healpix_29"] {
        let error = write_index(&session.catalog, &session.context.task_ctx(), &place(&folder), column).await;
        let error = error.unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("import option index_columns names {column}, ")),
            "{error}"
        );
    }
    assert!(!folder.exists());
}

#[tokio::test]
async fn thumbnail_and_statistics_are_of_every_leaf() {
    let sky = Sky::new(3000, 300, 100).await;
    let session = sky.session().await;
    let task = session.context.task_ctx();
    let here = place(&sky.path());
    assert_eq!(
        write_thumbnail(&session.catalog, &task, &here).await.unwrap(),
        sky.summary.tiles as u64
    );
    let thumbnail = read(&sky.path().join("data_thumbnail.parquet"));
    assert!(numbers(&thumbnail, "_healpix_29").is_sorted());
    let cells = session.catalog.tiles().iter().map(|tile| tile.cell.range());
    for (row, cell) in cells.enumerate() {
        assert!(cell.contains(&u64::try_from(numbers(&thumbnail, "_healpix_29")[row]).unwrap()));
    }
    assert_eq!(
        write_statistics(&session.catalog, &task, &here).await.unwrap(),
        sky.summary.row_groups as u64
    );
    let statistics = read(&sky.path().join("per_partition_statistics.parquet"));
    assert_eq!(statistics.num_columns(), 3 + 6 * 5);
    assert_eq!(numbers(&statistics, "id::row_count").iter().sum::<i64>(), 3000);
    assert_eq!(numbers(&statistics, "id::min_value").iter().min(), Some(&0));
    assert_eq!(numbers(&statistics, "id::max_value").iter().max(), Some(&2999));
    let names = statistics.column_by_name("name::min_value").unwrap().as_string::<i32>();
    assert_eq!(names.iter().flatten().min(), Some("star 0"));
    assert_eq!(names.null_count(), 0);
}

#[tokio::test]
async fn maps_count_rows_at_an_order_that_keeps_them_small() {
    let folder = tempfile::tempdir().unwrap();
    let few = SkyHistogram {
        order: 10,
        counts: vec![(3, 1), (4, 2), (12_582_911, 5)],
    };
    assert_eq!(write_sky_maps(&place(folder.path()), &few).await.unwrap(), 10);
    let maps = ["skymap.fits", "point_map.fits"].map(|name| std::fs::read(folder.path().join(name)).unwrap());
    assert_eq!(maps[0], maps[1]);
    assert_eq!(few.at_order(9).counts, [(0, 1), (1, 2), (3_145_727, 5)]);
    assert_eq!(few.at_order(0).counts, [(0, 3), (11, 5)]);
    assert_eq!(few.at_order(12), few);
    let many = SkyHistogram {
        order: 10,
        counts: (0..12 << 20).map(|cell| (cell, 1)).collect(),
    };
    let map = many.for_maps();
    assert_eq!((map.order, map.counts[0], map.counts.len()), (8, (0, 16), 12 << 16));
}

#[tokio::test]
async fn a_collection_opens_as_its_primary() {
    let sky = Sky::new(100, 50, 50).await;
    let margins = [("sky_5arcs".to_owned(), 5.0), ("sky_10arcs".to_owned(), 10.0)];
    let indexes = [("id".to_owned(), "sky_id".to_owned())];
    write_collection(&place(sky.folder.path()), "whole", "sky", &margins, &indexes)
        .await
        .unwrap();
    let text = std::fs::read_to_string(sky.folder.path().join("collection.properties")).unwrap();
    for line in [
        "all_margins=sky_5arcs sky_10arcs\n",
        "default_margin=sky_10arcs\n",
        "all_indexes=id sky_id\n",
        "default_index=id\n",
        "hats_primary_table_url=sky\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
    let catalog = open(sky.folder.path()).await.unwrap();
    assert_eq!((catalog.name(), catalog.rows()), ("whole", Some(100)));
    let wrong = [("two words".to_owned(), "x".to_owned())];
    let error = write_collection(&place(sky.folder.path()), "whole", "sky", &[], &wrong)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("cannot list 'two words'"), "{error}");
}
