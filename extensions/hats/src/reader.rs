//! Reading leaves: footers from the shared cache, and every byte pinned to the version that was planned.
//!
//! A plan records each leaf's ETag. A leaf rewritten since then fails the query with a clear error instead of giving
//! rows of two versions. Remote stores are sent `If-Match`; local files are read in one go and compared afterwards,
//! which keeps their reads as cheap as unpinned ones.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::error::Result;
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use parquet::arrow::async_reader::AsyncFileReader;

/// Opens leaves for the Parquet source.
#[derive(Debug)]
pub(crate) struct PinnedReaderFactory {
    store: Arc<dyn ObjectStore>,
    local: bool,
    footers: Arc<FileMetadataCache>,
}

impl PinnedReaderFactory {
    /// For leaves of the store that `runtime` has registered under `url`.
    pub(crate) fn new(runtime: &RuntimeEnv, url: &ObjectStoreUrl) -> Result<Self> {
        let store = runtime.object_store(url)?;
        let local = url.as_str().starts_with("file:");
        Ok(Self {
            store,
            local,
            footers: runtime.cache_manager.get_file_metadata_cache(),
        })
    }
}

impl ParquetFileReaderFactory for PinnedReaderFactory {
    fn create_reader(
        &self,
        partition_index: usize,
        file: PartitionedFile,
        metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        // A weak ETag never satisfies If-Match.
        let etag = file.object_meta.e_tag.clone().filter(|etag| !etag.starts_with("W/"));
        let store: Arc<dyn ObjectStore> = match etag {
            Some(etag) => Arc::new(PinnedStore {
                inner: Arc::clone(&self.store),
                etag,
                local: self.local,
            }),
            None => Arc::clone(&self.store),
        };
        CachedParquetFileReaderFactory::new(store, Arc::clone(&self.footers)).create_reader(
            partition_index,
            file,
            metadata_size_hint,
            metrics,
        )
    }
}

/// A store of which one object is read, in one version only.
#[derive(Debug)]
struct PinnedStore {
    inner: Arc<dyn ObjectStore>,
    etag: String,
    local: bool,
}

impl PinnedStore {
    fn rewritten(&self, location: &Path) -> object_store::Error {
        object_store::Error::Precondition {
            path: location.to_string(),
            source: "the file was rewritten after the query was planned; run the query again".into(),
        }
    }
}

impl fmt::Display for PinnedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} pinned to {}", self.inner, self.etag)
    }
}

#[async_trait]
impl ObjectStore for PinnedStore {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        let pinned = GetOptions {
            if_match: Some(self.etag.clone()),
            ..options
        };
        self.inner
            .get_opts(location, pinned)
            .await
            .map_err(|error| match error {
                object_store::Error::Precondition { .. } => self.rewritten(location),
                other => other,
            })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> object_store::Result<Vec<Bytes>> {
        if !self.local {
            let get = |range| self.get_range(location, range);
            return object_store::coalesce_ranges(ranges, get, object_store::OBJECT_STORE_COALESCE_DEFAULT).await;
        }
        let read = self.inner.get_ranges(location, ranges).await?;
        // Files are replaced by renaming: if the name still leads to the planned version, so did the read before.
        if self.inner.head(location).await?.e_tag.as_ref() == Some(&self.etag) {
            Ok(read)
        } else {
            Err(self.rewritten(location))
        }
    }

    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
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
