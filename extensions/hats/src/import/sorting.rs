//! All rows in the order of the HEALPix curve: the engine's external sort, under a memory pool of its own.

use std::fs;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::config::SpillCompression;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalSortExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::StreamExt;

use super::indexing::{IndexedRows, Indexing};
use super::{ImportOptions, Place, Progress};
use crate::error::{HatsError, Result};
use crate::layout;

/// A sort under way.
pub(crate) struct Sorted {
    /// All rows in ascending order of the index.
    pub(crate) rows: SendableRecordBatchStream,
    plan: Arc<dyn ExecutionPlan>,
    _spill: Option<SpillFolder>,
}

impl Sorted {
    /// Bytes that went to disk so far.
    pub(crate) fn spilled_bytes(&self) -> u64 {
        self.plan
            .metrics()
            .and_then(|metrics| metrics.spilled_bytes())
            .unwrap_or(0) as u64
    }
}

/// A folder for spilled rows, removed in the end.
pub(crate) struct SpillFolder(PathBuf);

impl SpillFolder {
    pub(crate) fn create(place: &Place, options: &ImportOptions) -> Result<Self> {
        let path = match (&options.spill_dir, &place.local) {
            (Some(folder), _) => folder.join(format!(".dreyer-sort-{}-{}", std::process::id(), stamp())),
            (None, Some(folder)) => folder.join(".spill"),
            (None, None) => std::env::temp_dir().join(format!("dreyer-sort-{}-{}", std::process::id(), stamp())),
        };
        fs::create_dir_all(&path).map_err(|error| HatsError::io(&path, error))?;
        Ok(Self(path))
    }

    /// A disk manager that spills into it.
    pub(crate) fn disk(&self) -> DiskManagerBuilder {
        DiskManagerBuilder::default().with_mode(DiskManagerMode::Directories(vec![self.0.clone()]))
    }
}

impl Drop for SpillFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A number that no two calls share on one machine at one time.
fn stamp() -> i64 {
    chrono::Utc::now().timestamp_nanos_opt().unwrap_or_default()
}

/// Starts to sort what `rows` reads.
pub(crate) fn start(rows: &Indexing, task: &TaskContext, place: &Place, options: &ImportOptions) -> Result<Sorted> {
    let partition: Arc<dyn PartitionStream> = Arc::new(IndexedRows::new(rows));
    let schema = Arc::clone(partition.schema());
    let spill = SpillFolder::create(place, options)?;
    let task = sorting_task(task, &schema, &spill, options)?;
    let unsorted = StreamingTableExec::try_new(Arc::clone(&schema), vec![partition], None, None, false, None)?;
    let index = Arc::new(Column::new(layout::INDEX_COLUMN, 0));
    let ascending = SortOptions {
        descending: false,
        nulls_first: false,
    };
    let plan: Arc<dyn ExecutionPlan> = Arc::new(SortExec::new(
        [PhysicalSortExpr::new(index, ascending)].into(),
        Arc::new(unsorted),
    ));
    Ok(Sorted {
        rows: plan.execute(0, task)?,
        plan,
        _spill: Some(spill),
    })
}

/// The task of the sort: the input's own but for memory, disk and the size of batches.
fn sorting_task(
    task: &TaskContext,
    schema: &Schema,
    spill: &SpillFolder,
    options: &ImportOptions,
) -> Result<Arc<TaskContext>> {
    // The rest is for the count of the sky, for batches on their way and for the row group being encoded.
    let pool = options.memory_bytes / 8 * 5;
    let runtime = RuntimeEnvBuilder::from_runtime_env(&task.runtime_env())
        .with_memory_pool(Arc::new(FairSpillPool::new(pool)))
        .with_disk_manager_builder(spill.disk())
        .build_arc()?;
    let mut config = task
        .session_config()
        .clone()
        .with_batch_size(batch_rows(schema))
        .with_sort_spill_reservation_bytes(pool / 16);
    config.options_mut().execution.spill_compression = SpillCompression::Lz4Frame;
    Ok(Arc::new(TaskContext::new(
        task.task_id(),
        task.session_id(),
        config,
        task.scalar_functions().clone(),
        task.higher_order_functions().clone(),
        task.aggregate_functions().clone(),
        task.window_functions().clone(),
        runtime,
    )))
}

/// A sort must hold at least one batch a run, and rows with light curves are large.
fn batch_rows(schema: &Schema) -> usize {
    let kinds = || schema.fields().iter().map(|field| field.data_type());
    if kinds().any(DataType::is_nested) {
        256
    } else if kinds().count() > 64 {
        1024
    } else {
        4096
    }
}

/// Waits for the first sorted batch, which comes when all has been read, and says meanwhile how much that is.
pub(crate) async fn first_batch(
    sorted: &mut Sorted,
    rows: &Indexing,
    progress: &dyn Progress,
) -> Result<Option<RecordBatch>> {
    let mut told = 0;
    let mut tell = || {
        let now = rows.rows();
        progress.advance(now - told);
        told = now;
    };
    let mut first = pin!(sorted.rows.next());
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    loop {
        tokio::select! {
            batch = &mut first => {
                tell();
                return Ok(batch.transpose()?);
            }
            _ = ticks.tick() => tell(),
        }
    }
}
