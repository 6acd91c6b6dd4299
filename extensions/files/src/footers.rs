//! Parquet files: their footers, and their bytes pinned to the version that was planned.

use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::datatypes::Schema;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::metadata::DFParquetMetadata;
use datafusion::datasource::physical_plan::{ParquetFileMetrics, ParquetFileReaderFactory};
use datafusion::error::DataFusionError;
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::parquet::arrow::arrow_reader::ArrowReaderOptions;
use datafusion::parquet::arrow::async_reader::AsyncFileReader;
use datafusion::parquet::arrow::parquet_to_arrow_schema;
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

use crate::blocking::panicked;
use crate::error::{FilesError, Result};
use crate::object::{fetch, is_same, rewritten, told};

/// What a footer says of its file.
pub(crate) struct Footer {
    pub(crate) schema: Schema,
    pub(crate) rows: Option<u64>,
}

/// Reads the footer of a file; with the metadata of its columns, which the stock readers drop.
///
/// # Errors
/// The file is not Parquet, or the store fails.
pub(crate) async fn footer(
    store: &dyn ObjectStore,
    file: &ObjectMeta,
    cache: Arc<FileMetadataCache>,
    size_hint: Option<usize>,
) -> Result<Footer> {
    let named = |error: DataFusionError| match crate::error::named(file.location.as_ref(), error) {
        DataFusionError::ObjectStore(error) => FilesError::Store(*error),
        other => FilesError::Engine(other),
    };
    let read = async {
        let metadata = DFParquetMetadata::new(store, file)
            .with_metadata_size_hint(size_hint)
            .with_file_metadata_cache(Some(cache))
            .with_page_index_policy(Some(PageIndexPolicy::Skip))
            .fetch_metadata()
            .await?;
        let metadata = metadata.file_metadata();
        Ok(Footer {
            schema: parquet_to_arrow_schema(metadata.schema_descr(), metadata.key_value_metadata())?,
            rows: u64::try_from(metadata.num_rows()).ok(),
        })
    };
    // Not every length in a footer is looked at before it is used.
    let read = AssertUnwindSafe(read).catch_unwind().await;
    read.unwrap_or_else(|panic| Err(panicked(file.location.as_ref(), panic.as_ref())))
        .map_err(named)
}

/// Opens files for the Parquet source.
#[derive(Debug)]
pub(crate) struct PinnedReaders {
    store: Arc<dyn ObjectStore>,
    /// Whether the store is this machine's disk.
    local: bool,
    footers: Arc<FileMetadataCache>,
}

impl PinnedReaders {
    /// For the files of a store that `runtime` knows.
    ///
    /// # Errors
    /// It does not know the store.
    pub(crate) fn new(runtime: &RuntimeEnv, url: &ObjectStoreUrl) -> datafusion::error::Result<Self> {
        Ok(Self {
            store: runtime.object_store(url)?,
            local: url.as_str().starts_with("file:"),
            footers: runtime.cache_manager.get_file_metadata_cache(),
        })
    }
}

impl ParquetFileReaderFactory for PinnedReaders {
    fn create_reader(
        &self,
        partition_index: usize,
        file: PartitionedFile,
        metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> datafusion::error::Result<Box<dyn AsyncFileReader + Send>> {
        let metrics = ParquetFileMetrics::new(partition_index, file.object_meta.location.as_ref(), metrics);
        Ok(Box::new(PinnedReader {
            store: Arc::clone(&self.store),
            local: self.local,
            footers: Arc::clone(&self.footers),
            meta: Arc::new(file.object_meta),
            size_hint: metadata_size_hint,
            metrics,
        }))
    }
}

struct PinnedReader {
    store: Arc<dyn ObjectStore>,
    local: bool,
    footers: Arc<FileMetadataCache>,
    meta: Arc<ObjectMeta>,
    size_hint: Option<usize>,
    metrics: ParquetFileMetrics,
}

impl PinnedReader {
    async fn ranges(&self, ranges: &[Range<u64>]) -> object_store::Result<Vec<Bytes>> {
        if !self.local {
            let get = |range| fetch(Arc::clone(&self.store), Arc::clone(&self.meta), range);
            return object_store::coalesce_ranges(ranges, get, object_store::OBJECT_STORE_COALESCE_DEFAULT).await;
        }
        // Looked at also after a failure: a shorter file may have taken the place of the planned one.
        let read = self.store.get_ranges(&self.meta.location, ranges).await;
        self.check().await?;
        read
    }

    /// Files are replaced by renaming: if the name still leads to the planned version, so did the reads before.
    async fn check(&self) -> object_store::Result<()> {
        let now = self.store.head(&self.meta.location).await;
        let now = now.map_err(|error| told(&self.meta, error))?;
        if is_same(&self.meta, &now) {
            Ok(())
        } else {
            Err(rewritten(&self.meta))
        }
    }

    async fn metadata(&self, policy: PageIndexPolicy) -> Result<Arc<ParquetMetaData>, ParquetError> {
        let cached = self.footers.get(&self.meta.location);
        let known = cached.is_some_and(|entry| entry.is_valid_for(&self.meta));
        let metadata = DFParquetMetadata::new(self.store.as_ref(), &self.meta)
            .with_metadata_size_hint(self.size_hint)
            .with_file_metadata_cache(Some(Arc::clone(&self.footers)))
            .with_page_index_policy(Some(policy))
            .fetch_metadata()
            .await;
        if !known || metadata.is_err() {
            self.check().await.map_err(external)?;
        }
        metadata.map_err(|error| ParquetError::External(Box::new(error)))
    }
}

impl AsyncFileReader for PinnedReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        async move {
            let bytes = self.get_byte_ranges(vec![range]).await?;
            bytes
                .into_iter()
                .next()
                .ok_or_else(|| ParquetError::EOF(self.meta.location.to_string()))
        }
        .boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        async move {
            let read = self.ranges(&ranges).await.map_err(external)?;
            self.metrics.bytes_scanned.add(read.iter().map(Bytes::len).sum());
            Ok(read)
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        let policy = options.map_or(PageIndexPolicy::Optional, ArrowReaderOptions::column_index_policy);
        self.metadata(policy).boxed()
    }
}

fn external(error: object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}
