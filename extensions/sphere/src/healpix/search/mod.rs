//! Finding in sorted order-29 indexes those near another, without trigonometry.
//!
//! ```text
//!  sieve       one bit a cell, sixteen cells a row or more: whether any row's surroundings touch it.  Most rows end here
//!  directory   one entry a cell, four cells a row or more:  cell ─► run of rows
//!   ┌────────┬────────┐
//!   │  ●     │        │   ● a row whose circle stays in its cell, as the bits of the index say:  one run
//!   │        │        │
//!   │       ○│        │   ○ a border row: the runs of the two or four cells that its square touches
//!   └────────┴────────┘
//! ```
//!
//! In a run, what lies in the square around the circle is found by masks and comparisons (`square.rs`). Only at the edges of
//! base cells, where the axes of the neighbour may be turned, the library is asked which cells touch.
//!
//! Rows go through these steps together, some hundred at a time. Which rows pass the sieve and which pairs stand is kept
//! without branches: they would be mispredicted every few rows.

mod directory;
mod sieve;
mod square;

use std::ops::Range;

use self::directory::Directory;
use self::sieve::Sieve;
use self::square::{Offset, Reach, Square};
use super::inner::border_steps;
use super::{Cell, InnerTest, MAX_ORDER, finest_order_wider_than, shift_to_29};

/// A run that is longer than this is searched by finer cells.
const LONG_RUN: u32 = 24;

/// Indexes that are looked at together, and pairs proposed for them before these are looked at.
const AT_ONCE: usize = 256;
const PROPOSALS: usize = 512;

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
    sieve: Sieve,
    directory: Directory,
    /// Rows that pass lie so far inside their base cell that their square does too.
    in_base: InnerTest,
    /// The square around the circle, and one within it.
    around: Reach,
    within: Option<Reach>,
    /// The finest order at which a square touches four cells at most.
    finest: Option<u8>,
    nothing: bool,
}

/// A part of the curve, and what rows in it are looked for with.
#[derive(Debug, Clone, Copy)]
struct Span {
    low: u64,
    high: u64,
    finest: u8,
    radius_deg: f64,
}

/// A row that may be near, or all that are to be looked for.
#[derive(Debug, Clone, Copy)]
struct Proposal {
    /// The place of the index that it may be near to.
    place: u16,
    /// Whether the indexes alone say so.
    within: bool,
    /// The place of the row; [`LOOK`] if other cells matter as well, or many rows.
    entry: u32,
}

const LOOK: u32 = u32::MAX;

