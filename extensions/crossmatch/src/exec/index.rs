//! One side held in memory, sorted along the HEALPix curve, and the search through it.
//!
//! A search works in cells of one order, coarse enough that most circles stay inside one cell:
//!
//! ```text
//!   ┌────────┬────────┐   ● inner row: its circle stays in its cell; the bits of the index say so
//!   │  ●     │        │     → one run of the sorted side
//!   │        │        │   ○ border row: its circle may cross an edge
//!   │       ○│        │     → the runs of the cell and of its eight neighbours
//!   └────────┴────────┘
//! ```
//!
//! Rows that come in sky order ask for the same cell again and again, so its runs are remembered.

use std::ops::Range;

use datafusion::arrow::array::RecordBatch;
use dreyer_sphere::{Cell, InnerTest, MAX_ORDER, finest_order_wider_than};

use super::position::Places;

/// Cells of the search are this many orders coarser than the finest ones that a circle cannot leave by more than
/// one: 32 times as wide, so that about one row in eight lies at a border.
const COARSER_ORDERS: u8 = 5;

/// Rows that a search cell may hold on average before it is cut finer.
const CROWDED: usize = 4;

/// A position known only by its stored index may be off by a cell of order 29, 0.4 milliarcseconds.
const INDEX_ERROR_DEG: f64 = 4e-7;

/// Floating-point slack of a squared chord, of unit vectors good to about 1e-16.
const CHORD_SLACK: f64 = 1e-9;

/// Rows of one side in the order of their HEALPix index.
#[derive(Debug, Default)]
pub(crate) struct SkyIndex {
    /// The rows themselves; the index holds places in them.
    pub(crate) batches: Vec<RecordBatch>,
    index: Vec<u64>,
    vector: Vec<[f64; 3]>,
    /// Batch and row of each entry; empty if they are given in `runs`.
    at: Vec<(u32, u32)>,
    runs: Vec<Run>,
}

/// Entries from `first` on that are rows of one batch, one after another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) first: usize,
    pub(crate) batch: usize,
    pub(crate) row: usize,
}

impl SkyIndex {
    /// Rows of several batches, given in order: their indexes, and the runs that they are. Without vectors; whoever searches
    /// here searches by the indexes.
    pub(crate) fn of_blocks(batches: Vec<RecordBatch>, index: Vec<u64>, runs: Vec<Run>) -> Self {
        Self {
            batches,
            index,
            runs,
            ..Self::default()
        }
    }

    /// Adds a batch with the places of its rows.
    pub(crate) fn push(&mut self, batch: RecordBatch, places: Places) {
        let number = u32::try_from(self.batches.len()).unwrap_or(u32::MAX);
        self.batches.push(batch);
        self.index.extend(places.index);
        self.vector.extend(places.vector);
        self.at.extend(places.row.into_iter().map(|row| (number, row)));
    }

    /// Sorts what was pushed; a no-op for rows that came in order.
    pub(crate) fn sort(&mut self) {
        if self.index.is_sorted() {
            return;
        }
        let mut order: Vec<usize> = (0..self.index.len()).collect();
        order.sort_by_key(|&entry| self.index[entry]);
        self.index = order.iter().map(|&entry| self.index[entry]).collect();
        self.vector = order.iter().map(|&entry| self.vector[entry]).collect();
        self.at = order.iter().map(|&entry| self.at[entry]).collect();
    }

    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// The HEALPix indexes of all entries, ascending.
    pub(crate) fn indexes(&self) -> &[u64] {
        &self.index
    }

    /// The HEALPix index of an entry.
    pub(crate) fn index_of(&self, entry: usize) -> u64 {
        self.index[entry]
    }

    /// Batch and row of an entry, as the interleave kernel takes them.
    pub(crate) fn place(&self, entry: usize) -> (usize, usize) {
        if self.at.is_empty() {
            let after = self.runs.partition_point(|run| run.first <= entry);
            let run = self.runs[after.saturating_sub(1)];
            return (run.batch, run.row + entry - run.first);
        }
        let (batch, row) = self.at[entry];
        (batch as usize, row as usize)
    }

