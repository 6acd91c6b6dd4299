//! Finding in sorted order-29 indexes those near another, without trigonometry.
//!
//! ```text
//!  directory   one entry a cell, four cells a row or more:    cell ─► run of rows
//!   ┌────────┬────────┐
//!   │  ●     │        │   ● a row whose circle stays in its cell, as the bits of the index say:  one run
//!   │        │        │
//!   │       ○│        │   ○ a border row: the runs of the two or four cells that its square touches
//!   └────────┴────────┘
//! ```
//!
//! In a run, what lies in the square around the circle is found by masks and comparisons: spreading the bits of x and y
//! apart keeps their order, so they are compared as they stand in the index. Only at the edges of base cells, where the
//! axes of the neighbour may be turned, the library is asked which cells touch.

use std::ops::Range;

use super::inner::{border_steps, spread, whole};
use super::{Cell, InnerTest, MAX_ORDER, RADIUS_OF_ORDER_0_RAD, finest_order_wider_than, shift_to_29, side};

/// The bits of x and of y within a base cell.
const X: u64 = 0x5555_5555_5555_5555 & ((1 << 58) - 1);
const Y: u64 = X << 1;
/// The bits that name the base cell.
const BASE: u64 = !(X | Y);

/// A run that is longer than this is searched by finer cells.
const LONG_RUN: usize = 24;

/// Indexes that are looked at together.
const AT_ONCE: usize = 256;

/// Searches sorted order-29 indexes for those within a radius of another. Generous, never short: what it finds is to be
/// measured.
///
/// ```
/// use dreyer_sphere::{IndexSearch, index29};
///
/// let mut held: Vec<u64> = (0..100).filter_map(|step| index29(f64::from(step) / 36_000.0, 0.0)).collect();
/// held.sort_unstable();
/// let search = IndexSearch::new(&held, 0..12 << 58, 1.0 / 3600.0);
/// let mut found = Vec::new();
/// search.near(&held, index29(0.0, 0.0).unwrap_or_default(), |place| found.push(place));
/// assert!((11..40).contains(&found.len()));
/// ```
#[derive(Debug, Clone)]
pub struct IndexSearch {
    directory: Directory,
    /// Rows that pass lie so far inside their base cell that their square does too.
    in_base: InnerTest,
    /// Half the width of the square around the circle, and of one within it, their bits spread.
    half: u64,
    within: Option<u64>,
    /// The finest order at which a square touches four cells at most.
    finest: Option<u8>,
    nothing: bool,
}

/// Where the rows of each cell of one order lie.
#[derive(Debug, Clone)]
struct Directory {
    order: u8,
    /// Its first cell, and per cell where its run begins; one more than there are cells.
    first: u64,
    runs: Vec<u32>,
    inner: InnerTest,
}

impl IndexSearch {
    /// A search through `held`, which must be sorted and shorter than 2³². Rows in `own` are found by a directory, others
    /// by bisection: meant for the few that lie around. Nothing lies within a negative radius or NaN.
    #[must_use]
    pub fn new(held: &[u64], own: Range<u64>, radius_deg: f64) -> Self {
        let nothing = radius_deg.is_nan() || radius_deg < 0.0;
        let finest = finest_order_wider_than(radius_deg).and_then(|widest| {
            let steps = border_steps(radius_deg)?;
            (0..=widest).rev().find(|order| 2 * steps < 1 << (MAX_ORDER - order))
        });
        let start = held.partition_point(|index| *index < own.start);
        let rows = start..held.partition_point(|index| *index < own.end).max(start);
        let mut search = Self {
            directory: Directory {
                order: 0,
                first: 0,
                runs: Vec::new(),
                inner: InnerTest::new(0, radius_deg),
            },
            in_base: InnerTest::new(0, radius_deg),
            half: border_steps(radius_deg).map_or(0, |steps| spread(steps.min(1 << 29))),
            within: steps_within(radius_deg).map(spread),
            finest,
            nothing,
        };
        if let Some(finest) = finest
            && let (Some(low), Some(high)) = (held.get(rows.start), held[rows.clone()].last())
        {
            let order = directory_order(finest, *low, *high, rows.len());
            search.directory = Directory::new(order, held, *low, *high, radius_deg);
        }
        search
    }

    /// Calls `found` with the places in `held` of all rows that may lie within the radius of `index`, none of them twice.
    #[inline]
    pub fn near(&self, held: &[u64], index: u64, mut found: impl FnMut(usize)) {
        self.near_each(held, &[index], |_, place, _| found(place));
    }

