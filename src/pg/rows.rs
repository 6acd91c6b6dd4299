//! Rows on their way to a client, and how far they have come: read forwards as they are made, and backwards where a
//! cursor was declared to keep what has gone by.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::interleave_record_batch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{TryStreamExt, stream};
use tokio::sync::OwnedMutexGuard;

use crate::{Error, ErrorKind, Result};

/// Rows of a batch that is read backwards.
const BACKWARD: usize = 1024;

/// Rows that come, and those that have come and are still to be sent.
pub(super) struct Rows {
    stream: SendableRecordBatchStream,
    /// Of what came last, what has not been read.
    rest: Option<RecordBatch>,
    ended: bool,
    /// The row that was read last, from 1. 0: none yet.
    at: usize,
    /// Whether it was tried to read beyond the last row.
    after: bool,
    /// What has gone by, of a cursor that scrolls.
    kept: Option<Kept>,
}

/// Rows that may be read again.
struct Kept {
    batches: Vec<RecordBatch>,
    /// Rows before each batch, and of all.
    starts: Vec<usize>,
    rows: usize,
    reservation: MemoryReservation,
}

/// Where FETCH and MOVE go. Counts that are not there are ALL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Forward(Option<i64>),
    Backward(Option<i64>),
    Absolute(i64),
    Relative(i64),
}

/// Rows to be read from where one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Forward(usize),
    Backward(usize),
}

impl Rows {
    /// Rows that are read once.
    pub(super) fn new(stream: SendableRecordBatchStream) -> Self {
        Self {
            stream,
            rest: None,
            ended: false,
            at: 0,
            after: false,
            kept: None,
        }
    }

    /// Rows that are kept in memory, out of what all queries may hold, to be read again.
    pub(super) fn scrolling(stream: SendableRecordBatchStream, pool: &Arc<dyn MemoryPool>) -> Self {
        let kept = Kept {
            batches: Vec::new(),
            starts: Vec::new(),
            rows: 0,
            reservation: MemoryConsumer::new("a cursor that scrolls").register(pool),
        };
        Self {
            kept: Some(kept),
            ..Self::new(stream)
        }
    }

    pub(super) fn schema(&self) -> SchemaRef {
        self.stream.schema()
    }

    /// The next rows, at most so many, which is more than none. `None`: there are no more.
    pub(super) async fn next(&mut self, most: usize) -> Result<Option<RecordBatch>> {
        let batch = match &self.kept {
            None => self.fresh(most).await?,
            Some(kept) if self.at < kept.rows => kept.slice(self.at, most),
            Some(_) => {
                self.keep_more().await?;
                self.kept.as_ref().and_then(|kept| kept.slice(self.at, most))
            }
        };
        match &batch {
            Some(batch) => self.at += batch.num_rows(),
            None => self.after = true,
        }
        Ok(batch)
    }

