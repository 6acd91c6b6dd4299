//! Where the rows lie: a histogram of the sky that grows finer where rows crowd, taken while they stream by.
//!
//! Cells of one order, 10 or coarser as memory allows, are counted exactly. A cell that gets crowded is counted three orders finer from then on, and so
//! forth, down to the finest cells. What had been counted before that moment is known to lie in the cell, but not where:
//! it is carried along as an uncertainty, small beside the limit of a tile.

use std::collections::HashMap;

use dreyer_sphere::{Cell, MAX_ORDER};

use crate::supplement::SkyHistogram;

/// The finest order of the exact count: 12.6 million cells of 3.4 arcmin.
const FINEST_BASE: u8 = 10;
/// Bytes that a cell which holds rows may take in all: its sum, and a pair of numbers when the sums are evaluated.
const CELL_BYTES: u64 = 32;
/// Bytes of a crowd, its place in a map included.
const CROWD_BYTES: u64 = 640;
/// How much finer crowded cells are counted, at each level.
const STEP: u8 = 3;

/// Weights per cell of the base order, in pages of 256 cells that exist once they are needed: a small patch of sky takes
/// little memory, the whole sky 100 MB at the finest.
#[derive(Debug, Default)]
pub(crate) struct Pages(Vec<Option<Box<[u64; 256]>>>);

impl Pages {
    /// Adds, and gives the sum of the cell.
    fn add(&mut self, cell: u64, weight: u64) -> u64 {
        let Ok(page) = usize::try_from(cell >> 8) else { return 0 };
        if page >= self.0.len() {
            self.0.resize_with(page + 1, || None);
        }
        let sums = self.0[page].get_or_insert_with(|| Box::new([0; 256]));
        let sum = &mut sums[(cell & 0xFF) as usize];
        *sum += weight;
        *sum
    }

    fn cells(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let pages = self.0.iter().enumerate();
        let pages = pages.filter_map(|(at, page)| Some((at as u64, page.as_deref()?)));
        pages.flat_map(|(at, page)| (at << 8..).zip(page.iter().copied()).filter(|(_, sum)| *sum > 0))
    }
}

/// A crowded cell, counted finer since it became one.
#[derive(Debug)]
pub(crate) struct Crowd {
    /// What was counted before, somewhere in the cell.
    pub(crate) before: u64,
    parts: Box<[u64]>,
    finer: HashMap<u8, Crowd>,
    order: u8,
}

impl Crowd {
    fn new(order: u8, before: u64) -> Self {
        let parts = vec![0; 1 << (2 * (Self::fine_order(order) - order))].into();
        Self {
            before,
            parts,
            finer: HashMap::new(),
            order,
        }
    }

    fn fine_order(order: u8) -> u8 {
        (order + STEP).min(MAX_ORDER)
    }

    /// The order of its parts.
    pub(crate) fn parts_order(&self) -> u8 {
        Self::fine_order(self.order)
    }

    /// Where the part that is the cell `index` of its order stands.
    fn at(&self, index: u64) -> usize {
        (index & 63) as usize & (self.parts.len() - 1)
    }

    fn add(&mut self, index: u64, weight: u64, threshold: u64) {
        let fine = self.parts_order();
        let at = self.at(index >> (2 * (MAX_ORDER - fine)));
        let sum = &mut self.parts[at];
        *sum += weight;
        if *sum <= threshold || fine == MAX_ORDER {
            return;
        }
        let before = *sum - weight;
        let Ok(at) = u8::try_from(at) else { return };
        let crowd = self.finer.entry(at).or_insert_with(|| Self::new(fine, before));
        crowd.add(index, weight, threshold);
    }

    /// What was counted in `cell`, which lies within this one and is no finer than its parts.
    pub(crate) fn within(&self, cell: Cell) -> u64 {
        let shift = 2 * (self.parts_order() - cell.order());
        let first = self.at(cell.index() << shift);
        self.parts
            .get(first..first + (1 << shift))
            .unwrap_or_default()
            .iter()
            .sum()
    }

    /// The crowd that one of its parts is.
    pub(crate) fn part(&self, cell: Cell) -> Option<&Self> {
        let at = self.at(cell.index());
        self.finer.get(&u8::try_from(at).ok()?)
    }
}