    /// The same of each of `indexes`, in their order: `found` is told the place among them, the place in `held`, and whether
    /// the indexes alone say that the pair lies within the radius.
    #[inline]
    pub fn near_each(&self, held: &[u64], indexes: &[u64], mut found: impl FnMut(usize, usize, bool)) {
        let Some(finest) = self.finest else {
            if !self.nothing {
                for place in 0..indexes.len() {
                    (0..held.len()).for_each(|entry| found(place, entry, false));
                }
            }
            return;
        };
        let mut places = [0; AT_ONCE];
        for (number, some) in indexes.chunks(AT_ONCE).enumerate() {
            let count = self.directory.worth_a_look(some, &mut places);
            for place in places[..count].iter().map(|place| usize::from(*place)) {
                self.look(held, some[place], finest, |entry, within| {
                    found(number * AT_ONCE + place, entry, within);
                });
            }
        }
    }

    #[inline]
    fn look(&self, held: &[u64], index: u64, finest: u8, mut found: impl FnMut(usize, bool)) {
        let within = self.within.unwrap_or(0);
        let sure = self.within.is_some();
        let Some(run) = self.directory.run_of_inner(index) else {
            return self.at_border(held, index, finest, |entry, close| found(entry, sure && close));
        };
        let square = Square::around(index, self.half);
        if run.len() > LONG_RUN {
            let close = Square::around(index, within);
            let mut found = |entry: usize| found(entry, sure && close.holds(held[entry]));
            return self.scan(held, run, &square, finest, &mut found);
        }
        for entry in run {
            if square.holds(held[entry]) {
                let close = Square::around(index, within);
                found(entry, sure && close.holds(held[entry]));
            }
        }
    }

    /// The same of a row whose square touches more than one cell, or whose cell lies outside the directory.
    #[inline(never)]
    fn at_border(&self, held: &[u64], index: u64, finest: u8, mut found: impl FnMut(usize, bool)) {
        if !self.in_base.is_inner(index) {
            return self.across_bases(held, index, &mut |entry| found(entry, false));
        }
        let square = Square::around(index, self.half);
        let close = Square::around(index, self.within.unwrap_or(0));
        for cell in square.cells(self.directory.order).into_iter().flatten() {
            let run = self.run(held, cell);
            let mut found = |entry: usize| found(entry, close.holds(held[entry]));
            self.scan(held, run, &square, finest, &mut found);
        }
    }

    /// The rows in a cell of the directory's order, by it or, outside, by bisection.
    #[inline]
    fn run(&self, held: &[u64], cell: u64) -> Range<usize> {
        self.directory.run(cell).unwrap_or_else(|| {
            let shift = shift_to_29(self.directory.order);
            let start = held.partition_point(|index| index >> shift < cell);
            start..start + held[start..].partition_point(|index| index >> shift == cell)
        })
    }

    #[inline]
    fn scan(&self, held: &[u64], run: Range<usize>, square: &Square, finest: u8, found: &mut impl FnMut(usize)) {
        if run.len() > LONG_RUN && finest > self.directory.order {
            return scan_long(held, run, square, finest, found);
        }
        for place in run {
            if square.holds(held[place]) {
                found(place);
            }
        }
    }

    /// At the edge of a base cell: all rows of the cell and of those that touch it.
    #[cold]
    fn across_bases(&self, held: &[u64], index: u64, found: &mut impl FnMut(usize)) {
        let Some(finest) = self.finest else { return };
        let number = index >> shift_to_29(finest);
        let Ok(cell) = Cell::new(finest, number) else { return };
        for near in cell.neighbours().into_iter().chain([cell]) {
            let shift = shift_to_29(finest);
            let start = held.partition_point(|index| index >> shift < near.index());
            let rows = held[start..]
                .iter()
                .take_while(|index| **index >> shift == near.index())
                .count();
            (start..start + rows).for_each(&mut *found);
        }
    }
}

impl Directory {
    /// A directory of the cells from that of `low` to that of `high`, which hold some of `held`.
    fn new(order: u8, held: &[u64], low: u64, high: u64, radius_deg: f64) -> Self {
        let shift = shift_to_29(order);
        let first = low >> shift;
        let rows = held.partition_point(|index| index >> shift < first)
            ..held.partition_point(|index| index >> shift <= high >> shift);
        let cells = usize::try_from((high >> shift) - first + 1).unwrap_or(usize::MAX);
        let place = |row: usize| u32::try_from(row).unwrap_or(u32::MAX);
        // First how many rows each cell has, one entry ahead; added up, where its run begins.
        let mut runs = vec![0_u32; cells.saturating_add(1)];
        for index in &held[rows.clone()] {
            let cell = usize::try_from((index >> shift) - first).unwrap_or(usize::MAX);
            if let Some(count) = runs.get_mut(cell.saturating_add(1)) {
                *count += 1;
            }
        }
        let mut sum = place(rows.start);
        for run in &mut runs {
            sum += *run;
            *run = sum;
        }
        Self {
            order,
            first,
            runs,
            inner: InnerTest::new(order, radius_deg),
        }
    }

