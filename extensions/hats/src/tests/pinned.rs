//! A catalogue rewritten under a query: rows of the version that was planned, or an error; never rows of two.

use std::fmt;
use std::fs::{self, File};
use std::path::{Path as FsPath, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::arrow::array::{AsArray, Int64Array, RecordBatch};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::catalog::TableProvider;
use datafusion::error::DataFusionError;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::physical_plan::collect;
use datafusion::prelude::{SessionConfig, SessionContext};
use dreyer_sphere::Cell;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::sky::{Sky, open};
use crate::{HatsCatalog, HatsError, HatsTable};

/// Replaces a leaf by an equal one.
fn rewrite_a_leaf(catalog: &HatsCatalog) {
    let leaf = &catalog.tiles().last().unwrap().files[0];
    let file = FsPath::new("/").join(leaf.location.as_ref());
    let copy = file.with_extension("copy");
    fs::copy(&file, &copy).unwrap();
    fs::rename(copy, file).unwrap();
}

#[tokio::test]
async fn a_rewritten_leaf_of_a_remote_store_is_noticed() {
    let sky = Sky::new(1000, 5000, 5000).await;
    let session = sky.session().await;
    let plan = session.plan("SELECT id FROM sky").await.unwrap();
    rewrite_a_leaf(&session.catalog);
    let fault = collect(plan, session.context.task_ctx()).await.unwrap_err();
    assert!(
        fault.to_string().contains("was rewritten after the query was planned"),
        "{fault}"
    );
    let leaf = &session.catalog.tiles().last().unwrap().files[0];
    assert_eq!(HatsError::rewritten(&fault), Some(leaf.location.as_ref()));
    assert!(
        session.query("SELECT id FROM sky").await.is_err(),
        "the table still stands for the old version"
    );
    let fresh = sky.session().await;
    assert_eq!(fresh.ids("SELECT id FROM sky").await.len(), 1000);
    let other = fresh.query("SELECT CAST(name AS INT) FROM sky").await.unwrap_err();
    assert_eq!(HatsError::rewritten(&other), None, "not every error is that");
}

#[tokio::test]
async fn a_rewritten_or_missing_leaf_of_the_file_system_is_noticed() {
    let sky = Sky::new(1000, 5000, 5000).await;
    let catalog = Arc::new(open(&sky.path()).await.unwrap());
    let table = HatsTable::new(Arc::clone(&catalog));
    let context = SessionContext::new();
    let rows = async || {
        let plan = table.scan(&context.state(), None, &[], None).await?;
        let batches = collect(plan, context.task_ctx()).await?;
        Ok::<_, DataFusionError>(batches.iter().map(|batch| batch.num_rows()).sum::<usize>())
    };
    assert_eq!(rows().await.unwrap(), 1000);
    rewrite_a_leaf(&catalog);
    let fault = rows().await.unwrap_err();
    assert!(HatsError::rewritten(&fault).is_some(), "{fault}");
    let leaf = &catalog.tiles().last().unwrap().files[0];
    fs::remove_file(FsPath::new("/").join(leaf.location.as_ref())).unwrap();
    let fault = rows().await.unwrap_err();
    assert_eq!(HatsError::rewritten(&fault), Some(leaf.location.as_ref()), "{fault}");
}

/// Tiles of the catalogues below, and rows of each.
const TILES: u64 = 6;
const ROWS: i64 = 900;
/// Rows of a tile, and of all.
const ONE: usize = 900;
const ALL: usize = 5400;
const FOLDER: &str = "sky";

/// The files of one version of a catalogue, all versions with equal schema and sizes: each row names its version.
fn version(number: i64) -> Vec<(String, Vec<u8>)> {
    let file = |name: &str, text: &str| (format!("{FOLDER}/{name}"), text.as_bytes().to_vec());
    let rows = ROWS * TILES as i64;
    let properties = format!("dataproduct_type=object\nhats_nrows={rows}\nhats_col_ra=ra\nhats_col_dec=dec\n");
    let tiles: String = (0..TILES).map(|tile| format!("1,{}\n", tile * 7)).collect();
    let leaf = |tile: u64| {
        let path = format!("{FOLDER}/dataset/Norder=1/Dir=0/Npix={}.parquet", tile * 7);
        (path, leaf(number, Cell::new(1, tile * 7).unwrap()))
    };
    let listed = [
        file("hats.properties", &properties),
        file("partition_info.csv", &format!("Norder,Npix\n{tiles}")),
    ];
    listed.into_iter().chain((0..TILES).map(leaf)).collect()
}

fn leaf(version: i64, cell: Cell) -> Vec<u8> {
    let first = cell.range().start as i64;
    let column = |value: &dyn Fn(i64) -> i64| Arc::new((0..ROWS).map(value).collect::<Int64Array>()) as _;
    let columns = vec![
        ("_healpix_29", column(&|row| first + row)),
        ("version", column(&|_| version)),
        ("again", column(&|_| version)),
    ];
    let rows = RecordBatch::try_from_iter(columns).unwrap();
    let properties = WriterProperties::builder()
        .set_compression(Compression::UNCOMPRESSED)
        .set_dictionary_enabled(false)
        .set_max_row_group_row_count(Some(300))
        .set_data_page_row_count_limit(100)
        .set_write_batch_size(100)
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, rows.schema(), Some(properties)).unwrap();
    writer.write(&rows).unwrap();
    writer.close().unwrap();
    bytes
}

