//! The scan of a HATS catalogue: a stock `DataSourceExec` over a `FileScanConfig`, whose file source is
//! [`HatsSource`].
//!
//! `HatsSource` wraps the stock `ParquetSource` and hands every call on to it, so projection, filter and sort
//! push-down, dynamic filters, limits, statistics, splitting of files and metrics are those of any Parquet scan.
//! It adds what a plain list of files cannot tell: of which catalogue, which tiles are read of how many, and for
//! which part of the sky. A wrapper suffices because the engine only ever talks to the trait; an execution plan of
//! our own would have to repeat each of those services.
//!
//! ```text
//! DataSourceExec: file_groups={2 groups: [[…], […]]}, projection=[ra, dec], file_type=hats,
//!   catalog=gaia, tiles=3/128, sky_ranges=12, predicate=…, pruning_predicate=…
//! ```

use std::fmt;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::physical_plan::{FileOpener, FileScanConfig, FileSource, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::projection::{ProjectionExpr, ProjectionExprs};
use datafusion::physical_expr::{EquivalenceProperties, LexOrdering, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::filter_pushdown::FilterPushdownPropagation;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::{DisplayFormatType, ExecutionPlan, SortOrderPushdownResult};
use datafusion_datasource::morsel::Morselizer;
use dreyer_guard::guard;
use dreyer_kernel::nan;
use dreyer_sphere::CellRanges;
use object_store::ObjectStore;

use crate::error::HatsError;
use crate::index::{Answers, KeysOfJoins, Lookup};
use crate::listing::Tile;
use crate::opening::TileMorselizer;
use crate::prune;
use crate::reader::{PinnedReaderFactory, ReadAhead};
use crate::reading::part_of;

/// What one core reads in about the time that it takes to open a file and to wake another thread. Of all columns, since
/// it is not known yet which are read. With one partition instead of two a cone of 1′ took 0.91 of its time, of 1° 0.83.
const SMALL_BYTES: f64 = 2.0 * 1024.0 * 1024.0;

/// What a scan knows of its catalogue; the same for all scans of one table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Origin {
    /// Name of the catalogue, for EXPLAIN.
    pub(crate) name: String,
    /// Folder of the catalogue within its store.
    pub(crate) path: String,
    /// Tiles of the whole catalogue.
    pub(crate) tiles_total: usize,
    /// Longitude and latitude columns.
    pub(crate) position: Option<(String, String)>,
    /// Index column of order 29.
    pub(crate) index: Option<String>,
    /// Whether leaves are stored in the order of the index.
    pub(crate) sorted: bool,
    /// Whether the index is exactly that of the position, in every row.
    pub(crate) index_exact: bool,
    /// Most bytes that a partition reads ahead of a remote store.
    pub(crate) read_ahead_bytes: u64,
}

/// A `ParquetSource` that knows which part of the sky it reads. See the module.
#[derive(Debug, Clone)]
pub struct HatsSource {
    pub(crate) parquet: ParquetSource,
    pub(crate) origin: Arc<Origin>,
    /// The tiles to be read, in order along the curve.
    pub(crate) tiles: Arc<[Tile]>,
    /// The part of the sky that was asked for; `None`: all.
    pub(crate) ranges: Option<CellRanges>,
    /// Whether the engine may read row groups in another order than they are stored.
    pub(crate) reordered: bool,
    /// How leaves are read.
    pub(crate) readers: PinnedReaderFactory,
    /// The indexes that keys of a running join are looked up in.
    pub(crate) lookup: Option<Lookup>,
    /// What they said. Answers belong to the predicate.
    pub(crate) answers: Arc<Answers>,
}

impl HatsSource {
    /// The HATS scan that `plan` is, if it is one, with its configuration.
    pub(crate) fn of(plan: &Arc<dyn ExecutionPlan>) -> Option<(&FileScanConfig, &Self)> {
        let exec = plan.downcast_ref::<DataSourceExec>()?;
        let config = exec.data_source().downcast_ref::<FileScanConfig>()?;
        let source = config.file_source.downcast_ref::<Self>()?;
        Some((config, source))
    }

    /// The index column within the table's schema.
    pub(crate) fn index_column(&self) -> Option<Column> {
        let name = self.origin.index.as_deref()?;
        Column::new_with_schema(name, self.parquet.table_schema().table_schema()).ok()
    }

    /// The same scan of the part of the sky that lies in `ranges`, as far as tiles and statistics can tell. Metrics are
    /// shared with `self`.
    pub(crate) fn narrowed(&self, ranges: &CellRanges) -> Self {
        let tiles = prune::touched(&self.tiles, ranges).cloned().collect();
        let ranges = self
            .ranges
            .as_ref()
            .map_or_else(|| ranges.clone(), |before| before.intersection(ranges));
        Self {
            tiles,
            ranges: Some(ranges),
            ..self.clone()
        }
    }

    /// The part of the sky that was asked for, where it does not hold all tiles: what statistics of the index can prune
    /// by. Plans do without the predicate made of it; it would bury the filters that somebody wrote.
    fn part(&self) -> Option<&CellRanges> {
        self.ranges
            .as_ref()
            .filter(|ranges| !prune::covers(ranges, &self.tiles))
    }

    /// The source as it runs in one partition: reading ahead where that pays.
    fn reading_ahead(&self, config: &FileScanConfig, partition: usize) -> Self {
        let budget = self.origin.read_ahead_bytes;
        if budget == 0 || config.limit.is_some() || !self.readers.is_remote() {
            return self.clone();
        }
        // Partitions that may take files from each other do not know which come next.
        let in_order = config.preserve_order && !self.reordered;
        let group = config.file_groups.get(partition).filter(|_| in_order);
        let files = group.map(|group| group.files().to_vec()).unwrap_or_default();
        let whole = self.parquet.filter().is_none() && self.part().is_none();
        let readers = self.readers.reading_ahead(ReadAhead::new(files, whole, budget));
        Self {
            parquet: self.parquet.clone().with_parquet_file_reader_factory(Arc::new(readers)),
            ..self.clone()
        }
    }

    /// Whether so little of local files is read that opening them once more would cost more than another core saves.
    pub(crate) fn is_small(&self) -> bool {
        let Some(ranges) = self.ranges.as_ref().filter(|_| !self.readers.is_remote()) else {
            return false;
        };
        let bytes: f64 = self
            .tiles
            .iter()
            .map(|tile| tile.bytes() as f64 * part_of(tile.cell, ranges))
            .sum();
        bytes < SMALL_BYTES
    }

    /// What a running join tells of its keys, if an index can be asked about them.
    fn keys_of_joins(&self) -> Option<KeysOfJoins> {
        let schema = Arc::clone(self.table_schema().table_schema());
        let (lookup, predicate) = self.lookup.as_ref().zip(self.parquet.filter())?;
        KeysOfJoins::new(lookup, &predicate, schema, &self.answers, self.metrics())
    }

    /// The same scan with another projection of the table's schema, and metrics of its own. Projections of a Parquet
    /// source only compose, so a wider one needs a new source.
    pub(crate) fn projected(&self, projection: Vec<ProjectionExpr>) -> Result<Self> {
        let options = self.parquet.table_parquet_options().clone();
        let size_hint = options.global.metadata_size_hint;
        let mut parquet = ParquetSource::new(self.parquet.table_schema().clone()).with_table_parquet_options(options);
        if let Some(readers) = self.parquet.parquet_file_reader_factory() {
            parquet = parquet.with_parquet_file_reader_factory(Arc::clone(readers));
        }
        if let Some(bytes) = size_hint {
            parquet = parquet.with_metadata_size_hint(bytes);
        }
        if let Some(predicate) = self.parquet.filter() {
            parquet = parquet.with_predicate(predicate);
        }
        match parquet.try_pushdown_projection(&ProjectionExprs::new(projection))? {
            Some(inner) => self.around(&inner),
            None => Err(DataFusionError::Internal(
                "the Parquet source refuses projections".to_owned(),
            )),
        }
    }

    /// `self` around another Parquet source, which the engine made of ours.
    fn around(&self, inner: &Arc<dyn FileSource>) -> Result<Self> {
        let parquet = inner.downcast_ref::<ParquetSource>().cloned().ok_or_else(|| {
            DataFusionError::Internal(format!(
                "a Parquet source turned into one of type {}",
                inner.file_type()
            ))
        })?;
        Ok(Self {
            parquet,
            ..self.clone()
        })
    }

    fn wrapped(&self, inner: &Arc<dyn FileSource>) -> Result<Arc<dyn FileSource>> {
        Ok(Arc::new(self.around(inner)?))
    }
}

/// The error for a leaf and its fault.
pub(crate) fn malformed(file: &str, fault: String) -> DataFusionError {
    HatsError::malformed(file, fault).into()
}

impl FileSource for HatsSource {
    fn create_file_opener(
        &self,
        object_store: Arc<dyn ObjectStore>,
        base_config: &FileScanConfig,
        partition: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        self.parquet.create_file_opener(object_store, base_config, partition)
    }

    fn create_morselizer(
        &self,
        object_store: Arc<dyn ObjectStore>,
        base_config: &FileScanConfig,
        partition: usize,
    ) -> Result<Box<dyn Morselizer>> {
        let source = self.reading_ahead(base_config, partition);
        let joins = self.keys_of_joins();
        if joins.is_none() && self.part().is_none() {
            let stock = source.parquet.create_morselizer(object_store, base_config, partition)?;
            return Ok(guard(stock, malformed, nan::of_batch));
        }
        let by_tile = TileMorselizer::new(source, object_store, base_config, partition, joins);
        Ok(guard(Box::new(by_tile), malformed, nan::of_batch))
    }

    fn table_schema(&self) -> &TableSchema {
        self.parquet.table_schema()
    }

    fn with_batch_size(&self, batch_size: usize) -> Arc<dyn FileSource> {
        let inner = self.parquet.with_batch_size(batch_size);
        // The stock source returns itself; if one day it does not, its own answer is still a complete source.
        self.wrapped(&inner).unwrap_or(inner)
    }

    fn filter(&self) -> Option<Arc<dyn PhysicalExpr>> {
        self.parquet.filter()
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        self.parquet.projection()
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        self.parquet.metrics()
    }

    fn file_type(&self) -> &str {
        "hats"
    }

    fn fmt_extra(&self, t: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        let (read, total) = (self.tiles.len(), self.origin.tiles_total);
        let ranges = self.ranges.as_ref().map(CellRanges::len);
        if matches!(t, DisplayFormatType::TreeRender) {
            writeln!(f, "catalog={}\ntiles={read}/{total}", self.origin.name)?;
        } else {
            write!(f, ", catalog={}, tiles={read}/{total}", self.origin.name)?;
            if let Some(ranges) = ranges {
                write!(f, ", sky_ranges={ranges}")?;
            }
        }
        self.parquet.fmt_extra(t, f)
    }

    fn supports_repartitioning(&self) -> bool {
        self.parquet.supports_repartitioning()
    }

    fn repartitioned(
        &self,
        target_partitions: usize,
        repartition_file_min_size: usize,
        output_ordering: Option<LexOrdering>,
        config: &FileScanConfig,
    ) -> Result<Option<FileScanConfig>> {
        if self.is_small() {
            return Ok(None);
        }
        self.parquet
            .repartitioned(target_partitions, repartition_file_min_size, output_ordering, config)
    }

    fn try_pushdown_filters(
        &self,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn FileSource>>> {
        let schema = self.table_schema().table_schema();
        let mut answer = nan::push_down(filters, schema, |sound| {
            self.parquet.try_pushdown_filters(sound, config)
        })?;
        let asking_anew = Self {
            answers: Arc::default(),
            ..self.clone()
        };
        let updated = answer.updated_node.map(|inner| asking_anew.wrapped(&inner));
        answer.updated_node = updated.transpose()?;
        Ok(answer)
    }

    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
        eq_properties: &EquivalenceProperties,
    ) -> Result<SortOrderPushdownResult<Arc<dyn FileSource>>> {
        Ok(match self.parquet.try_pushdown_sort(order, eq_properties)? {
            SortOrderPushdownResult::Exact { inner } => SortOrderPushdownResult::Exact {
                inner: self.wrapped(&inner)?,
            },
            SortOrderPushdownResult::Inexact { inner } => {
                let source = Self {
                    reordered: true,
                    ..self.around(&inner)?
                };
                SortOrderPushdownResult::Inexact {
                    inner: Arc::new(source),
                }
            }
            SortOrderPushdownResult::Unsupported => SortOrderPushdownResult::Unsupported,
        })
    }

    fn reorder_files(
        &self,
        files: Vec<datafusion::datasource::listing::PartitionedFile>,
    ) -> Vec<datafusion::datasource::listing::PartitionedFile> {
        self.parquet.reorder_files(files)
    }

    fn try_pushdown_projection(&self, projection: &ProjectionExprs) -> Result<Option<Arc<dyn FileSource>>> {
        let inner = self.parquet.try_pushdown_projection(projection)?;
        inner.map(|inner| self.wrapped(&inner)).transpose()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.parquet.apply_expressions(f)
    }
}