    #[inline]
    fn run(&self, cell: u64) -> Option<Range<usize>> {
        let entry = usize::try_from(cell.wrapping_sub(self.first)).unwrap_or(usize::MAX);
        match self.runs.get(entry..entry.saturating_add(2)) {
            Some([start, end]) => Some(*start as usize..*end as usize),
            _ => None,
        }
    }

    /// The rows of the cell of `index`, if no others can be near: its square lies in the cell.
    #[inline]
    fn run_of_inner(&self, index: u64) -> Option<Range<usize>> {
        match self.inner.is_inner(index) {
            true => self.run(index >> shift_to_29(self.order)),
            false => None,
        }
    }

    /// Writes down the places of those rows that do not for sure lie alone in their cell; how many they are. Most rows of a
    /// sparse sky do, and no branch depends on which: it would be mispredicted every other time.
    #[inline(never)]
    fn worth_a_look(&self, indexes: &[u64], places: &mut [u16; AT_ONCE]) -> usize {
        let shift = shift_to_29(self.order);
        let (inner, first, runs) = (self.inner, self.first, self.runs.as_slice());
        let mut count = 0;
        for (place, &index) in (0..).zip(indexes) {
            let entry = usize::try_from((index >> shift).wrapping_sub(first)).unwrap_or(usize::MAX);
            let alone = match runs.get(entry..entry.saturating_add(2)) {
                Some([start, end]) => (start == end) & inner.is_inner(index),
                _ => false,
            };
            places[count % AT_ONCE] = place;
            count += usize::from(!alone);
        }
        count
    }
}

/// A run of many rows: only those in the finest cells that the square touches are looked at.
fn scan_long(held: &[u64], run: Range<usize>, square: &Square, finest: u8, found: &mut impl FnMut(usize)) {
    let shift = shift_to_29(finest);
    let rows = &held[run.clone()];
    for cell in square.cells(finest).into_iter().flatten() {
        let start = rows.partition_point(|index| index >> shift < cell);
        for (place, index) in rows[start..].iter().enumerate() {
            if index >> shift != cell {
                break;
            }
            if square.holds(*index) {
                found(run.start + start + place);
            }
        }
    }
}

/// Half the width, in cells of order 29, of a square in the plane of a base cell that lies within the circle whatever the
/// place: two points no farther apart than d along x and y are no farther than two half-diagonals of a cell that wide. A cell
/// and a half are left for where in their cells the points are. `None` for radii that are not much wider than a cell.
fn steps_within(radius_deg: f64) -> Option<u64> {
    let radius = radius_deg.to_radians();
    let steps = radius / (2.0 * RADIUS_OF_ORDER_0_RAD / side(MAX_ORDER)) - 2.5;
    // Also false for NaN. Wider than a base cell, x and y mean nothing.
    (steps >= 1.0 && steps < side(MAX_ORDER - 1)).then(|| whole(steps.floor()))
}

/// The coarsest order with at least four cells between two indexes for each row, so that most hold none or one, but not finer
/// than `finest`.
fn directory_order(finest: u8, low: u64, high: u64, rows: usize) -> u8 {
    let cells = |order: u8| {
        let shift = shift_to_29(order);
        (high >> shift) - (low >> shift) + 1
    };
    (0..=finest)
        .find(|order| cells(*order) >= 4 * rows as u64)
        .unwrap_or(finest)
}

/// The square around a circle in the plane of its base cell: bounds of x and y, their bits left spread.
#[derive(Debug, Clone, Copy)]
struct Square {
    base: u64,
    x: (u64, u64),
    y: (u64, u64),
}

impl Square {
    /// It must lie within the base cell.
    #[inline]
    fn around(index: u64, half: u64) -> Self {
        // With the other bits set, a carry passes over them; with them clear, a borrow does.
        let (x, y) = (index & X, index & Y);
        Self {
            base: index & BASE,
            x: (x.wrapping_sub(half) & X, (x | !X).wrapping_add(half) & X),
            y: (y.wrapping_sub(half << 1) & Y, (y | !Y).wrapping_add(half << 1) & Y),
        }
    }

    /// Whether an index of the same base cell lies in the square.
    #[inline]
    fn holds(&self, index: u64) -> bool {
        let (x, y) = (index & X, index & Y);
        (x >= self.x.0) & (x <= self.x.1) & (y >= self.y.0) & (y <= self.y.1)
    }

