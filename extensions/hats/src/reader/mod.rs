//! Reading leaves: footers from the shared cache, and every byte pinned to the version that was planned.
//!
//! ```text
//! Parquet source ──► LeafReader ──footer──► Footers      one GET, page index included; then cached by version
//!                        │──column ranges──► ReadAhead   what a sequential scan asks for next, already on its way
//!                        └─────────────────► PinnedLeaf  ranges merged by cost, read in parallel, version checked;
//!                                                        of local files what is in memory, at once (`opened.rs`)
//! ```
//!
//! A plan records each leaf's ETag. A leaf rewritten or removed since then fails the query with
//! [`HatsError::Rewritten`](crate::HatsError::Rewritten) instead of giving rows of two versions.

mod ahead;
mod coalesce;
mod footer;
mod opened;
mod pinned;

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::datasource::listing::{FileRange, PartitionedFile};
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::datasource::physical_plan::parquet::ParquetFileMetrics;
use datafusion::error::Result;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::{ObjectMeta, ObjectStore};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;

use ahead::Here;
pub(crate) use ahead::ReadAhead;
pub(crate) use coalesce::requests;
use footer::Footers;
pub(crate) use footer::read_once;
use opened::OpenFiles;
use pinned::{Fetches, PinnedLeaf};

/// Bytes at the end of a file that are read for its footer where nobody says how many.
pub(crate) const FOOTER_HINT: usize = 64 * 1024;

/// Schemes of stores that are asked over a network, where each request may cost money.
const NETWORK: [&str; 10] = [
    "s3", "s3a", "gs", "az", "azure", "adl", "abfs", "abfss", "http", "https",
];

/// Opens leaves for the Parquet source, and for lookups in indexes.
#[derive(Debug, Clone)]
pub(crate) struct PinnedReaderFactory {
    store: Arc<dyn ObjectStore>,
    /// The files that are open, if the store is a local one.
    local: Option<OpenFiles>,
    network: bool,
    footers: Footers,
    ahead: Option<Arc<ReadAhead>>,
}

impl PinnedReaderFactory {
    /// For leaves of the store that `runtime` has registered under `url`.
    pub(crate) fn new(runtime: &RuntimeEnv, url: &ObjectStoreUrl) -> Result<Self> {
        Ok(Self {
            store: runtime.object_store(url)?,
            local: url.as_str().starts_with("file:").then(OpenFiles::default),
            network: NETWORK
                .iter()
                .any(|scheme| url.as_str().starts_with(&format!("{scheme}:"))),
            footers: Footers::new(runtime.cache_manager.get_file_metadata_cache(), url),
            ahead: None,
        })
    }

    /// The store that leaves are read from.
    pub(crate) fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// Whether reading waits for a network, so that reading ahead pays.
    pub(crate) fn is_remote(&self) -> bool {
        self.local.is_none()
    }

    /// Whether the store is reached over a network.
    pub(crate) fn is_network(&self) -> bool {
        self.network
    }

    /// The footer of a file, if the cache holds it. The file may have been rewritten since: for estimates.
    pub(crate) fn footer_at_hand(&self, file: &ObjectMeta) -> Option<Arc<ParquetMetaData>> {
        self.footers.at_hand(file)
    }

    /// The same, reading ahead by a plan of one partition's files.
    pub(crate) fn reading_ahead(&self, ahead: ReadAhead) -> Self {
        Self {
            ahead: Some(Arc::new(ahead)),
            ..self.clone()
        }
    }

    /// A reader of one file. `partition` and `metrics` say under whose name it counts.
    pub(crate) fn open(
        &self,
        file: &ObjectMeta,
        hint: Option<usize>,
        partition: usize,
        metrics: &ExecutionPlanMetricsSet,
    ) -> LeafReader {
        let fetches = Fetches::new(partition, metrics, self.network);
        LeafReader {
            range: None,
            leaf: PinnedLeaf::new(Arc::clone(&self.store), file.clone(), self.local.clone(), fetches),
            footers: self.footers.clone(),
            hint: hint.unwrap_or(FOOTER_HINT),
            metrics: ParquetFileMetrics::new(partition, file.location.as_ref(), metrics),
            metadata: None,
            ahead: self.ahead.clone(),
        }
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
        let reader = self.open(&file.object_meta, metadata_size_hint, partition_index, metrics);
        Ok(Box::new(reader.within(file.range)))
    }
}

/// One leaf in one version, as the Parquet decoder reads it.
pub(crate) struct LeafReader {
    leaf: PinnedLeaf,
    footers: Footers,
    hint: usize,
    metrics: ParquetFileMetrics,
    metadata: Option<Arc<ParquetMetaData>>,
    /// The part of the file that is scanned, by the place where row groups begin.
    range: Option<FileRange>,
    ahead: Option<Arc<ReadAhead>>,
}

impl LeafReader {
    fn within(mut self, range: Option<FileRange>) -> Self {
        self.range = range;
        self
    }

    /// The footer with the page index.
    pub(crate) async fn footer(&mut self) -> parquet::errors::Result<Arc<ParquetMetaData>> {
        let footer = self.footers.get(&self.leaf, self.hint).await?;
        self.metadata = Some(Arc::clone(&footer));
        Ok(footer)
    }

    async fn ranges(&mut self, ranges: Vec<Range<u64>>) -> parquet::errors::Result<Vec<Bytes>> {
        let bytes: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        self.metrics
            .bytes_scanned
            .add(usize::try_from(bytes).unwrap_or(usize::MAX));
        if self.metadata.is_none() {
            // The engine opens a second reader where it has looked for Bloom filters with the first.
            self.leaf.expect(self.footers.seen(self.leaf.meta()));
            if self.ahead.is_some() {
                self.footer().await?;
            }
        }
        let read = match (&self.ahead, &self.metadata) {
            (Some(ahead), Some(metadata)) => {
                let here = Here {
                    leaf: &self.leaf,
                    metadata,
                    range: self.range.as_ref(),
                    footers: &self.footers,
                    hint: self.hint,
                };
                ahead.read(here, &ranges).await
            }
            _ => self.leaf.fetch(&ranges).await,
        };
        read.map_err(|error| {
            // A footer of bytes that are gone must not meet the next reader.
            if matches!(error, object_store::Error::Precondition { .. }) {
                self.footers.forget(self.leaf.meta());
            }
            external(error)
        })
    }
}

impl AsyncFileReader for LeafReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        async move {
            let mut read = self.ranges(vec![range]).await?;
            read.pop()
                .ok_or_else(|| ParquetError::General("a read of one range gave none".to_owned()))
        }
        .boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, parquet::errors::Result<Vec<Bytes>>> {
        self.ranges(ranges).boxed()
    }

    /// The page index comes along though the opener does not ask for it yet: it lies before the footer, in the same
    /// GET, and asking later would cost another.
    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        self.footer().boxed()
    }
}

impl Drop for LeafReader {
    fn drop(&mut self) {
        let (part, total) = (self.metrics.bytes_scanned.value(), self.leaf.meta().size);
        self.metrics.scan_efficiency_ratio.add_part(part);
        let total = usize::try_from(total).unwrap_or(usize::MAX);
        self.metrics.scan_efficiency_ratio.set_total(total);
    }
}

fn external(error: object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}
