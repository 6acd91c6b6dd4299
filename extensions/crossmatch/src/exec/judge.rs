//! Candidate pairs in, joined rows out: the condition as written decides.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use datafusion::arrow::compute::{filter, interleave, take};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::{JoinSide, Result, internal_err};
use datafusion::physical_plan::joins::utils::JoinFilter;

use super::index::SkyIndex;

/// Judges pairs of a streamed row and a held row.
#[derive(Debug, Clone)]
pub(crate) struct Judge {
    pub(crate) condition: JoinFilter,
    /// The output: `widths.0` columns of the left side, then `widths.1` of the right.
    pub(crate) schema: SchemaRef,
    pub(crate) widths: (usize, usize),
    /// Which side is held in memory.
    pub(crate) held: JoinSide,
}

/// Candidate pairs: row of the streamed batch, entry of the held side.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    pub(crate) streamed: Vec<u32>,
    pub(crate) held: Vec<usize>,
}

impl Pairs {
    pub(crate) fn len(&self) -> usize {
        self.streamed.len()
    }

    /// Removes and returns the first `count` pairs.
    pub(crate) fn split_front(&mut self, count: usize) -> Self {
        let streamed = self.streamed.split_off(count);
        let held = self.held.split_off(count);
        Self {
            streamed: std::mem::replace(&mut self.streamed, streamed),
            held: std::mem::replace(&mut self.held, held),
        }
    }
}

impl Judge {
    /// The joined rows of those pairs for which the condition is true.
    pub(crate) fn judge(&self, streamed: &RecordBatch, held: &SkyIndex, pairs: Pairs) -> Result<RecordBatch> {
        let candidates = Gather::new(self, streamed, held, &pairs);
        let columns = self.condition.column_indices();
        let read: Vec<ArrayRef> = columns
            .iter()
            .map(|column| candidates.column(column.side, column.index))
            .collect::<Result<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(pairs.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(self.condition.schema()), read.clone(), &options)?;
        let verdict = self.condition.expression().evaluate(&batch)?.into_array(pairs.len())?;
        let Some(verdict) = verdict.as_boolean_opt() else {
            return internal_err!("a join condition must be boolean, got {}", verdict.data_type());
        };
        let accepted = BooleanArray::new(verdict.values().clone(), None);
        let accepted = match verdict.nulls() {
            Some(nulls) => BooleanArray::new(accepted.values() & nulls.inner(), None),
            None => accepted,
        };
        let count = accepted.true_count();
        let kept = if count == pairs.len() {
            None
        } else {
            Some(pairs.keep(&accepted))
        };
        let chosen = kept.as_ref().map(|kept| Gather::new(self, streamed, held, kept));

        let column = |side: JoinSide, index: usize| -> Result<ArrayRef> {
            // What the condition read is at hand; other columns are fetched for accepted pairs only.
            let known = columns
                .iter()
                .position(|column| column.side == side && column.index == index);
            Ok(match (known, &chosen) {
                (Some(known), None) => Arc::clone(&read[known]),
                (Some(known), Some(_)) => filter(&read[known], &accepted)?,
                (None, chosen) => chosen.as_ref().unwrap_or(&candidates).column(side, index)?,
            })
        };
        let left = (0..self.widths.0).map(|index| column(JoinSide::Left, index));
        let right = (0..self.widths.1).map(|index| column(JoinSide::Right, index));
        let output: Vec<ArrayRef> = left.chain(right).collect::<Result<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        Ok(RecordBatch::try_new_with_options(
            Arc::clone(&self.schema),
            output,
            &options,
        )?)
    }
}

impl Pairs {
    fn keep(&self, accepted: &BooleanArray) -> Self {
        let chosen = || accepted.values().set_indices();
        Self {
            streamed: chosen().map(|pair| self.streamed[pair]).collect(),
            held: chosen().map(|pair| self.held[pair]).collect(),
        }
    }
}

/// Columns of both sides brought into the order of a list of pairs.
struct Gather<'a> {
    judge: &'a Judge,
    streamed: &'a RecordBatch,
    held: &'a SkyIndex,
    streamed_rows: UInt32Array,
    held_rows: Vec<(usize, usize)>,
}

impl<'a> Gather<'a> {
    fn new(judge: &'a Judge, streamed: &'a RecordBatch, held: &'a SkyIndex, pairs: &Pairs) -> Self {
        Self {
            judge,
            streamed,
            held,
            streamed_rows: UInt32Array::from(pairs.streamed.clone()),
            held_rows: pairs.held.iter().map(|&entry| held.place(entry)).collect(),
        }
    }

    fn column(&self, side: JoinSide, index: usize) -> Result<ArrayRef> {
        if side != self.judge.held {
            return Ok(take(self.streamed.column(index), &self.streamed_rows, None)?);
        }
        let columns: Vec<&dyn Array> = self
            .held
            .batches
            .iter()
            .map(|batch| batch.column(index).as_ref())
            .collect();
        Ok(interleave(&columns, &self.held_rows)?)
    }
}
