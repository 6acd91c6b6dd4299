//! Whose margins a row belongs to, told from its HEALPix index alone.
//!
//! The sky is cut into *targets*: the tiles of a catalogue, and the largest empty cells between them, which readers call
//! negative pixels. A margin holds whole cells of one order, the finest whose cells are wider than the threshold: two
//! points within the threshold then lie in the same cell or in cells that touch. So a row belongs to the margin of every
//! target that its own cell or a cell around it touches, except the target it lies in. That is everything within the
//! threshold and somewhat more, at the poles and across base cells as anywhere else.
//!
//! A target that is no coarser than those cells would get many times its own area; there, rows farther away than the
//! threshold from the circle around the target are left out.

use std::iter;
use std::ops::Range;

use dreyer_sphere::{Cell, CellRanges, Circle, MAX_ORDER, finest_order_wider_than, separation_deg};

use crate::error::{HatsError, Result};

/// Every second bit: the x coordinates of interleaved indexes.
const EVEN_BITS: u64 = 0x5555_5555_5555_5555;
/// How much finer than a tile its rim is described: 252 cells.
const RIM_STEPS: u8 = 6;
/// Added to distances from the middle of an order-29 cell to a target: more than such a cell is wide.
const SLACK_DEG: f64 = 1e-6;

/// A sky cut into targets, and how far their margins reach.
#[derive(Debug)]
pub(crate) struct Borders {
    /// Disjoint and in order along the curve; they cover the sky.
    targets: Vec<Cell>,
    /// Circles around the targets that are no coarser than the cells of the margin.
    circles: Vec<Option<Circle>>,
    /// Order of the cells of the margin.
    order: u8,
    threshold_deg: f64,
}

impl Borders {
    /// The borders of disjoint `tiles`.
    ///
    /// # Errors
    /// A threshold that is not a positive number of arcseconds below 39 degrees.
    pub(crate) fn new(tiles: impl IntoIterator<Item = Cell>, threshold_arcsec: f64) -> Result<Self> {
        let threshold_deg = threshold_arcsec / 3600.0;
        let order = finest_order_wider_than(threshold_deg).filter(|_| threshold_deg > 0.0);
        let order = order.ok_or_else(|| HatsError::Option {
            option: "margin_arcsec",
            fault: format!("must be above 0 and below 140000 (39 degrees), got {threshold_arcsec}"),
        })?;
        let mut targets: Vec<Cell> = tiles.into_iter().collect();
        let empty = targets.iter().copied().collect::<CellRanges>().complement();
        targets.extend(empty.cells());
        targets.sort();
        let circle = |cell: &Cell| (cell.order() >= order).then(|| cell.bounding_circle());
        Ok(Self {
            circles: targets.iter().map(circle).collect(),
            targets,
            order,
            threshold_deg,
        })
    }

    /// The target of a number.
    pub(crate) fn target(&self, number: u32) -> Option<Cell> {
        self.targets.get(usize::try_from(number).ok()?).copied()
    }

    /// Where in `tile` the rows lie that belong to any margin, and somewhat more.
    pub(crate) fn rim(&self, tile: Cell) -> CellRanges {
        let steps = self.order.saturating_sub(tile.order()).min(RIM_STEPS);
        if steps == 0 {
            return CellRanges::of_cell(tile);
        }
        let fine = tile.order() + steps;
        tile.children(fine)
            .filter(|cell| !is_inside(cell.index(), steps))
            .collect()
    }

    /// Calls `found` with the number of each target whose margin holds a row of this index. `memory` speeds up rows that
    /// come in the order of the curve; it may start empty.
    pub(crate) fn each_target(&self, index29: u64, memory: &mut Memory, mut found: impl FnMut(u32)) {
        if !memory.owner.contains(&index29) {
            let at = self.targets.partition_point(|cell| cell.range().end <= index29);
            let Some(owner) = self.targets.get(at) else { return };
            memory.owner = owner.range();
            memory.steps = self.order.saturating_sub(owner.order());
        }
        let cell = index29 >> (2 * u32::from(MAX_ORDER - self.order));
        if memory.steps > 0 && is_inside(cell, memory.steps) {
            return;
        }
        if memory.cell != Some(cell) {
            memory.cell = Some(cell);
            self.find_around(cell, &mut memory.around);
        }
        for number in &memory.around {
            let at = *number as usize;
            if !memory.owner.contains(&self.targets[at].range().start) && self.is_near(at, index29) {
                found(*number);
            }
        }
    }

    /// The numbers of the targets that a cell of the margin's order, or a cell around it, touches.
    fn find_around(&self, cell: u64, around: &mut Vec<u32>) {
        around.clear();
        let Ok(cell) = Cell::new(self.order, cell) else { return };
        for part in iter::once(cell).chain(cell.neighbours()) {
            let range = part.range();
            let first = self.targets.partition_point(|target| target.range().end <= range.start);
            let end = self.targets.partition_point(|target| target.range().start < range.end);
            around.extend((first..end).filter_map(|number| u32::try_from(number).ok()));
        }
        around.sort_unstable();
        around.dedup();
    }