    /// Rows that nobody has read.
    async fn fresh(&mut self, most: usize) -> Result<Option<RecordBatch>> {
        while !self.ended {
            let batch = match self.rest.take() {
                Some(rest) => rest,
                None => match self.stream.try_next().await? {
                    Some(batch) => batch,
                    None => {
                        self.ended = true;
                        break;
                    }
                },
            };
            let rows = batch.num_rows();
            if rows > most {
                self.rest = Some(batch.slice(most, rows - most));
                return Ok(Some(batch.slice(0, most)));
            }
            if rows > 0 {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }

    /// Keeps another batch, if there is one.
    async fn keep_more(&mut self) -> Result<bool> {
        let batch = self.fresh(usize::MAX).await?;
        match (batch, &mut self.kept) {
            (Some(batch), Some(kept)) => {
                kept.reservation
                    .try_grow(batch.get_array_memory_size())
                    .map_err(|error| {
                        Error::from(error).with_hint("Declare the cursor with NO SCROLL: it keeps no rows then.")
                    })?;
                kept.starts.push(kept.rows);
                kept.rows += batch.num_rows();
                kept.batches.push(batch);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// The rows before the one that was read last, nearest first, at most so many. `None`: there are no more.
    fn previous(&mut self, most: usize) -> Result<Option<RecordBatch>> {
        let last = if self.after { self.at } else { self.at.saturating_sub(1) };
        let kept = self.kept.as_ref().ok_or_else(forward_only)?;
        self.after = false;
        if last == 0 {
            self.at = 0;
            return Ok(None);
        }
        let count = last.min(most).min(BACKWARD);
        self.at = last + 1 - count;
        kept.reversed(self.at - 1, count).map(Some)
    }

    /// Goes to where the rows of a direction begin, and says which these are.
    ///
    /// # Errors
    /// 55000: they lie behind, and no rows are kept.
    pub(super) async fn seek(&mut self, direction: Direction) -> Result<Step> {
        let all = |count: Option<i64>| count.map_or(usize::MAX, size);
        match direction {
            Direction::Forward(Some(0)) | Direction::Backward(Some(0)) | Direction::Relative(0) => self.here(),
            Direction::Forward(Some(count)) if count < 0 => self.backward(size(count)),
            Direction::Backward(Some(count)) if count < 0 => Ok(Step::Forward(size(count))),
            Direction::Forward(count) => Ok(Step::Forward(all(count))),
            Direction::Backward(count) => self.backward(all(count)),
            Direction::Relative(count) if count > 0 => {
                self.skip(size(count) - 1).await?;
                Ok(Step::Forward(1))
            }
            Direction::Relative(count) => {
                self.backward(size(count))?;
                self.skip_back(size(count) - 1)?;
                Ok(Step::Backward(1))
            }
            Direction::Absolute(count) => self.absolute(count).await,
        }
    }

    fn backward(&self, count: usize) -> Result<Step> {
        match self.kept {
            Some(_) => Ok(Step::Backward(count)),
            None => Err(forward_only()),
        }
    }

    /// The row that was read last, once more.
    fn here(&mut self) -> Result<Step> {
        if self.at == 0 || self.after {
            return Ok(Step::Forward(0));
        }
        self.backward(1)?;
        self.at -= 1;
        Ok(Step::Forward(1))
    }

    async fn absolute(&mut self, count: i64) -> Result<Step> {
        let untouched = self.at == 0 && !self.after;
        if count < 0 {
            self.backward(1)?;
            self.skip(usize::MAX).await?;
            self.skip_back(size(count) - 1)?;
            return Ok(Step::Backward(1));
        }
        let wanted = size(count);
        if wanted <= self.at && !untouched {
            self.backward(1)?;
        }
        if self.kept.is_some() && wanted <= self.at + usize::from(self.after) {
            (self.at, self.after) = (wanted.saturating_sub(1), false);
            return Ok(Step::Forward(wanted.min(1)));
        }
        if wanted == 0 {
            return Ok(Step::Forward(0));
        }
        self.skip(wanted - 1 - self.at).await?;
        Ok(Step::Forward(1))
    }

    /// Reads rows and forgets them; gives their number.
    pub(super) async fn skip(&mut self, count: usize) -> Result<usize> {
        let mut left = count;
        while left > 0 {
            match self.next(left).await? {
                Some(batch) => left -= batch.num_rows(),
                None => break,
            }
        }
        Ok(count - left)
    }

    /// The same backwards.
    fn skip_back(&mut self, count: usize) -> Result<usize> {
        let mut left = count;
        while left > 0 {
            match self.previous(left)? {
                Some(batch) => left -= batch.num_rows(),
                None => break,
            }
        }
        Ok(count - left)
    }

    /// MOVE: passes over the rows of a step; gives their number.
    pub(super) async fn pass(&mut self, step: Step) -> Result<usize> {
        match step {
            Step::Forward(count) => self.skip(count).await,
            Step::Backward(count) => self.skip_back(count),
        }
    }
}

/// FETCH: the rows of a step as a stream.
pub(super) fn fetch(rows: OwnedMutexGuard<Rows>, step: Step) -> SendableRecordBatchStream {
    let schema = rows.schema();
    let batches = stream::try_unfold((rows, step), |(mut rows, step)| async move {
        let (batch, left) = match step {
            Step::Forward(0) | Step::Backward(0) => return Ok::<_, DataFusionError>(None),
            Step::Forward(left) => (rows.next(left).await?, left),
            Step::Backward(left) => (rows.previous(left)?, left),
        };
        Ok(batch.map(|batch| {
            let left = left - batch.num_rows();
            let step = match step {
                Step::Forward(_) => Step::Forward(left),
                Step::Backward(_) => Step::Backward(left),
            };
            (batch, (rows, step))
        }))
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, batches))
}

impl Kept {
    /// The batch that holds a row, counted from 0, and the row's place in it.
    fn find(&self, row: usize) -> Option<(usize, usize)> {
        let batch = self.starts.partition_point(|start| *start <= row).checked_sub(1)?;
        Some((batch, row - self.starts.get(batch)?))
    }

    /// Rows from `first` on, as many as lie in one batch.
    fn slice(&self, first: usize, most: usize) -> Option<RecordBatch> {
        let (batch, at) = self.find(first)?;
        let batch = self.batches.get(batch)?;
        let count = batch.num_rows().checked_sub(at)?.min(most);
        (count > 0).then(|| batch.slice(at, count))
    }

    /// Rows from `first` on in the reverse order.
    fn reversed(&self, first: usize, count: usize) -> Result<RecordBatch> {
        let places: Vec<_> = (first..first + count).rev().filter_map(|row| self.find(row)).collect();
        let batches: Vec<_> = self.batches.iter().collect();
        Ok(interleave_record_batch(&batches, &places).map_err(DataFusionError::from)?)
    }
}

fn size(count: i64) -> usize {
    usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX)
}

fn forward_only() -> Error {
    Error::new(ErrorKind::WrongState, "cursor can only scan forward")
        .with_hint("Declare it with SCROLL option to enable backward scan.")
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{AsArray, Int64Array};
    use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema};
    use datafusion::execution::memory_pool::GreedyMemoryPool;
    use tokio::sync::Mutex;

    use super::*;

    fn numbers() -> SendableRecordBatchStream {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
        let batch = |numbers: Vec<i64>| {
            RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(Int64Array::from(numbers))]).map_err(Into::into)
        };
        let batches = vec![
            batch(vec![1, 2, 3]),
            batch(vec![]),
            batch(vec![4, 5]),
            batch(vec![6, 7, 8, 9, 10]),
        ];
        Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&schema),
            stream::iter(batches),
        ))
    }

    async fn fetched(rows: &Arc<Mutex<Rows>>, direction: Direction) -> Result<Vec<i64>> {
        let mut guard = Arc::clone(rows).lock_owned().await;
        let step = guard.seek(direction).await?;
        let batches: Vec<RecordBatch> = fetch(guard, step).try_collect().await?;
        let values = |batch: &RecordBatch| batch.column(0).as_primitive::<Int64Type>().values().to_vec();
        Ok(batches.iter().flat_map(values).collect())
    }

    /// Positions and rows as PostgreSQL 15 gives them for a cursor over 1 to 10.
    #[tokio::test]
    async fn a_scrolling_cursor_goes_anywhere() {
        use Direction::{Absolute, Backward, Forward, Relative};
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(1 << 20));
        let rows = Arc::new(Mutex::new(Rows::scrolling(numbers(), &pool)));
        for (direction, expected) in [
            (Backward(Some(1)), vec![]),
            (Forward(Some(4)), vec![1, 2, 3, 4]),
            (Forward(Some(0)), vec![4]),
            (Backward(Some(2)), vec![3, 2]),
            (Relative(3), vec![5]),
            (Relative(-2), vec![3]),
            (Absolute(-1), vec![10]),
            (Forward(Some(1)), vec![]),
            (Backward(Some(1)), vec![10]),
            (Absolute(7), vec![7]),
            (Forward(None), vec![8, 9, 10]),
            (Backward(None), vec![10, 9, 8, 7, 6, 5, 4, 3, 2, 1]),
            (Forward(Some(2)), vec![1, 2]),
            (Absolute(0), vec![]),
            (Forward(Some(1)), vec![1]),
            (Absolute(11), vec![]),
            (Backward(Some(-3)), vec![]),
            (Absolute(-10), vec![1]),
            (Absolute(-11), vec![]),
            (Forward(Some(-1)), vec![]),
        ] {
            assert_eq!(fetched(&rows, direction).await.unwrap(), expected, "{direction:?}");
        }
        assert!(pool.reserved() > 0);
        drop(rows);
        assert_eq!(pool.reserved(), 0);
    }

    #[tokio::test]
    async fn others_go_forwards() {
        use Direction::{Absolute, Backward, Forward, Relative};
        let rows = Arc::new(Mutex::new(Rows::new(numbers())));
        for (direction, expected) in [
            (Forward(Some(0)), vec![]),
            (Absolute(2), vec![2]),
            (Relative(2), vec![4]),
            (Forward(Some(3)), vec![5, 6, 7]),
            (Forward(None), vec![8, 9, 10]),
            (Forward(Some(1)), vec![]),
        ] {
            assert_eq!(fetched(&rows, direction).await.unwrap(), expected, "{direction:?}");
        }
        for direction in [
            Backward(Some(1)),
            Forward(Some(-1)),
            Absolute(3),
            Absolute(-1),
            Relative(-1),
            Backward(None),
        ] {
            let error = fetched(&rows, direction).await.unwrap_err();
            assert_eq!(
                (error.sqlstate(), error.message.as_str()),
                ("55000", "cursor can only scan forward"),
                "{direction:?}"
            );
        }
    }
}
