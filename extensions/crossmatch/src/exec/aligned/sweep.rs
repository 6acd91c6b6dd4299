//! A unit's left rows streaming past its right rows: candidates and first verdicts by the index, then accept, pick, emit.

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::common::{Result, exec_err};
use datafusion::execution::SendableRecordBatchStream;
use dreyer_sphere::{CellRanges, PairTest, Verdict};
use futures::StreamExt;

use super::super::Side;
use super::super::driven::Driven;
use super::super::emit::Emit;
use super::super::indexes::Indexes;
use super::super::judge::{Judge, Pairs};
use super::super::metrics::MatchMetrics;
use super::super::pace::Pace;
use super::around::Held;
use super::count::{self, Count};
use super::mutual::Mutual;

/// What becomes of the pairs.
pub(super) enum Then {
    /// Accepted pairs come out as they are.
    Emit(Judge, Emit),
    /// Each left row comes out as its accepted pairs decide.
    Drive(Judge, Driven),
    /// Left rows come out at the end, each with the right row that chooses it back.
    Mutual(Judge, Box<Mutual>),
    /// Nothing but their number comes out.
    Count(Count),
}

/// Left rows of one unit on their way past the right ones.
pub(super) struct Sweep {
    pub(super) input: SendableRecordBatchStream,
    pub(super) side: Side,
    pub(super) unit: CellRanges,
    /// Whether rows without a partner come out.
    pub(super) keeps_unmatched: bool,
    pub(super) held: Held,
    /// Decides pairs by their indexes, where these are known to be those of the coordinates.
    pub(super) test: Option<PairTest>,
    pub(super) then: Then,
    pub(super) batch_size: usize,
    pub(super) metrics: MatchMetrics,
    pub(super) current: Option<Current>,
    /// Whether all left rows have passed.
    pub(super) ended: bool,
    /// How many have.
    pub(super) streamed: usize,
    /// Pairs close enough to be put to the condition, so far.
    pub(super) candidates: usize,
}

/// A batch under work: places from `next` on are still to be searched for.
pub(super) struct Current {
    batch: RecordBatch,
    indexes: Indexes,
    next: usize,
    pace: Pace,
    pairs: Pairs,
    sure: Vec<bool>,
}