    /// Whether a row may lie within the threshold of a small target; of any other it is near enough.
    fn is_near(&self, target: usize, index29: u64) -> bool {
        let Some(Some(circle)) = self.circles.get(target) else {
            return true;
        };
        let Ok(row) = Cell::new(MAX_ORDER, index29) else {
            return false;
        };
        let (row, middle) = (row.center(), circle.center());
        let distance_deg = separation_deg(row.lon_deg(), row.lat_deg(), middle.lon_deg(), middle.lat_deg());
        distance_deg <= circle.radius_deg() + self.threshold_deg + SLACK_DEG
    }
}

/// What [`Borders::each_target`] remembers from one row to the next.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    owner: Range<u64>,
    /// How much finer than the owner the cells of the margin are.
    steps: u8,
    cell: Option<u64>,
    around: Vec<u32>,
}

/// Whether the cell of an index does not touch the edge of the cell that is `steps` orders coarser.
fn is_inside(index: u64, steps: u8) -> bool {
    let last = EVEN_BITS & ((1_u64 << (2 * u32::from(steps))) - 1);
    let (x, y) = (index & last, (index >> 1) & last);
    x != 0 && x != last && y != 0 && y != last
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use dreyer_sphere::{LonLat, destination, index29};
    use proptest::prelude::*;

    use super::*;

    fn cell(order: u8, index: u64) -> Cell {
        Cell::new(order, index).unwrap()
    }

    fn found(borders: &Borders, index: u64) -> BTreeSet<Cell> {
        let mut cells = BTreeSet::new();
        borders.each_target(index, &mut Memory::default(), |number| {
            cells.insert(borders.target(number).unwrap());
        });
        cells
    }

    #[test]
    fn targets_cover_the_sky_with_the_largest_empty_cells() {
        let borders = Borders::new((44..48).map(|index| cell(1, index)), 10.0).unwrap();
        assert_eq!(borders.targets.len(), 11 + 4);
        let borders = Borders::new([cell(1, 44)], 10.0).unwrap();
        assert_eq!(borders.targets[11..], [44, 45, 46, 47].map(|index| cell(1, index)));
        assert!(Borders::new([], 10.0).is_ok_and(|borders| borders.targets.len() == 12));
    }

    #[test]
    fn a_threshold_without_meaning_is_refused() {
        for threshold in [0.0, -1.0, f64::NAN, f64::INFINITY, 39.5 * 3600.0] {
            let error = Borders::new([], threshold).unwrap_err().to_string();
            assert!(
                error.starts_with("import option margin_arcsec must be above 0"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_pole_borders_on_the_four_cells_around_it() {
        let borders = Borders::new((0..12).map(|index| cell(0, index)), 5.0).unwrap();
        let pole = index29(10.0, 89.9999).unwrap();
        assert_eq!(found(&borders, pole), [1, 2, 3].map(|index| cell(0, index)).into());
        assert!(found(&borders, index29(45.0, 45.0).unwrap()).is_empty());
    }

    /// Tilings of several orders, with holes.
    fn tiling() -> impl Strategy<Value = Vec<Cell>> {
        let base = prop::collection::vec((0_u8..6, any::<u64>(), any::<bool>()), 1..40);
        base.prop_map(|seeds| {
            let mut covered = CellRanges::default();
            let mut tiles = Vec::new();
            for (order, seed, _) in seeds {
                let cell = cell(order, seed % (12 << (2 * u32::from(order))));
                if !covered.overlaps(&cell.range()) {
                    covered = covered.union(&CellRanges::of_cell(cell));
                    tiles.push(cell);
                }
            }
            tiles
        })
    }

    proptest! {
        /// What lies within the threshold of a row lies in its own target or in one whose margin holds the row.
        #[test]
        fn every_point_within_the_threshold_shares_a_target(
            tiles in tiling(),
            z in -1.0_f64..=1.0,
            near_edge in any::<bool>(),
            lon in 0.0_f64..360.0,
            bearing in 0.0_f64..360.0,
            exponent in -1.0_f64..5.0,
            part in 0.0_f64..1.0,
        ) {
            let threshold_arcsec = 10_f64.powf(exponent);
            let borders = Borders::new(tiles, threshold_arcsec).unwrap();
            let from = LonLat::new(lon, z.asin().to_degrees()).unwrap();
            // Half of the rows lie by a corner of a target, where it is hardest.
            let from = if near_edge {
                let number = index29(from.lon_deg(), from.lat_deg()).unwrap();
                let at = borders.targets.partition_point(|cell| cell.range().end <= number);
                destination(borders.targets[at].vertices()[0], bearing + 90.0, part * threshold_arcsec / 3600.0)
            } else { from };
            let to = destination(from, bearing, part * threshold_arcsec / 3600.0);
            let (from, to) = (index29(from.lon_deg(), from.lat_deg()).unwrap(), index29(to.lon_deg(), to.lat_deg()).unwrap());
            let near = found(&borders, from);
            let own = |target: &&Cell| target.range().contains(&to);
            let target = borders.targets.iter().find(own).unwrap();
            prop_assert!(target.range().contains(&from) || near.contains(target));
            prop_assert!(near.iter().all(|target| !target.range().contains(&from)));
            // The rim of the row's own target holds it.
            if !near.is_empty() {
                let owner = borders.targets.iter().find(|target| target.range().contains(&from)).unwrap();
                prop_assert!(borders.rim(*owner).contains(from));
            }
        }
    }
}
