//! Which folders are tables.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;

use super::sky::{Sky, store_path};
use crate::{FoundTable, discover};

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (from, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(from, to).unwrap();
        }
    }
}

async fn find(root: &Path) -> Vec<FoundTable> {
    let store: Arc<dyn ObjectStore> = Arc::new(LocalFileSystem::new());
    discover(&store, &store_path(root)).await.unwrap()
}

async fn names(root: &Path) -> Vec<String> {
    find(root)
        .await
        .iter()
        .map(|table| {
            table
                .schema
                .iter()
                .chain([&table.name])
                .cloned()
                .collect::<Vec<_>>()
                .join(".")
        })
        .collect()
}

#[tokio::test]
async fn catalogues_one_and_two_folders_deep_are_tables() {
    let sky = Sky::new(100, 50, 50).await;
    let root = sky.folder.path().join("root");
    for place in [
        "gaia",
        "survey/two",
        "survey/Three",
        ".hidden",
        "_temporary",
        "survey/deep/er",
        "kept/primary",
    ] {
        copy(&sky.path(), &root.join(place));
    }
    fs::write(
        root.join("kept/collection.properties"),
        "hats_primary_table_url=primary\n",
    )
    .unwrap();
    fs::create_dir_all(root.join("mine")).unwrap();
    fs::write(root.join("mine/dreyer.manifest.json"), "{}").unwrap();
    fs::write(root.join("README"), "not a catalogue").unwrap();
    assert_eq!(
        names(&root).await,
        ["gaia", "kept", "mine", "survey.Three", "survey.two"]
    );
    let managed = find(&root).await.into_iter().filter(|table| table.managed);
    assert_eq!(managed.map(|table| table.name).collect::<Vec<_>>(), ["mine"]);
}

#[tokio::test]
async fn a_root_may_be_the_catalogue_or_empty() {
    let sky = Sky::new(100, 50, 50).await;
    assert_eq!(names(&sky.path()).await, ["sky"]);
    assert_eq!(names(&sky.folder.path().join("nowhere")).await, Vec::<String>::new());
}

#[tokio::test]
async fn the_fingerprint_changes_with_what_tells_the_content() {
    let sky = Sky::new(100, 50, 50).await;
    let root = sky.path();
    let before = find(&root).await;
    assert_eq!(find(&root).await, before);
    fs::write(root.join("README"), "says nothing of the rows").unwrap();
    assert_eq!(find(&root).await, before);
    let info = root.join("partition_info.csv");
    let text = fs::read(&info).unwrap();
    fs::write(root.join("new"), text).unwrap();
    fs::rename(root.join("new"), info).unwrap();
    assert_ne!(find(&root).await[0].fingerprint, before[0].fingerprint);
}
