//! A match driven by the rows that stream past: what each of them gives is known once all its pairs are.
//!
//! Accepted pairs wait for the end of their row; then the row picks, and comes out with its partners, without any, or
//! not at all. Rows come out in the order in which they streamed.

use std::ops::Range;

use datafusion::arrow::array::{Float64Array, RecordBatch, UInt32Array};
use datafusion::common::{JoinSide, Result};

use super::emit::{Emit, NO_ROW, Rows};
use super::index::SkyIndex;
use super::judge::Accepted;
use super::pick::{Partner, nearest};
use crate::spec::{Join, MatchSpec, Pick};

/// Streamed rows of one batch on their way out.
#[derive(Debug)]
pub(crate) struct Driven {
    spec: MatchSpec,
    emit: Emit,
    /// Accepted pairs of rows that have not come out yet: the streamed row, and its partner.
    waiting: Vec<(u32, Partner)>,
    /// Rows before have come out.
    next: u32,
}

/// Output rows: the streamed row, and its partner or none.
type Output = Vec<(u32, Option<Partner>)>;

impl Driven {
    pub(crate) fn new(spec: MatchSpec, emit: Emit) -> Self {
        Self {
            spec,
            emit,
            waiting: Vec::new(),
            next: 0,
        }
    }

    /// Forgets the batch before.
    pub(crate) fn begin(&mut self) {
        self.waiting.clear();
        self.next = 0;
    }

    /// Takes accepted pairs, and gives what comes of the rows before `complete`, whose pairs have all been seen.
    pub(crate) fn take(
        &mut self,
        streamed: &RecordBatch,
        held: &SkyIndex,
        accepted: Option<Accepted>,
        complete: u32,
    ) -> Result<RecordBatch> {
        if let Some(accepted) = accepted {
            self.wait(held, &accepted);
        }
        let ready = self.waiting.partition_point(|(row, _)| *row < complete);
        let later = self.waiting.split_off(ready);
        let ready = std::mem::replace(&mut self.waiting, later);
        let rows = self.next..complete.max(self.next);
        self.next = rows.end;
        let output = self.output(ready, rows, held)?;
        self.shorten(held)?;
        self.batch(streamed, held, &output)
    }

    fn wait(&mut self, held: &SkyIndex, accepted: &Accepted) {
        let one_is_enough = !self.spec.join.has_right();
        for (pair, (&row, &entry)) in accepted.pairs.streamed.iter().zip(&accepted.pairs.held).enumerate() {
            if one_is_enough && self.waiting.last().is_some_and(|(last, _)| *last == row) {
                continue;
            }
            let partner = Partner {
                separation_deg: accepted.separation.as_ref().map_or(f64::NAN, |apart| apart.value(pair)),
                index: held.index_of(entry),
                place: held.place(entry),
            };
            self.waiting.push((row, partner));
        }
    }

    fn output(&self, ready: Vec<(u32, Partner)>, rows: Range<u32>, held: &SkyIndex) -> Result<Output> {
        let mut output: Output = Vec::with_capacity(ready.len());
        let keeps_unmatched = self.spec.join.keeps_unmatched();
        let mut next = rows.start;
        let mut unmatched = |upto: u32, output: &mut Output| {
            if keeps_unmatched {
                output.extend((next..upto).map(|row| (row, None)));
            }
            next = upto + 1;
        };
        for pairs in ready.chunk_by(|(a, _), (b, _)| a == b) {
            let Some(&(row, first)) = pairs.first() else { continue };
            unmatched(row, &mut output);
            match (self.spec.join, self.spec.pick) {
                (Join::Anti, _) => {}
                (Join::Semi, _) => output.push((row, Some(first))),
                (_, Pick::Nearest(k)) => {
                    let mut partners: Vec<Partner> = pairs.iter().map(|(_, partner)| *partner).collect();
                    nearest(&mut partners, k.get() as usize, &held.batches, self.telling())?;
                    output.extend(partners.into_iter().map(|partner| (row, Some(partner))));
                }
                _ => output.extend(pairs.iter().map(|&(row, partner)| (row, Some(partner)))),
            }
        }
        unmatched(rows.end, &mut output);
        Ok(output)
    }

    /// A row whose pairs are still coming keeps no more of them than it can pick.
    fn shorten(&mut self, held: &SkyIndex) -> Result<()> {
        let Pick::Nearest(k) = self.spec.pick else {
            return Ok(());
        };
        let k = k.get() as usize;
        if self.waiting.len() > 2 * k + 64
            && let (Some(first), Some(last)) = (self.waiting.first(), self.waiting.last())
            && first.0 == last.0
        {
            let row = first.0;
            let mut partners: Vec<Partner> = self.waiting.drain(..).map(|(_, partner)| partner).collect();
            nearest(&mut partners, k, &held.batches, self.telling())?;
            self.waiting.extend(partners.into_iter().map(|partner| (row, partner)));
        }
        Ok(())
    }

    /// Only the left side drives, so partners are right rows.
    fn telling(&self) -> &[usize] {
        self.emit.telling(JoinSide::Right)
    }

    fn batch(&self, streamed: &RecordBatch, held: &SkyIndex, output: &Output) -> Result<RecordBatch> {
        let rows: Vec<u32> = output.iter().map(|(row, _)| *row).collect();
        let places = output
            .iter()
            .map(|(_, partner)| partner.map_or(NO_ROW, |partner| partner.place));
        let separation = self.emit.measured.then(|| {
            let apart = output
                .iter()
                .map(|(_, partner)| partner.map(|partner| partner.separation_deg));
            Float64Array::from_iter(apart)
        });
        let left = Rows::Of(streamed, UInt32Array::from(rows));
        let right = Rows::Among(&held.batches, places.collect());
        self.emit.rows(&left, &right, separation)
    }
}
