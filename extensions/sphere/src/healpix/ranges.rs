//! Sets of cells as ranges of order-29 indexes.

use std::iter::once;
use std::ops::Range;

use super::{Cell, MAX_ORDER, cells_of_order, shift_to_29};

/// One past the last index of order 29.
const END: u64 = cells_of_order(MAX_ORDER);

/// A set of order-29 cells: half-open ranges of NESTED indexes, sorted, disjoint and not touching.
///
/// The common currency of everything that prunes: what a region covers, what a catalogue holds, what a row group
/// spans.
///
/// ```
/// use dreyer_sphere::{Cell, CellRanges};
///
/// let face = CellRanges::of_cell(Cell::new(0, 4)?);
/// let quarter = CellRanges::of_cell(Cell::new(1, 16)?);
/// assert_eq!(face.intersection(&quarter), quarter);
/// assert_eq!(face.difference(&quarter).cell_count(), 3 << 56);
/// # Ok::<(), dreyer_sphere::SphereError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct CellRanges {
    ranges: Vec<Range<u64>>,
}

impl CellRanges {
    /// The whole sphere.
    #[must_use]
    pub fn everything() -> Self {
        Self::of_range(0..END)
    }

    /// The union of ranges in any order, overlapping or empty ones included. What lies past the last index is cut off.
    #[must_use]
    pub fn from_ranges(ranges: impl IntoIterator<Item = Range<u64>>) -> Self {
        let mut ranges: Vec<_> = ranges
            .into_iter()
            .map(|range| range.start..range.end.min(END))
            .filter(|range| !range.is_empty())
            .collect();
        ranges.sort_unstable_by_key(|range| range.start);
        Self::from_sorted(ranges)
    }

    /// One range; nothing if it is empty. What lies past the last index is cut off.
    #[must_use]
    pub fn of_range(range: Range<u64>) -> Self {
        Self::from_ranges(once(range))
    }

    /// Merges ranges sorted by their start.
    fn from_sorted(mut ranges: Vec<Range<u64>>) -> Self {
        ranges.dedup_by(|next, kept| {
            let joined = next.start <= kept.end;
            if joined {
                kept.end = kept.end.max(next.end);
            }
            joined
        });
        Self { ranges }
    }

    /// The order-29 cells within one cell.
    #[must_use]
    pub fn of_cell(cell: Cell) -> Self {
        Self::of_range(cell.range())
    }

