//! Pairs told by indexes alone, for streamed rows of which nothing else was read.
//!
//! ```text
//!   indexes of a batch ─→ all pairs of a row decided ─→ they come out
//!                      └→ one too close to call      ─→ the row waits, and is read again with its coordinates
//! ```
//!
//! Rows with the same index have the same pairs, so an index says which rows wait.

use std::ops::Range;

use dreyer_sphere::{CellRanges, IndexSearch, PairTest, Verdict};

use super::index::SkyIndex;
use super::indexes::Indexes;
use super::judge::Pairs;

/// All of the curve.
const WHOLE: std::ops::Range<u64> = 0..12 << 58;

/// Decides which held rows lie within a radius of rows known by their index.
#[derive(Debug)]
pub(crate) struct Decider {
    search: IndexSearch,
    test: PairTest,
    /// Indexes of rows that wait.
    waiting: Vec<u64>,
}

impl Decider {
    /// One for a held side whose indexes are those of its positions.
    pub(crate) fn new(held: &SkyIndex, radius_deg: f64) -> Self {
        Self {
            search: IndexSearch::new(held.indexes(), WHOLE, radius_deg),
            test: PairTest::new(radius_deg),
            waiting: Vec::new(),
        }
    }

    /// The pairs of all rows at some places but of those that must wait.
    pub(crate) fn pairs(&mut self, held: &SkyIndex, indexes: &Indexes, places: Range<usize>) -> Pairs {
        let (mut pairs, mut waits) = (Pairs::default(), Vec::new());
        let (test, others) = (&self.test, held.indexes());
        let (first, some) = (places.start, &indexes.index[places]);
        self.search.near_each(others, some, |place, entry, within| {
            let verdict = match within {
                true => Verdict::Within,
                false => test.verdict(some[place], others[entry]),
            };
            match verdict {
                Verdict::Within => pairs.push(indexes.row(first + place), entry),
                Verdict::Beyond => {}
                Verdict::Unsure => waits.push(first + place),
            }
        });
        if !waits.is_empty() {
            self.waiting.extend(waits.iter().map(|place| indexes.index[*place]));
            let rows: Vec<u32> = waits.iter().map(|place| indexes.row(*place)).collect();
            pairs.retain(|row| rows.binary_search(&row).is_err());
        }
        pairs
    }

    /// The cells of the rows that wait, if there are any.
    pub(crate) fn waiting(&self) -> Option<CellRanges> {
        let cells = self.waiting.iter().map(|index| *index..index + 1);
        (!self.waiting.is_empty()).then(|| CellRanges::from_ranges(cells))
    }
}
