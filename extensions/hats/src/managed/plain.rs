//! Managed tables whose rows have no position: Parquet files side by side under a part's folder, read by a stock scan
//! that is pinned to the files of one version.
//!
//! ```text
//! s-<id>/_common_metadata      the columns, no rows
//! s-<id>/part-00000.parquet    up to about PART_BYTES each
//! ```

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Statistics;
use datafusion::common::config::TableParquetOptions;
use datafusion::common::stats::Precision;
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result as EngineResult;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::empty::EmptyExec;
use futures::TryStreamExt;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt};
use parquet::arrow::AsyncArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::error::Result;
use crate::import::{ImportOptions, Input, Place};
use crate::managed::manifest::{Leaf, Part};
use crate::reader::PinnedReaderFactory;

/// Bytes after which a part is closed.
const PART_BYTES: usize = 128 << 20;
/// Bytes held before a part is sent on, in pieces.
const BUFFER_BYTES: usize = 8 << 20;
/// The schema-only file.
const SCHEMA_FILE: &str = "_common_metadata";

/// Writes all rows of `input` as the part `folder`, which lies at `place`.
pub(crate) async fn write(input: Input, place: &Place, folder: &str, options: &ImportOptions) -> Result<Part> {
    let schema = input.plan.schema();
    let mut writer = PlainWriter::new(place, Arc::clone(&schema), options);
    let single = CoalescePartitionsExec::new(Arc::clone(&input.plan));
    let mut rows = single.execute(0, Arc::clone(&input.task))?;
    while let Some(batch) = rows.try_next().await? {
        writer.write(&batch).await?;
    }
    writer.close().await?;
    let empty = place.path.clone().join(SCHEMA_FILE);
    writer.open(&empty)?.close().await?;
    let head = place.store.head(&empty).await?;
    Ok(Part {
        folder: folder.to_owned(),
        rows: writer.leaves.iter().map(|leaf| leaf.rows).sum(),
        properties: Default::default(),
        schema: Leaf::new(None, 0, &head, &place.path)?,
        leaves: writer.leaves,
    })
}

type Parquet = AsyncArrowWriter<BufWriter>;

struct PlainWriter<'a> {
    place: &'a Place,
    schema: SchemaRef,
    properties: WriterProperties,
    part_bytes: usize,
    open: Option<(Path, Parquet, u64)>,
    leaves: Vec<Leaf>,
}

impl<'a> PlainWriter<'a> {
    fn new(place: &'a Place, schema: SchemaRef, options: &ImportOptions) -> Self {
        let zstd = ZstdLevel::try_new(options.zstd_level).unwrap_or_default();
        let row_group = usize::try_from(options.row_group_rows).unwrap_or(usize::MAX).max(1);
        let properties = WriterProperties::builder()
            .set_created_by(concat!("dreyer version ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(Compression::ZSTD(zstd))
            .set_max_row_group_row_count(Some(row_group))
            .build();
        Self {
            place,
            schema,
            properties,
            // A part is held in memory for as long as its row group is.
            part_bytes: PART_BYTES.min(options.memory_bytes / 2),
            open: None,
            leaves: Vec::new(),
        }
    }

    fn open(&self, path: &Path) -> Result<Parquet> {
        let sink = BufWriter::with_capacity(Arc::clone(&self.place.store), path.clone(), BUFFER_BYTES);
        let properties = Some(self.properties.clone());
        Ok(AsyncArrowWriter::try_new(sink, Arc::clone(&self.schema), properties)?)
    }

    async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let (path, mut writer, rows) = match self.open.take() {
            Some(open) => open,
            None => {
                let name = format!("part-{:05}.parquet", self.leaves.len());
                let path = self.place.path.clone().join(name);
                let writer = self.open(&path)?;
                (path, writer, 0)
            }
        };
        writer.write(batch).await?;
        let full = writer.bytes_written() + writer.in_progress_size() >= self.part_bytes;
        self.open = Some((path, writer, rows + batch.num_rows() as u64));
        if full { self.close().await } else { Ok(()) }
    }

    async fn close(&mut self) -> Result<()> {
        if let Some((path, writer, rows)) = self.open.take() {
            writer.close().await?;
            let meta = self.place.store.head(&path).await?;
            self.leaves.push(Leaf::new(None, rows, &meta, &self.place.path)?);
        }
        Ok(())
    }
}

/// One version of a managed table without positions.
#[derive(Debug)]
pub(crate) struct PlainTable {
    pub(crate) url: ObjectStoreUrl,
    pub(crate) schema: SchemaRef,
    /// Each file and its rows.
    pub(crate) files: Vec<(ObjectMeta, u64)>,
}

impl PlainTable {
    fn all_statistics(&self) -> Statistics {
        let rows: u64 = self.files.iter().map(|(_, rows)| rows).sum();
        let bytes: u64 = self.files.iter().map(|(file, _)| file.size).sum();
        let exact = |n: u64| usize::try_from(n).map_or(Precision::Absent, Precision::Exact);
        Statistics {
            num_rows: exact(rows),
            total_byte_size: exact(bytes).to_inexact(),
            column_statistics: Statistics::unknown_column(&self.schema),
        }
    }

    /// The files dealt to at most `partitions` groups.
    fn groups(&self, partitions: usize) -> Vec<FileGroup> {
        let files = self.files.iter().map(|(file, _)| PartitionedFile::from(file.clone()));
        FileGroup::new(files.collect()).split_files(partitions.max(1))
    }
}

#[async_trait]
impl TableProvider for PlainTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> EngineResult<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(self.all_statistics())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        if self.files.is_empty() {
            let schema = match projection {
                Some(columns) => Arc::new(self.schema.project(columns)?),
                None => self.schema(),
            };
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let options = TableParquetOptions {
            global: state.config_options().execution.parquet.clone(),
            ..Default::default()
        };
        let size_hint = options.global.metadata_size_hint;
        let readers = PinnedReaderFactory::new(state.runtime_env(), &self.url)?;
        let mut source = ParquetSource::new(self.schema())
            .with_table_parquet_options(options)
            .with_parquet_file_reader_factory(Arc::new(readers));
        if let Some(bytes) = size_hint {
            source = source.with_metadata_size_hint(bytes);
        }
        // The engine pushes the filters, physical by then, into the source itself.
        let config = FileScanConfigBuilder::new(self.url.clone(), Arc::new(source))
            .with_file_groups(self.groups(state.config().target_partitions()))
            .with_statistics(self.all_statistics())
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}
