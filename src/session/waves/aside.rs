//! Rows kept aside until they are all there: in memory while they are few, then on disk, where spilled rows go.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SendableRecordBatchStream, SpillFile};
use datafusion::physical_plan::SpillManager;
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, SpillMetrics};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt, stream};

/// Bytes of rows that stay in memory.
const HELD: usize = 16 << 20;

/// Rows kept aside.
pub(super) struct Aside {
    disk: SpillManager,
    held: Vec<RecordBatch>,
    bytes: usize,
    rows: usize,
    files: Vec<Arc<dyn SpillFile>>,
}

impl Aside {
    pub(super) fn new(runtime: Arc<RuntimeEnv>, schema: SchemaRef) -> Self {
        let metrics = SpillMetrics::new(&ExecutionPlanMetricsSet::new(), 0);
        Self {
            disk: SpillManager::new(runtime, metrics, schema),
            held: Vec::new(),
            bytes: 0,
            rows: 0,
            files: Vec::new(),
        }
    }

    /// Rows that are here.
    pub(super) fn number(&self) -> usize {
        self.rows
    }

    /// Adds rows.
    ///
    /// # Errors
    /// There is no more room on disk.
    pub(super) fn put(&mut self, batch: RecordBatch) -> Result<()> {
        self.rows += batch.num_rows();
        self.bytes += batch.get_array_memory_size();
        self.held.push(batch);
        if self.bytes > HELD {
            self.put_away()?;
        }
        Ok(())
    }

    fn put_away(&mut self) -> Result<()> {
        let held = std::mem::take(&mut self.held);
        let file = self.disk.spill_record_batch_and_finish(&held, "rows of a wave")?;
        self.files.extend(file);
        self.bytes = 0;
        Ok(())
    }

    /// All rows, in the order in which they came.
    ///
    /// # Errors
    /// They cannot be read back.
    pub(super) fn into_rows(self) -> Result<SendableRecordBatchStream> {
        let schema = Arc::clone(self.disk.schema());
        let (disk, held) = (self.disk, self.held.into_iter().map(Ok));
        let read = move |file| disk.read_spill_as_stream(file, None);
        let stored = stream::iter(self.files).map(read).try_flatten();
        let rows = stored.chain(stream::iter(held));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array};
    use datafusion::arrow::datatypes::Int64Type;

    use super::*;

    #[tokio::test]
    async fn rows_come_back_in_order_from_memory_and_from_disk() {
        for batches in [0_i64, 3, 40] {
            let batch = |batch: i64| {
                let column: ArrayRef = Arc::new(Int64Array::from_iter_values(
                    (0..100_000).map(|row| batch * 100_000 + row),
                ));
                RecordBatch::try_from_iter([("n", column)]).unwrap()
            };
            let mut aside = Aside::new(Arc::default(), batch(0).schema());
            for number in 0..batches {
                aside.put(batch(number)).unwrap();
            }
            assert_eq!(!aside.files.is_empty(), batches == 40);
            let rows: Vec<RecordBatch> = aside.into_rows().unwrap().try_collect().await.unwrap();
            let mut next = 0;
            for batch in rows {
                for value in batch.column(0).as_primitive::<Int64Type>().values() {
                    assert_eq!(*value, next);
                    next += 1;
                }
            }
            assert_eq!(next, batches * 100_000);
        }
    }
}
