//! Imports into object stores, beside other imports, and over what dead ones left.

use std::fs::{self, File};
use std::sync::Arc;

use datafusion::execution::object_store::ObjectStoreUrl;
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::sky::{batch, input_of, stars};
use crate::HatsCatalog;
use crate::import::{ImportOptions, Place, TileLimit, import, write_catalog};

fn remote() -> Place {
    Place {
        store: Arc::new(InMemory::new()),
        url: ObjectStoreUrl::parse("memory://bucket/").unwrap(),
        path: Path::from("root/table"),
        local: None,
    }
}

async fn objects(place: &Place) -> Vec<String> {
    let listed = place.store.list(None).map_ok(|object| object.location.to_string());
    let mut listed: Vec<String> = listed.try_collect().await.unwrap();
    listed.sort();
    listed
}

async fn opened(place: &Place) -> Option<Option<u64>> {
    let catalog = HatsCatalog::open(Arc::clone(&place.store), place.url.clone(), place.path.clone()).await;
    catalog.ok().map(|catalog| catalog.rows())
}

fn small() -> ImportOptions {
    ImportOptions {
        tile: TileLimit::Rows(100),
        row_group_rows: 50,
        ..ImportOptions::default()
    }
}

#[tokio::test]
async fn a_store_gets_a_catalogue_or_nothing() {
    let place = remote();
    let summary = import(input_of(vec![batch(&stars(500))]).await, &place, &small(), &())
        .await
        .unwrap();
    assert_eq!(opened(&place).await, Some(Some(500)));
    assert!(summary.bytes > 0 && summary.tiles > 4);
    assert!(
        !objects(&place).await.iter().any(|path| path.contains("/.")),
        "no marker is left"
    );
    let again = import(input_of(vec![batch(&stars(5))]).await, &place, &small(), &()).await;
    assert!(again.unwrap_err().to_string().contains("must not exist yet"));
    assert_eq!(opened(&place).await, Some(Some(500)));

    let place = remote();
    let mut wrong = stars(500);
    wrong[321].dec = 90.5;
    let told = import(input_of(vec![batch(&wrong)]).await, &place, &small(), &())
        .await
        .unwrap_err()
        .to_string();
    assert!(told.contains("1 of its 500 rows"), "{told}");
    assert_eq!(objects(&place).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_collection_binds_margin_and_index() {
    let place = remote();
    let options = ImportOptions {
        margin_arcsec: Some(10.0),
        index_columns: vec!["id".to_owned()],
        ..small()
    };
    import(input_of(vec![batch(&stars(500))]).await, &place, &options, &())
        .await
        .unwrap();
    assert_eq!(opened(&place).await, Some(Some(500)));
    let objects = objects(&place).await;
    for file in [
        "collection.properties",
        "table/hats.properties",
        "table/skymap.fits",
        "table/point_map.fits",
        "table/data_thumbnail.parquet",
        "table/per_partition_statistics.parquet",
        "table_10arcs/hats.properties",
        "table_id_index/dataset/index/part.0.parquet",
    ] {
        assert!(
            objects.contains(&format!("root/table/{file}")),
            "{file} is missing in {objects:?}"
        );
    }
}

#[tokio::test]
async fn a_live_import_is_let_alone() {
    let place = remote();
    let marker = place.path.clone().join(".dreyer-import");
    place.store.put(&marker, "somebody".into()).await.unwrap();
    let told = import(input_of(vec![batch(&stars(5))]).await, &place, &small(), &())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        told.contains("is being imported already") && told.contains("somebody"),
        "{told}"
    );
    assert_eq!(objects(&place).await, [marker.to_string()]);

    let folder = tempfile::tempdir().unwrap();
    let place = Place::local(folder.path().join("table")).unwrap();
    let held = File::create(folder.path().join(".table.import.lock")).unwrap();
    held.lock().unwrap();
    fs::create_dir(folder.path().join(".table.import")).unwrap();
    let told = import(input_of(vec![batch(&stars(5))]).await, &place, &small(), &())
        .await
        .unwrap_err()
        .to_string();
    assert!(told.contains("is being imported already"), "{told}");
    assert!(folder.path().join(".table.import").exists());
    // Its process ends: what it left is nobody's.
    drop(held);
    fs::write(folder.path().join(".table.import/half"), "a leaf").unwrap();
    import(input_of(vec![batch(&stars(5))]).await, &place, &small(), &())
        .await
        .unwrap();
    assert_eq!(opened(&place).await, Some(Some(5)));
    let left: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["table"]);
}

#[tokio::test]
async fn a_catalogue_is_written_only_where_nothing_is() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::local(folder.path().join("table")).unwrap();
    let written = write_catalog(input_of(vec![batch(&stars(500))]).await, &place, &small(), &())
        .await
        .unwrap();
    assert_eq!(written.rows, 500);
    assert_eq!(written.leaves.iter().map(|leaf| leaf.rows).sum::<u64>(), 500);
    assert_eq!(written.histogram.counts.iter().map(|(_, rows)| rows).sum::<u64>(), 500);
    for leaf in &written.leaves {
        let found = place.store.head(&leaf.meta.location).await.unwrap();
        assert_eq!((found.size, found.e_tag), (leaf.meta.size, leaf.meta.e_tag.clone()));
    }
    let again = write_catalog(input_of(vec![batch(&stars(5))]).await, &place, &small(), &()).await;
    assert!(again.unwrap_err().to_string().contains("must be empty"));
}