/// The weights of all rows on the sky, and their numbers.
#[derive(Debug)]
pub(crate) struct Census {
    /// Order of the exact count.
    base: u8,
    weights: Pages,
    /// Numbers of rows, where weights are something else.
    rows: Option<Pages>,
    crowds: HashMap<u64, Crowd>,
    total: u64,
    least_crowd: u64,
    /// Crowded cells are at most about this many: what makes a crowd grows with the rows.
    most_crowds: u64,
}

impl Census {
    /// A census in which a cell is crowded from a weight of `crowd` on. `weighted` says that rows weigh other than one. It
    /// takes about `memory_bytes` at most, by counting as finely as that allows.
    pub(crate) fn new(crowd: u64, weighted: bool, memory_bytes: u64) -> Self {
        let cells = |order: u8| 12 << (2 * order);
        let fits = |order: &u8| cells(*order) * CELL_BYTES <= memory_bytes / 2;
        Self {
            base: (0..=FINEST_BASE).rev().find(fits).unwrap_or(0),
            most_crowds: (memory_bytes / 2 / CROWD_BYTES).max(1),
            weights: Pages::default(),
            rows: weighted.then(Pages::default),
            crowds: HashMap::new(),
            total: 0,
            least_crowd: crowd.max(1),
        }
    }

    /// Counts rows by their order-29 indices. `weights` has one weight each; without it a row weighs one.
    pub(crate) fn add(&mut self, indexes: &[i64], weights: Option<&[u64]>) {
        let threshold = self.least_crowd.max(self.total / self.most_crowds);
        for (at, index) in indexes.iter().enumerate() {
            let Ok(index) = u64::try_from(*index) else { continue };
            let weight = weights.and_then(|weights| weights.get(at)).copied().unwrap_or(1);
            let cell = index >> (2 * (MAX_ORDER - self.base));
            let sum = self.weights.add(cell, weight);
            self.total += weight;
            if let Some(rows) = &mut self.rows {
                rows.add(cell, 1);
            }
            if sum > threshold {
                let crowd = self.crowds.entry(cell);
                let crowd = crowd.or_insert_with(|| Crowd::new(self.base, sum - weight));
                crowd.add(index, weight, threshold);
            }
        }
    }

    /// Order of the exact count.
    pub(crate) fn base_order(&self) -> u8 {
        self.base
    }

    /// Cells of the base order and their weights, in order.
    pub(crate) fn cells(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.weights.cells()
    }

    /// The finer count of a cell of the base order.
    pub(crate) fn crowd(&self, cell: u64) -> Option<&Crowd> {
        self.crowds.get(&cell)
    }

    pub(crate) fn into_histogram(self) -> SkyHistogram {
        SkyHistogram {
            order: self.base,
            counts: self.rows.unwrap_or(self.weights).cells().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_is_counted_finer_and_nothing_is_lost() {
        let mut census = Census::new(4, false, 2 << 30);
        assert_eq!(census.base_order(), 10);
        let indexes: Vec<i64> = (0..1000).map(|at| (7 << 38) + (at % 10) * (1 << 20) + at).collect();
        census.add(&indexes, None);
        census.add(&[1 << 50], None);
        assert_eq!(census.cells().collect::<Vec<_>>(), [(7, 1000), (1 << 12, 1)]);
        let crowd = census.crowd(7).unwrap();
        let cell = Cell::new(10, 7).unwrap();
        assert_eq!(crowd.before, 4);
        assert_eq!(crowd.within(cell), 996);
        let histogram = census.into_histogram();
        assert_eq!(histogram.counts, [(7, 1000), (1 << 12, 1)]);
    }

    #[test]
    fn all_rows_in_one_spot_reach_the_finest_order() {
        for (memory_bytes, base) in [(2_u64 << 30, 10), (300 << 20, 9), (64 << 20, 8), (16 << 20, 7), (0, 0)] {
            let mut census = Census::new(1, true, memory_bytes);
            assert_eq!(census.base_order(), base);
            census.add(&[5; 100], Some(&[1000; 100]));
            let mut order = census.base_order();
            let mut crowd = census.crowd(0);
            while let Some(finer) = crowd {
                order = finer.parts_order();
                crowd = finer.part(Cell::new(order, 5 >> (2 * (29 - order))).unwrap());
            }
            // Where there is room for one crowd only, nothing is counted finer.
            assert!(order == 29 || memory_bytes == 0, "{order}");
            assert_eq!(census.into_histogram().counts, [(0, 100)]);
        }
    }
}
