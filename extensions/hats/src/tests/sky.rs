//! Skies made from a seed, catalogues made of them, and sessions that read these.

use std::fmt;
use std::ops::Range;
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema};
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::datasource::MemTable;
use datafusion::error::Result;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{CsvReadOptions, ParquetReadOptions, SessionConfig, SessionContext};
use dreyer_tiling::SkyOptions;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult,
};
use parquet::arrow::ArrowWriter;

use crate::import::{ImportOptions, ImportSummary, Input, Place, TileLimit, import};
use crate::{HatsCatalog, HatsTable};

/// One row of a made-up sky.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Star {
    pub(super) id: i64,
    pub(super) ra: f64,
    pub(super) dec: f64,
}

/// `n` stars: two thirds all over the sky, the rest in clumps at both poles, at right ascension 0 and at one point.
pub(super) fn stars(n: usize) -> Vec<Star> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut uniform = move || {
        // xorshift64*: the same sky everywhere.
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1_u64 << 53) as f64
    };
    let star = |id: usize| {
        let (u, v) = (uniform(), uniform());
        let (ra, dec) = match id % 15 {
            0 => (360.0 * u, 90.0 - 0.5 * v),
            1 => (360.0 * u, -90.0 + 0.5 * v),
            2 => ((359.9 + 0.2 * u) % 360.0, 0.2 * v - 0.1),
            3 | 4 => (83.6 + 0.05 * u, -5.4 + 0.05 * v),
            _ => (360.0 * u, (2.0 * v - 1.0).asin().to_degrees()),
        };
        Star { id: id as i64, ra, dec }
    };
    (0..n).map(star).collect()
}

/// The stars as a table of `id`, `ra`, `dec` and a `name`, with units where a sky has them.
pub(super) fn batch(stars: &[Star]) -> RecordBatch {
    let degrees = || {
        [
            ("unit".to_owned(), "deg".to_owned()),
            ("ucd".to_owned(), "pos.eq".to_owned()),
        ]
        .into()
    };
    let schema = Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("ra", DataType::Float64, false).with_metadata(degrees()),
        Field::new("dec", DataType::Float64, false).with_metadata(degrees()),
        Field::new("name", DataType::Utf8, true),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(stars.iter().map(|star| star.id).collect::<Int64Array>()),
        Arc::new(stars.iter().map(|star| star.ra).collect::<Float64Array>()),
        Arc::new(stars.iter().map(|star| star.dec).collect::<Float64Array>()),
        Arc::new(
            stars
                .iter()
                .map(|star| Some(format!("star {}", star.id)))
                .collect::<StringArray>(),
        ),
    ];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

