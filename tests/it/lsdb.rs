//! LSDB and the HATS tools read what is written here, and the reverse: the same rows, the same pairs, no complaint.
//!
//! All their work is done by one Python process, since importing them takes seconds: `lsdb/interop.py` checks our
//! catalogues and writes its own, which are then read here.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float32Builder, Float64Array, Float64Builder, Int32Array, Int64Array,
    ListBuilder, RecordBatch, StringArray, StringBuilder, StructArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{DataType, Field, Fields, Float64Type, Int64Type, Schema, TimeUnit};
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::prelude::SessionContext;
use dreyer::{Access, Config, Database, Session};
use dreyer_sky::hats::import::{ImportOptions, Input, Place, TileLimit, import};
use dreyer_sky::hats::supplement::write_margin;
use dreyer_sky::hats::{HatsCatalog, Tile};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::skies::{Object, Sky};
use crate::{batches, table, value};

/// Objects of every hard sky, numbered through.
fn objects(seed: u64) -> Vec<Object> {
    let skies = [Sky::Uniform, Sky::Clustered, Sky::Poles, Sky::Wrap, Sky::Corners];
    let objects = skies.into_iter().flat_map(|sky| sky.objects(500, seed, 10.0 / 3600.0));
    objects.zip(0..).map(|(object, id)| Object { id, ..object }).collect()
}

