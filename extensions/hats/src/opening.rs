//! Opening leaves one by one, each with what is wanted of its own tile.
//!
//! A scan of scattered places (the stars of a list of ids, the cells of a cross-match) has many ranges of the index. Per
//! tile there are few, so each file is opened with its own; a file of which a running join turns out to want nothing is
//! not opened at all.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileScanConfig, FileScanConfigBuilder, FileSource};
use datafusion::error::Result;
use datafusion::physical_plan::metrics::{Count, MetricBuilder};
use datafusion_datasource::morsel::{MorselPlan, MorselPlanner, Morselizer};
use dreyer_sphere::{Cell, CellRanges};
use object_store::ObjectStore;
use object_store::path::Path;

use crate::access::access;
use crate::index::KeysOfJoins;
use crate::source::HatsSource;

/// Plans the reading of each file of one partition.
#[derive(Debug)]
pub(crate) struct TileMorselizer(Arc<Opening>);

#[derive(Debug)]
struct Opening {
    source: HatsSource,
    store: Arc<dyn ObjectStore>,
    /// What the Parquet source needs of the scan's configuration: all but its files.
    config: FileScanConfig,
    partition: usize,
    cells: HashMap<Path, Cell>,
    joins: Option<KeysOfJoins>,
    skipped: Count,
}

impl TileMorselizer {
    pub(crate) fn new(
        source: HatsSource,
        store: Arc<dyn ObjectStore>,
        config: &FileScanConfig,
        partition: usize,
        joins: Option<KeysOfJoins>,
    ) -> Self {
        let parquet: Arc<dyn FileSource> = Arc::new(source.parquet.clone());
        let config = FileScanConfigBuilder::new(config.object_store_url.clone(), parquet)
            .with_limit(config.limit)
            .with_preserve_order(config.preserve_order)
            .with_expr_adapter(config.expr_adapter_factory.clone())
            .build();
        let cell = |tile: &crate::Tile| {
            let cell = tile.cell;
            let locations = tile.files.iter().map(move |file| (file.location.clone(), cell));
            locations.collect::<Vec<_>>()
        };
        let cells = source.tiles.iter().flat_map(cell).collect();
        let skipped = match &joins {
            Some(_) => MetricBuilder::new(source.metrics()).counter("tiles_skipped_by_index", partition),
            None => Count::new(),
        };
        Self(Arc::new(Opening {
            source,
            store,
            config,
            partition,
            cells,
            joins,
            skipped,
        }))
    }
}

impl Morselizer for TileMorselizer {
    fn plan_file(&self, file: PartitionedFile) -> Result<Box<dyn MorselPlanner>> {
        let opening = Arc::clone(&self.0);
        if opening.joins.is_none() {
            return opening.open(file, None);
        }
        Ok(Box::new(AfterLookup { opening, file }))
    }
}

impl Opening {
    /// The planner of a file, which reads what is wanted and was `found`; one that reads nothing if that is none.
    fn open(self: Arc<Self>, file: PartitionedFile, found: Option<&CellRanges>) -> Result<Box<dyn MorselPlanner>> {
        let cell = self.cells.get(&file.object_meta.location);
        let ranges = self.source.ranges.as_ref().into_iter().chain(found);
        // A file of no known tile is read whole.
        let wanted = cell.and_then(|cell| {
            let within = |ranges: &CellRanges| ranges.intersection(&CellRanges::of_cell(*cell));
            ranges.map(within).reduce(|a, b| a.intersection(&b))
        });
        match (cell, wanted) {
            (Some(_), Some(wanted)) if wanted.is_empty() => {
                self.skipped.add(usize::from(found.is_some()));
                Ok(Box::new(Nothing))
            }
            (Some(cell), Some(wanted)) if !wanted.covers(&cell.range()) => {
                let opening = self;
                Ok(Box::new(InPart { opening, file, wanted }))
            }
            _ => self.stock(file),
        }
    }

    /// The stock planner of a file.
    fn stock(&self, file: PartitionedFile) -> Result<Box<dyn MorselPlanner>> {
        let store = Arc::clone(&self.store);
        let morselizer = self
            .source
            .parquet
            .create_morselizer(store, &self.config, self.partition)?;
        morselizer.plan_file(file)
    }

    /// The same for the row groups and pages of `wanted`, by what the footer says of them.
    async fn part(&self, file: PartitionedFile, wanted: &CellRanges) -> Result<Box<dyn MorselPlanner>> {
        let Some(index) = self.source.origin.index.as_deref() else {
            return self.stock(file);
        };
        let hint = self.source.parquet.table_parquet_options().global.metadata_size_hint;
        let metrics = self.source.metrics();
        let mut reader = self
            .source
            .readers
            .open(&file.object_meta, hint, self.partition, metrics);
        let access = access(&reader.footer().await?, index, wanted);
        access.count(metrics, self.partition);
        if access.groups[0] == 0 {
            return Ok(Box::new(Nothing));
        }
        self.stock(file.with_extension(access.plan))
    }
}

/// A file that is read in part, once its footer is there.
#[derive(Debug)]
struct InPart {
    opening: Arc<Opening>,
    file: PartitionedFile,
    wanted: CellRanges,
}

impl MorselPlanner for InPart {
    fn plan(self: Box<Self>) -> Result<Option<MorselPlan>> {
        let Self { opening, file, wanted } = *self;
        let planned = async move { opening.part(file, &wanted).await };
        Ok(Some(MorselPlan::new().with_pending_planner(planned)))
    }
}

/// A file that waits for the index to be asked.
#[derive(Debug)]
struct AfterLookup {
    opening: Arc<Opening>,
    file: PartitionedFile,
}

impl MorselPlanner for AfterLookup {
    fn plan(self: Box<Self>) -> Result<Option<MorselPlan>> {
        let Self { opening, file } = *self;
        Ok(Some(MorselPlan::new().with_pending_planner(async move {
            let found = match &opening.joins {
                Some(joins) => joins.find().await,
                None => None,
            };
            opening.open(file, found.as_ref().map(|found| &found.ranges))
        })))
    }
}

/// A file of which nothing is wanted.
#[derive(Debug)]
struct Nothing;

impl MorselPlanner for Nothing {
    fn plan(self: Box<Self>) -> Result<Option<MorselPlan>> {
        Ok(None)
    }
}