impl Sweep {
    /// The next output batch, or `None` at the end of the unit.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>> {
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
            let batch = match self.ended {
                true => None,
                false => self.input.next().await.transpose()?,
            };
            let Some(batch) = batch else {
                self.ended = true;
                let last = match &mut self.then {
                    Then::Count(count) => {
                        count.finish().await?;
                        count.rows(1)?
                    }
                    Then::Mutual(_, mutual) => mutual.next(&self.held.sky)?,
                    _ => None,
                };
                if let Some(last) = &last {
                    self.metrics.baseline.record_output(last.num_rows());
                }
                return Ok(last);
            };
            self.begin(batch)?;
        }
    }

    fn begin(&mut self, batch: RecordBatch) -> Result<()> {
        let _timer = self.metrics.baseline.elapsed_compute().timer();
        let mut indexes = self.side.position.indexes(&batch, self.side.index_column)?;
        let batch = if self.side.index_column.is_some() {
            if self.keeps_unmatched && indexes.index.len() < batch.num_rows() {
                return exec_err!(
                    "a row of the left side has neither a HEALPix index nor a position, so no part of the sky has it, and this \
                     join keeps such rows: SET dreyer.crossmatch_strategy = 'indexed'"
                );
            }
            // Whole pages come; rows outside belong to other units, with or without a partner.
            let (batch, inside) = indexes.cut(batch, &self.unit)?;
            indexes = inside;
            batch
        } else {
            batch
        };
        self.metrics.streamed_rows.add(batch.num_rows());
        self.streamed += batch.num_rows();
        match &mut self.then {
            Then::Drive(_, driven) => driven.begin(),
            Then::Mutual(_, mutual) => mutual.begin(&batch, &indexes)?,
            Then::Count(count) => count.take_nowhere(batch.num_rows() - indexes.index.len()),
            Then::Emit(..) => {}
        }
        self.current = Some(Current {
            batch,
            indexes,
            next: 0,
            pace: Pace::default(),
            pairs: Pairs::default(),
            sure: Vec::new(),
        });
        Ok(())
    }

    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        let Some(current) = &mut self.current else {
            return Ok(None);
        };
        let _timer = self.metrics.baseline.elapsed_compute().timer();
        if let Then::Count(count) = &mut self.then {
            let rest = &current.indexes.index[current.next..];
            let some = &rest[..rest.len().min(count::AT_ONCE)];
            self.metrics.candidates.add(count.take(some, &self.held));
            current.next += some.len();
            if current.is_done() {
                self.current = None;
            }
            return count.rows(count::ROWS_OUT);
        }
        let (pairs, sure, complete) = current.candidates(&self.held, self.test.as_ref(), self.batch_size);
        let candidates = pairs.len();
        self.metrics.candidates.add(candidates);
        self.candidates += candidates;
        let sure = sure.map(BooleanBuffer::from);
        let (batch, sky) = (&current.batch, &self.held.sky);
        let output = match &mut self.then {
            Then::Emit(judge, emit) if candidates > 0 => {
                let accepted = judge.accept(batch, sky, pairs, sure.as_ref())?;
                Some(emit.pairs(batch, sky, judge.held, accepted)?)
            }
            Then::Drive(judge, driven) => {
                let accepted = match candidates {
                    0 => None,
                    _ => Some(judge.accept(batch, sky, pairs, sure.as_ref())?),
                };
                Some(driven.take(batch, sky, accepted, complete)?)
            }
            Then::Mutual(judge, mutual) if candidates > 0 => {
                let accepted = judge.accept(batch, sky, pairs, sure.as_ref())?;
                mutual.take(&current.indexes, sky, &accepted)?;
                None
            }
            _ => None,
        };
        if current.is_done() {
            self.current = None;
        }
        Ok(output)
    }
}

impl Current {
    /// Candidate pairs, about `batch_size` of them while there are so many, which of them surely lie within the radius, and
    /// the row before which all pairs were given.
    fn candidates(
        &mut self,
        held: &Held,
        test: Option<&PairTest>,
        batch_size: usize,
    ) -> (Pairs, Option<Vec<bool>>, u32) {
        while self.pairs.len() < batch_size && self.next < self.indexes.index.len() {
            let (before, end) = (self.pairs.len(), self.pace.end(self.next, self.indexes.index.len()));
            let (indexes, some) = (&self.indexes, &self.indexes.index[self.next..end]);
            let (pairs, sure, from) = (&mut self.pairs, &mut self.sure, self.next);
            held.search.near_each(held.index(), some, |place, entry, within| {
                let verdict = match test {
                    None => Verdict::Unsure,
                    Some(_) if within => Verdict::Within,
                    Some(test) => test.verdict(some[place], held.index()[entry]),
                };
                if verdict != Verdict::Beyond {
                    pairs.streamed.push(indexes.row(from + place));
                    pairs.held.push(entry);
                    sure.push(verdict == Verdict::Within);
                }
            });
            self.next = end;
            self.pace.learn(self.pairs.len() - before, batch_size);
        }
        let count = self.pairs.len().min(batch_size);
        let later = self.sure.split_off(count);
        let sure = std::mem::replace(&mut self.sure, later);
        let ready = self.pairs.split_front(count);
        let complete = match self.pairs.streamed.first() {
            Some(&row) => row,
            None if self.next < self.indexes.index.len() => self.indexes.row(self.next),
            None => u32::try_from(self.batch.num_rows()).unwrap_or(u32::MAX),
        };
        (ready, test.map(|_| sure), complete)
    }

    fn is_done(&self) -> bool {
        self.next >= self.indexes.index.len() && self.pairs.len() == 0
    }
}
