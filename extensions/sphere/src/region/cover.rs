//! Covering a region with cells.
//!
//! A descent from coarse cells: a cell whose bounding circle does not reach the region is dropped, one whose circle lies
//! within it is kept whole, and the others are split, level by level, until there are as many on the border as the
//! result can use. Only the signed distance to the border is asked of the region, so all kinds share the descent, and
//! the result is a superset because both tests are one-sided.

use crate::healpix::{RADIUS_OF_ORDER_0_RAD, cell_center};
use crate::{Cell, CellRanges, MAX_ORDER, finest_order_wider_than};

use super::Region;

/// Room for rounding in positions and indexes, in radians: a millionth of the finest cell.
const SLACK_RAD: f64 = 1e-14;

/// How many border cells a level may have, whatever the number of ranges asked for.
const BORDER_CELLS: std::ops::RangeInclusive<usize> = 128..=8192;

pub(super) fn cover(region: &Region, max_ranges: usize) -> CellRanges {
    if let Region::Circle(circle) = region
        && circle.radius_deg() >= 180.0
    {
        return CellRanges::everything();
    }
    let enough = max_ranges.saturating_mul(2).clamp(*BORDER_CELLS.start(), *BORDER_CELLS.end());
    let mut whole = Vec::new();
    let mut border = Vec::new();
    let mut order = sort_out(region, first_cells(region), &mut whole, &mut border);
    while order < MAX_ORDER && !border.is_empty() && border.len() < enough {
        order += 1;
        let children: Vec<_> = border.drain(..).flat_map(|cell: Cell| cell.children(order)).collect();
        sort_out(region, children, &mut whole, &mut border);
    }
    whole.into_iter().chain(border).collect::<CellRanges>().coarsen(max_ranges)
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
    let reach = RADIUS_OF_ORDER_0_RAD / (1_u64 << order) as f64 + SLACK_RAD;
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
