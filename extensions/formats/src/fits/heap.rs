//! Arrays of variable length: descriptors in the rows, elements in the heap behind them. Not fixed cells.

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

use super::form::HeapCode;
use crate::{FormatError, Result};

/// Bytes between what a batch needs that are read along, rather than asking for each array by itself.
const MAX_GAP_FACTOR: u64 = 8;
/// One row's arrays may share their bytes, within reason: this many times the heap.
const MAX_SHARING: u64 = 4;

/// The heap of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heap {
    /// Bytes of the file before it.
    pub(super) start: u64,
    pub(super) bytes: u64,
}

/// What one descriptor points at: elements, and where they lie within the heap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) elements: usize,
    pub(super) bytes: Range<u64>,
}

impl Extent {
    fn length(&self) -> u64 {
        self.bytes.end - self.bytes.start
    }
}

impl Heap {
    /// Reads a descriptor and holds it against the heap's size; the error says what is wrong with it.
    pub(super) fn extent(&self, descriptor: &[u8], element: HeapCode) -> Result<Extent, String> {
        let (count, offset) = match descriptor.as_chunks::<4>().0 {
            [count, offset] => (
                i64::from(i32::from_be_bytes(*count)),
                i64::from(i32::from_be_bytes(*offset)),
            ),
            _ => match descriptor.as_chunks::<8>().0 {
                [count, offset] => (i64::from_be_bytes(*count), i64::from_be_bytes(*offset)),
                _ => return Err("no descriptor of an array".to_owned()),
            },
        };
        let fault = || {
            let heap = self.bytes;
            format!("an array of {count} elements at byte {offset} lies outside the heap of {heap} bytes")
        };
        let (elements, offset) = (
            usize::try_from(count).map_err(|_| fault())?,
            u64::try_from(offset).map_err(|_| fault())?,
        );
        if elements == 0 {
            return Ok(Extent { elements, bytes: 0..0 });
        }
        let bytes = match element {
            HeapCode::Element(wire) => elements.checked_mul(wire.width()),
            HeapCode::Bits => Some(elements.div_ceil(8)),
            HeapCode::Text => Some(elements),
        };
        let end = bytes
            .and_then(|bytes| u64::try_from(bytes).ok())
            .and_then(|bytes| offset.checked_add(bytes))
            .filter(|end| *end <= self.bytes)
            .ok_or_else(fault)?;
        Ok(Extent {
            elements,
            bytes: offset..end,
        })
    }

    /// How many leading rows fit `budget` bytes: at least one, if there is one. `rows` are the extents of each row.
    pub(super) fn fitting(&self, rows: &[Vec<Extent>], first_row: u64, budget: u64) -> Result<usize> {
        let mut total = 0_u64;
        for (index, row) in rows.iter().enumerate() {
            let bytes = row
                .iter()
                .fold(0, |sum: u64, extent| sum.saturating_add(extent.length()));
            if bytes > self.bytes.saturating_mul(MAX_SHARING) {
                let row = first_row + index as u64 + 1;
                let fault = format!("row {row} asks for {bytes} bytes of a heap of {} bytes", self.bytes);
                return Err(FormatError::byte(self.start, fault));
            }
            total = total.saturating_add(bytes);
            if total > budget && index > 0 {
                return Ok(index);
            }
        }
        Ok(rows.len())
    }

    /// The bytes of the extents, one after the other.
    pub(super) fn read(&self, input: &mut (impl Read + Seek), extents: &[Extent]) -> Result<Vec<u8>> {
        let used = || extents.iter().filter(|extent| extent.elements > 0);
        let (Some(start), Some(end)) = (
            used().map(|extent| extent.bytes.start).min(),
            used().map(|extent| extent.bytes.end).max(),
        ) else {
            return Ok(Vec::new());
        };
        let total = used().fold(0, |sum: u64, extent| sum.saturating_add(extent.length()));
        let mut gathered = Vec::with_capacity(usize::try_from(total).unwrap_or_default());
        if end - start <= total.saturating_mul(MAX_GAP_FACTOR) {
            let all = self.span(input, start..end)?;
            for extent in used() {
                let (from, to) = (extent.bytes.start - start, extent.bytes.end - start);
                if let (Ok(from), Ok(to)) = (usize::try_from(from), usize::try_from(to)) {
                    gathered.extend_from_slice(&all[from..to]);
                }
            }
        } else {
            for extent in used() {
                gathered.append(&mut self.span(input, extent.bytes.clone())?);
            }
        }
        Ok(gathered)
    }

    fn span(&self, input: &mut (impl Read + Seek), span: Range<u64>) -> Result<Vec<u8>> {
        let length = usize::try_from(span.end - span.start)
            .map_err(|_| FormatError::byte(self.start, "an array larger than memory"))?;
        let mut bytes = vec![0; length];
        input.seek(SeekFrom::Start(self.start + span.start))?;
        input.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}
