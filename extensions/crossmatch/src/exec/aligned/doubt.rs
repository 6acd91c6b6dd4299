//! Pairs that indexes cannot decide, settled by the condition as written.
//!
//! A row is found again by its index and by how many rows with the same index come before it. Rows come in one order
//! from one version of a file, so this names it as well as a key would.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, BooleanArray, RecordBatch, UInt32Array};
use datafusion::arrow::compute::{concat_batches, take};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::common::{JoinSide, Result, internal_err};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use dreyer_sphere::CellRanges;
use dreyer_tiling::TilingSources;
use futures::StreamExt;

use super::super::condition::{PairExpr, truth};
use super::super::indexes::rows_of;
use super::rows_within;

/// A row by its index, and how many before it have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Row {
    index: u64,
    nth: u32,
}

/// Two rows in doubt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    pub(super) left: Row,
    pub(super) right: Row,
}

impl Row {
    /// The row after `before` in sky order.
    #[inline]
    pub(super) fn after(before: Option<Self>, index: u64) -> Self {
        let nth = match before {
            Some(before) if before.index == index => before.nth + 1,
            _ => 0,
        };
        Self { index, nth }
    }

    /// The row at a place of a sorted list, which `before` came before.
    pub(super) fn among(sorted: &[u64], place: usize, before: Option<Self>) -> Self {
        let index = sorted[place];
        let same = sorted[..place]
            .iter()
            .rev()
            .take_while(|other| **other == index)
            .count();
        let nth = u32::try_from(same).unwrap_or(u32::MAX);
        let before = before.filter(|before| same == place && before.index == index);
        Self {
            index,
            nth: before.map_or(nth, |before| before.nth + 1 + nth),
        }
    }
}

/// How pairs in doubt are settled.
pub(super) struct Doubt {
    /// Both inputs with the columns that the condition reads, and the column of the index.
    pub(super) inputs: [(Arc<dyn ExecutionPlan>, usize); 2],
    pub(super) condition: PairExpr,
    pub(super) sources: Arc<TilingSources>,
    pub(super) context: Arc<TaskContext>,
}

/// Rows that were read again.
struct Found {
    batch: RecordBatch,
    places: HashMap<Row, u32>,
}

impl Doubt {
    /// Which of the pairs satisfy the condition.
    pub(super) async fn settle(&self, pairs: &[Pair]) -> Result<Vec<bool>> {
        let [left, right] = &self.inputs;
        let left = self.read(left, pairs.iter().map(|pair| pair.left)).await?;
        let right = self.read(right, pairs.iter().map(|pair| pair.right)).await?;
        let left_rows = left.rows(pairs.iter().map(|pair| pair.left))?;
        let right_rows = right.rows(pairs.iter().map(|pair| pair.right))?;
        let holds = self.condition.evaluate(pairs.len(), |column| {
            let (found, rows) = match column.side {
                JoinSide::Right => (&right, &right_rows),
                _ => (&left, &left_rows),
            };
            Ok(take(found.batch.column(column.index), rows, None)?)
        })?;
        let holds: BooleanArray = truth(&holds)?;
        Ok(holds.values().iter().collect())
    }

    async fn read(&self, input: &(Arc<dyn ExecutionPlan>, usize), rows: impl Iterator<Item = Row>) -> Result<Found> {
        let (plan, index_column) = input;
        let cells = CellRanges::from_ranges(rows.map(|row| row.index..row.index + 1));
        let mut input = rows_within(&self.sources, plan, &cells, &self.context)?;
        let mut batches = Vec::new();
        let mut places = HashMap::new();
        let (mut last, mut next) = (None, 0);
        while let Some(batch) = input.next().await.transpose()? {
            let mut chosen = Vec::new();
            for (row, index) in batch
                .column(*index_column)
                .as_primitive::<Int64Type>()
                .values()
                .iter()
                .enumerate()
            {
                let index = index.cast_unsigned();
                if cells.contains(index) {
                    let found = Row::after(last, index);
                    last = Some(found);
                    places.insert(found, next);
                    next += 1;
                    chosen.push(u32::try_from(row).unwrap_or(u32::MAX));
                }
            }
            batches.push(rows_of(&batch, UInt32Array::from(chosen))?);
        }
        Ok(Found {
            batch: concat_batches(&plan.schema(), &batches)?,
            places,
        })
    }
}

impl Found {
    fn rows(&self, rows: impl Iterator<Item = Row>) -> Result<UInt32Array> {
        let mut places = Vec::new();
        for row in rows {
            let Some(place) = self.places.get(&row) else {
                return internal_err!(
                    "a row of a cross-match was not found again: its file has changed or is not sorted"
                );
            };
            places.push(*place);
        }
        Ok(UInt32Array::from(places))
    }
}
