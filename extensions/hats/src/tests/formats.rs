//! Catalogues as others write them: old names, other suffixes, tiles of several files, the index last or missing.

use std::fs;
use std::path::{Path, PathBuf};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::DataType;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::sky::{Session, Sky, open, write_parquet};
use crate::layout;

const CONE: &str = "SELECT id FROM sky WHERE q3c_radial_query(ra, dec, 83.62, -5.38, 0.02)";

/// All leaves below a dataset folder, in the order of their names.
fn leaves(catalog: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![catalog.join(layout::DATASET_DIR)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().contains("Npix=") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(path).unwrap()).unwrap();
    let batches: Vec<_> = reader
        .with_batch_size(1 << 20)
        .build()
        .unwrap()
        .map(Result::unwrap)
        .collect();
    datafusion::arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap()
}

/// Replaces every leaf, and drops what tells of the old ones.
fn rewrite(catalog: &Path, change: impl Fn(RecordBatch) -> RecordBatch) {
    for leaf in leaves(catalog) {
        write_parquet(&leaf, &change(read(&leaf)));
    }
    for name in layout::SCHEMA_FILES {
        fs::remove_file(catalog.join(layout::DATASET_DIR).join(name)).unwrap();
    }
}

/// Edits both properties files.
fn edit_properties(catalog: &Path, edit: impl Fn(String) -> String) {
    for name in layout::PROPERTIES_FILES {
        let path = catalog.join(name);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, edit(text)).unwrap();
    }
}

fn without_line(text: &str, key: &str) -> String {
    text.lines()
        .filter(|line| !line.starts_with(key))
        .map(|line| format!("{line}\n"))
        .collect()
}

async fn check(sky: &Sky, tiles: usize) -> Session {
    let session = sky.session().await;
    assert_eq!(session.catalog.tiles().len(), tiles);
    assert_eq!(session.ids("SELECT id FROM sky").await.len(), sky.stars.len());
    let center = (83.62, -5.38);
    let near = |ra, dec| dreyer_sphere::separation_deg(center.0, center.1, ra, dec) < 0.02;
    let expected: Vec<i64> = sky.stars.iter().filter(|s| near(s.ra, s.dec)).map(|s| s.id).collect();
    assert!(!expected.is_empty());
    assert_eq!(session.ids(CONE).await, expected);
    session
}

async fn sky() -> Sky {
    Sky::new(2000, 300, 100).await
}

#[tokio::test]
async fn the_old_name_of_the_properties() {
    let sky = sky().await;
    fs::remove_file(sky.path().join("hats.properties")).unwrap();
    check(&sky, sky.summary.tiles).await;
}

#[tokio::test]
async fn no_list_of_tiles_and_no_schema_files() {
    let sky = sky().await;
    fs::remove_file(sky.path().join("partition_info.csv")).unwrap();
    rewrite(&sky.path(), |batch| batch);
    let session = check(&sky, sky.summary.tiles).await;
    assert_eq!(session.catalog.rows(), Some(2000), "the properties still say so");
}

#[tokio::test]
async fn an_uncommitted_leaf_is_not_read() {
    let sky = sky().await;
    let stray = leaves(&sky.path())[0].parent().unwrap().join("Npix=9999.parquet");
    fs::copy(&leaves(&sky.path())[0], stray).unwrap();
    check(&sky, sky.summary.tiles).await;
}

#[tokio::test]
async fn another_suffix() {
    let sky = sky().await;
    for leaf in leaves(&sky.path()) {
        fs::rename(&leaf, leaf.with_extension("snappy.parq")).unwrap();
    }
    edit_properties(&sky.path(), |text| {
        without_line(&text, "hats_npix_suffix") + "hats_npix_suffix=.snappy.parq\n"
    });
    check(&sky, sky.summary.tiles).await;
}

