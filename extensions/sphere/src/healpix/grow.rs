//! Growing a set of cells by a radius.
//!
//! Two points no farther apart than the width of a cell lie in the same or in touching cells. So adding all touching
//! cells of order g grows a set by that order's width, and n rounds grow it by n widths: no distance is ever computed.

use std::f64::consts::PI;

use cdshealpix::nested;

use super::{Cell, CellRanges, MAX_ORDER, WIDTH_OF_ORDER_0_RAD, cells_of_order, side};

/// How much finer than the largest cell the added border may be: 1/64 of its width.
const FINER_THAN_TILE: u8 = 6;

/// How much finer than the radius the added border may be, so that eight rounds suffice.
const FINER_THAN_RADIUS: u8 = 3;

/// How many border cells a round may touch; sets with a longer border get coarser ones.
const MAX_BORDER_CELLS: u64 = 16_384;

pub(super) fn grow(ranges: &CellRanges, radius_deg: f64) -> CellRanges {
    if ranges.is_empty() || ranges.is_everything() {
        return ranges.clone();
    }
    if radius_deg.is_nan() {
        return CellRanges::everything();
    }
    let radius = radius_deg.max(0.0).to_radians();
    let finest = super::finest_order_wider_than(radius_deg.max(0.0))
        .unwrap_or(0)
        .saturating_add(FINER_THAN_RADIUS);
    let order = border_order(ranges, finest.min(MAX_ORDER));
    let mut grown = ranges.at_order(order);
    let width = WIDTH_OF_ORDER_0_RAD / side(order);
    let mut left = radius.min(PI) * (1.0 + 1e-12);
    loop {
        grown = add_touching(&grown, order);
        left -= width;
        if left <= 0.0 || grown.is_everything() {
            return grown;
        }
    }
}

/// The finest order, not above `finest`, at which the border is fine enough for the set's largest cell and not too long.
fn border_order(ranges: &CellRanges, finest: u8) -> u8 {
    let largest = ranges.cells().map(Cell::order).min().unwrap_or(0);
    let mut order = finest.min(largest.saturating_add(FINER_THAN_TILE));
    while order > 0 {
        let length: u64 = ranges
            .at_order(order)
            .cells()
            .map(|cell| 4 + (4 << (order - cell.order())))
            .sum();
        if length <= MAX_BORDER_CELLS {
            break;
        }
        order -= 1;
    }
    order
}

/// Adds all cells of an order that touch the set, which must consist of whole cells of that order.
fn add_touching(ranges: &CellRanges, order: u8) -> CellRanges {
    let mut touching = Vec::new();
    for cell in ranges.cells() {
        nested::get(cell.order()).append_external_edge(cell.index(), order - cell.order(), &mut touching);
    }
    debug_assert!(
        touching.iter().all(|index| *index < cells_of_order(order)),
        "a border cell beyond the last"
    );
    touching.sort_unstable();
    touching.dedup();
    let border: CellRanges = touching
        .into_iter()
        .map(|index| Cell::unchecked(order, index))
        .collect();
    ranges.union(&border)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sample::{position, radius_deg};
    use crate::{Circle, LonLat, Region, destination, index29};

    fn index(at: LonLat) -> u64 {
        index29(at.lon_deg(), at.lat_deg()).unwrap()
    }

    /// The library's external edges against neighbours of neighbours, for all cells of coarse orders.
    #[test]
    fn a_border_is_what_touches() {
        for order in 0..=3_u8 {
            for finer in 0..=3_u8 {
                for cell in (0..cells_of_order(order)).map(|index| Cell::unchecked(order, index)) {
                    let own = CellRanges::of_cell(cell);
                    let expected = cell
                        .children(order + finer)
                        .flat_map(Cell::neighbours)
                        .collect::<CellRanges>();
                    assert_eq!(
                        add_touching(&own, order + finer),
                        own.union(&expected),
                        "{cell:?} +{finer}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_small_radius_adds_a_thin_border() {
        for order in [0, 3, 5, 8, 20] {
            let tile = CellRanges::of_cell(Cell::new(order, 7).unwrap());
            let radius = 1e-2 / f64::from(1 << order);
            let growth = tile.grow(radius).cell_count() as f64 / tile.cell_count() as f64;
            assert!(growth < 1.08, "order {order}: {growth}");
        }
    }

    #[test]
    fn a_large_radius_overshoots_by_a_fraction() {
        let tile = CellRanges::of_cell(Cell::new(10, 7_654_321).unwrap());
        for radius in [0.5, 2.0, 10.0, 30.0, 60.0] {
            let share = tile.grow(radius).cell_count() as f64 / CellRanges::everything().cell_count() as f64;
            let wider =
                Region::from(Circle::new(LonLat::new(0.0, 0.0).unwrap(), f64::min(radius * 2.5, 180.0)).unwrap());
            assert!(share * 41_253.0 < wider.area_sqdeg(), "{radius}: {share}");
        }
    }

    #[test]
    fn odd_radii() {
        let tile = CellRanges::of_cell(Cell::new(5, 7).unwrap());
        assert!(tile.grow(f64::NAN).is_everything());
        assert!(tile.grow(f64::INFINITY).is_everything());
        assert!(tile.grow(180.0).is_everything());
        assert_eq!(tile.grow(-1.0), tile.grow(0.0));
    }

    #[test]
    fn a_long_border_is_cut_down() {
        let scattered = (0..12_288)
            .step_by(3)
            .map(|index| Cell::unchecked(5, index))
            .collect::<CellRanges>();
        assert!(scattered.grow(1.0 / 3600.0).len() <= scattered.len() * 8);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn nothing_within_the_radius_is_left_out(
            at in position(), order in 0..=29_u8, radius in radius_deg(), ragged in (0..15_u64, 0..15_u64),
        ) {
            let range = Cell::containing(order, at).range();
            let length = range.end - range.start;
            let start = range.start + length * ragged.0 / 16;
            let end = range.end - (range.end - start) * ragged.1 / 16;
            let set = CellRanges::of_range(start..end.max(start + 1));
            let grown = set.grow(radius);
            prop_assert!(set.difference(&grown).is_empty());
            // From the set's own points, those at cell corners included, all around.
            for cell in set.cells().step_by(3).take(12) {
                for from in cell.vertices().into_iter().chain([cell.center()]) {
                    if set.contains(index(from)) {
                        for turn in 0..24 {
                            let to = destination(from, f64::from(turn) * 15.0, radius);
                            prop_assert!(grown.contains(index(to)), "{:?} to {:?}", from, to);
                        }
                    }
                }
            }
        }

        #[test]
        fn covers_grow_too(center in position(), radius in radius_deg(), more in radius_deg()) {
            let cover = Region::from(Circle::new(center, radius).unwrap()).cover(200);
            let grown = cover.grow(more);
            for turn in 0..24 {
                let edge = destination(center, f64::from(turn) * 15.0, radius);
                for onward in 0..8 {
                    prop_assert!(grown.contains(index(destination(edge, f64::from(onward) * 45.0, more))));
                }
            }
        }
    }
}
