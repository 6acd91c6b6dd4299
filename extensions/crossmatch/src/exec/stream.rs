//! Streaming rows past a held side, a batch at a time.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::common::Result;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::MemoryReservation;
use dreyer_sphere::CellRanges;
use futures::StreamExt;

use super::index::{Search, SkyIndex};
use super::judge::{Judge, Pairs};
use super::metrics::MatchMetrics;
use super::position::{Places, Position};

/// Rows streaming past a held side. Yields joined batches of at most `batch_size` candidates each.
pub(crate) struct Passing {
    pub(crate) input: SendableRecordBatchStream,
    pub(crate) position: Position,
    pub(crate) index_column: Option<usize>,
    /// Rows outside these ranges belong to another unit.
    pub(crate) within: Option<CellRanges>,
    pub(crate) held: Arc<SkyIndex>,
    pub(crate) search: Search,
    pub(crate) judge: Judge,
    pub(crate) batch_size: usize,
    pub(crate) metrics: MatchMetrics,
    pub(crate) current: Option<Current>,
}

/// A streamed batch under work: rows from `next` on are still to be searched for.
pub(crate) struct Current {
    batch: RecordBatch,
    places: Places,
    next: usize,
    pairs: Pairs,
}

impl Passing {
    /// The next joined batch, or `None` at the end of the input.
    pub(crate) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(current) = &mut self.current {
                let timer = self.metrics.baseline.elapsed_compute().timer();
                let pairs = current.advance(&mut self.search, &self.held, self.within.as_ref(), self.batch_size);
                if pairs.len() > 0 {
                    self.metrics.candidates.add(pairs.len());
                    let joined = self.judge.judge(&current.batch, &self.held, pairs)?;
                    timer.done();
                    if joined.num_rows() > 0 {
                        self.metrics.baseline.record_output(joined.num_rows());
                        return Ok(Some(joined));
                    }
                    // Long work without output must not keep the thread from others.
                    tokio::task::consume_budget().await;
                    continue;
                }
                timer.done();
                self.current = None;
            }
            let Some(batch) = self.input.next().await.transpose()? else {
                return Ok(None);
            };
            let timer = self.metrics.baseline.elapsed_compute().timer();
            self.metrics.streamed_rows.add(batch.num_rows());
            let places = self.position.locate(&batch, self.index_column)?;
            timer.done();
            self.current = Some(Current {
                batch,
                places,
                next: 0,
                pairs: Pairs::default(),
            });
        }
    }
}

impl Current {
    /// Candidate pairs, `batch_size` of them while there are so many; none at the end of the batch.
    fn advance(
        &mut self,
        search: &mut Search,
        held: &SkyIndex,
        within: Option<&CellRanges>,
        batch_size: usize,
    ) -> Pairs {
        while self.pairs.len() < batch_size && self.next < self.places.len() {
            let place = self.next;
            self.next += 1;
            let index = self.places.index[place];
            if within.is_some_and(|ranges| !ranges.contains(index)) {
                continue;
            }
            let row = self.places.row[place];
            let pairs = &mut self.pairs;
            search.candidates(held, index, self.places.vector[place], |entry| {
                pairs.streamed.push(row);
                pairs.held.push(entry);
            });
        }
        let count = self.pairs.len().min(batch_size);
        self.pairs.split_front(count)
    }
}

/// Reads a whole side, or its rows `within` some ranges, into a sorted index, under a memory reservation.
pub(crate) async fn hold(
    mut input: SendableRecordBatchStream,
    position: &Position,
    index_column: Option<usize>,
    within: Option<&CellRanges>,
    reservation: &MemoryReservation,
) -> Result<SkyIndex> {
    let mut held = SkyIndex::default();
    while let Some(batch) = input.next().await.transpose()? {
        let mut places = position.locate(&batch, index_column)?;
        if let Some(ranges) = within {
            places.confine(ranges);
        }
        if places.len() == 0 {
            continue;
        }
        let bytes = batch.get_array_memory_size() + places.len() * SkyIndex::ENTRY_BYTES;
        reservation.try_grow(bytes).map_err(|error| {
            error.context(
                "a cross-match holds one side in memory, and it did not fit; \
                 narrow that side with a WHERE clause, select fewer of its columns, or raise the memory limit",
            )
        })?;
        held.push(batch, places);
    }
    held.sort();
    Ok(held)
}
