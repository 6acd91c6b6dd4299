//! The one read: every row of the input gets its index, is counted on the sky, and goes on to the sort in the columns
//! of the leaves; or is put aside.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::arrow::array::{Array, BooleanArray, Int64Array, RecordBatch};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::ExecutionPlanProperties;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::streaming::PartitionStream;
use dreyer_sphere::index29;
use futures::StreamExt;

use super::columns::Columns;
use super::histogram::Census;
use super::refused::Refused;
use super::{BadRows, ImportOptions, Input, TileLimit, tile, weight};
use crate::error::{HatsError, Result};
use crate::prune::signed;

/// Rows under way from the input to the sort.
#[derive(Clone)]
pub(crate) struct Indexing(Arc<Shared>);

struct Shared {
    input: Input,
    columns: Columns,
    /// Rows are weighed, not only counted.
    weighted: bool,
    /// A bad row fails the import: after the first one, rows are only counted.
    refuse: bool,
    refusing: AtomicBool,
    rows: AtomicU64,
    found: Mutex<Found>,
}

struct Found {
    census: Option<Census>,
    refused: Refused,
}

/// What was read.
pub(crate) struct Read {
    /// Rows of the input.
    pub(crate) rows: u64,
    /// Rows that went on to the sort.
    pub(crate) good_rows: u64,
    /// Rows that were put aside.
    pub(crate) bad_rows: u64,
    pub(crate) census: Census,
}

/// Prepares to read `input`.
pub(crate) fn indexed(input: Input, columns: Columns, options: &ImportOptions) -> Result<Indexing> {
    let weighted = matches!(options.tile, TileLimit::Bytes(_));
    let found = Found {
        census: Some(tile::census(options)),
        refused: Refused::new(&options.bad_rows, &input.plan.schema())?,
    };
    Ok(Indexing(Arc::new(Shared {
        input,
        columns,
        weighted,
        refuse: options.bad_rows == BadRows::Refuse,
        refusing: AtomicBool::new(false),
        rows: AtomicU64::new(0),
        found: Mutex::new(found),
    })))
}

impl Indexing {
    /// Rows read so far.
    pub(crate) fn rows(&self) -> u64 {
        self.0.rows.load(Ordering::Relaxed)
    }

    /// What was found, once all has been read.
    ///
    /// # Errors
    /// Rows without a usable position, where they are not put aside.
    pub(crate) async fn finish(&self) -> Result<Read> {
        let shared = Arc::clone(&self.0);
        let finish = move || shared.finish();
        let done = tokio::task::spawn_blocking(finish).await;
        done.map_err(|join| HatsError::Engine(DataFusionError::External(join.into())))?
    }
}

impl Shared {
    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn finish(&self) -> Result<Read> {
        let rows = self.rows.load(Ordering::Relaxed);
        let mut found = self.found();
        let bad_rows = found.refused.count;
        if self.refuse && bad_rows > 0 {
            return Err(self.refusal(rows, &found.refused));
        }
        found.refused.finish()?;
        let census = found.census.take();
        let census = census.ok_or_else(|| HatsError::Engine(DataFusionError::Internal("read twice".to_owned())))?;
        Ok(Read {
            rows,
            good_rows: rows - bad_rows,
            bad_rows,
            census,
        })
    }

    fn refusal(&self, rows: u64, refused: &Refused) -> HatsError {
        let (lon, lat) = self.columns.position_columns();
        let schema = self.input.plan.schema();
        let (lon, lat) = (schema.field(lon).name(), schema.field(lat).name());
        let (count, example) = (refused.count, refused.example.as_deref().unwrap_or_default());
        HatsError::Input {
            input: self.input.description.clone(),
            fault: format!(
                "{count} of its {rows} rows have no usable position ({lon} or {lat} is NULL or not finite, or {lat} \
                 lies outside [-90, 90] degrees), the first: {example}; repair them, or have them put aside into a \
                 file (--bad-rows FILE)"
            ),
        }
    }

    /// The rows of one batch for the sort; `None` if none goes on.
    fn index(&self, batch: RecordBatch) -> Result<Option<RecordBatch>, DataFusionError> {
        self.rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
        let (lon, lat) = self.columns.positions(&batch)?;
        let index: Int64Array = lon
            .iter()
            .zip(lat.iter())
            .map(|(lon, lat)| index29(lon?, lat?).map(signed))
            .collect();
        let (batch, index) = match index.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => (batch, index),
            Some(nulls) => {
                let good = BooleanArray::new(nulls.inner().clone(), None);
                let bad = BooleanArray::new(!nulls.inner(), None);
                let bad = filter_record_batch(&batch, &bad)?;
                self.refusing.store(self.refuse, Ordering::Relaxed);
                self.found().refused.add(&bad, self.columns.position_columns())?;
                (filter_record_batch(&batch, &good)?, index.iter().flatten().collect())
            }
        };
        if self.refusing.load(Ordering::Relaxed) || batch.num_rows() == 0 {
            return Ok(None);
        }
        let stored = self.columns.stored(&batch, index.clone())?;
        let weights = self.weighted.then(|| weight::row_bytes(&stored));
        if let Some(census) = &mut self.found().census {
            census.add(index.values(), weights.as_deref());
        }
        Ok(Some(stored))
    }
}

impl fmt::Debug for Indexing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Indexing").field(&self.0.input).finish()
    }
}

/// All partitions of the input as one, read side by side.
#[derive(Debug)]
pub(crate) struct IndexedRows {
    pub(crate) rows: Indexing,
    pub(crate) schema: SchemaRef,
}

impl IndexedRows {
    pub(crate) fn new(rows: &Indexing) -> Self {
        Self {
            rows: rows.clone(),
            schema: rows.0.columns.stored_schema(),
        }
    }
}

impl PartitionStream for IndexedRows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let plan = &self.rows.0.input.plan;
        let partitions = plan.output_partitioning().partition_count();
        let mut builder = RecordBatchReceiverStream::builder(Arc::clone(&self.schema), partitions.max(2));
        for partition in 0..partitions {
            let (shared, sender) = (Arc::clone(&self.rows.0), builder.tx());
            builder.spawn(async move {
                let task = Arc::clone(&shared.input.task);
                let mut batches = shared.input.plan.execute(partition, task)?;
                while let Some(batch) = batches.next().await {
                    let Some(indexed) = shared.index(batch?)? else { continue };
                    if sender.send(Ok(indexed)).await.is_err() {
                        break;
                    }
                }
                Ok(())
            });
        }
        builder.build()
    }
}
