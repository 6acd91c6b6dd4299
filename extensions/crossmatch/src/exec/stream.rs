//! Streaming rows past a held side, a batch at a time: candidates, accept, pick, emit.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::common::Result;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::MemoryReservation;
use dreyer_sphere::CellRanges;
use futures::StreamExt;

use super::decide::Decider;
use super::driven::Driven;
use super::emit::Emit;
use super::index::SkyIndex;
use super::indexes::Indexes;
use super::judge::{Judge, Pairs};
use super::metrics::MatchMetrics;
use super::pace::Pace;
use super::position::{Places, Position};
use super::reach::Finder;
use super::tally::Tally;

/// Rows streaming past a held side. At most `batch_size` candidates are judged at once.
pub(crate) struct Passing {
    pub(crate) input: SendableRecordBatchStream,
    pub(crate) way: Way,
    pub(crate) index_column: Option<usize>,
    /// Rows outside these ranges belong to another unit.
    pub(crate) within: Option<CellRanges>,
    pub(crate) held: Arc<SkyIndex>,
    pub(crate) judge: Judge,
    pub(crate) then: Then,
    pub(crate) batch_size: usize,
    pub(crate) metrics: MatchMetrics,
    pub(crate) current: Option<Current>,
}

/// How pairs are found.
pub(crate) enum Way {
    /// By the positions of both rows; the condition is the judge.
    Positions(Position, Finder),
    /// By the indexes alone.
    Indexes(Decider),
}

/// What becomes of accepted pairs.
pub(crate) enum Then {
    /// They come out as they are.
    Emit(Emit),
    /// The streamed rows drive the match.
    Drive(Driven),
    /// The held rows do, and come out at the end, or when their first pair does.
    Tally(Tally),
}

/// A streamed batch under work: places from `next` on are still to be searched for.
pub(crate) struct Current {
    batch: RecordBatch,
    places: Places,
    /// In place of them, where pairs are found by indexes.
    indexes: Option<Indexes>,
    radii_deg: Option<Vec<f64>>,
    pace: Pace,
    next: usize,
    pairs: Pairs,
}

impl Passing {
    /// The next output batch, or `None` at the end of the input.
    pub(crate) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if self.current.is_some() {
                let output = self.advance()?;
                if let Some(output) = output.filter(|batch| batch.num_rows() > 0) {
                    self.metrics.baseline.record_output(output.num_rows());
                    return Ok(Some(output));
                }
                // Long work without output must not keep the thread from others.
                tokio::task::consume_budget().await;
                continue;
            }
            let Some(batch) = self.input.next().await.transpose()? else {
                return Ok(None);
            };
            let _timer = self.metrics.baseline.elapsed_compute().timer();
            self.metrics.streamed_rows.add(batch.num_rows());
            match &mut self.then {
                Then::Emit(_) => {}
                Then::Drive(driven) => driven.begin(),
                Then::Tally(tally) => tally.begin(),
            }
            let within = self.within.as_ref();
            self.current = Some(self.way.begin(batch, self.index_column, within)?);
        }
    }

    /// One step of the current batch: some candidates judged, and what comes of them.
    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        let Some(current) = &mut self.current else {
            return Ok(None);
        };
        let _timer = self.metrics.baseline.elapsed_compute().timer();
        let (pairs, complete) = current.candidates(&mut self.way, &self.held, self.batch_size);
        let accepted = if pairs.len() > 0 {
            self.metrics.candidates.add(pairs.len());
            let sure = matches!(self.way, Way::Indexes(_)).then(|| BooleanBuffer::new_set(pairs.len()));
            let batch = &current.batch;
            Some(self.judge.accept(batch, &self.held, pairs, sure.as_ref())?)
        } else {
            None
        };
        let output = match (&mut self.then, accepted) {
            (Then::Emit(emit), Some(accepted)) => {
                Some(emit.pairs(&current.batch, &self.held, self.judge.held, accepted)?)
            }
            (Then::Emit(_), None) => None,
            (Then::Drive(driven), accepted) => Some(driven.take(&current.batch, &self.held, accepted, complete)?),
            (Then::Tally(tally), accepted) => {
                tally.take(&current.batch, &current.places, &self.held, accepted, complete)?
            }
        };
        if current.is_done() {
            self.current = None;
        }
        Ok(output)
    }
}

