//! Rows of one part of the sky, read and sorted: what left rows are held against.

use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions, UInt32Array};
use datafusion::arrow::buffer::ScalarBuffer;
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::Result;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::MemoryReservation;
use dreyer_sphere::CellRanges;
use futures::StreamExt;

use super::super::Side;
use super::super::indexes::{rows_in, rows_of};
use super::super::stream::too_large;

/// Rows in the order of their index. What it takes is reserved as long as it lives.
#[derive(Debug)]
pub(super) struct Block {
    /// HEALPix indexes of order 29, ascending.
    pub(super) index: ScalarBuffer<u64>,
    /// The rows, with those columns that a match may output or judge by.
    pub(super) rows: RecordBatch,
    reservation: MemoryReservation,
}

impl Block {
    /// Reads the rows of `input` that lie in `ranges`, by their stored index or else by that of their coordinates.
    pub(super) async fn read(
        mut input: SendableRecordBatchStream,
        side: &Side,
        ranges: &CellRanges,
        reservation: MemoryReservation,
    ) -> Result<Self> {
        let fields: Vec<_> = input.schema().fields().iter().take(side.width).cloned().collect();
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let (mut parts, mut count) = (Vec::new(), 0);
        let mut batches = Vec::new();
        while let Some(batch) = input.next().await.transpose()? {
            let mut indexes = side.position.indexes(&batch, side.index_column)?;
            indexes.confine(ranges);
            if indexes.index.is_empty() {
                continue;
            }
            let columns = batch.columns().iter().take(side.width).cloned().collect();
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &options)?;
            let rows = indexes.choose(&batch)?;
            // Concatenated and, for a moment, as they came.
            reservation
                .try_grow(2 * (rows.get_array_memory_size() + 8 * indexes.index.len()))
                .map_err(too_large)?;
            count += indexes.index.len();
            parts.push(indexes.index);
            batches.push(rows);
        }
        let mut block = Self {
            rows: together(&schema, &batches, count)?,
            index: in_one(parts, count),
            reservation,
        };
        block.sort()?;
        block.reservation.resize(block.bytes());
        Ok(block)
    }

    /// Brings the rows into the order of their index, if they are not.
    fn sort(&mut self) -> Result<()> {
        if self.index.is_sorted() {
            return Ok(());
        }
        let rows = u32::try_from(self.index.len()).unwrap_or(u32::MAX);
        let mut order: Vec<u32> = (0..rows).collect();
        order.sort_by_key(|row| self.index[*row as usize]);
        self.index = order.iter().map(|row| self.index[*row as usize]).collect();
        self.rows = rows_of(&self.rows, UInt32Array::from(order))?;
        Ok(())
    }

    /// The rows of it that lie in `ranges`, if there is memory for both.
    pub(super) fn part(&self, ranges: &CellRanges) -> Result<Self> {
        let places: Vec<usize> = rows_in(&self.index, ranges).flatten().collect();
        let rows = places.iter().map(|place| u32::try_from(*place).unwrap_or(u32::MAX));
        let part = Self {
            index: places.iter().map(|place| self.index[*place]).collect(),
            rows: rows_of(&self.rows, rows.collect())?,
            reservation: self.reservation.new_empty(),
        };
        part.reservation.try_grow(part.bytes())?;
        Ok(part)
    }

    /// Bytes that the block takes.
    pub(super) fn bytes(&self) -> usize {
        self.index.inner().capacity() + self.rows.get_array_memory_size()
    }
}

/// One list of several, that of a single one without a copy.
fn in_one(mut parts: Vec<ScalarBuffer<u64>>, length: usize) -> ScalarBuffer<u64> {
    if parts.len() == 1 {
        return parts.swap_remove(0);
    }
    let mut all = Vec::with_capacity(length);
    for part in &parts {
        all.extend_from_slice(part);
    }
    all.into()
}

/// One batch of several. Without columns there is nothing to join but their numbers of rows.
fn together(schema: &SchemaRef, batches: &[RecordBatch], rows: usize) -> Result<RecordBatch> {
    if schema.fields().is_empty() {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        return Ok(RecordBatch::try_new_with_options(
            Arc::clone(schema),
            Vec::new(),
            &options,
        )?);
    }
    Ok(concat_batches(schema, batches)?)
}
