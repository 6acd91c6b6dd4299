//! Where the rows of each cell of one order lie in a sorted list.
//!
//! ```text
//!  before   17                19                     rows before each word
//!  counts  |0|2|0|0|0|0|0|0|  |1|0|0|0|0|2|0|0|      rows of each cell, eight cells a word
//! ```
//!
//! A multiplication adds the bytes of a word up, so a cell takes little more than a byte.

use std::ops::Range;

use super::{Span, order_with};
use crate::healpix::{InnerTest, shift_to_29};

/// Cells a row, at least: most then hold none or one.
const CELLS_PER_ROW: u64 = 4;

/// A one in each byte.
const ONES: u64 = u64::MAX / 0xff;

/// The count of a cell that shares its word with so many rows that the word cannot tell.
const CROWD: u64 = 0xff;

/// Runs of rows by cell.
#[derive(Debug, Clone)]
pub(super) struct Directory {
    pub(super) order: u8,
    /// Of rows whose square lies in their cell.
    pub(super) inner: InnerTest,
    /// The cell of the first byte.
    first: u64,
    words: Vec<Word>,
    /// How many rows come before those behind the last word.
    end: u32,
}

/// Eight cells: how many rows come before theirs, and how many each has.
#[derive(Debug, Clone, Copy)]
struct Word {
    counts: u64,
    before: u32,
}

impl Directory {
    /// A directory of no cell.
    pub(super) fn empty(radius_deg: f64) -> Self {
        Self {
            order: 0,
            inner: InnerTest::new(0, radius_deg),
            first: 0,
            words: Vec::new(),
            end: 0,
        }
    }

    /// A directory of the cells of a span, in which `rows` of `held` lie.
    pub(super) fn new(held: &[u64], rows: usize, span: Span) -> Self {
        let order = order_with(CELLS_PER_ROW * rows as u64, span);
        let shift = shift_to_29(order);
        // Whole words, beyond either end of the span as well.
        let (first, last) = ((span.low >> shift) & !7, (span.high >> shift) | 7);
        let start = held.partition_point(|index| index >> shift < first);
        let held = &held[..held.partition_point(|index| index >> shift <= last)];
        let mut words =
            vec![Word { counts: 0, before: 0 }; usize::try_from((last - first) / 8 + 1).unwrap_or(usize::MAX)];
        for index in &held[start..] {
            let cell = (index >> shift) - first;
            if let Some(word) = words.get_mut(usize::try_from(cell / 8).unwrap_or(usize::MAX)) {
                word.counts = word.counts.wrapping_add(1 << (cell % 8 * 8));
                word.before += 1;
            }
        }
        // So far those of each word, now those before it. Where they are too many for a byte, bytes may have overflowed.
        let mut before = u32::try_from(start).unwrap_or(u32::MAX);
        for word in &mut words {
            let rows = std::mem::replace(&mut word.before, before);
            before += rows;
            if u64::from(rows) >= CROWD {
                word.counts = CROWD * ONES;
            }
        }
        Self {
            order,
            inner: InnerTest::new(order, span.radius_deg),
            first,
            words,
            end: before,
        }
    }

    /// The rows of the word that a cell shares, if it lies in the directory: all of its own are among them.
    pub(super) fn around(&self, cell: u64) -> Option<Range<usize>> {
        let place = usize::try_from(cell.wrapping_sub(self.first) / 8).unwrap_or(usize::MAX);
        let end = self
            .words
            .get(place.saturating_add(1))
            .map_or(self.end, |word| word.before);
        Some(self.words.get(place)?.before as usize..end as usize)
    }

    /// The rows of a cell; `None` if it lies outside, or in a crowd.
    #[inline]
    pub(super) fn run(&self, cell: u64) -> Option<Range<u32>> {
        let entry = cell.wrapping_sub(self.first);
        let word = self.words.get(usize::try_from(entry / 8).unwrap_or(usize::MAX))?;
        let at = entry % 8 * 8;
        let rows = (word.counts >> at) & 0xff;
        let start = u64::from(word.before) + sum(word.counts & ((1 << at) - 1));
        #[expect(
            clippy::cast_possible_truncation,
            reason = "numbers of rows, which are less than 2^32"
        )]
        let run = start as u32..(start + rows) as u32;
        (rows != CROWD).then_some(run)
    }
}

/// All bytes of a word added up, if that is less than 256.
#[inline]
fn sum(counts: u64) -> u64 {
    counts.wrapping_mul(ONES) >> 56
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Crowds of any size, so that bytes overflow, singly and together.
        #[test]
        fn runs_are_those_of_the_list(
            finest in 0..9_u8,
            crowds in prop::collection::vec((0..12_u64 << 16, prop_oneof![0..3_usize, Just(127), Just(255), Just(700)]), 1..12),
            ends in (0..12_u64 << 16, 0..12_u64 << 16),
        ) {
            let mut held: Vec<u64> = crowds.iter().flat_map(|(at, rows)| vec![at << 42; *rows]).collect();
            held.sort_unstable();
            let (low, high) = (ends.0.min(ends.1) << 42, ends.0.max(ends.1) << 42);
            let rows = held.iter().filter(|index| (low..=high).contains(index)).count();
            let directory = Directory::new(&held, rows, Span { low, high, finest, radius_deg: 1e-3 });
            let shift = shift_to_29(directory.order);
            let rows_of = |cells: Range<u64>| {
                held.partition_point(|index| index >> shift < cells.start)..held.partition_point(|index| index >> shift < cells.end)
            };
            let cells = held.iter().copied().chain([low, high]).flat_map(|index| {
                let cell = index >> shift;
                cell.saturating_sub(9)..cell + 9
            });
            for cell in cells {
                if let Some(around) = directory.around(cell) {
                    prop_assert_eq!(around, rows_of(cell & !7..(cell | 7) + 1));
                }
                match directory.run(cell) {
                    Some(run) => prop_assert_eq!(run.start as usize..run.end as usize, rows_of(cell..cell + 1)),
                    None => {
                        let outside = cell < low >> shift || cell > high >> shift;
                        prop_assert!(outside || rows_of(cell & !7..(cell | 7) + 1).len() >= 255, "no run of cell {}", cell);
                    }
                }
            }
        }
    }
}