#[tokio::test]
async fn tiles_of_several_files() {
    let sky = sky().await;
    for leaf in leaves(&sky.path()) {
        let (all, folder) = (read(&leaf), leaf.with_extension(""));
        fs::remove_file(&leaf).unwrap();
        fs::create_dir(&folder).unwrap();
        let half = all.num_rows() / 2;
        // The appended file holds lower indexes than the first.
        write_parquet(&folder.join("part0.parquet"), &all.slice(half, all.num_rows() - half));
        write_parquet(&folder.join("part1.parquet"), &all.slice(0, half));
        fs::write(folder.join("_SUCCESS"), "").unwrap();
    }
    edit_properties(&sky.path(), |text| {
        without_line(&text, "hats_npix_suffix") + "hats_npix_suffix=/\n"
    });
    let session = check(&sky, sky.summary.tiles).await;
    assert!(!session.catalog.is_sorted());
    let plan = session
        .text("EXPLAIN SELECT _healpix_29 FROM sky ORDER BY _healpix_29")
        .await;
    assert!(plan.contains("SortExec"), "{plan}");
}

#[tokio::test]
async fn the_index_as_the_last_column() {
    let sky = sky().await;
    rewrite(&sky.path(), |batch| batch.project(&[1, 2, 3, 4, 0]).unwrap());
    let session = check(&sky, sky.summary.tiles).await;
    assert_eq!(session.catalog.index_column(), Some("_healpix_29"));
    assert_eq!(session.catalog.schema().fields().len(), 5);
}

#[tokio::test]
async fn no_index_at_all() {
    let sky = sky().await;
    rewrite(&sky.path(), |batch| batch.project(&[1, 2, 3, 4]).unwrap());
    edit_properties(&sky.path(), |text| without_line(&text, "hats_col_healpix"));
    let session = check(&sky, sky.summary.tiles).await;
    assert_eq!(session.catalog.index_column(), None);
    assert!(!session.catalog.is_sorted());
    let plan = session.text(&format!("EXPLAIN {CONE}")).await;
    assert!(plan.contains("tiles=1/"), "tiles are pruned even so: {plan}");
}

#[tokio::test]
async fn hive_columns_are_hidden() {
    let sky = sky().await;
    rewrite(&sky.path(), |batch| {
        use datafusion::arrow::array::{ArrayRef, UInt64Array};
        use datafusion::arrow::datatypes::{Field, Schema};
        let npix: ArrayRef = std::sync::Arc::new(UInt64Array::from(vec![7; batch.num_rows()]));
        let mut fields = vec![Field::new("Npix", DataType::UInt64, true)];
        fields.extend(batch.schema().fields().iter().map(|field| field.as_ref().clone()));
        let columns = std::iter::once(npix).chain(batch.columns().iter().cloned()).collect();
        RecordBatch::try_new(std::sync::Arc::new(Schema::new(fields)), columns).unwrap()
    });
    let session = check(&sky, sky.summary.tiles).await;
    assert!(session.catalog.schema().field_with_name("Npix").is_err());
    assert_eq!(
        session.query("SELECT * FROM sky LIMIT 1").await.unwrap()[0].num_columns(),
        5
    );
}

#[tokio::test]
async fn a_collection_opens_as_its_primary() {
    let sky = sky().await;
    let collection = sky.folder.path().join("gathered");
    fs::create_dir(&collection).unwrap();
    fs::rename(sky.path(), collection.join("main")).unwrap();
    let text = "obs_collection=gathered\nhats_primary_table_url=main\nall_margins=main_10arcs\n";
    fs::write(collection.join("collection.properties"), text).unwrap();
    let catalog = open(&collection).await.unwrap();
    assert_eq!(catalog.name(), "gathered");
    assert_eq!(catalog.rows(), Some(2000));
}

#[tokio::test]
async fn broken_catalogues_are_told_apart() {
    let sky = sky().await;
    let fault = async |folder: &Path| open(folder).await.unwrap_err().to_string();
    assert!(fault(sky.folder.path()).await.contains("is not a HATS catalogue"));
    let leaf = leaves(&sky.path()).remove(0);
    let bytes = fs::read(&leaf).unwrap();
    fs::remove_file(&leaf).unwrap();
    let told = fault(&sky.path()).await;
    assert!(told.contains("partition_info.csv: lists tile Norder="), "{told}");
    fs::write(&leaf, bytes).unwrap();
    let info = sky.path().join("partition_info.csv");
    let text = fs::read_to_string(&info).unwrap();
    fs::create_dir_all(sky.path().join("dataset/Norder=0/Dir=0")).unwrap();
    fs::copy(&leaf, sky.path().join("dataset/Norder=0/Dir=0/Npix=5.parquet")).unwrap();
    fs::write(&info, text + "0,5,\n").unwrap();
    let told = fault(&sky.path()).await;
    assert!(told.contains("overlap"), "{told}");
}
