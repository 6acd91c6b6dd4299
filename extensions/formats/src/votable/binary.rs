//! Rows of BINARY and BINARY2: where each cell lies in the bytes, then whole columns at once. Not the base64 around them.

use std::io::BufRead;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::buffer::{BooleanBuffer, NullBuffer};

use super::base64::Decoded;
use super::field::{Column, Kind};
use super::xml::Document;
use crate::layout::{self, Shape};
use crate::wire::{self, Wire};
use crate::{BATCH_BYTES, FormatError, Result};

/// Bytes of a row, at most.
const MAX_ROW_BYTES: usize = 1 << 28;

/// Reads the rows of a STREAM, batch by batch.
#[derive(Debug)]
pub(super) struct Binary {
    columns: Vec<Column>,
    wanted: Vec<usize>,
    decoded: Decoded,
    /// Bytes of NULL flags before each row, in BINARY2.
    flags: usize,
    /// Rows read so far.
    rows: u64,
}

/// Where the cells of a column lie within the bytes of a batch.
#[derive(Clone, Debug, Default)]
struct Places {
    bytes: Vec<Range<usize>>,
    /// Entries of arrays whose size varies (characters, of texts).
    lengths: Vec<usize>,
}

impl Binary {
    pub(super) fn new(columns: &[Column], wanted: &[usize], has_flags: bool) -> Self {
        Self {
            flags: if has_flags { columns.len().div_ceil(8) } else { 0 },
            columns: columns.to_vec(),
            wanted: wanted.to_vec(),
            decoded: Decoded::default(),
            rows: 0,
        }
    }

    /// As `TableData::batch`.
    pub(super) fn batch<R: BufRead>(
        &mut self,
        document: &mut Document<R>,
        limit: usize,
    ) -> Result<(Vec<Option<ArrayRef>>, usize, bool)> {
        let mut places = vec![Places::default(); self.columns.len()];
        let (mut starts, mut end, mut ended) = (Vec::new(), 0, false);
        while starts.len() < limit && end <= BATCH_BYTES {
            match self.row(document, end, &mut places)? {
                Some(next) => {
                    starts.push(end);
                    end = next;
                    self.rows += 1;
                }
                None => {
                    ended = true;
                    break;
                }
            }
        }
        let bytes = self.decoded.split(end);
        let mut arrays = vec![None; self.columns.len()];
        for index in &self.wanted {
            let nulls = self.nulls(&bytes, &starts, *index, &places[*index]);
            let first_row = self.rows - starts.len() as u64;
            arrays[*index] = Some(array(&self.columns[*index], &places[*index], &bytes, nulls, first_row)?);
        }
        Ok((arrays, starts.len(), ended))
    }

    /// Notes the places of a row's cells; the end of the row, or `None` at the end of the stream.
    fn row<R: BufRead>(
        &mut self,
        document: &mut Document<R>,
        start: usize,
        places: &mut [Places],
    ) -> Result<Option<usize>> {
        if self.columns.is_empty() || !self.decoded.reach(document, start + 1)? {
            return Ok(None);
        }
        let mut at = start + self.flags;
        for (column, places) in self.columns.iter().zip(places) {
            let cut = |document: &Document<R>| {
                let (row, name) = (self.rows + 1, column.field.name());
                let fault = format!("the stream ends within row {row}, at column {name:?}");
                FormatError::byte(document.byte(), fault)
            };
            let mut length = None;
            if is_counted(column) {
                if !self.decoded.reach(document, at + 4)? {
                    return Err(cut(document));
                }
                let count = self.decoded.bytes()[at..]
                    .first_chunk::<4>()
                    .map_or(0, |raw| u32::from_be_bytes(*raw));
                length = usize::try_from(count).ok();
                at += 4;
            }
            let width = width(column, length)
                .filter(|width| at - start + width <= MAX_ROW_BYTES)
                .ok_or_else(|| {
                    let fault = format!("an array of {} elements is too large", length.unwrap_or_default());
                    FormatError::cell(self.rows + 1, column.field.name(), fault)
                })?;
            if !self.decoded.reach(document, at + width)? {
                return Err(cut(document));
            }
            places.bytes.push(at..at + width);
            places.lengths.push(length.unwrap_or_default());
            at += width;
        }
        Ok(Some(at))
    }

    /// The flags of a column, highest bit first; `None` where no row is NULL. Without flags, texts of nothing are NULL,
    /// as in TABLEDATA.
    fn nulls(&self, bytes: &[u8], rows: &[usize], index: usize, places: &Places) -> Option<NullBuffer> {
        let column = &self.columns[index];
        let is_text = matches!(column.kind, Kind::Text { .. }) && column.shape == Shape::Scalar;
        let first = if matches!(column.kind, Kind::Text { wide: true, .. }) {
            2
        } else {
            1
        };
        let is_valid = |row: usize| match self.flags {
            0 if is_text => bytes[places.bytes[row].clone()]
                .iter()
                .take(first)
                .any(|byte| *byte != 0),
            0 => true,
            _ => bytes[rows[row] + index / 8] & (0x80 >> (index % 8)) == 0,
        };
        let nulls = NullBuffer::new(BooleanBuffer::collect_bool(rows.len(), is_valid));
        Some(nulls).filter(|nulls| nulls.null_count() > 0)
    }
}