    /// The ranges, ascending.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Range<u64>> + DoubleEndedIterator + '_ {
        self.ranges.iter().cloned()
    }

    /// The number of ranges.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Whether there is no cell in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether every cell is in the set.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        matches!(self.ranges.as_slice(), [all] if *all == (0..END))
    }

    /// Whether an order-29 index is in the set.
    #[inline]
    #[must_use]
    pub fn contains(&self, index29: u64) -> bool {
        let after = self.ranges.partition_point(|range| range.end <= index29);
        self.ranges.get(after).is_some_and(|range| range.start <= index29)
    }

    /// Whether any index of a range is in the set.
    #[inline]
    #[must_use]
    pub fn overlaps(&self, range: &Range<u64>) -> bool {
        let after = self.ranges.partition_point(|own| own.end <= range.start);
        !range.is_empty() && self.ranges.get(after).is_some_and(|own| own.start < range.end)
    }

    /// Whether all indexes of a range are in the set.
    #[must_use]
    pub fn covers(&self, range: &Range<u64>) -> bool {
        let after = self.ranges.partition_point(|own| own.end <= range.start);
        range.is_empty()
            || self
                .ranges
                .get(after)
                .is_some_and(|own| own.start <= range.start && range.end <= own.end)
    }

    /// What is in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        if other.is_empty() {
            return self.clone();
        }
        Self::from_ranges(self.iter().chain(other.iter()))
    }

    /// What is in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut ranges = Vec::new();
        let (mut left, mut right) = (self.ranges.iter().peekable(), other.ranges.iter().peekable());
        while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
            let common = a.start.max(b.start)..a.end.min(b.end);
            let left_ends_first = a.end <= b.end;
            if !common.is_empty() {
                ranges.push(common);
            }
            if left_ends_first {
                left.next()
            } else {
                right.next()
            };
        }
        Self { ranges }
    }

    /// What is in this set and not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.intersection(&other.complement())
    }

    /// What is not in this set.
    #[must_use]
    pub fn complement(&self) -> Self {
        let starts = once(0).chain(self.ranges.iter().map(|range| range.end));
        let ends = self.ranges.iter().map(|range| range.start).chain([END]);
        Self {
            ranges: starts
                .zip(ends)
                .map(|(start, end)| start..end)
                .filter(|gap| !gap.is_empty())
                .collect(),
        }
    }

    /// A superset of at most `max_ranges` ranges (at least one, if any is left), made by closing the smallest gaps.
    ///
    /// ```
    /// use dreyer_sphere::CellRanges;
    ///
    /// let ranges = CellRanges::from_ranges([0..4, 6..9, 100..101]);
    /// assert_eq!(ranges.coarsen(2), CellRanges::from_ranges([0..9, 100..101]));
    /// ```
    #[must_use]
    pub fn coarsen(&self, max_ranges: usize) -> Self {
        let gaps_to_keep = max_ranges.max(1) - 1;
        if self.ranges.len() <= gaps_to_keep + 1 {
            return self.clone();
        }
        let mut gaps: Vec<(u64, usize)> = self
            .ranges
            .windows(2)
            .enumerate()
            .filter_map(|(position, pair)| Some((pair.get(1)?.start - pair.first()?.end, position)))
            .collect();
        let gaps_to_close = gaps.len() - gaps_to_keep;
        if gaps_to_keep > 0 {
            gaps.select_nth_unstable(gaps_to_close);
        }
        let mut closed = vec![false; gaps.len()];
        for (_, position) in gaps.into_iter().take(gaps_to_close) {
            closed[position] = true;
        }
        let mut ranges: Vec<Range<u64>> = Vec::with_capacity(gaps_to_keep + 1);
        for (position, range) in self.ranges.iter().enumerate() {
            match ranges.last_mut() {
                Some(last) if closed[position - 1] => last.end = range.end,
                _ => ranges.push(range.clone()),
            }
        }
        Self { ranges }
    }

    /// The superset of whole cells of an order. Orders above 29 count as 29.
    #[must_use]
    pub fn at_order(&self, order: u8) -> Self {
        let shift = shift_to_29(order.min(MAX_ORDER));
        let outward = |range: &Range<u64>| (range.start >> shift) << shift..(((range.end - 1) >> shift) + 1) << shift;
        Self::from_sorted(self.ranges.iter().map(outward).collect())
    }

    /// The fewest cells that make up the set, along the curve: a multi-order coverage map.
    ///
    /// ```
    /// use dreyer_sphere::{Cell, CellRanges};
    ///
    /// let cells: Vec<_> = CellRanges::of_range(3..12).cells().map(|cell| (cell.order(), cell.index())).collect();
    /// assert_eq!(cells, [(29, 3), (28, 1), (28, 2)]);
    /// ```
    pub fn cells(&self) -> impl Iterator<Item = Cell> + '_ {
        self.ranges.iter().flat_map(|range| Cells {
            next: range.start,
            end: range.end,
        })
    }

    /// The superset of all points within a radius of the set.
    ///
    /// Not a tight one: for radii far below a tile's width it adds a border of about 1/64 of that width, for larger
    /// ones it overshoots by a fraction of the radius. A radius that is not a number gives everything, a negative one
    /// counts as 0, which still adds the border: points on the edge of a cell have neighbours at no distance.
    #[must_use]
    pub fn grow(&self, radius_deg: f64) -> Self {
        super::grow::grow(self, radius_deg)
    }

    /// The number of order-29 cells in the set.
    #[must_use]
    pub fn cell_count(&self) -> u128 {
        self.ranges
            .iter()
            .map(|range| u128::from(range.end - range.start))
            .sum()
    }
}

impl FromIterator<Cell> for CellRanges {
    fn from_iter<I: IntoIterator<Item = Cell>>(cells: I) -> Self {
        Self::from_ranges(cells.into_iter().map(Cell::range))
    }
}

/// Cuts one range into the largest aligned cells.
struct Cells {
    next: u64,
    end: u64,
}

impl Iterator for Cells {
    type Item = Cell;

