//! HEALPix, NESTED: cells, ranges of cells at the finest order, and what can be told from an index alone.
//!
//! Górski et al. 2005, ApJ 622, 759. The curve through the cells is `cdshealpix`'s; this module keeps its panics and
//! radians inside. RING numbering and maps of values are no part of it.

mod cell;
mod face;
mod grow;
mod inner;
mod pair;
mod ranges;
mod search;

pub use cell::{Cell, index29};
pub use inner::{InnerTest, finest_order_wider_than};
pub use pair::{PairTest, Verdict};
pub use ranges::CellRanges;
pub use search::IndexSearch;

pub(crate) use face::{RADIUS_OF_ORDER_0_RAD, cell_center};
pub(crate) use inner::WIDTH_OF_ORDER_0_RAD;

/// The finest order: its indexes, 12 × 4²⁹ of them, are 62 bits long.
///
/// ```
/// assert_eq!(dreyer_sphere::MAX_ORDER, 29);
/// ```
pub const MAX_ORDER: u8 = 29;

/// How many cells an order has.
pub(crate) const fn cells_of_order(order: u8) -> u64 {
    12 << (2 * order)
}

/// How many cells of an order stand along the edge of a base cell, as a divisor of lengths.
pub(crate) fn side(order: u8) -> f64 {
    f64::from(1_u32 << order)
}

/// By how many bits an index of this order is shorter than one of order 29.
pub(crate) const fn shift_to_29(order: u8) -> u8 {
    2 * (MAX_ORDER - order)
}