    /// Bytes that an entry takes beside its batch.
    pub(crate) const ENTRY_BYTES: usize = 8 + 24 + 8;

    fn run(&self, cell_range: Range<u64>) -> Range<usize> {
        let start = self.index.partition_point(|&index| index < cell_range.start);
        let end = start + self.index[start..].partition_point(|&index| index < cell_range.end);
        start..end
    }
}

/// A search with one radius through a [`SkyIndex`], one row after another.
#[derive(Debug)]
pub(crate) struct Search {
    /// Order of the cells, and the test for rows whose circle stays inside one. `None`: every row is a candidate.
    cells: Option<(u8, InnerTest)>,
    /// Largest squared chord between unit vectors that is still a candidate.
    chord2: f64,
    cell: Option<u64>,
    own: Range<usize>,
    around: Option<Vec<Range<usize>>>,
}

impl Search {
    /// A search of `held` with a radius in degrees; nothing lies within a negative or undefined one.
    pub(crate) fn new(held: &SkyIndex, radius_deg: f64) -> Self {
        let nothing = radius_deg.is_nan() || radius_deg < 0.0;
        let radius_deg = (radius_deg + INDEX_ERROR_DEG).min(180.0);
        let half_chord = (radius_deg / 2.0).to_radians().sin();
        let chord2 = if nothing {
            -1.0
        } else {
            4.0 * half_chord * half_chord * (1.0 + CHORD_SLACK)
        };
        let cells = finest_order_wider_than(radius_deg)
            .map(|finest| search_order(held, finest))
            .map(|order| (order, InnerTest::new(order, radius_deg)));
        Self {
            cells,
            chord2,
            cell: None,
            own: 0..held.len(),
            around: None,
        }
    }

    /// Calls `found` with every entry of `held` that may lie within the radius of a row at `index`, `vector`.
    #[inline]
    pub(crate) fn candidates(&mut self, held: &SkyIndex, index: u64, vector: [f64; 3], mut found: impl FnMut(usize)) {
        let chord2 = self.chord2;
        let mut scan = |run: Range<usize>| {
            for (entry, other) in held.vector[run.clone()].iter().enumerate() {
                let [dx, dy, dz] = [other[0] - vector[0], other[1] - vector[1], other[2] - vector[2]];
                if dx * dx + dy * dy + dz * dz <= chord2 {
                    found(run.start + entry);
                }
            }
        };
        let Some((order, inner)) = &self.cells else {
            return scan(self.own.clone());
        };
        let number = index >> (2 * (MAX_ORDER - order));
        if self.cell != Some(number) {
            self.cell = Some(number);
            self.around = None;
            self.own = Cell::new(*order, number).map_or(0..0, |cell| held.run(cell.range()));
        }
        scan(self.own.clone());
        if !inner.is_inner(index) {
            let around = self.around.get_or_insert_with(|| {
                Cell::new(*order, number).map_or_else(
                    |_| Vec::new(),
                    |cell| {
                        cell.neighbours()
                            .into_iter()
                            .map(|near| held.run(near.range()))
                            .collect()
                    },
                )
            });
            around
                .iter()
                .filter(|run| !run.is_empty())
                .for_each(|run| scan(run.clone()));
        }
    }
}

/// The order to search at: coarse, but not so coarse that cells are crowded.
fn search_order(held: &SkyIndex, finest: u8) -> u8 {
    let mut order = finest.saturating_sub(COARSER_ORDERS);
    while order < finest {
        let shift = 2 * (MAX_ORDER - order);
        let occupied = 1 + held
            .index
            .windows(2)
            .filter(|pair| pair[0] >> shift != pair[1] >> shift)
            .count();
        if held.len() <= CROWDED * occupied {
            break;
        }
        order += 1;
    }
    order
}

#[cfg(test)]
mod tests {
    use dreyer_sphere::{LonLat, index29, separation_deg};
    use proptest::prelude::*;

    use super::*;