    fn next(&mut self) -> Option<Cell> {
        if self.next >= self.end {
            return None;
        }
        // A cell must start at a multiple of its size and fit into what is left.
        let aligned = self.next.trailing_zeros() / 2;
        let fitting = (self.end - self.next).ilog2() / 2;
        let coarser = u8::try_from(aligned.min(fitting)).unwrap_or(MAX_ORDER).min(MAX_ORDER);
        let cell = Cell::unchecked(MAX_ORDER - coarser, self.next >> (2 * coarser));
        self.next = cell.range().end;
        Some(cell)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Small sets near the start of the curve, as ranges and as the plain set of their indexes.
    fn small_set() -> impl Strategy<Value = (CellRanges, BTreeSet<u64>)> {
        prop::collection::vec((0..200_u64, 0..20_u64), 0..12).prop_map(|pieces| {
            let ranges = || pieces.iter().map(|(start, length)| *start..start + length);
            (CellRanges::from_ranges(ranges()), ranges().flatten().collect())
        })
    }

    fn indexes(ranges: &CellRanges) -> BTreeSet<u64> {
        ranges.iter().flatten().collect()
    }

    fn assert_canonical(ranges: &CellRanges) {
        assert!(ranges.iter().all(|range| range.start < range.end && range.end <= END));
        assert!(
            ranges.ranges.windows(2).all(|pair| pair[0].end < pair[1].start),
            "{ranges:?}"
        );
    }

    #[test]
    fn the_whole_and_nothing() {
        let (all, none) = (CellRanges::everything(), CellRanges::default());
        assert_eq!(all.complement(), none);
        assert_eq!(none.complement(), all);
        assert_eq!(all.cell_count(), 12 << 58);
        assert_eq!(all.cells().map(Cell::order).collect::<Vec<_>>(), [0; 12]);
        assert!(all.is_everything() && all.contains(0) && all.contains(END - 1) && !all.contains(END));
        assert!(none.is_empty() && !none.overlaps(&(0..END)) && none.covers(&(5..5)) && none.cells().next().is_none());
        assert_eq!(none.coarsen(0), none);
        assert_eq!(none.at_order(3), none);
        assert_eq!(none.grow(10.0), none);
        assert_eq!(
            CellRanges::of_range(5..u64::MAX).complement(),
            CellRanges::of_range(0..5)
        );
        #[expect(clippy::reversed_empty_ranges, reason = "that is what is tested")]
        let backwards = CellRanges::from_ranges([9..3, END..END + 5]);
        assert_eq!(backwards, none);
    }

    #[test]
    fn coarsening_closes_the_smallest_gaps_first() {
        let ranges = CellRanges::from_ranges([0..1, 3..4, 5..6, 20..21, 24..25]);
        assert_eq!(ranges.coarsen(4), CellRanges::from_ranges([0..1, 3..6, 20..21, 24..25]));
        assert_eq!(ranges.coarsen(2), CellRanges::from_ranges([0..6, 20..25]));
        assert_eq!(ranges.coarsen(1), CellRanges::of_range(0..25));
        assert_eq!(ranges.coarsen(0), ranges.coarsen(1));
        assert_eq!(ranges.coarsen(5), ranges);
    }

    proptest! {
        #[test]
        fn algebra_is_that_of_sets((one, one_set) in small_set(), (other, other_set) in small_set()) {
            for (ranges, expected) in [
                (one.clone(), one_set.clone()),
                (one.union(&other), one_set.union(&other_set).copied().collect()),
                (one.intersection(&other), one_set.intersection(&other_set).copied().collect()),
                (one.difference(&other), one_set.difference(&other_set).copied().collect()),
            ] {
                assert_canonical(&ranges);
                prop_assert_eq!(ranges.cell_count(), expected.len() as u128);
                prop_assert_eq!(indexes(&ranges), expected);
            }
            prop_assert_eq!(one.complement().complement(), one);
        }

        #[test]
        fn questions_are_those_of_sets((ranges, set) in small_set(), start in 0..230_u64, length in 0..12_u64) {
            let asked = start..start + length;
            prop_assert_eq!(ranges.contains(start), set.contains(&start));
            prop_assert_eq!(ranges.overlaps(&asked), asked.clone().any(|index| set.contains(&index)));
            prop_assert_eq!(ranges.covers(&asked), asked.clone().all(|index| set.contains(&index)));
        }

        #[test]
        fn coarser_is_larger((ranges, set) in small_set(), most in 0..8_usize, order in 26..=29_u8) {
            let coarse = ranges.coarsen(most);
            assert_canonical(&coarse);
            prop_assert!(coarse.len() <= most.max(1));
            prop_assert!(indexes(&coarse).is_superset(&set));
            let whole = ranges.at_order(order);
            assert_canonical(&whole);
            let shift = shift_to_29(order);
            let expected: BTreeSet<_> = set.iter().map(|index| index >> shift).collect();
            prop_assert_eq!(indexes(&whole).iter().map(|index| index >> shift).collect::<BTreeSet<_>>(), expected.clone());
            prop_assert_eq!(whole.cell_count(), (expected.len() as u128) << shift);
        }

        #[test]
        fn cells_make_up_the_set(start in 0..END, length in 0..END) {
            let ranges = CellRanges::of_range(start..start.saturating_add(length));
            let cells: Vec<_> = ranges.cells().collect();
            prop_assert!(cells.is_sorted());
            prop_assert_eq!(cells.iter().copied().collect::<CellRanges>(), ranges);
            // The fewest: no four siblings side by side.
            let siblings = |four: &[Cell]| {
                let parent = four[0].parent(four[0].order().saturating_sub(1));
                four[0].order() > 0 && parent.children(four[0].order()).eq(four.iter().copied())
            };
            prop_assert!(!cells.windows(4).any(siblings));
        }
    }
}
