//! A HATS catalogue as a table.
//!
//! `scan` turns filters into sky ranges, sky ranges into tiles, and tiles into the file groups of a stock Parquet
//! scan. All filters are answered `Inexact`: they prune, and the same expressions judge every row above the scan.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::config::TableParquetOptions;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, DFSchema, ScalarValue, Statistics};
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, FileSource, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::conjunction_opt;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::metrics::MetricBuilder;
use dreyer_sphere::CellRanges;
use dreyer_tiling::{SkyOptions, sky_cover, sky_options};

use crate::catalog::HatsCatalog;
use crate::index::{Found, Lookup};
use crate::listing::Tile;
use crate::prune;
use crate::reader::PinnedReaderFactory;
use crate::source::{HatsSource, Origin};

/// A HATS catalogue as a table. Cheap to clone and to share.
#[derive(Debug, Clone)]
pub struct HatsTable {
    catalog: Arc<HatsCatalog>,
}

impl HatsTable {
    /// The table of an opened catalogue.
    pub fn new(catalog: Arc<HatsCatalog>) -> Self {
        Self { catalog }
    }

    /// The catalogue behind the table.
    pub fn catalog(&self) -> &Arc<HatsCatalog> {
        &self.catalog
    }

    /// The part of the sky to which `filters` confine the table; `None`: all of it.
    fn wanted(&self, filters: &[Expr], options: &SkyOptions) -> Option<CellRanges> {
        let by_position = self
            .catalog
            .position_columns()
            .and_then(|(lon, lat)| sky_cover(filters, lon, lat, options.max_sky_ranges.max(1)));
        let by_index = self
            .catalog
            .index_column()
            .and_then(|index| prune::index_ranges(filters, index));
        match (by_position, by_index) {
            (Some(a), Some(b)) => Some(a.intersection(&b)),
            (a, b) => a.or(b),
        }
    }

    fn origin(&self, options: &SkyOptions) -> Origin {
        let catalog = &self.catalog;
        Origin {
            name: catalog.name().to_owned(),
            path: catalog.path().to_string(),
            tiles_total: catalog.tiles().len(),
            position: catalog
                .position_columns()
                .map(|(lon, lat)| (lon.to_owned(), lat.to_owned())),
            index: catalog.index_column().map(str::to_owned),
            sorted: catalog.is_sorted(),
            index_exact: catalog.index_exact(),
            read_ahead_bytes: options.read_ahead_bytes as u64,
        }
    }

    fn source(&self, state: &dyn Session, options: &SkyOptions) -> Result<HatsSource> {
        let parquet_options = TableParquetOptions {
            global: state.config_options().execution.parquet.clone(),
            ..Default::default()
        };
        let size_hint = parquet_options.global.metadata_size_hint;
        let readers = PinnedReaderFactory::new(state.runtime_env(), self.catalog.store_url())?;
        let mut parquet = ParquetSource::new(Arc::clone(self.catalog.schema()))
            .with_table_parquet_options(parquet_options)
            .with_parquet_file_reader_factory(Arc::new(readers.clone()));
        if let Some(bytes) = size_hint {
            parquet = parquet.with_metadata_size_hint(bytes);
        }
        Ok(HatsSource {
            parquet,
            origin: Arc::new(self.origin(options)),
            tiles: Arc::clone(self.catalog.tiles()),
            ranges: None,
            reordered: false,
            lookup: Lookup::new(self.catalog.indexes(), &readers, options.index_max_keys),
            answers: Arc::default(),
            readers,
        })
    }

    /// What the indexes know of the rows that `filters` let through; they are asked nothing if no filter is about an
    /// indexed column.
    async fn found_by_key(&self, state: &dyn Session, filters: &[Expr], source: &HatsSource) -> Option<Found> {
        let lookup = source.lookup.as_ref()?;
        let indexed = |filter: &&Expr| {
            let mut columns = self.catalog.indexes().iter().map(|index| index.column());
            columns.any(|name| filter.column_refs().iter().any(|column| column.name == name))
        };
        let schema = DFSchema::try_from(self.schema()).ok()?;
        // A filter that cannot be evaluated here, such as one on a subquery, says nothing.
        let exprs = filters.iter().filter(indexed);
        let exprs = exprs.filter_map(|filter| state.create_physical_expr(filter.clone(), &schema).ok());
        let predicate = conjunction_opt(exprs)?;
        lookup.find(&predicate, schema.as_arrow(), source.metrics()).await
    }