    fn places(sky: &[(f64, f64)]) -> Places {
        let mut places = Places::default();
        for (row, &(lon, lat)) in sky.iter().enumerate() {
            let vector = LonLat::new(lon, lat).unwrap().to_vector();
            places.index.push(index29(lon, lat).unwrap());
            places.vector.push([vector.x, vector.y, vector.z]);
            places.row.push(u32::try_from(row).unwrap());
        }
        places
    }

    fn empty_batch() -> RecordBatch {
        RecordBatch::new_empty(std::sync::Arc::new(datafusion::arrow::datatypes::Schema::empty()))
    }

    fn held(sky: &[(f64, f64)]) -> SkyIndex {
        let mut held = SkyIndex::default();
        held.push(empty_batch(), places(sky));
        held.sort();
        held
    }

    /// Places that are hard: poles, the wrap of right ascension, corners of base cells, clusters.
    fn anywhere(spread_deg: f64) -> impl Strategy<Value = (f64, f64)> {
        let near = move |lon: f64, lat: f64| {
            (-spread_deg..spread_deg, -spread_deg..spread_deg)
                .prop_map(move |(x, y)| ((lon + x).rem_euclid(360.0), (lat + y).clamp(-90.0, 90.0)))
        };
        let pole =
            move |sign: f64| (0.0..360.0, 0.0..spread_deg).prop_map(move |(lon, away)| (lon, sign * (90.0 - away)));
        prop_oneof![
            (0.0..360.0, -90.0..=90.0),
            near(0.0, 0.0),
            near(45.0, 41.810_314_895_778_6),
            near(90.0, 0.0),
            near(123.4, -41.8),
            pole(1.0),
            pole(-1.0),
            Just((0.0, 90.0)),
            Just((77.0, -90.0)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn no_pair_is_missed(
            (radius_deg, left, right) in prop_oneof![
                Just(0.01 / 3600.0), Just(1.0 / 3600.0), Just(0.1), Just(3.0), Just(30.0), Just(120.0), Just(180.0),
            ].prop_flat_map(|radius| {
                let place = anywhere((radius * 2.0_f64).min(60.0));
                let place2 = anywhere((radius * 2.0_f64).min(60.0));
                (Just(radius), prop::collection::vec(place, 1..60), prop::collection::vec(place2, 0..60))
            })
        ) {
            let held = held(&right);
            let mut search = Search::new(&held, radius_deg);
            for &(lon, lat) in &left {
                let vector = LonLat::new(lon, lat).unwrap().to_vector();
                let index = index29(lon, lat).unwrap();
                let mut found: Vec<usize> = Vec::new();
                search.candidates(&held, index, [vector.x, vector.y, vector.z], |entry| found.push(held.place(entry).1));
                found.sort_unstable();
                let unique = found.len();
                found.dedup();
                prop_assert_eq!(unique, found.len(), "a candidate came twice");
                for (row, &(lon2, lat2)) in right.iter().enumerate() {
                    let apart = separation_deg(lon, lat, lon2, lat2);
                    if apart <= radius_deg {
                        prop_assert!(found.contains(&row), "missed {apart} deg <= {radius_deg}");
                    }
                    if found.contains(&row) {
                        prop_assert!(apart <= radius_deg + 2e-6, "{apart} deg is no candidate for {radius_deg}");
                    }
                }
            }
        }
    }

    #[test]
    fn nothing_lies_within_a_negative_radius() {
        let held = held(&[(10.0, 10.0)]);
        for radius in [-1.0, f64::NAN] {
            let vector = LonLat::new(10.0, 10.0).unwrap().to_vector();
            let mut hits = 0;
            Search::new(&held, radius).candidates(
                &held,
                index29(10.0, 10.0).unwrap(),
                [vector.x, vector.y, vector.z],
                |_| hits += 1,
            );
            assert_eq!(hits, 0, "radius {radius}");
        }
    }

    #[test]
    fn crowded_cells_are_cut_finer() {
        let crowd: Vec<(f64, f64)> = (0..1000).map(|i| (10.0 + f64::from(i) * 1e-5, 10.0)).collect();
        let finest = finest_order_wider_than(1.0 / 3600.0).unwrap();
        assert!(search_order(&held(&crowd), finest) > search_order(&held(&[(10.0, 10.0)]), finest));
    }
}
