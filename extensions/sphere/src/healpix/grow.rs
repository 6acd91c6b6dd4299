//! Growing a set of cells by a radius.
//!
//! Two points no farther apart than the width of a cell lie in the same or in touching cells. So adding all touching
//! cells of order g grows a set by that order's width, and n rounds grow it by n widths: no distance is ever computed.

use cdshealpix::nested;

use super::{Cell, CellRanges, MAX_ORDER, WIDTH_OF_ORDER_0_RAD, cells_of_order};

/// How much finer than the largest cell the added border may be: 1/64 of its width.
const FINER_THAN_TILE: u8 = 6;

/// How much finer than the radius the added border may be, so that four rounds suffice.
const FINER_THAN_RADIUS: u8 = 2;

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
    let finest = super::finest_order_wider_than(radius_deg.max(0.0)).unwrap_or(0).saturating_add(FINER_THAN_RADIUS);
    let order = border_order(ranges, finest.min(MAX_ORDER));
    let mut grown = ranges.at_order(order);
    let width = WIDTH_OF_ORDER_0_RAD / (1_u64 << order) as f64;
    // A distance in widths: at most 180 degrees at order 2, unless the radius is beyond the sphere.
    let mut left = radius.min(std::f64::consts::PI) * (1.0 + 1e-12);
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
        let length: u64 = ranges.at_order(order).cells().map(|cell| 4 + (4 << (order - cell.order()))).sum();
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
    debug_assert!(touching.iter().all(|index| *index < cells_of_order(order)), "a border cell beyond the last");
    touching.sort_unstable();
    touching.dedup();
    let border: CellRanges = touching.into_iter().map(|index| Cell::unchecked(order, index)).collect();
    ranges.union(&border)
}