/// The versions among the rows of a query, each with its number of rows in both columns.
fn versions(batches: &[RecordBatch]) -> Vec<(i64, usize)> {
    let mut found = std::collections::BTreeMap::new();
    for column in batches.iter().flat_map(|batch| batch.columns()) {
        for value in column.as_primitive::<Int64Type>().values() {
            *found.entry(*value).or_default() += 1;
        }
    }
    found.into_iter().collect()
}

/// A store in which, after a number of reads, somebody does something.
struct Interrupted {
    inner: Arc<dyn ObjectStore>,
    reads_left: AtomicUsize,
    deed: Mutex<Option<Deed>>,
}

type Deed = Box<dyn FnOnce() + Send>;

impl Interrupted {
    fn new(inner: Arc<dyn ObjectStore>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            reads_left: AtomicUsize::new(usize::MAX),
            deed: Mutex::default(),
        })
    }

    fn after(&self, reads: usize, deed: Deed) {
        *self.deed.lock().unwrap() = Some(deed);
        self.reads_left.store(reads, Ordering::SeqCst);
    }

    fn read(&self) {
        if self.reads_left.fetch_sub(1, Ordering::SeqCst) == 0
            && let Some(deed) = self.deed.lock().unwrap().take()
        {
            deed();
        }
    }
}