/// Whether a number of elements stands before each cell.
fn is_counted(column: &Column) -> bool {
    column.shape.is_variable() || matches!(column.kind, Kind::Text { length: None, .. })
}

/// Bytes of a cell.
fn width(column: &Column, length: Option<usize>) -> Option<usize> {
    let entries = length.unwrap_or(1);
    match column.kind {
        Kind::Number(wire) => column.shape.elements()?.checked_mul(entries)?.checked_mul(wire.width()),
        Kind::Bit => Some(column.shape.elements()?.checked_mul(entries)?.div_ceil(8)),
        Kind::Text { wide, length: fixed } => {
            let characters = match fixed {
                Some(fixed) => column.shape.elements()?.checked_mul(fixed)?.checked_mul(entries)?,
                None => entries,
            };
            characters.checked_mul(if wide { 2 } else { 1 })
        }
    }
}

fn array(
    column: &Column,
    places: &Places,
    bytes: &[u8],
    nulls: Option<NullBuffer>,
    first_row: u64,
) -> Result<ArrayRef> {
    let elements = match column.kind {
        Kind::Number(wire) => numbers(column, wire, places, bytes, first_row)?,
        Kind::Bit => Arc::new(bits(column, places, bytes)),
        Kind::Text { wide, length } => texts(wide, length, &column.shape, places, bytes, nulls.as_ref())?,
    };
    match &column.shape {
        Shape::Scalar => with_nulls(elements, nulls),
        Shape::Fixed(sizes) => layout::fixed(elements, sizes, nulls),
        Shape::Variable(sizes) => {
            let entries = layout::fixed(elements, sizes, None)?;
            layout::variable(entries, places.lengths.iter().copied(), nulls)
        }
    }
}

/// NULL where either says so.
fn with_nulls(array: ArrayRef, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
    let Some(nulls) = nulls else { return Ok(array) };
    let nulls = NullBuffer::union(array.nulls(), Some(&nulls));
    Ok(arrow::array::make_array(
        array.to_data().into_builder().nulls(nulls).build()?,
    ))
}

fn numbers(column: &Column, wire: Wire, places: &Places, bytes: &[u8], first_row: u64) -> Result<ArrayRef> {
    let total = places.bytes.iter().map(ExactSizeIterator::len).sum();
    let mut gathered = Vec::with_capacity(total);
    for place in &places.bytes {
        gathered.extend_from_slice(&bytes[place.clone()]);
    }
    let null = column.null.as_deref().and_then(|null| null.trim().parse().ok());
    wire.decode(&gathered, null).map_err(|bad| {
        let mut end = 0;
        let row = places.bytes.iter().take_while(|place| {
            end += place.len();
            end <= bad.index
        });
        let row = first_row + row.count() as u64 + 1;
        FormatError::cell(
            row,
            column.field.name(),
            format!("byte {:#04x} is no truth value", bad.byte),
        )
    })
}

fn bits(column: &Column, places: &Places, bytes: &[u8]) -> BooleanArray {
    if column.shape == Shape::Scalar {
        // The highest bit by the standard, another by the most used library.
        let is_set = |place: &Range<usize>| bytes[place.clone()].iter().any(|byte| *byte != 0);
        return BooleanArray::from(places.bytes.iter().map(is_set).collect::<Vec<_>>());
    }
    let entry = column.shape.elements().unwrap_or(1);
    let mut all = Vec::new();
    for (place, length) in places.bytes.iter().zip(&places.lengths) {
        let count = if column.shape.is_variable() {
            entry * length
        } else {
            entry
        };
        all.extend(wire::bits(&bytes[place.clone()], place.len(), count).values().iter());
    }
    BooleanArray::from(all)
}

fn texts(
    wide: bool,
    length: Option<usize>,
    shape: &Shape,
    places: &Places,
    bytes: &[u8],
    nulls: Option<&NullBuffer>,
) -> Result<ArrayRef> {
    let width = if wide { 2 } else { 1 };
    let mut cells: Vec<Option<&[u8]>> = Vec::new();
    for (row, place) in places.bytes.iter().enumerate() {
        let cell = &bytes[place.clone()];
        match length.filter(|length| *length > 0 && *shape != Shape::Scalar) {
            Some(length) => cells.extend(cell.chunks_exact(length * width).map(Some)),
            None => cells.push(nulls.is_none_or(|nulls| nulls.is_valid(row)).then_some(cell)),
        }
    }
    if wide {
        return wire::wide_strings(cells.into_iter());
    }
    wire::strings(cells.into_iter().map(|cell| cell.map(wire::until_nul)))
}
