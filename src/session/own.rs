//! Tables that a session makes for itself: in memory, for as long as it lasts.
//!
//! Anybody may, on a server that only reads as well: lists of targets to match with catalogues, results to go on with.
//! Others see nothing of them but the memory, which is reserved out of everybody's for as long as a table is there, and
//! bounded for each session (`limits.session_table_bytes`).

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::common::{DataFusionError, Result};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;

/// Schema and name of a table.
type Name = (String, String);

/// What the tables of one session hold.
#[derive(Debug)]
pub(super) struct OwnTables {
    bound: Arc<Bound>,
    pool: Arc<dyn MemoryPool>,
    held: Mutex<HashMap<Name, Vec<Arc<Share>>>>,
}

#[derive(Debug)]
struct Bound {
    limit: usize,
    held: AtomicUsize,
}

/// The memory of some rows, until it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    bound: Arc<Bound>,
    reservation: MemoryReservation,
}

impl OwnTables {
    /// `limit` 0: as much as there is.
    pub(super) fn new(limit: usize, pool: &Arc<dyn MemoryPool>) -> Self {
        let limit = if limit == 0 { usize::MAX } else { limit };
        Self {
            bound: Arc::new(Bound {
                limit,
                held: AtomicUsize::new(0),
            }),
            pool: Arc::clone(pool),
            held: Mutex::default(),
        }
    }

    /// The rows, counted as they come; and their share, to be kept when they have become a table's.
    pub(super) fn counted(&self, rows: SendableRecordBatchStream) -> (SendableRecordBatchStream, Arc<Share>) {
        let share = Arc::new(Share {
            bound: Arc::clone(&self.bound),
            reservation: MemoryConsumer::new("a table of the session").register(&self.pool),
        });
        let (schema, own) = (rows.schema(), Arc::clone(&share));
        let counted = rows.map(move |batch| {
            let batch = batch?;
            own.grow(batch.get_array_memory_size())?;
            Ok(batch)
        });
        (Box::pin(RecordBatchStreamAdapter::new(schema, counted)), share)
    }

    /// Keeps what new rows of a table hold.
    pub(super) fn keep(&self, schema: &str, name: &str, share: Arc<Share>) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.entry((schema.to_owned(), name.to_owned()))
            .or_default()
            .push(share);
    }

    /// A table is gone.
    pub(super) fn forget(&self, schema: &str, name: &str) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.remove(&(schema.to_owned(), name.to_owned()));
    }
}

impl Share {
    fn grow(&self, bytes: usize) -> Result<()> {
        let Bound { limit, held } = &*self.bound;
        let before = held.fetch_add(bytes, Ordering::Relaxed);
        let granted = if before.saturating_add(bytes) > *limit {
            Err(DataFusionError::ResourcesExhausted(format!(
                "the session's own tables hold {before} bytes and were to hold {bytes} more; they may hold {limit} \
                 (limits.session_table_bytes)"
            )))
        } else {
            self.reservation.try_grow(bytes)
        };
        if granted.is_err() {
            held.fetch_sub(bytes, Ordering::Relaxed);
        }
        granted
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.bound.held.fetch_sub(self.reservation.size(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Int64Array, RecordBatch};
    use datafusion::execution::memory_pool::GreedyMemoryPool;
    use futures::{TryStreamExt, stream};

    use super::*;

    fn rows(count: i64) -> SendableRecordBatchStream {
        let column = Arc::new(Int64Array::from_iter_values(0..count)) as _;
        let batch = RecordBatch::try_from_iter([("n", column)]).unwrap();
        Box::pin(RecordBatchStreamAdapter::new(batch.schema(), stream::iter([Ok(batch)])))
    }

    #[tokio::test]
    async fn memory_is_held_as_long_as_the_table() {
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(20_000));
        let own = OwnTables::new(12_000, &pool);
        let (stream, share) = own.counted(rows(1000));
        stream.try_collect::<Vec<_>>().await.unwrap();
        own.keep("public", "targets", share);
        assert!((8000..12_000).contains(&pool.reserved()));

        let (stream, share) = own.counted(rows(1000));
        let error = stream.try_collect::<Vec<_>>().await.unwrap_err().to_string();
        assert!(error.contains("limits.session_table_bytes"), "{error}");
        drop(share);
        // Another session has its own bound, but there is one memory.
        let other = OwnTables::new(0, &pool);
        let (stream, _share) = other.counted(rows(2000));
        assert!(stream.try_collect::<Vec<_>>().await.is_err());

        own.forget("public", "targets");
        assert_eq!(pool.reserved(), 0);
        let (stream, _share) = own.counted(rows(1000));
        stream.try_collect::<Vec<_>>().await.unwrap();
    }
}