/// The objects with every kind of column: texts, NULLs, times and a light curve of lists of equal length.
fn rows(objects: &[Object]) -> RecordBatch {
    let ids = || objects.iter().map(|object| object.id);
    let some = |every: i64| move |id: i64| (id % every != 0).then_some(id);
    let unit = |unit: &str| [("unit".to_owned(), unit.to_owned())].into();
    let curve = light_curve(objects);
    let columns: Vec<(Field, ArrayRef)> = vec![
        (
            Field::new("id", DataType::Int64, false),
            Arc::new(Int64Array::from_iter_values(ids())),
        ),
        (
            Field::new("ra", DataType::Float64, true).with_metadata(unit("deg")),
            Arc::new(objects.iter().map(|object| object.ra).collect::<Float64Array>()),
        ),
        (
            Field::new("dec", DataType::Float64, true).with_metadata(unit("deg")),
            Arc::new(Float64Array::from_iter_values(objects.iter().map(|object| object.dec))),
        ),
        (
            Field::new("name", DataType::Utf8, true),
            Arc::new(
                ids()
                    .map(some(7))
                    .map(|id| Some(format!("Σ {}", id? % 300)))
                    .collect::<StringArray>(),
            ),
        ),
        (
            Field::new("count", DataType::Int32, true),
            Arc::new(
                ids()
                    .map(some(5))
                    .map(|id| Some(id? as i32 - 1000))
                    .collect::<Int32Array>(),
            ),
        ),
        (
            Field::new("flag", DataType::Boolean, true),
            Arc::new(
                ids()
                    .map(some(11))
                    .map(|id| Some(id? % 2 == 0))
                    .collect::<BooleanArray>(),
            ),
        ),
        (
            Field::new("seen", DataType::Timestamp(TimeUnit::Microsecond, None), true),
            Arc::new(
                ids()
                    .map(some(13))
                    .map(|id| Some(id? * 86_400_000_001))
                    .collect::<TimestampMicrosecondArray>(),
            ),
        ),
        (Field::new("lc", curve.data_type().clone(), true), Arc::new(curve)),
    ];
    let (fields, columns): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

/// A struct of lists of equal length in each row; some are empty.
fn light_curve(objects: &[Object]) -> StructArray {
    let mut time = ListBuilder::new(Float64Builder::new());
    let mut flux = ListBuilder::new(Float32Builder::new());
    let mut band = ListBuilder::new(StringBuilder::new());
    for object in objects {
        for step in 0..object.id % 4 {
            time.values().append_value(60_000.0 + step as f64 + 0.25 * object.dec);
            flux.values().append_option((step != 1).then_some(step as f32 * 1.5));
            band.values().append_value(["g", "r", "i"][step as usize]);
        }
        time.append(true);
        flux.append(true);
        band.append(true);
    }
    let lists: Vec<(&str, ArrayRef)> = vec![
        ("time", Arc::new(time.finish())),
        ("flux", Arc::new(flux.finish())),
        ("band", Arc::new(band.finish())),
    ];
    let fields: Fields = lists
        .iter()
        .map(|(name, list)| Field::new(*name, list.data_type().clone(), true))
        .collect();
    StructArray::new(fields, lists.into_iter().map(|(_, list)| list).collect(), None)
}

fn write_rows(path: &Path, rows: &RecordBatch) {
    let mut writer = ArrowWriter::try_new(std::fs::File::create(path).unwrap(), rows.schema(), None).unwrap();
    writer.write(rows).unwrap();
    writer.close().unwrap();
}

/// Imports the rows; with a margin or indexes, as a collection.
async fn write(rows: &RecordBatch, folder: &Path, options: ImportOptions) {
    let input = Input {
        plan: MemorySourceConfig::try_new_exec(&[vec![rows.clone()]], rows.schema(), None).unwrap(),
        task: SessionContext::new().task_ctx(),
        description: "made-up rows".to_owned(),
    };
    let options = ImportOptions {
        name: Some(folder.file_name().unwrap().to_string_lossy().into_owned()),
        tile: TileLimit::Rows(150),
        row_group_rows: 60,
        ..options
    };
    import(input, &Place::local(folder).unwrap(), &options, &())
        .await
        .unwrap();
}

async fn open(root: &Path) -> Session {
    let config = Config {
        roots: vec![root.display().to_string()],
        access: Access::Full,
        ..Config::default()
    };
    Database::open(config).await.unwrap().session()
}

fn run_python(folder: &Path) {
    let python = std::env::var("DREYER_TEST_PYTHON")
        .expect("DREYER_TEST_PYTHON must name a Python with lsdb and hats-import; tests/run makes one");
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(python)
        .arg(here.join("tests/it/lsdb/interop.py"))
        .args([folder, &here.join("sql/sample")])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

/// Kinds of match as LSDB has them and as they are asked for here, the radius being that of the catalogues.
const KINDS: [(&str, &str); 7] = [
    (
        "all",
        "JOIN {right} ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < {radius} / 3600.",
    ),
    (
        "left",
        "LEFT JOIN {right} ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < {radius} / 3600.",
    ),
    (
        "full",
        "FULL JOIN {right} ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < {radius} / 3600.",
    ),
    (
        "least",
        "JOIN {right} ON XMATCH(a.ra, a.dec, b.ra, b.dec, radius_arcsec => {radius}, min_radius_arcsec => 0.3)",
    ),
    (
        "nearest",
        "JOIN {right} ON XMATCH(a.ra, a.dec, b.ra, b.dec, radius_arcsec => {radius}, mode => 'nearest')",
    ),
    (
        "nearest_left",
        "LEFT JOIN {right} ON XMATCH(a.ra, a.dec, b.ra, b.dec, radius_arcsec => {radius}, mode => 'nearest')",
    ),
    (
        "two_nearest",
        "JOIN {right} ON XMATCH(a.ra, a.dec, b.ra, b.dec, radius_arcsec => {radius}, k => 2)",
    ),
];

/// The keys of both sides and the separation in arcseconds.
type Pair = (Option<i64>, Option<i64>, Option<f64>);

/// Separations of the same pair, and of no others, differ by less.
const SAME_ARCSEC: f64 = 1e-7;

fn their_pairs(file: &Path) -> Vec<Pair> {
    let text = std::fs::read_to_string(file).unwrap();
    let key = |word: &str| (!word.is_empty()).then(|| word.parse().unwrap());
    let pair = |line: &str| {
        let words: Vec<&str> = line.split(',').collect();
        (
            key(words[0]),
            key(words[1]),
            (!words[2].is_empty()).then(|| words[2].parse().unwrap()),
        )
    };
    text.lines().map(pair).collect()
}

async fn our_pairs(session: &Session, sql: &str) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for batch in batches(session, sql).await {
        let key = |number: usize| batch.column(number).as_primitive::<Int64Type>();
        let apart = batch.column(2).as_primitive::<Float64Type>();
        let keys = key(0).iter().zip(key(1));
        pairs.extend(keys.zip(apart).map(|((left, right), apart)| (left, right, apart)));
    }
    pairs
}

/// Whether two rows are the same. Of partners equally near, a match that picks may have either.
fn same(one: &Pair, other: &Pair, picks: bool) -> bool {
    let apart = match (one.2, other.2) {
        (Some(one), Some(other)) => (one - other).abs() < SAME_ARCSEC,
        (one, other) => one == other,
    };
    one.0 == other.0 && apart && (picks || one.1 == other.1)
}

/// Every kind of match of two catalogues, row by row. `keys` and `from` are the key of each and where they are read.
async fn check_pairs(session: &Session, folder: &Path, keys: [&str; 2], from: [&str; 2], radius: &str) {
    let files = std::fs::read_dir(folder).unwrap();
    assert_eq!(files.count(), KINDS.len());
    for (kind, join) in KINDS {
        let join = join.replace("{right}", &format!("{} b", from[1]));
        let ([left, right], join) = (keys, join.replace("{radius}", radius));
        let sql = format!(
            "SELECT CAST(a.{left} AS bigint), CAST(b.{right} AS bigint), DISTANCE(a.ra, a.dec, b.ra, b.dec) * 3600 \
             FROM {} a {join}",
            from[0]
        );
        let mut found = our_pairs(session, &sql).await;
        let mut truth = their_pairs(&folder.join(format!("{kind}.csv")));
        assert!(truth.len() > 1000, "{kind}: {} rows", truth.len());
        let picks = kind.contains("nearest");
        for pairs in [&mut found, &mut truth] {
            pairs.sort_by(|(left, right, apart), other| match picks {
                true => (left, apart).partial_cmp(&(&other.0, &other.2)).unwrap(),
                false => (left, right).cmp(&(&other.0, &other.1)),
            });
        }
        let differ = found
            .iter()
            .zip(&truth)
            .find(|(found, truth)| !same(found, truth, picks));
        assert_eq!(
            (differ, found.len()),
            (None, truth.len()),
            "{kind} of {}",
            folder.display()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lsdb_and_dreyer_read_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let (all, near) = (objects(2), objects(3));
    let file = |name: &str| folder.path().join(name);
    write_rows(&file("rows.parquet"), &rows(&all));
    write_rows(&file("near.parquet"), &rows(&near));
    let ours = file("ours");
    std::fs::create_dir(&ours).unwrap();
    write(&rows(&all), &ours.join("plain"), ImportOptions::default()).await;
    let folders = ImportOptions {
        leaf_folders: true,
        ..ImportOptions::default()
    };
    write(&rows(&all), &ours.join("folders"), folders).await;
    for (name, objects) in [("left", &all), ("right", &near)] {
        let collection = ImportOptions {
            margin_arcsec: Some(20.0),
            index_columns: vec!["id".to_owned(), "name".to_owned()],
            ..ImportOptions::default()
        };
        write(&rows(objects), &ours.join(name), collection).await;
    }
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/sample");
    for name in ["hipparcos", "gaia_bright"] {
        let place = Place::local(sample.join(name)).unwrap();
        let catalog = HatsCatalog::open(place.store, place.url, place.path).await.unwrap();
        let margin = Place::local(file(&format!("{name}_5arcs"))).unwrap();
        let task = SessionContext::new().task_ctx();
        write_margin(&Arc::new(catalog), &task, &margin, 5.0).await.unwrap();
    }

    run_python(folder.path());

    let session = open(&ours).await;
    let pairs = file("pairs");
    check_pairs(
        &session,
        &pairs.join("collections"),
        ["id", "id"],
        ["\"left\"", "\"right\""],
        "10",
    )
    .await;
    let sample = crate::local().await;
    check_pairs(
        &sample,
        &pairs.join("sample"),
        ["hip", "source_id"],
        ["hipparcos", "gaia_bright"],
        "1",
    )
    .await;
    assert_eq!(their_pairs(&pairs.join("sample/all.csv")).len(), 30_597);

    check_theirs(&file("theirs"), &rows(&all)).await;
    check_margins(folder.path()).await;
}

/// All rows of the catalogues they wrote, column by column; some by their index.
async fn check_theirs(theirs: &Path, rows: &RecordBatch) {
    let session = open(theirs).await;
    let names: Vec<String> = rows
        .schema()
        .fields()
        .iter()
        .map(|field| format!("\"{}\"", field.name()))
        .collect();
    let names = names.join(", ");
    let drawn = pretty_format_batches(std::slice::from_ref(rows)).unwrap().to_string();
    for catalogue in ["imported", "old_layout", "written", "written_folders"] {
        let found = table(&session, &format!("SELECT {names} FROM {catalogue} ORDER BY id")).await;
        assert_eq!(found.lines().count(), drawn.lines().count(), "{catalogue}");
        let differ = found.lines().zip(drawn.lines()).find(|(found, truth)| found != truth);
        assert_eq!(differ, None, "{catalogue}");
    }
    let north = value(&session, "SELECT COUNT(*) FROM north").await;
    assert_eq!(
        north,
        value(&session, "SELECT COUNT(*) FROM imported WHERE dec > 0").await
    );
    let lookup = "SELECT id FROM imported WHERE id IN (17, 1700)";
    assert_eq!(table(&session, lookup).await.lines().count(), 6);
    let plan = table(&session, &format!("EXPLAIN {lookup}")).await;
    assert!(plan.contains("tiles=2/") || plan.contains("tiles=1/"), "{plan}");
}

/// The ids in each file of a margin.
async fn margin(folder: &Path) -> BTreeMap<String, Vec<i64>> {
    let place = Place::local(folder).unwrap();
    let margin = HatsCatalog::open(place.store, place.url, place.path).await.unwrap();
    assert_eq!(margin.kind(), "margin");
    let ids = |file: &Path| {
        let reader = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(file).unwrap()).unwrap();
        let mut ids = Vec::new();
        for batch in reader.build().unwrap() {
            ids.extend(
                batch
                    .unwrap()
                    .column_by_name("id")
                    .unwrap()
                    .as_primitive::<Int64Type>()
                    .values(),
            );
        }
        ids.sort_unstable();
        ids
    };
    let tile = |tile: &Tile| {
        (
            format!("{:?}", tile.cell),
            ids(&Path::new("/").join(tile.files[0].location.as_ref())),
        )
    };
    margin.tiles().iter().map(tile).collect()
}

/// Of their catalogue we make the margin that they make, file by file, row by row.
async fn check_margins(folder: &Path) {
    let imported = Place::local(folder.join("theirs/imported/imported")).unwrap();
    let catalog = Arc::new(
        HatsCatalog::open(imported.store, imported.url, imported.path)
            .await
            .unwrap(),
    );
    let ours = folder.join("margin");
    let task = SessionContext::new().task_ctx();
    let rows = write_margin(&catalog, &task, &Place::local(&ours).unwrap(), 10.0)
        .await
        .unwrap();
    let (ours, theirs) = (
        margin(&ours).await,
        margin(&folder.join("theirs/imported/imported_10arcs")).await,
    );
    assert_eq!(ours.values().map(|ids| ids.len() as u64).sum::<u64>(), rows);
    assert!(ours.len() > 10 && rows > 100, "{rows} rows in {} files", ours.len());
    assert_eq!(ours, theirs);
}
