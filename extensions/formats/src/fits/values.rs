//! A block of rows to Arrow arrays, a whole column at a time. Not the reading of the block.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, new_null_array};

use super::column::{Cell, Column};
use super::form::HeapCode;
use super::heap::Extent;
use crate::layout::{self, Shape};
use crate::wire::{self, Wire};
use crate::{FormatError, Result};

/// Consecutive rows of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) row_bytes: usize,
    pub(super) rows: usize,
    /// Rows of the table before these.
    pub(super) first_row: u64,
}

impl Block<'_> {
    /// The cells of a column, one after the other.
    fn gather(&self, column: &Column) -> Vec<u8> {
        let (offset, width) = (column.offset, column.width);
        let mut cells = Vec::with_capacity(self.rows * width);
        let rows = self.bytes.chunks_exact(self.row_bytes.max(1));
        // Copies of a known size are single instructions.
        match width {
            1 => cells.extend(rows.map(|row| row[offset])),
            2 => gather::<2>(rows, offset, &mut cells),
            4 => gather::<4>(rows, offset, &mut cells),
            8 => gather::<8>(rows, offset, &mut cells),
            16 => gather::<16>(rows, offset, &mut cells),
            _ => rows.for_each(|row| cells.extend_from_slice(&row[offset..offset + width])),
        }
        cells
    }

    /// The column's cells as bytes, for descriptors.
    pub(super) fn cells<'b>(&'b self, column: &'b Column) -> impl Iterator<Item = &'b [u8]> {
        let range = column.offset..column.offset + column.width;
        let rows = self.bytes.chunks_exact(self.row_bytes.max(1));
        rows.map(move |row| &row[range.clone()])
    }

    /// The values of a column whose cells lie in the rows.
    pub(super) fn fixed(&self, column: &Column) -> Result<ArrayRef> {
        match &column.cell {
            Cell::Nothing | Cell::Heap { .. } => Ok(new_null_array(column.field.data_type(), self.rows)),
            Cell::Elements(wire, shape) => {
                let bytes = self.gather(column);
                let elements = self.elements(column, *wire, &bytes, |index| {
                    index.checked_div(column.width / wire.width()).unwrap_or(index)
                })?;
                layout::fixed(elements, sizes(shape), None)
            }
            Cell::Bits(count, shape) => {
                let elements = wire::bits(&self.gather(column), column.width, *count);
                layout::fixed(Arc::new(elements), sizes(shape), None)
            }
            Cell::Text { width, shape } => {
                let bytes = self.gather(column);
                let texts = bytes.chunks_exact((*width).max(1)).map(wire::trimmed);
                layout::fixed(wire::strings(texts)?, sizes(shape), None)
            }
        }
    }

    /// The values of a column whose cells lie in the heap, from their bytes put together.
    pub(super) fn variable(
        &self,
        column: &Column,
        element: HeapCode,
        extents: &[Extent],
        bytes: &[u8],
    ) -> Result<ArrayRef> {
        let lengths = || extents.iter().map(|extent| extent.elements);
        match element {
            HeapCode::Text => wire::strings(runs(bytes, lengths()).map(wire::trimmed)),
            HeapCode::Bits => {
                let rows = runs(bytes, lengths().map(|bits| bits.div_ceil(8))).zip(lengths());
                let mut elements = Vec::new();
                for (row, count) in rows {
                    elements.extend(wire::bits(row, row.len(), count).values().iter());
                }
                let elements = BooleanArray::from(elements);
                layout::variable(Arc::new(elements), lengths(), None)
            }
            HeapCode::Element(wire) => {
                let elements = self.elements(column, wire, bytes, |index| row_of(index, lengths()))?;
                layout::variable(elements, lengths(), None)
            }
        }
    }

    fn elements(&self, column: &Column, wire: Wire, bytes: &[u8], row_of: impl Fn(usize) -> usize) -> Result<ArrayRef> {
        let stored = wire.decode(bytes, column.null).map_err(|bad| {
            let row = self.first_row + row_of(bad.index) as u64 + 1;
            let fault = format!("byte {:#04x} is neither T, F nor NUL", bad.byte);
            FormatError::cell(row, column.field.name(), fault)
        })?;
        match column.scale {
            Some((scale, zero)) => wire::scaled(&stored, scale, zero),
            None => Ok(stored),
        }
    }
}

fn gather<'a, const N: usize>(rows: impl Iterator<Item = &'a [u8]>, offset: usize, cells: &mut Vec<u8>) {
    for row in rows {
        if let Some(cell) = row[offset..].first_chunk::<N>() {
            cells.extend_from_slice(cell);
        }
    }
}

fn sizes(shape: &Shape) -> &[usize] {
    match shape {
        Shape::Scalar | Shape::Variable(_) => &[],
        Shape::Fixed(sizes) => sizes,
    }
}

/// Cuts bytes into runs of the given lengths.
fn runs(bytes: &[u8], lengths: impl Iterator<Item = usize>) -> impl Iterator<Item = &[u8]> {
    lengths.scan(0, move |end: &mut usize, length| {
        let start = *end;
        *end = start.saturating_add(length);
        Some(bytes.get(start..*end).unwrap_or_default())
    })
}

/// The row that holds the element of a number.
fn row_of(index: usize, lengths: impl Iterator<Item = usize>) -> usize {
    let ends = lengths.scan(0_usize, |end, length| {
        *end = end.saturating_add(length);
        Some(*end)
    });
    ends.take_while(|end| *end <= index).count()
}