impl fmt::Debug for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Interrupted({})", self.inner)
    }
}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "interrupted {}", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Interrupted {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.read();
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, at: &Path, ranges: &[std::ops::Range<u64>]) -> object_store::Result<Vec<Bytes>> {
        self.read();
        self.inner.get_ranges(at, ranges).await
    }

    async fn put_opts(&self, at: &Path, payload: PutPayload, options: PutOptions) -> object_store::Result<PutResult> {
        self.inner.put_opts(at, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(at, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

fn context(url: &ObjectStoreUrl, store: &Arc<Interrupted>) -> SessionContext {
    let mut config = SessionConfig::new().with_target_partitions(2).with_batch_size(128);
    config.options_mut().execution.parquet.metadata_size_hint = Some(1024);
    let context = SessionContext::new_with_config(config);
    context.register_object_store(url.as_ref(), Arc::clone(store) as _);
    context
}

/// Plans at one version, and while the query runs puts the next one in its place after each possible number of reads.
/// Returns how many queries were right and how many noticed.
async fn swap_under_scans(
    store: Arc<Interrupted>,
    url: ObjectStoreUrl,
    folder: Path,
    rounds: usize,
    put: impl Fn(i64) -> Deed,
) -> (usize, usize) {
    let context = context(&url, &store);
    let (mut right, mut noticed) = (0, 0);
    put(0)();
    for round in 0..rounds {
        let number = round as i64;
        let catalog = HatsCatalog::open(Arc::clone(&store) as _, url.clone(), folder.clone())
            .await
            .unwrap();
        let table = HatsTable::new(Arc::new(catalog));
        let columns = [vec![1, 2], vec![2], vec![2, 1]];
        let columns = &columns[round % 3];
        let scan = table.scan(&context.state(), Some(columns), &[], None).await.unwrap();
        store.after(round % 60, put(number + 1));
        match collect(scan, context.task_ctx()).await {
            Ok(batches) => {
                let all = ALL * columns.len();
                assert_eq!(versions(&batches), [(number, all)], "round {round}");
                right += 1;
            }
            Err(error) => {
                assert!(HatsError::rewritten(&error).is_some(), "round {round}: {error}");
                noticed += 1;
            }
        }
        // Whether the query got that far or not, the next one finds the next version.
        let late = store.deed.lock().unwrap().take();
        if let Some(late) = late {
            late();
        }
    }
    (right, noticed)
}

#[tokio::test]
async fn objects_swapped_under_scans_never_mix() {
    let memory = Arc::new(InMemory::new());
    let store = Interrupted::new(Arc::clone(&memory) as _);
    let url = ObjectStoreUrl::parse("memory://store/").unwrap();
    let put = move |number: i64| -> Deed {
        let memory = Arc::clone(&memory);
        Box::new(move || {
            for (path, bytes) in version(number) {
                let path = Path::from(path);
                futures::executor::block_on(memory.put(&path, bytes.into())).unwrap();
            }
        })
    };
    let (right, noticed) = swap_under_scans(store, url, Path::from(FOLDER), 300, put).await;
    assert!(right > 20 && noticed > 100, "{right} right, {noticed} noticed");
}

/// Puts a version in place by renaming, every file with the same size and time of modification as before.
fn put_on_disk(root: &FsPath, number: i64) {
    for (path, bytes) in version(number) {
        let file = root.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let staged = file.with_extension("new");
        fs::write(&staged, bytes).unwrap();
        File::options()
            .write(true)
            .open(&staged)
            .unwrap()
            .set_modified(std::time::UNIX_EPOCH)
            .unwrap();
        fs::rename(staged, file).unwrap();
    }
}

#[tokio::test]
async fn files_swapped_under_scans_never_mix() {
    let folder = tempfile::tempdir().unwrap();
    let store = Interrupted::new(Arc::new(LocalFileSystem::new()));
    let root: PathBuf = folder.path().to_owned();
    let sizes = |number| {
        version(number)
            .into_iter()
            .map(|(_, bytes)| bytes.len())
            .collect::<Vec<_>>()
    };
    assert_eq!(sizes(3), sizes(299), "size tells nothing");
    let place = Path::from_absolute_path(root.join(FOLDER)).unwrap();
    let put = move |number: i64| -> Deed {
        let root = root.clone();
        Box::new(move || put_on_disk(&root, number))
    };
    let url = ObjectStoreUrl::local_filesystem();
    let (right, noticed) = swap_under_scans(store, url, place, 300, put).await;
    // Files that a scan has open stay what they were.
    assert!(right > 20 && noticed > 10, "{right} right, {noticed} noticed");
}

/// One leaf written over and over in place, with equal size and time of modification: only the time of change tells.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_rewritten_in_place_never_mixes() {
    let folder = tempfile::tempdir().unwrap();
    put_on_disk(folder.path(), 0);
    let tiles = folder.path().join(FOLDER).join("partition_info.csv");
    fs::write(tiles, "Norder,Npix\n1,0\n").unwrap();
    let file = folder.path().join(FOLDER).join("dataset/Norder=1/Dir=0/Npix=0.parquet");
    let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let writer = {
        let (stop, written) = (Arc::clone(&stop), Arc::clone(&written));
        let cell = Cell::new(1, 0).unwrap();
        let contents: Vec<_> = (0..8).map(|number| leaf(number, cell)).collect();
        std::thread::spawn(move || {
            while !stop.load(Ordering::SeqCst) {
                let number = written.fetch_add(1, Ordering::SeqCst);
                let mut open = File::options().write(true).open(&file).unwrap();
                std::io::Write::write_all(&mut open, &contents[number % 8]).unwrap();
                open.set_modified(std::time::UNIX_EPOCH).unwrap();
                std::thread::park_timeout(std::time::Duration::from_micros(700 * (number as u64 % 7)));
            }
        })
    };
    let store = Interrupted::new(Arc::new(LocalFileSystem::new()));
    let url = ObjectStoreUrl::local_filesystem();
    let context = context(&url, &store);
    let place = Path::from_absolute_path(folder.path().join(FOLDER)).unwrap();
    let (mut right, mut noticed) = (0, 0);
    while right + noticed < 400 {
        let catalog = HatsCatalog::open(Arc::clone(&store) as _, url.clone(), place.clone()).await;
        // The catalogue has no schema but the leaf's, which may be caught half written.
        let Ok(catalog) = catalog else { continue };
        let table = HatsTable::new(Arc::new(catalog));
        let scan = table
            .scan(&context.state(), Some(&vec![1, 2]), &[], None)
            .await
            .unwrap();
        match collect(scan, context.task_ctx()).await {
            Ok(batches) => {
                let found = versions(&batches);
                assert!(matches!(found.as_slice(), [(_, rows)] if *rows == ONE * 2), "{found:?}");
                right += 1;
            }
            Err(error) => {
                assert!(HatsError::rewritten(&error).is_some(), "{error}");
                noticed += 1;
            }
        }
    }
    stop.store(true, Ordering::SeqCst);
    writer.join().unwrap();
    assert!(noticed > 0, "{right} right, {noticed} noticed, {written:?} written");
}