impl IndexSearch {
    /// A search through `held`, which must be sorted and shorter than 2³². Rows in `own` are found by a directory, others
    /// by bisection: meant for the few that lie around. Nothing lies within a negative radius or NaN.
    #[must_use]
    pub fn new(held: &[u64], own: Range<u64>, radius_deg: f64) -> Self {
        let nothing = radius_deg.is_nan() || radius_deg < 0.0;
        let steps = border_steps(radius_deg);
        let finest = finest_order_wider_than(radius_deg).and_then(|widest| {
            let steps = steps?;
            (0..=widest).rev().find(|order| 2 * steps < 1 << (MAX_ORDER - order))
        });
        let mut search = Self {
            sieve: Sieve::open(),
            directory: Directory::empty(radius_deg),
            in_base: InnerTest::new(0, radius_deg),
            around: Reach::new(steps.unwrap_or(0)),
            within: Reach::within(radius_deg),
            finest,
            nothing,
        };
        let start = held.partition_point(|index| *index < own.start);
        let rows = &held[start..held.partition_point(|index| *index < own.end).max(start)];
        if let (Some(finest), Some((low, high))) = (finest, rows.first().zip(rows.last())) {
            let span = Span {
                low: *low,
                high: *high,
                finest,
                radius_deg,
            };
            search.sieve = Sieve::new(held, rows.len(), span);
            search.directory = Directory::new(held, rows.len(), span);
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
        if self.nothing || held.is_empty() {
            return;
        }
        let Some(finest) = self.finest else {
            for place in 0..indexes.len() {
                (0..held.len()).for_each(|entry| found(place, entry, false));
            }
            return;
        };
        let mut places = [0; AT_ONCE];
        let mut proposals = [Proposal {
            place: 0,
            within: false,
            entry: LOOK,
        }; PROPOSALS];
        for (number, some) in indexes.chunks(AT_ONCE).enumerate() {
            let passed = self.sieve.pass(some, &mut places);
            let mut places = &places[..passed];
            while !places.is_empty() {
                let (proposed, done) = self.propose(held, some, places, &mut proposals);
                places = &places[done..];
                for proposal in &proposals[..proposed] {
                    let place = number * AT_ONCE + usize::from(proposal.place);
                    match proposal.entry {
                        LOOK => self.look(held, indexes[place], finest, |entry, within| {
                            found(place, entry, within)
                        }),
                        entry => found(place, entry as usize, proposal.within),
                    }
                }
            }
        }
    }

    /// Proposes the rows near the indexes at these places: how many, and for how many of the places.
    #[inline(never)]
    fn propose(
        &self,
        held: &[u64],
        indexes: &[u64],
        places: &[u16],
        proposals: &mut [Proposal; PROPOSALS],
    ) -> (usize, usize) {
        let shift = shift_to_29(self.directory.order);
        let (around, within, sure) = (self.around, self.within.unwrap_or(self.around), self.within.is_some());
        let mut count = 0;
        for (number, &place) in places.iter().enumerate() {
            let index = indexes[usize::from(place)];
            let inner = self.directory.inner.is_inner(index);
            let rows = match self.directory.run(index >> shift) {
                Some(run) if inner & (run.len() <= LONG_RUN as usize) => run,
                _ => {
                    proposals[count % PROPOSALS] = Proposal {
                        place,
                        within: false,
                        entry: LOOK,
                    };
                    count += 1;
                    continue;
                }
            };
            let near = held.get(rows.start as usize..rows.end as usize).unwrap_or_default();
            for (entry, &row) in rows.zip(near) {
                let offset = Offset::between(index, row);
                // Written in any case, and kept if it stands: a branch would be mispredicted.
                proposals[count % PROPOSALS] = Proposal {
                    place,
                    within: sure & within.holds(offset),
                    entry,
                };
                count += usize::from(around.holds(offset));
            }
            if count > PROPOSALS - LONG_RUN as usize {
                return (count, number + 1);
            }
        }
        (count, places.len())
    }

    /// All rows near one whose square touches more than one cell, or whose cell lies outside the directory or is crowded.
    #[inline(never)]
    fn look(&self, held: &[u64], index: u64, finest: u8, mut found: impl FnMut(usize, bool)) {
        if !self.in_base.is_inner(index) {
            return across_bases(held, index, finest, &mut |entry| found(entry, false));
        }
        let square = Square::around(index, self.around);
        for cell in square.cells(self.directory.order).into_iter().flatten() {
            let run = self.run(held, cell);
            self.scan(held, run, &square, finest, &mut |entry: usize| {
                let within = |within: Reach| within.holds(Offset::between(index, held[entry]));
                found(entry, self.within.is_some_and(within));
            });
        }
    }

    /// The rows in a cell of the directory's order: by it, of a crowd by bisection there, and outside by bisection of all.
    #[inline]
    fn run(&self, held: &[u64], cell: u64) -> Range<usize> {
        if let Some(run) = self.directory.run(cell) {
            return run.start as usize..run.end as usize;
        }
        let among = self.directory.around(cell).unwrap_or(0..held.len());
        let run = run_of(&held[among.clone()], cell, self.directory.order);
        among.start + run.start..among.start + run.end
    }

    #[inline]
    fn scan(&self, held: &[u64], run: Range<usize>, square: &Square, finest: u8, found: &mut impl FnMut(usize)) {
        if run.len() > LONG_RUN as usize && finest > self.directory.order {
            return scan_long(held, run, square, finest, found);
        }
        for place in run {
            if square.holds(held[place]) {
                found(place);
            }
        }
    }
}

/// The rows in a cell, by bisection.
fn run_of(held: &[u64], cell: u64, order: u8) -> Range<usize> {
    let shift = shift_to_29(order);
    let start = held.partition_point(|index| index >> shift < cell);
    start..start + held[start..].partition_point(|index| index >> shift == cell)
}

/// At the edge of a base cell: all rows of the cell and of those that touch it.
#[cold]
fn across_bases(held: &[u64], index: u64, finest: u8, found: &mut impl FnMut(usize)) {
    let Ok(cell) = Cell::new(finest, index >> shift_to_29(finest)) else {
        return;
    };
    for near in cell.neighbours().into_iter().chain([cell]) {
        run_of(held, near.index(), finest).for_each(&mut *found);
    }
}

/// A run of many rows: only those in the finest cells that the square touches are looked at.
fn scan_long(held: &[u64], run: Range<usize>, square: &Square, finest: u8, found: &mut impl FnMut(usize)) {
    let rows = &held[run.clone()];
    for cell in square.cells(finest).into_iter().flatten() {
        for place in run_of(rows, cell, finest) {
            if square.holds(rows[place]) {
                found(run.start + place);
            }
        }
    }
}

/// The coarsest order that has so many cells in a span, but not finer than its finest.
fn order_with(cells: u64, span: Span) -> u8 {
    let between = |order: u8| {
        let shift = shift_to_29(order);
        (span.high >> shift) - (span.low >> shift) + 1
    };
    let enough = (0..=span.finest).find(|order| between(*order) >= cells);
    enough.unwrap_or(span.finest)
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

    /// Six hundred rows within five arcseconds, and as many on the degree around: too many for their word of the directory.
    #[test]
    fn none_of_a_crowd_is_missed() {
        let middle = LonLat::new(201.69, -47.48).unwrap();
        let spiral = |number: u32, width_deg: f64| {
            let share = (f64::from(number) / 600.0).sqrt();
            destination(middle, 137.5 * f64::from(number), width_deg * share)
        };
        let sky: Vec<LonLat> = (0..1200)
            .map(|number| {
                if number < 600 {
                    spiral(number, 5.0 / 3600.0)
                } else {
                    spiral(number - 600, 1.0)
                }
            })
            .collect();
        let mut held: Vec<u64> = sky.iter().copied().map(index).collect();
        held.sort_unstable();
        let radius_deg = 1.0 / 3600.0;
        let search = IndexSearch::new(&held, 0..u64::MAX, radius_deg);
        let mut pairs = 0;
        for from in &sky {
            let mut found = vec![0; held.len()];
            search.near(&held, index(*from), |place| found[place] += 1);
            assert!(found.iter().all(|times| *times <= 1));
            for to in &sky {
                if from.to_vector().separation_deg(to.to_vector()) <= radius_deg {
                    assert_eq!(found[held.binary_search(&index(*to)).unwrap()], 1);
                    pairs += 1;
                }
            }
        }
        assert!(pairs > 10_000, "{pairs}");
    }

    #[test]
    fn nothing_lies_within_no_radius() {
        let held = [5, 6, 7];
        for radius in [-1.0, f64::NAN] {
            IndexSearch::new(&held, 0..100, radius).near(&held, 6, |place| panic!("{place}"));
        }
    }
}