    /// Rows and bytes of `tiles`; exact only for the `whole` table.
    fn statistics_of(&self, tiles: &[Tile], whole: bool) -> Statistics {
        let counted: Option<u64> = tiles.iter().map(|tile| tile.rows).sum();
        let bytes: u64 = tiles.iter().map(Tile::bytes).sum();
        let estimated = || {
            let share = |rows| (u128::from(rows) * u128::from(bytes)).div_ceil(self.catalog.bytes().max(1).into());
            self.catalog
                .rows()
                .map(|rows: u64| u64::try_from(share(rows)).unwrap_or(rows))
        };
        let rows = if whole {
            self.catalog.rows()
        } else {
            counted.or_else(estimated)
        };
        let exact = |n: u64| usize::try_from(n).map_or(Precision::Absent, Precision::Exact);
        let rows = rows.map_or(Precision::Absent, exact);
        Statistics {
            num_rows: if whole { rows } else { rows.to_inexact() },
            total_byte_size: exact(bytes).to_inexact(),
            column_statistics: Statistics::unknown_column(self.catalog.schema()),
        }
    }
}

#[async_trait]
impl TableProvider for HatsTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.catalog.schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(self.statistics_of(self.catalog.tiles(), true))
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let options = sky_options(state.config());
        let mut source = self.source(state, &options)?;
        if let Some(ranges) = self.wanted(filters, &options) {
            source = source.narrowed(&ranges);
        }
        let found = self.found_by_key(state, filters, &source).await;
        if let Some(found) = &found {
            let before = source.tiles.len();
            source = source.narrowed(&found.ranges);
            MetricBuilder::new(source.metrics())
                .global_counter("tiles_skipped_by_index")
                .add(before - source.tiles.len());
        }
        if source.tiles.is_empty() {
            let schema = match projection {
                Some(columns) => Arc::new(self.catalog.schema().project(columns)?),
                None => self.schema(),
            };
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let mut statistics = self.statistics_of(&source.tiles, source.ranges.is_none());
        if let Some(found) = found {
            statistics.num_rows = usize::try_from(found.rows).map_or(Precision::Absent, Precision::Inexact);
        }
        let ordering = ordering(&source);
        let partitions = if source.is_small() {
            1
        } else {
            state.config().target_partitions()
        };
        let config = FileScanConfigBuilder::new(self.catalog.store_url().clone(), Arc::new(source.clone()))
            .with_file_groups(source.file_groups(partitions))
            .with_statistics(statistics)
            .with_output_ordering(ordering)
            // Reading ahead needs to know which file comes next.
            .with_preserve_order(true)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

/// Sorted leaves, read one after the other along the curve, come in the order of the index.
fn ordering(source: &HatsSource) -> Vec<LexOrdering> {
    let index = source.index_column().filter(|_| source.origin.sorted);
    let ascending = SortOptions {
        descending: false,
        nulls_first: false,
    };
    let sort = |index: Column| PhysicalSortExpr {
        expr: Arc::new(index),
        options: ascending,
    };
    index
        .and_then(|index| LexOrdering::new([sort(index)]))
        .into_iter()
        .collect()
}

impl HatsSource {
    /// The files of the scan, dealt to at most `partitions` groups.
    pub(crate) fn file_groups(&self, partitions: usize) -> Vec<FileGroup> {
        let index = self.index_column().filter(|_| self.origin.sorted);
        prune::file_groups(&self.tiles, partitions, |tile| {
            let file = |meta: &object_store::ObjectMeta| {
                let file = PartitionedFile::from(meta.clone());
                match &index {
                    Some(index) => file.with_statistics(Arc::new(bounds(tile, index))),
                    None => file,
                }
            };
            tile.files.iter().map(file).collect()
        })
    }
}

/// What a tile's cell says about the index column, by which the engine sees that leaves do not overlap. Inexact,
/// so that no aggregate is answered from it. Columns behind the index are left out: nobody asks for them, and a wide
/// catalogue has thousands of leaves.
fn bounds(tile: &Tile, index: &Column) -> Statistics {
    let cells = tile.cell.range();
    let at = |cell: u64| Precision::Inexact(ScalarValue::Int64(Some(prune::signed(cell))));
    let mut column_statistics = vec![ColumnStatistics::new_unknown(); index.index()];
    column_statistics.push(ColumnStatistics {
        min_value: at(cells.start),
        max_value: at(cells.end - 1),
        ..ColumnStatistics::new_unknown()
    });
    Statistics {
        num_rows: Precision::Absent,
        total_byte_size: Precision::Absent,
        column_statistics,
    }
}
