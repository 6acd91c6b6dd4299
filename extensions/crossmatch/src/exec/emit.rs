//! The last step: rows of both sides side by side, as the output wants them.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, Float64Array, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array,
};
use datafusion::arrow::compute::{interleave, take};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::{JoinSide, Result, internal_err};
use datafusion::physical_plan::joins::utils::ColumnIndex;

use super::index::SkyIndex;
use super::judge::{Accepted, gather};
use crate::spec::Join;

/// How output rows are made.
#[derive(Debug, Clone)]
pub(crate) struct Emit {
    pub(crate) schema: SchemaRef,
    /// How many columns of the left and the right side are output, each from the first.
    pub(crate) widths: (usize, usize),
    /// The same columns in the order in which they tell rows at the same place apart.
    pub(crate) telling: [Arc<[usize]>; 2],
    pub(crate) join: Join,
    /// Whether the separation is the last column.
    pub(crate) measured: bool,
    /// Which of all these columns come out.
    pub(crate) output: Option<Arc<[usize]>>,
}

/// Rows of one side, in the order of the output.
pub(crate) enum Rows<'a> {
    /// Rows of one batch; where the number is NULL, all columns are.
    Of(&'a RecordBatch, UInt32Array),
    /// Rows by batch and row; at [`NO_ROW`] all columns are NULL.
    Among(&'a [RecordBatch], Vec<(usize, usize)>),
}

/// The place of no row.
pub(crate) const NO_ROW: (usize, usize) = (usize::MAX, 0);

impl Rows<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Of(_, rows) => rows.len(),
            Self::Among(_, places) => places.len(),
        }
    }

    fn column(&self, index: usize, data_type: &DataType) -> Result<ArrayRef> {
        Ok(match self {
            Self::Of(batch, rows) => take(batch.column(index), rows, None)?,
            Self::Among(batches, places) if places.contains(&NO_ROW) => {
                let none = new_null_array(data_type, 1);
                let columns = batches.iter().map(|batch| batch.column(index).as_ref());
                let columns: Vec<&dyn Array> = columns.chain([none.as_ref()]).collect();
                let known = |&place: &(usize, usize)| if place == NO_ROW { (batches.len(), 0) } else { place };
                interleave(&columns, &places.iter().map(known).collect::<Vec<_>>())?
            }
            Self::Among(_, places) if places.is_empty() => new_null_array(data_type, 0),
            Self::Among(batches, places) => gather(batches, index, places)?,
        })
    }
}

impl Emit {
    /// What tells rows of a side apart that lie at the same place.
    pub(crate) fn telling(&self, side: JoinSide) -> &[usize] {
        &self.telling[usize::from(side == JoinSide::Right)]
    }

    /// Accepted pairs of a streamed batch as they are.
    pub(crate) fn pairs(
        &self,
        streamed: &RecordBatch,
        held: &SkyIndex,
        held_side: JoinSide,
        accepted: Accepted,
    ) -> Result<RecordBatch> {
        let Accepted {
            pairs,
            separation,
            columns,
        } = accepted;
        let rows = pairs.len();
        let streamed_rows = Rows::Of(streamed, UInt32Array::from(pairs.streamed));
        let places = pairs.held.iter().map(|&entry| held.place(entry)).collect();
        let held_rows = Rows::Among(&held.batches, places);
        let column = |side: JoinSide, index: usize, data_type: &DataType| {
            // What the condition read is at hand.
            let wanted = ColumnIndex { index, side };
            if let Some((_, known)) = columns.iter().find(|(known, _)| *known == wanted) {
                return Ok(Arc::clone(known));
            }
            let from = if side == held_side { &held_rows } else { &streamed_rows };
            from.column(index, data_type)
        };
        self.batch(rows, separation, column)
    }

    /// Rows of the left side, and their partners where the join gives any.
    pub(crate) fn rows(
        &self,
        left: &Rows<'_>,
        right: &Rows<'_>,
        separation: Option<Float64Array>,
    ) -> Result<RecordBatch> {
        self.batch(left.len(), separation, |side, index, data_type| {
            let from = if side == JoinSide::Left { left } else { right };
            from.column(index, data_type)
        })
    }

    fn batch(
        &self,
        rows: usize,
        separation: Option<Float64Array>,
        column: impl Fn(JoinSide, usize, &DataType) -> Result<ArrayRef>,
    ) -> Result<RecordBatch> {
        let right_width = if self.join.has_right() { self.widths.1 } else { 0 };
        let all: Vec<usize>;
        let chosen = match &self.output {
            Some(output) => output.as_ref(),
            None => {
                all = (0..self.widths.0 + right_width + usize::from(self.measured)).collect();
                &all
            }
        };
        let mut output = Vec::with_capacity(chosen.len());
        for (&place, field) in chosen.iter().zip(self.schema.fields()) {
            let of_right = place.checked_sub(self.widths.0);
            output.push(match of_right {
                None => column(JoinSide::Left, place, field.data_type())?,
                Some(index) if index < right_width => column(JoinSide::Right, index, field.data_type())?,
                Some(_) => match &separation {
                    Some(separation) => Arc::new(separation.clone()),
                    None => return internal_err!("the separation is to be output and was not measured"),
                },
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(
            Arc::clone(&self.schema),
            output,
            &options,
        )?)
    }
}
