//! Which cells of the sky the surroundings of held rows touch: one bit a cell.

use super::square::{Reach, Square};
use super::{AT_ONCE, Span, order_with};
use crate::healpix::inner::border_steps;
use crate::healpix::{Cell, InnerTest, shift_to_29};

/// Cells a row, at least: the more, the fewer rows pass that have nothing near.
const CELLS_PER_ROW: u64 = 16;

/// A row in a cell without a mark has nothing near.
#[derive(Debug, Clone)]
pub(super) struct Sieve {
    shift: u8,
    /// The first cell.
    first: u64,
    marks: Vec<u64>,
}

impl Sieve {
    /// A sieve that all rows pass.
    pub(super) fn open() -> Self {
        Self {
            shift: 0,
            first: 0,
            marks: Vec::new(),
        }
    }

    /// Marks what the surroundings of any of `held` touch among the cells of a span, in which `rows` of them lie.
    pub(super) fn new(held: &[u64], rows: usize, span: Span) -> Self {
        let Span { finest, radius_deg, .. } = span;
        let reach = Reach::new(border_steps(radius_deg).unwrap_or(0));
        let order = order_with(CELLS_PER_ROW * rows as u64, span);
        let shift = shift_to_29(order);
        let (first, last) = (span.low >> shift, span.high >> shift);
        let mut marks = vec![0; usize::try_from((last - first) / 64 + 1).unwrap_or(usize::MAX)];
        let words = marks.as_mut_slice();
        let mut mark = |cell: u64| {
            let entry = cell.wrapping_sub(first);
            if let Some(marks) = words.get_mut(usize::try_from(entry / 64).unwrap_or(usize::MAX)) {
                *marks |= 1 << (entry % 64);
            }
        };
        let (inner, in_base) = (InnerTest::new(order, radius_deg), InnerTest::new(0, radius_deg));
        let mut touching = [0; AT_ONCE];
        for some in held.chunks(AT_ONCE) {
            let mut count = 0;
            // Each marks its own cell; those that touch others are few, and no branch depends on which.
            for (place, &index) in (0_u16..).zip(some) {
                mark(index >> shift);
                touching[count % AT_ONCE] = place;
                count += usize::from(!inner.is_inner(index));
            }
            for index in touching[..count].iter().map(|place| some[usize::from(*place)]) {
                if in_base.is_inner(index) {
                    let square = Square::around(index, reach);
                    square.cells(order).into_iter().flatten().for_each(&mut mark);
                } else if let Ok(cell) = Cell::new(finest, index >> shift_to_29(finest)) {
                    let coarser = shift - shift_to_29(finest);
                    for near in cell.neighbours() {
                        mark(near.index() >> coarser);
                    }
                }
            }
        }
        // Cells of the last word that lie outside say nothing.
        if let Some(end) = marks.last_mut() {
            *end |= !(u64::MAX >> (63 - (last - first) % 64));
        }
        Self { shift, first, marks }
    }

    /// Writes down the places of those rows that may have something near; how many they are.
    #[inline(never)]
    pub(super) fn pass(&self, indexes: &[u64], places: &mut [u16; AT_ONCE]) -> usize {
        let (shift, first, marks) = (self.shift, self.first, self.marks.as_slice());
        let mut count = 0;
        // No branch depends on which rows pass: it would be mispredicted every other time.
        for (place, &index) in (0..).zip(indexes) {
            let entry = (index >> shift).wrapping_sub(first);
            let word = marks.get(usize::try_from(entry / 64).unwrap_or(usize::MAX));
            let passes = word.map_or(1, |word| (word >> (entry % 64)) & 1);
            places[count % AT_ONCE] = place;
            count += usize::from(passes != 0);
        }
        count
    }
}
