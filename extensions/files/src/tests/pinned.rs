//! A query reads one version of each file; remote stores give what local files give.

use datafusion::execution::object_store::ObjectStoreUrl;
use futures::StreamExt;
use object_store::memory::InMemory;
use object_store::path::Path as StorePath;
use object_store::{ObjectStore, ObjectStoreExt};

use super::*;
use crate::{FileOptions, FileTable, list_inputs};

fn formats(stars: &RecordBatch) -> Vec<(&'static str, Vec<u8>)> {
    let text = csv(stars, b',');
    vec![
        ("x.parquet", parquet(stars, 500)),
        ("x.csv", text.clone()),
        ("x.csv.gz", gzip(&text)),
        ("x.arrow", arrow_file(stars)),
        ("x.vot", votable(stars, Serialization::Binary2)),
        ("x.fits", fits(stars)),
        ("x.fits.zst", zstd(&fits(stars))),
    ]
}

async fn table(context: &SessionContext, store: &Arc<dyn ObjectStore>, url: &ObjectStoreUrl, name: &str) -> FileTable {
    let files = list_inputs(store.as_ref(), name, None).await.unwrap();
    let store = Arc::clone(store);
    FileTable::open(&context.state(), store, url.clone(), files, &FileOptions::default())
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn remote_stores_give_the_same_rows() {
    let stars = stars(5000);
    let context = with_oracle(&stars);
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let url = ObjectStoreUrl::parse("memory://x").unwrap();
    context.register_object_store(url.as_ref(), Arc::clone(&store));
    for (name, bytes) in formats(&stars) {
        store.put(&StorePath::from(name), bytes.into()).await.unwrap();
        let opened = table(&context, &store, &url, name).await;
        context.deregister_table("t").unwrap();
        context.register_table("t", Arc::new(opened)).unwrap();
        let query = "SELECT id, dec FROM t WHERE ra < 180";
        let expected = rows(&context, &query.replace("FROM t", "FROM oracle")).await.unwrap();
        assert_eq!(rows(&context, query).await.unwrap(), expected, "{name}");
    }
}

/// A scan whose file is another one by the time it runs fails and says so; the next one reads the new file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rewritten_file_fails_the_scan_and_not_the_next() {
    let (before, after) = (stars(5000), stars(4000));
    let folder = tempfile::tempdir().unwrap();
    let local: Arc<dyn ObjectStore> = Arc::new(object_store::local::LocalFileSystem::new());
    let remote: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let context = session();
    let memory = ObjectStoreUrl::parse("memory://x").unwrap();
    context.register_object_store(memory.as_ref(), Arc::clone(&remote));
    for (store, url) in [(local, ObjectStoreUrl::local_filesystem()), (remote, memory)] {
        for ((name, old), (_, new)) in formats(&before).into_iter().zip(formats(&after)) {
            let place = StorePath::from_absolute_path(folder.path().join(name)).unwrap();
            store.put(&place, old.into()).await.unwrap();
            let opened = Arc::new(table(&context, &store, &url, place.as_ref()).await);
            let frame = context.read_table(Arc::clone(&opened) as _).unwrap();
            let plan = frame.clone().create_physical_plan().await.unwrap();
            store.put(&place, new.into()).await.unwrap();
            assert!(!opened.is_current().await.unwrap(), "{name}");
            let result = datafusion::physical_plan::collect(plan, context.task_ctx()).await;
            let error = result.map(|rows| rows.len()).unwrap_err().to_string();
            assert!(
                error.contains(name) && error.contains("run the query again"),
                "{url:?} {name}: {error}"
            );
            assert_eq!(frame.count().await.unwrap(), 4000, "{url:?} {name}");
            assert!(opened.is_current().await.unwrap(), "{name}");
        }
    }
}

#[tokio::test]
async fn other_columns_are_another_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.csv");
    std::fs::write(&path, "a,b\n1,2\n").unwrap();
    let context = session();
    register(&context, "t", &path).await.unwrap();
    std::fs::write(&path, "a,c\n1,x\n").unwrap();
    let error = rows(&context, "SELECT a FROM t").await.unwrap_err();
    assert!(error.contains("x.csv") && error.contains("other columns"), "{error}");
    std::fs::remove_file(&path).unwrap();
    let error = rows(&context, "SELECT a FROM t").await.unwrap_err();
    assert!(error.contains("x.csv"), "{error}");
}

/// Files replaced again and again under running scans: whole rows of one version, or an error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_scan_mixes_versions() {
    let versions: Vec<Vec<(&str, Vec<u8>)>> = (1..=2).map(|n| formats(&stars(3000 * n))).collect();
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn ObjectStore> = Arc::new(object_store::local::LocalFileSystem::new());
    let url = ObjectStoreUrl::local_filesystem();
    let context = session();
    let mut whole = 0;
    for turn in 0..8_usize {
        for (at, (name, _)) in versions[0].iter().enumerate() {
            let place = StorePath::from_absolute_path(folder.path().join(name)).unwrap();
            let bytes = |turn: usize| versions[turn % 2][at].1.clone();
            store.put(&place, bytes(turn).into()).await.unwrap();
            let opened = table(&context, &store, &url, place.as_ref()).await;
            let frame = context
                .read_table(Arc::new(opened))
                .unwrap()
                .select_columns(&["id"])
                .unwrap();
            let mut rows = frame.execute_stream().await.unwrap();
            let rewriting = tokio::spawn({
                let (store, bytes) = (Arc::clone(&store), bytes(turn + 1));
                async move {
                    for _ in 0..turn % 7 {
                        tokio::task::yield_now().await;
                    }
                    store.put(&place, bytes.into()).await
                }
            });
            let mut count = 0;
            let failed = loop {
                match rows.next().await {
                    Some(Ok(batch)) => count += batch.num_rows(),
                    Some(Err(error)) => break Some(error.to_string()),
                    None => break None,
                }
            };
            rewriting.await.unwrap().unwrap();
            match failed {
                None => {
                    assert_eq!(count, 3000 * (turn % 2 + 1), "{name}");
                    whole += 1;
                }
                Some(error) => assert!(error.contains("run the query again"), "{name}: {error}"),
            }
        }
    }
    assert!(whole > 0);
}
