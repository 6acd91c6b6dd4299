//! Imports that are killed: whenever it happens, nothing half-written opens, and the next run makes it good.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::execution::object_store::ObjectStoreUrl;
use dreyer_sky::hats::{HatsCatalog, discover};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::path::Path as StorePath;

use crate::skies::Random;

const ROWS: u64 = 2000;

fn write_stars(file: &Path) {
    let mut random = Random(7);
    let mut text = "id,ra,dec,mag\n".to_owned();
    for id in 0..ROWS {
        let (ra, dec) = (360.0 * random.unit(), (2.0 * random.unit() - 1.0).asin().to_degrees());
        text.push_str(&format!("{id},{ra},{dec},{}\n", random.unit()));
    }
    fs::write(file, text).unwrap();
}

fn start(input: &Path, root: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_dreyer"))
        .arg("import")
        .arg(input)
        .arg("--into")
        .arg(root)
        .args([
            "--name",
            "stars",
            "--tile-rows",
            "100",
            "--margin",
            "5",
            "--index",
            "id",
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The rows of each table that a session would find under `root`.
async fn tables(root: &Path) -> Vec<Option<u64>> {
    let root = StorePath::from_absolute_path(root).unwrap();
    let store: Arc<dyn ObjectStore> = Arc::new(LocalFileSystem::new());
    let mut rows = Vec::new();
    for table in discover(&store, &root).await.unwrap() {
        let url = ObjectStoreUrl::local_filesystem();
        let catalog = HatsCatalog::open(Arc::clone(&store), url, table.path).await.unwrap();
        rows.push(catalog.rows());
    }
    rows
}

async fn killed_imports(times: u64) {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("stars.csv");
    write_stars(&input);
    let whole = Instant::now();
    assert!(start(&input, &folder.path().join("first")).wait().unwrap().success());
    let whole = whole.elapsed();
    let root = folder.path().join("sky");
    fs::create_dir(&root).unwrap();
    let mut random = Random(times);
    let mut finished = 0;
    for _ in 0..times {
        let mut child = start(&input, &root);
        std::thread::park_timeout(Duration::from_secs_f64(1.1 * random.unit() * whole.as_secs_f64()));
        // SIGKILL: no destructor runs.
        child.kill().unwrap();
        child.wait().unwrap();
        match tables(&root).await.as_slice() {
            [] => {}
            [Some(ROWS)] => {
                finished += 1;
                fs::remove_dir_all(root.join("stars")).unwrap();
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(finished < times, "every import was over before it was killed");
    let last = start(&input, &root).wait_with_output().unwrap();
    assert!(last.status.success(), "{}", String::from_utf8_lossy(&last.stderr));
    assert_eq!(tables(&root).await, [Some(ROWS)]);
    let left: Vec<_> = fs::read_dir(&root)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["stars"], "leftovers of the killed are gone");
}

#[tokio::test]
async fn a_killed_import_leaves_nothing_that_opens() {
    killed_imports(10).await;
}

#[tokio::test]
#[ignore = "minutes: the long form of the test above"]
async fn a_hundred_killed_imports_leave_nothing_that_opens() {
    killed_imports(100).await;
}