pub(super) fn write_parquet(path: &FsPath, batch: &RecordBatch) {
    let mut writer = ArrowWriter::try_new(std::fs::File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

/// The rows of Parquet files, or of CSV files, as an input of imports.
pub(super) async fn input<P: AsRef<FsPath>>(files: &[P]) -> Input {
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(2));
    let paths: Vec<&str> = files.iter().map(|file| file.as_ref().to_str().unwrap()).collect();
    let frame = if paths[0].ends_with(".csv") {
        context.read_csv(paths.clone(), CsvReadOptions::new()).await.unwrap()
    } else {
        context
            .read_parquet(paths.clone(), ParquetReadOptions::default().skip_metadata(false))
            .await
            .unwrap()
    };
    Input {
        task: Arc::new(frame.task_ctx()),
        plan: frame.create_physical_plan().await.unwrap(),
        description: paths[0].to_owned(),
    }
}

/// Rows in memory as an input of imports, a partition for each batch.
pub(super) async fn input_of(batches: Vec<RecordBatch>) -> Input {
    let schema = batches[0].schema();
    let partitions = batches.into_iter().map(|batch| vec![batch]).collect();
    let context = SessionContext::new();
    let table = MemTable::try_new(schema, partitions).unwrap();
    let frame = context.read_table(Arc::new(table)).unwrap();
    Input {
        task: Arc::new(frame.task_ctx()),
        plan: frame.create_physical_plan().await.unwrap(),
        description: "the rows".to_owned(),
    }
}

/// A folder that holds the catalogue `sky` of `n` stars.
pub(super) struct Sky {
    pub(super) folder: tempfile::TempDir,
    pub(super) stars: Vec<Star>,
    pub(super) summary: ImportSummary,
}

impl Sky {
    pub(super) async fn new(n: usize, tile_rows: u64, row_group_rows: u64) -> Self {
        Self::of(stars(n), tile_rows, row_group_rows).await
    }

    pub(super) async fn of(stars: Vec<Star>, tile_rows: u64, row_group_rows: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("stars.parquet");
        write_parquet(&file, &batch(&stars));
        let options = ImportOptions {
            tile: TileLimit::Rows(tile_rows),
            row_group_rows,
            ..ImportOptions::new("sky")
        };
        let place = Place::local(folder.path().join("sky")).unwrap();
        let summary = import(input(&[file]).await, &place, &options, &()).await.unwrap();
        Self { folder, stars, summary }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("sky")
    }

    pub(super) async fn session(&self) -> Session {
        Session::open(&self.path()).await
    }
}

/// The path of a local folder or file within the store of the file system.
pub(super) fn store_path(path: &FsPath) -> Path {
    Path::from_absolute_path(path).unwrap()
}

pub(super) async fn open(folder: &FsPath) -> crate::error::Result<HatsCatalog> {
    let store = Arc::new(LocalFileSystem::new());
    HatsCatalog::open(store, ObjectStoreUrl::local_filesystem(), store_path(folder)).await
}

/// A session with one catalogue as table `sky`, whose reads are counted.
pub(super) struct Session {
    pub(super) context: SessionContext,
    pub(super) catalog: Arc<HatsCatalog>,
    pub(super) reads: Arc<Reads>,
}

impl Session {
    pub(super) async fn open(folder: &FsPath) -> Self {
        let mut config = SessionConfig::new().with_target_partitions(3);
        config.options_mut().extensions.insert(SkyOptions::default());
        // A hint larger than a small leaf would fetch it whole with its footer.
        config.options_mut().execution.parquet.metadata_size_hint = Some(4096);
        Self::with_config(folder, config).await
    }

    pub(super) async fn with_config(folder: &FsPath, config: SessionConfig) -> Self {
        Self::at(ObjectStoreUrl::parse("counted://store/").unwrap(), folder, config).await
    }

    /// The same in the store of the file system, as far as a scan can tell.
    pub(super) async fn on_disk(folder: &FsPath) -> Self {
        Self::at(ObjectStoreUrl::local_filesystem(), folder, SessionConfig::new()).await
    }

    async fn at(url: ObjectStoreUrl, folder: &FsPath, config: SessionConfig) -> Self {
        let context = SessionContext::new_with_config(config);
        for function in dreyer_geometry::functions() {
            context.register_udf(function.as_ref().clone());
        }
        let reads = Arc::new(Reads::default());
        let store = CountingStore {
            inner: LocalFileSystem::new(),
            reads: Arc::clone(&reads),
        };
        let store: Arc<dyn ObjectStore> = Arc::new(store);
        context.register_object_store(url.as_ref(), Arc::clone(&store));
        let catalog = Arc::new(HatsCatalog::open(store, url, store_path(folder)).await.unwrap());
        context
            .register_table("sky", Arc::new(HatsTable::new(Arc::clone(&catalog))))
            .unwrap();
        Self {
            context,
            catalog,
            reads,
        }
    }

    pub(super) async fn plan(&self, sql: &str) -> Result<Arc<dyn ExecutionPlan>> {
        let logical = self.context.state().create_logical_plan(sql).await?;
        self.context.state().create_physical_plan(&logical).await
    }

    pub(super) async fn query(&self, sql: &str) -> Result<Vec<RecordBatch>> {
        collect(self.plan(sql).await?, self.context.task_ctx()).await
    }

    /// The first column of a query's rows, ascending.
    pub(super) async fn ids(&self, sql: &str) -> Vec<i64> {
        sorted_ids(&self.query(sql).await.unwrap())
    }

    pub(super) async fn text(&self, sql: &str) -> String {
        pretty_format_batches(&self.query(sql).await.unwrap())
            .unwrap()
            .to_string()
    }
}

/// The first column of the batches, ascending.
pub(super) fn sorted_ids(batches: &[RecordBatch]) -> Vec<i64> {
    let column = |batch: &RecordBatch| batch.column(0).as_primitive::<Int64Type>().values().to_vec();
    let mut ids: Vec<i64> = batches.iter().flat_map(column).collect();
    ids.sort_unstable();
    ids
}

/// What has been read from a store.
#[derive(Debug, Default)]
pub(super) struct Reads {
    bytes: AtomicU64,
    requests: AtomicU64,
    delay_micros: AtomicU64,
    at_once: AtomicU64,
    most_at_once: AtomicU64,
}

impl Reads {
    /// Lets every answer take that long.
    pub(super) fn answer_after(&self, delay: Duration) {
        self.delay_micros
            .store(delay.as_micros().try_into().unwrap(), Ordering::Relaxed);
    }

    /// The most requests that were on their way together.
    pub(super) fn most_at_once(&self) -> u64 {
        self.most_at_once.load(Ordering::Relaxed)
    }

    async fn wait(&self) {
        let delay = self.delay_micros.load(Ordering::Relaxed);
        if delay > 0 {
            let now = self.at_once.fetch_add(1, Ordering::Relaxed) + 1;
            self.most_at_once.fetch_max(now, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_micros(delay)).await;
            self.at_once.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Bytes and requests since the last call.
    pub(super) fn take(&self) -> (u64, u64) {
        (
            self.bytes.swap(0, Ordering::Relaxed),
            self.requests.swap(0, Ordering::Relaxed),
        )
    }
}

/// A store that counts what is read from it.
#[derive(Debug)]
pub(super) struct CountingStore {
    pub(super) inner: LocalFileSystem,
    pub(super) reads: Arc<Reads>,
}

impl fmt::Display for CountingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "counted {}", self.inner)
    }
}

#[async_trait]
impl ObjectStore for CountingStore {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        let head = options.head;
        self.reads.wait().await;
        let found = self.inner.get_opts(location, options).await?;
        if !head {
            self.reads.requests.fetch_add(1, Ordering::Relaxed);
            self.reads
                .bytes
                .fetch_add(found.range.end - found.range.start, Ordering::Relaxed);
        }
        Ok(found)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> object_store::Result<Vec<Bytes>> {
        let bytes = ranges.iter().map(|range| range.end - range.start).sum();
        self.reads.requests.fetch_add(1, Ordering::Relaxed);
        self.reads.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.inner.get_ranges(location, ranges).await
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
