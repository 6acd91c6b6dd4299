//! Rows made of a catalogue's rows, tile by tile, and sorted by the engine, which spills when memory runs out.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::{EmptyRecordBatchStream, ExecutionPlan};
use datafusion::prelude::SessionContext;
use dreyer_sphere::{Cell, CellRanges};
use dreyer_tiling::TilingSource;
use futures::{StreamExt, TryStreamExt, stream};

use crate::catalog::HatsCatalog;
use crate::error::Result;
use crate::table::HatsTable;
use crate::tiling::HatsTilingSource;

/// How the rows of a tile become others.
pub(crate) trait Derive: fmt::Debug + Send + Sync {
    /// The columns that come out.
    fn schema(&self) -> &SchemaRef;
    /// Which part of a tile is read; a little more may be.
    fn wanted(&self, tile: Cell) -> CellRanges;
    /// What becomes of some rows of a tile; if they become many more, in several batches.
    fn derive(&self, tile: Cell, rows: &RecordBatch) -> Result<Vec<RecordBatch>, DataFusionError>;
}

/// All rows that `derive` makes of the given columns of a catalogue (all columns if `None`), in ascending order of
/// `keys`.
pub(crate) async fn sorted(
    catalog: &Arc<HatsCatalog>,
    task: &Arc<TaskContext>,
    columns: Option<Vec<usize>>,
    derive: Arc<dyn Derive>,
    keys: &[&str],
) -> Result<SendableRecordBatchStream> {
    let schema = Arc::clone(derive.schema());
    let tiles: Vec<Cell> = catalog.tiles().iter().map(|tile| tile.cell).collect();
    let ordering = LexOrdering::new(
        keys.iter()
            .map(|key| ascending(key, &schema))
            .collect::<Result<Vec<_>>>()?,
    );
    let Some(ordering) = ordering.filter(|_| !tiles.is_empty()) else {
        return Ok(Box::pin(EmptyRecordBatchStream::new(schema)));
    };
    let context = SessionContext::new_with_config_rt(task.session_config().clone(), task.runtime_env());
    let table = HatsTable::new(Arc::clone(catalog));
    let scan = table.scan(&context.state(), columns.as_ref(), &[], None).await?;
    let partitions = task.session_config().target_partitions().clamp(1, tiles.len());
    let part = |first: usize| {
        let part = EachTile {
            scan: Arc::clone(&scan),
            tiles: tiles.iter().copied().skip(first).step_by(partitions).collect(),
            derive: Arc::clone(&derive),
        };
        Arc::new(part) as Arc<dyn PartitionStream>
    };
    let rows = StreamingTableExec::try_new(schema, (0..partitions).map(part).collect(), None, None, false, None)?;
    let sort = SortExec::new(ordering.clone(), Arc::new(rows)).with_preserve_partitioning(true);
    let merged = SortPreservingMergeExec::new(ordering, Arc::new(sort));
    Ok(merged.execute(0, Arc::clone(task))?)
}

fn ascending(key: &str, schema: &SchemaRef) -> Result<PhysicalSortExpr> {
    Ok(PhysicalSortExpr {
        expr: Arc::new(Column::new_with_schema(key, schema)?),
        options: SortOptions {
            descending: false,
            nulls_first: false,
        },
    })
}

/// Some tiles of a scan, one after the other.
#[derive(Debug)]
struct EachTile {
    scan: Arc<dyn ExecutionPlan>,
    tiles: Vec<Cell>,
    derive: Arc<dyn Derive>,
}

impl PartitionStream for EachTile {
    fn schema(&self) -> &SchemaRef {
        self.derive.schema()
    }

    fn execute(&self, task: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (scan, derive) = (Arc::clone(&self.scan), Arc::clone(&self.derive));
        let rows = stream::iter(self.tiles.clone()).map(move |tile| {
            let derive = Arc::clone(&derive);
            let rows = open(&scan, &derive.wanted(tile), &task)?;
            let derived = rows.map_ok(move |batch| {
                let batches = match derive.derive(tile, &batch) {
                    Ok(batches) => batches.into_iter().map(Ok).collect(),
                    Err(error) => vec![Err(error)],
                };
                stream::iter(batches)
            });
            Ok::<_, DataFusionError>(derived.try_flatten())
        });
        Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(self.schema()),
            rows.try_flatten(),
        ))
    }
}

/// A part of a scan, running.
fn open(
    scan: &Arc<dyn ExecutionPlan>,
    ranges: &CellRanges,
    task: &Arc<TaskContext>,
) -> Result<SendableRecordBatchStream, DataFusionError> {
    let part = HatsTilingSource.restrict(scan, ranges)?;
    let part = part.ok_or_else(|| DataFusionError::Internal("a HATS scan that cannot be cut".to_owned()))?;
    part.execute(0, Arc::clone(task))
}
