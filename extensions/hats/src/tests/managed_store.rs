//! Managed tables on stores that misbehave: answers that are lost, requests that fail, and what opening costs.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult,
};

use super::managed_bench::{Bench, LONG, NOW, few_rows, options, range};
use crate::error::HatsError;
use crate::import::Place;
use crate::managed::ManagedTable;

/// What befalls the next put of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is done, but the answer is an error.
    AnswerLost,
    /// It is done, and repeated, which its condition refuses.
    Repeated,
    /// It is not done.
    Failed,
}

#[derive(Debug, Default)]
struct Moody {
    inner: InMemory,
    fate: std::sync::Mutex<Option<Fate>>,
    gets: AtomicUsize,
    lists: AtomicUsize,
}

impl fmt::Display for Moody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "moody {}", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Moody {
    async fn put_opts(&self, at: &Path, payload: PutPayload, options: PutOptions) -> object_store::Result<PutResult> {
        let is_manifest = at.filename() == Some(crate::layout::MANIFEST_FILE);
        let fate = if is_manifest {
            self.fate.lock().unwrap().take()
        } else {
            None
        };
        let lost = || object_store::Error::Generic {
            store: "moody",
            source: "connection closed".into(),
        };
        match fate {
            None => self.inner.put_opts(at, payload, options).await,
            Some(Fate::Failed) => Err(lost()),
            Some(Fate::AnswerLost) => self.inner.put_opts(at, payload, options).await.and(Err(lost())),
            Some(Fate::Repeated) => {
                self.inner.put_opts(at, payload.clone(), options.clone()).await?;
                self.inner.put_opts(at, payload, options).await
            }
        }
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(at, options).await
    }

    async fn get_opts(&self, at: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.gets.fetch_add(1, Ordering::Relaxed);
        self.inner.get_opts(at, options).await
    }

    async fn get_ranges(&self, at: &Path, ranges: &[Range<u64>]) -> object_store::Result<Vec<Bytes>> {
        self.gets.fetch_add(1, Ordering::Relaxed);
        self.inner.get_ranges(at, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.lists.fetch_add(1, Ordering::Relaxed);
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.lists.fetch_add(1, Ordering::Relaxed);
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

fn moody() -> (Arc<Moody>, Bench) {
    let store = Arc::new(Moody::default());
    let root = Place {
        store: Arc::clone(&store) as Arc<dyn ObjectStore>,
        ..Bench::remote().root
    };
    (store, Bench::of(root))
}

#[tokio::test]
async fn a_lost_answer_is_neither_a_failure_nor_a_loss() {
    for fate in [Fate::AnswerLost, Fate::Repeated, Fate::Failed] {
        let (store, bench) = moody();
        let set = || *store.fate.lock().unwrap() = Some(fate);
        set();
        let made = ManagedTable::create(bench.place("t"), few_rows(0, 10), &options()).await;
        let table = if fate == Fate::Failed {
            assert!(matches!(made, Err(HatsError::Store(_))), "{made:?}");
            assert!(bench.open("t").await.is_none() && bench.parts("t").await.is_empty());
            ManagedTable::create(bench.place("t"), few_rows(0, 10), &options())
                .await
                .unwrap()
        } else {
            made.unwrap()
        };
        set();
        let more = table.append(few_rows(10, 15)).await;
        assert_eq!(more.is_ok(), fate != Fate::Failed, "{fate:?} {more:?}");
        let rows = if fate == Fate::Failed { 10 } else { 15 };
        assert_eq!(bench.ids("t").await.unwrap(), range(0, rows), "{fate:?}");
        assert_eq!(
            bench.parts("t").await.len(),
            if fate == Fate::Failed { 1 } else { 2 },
            "{fate:?}"
        );
        table.append(few_rows(20, 25)).await.unwrap();
        set();
        let report = table.vacuum(LONG).await;
        assert_eq!(report.is_ok(), fate != Fate::Failed, "{fate:?}");
        set();
        let moved = bench.open("t").await.unwrap().rename(bench.place("u")).await;
        assert_eq!(moved.is_ok(), fate != Fate::Failed, "{fate:?} {moved:?}");
        bench.sweep(NOW).await;
        let names = [bench.ids("t").await, bench.ids("u").await];
        let found: Vec<_> = names.into_iter().flatten().collect();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].len(), if fate == Fate::Failed { 15 } else { 20 });
    }
}

#[tokio::test]
async fn opening_costs_two_gets_and_looking_again_one() {
    let (store, bench) = moody();
    let table = bench.create("t", 0, 3000).await.unwrap();
    table.append(super::managed_bench::rows(3000, 3100)).await.unwrap();
    let counted = || {
        (
            store.gets.swap(0, Ordering::Relaxed),
            store.lists.swap(0, Ordering::Relaxed),
        )
    };
    counted();
    let table = bench.open("t").await.unwrap();
    assert!(table.catalog().unwrap().tiles().len() > 20);
    assert_eq!(counted(), (2, 0));
    assert!(table.is_current().await.unwrap());
    assert_eq!(counted(), (1, 0));
    table.refreshed().await.unwrap().unwrap();
    assert_eq!(counted(), (1, 0));
}

#[tokio::test]
async fn damaged_files_are_errors_that_name_them() {
    let bench = Bench::remote();
    let table = bench.create("t", 0, 30).await.unwrap();
    let folder = bench.parts("t").await.pop_first().unwrap();
    let store = &bench.root.store;
    for name in [
        crate::layout::MANIFEST_FILE.to_owned(),
        format!("{folder}/dataset/_common_metadata"),
    ] {
        let file = table.place().object(&name);
        let whole = store.get(&file).await.unwrap().bytes().await.unwrap();
        let cut = (0..whole.len()).step_by(7).map(|length| whole.slice(..length));
        let flipped = (0..whole.len()).step_by(3).map(|at| {
            let mut bytes = whole.to_vec();
            bytes[at] ^= 1 << (at % 8);
            Bytes::from(bytes)
        });
        let mut refused = 0;
        for damaged in cut.chain(flipped) {
            store.put(&file, damaged.into()).await.unwrap();
            if let Err(error) = ManagedTable::open(bench.place("t")).await {
                refused += 1;
                assert!(error.to_string().contains("root/t/"), "{error}");
            }
        }
        assert!(refused > whole.len() / 7, "{name}: {refused} of {}", whole.len());
        store.put(&file, whole.into()).await.unwrap();
        assert_eq!(bench.ids("t").await.unwrap(), range(0, 30));
    }
}
