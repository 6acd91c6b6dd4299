//! The scan of files that are read from beginning to end: a stock `DataSourceExec` over a `FileScanConfig`, whose file
//! source is [`PlainSource`]. Parquet has another.
//!
//! ```text
//! DataSourceExec: file_groups={1 group: [[x.csv.gz]]}, projection=[ra, dec], file_type=csv
//! ```

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileOpenFuture, FileOpener, FileScanConfig, FileSource};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::{LexOrdering, PhysicalExpr};
use datafusion::physical_plan::DisplayFormatType;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion_datasource::file_groups::FileGroupPartitioner;
use datafusion_datasource::projection::{ProjectionOpener, SplitProjection};
use dreyer_kernel::nan;
use futures::StreamExt;
use object_store::ObjectStore;

use crate::csv::{self, Dialect};
use crate::decode::{self, Part};
use crate::format::{Compression, FileFormat};
use crate::object::Object;
use crate::options::FileOptions;

/// Rows of a batch, where the engine does not say.
const BATCH_ROWS: usize = 8192;

/// A file source for every format but Parquet.
#[derive(Debug, Clone)]
pub struct PlainSource {
    format: FileFormat,
    options: Arc<FileOptions>,
    table_schema: TableSchema,
    projection: SplitProjection,
    batch_rows: usize,
    metrics: ExecutionPlanMetricsSet,
}

impl PlainSource {
    /// For files of one format whose columns, merged by name, are `schema`.
    pub(crate) fn new(format: FileFormat, options: Arc<FileOptions>, schema: SchemaRef) -> Self {
        let table_schema = TableSchema::from(schema);
        Self {
            format,
            options,
            projection: SplitProjection::unprojected(&table_schema),
            table_schema,
            batch_rows: BATCH_ROWS,
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    pub(crate) fn format(&self) -> FileFormat {
        self.format
    }

    pub(crate) fn options(&self) -> &FileOptions {
        &self.options
    }

    /// Whether parts of that file can be read.
    pub(crate) fn can_be_cut(&self, file: &PartitionedFile) -> bool {
        let format = self.options.format_of(file.object_meta.location.as_ref());
        matches!(format, Ok((format, Compression::None)) if format.can_be_cut())
    }
}

impl FileSource for PlainSource {
    fn create_file_opener(
        &self,
        object_store: Arc<dyn ObjectStore>,
        base_config: &FileScanConfig,
        _partition: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        let schema = self.table_schema.file_schema();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let opener = PlainOpener {
            store: object_store,
            format: self.format,
            options: Arc::clone(&self.options),
            wanted: Arc::new(schema.project(&self.projection.file_indices)?),
            batch_rows: self.batch_rows,
            at_once: cores.div_ceil(base_config.file_groups.len().max(1)),
        };
        ProjectionOpener::try_new(self.projection.clone(), Arc::new(opener), schema)
    }

    fn table_schema(&self) -> &TableSchema {
        &self.table_schema
    }

    fn with_batch_size(&self, batch_size: usize) -> Arc<dyn FileSource> {
        Arc::new(Self {
            batch_rows: batch_size.max(1),
            ..self.clone()
        })
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        Some(&self.projection.source)
    }

    fn try_pushdown_projection(&self, projection: &ProjectionExprs) -> Result<Option<Arc<dyn FileSource>>> {
        let merged = self.projection.source.try_merge(projection)?;
        Ok(Some(Arc::new(Self {
            projection: SplitProjection::new(self.table_schema.file_schema(), &merged),
            ..self.clone()
        })))
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        &self.metrics
    }

    fn file_type(&self) -> &str {
        self.format.word()
    }

    fn fmt_extra(&self, t: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        match &self.options.table {
            Some(table) if !matches!(t, DisplayFormatType::TreeRender) => write!(f, ", table={table}"),
            _ => Ok(()),
        }
    }

    fn supports_repartitioning(&self) -> bool {
        self.format.can_be_cut()
    }

    fn repartitioned(
        &self,
        target_partitions: usize,
        repartition_file_min_size: usize,
        output_ordering: Option<LexOrdering>,
        config: &FileScanConfig,
    ) -> Result<Option<FileScanConfig>> {
        let whole = |file: &PartitionedFile| !self.can_be_cut(file);
        if config.file_groups.iter().flat_map(FileGroup::iter).any(whole) {
            return Ok(None);
        }
        let groups = FileGroupPartitioner::new()
            .with_target_partitions(target_partitions)
            .with_repartition_file_min_size(repartition_file_min_size)
            .with_preserve_order_within_groups(output_ordering.is_some())
            .repartition_file_groups(&config.file_groups);
        Ok(groups.map(|groups| {
            let mut config = config.clone();
            config.file_groups = groups;
            config
        }))
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for projected in self.projection.source.iter() {
            if f(&projected.expr)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }
}

struct PlainOpener {
    store: Arc<dyn ObjectStore>,
    format: FileFormat,
    options: Arc<FileOptions>,
    wanted: SchemaRef,
    batch_rows: usize,
    at_once: usize,
}

impl FileOpener for PlainOpener {
    fn open(&self, file: PartitionedFile) -> Result<FileOpenFuture> {
        let (format, compression) = self.options.format_of(file.object_meta.location.as_ref())?;
        let cut = format.can_be_cut() && compression == Compression::None;
        if format != self.format || (file.range.is_some() && !cut) {
            return Err(DataFusionError::Internal(format!(
                "{}: a {format} file, or a part of one, in a scan of whole {} files",
                file.object_meta.location, self.format
            )));
        }
        let (store, wanted, options) = (
            Arc::clone(&self.store),
            Arc::clone(&self.wanted),
            Arc::clone(&self.options),
        );
        let (batch_rows, at_once) = (self.batch_rows, self.at_once);
        let part = file.range.as_ref().map(|range| Part::of(range, file.object_meta.size));
        Ok(Box::pin(async move {
            let object = Object::open(store, file.object_meta).await?;
            let rows = match format {
                FileFormat::Csv | FileFormat::Tsv => {
                    let dialect = Arc::new(Dialect::of(format, &options));
                    csv::batches(object, compression, dialect, wanted, batch_rows, at_once)
                }
                _ => decode::batches(object, format, compression, &options, part, wanted, batch_rows),
            };
            Ok(rows.map(|batch| batch.and_then(nan::of_batch)).boxed())
        }))
    }
}
