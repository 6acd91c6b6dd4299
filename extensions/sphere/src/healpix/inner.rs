//! How wide a cell is at least, and what follows from it without trigonometry.
//!
//! Let x and y run from 0 to 1 along the edges of a base cell. A path on the sphere changes x by at most its length times
//! the gradient of x. The area element is π/3 everywhere, so 1/|∇x| = (π/3) / |∂P/∂y|, and the longest |∂P/∂y| is found
//! where two base cells of a polar cap meet, towards the pole: √(2/3 + π²/6). So each unit of x, and by symmetry of y,
//! takes at least (π/3) / √(2/3 + π²/6) = 0.688 768 radians, everywhere on the sphere (the largest value, about 1.02, is
//! reached on the equator). A cell of order k is at least that wide over 2ᵏ between opposite edges.

use super::{MAX_ORDER, shift_to_29};

/// The least distance between opposite edges of a cell of order k, times 2ᵏ, in radians, rounded down.
pub(crate) const WIDTH_OF_ORDER_0_RAD: f64 = 0.688_768_4;

/// The finest order at which any two points within a radius lie in the same cell or in cells that touch.
///
/// `None` if not even order 0 is coarse enough (above 39 degrees), and for NaN or a negative radius.
///
/// ```
/// use dreyer_sphere::finest_order_wider_than;
///
/// assert_eq!(finest_order_wider_than(1.0 / 3600.0), Some(17));
/// assert_eq!(finest_order_wider_than(60.0), None);
/// ```
#[must_use]
pub fn finest_order_wider_than(radius_deg: f64) -> Option<u8> {
    if radius_deg.is_nan() || radius_deg < 0.0 {
        return None;
    }
    let radius = radius_deg.to_radians();
    (0..=MAX_ORDER).rev().find(|order| WIDTH_OF_ORDER_0_RAD / (1_u64 << order) as f64 >= radius)
}

/// Decides from an index alone whether all that lies within a radius of a point shares its cell of a coarser order.
///
/// Rows that pass see one tile only; the rest may have partners next door. Conservative: `false` says nothing.
/// The cost is two masks and four comparisons a row: the bits of x and of y stay interleaved, since spreading bits
/// out keeps their order.
///
/// ```
/// use dreyer_sphere::{Cell, InnerTest, LonLat, index29};
///
/// let within_arcsec = InnerTest::new(5, 1.0 / 3600.0);
/// let center = Cell::new(5, 1234)?.center();
/// assert!(index29(center.lon_deg(), center.lat_deg()).is_some_and(|index| within_arcsec.is_inner(index)));
/// assert!(!within_arcsec.is_inner(Cell::new(5, 1234)?.range().start));
/// # Ok::<(), dreyer_sphere::SphereError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InnerTest {
    mask: u64,
    low: u64,
    high: u64,
}

impl InnerTest {
    /// The test for cells of an order (above 29 counts as 29) and a radius. A radius that is NaN or negative passes
    /// no row.
    #[must_use]
    pub fn new(order: u8, radius_deg: f64) -> Self {
        let order = order.min(MAX_ORDER);
        let side = 1_u64 << (MAX_ORDER - order);
        let mask = 0x5555_5555_5555_5555 & ((1 << shift_to_29(order)) - 1);
        match border_steps(radius_deg) {
            Some(steps) if 2 * steps < side => Self { mask, low: spread(steps), high: spread(side - 1 - steps) },
            _ => Self { mask, low: u64::MAX, high: 0 },
        }
    }

    /// Whether every point within the radius of any point of this order-29 cell lies in the same cell of the order.
    #[inline]
    #[must_use]
    pub fn is_inner(&self, index29: u64) -> bool {
        let x = index29 & self.mask;
        let y = (index29 >> 1) & self.mask;
        (x >= self.low) & (x <= self.high) & (y >= self.low) & (y <= self.high)
    }
}

/// How many cells of order 29 the border is thick, or `None` if thicker than any cell.
fn border_steps(radius_deg: f64) -> Option<u64> {
    if !(0.0..=180.0).contains(&radius_deg) {
        return None;
    }
    let step = WIDTH_OF_ORDER_0_RAD / (1_u64 << MAX_ORDER) as f64;
    // The slack is for positions whose index was rounded across an edge.
    let steps = (radius_deg.to_radians() / step * (1.0 + 1e-9) + 1e-3).ceil();
    Some(whole(steps))
}

/// A whole number of at most 2⁵³ as an integer.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "callers pass whole numbers in [0, 2^53]")]
fn whole(number: f64) -> u64 {
    number as u64
}

/// Moves the low 32 bits to the even positions.
fn spread(number: u64) -> u64 {
    let mut bits = number & 0xffff_ffff;
    bits = (bits | (bits << 16)) & 0x0000_ffff_0000_ffff;
    bits = (bits | (bits << 8)) & 0x00ff_00ff_00ff_00ff;
    bits = (bits | (bits << 4)) & 0x0f0f_0f0f_0f0f_0f0f;
    bits = (bits | (bits << 2)) & 0x3333_3333_3333_3333;
    (bits | (bits << 1)) & 0x5555_5555_5555_5555
}