    /// The cells of an order that the square touches, each once; four at most if they are wider than the square.
    #[inline]
    fn cells(&self, order: u8) -> [Option<u64>; 4] {
        let shift = shift_to_29(order);
        let cell = |x: u64, y: u64| (self.base | x | y) >> shift;
        let (x, y) = (self.x, self.y);
        let corners = [cell(x.0, y.0), cell(x.1, y.0), cell(x.0, y.1), cell(x.1, y.1)];
        let (wide, high) = (corners[0] != corners[1], corners[0] != corners[2]);
        [
            Some(corners[0]),
            wide.then_some(corners[1]),
            high.then_some(corners[2]),
            (wide && high).then_some(corners[3]),
        ]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sample::position;
    use crate::{LonLat, destination, index29};

    fn index(at: LonLat) -> u64 {
        index29(at.lon_deg(), at.lat_deg()).unwrap()
    }

    /// Places close to one another, around hard ones.
    fn crowd(radius_deg: f64) -> impl Strategy<Value = Vec<LonLat>> {
        (position(), prop::collection::vec((0.0..360.0, 0.0..6.0), 1..120)).prop_map(move |(around, offsets)| {
            let near = |(turn, radii): &(f64, f64)| destination(around, *turn, (radii * radius_deg).min(180.0));
            offsets.iter().map(near).collect()
        })
    }

    fn radius() -> impl Strategy<Value = f64> {
        prop_oneof![
            Just(0.0),
            Just(1e-5 / 3600.0),
            Just(0.01 / 3600.0),
            Just(1.0 / 3600.0),
            Just(0.05),
            Just(3.0),
            Just(30.0),
            Just(60.0),
            Just(180.0),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        #[test]
        fn no_neighbour_is_missed_and_none_comes_twice(
            (radius_deg, one, other) in radius().prop_flat_map(|radius| (Just(radius), crowd(radius), crowd(radius))),
            together in any::<bool>(),
            own in prop_oneof![Just(0..u64::MAX), (0..12_u64).prop_map(|base| base << 58..(base + 1) << 58), Just(0..0)],
            cut in (0..120_usize, 0..120_usize),
        ) {
            let sky: Vec<LonLat> = if together { one.iter().chain(&other).copied().collect() } else { other };
            let mut held: Vec<u64> = sky.iter().copied().map(index).collect();
            held.sort_unstable();
            // A part that begins and ends among the rows.
            let at = |row: usize| held.get(row).map_or(0, |index| index + 1);
            let own = if own.end == 1 << 58 { at(cut.0)..at(cut.1) } else { own };
            let search = IndexSearch::new(&held, own, radius_deg);
            for from in one {
                let mut found = vec![0_u8; held.len()];
                let mut sure = vec![false; held.len()];
                search.near_each(&held, &[index(from)], |_, place, within| {
                    found[place] += 1;
                    sure[place] = within;
                });
                prop_assert!(found.iter().all(|times| *times <= 1));
                for to in &sky {
                    let apart = from.to_vector().separation_deg(to.to_vector());
                    let own = held.binary_search(&index(*to)).unwrap();
                    prop_assert!(!sure[own] || apart < radius_deg, "{} apart, radius {}", apart, radius_deg);
                    if apart <= radius_deg {
                        let place = held.binary_search(&index(*to)).unwrap();
                        let same = held.iter().enumerate().filter(|(_, index)| **index == held[place]);
                        for (place, _) in same {
                            prop_assert_eq!(found[place], 1, "{} apart, radius {}", apart, radius_deg);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn few_are_found_that_lie_beyond() {
        let at = |step: u32| {
            LonLat::new(
                10.0 + f64::from(step % 300) / 3600.0,
                20.0 + f64::from(step / 300) / 3600.0,
            )
            .unwrap()
        };
        let mut held: Vec<u64> = (0..90_000).map(|step| index(at(step))).collect();
        held.sort_unstable();
        let search = IndexSearch::new(&held, 0..u64::MAX, 2.0 / 3600.0);
        let mut found = 0;
        for index in &held {
            search.near(&held, *index, |_| found += 1);
        }
        // About 13 grid points lie in each circle.
        assert!(found < 60 * held.len(), "{found}");
    }

    #[test]
    fn nothing_lies_within_no_radius() {
        let held = [5, 6, 7];
        for radius in [-1.0, f64::NAN] {
            IndexSearch::new(&held, 0..100, radius).near(&held, 6, |place| panic!("{place}"));
        }
    }
}
