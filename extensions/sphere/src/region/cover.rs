//! Covering a region with cells.
//!
//! A descent from coarse cells: a cell whose bounding circle does not reach the region is dropped, one whose circle lies
//! within it is kept whole, and the others are split, level by level, until there are as many on the border as the
//! result can use. Only the signed distance to the border is asked of the region, so all kinds share the descent, and
//! the result is a superset because both tests are one-sided.

use std::ops::RangeInclusive;

use crate::healpix::{RADIUS_OF_ORDER_0_RAD, cell_center, side};
use crate::{Cell, CellRanges, MAX_ORDER, finest_order_wider_than};

use super::Region;

/// Room for rounding in positions and indexes, in radians: a millionth of the finest cell.
const SLACK_RAD: f64 = 1e-14;

/// How many border cells a level may have, whatever the number of ranges asked for.
const BORDER_CELLS: RangeInclusive<usize> = 128..=8192;

pub(super) fn cover(region: &Region, max_ranges: usize) -> CellRanges {
    if let Region::Circle(circle) = region
        && circle.radius_deg() >= 180.0
    {
        return CellRanges::everything();
    }
    let enough = max_ranges
        .saturating_mul(2)
        .clamp(*BORDER_CELLS.start(), *BORDER_CELLS.end());
    let mut whole = Vec::new();
    let mut border = Vec::new();
    let mut order = sort_out(region, first_cells(region), &mut whole, &mut border);
    while order < MAX_ORDER && !border.is_empty() && border.len() < enough {
        order += 1;
        let children: Vec<_> = border.drain(..).flat_map(|cell: Cell| cell.children(order)).collect();
        sort_out(region, children, &mut whole, &mut border);
    }
    whole
        .into_iter()
        .chain(border)
        .collect::<CellRanges>()
        .coarsen(max_ranges)
}

/// Cells that certainly hold the region: the one around its centre with its neighbours, or all of order 0.
fn first_cells(region: &Region) -> Vec<Cell> {
    let bounds = region.bounding_circle();
    match finest_order_wider_than(bounds.radius_deg() * (1.0 + 1e-12) + SLACK_RAD.to_degrees()) {
        Some(order) => {
            let cell = Cell::containing(order, bounds.center());
            let mut cells = cell.neighbours();
            cells.push(cell);
            cells
        }
        None => (0..12).map(|index| Cell::unchecked(0, index)).collect(),
    }
}

/// Puts each cell of one order where it belongs; returns that order.
fn sort_out(region: &Region, cells: Vec<Cell>, whole: &mut Vec<Cell>, border: &mut Vec<Cell>) -> u8 {
    let order = cells.first().map_or(MAX_ORDER, |cell| cell.order());
    let reach = RADIUS_OF_ORDER_0_RAD / side(order) + SLACK_RAD;
    for cell in cells {
        let distance = region.signed_distance(cell_center(order, cell.index()));
        if distance <= -reach {
            whole.push(cell);
        } else if distance <= reach {
            border.push(cell);
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::region::{Circle, Polygon, SkyBox};
    use crate::sample::{position, radius_deg};
    use crate::{LonLat, destination, index29};

    fn assert_held(ranges: &CellRanges, at: LonLat) {
        let index = index29(at.lon_deg(), at.lat_deg()).unwrap();
        assert!(ranges.contains(index), "{at:?} is left out");
    }

    fn most_ranges() -> impl Strategy<Value = usize> {
        prop_oneof![Just(1), 2..10_usize, 10..100_usize, 100..2000_usize]
    }

    #[test]
    fn a_point_takes_a_cell_or_four() {
        for (lon, lat) in [
            (10.0, 20.0),
            (0.0, 90.0),
            (0.0, 0.0),
            (45.0, 0.0),
            (0.0, 41.810_314_895_778_6),
        ] {
            let at = LonLat::new(lon, lat).unwrap();
            let cover = Region::from(Circle::new(at, 0.0).unwrap()).cover(100);
            assert_held(&cover, at);
            assert!(cover.cell_count() <= 16, "{lon} {lat}: {}", cover.cell_count());
        }
    }

    #[test]
    fn all_of_the_sphere() {
        let all = Region::from(Circle::new(LonLat::new(1.0, 2.0).unwrap(), 180.0).unwrap());
        assert!(all.cover(10).is_everything());
        let nearly = Region::from(Circle::new(LonLat::new(1.0, 2.0).unwrap(), 179.0).unwrap());
        let hole = CellRanges::everything().difference(&nearly.cover(10_000));
        assert!(!hole.is_empty() && !hole.contains(index29(1.0, 2.0).unwrap()));
    }

    #[test]
    fn more_ranges_follow_the_border_more_closely() {
        for radius in [1e-3, 0.1, 3.0, 50.0] {
            let cone = Region::from(Circle::new(LonLat::new(359.9, 41.8).unwrap(), radius).unwrap());
            let excess = |ranges: usize| {
                let share = cone.cover(ranges).cell_count() as f64 / CellRanges::everything().cell_count() as f64;
                share * 41_252.961_249_419_3 / cone.area_sqdeg()
            };
            assert!(excess(16) < 1.6, "{radius}: {}", excess(16));
            assert!(excess(256) < 1.08, "{radius}: {}", excess(256));
            assert!(excess(2048) < 1.02, "{radius}: {}", excess(2048));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(250))]
        #[test]
        fn circles_are_covered(center in position(), radius in radius_deg(), most in most_ranges(), seed in 0.0..1.0_f64) {
            let cover = Region::from(Circle::new(center, radius).unwrap()).cover(most);
            prop_assert!(cover.len() <= most);
            for step in 0..200 {
                let part: f64 = if step % 2 == 0 { 1.0 } else { (f64::from(step) * 0.618 + seed).fract().sqrt() };
                assert_held(&cover, destination(center, f64::from(step) * 137.508, radius * part));
            }
        }

        #[test]
        fn boxes_and_polygons_are_covered(
            center in position(), width in radius_deg(), ratio in 0.01..1.0_f64, corners in 3..9_u32, most in most_ranges(),
            at in prop::collection::vec(position(), 20),
        ) {
            let width = width.min(170.0);
            let sky_box = Region::from(SkyBox::new(center, width, width * ratio).unwrap());
            let ring = (0..corners).map(|corner| {
                // A star: every other corner is drawn in.
                let reach = width * if corner % 2 == 0 { 0.5 } else { 0.5 * ratio.max(0.1) };
                destination(center, 360.0 * f64::from(corner) / f64::from(corners), reach)
            });
            let polygon = Region::from(Polygon::new(ring.collect()).unwrap());
            for region in [sky_box, polygon] {
                let cover = region.cover(most);
                prop_assert!(cover.len() <= most);
                for step in 0..200 {
                    let reach = width * (f64::from(step) * 0.618).fract();
                    let near = destination(center, f64::from(step) * 137.508, reach);
                    if region.contains(near) {
                        assert_held(&cover, near);
                    }
                }
                at.iter().filter(|at| region.contains(**at)).for_each(|at| assert_held(&cover, *at));
            }
        }
    }
}