impl Way {
    fn begin(
        &mut self,
        batch: RecordBatch,
        index_column: Option<usize>,
        within: Option<&CellRanges>,
    ) -> Result<Current> {
        Ok(match self {
            Self::Positions(position, finder) => {
                let mut places = position.locate(&batch, index_column)?;
                if let Some(ranges) = within {
                    places.confine(ranges);
                }
                Current {
                    radii_deg: finder.radii_deg(&batch)?,
                    batch,
                    places,
                    indexes: None,
                    pace: Pace::default(),
                    next: 0,
                    pairs: Pairs::default(),
                }
            }
            Self::Indexes(_) => {
                let mut indexes = Position::Index.indexes(&batch, index_column)?;
                if let Some(ranges) = within {
                    indexes.confine(ranges);
                }
                Current {
                    radii_deg: None,
                    batch,
                    places: Places::default(),
                    indexes: Some(indexes),
                    pace: Pace::default(),
                    next: 0,
                    pairs: Pairs::default(),
                }
            }
        })
    }
}

impl Current {
    /// Candidate pairs, `batch_size` of them while there are so many, and the row before which all pairs were given.
    fn candidates(&mut self, way: &mut Way, held: &SkyIndex, batch_size: usize) -> (Pairs, u32) {
        while let Way::Positions(_, finder) = way
            && self.pairs.len() < batch_size
            && self.next < self.places.len()
        {
            let place = self.next;
            self.next += 1;
            let row = self.places.row[place];
            let radius_deg = self.radii_deg.as_ref().map(|radii| radii[row as usize]);
            let (index, vector) = (self.places.index[place], self.places.vector[place]);
            let pairs = &mut self.pairs;
            finder.candidates(held, radius_deg, index, vector, |entry| pairs.push(row, entry));
        }
        while let (Way::Indexes(decider), Some(indexes)) = (&mut *way, &self.indexes)
            && self.pairs.len() < batch_size
            && self.next < indexes.index.len()
        {
            let end = self.pace.end(self.next, indexes.index.len());
            let found = decider.pairs(held, indexes, self.next..end);
            self.next = end;
            self.pace.learn(found.len(), batch_size);
            self.pairs.extend(&found);
        }
        let count = self.pairs.len().min(batch_size);
        let ready = self.pairs.split_front(count);
        let first_left = self.pairs.streamed.first().copied();
        let complete = first_left.or_else(|| self.row(self.next));
        let all = u32::try_from(self.batch.num_rows()).unwrap_or(u32::MAX);
        (ready, complete.unwrap_or(all))
    }

    /// The row at a place; `None`: there are no more.
    fn row(&self, place: usize) -> Option<u32> {
        match &self.indexes {
            Some(indexes) => (place < indexes.index.len()).then(|| indexes.row(place)),
            None => self.places.row.get(place).copied(),
        }
    }

    fn is_done(&self) -> bool {
        self.pairs.len() == 0 && self.row(self.next).is_none()
    }
}

/// Reads a whole side, or its rows `within` some ranges, into a sorted index, under a memory reservation. Batches
/// without a placed row are dropped unless `all` rows are to be kept.
pub(crate) async fn hold(
    mut input: SendableRecordBatchStream,
    position: &Position,
    index_column: Option<usize>,
    within: Option<&CellRanges>,
    all: bool,
    reservation: &MemoryReservation,
) -> Result<SkyIndex> {
    let mut held = SkyIndex::default();
    while let Some(batch) = input.next().await.transpose()? {
        let mut places = position.locate(&batch, index_column)?;
        if let Some(ranges) = within {
            places.confine(ranges);
        }
        if places.len() == 0 && !all {
            continue;
        }
        let bytes = batch.get_array_memory_size() + places.len() * SkyIndex::ENTRY_BYTES;
        reservation.try_grow(bytes).map_err(too_large)?;
        held.push(batch, places);
    }
    held.sort();
    Ok(held)
}

/// The error of a side that does not fit, with what to do.
pub(crate) fn too_large(error: datafusion::common::DataFusionError) -> datafusion::common::DataFusionError {
    error.context(
        "a cross-match holds one side in memory, and it did not fit; \
         narrow that side with a WHERE clause, select fewer of its columns, raise the memory limit, or have it matched on \
         disk: SET dreyer.crossmatch_strategy = 'retiled'",
    )
}
