//! The first step after the search: the condition as written decides which candidate pairs are accepted.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, BooleanArray, Float64Array, RecordBatch, UInt32Array};
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::arrow::compute::{filter, interleave, take};
use datafusion::common::{JoinSide, Result, internal_err};
use datafusion::physical_plan::joins::utils::ColumnIndex;

use super::condition::{PairCondition, PairExpr, doubles, truth};
use super::index::SkyIndex;

/// Judges pairs of a streamed row and a held row.
#[derive(Debug, Clone)]
pub(crate) struct Judge {
    pub(crate) condition: PairCondition,
    /// Which side is held in memory.
    pub(crate) held: JoinSide,
    /// Whether the separation of accepted pairs is asked for.
    pub(crate) needs_separation: bool,
}

/// Pairs: row of the streamed batch, entry of the held side. All pairs of a streamed row stand together.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    pub(crate) streamed: Vec<u32>,
    pub(crate) held: Vec<usize>,
}

/// Pairs that satisfy the condition, and what was computed of them on the way.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) pairs: Pairs,
    /// In degrees.
    pub(crate) separation: Option<Float64Array>,
    /// Columns that the condition read, in the order of the pairs.
    pub(crate) columns: Vec<(ColumnIndex, ArrayRef)>,
}

impl Pairs {
    pub(crate) fn len(&self) -> usize {
        self.streamed.len()
    }

    pub(crate) fn push(&mut self, streamed: u32, held: usize) {
        self.streamed.push(streamed);
        self.held.push(held);
    }

    /// Adds others behind these.
    pub(crate) fn extend(&mut self, others: &Self) {
        self.streamed.extend_from_slice(&others.streamed);
        self.held.extend_from_slice(&others.held);
    }

    /// Keeps the pairs of those streamed rows.
    pub(crate) fn retain(&mut self, keeps: impl Fn(u32) -> bool) {
        let chosen = BooleanBuffer::collect_bool(self.len(), |pair| keeps(self.streamed[pair]));
        *self = self.keep(&BooleanArray::new(chosen, None));
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

    fn keep(&self, accepted: &BooleanArray) -> Self {
        let chosen = || accepted.values().set_indices();
        Self {
            streamed: chosen().map(|pair| self.streamed[pair]).collect(),
            held: chosen().map(|pair| self.held[pair]).collect(),
        }
    }
}

impl Judge {
    /// Those of the pairs for which the condition is true. For pairs that are `sure` the bound on the separation is
    /// known to hold and is not asked again.
    pub(crate) fn accept(
        &self,
        streamed: &RecordBatch,
        held: &SkyIndex,
        pairs: Pairs,
        sure: Option<&BooleanBuffer>,
    ) -> Result<Accepted> {
        let mut work = Work {
            streamed,
            held,
            held_side: self.held,
            accepted: Accepted {
                pairs,
                separation: None,
                columns: Vec::new(),
            },
        };
        let all_sure = sure.is_some_and(|sure| sure.count_set_bits() == sure.len());
        if !all_sure {
            if self.condition.bound.reads(JoinSide::None) {
                work.measure(self.condition.separation.as_ref())?;
            }
            let mut within = truth(&work.evaluate(&self.condition.bound)?)?;
            if let Some(sure) = sure {
                within = BooleanArray::new(within.values() | sure, None);
            }
            work.keep(&within)?;
        }
        if let Some(residual) = &self.condition.residual
            && work.accepted.pairs.len() > 0
        {
            if residual.reads(JoinSide::None) {
                work.measure(self.condition.separation.as_ref())?;
            }
            let holds = truth(&work.evaluate(residual)?)?;
            work.keep(&holds)?;
        }
        if self.needs_separation {
            work.measure(self.condition.separation.as_ref())?;
        }
        Ok(work.accepted)
    }
}

/// Pairs under judgement.
struct Work<'a> {
    streamed: &'a RecordBatch,
    held: &'a SkyIndex,
    held_side: JoinSide,
    accepted: Accepted,
}

impl Work<'_> {
    fn column(&mut self, column: &ColumnIndex) -> Result<ArrayRef> {
        if column.side == JoinSide::None {
            return match &self.accepted.separation {
                Some(separation) => Ok(Arc::new(separation.clone())),
                None => internal_err!("the separation of a pair was read before it was measured"),
            };
        }
        if let Some((_, known)) = self.accepted.columns.iter().find(|(known, _)| known == column) {
            return Ok(Arc::clone(known));
        }
        let pairs = &self.accepted.pairs;
        let array = if column.side == self.held_side {
            let places: Vec<(usize, usize)> = pairs.held.iter().map(|&entry| self.held.place(entry)).collect();
            gather(&self.held.batches, column.index, &places)?
        } else {
            let rows = UInt32Array::from(pairs.streamed.clone());
            take(self.streamed.column(column.index), &rows, None)?
        };
        self.accepted.columns.push((column.clone(), Arc::clone(&array)));
        Ok(array)
    }

    fn evaluate(&mut self, expr: &PairExpr) -> Result<ArrayRef> {
        expr.evaluate(self.accepted.pairs.len(), |column| self.column(column))
    }

    fn measure(&mut self, separation: Option<&PairExpr>) -> Result<()> {
        if self.accepted.separation.is_none() {
            let Some(separation) = separation else {
                return internal_err!("a cross-match that needs the separation must know how to compute it");
            };
            self.accepted.separation = Some(doubles(&self.evaluate(separation)?)?);
        }
        Ok(())
    }

    fn keep(&mut self, chosen: &BooleanArray) -> Result<()> {
        if chosen.true_count() == chosen.len() {
            return Ok(());
        }
        self.accepted.pairs = self.accepted.pairs.keep(chosen);
        for (_, column) in &mut self.accepted.columns {
            *column = filter(column, chosen)?;
        }
        if let Some(separation) = &self.accepted.separation {
            self.accepted.separation = Some(doubles(&filter(separation, chosen)?)?);
        }
        Ok(())
    }
}

/// One column of rows that lie in several batches.
pub(crate) fn gather(batches: &[RecordBatch], column: usize, places: &[(usize, usize)]) -> Result<ArrayRef> {
    let columns: Vec<&dyn Array> = batches.iter().map(|batch| batch.column(column).as_ref()).collect();
    Ok(interleave(&columns, places)?)
}
