//! Which folders are tables.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use datafusion::execution::object_store::ObjectStoreUrl;
use object_store::local::LocalFileSystem;

use super::sky::{Sky, store_path};
use crate::discover;

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

async fn names(root: &Path) -> Vec<String> {
    let store = Arc::new(LocalFileSystem::new());
    let found = discover(store, ObjectStoreUrl::local_filesystem(), store_path(root))
        .await
        .unwrap();
    found
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
    for (kind, place) in [("margin", "gaia_10arcs"), ("index", "survey/gaia_id")] {
        copy(&sky.path(), &root.join(place));
        for name in ["hats.properties", "properties"] {
            let file = root.join(place).join(name);
            let text = fs::read_to_string(&file)
                .unwrap()
                .replace("=object", &format!("={kind}"));
            fs::write(file, text).unwrap();
        }
    }
    copy(&sky.path(), &root.join("broken"));
    fs::write(root.join("broken/partition_info.csv"), "nonsense\n").unwrap();
    fs::write(root.join("README"), "not a catalogue").unwrap();
    assert_eq!(names(&root).await, ["gaia", "kept", "survey.Three", "survey.two"]);
}

#[tokio::test]
async fn a_root_may_be_the_catalogue_or_empty() {
    let sky = Sky::new(100, 50, 50).await;
    assert_eq!(names(&sky.path()).await, ["sky"]);
    assert_eq!(names(&sky.folder.path().join("nowhere")).await, Vec::<String>::new());
}
