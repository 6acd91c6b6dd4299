//! How wide a cell is at least, and what follows from it without trigonometry.
//!
//! Let x and y run from 0 to 1 along the edges of a base cell. A path on the sphere changes x by at most its length times
//! the gradient of x. The area element is π/3 everywhere, so 1/|∇x| = (π/3) / |∂P/∂y|, and the longest |∂P/∂y| is found
//! where two base cells of a polar cap meet, towards the pole: √(2/3 + π²/6). So each unit of x, and by symmetry of y,
//! takes at least (π/3) / √(2/3 + π²/6) = 0.688 766 radians, everywhere on the sphere (the largest value, about 1.02, is
//! reached on the equator). A cell of order k is at least that wide over 2ᵏ between opposite edges.

use super::{MAX_ORDER, shift_to_29, side};

/// The least distance between opposite edges of a cell of order k, times 2ᵏ, in radians, rounded down.
pub(crate) const WIDTH_OF_ORDER_0_RAD: f64 = 0.688_766_8;

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
    (0..=MAX_ORDER)
        .rev()
        .find(|order| WIDTH_OF_ORDER_0_RAD / side(*order) >= radius)
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
            Some(steps) if 2 * steps < side => Self {
                mask,
                low: spread(steps),
                high: spread(side - 1 - steps),
            },
            _ => Self {
                mask,
                low: u64::MAX,
                high: 0,
            },
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
pub(super) fn border_steps(radius_deg: f64) -> Option<u64> {
    if !(0.0..=180.0).contains(&radius_deg) {
        return None;
    }
    let step = WIDTH_OF_ORDER_0_RAD / side(MAX_ORDER);
    // The slack is for positions whose index was rounded across an edge.
    let steps = (radius_deg.to_radians() / step * (1.0 + 1e-9) + 1e-3).ceil();
    Some(whole(steps))
}

/// A whole number of at most 2⁵³ as an integer.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "callers pass whole numbers in [0, 2^53]"
)]
pub(super) fn whole(number: f64) -> u64 {
    number as u64
}

/// Moves the low 32 bits to the even positions.
pub(super) fn spread(number: u64) -> u64 {
    let mut bits = number & 0xffff_ffff;
    bits = (bits | (bits << 16)) & 0x0000_ffff_0000_ffff;
    bits = (bits | (bits << 8)) & 0x00ff_00ff_00ff_00ff;
    bits = (bits | (bits << 4)) & 0x0f0f_0f0f_0f0f_0f0f;
    bits = (bits | (bits << 2)) & 0x3333_3333_3333_3333;
    (bits | (bits << 1)) & 0x5555_5555_5555_5555
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sample::{position, radius_deg};
    use crate::{Cell, LonLat, destination, index29};

    fn touches(one: Cell, other: Cell) -> bool {
        one == other || one.neighbours().contains(&other)
    }

    #[test]
    fn the_width_is_the_formulas_value_rounded_down() {
        use std::f64::consts::PI;
        let exact = PI / 3.0 / (2.0 / 3.0 + PI * PI / 6.0).sqrt();
        assert!(
            WIDTH_OF_ORDER_0_RAD < exact && exact - WIDTH_OF_ORDER_0_RAD < 1e-8,
            "{exact}"
        );
    }

    #[test]
    fn ends_of_the_scale() {
        assert_eq!(finest_order_wider_than(0.0), Some(29));
        assert_eq!(finest_order_wider_than(39.4), Some(0));
        assert_eq!(finest_order_wider_than(39.5), None);
        assert_eq!(finest_order_wider_than(f64::NAN), None);
        assert_eq!(finest_order_wider_than(-1.0), None);
        for radius in [f64::NAN, -1.0, f64::INFINITY, 180.0] {
            let test = InnerTest::new(0, radius);
            assert!((0..12).all(|base| !test.is_inner((base << 58) + (3 << 56))), "{radius}");
        }
        // A cell of order 29 has no inside.
        assert!(!InnerTest::new(29, 1e-9).is_inner(12345));
    }

    /// The bound is reached where base cells meet near the pole: a little more than it, and points two cells apart exist.
    #[test]
    fn the_width_is_sharp() {
        let order = 12;
        let radius = (WIDTH_OF_ORDER_0_RAD / f64::from(1 << order)).to_degrees();
        let beyond = |factor: f64| {
            (0..20_000).any(|step| {
                let from = LonLat::new(1e-9, 89.9 - f64::from(step) * 1e-5).unwrap();
                let cell = Cell::containing(order, from);
                (0..36).any(|turn| {
                    let to = destination(from, f64::from(turn) * 10.0, factor * radius);
                    !touches(cell, Cell::containing(order, to))
                })
            })
        };
        assert!(!beyond(1.0));
        assert!(beyond(1.1));
    }

    #[test]
    fn most_of_a_large_cell_is_inner() {
        let tile = Cell::new(5, 7777).unwrap();
        let test = InnerTest::new(5, 1.0 / 3600.0);
        let inner = tile
            .children(12)
            .filter(|cell| test.is_inner(cell.range().start + (1 << 33) - 1))
            .count();
        assert!(inner * 100 > 16_384 * 97, "{inner} of 16384");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn close_points_touch(from in position(), radius in radius_deg(), bearing in 0.0..360.0, part in 0.0..=1.0) {
            if let Some(order) = finest_order_wider_than(radius) {
                // Rounding of the destination stays below a part in ten million of the finest cell.
                let to = destination(from, bearing, radius * part);
                prop_assert!(touches(Cell::containing(order, from), Cell::containing(order, to)), "order {order}");
            }
        }

        /// Brute force: all round each inner point, at the full radius and less, nothing leaves the cell.
        #[test]
        fn nothing_leaves_the_cell_of_an_inner_point(from in position(), order in 0..=29_u8, width in -9.0..0.0) {
            let radius = (10_f64.powf(width) / side(order)).to_degrees();
            let index = index29(from.lon_deg(), from.lat_deg()).unwrap();
            if InnerTest::new(order, radius).is_inner(index) {
                let cell = Cell::containing(order, from);
                for turn in 0..48 {
                    for part in [1.0, 0.7] {
                        let to = destination(from, f64::from(turn) * 7.5, radius * part);
                        prop_assert_eq!(Cell::containing(order, to), cell);
                    }
                }
            }
        }

        /// The same, with points placed on the border of what counts as inner.
        #[test]
        fn the_first_inner_step_is_far_enough(
            at in position(), order in 0..=20_u8, width in -5.0..-0.5, across in 0.0..=1.0, edge in 0..4,
        ) {
            let cell = Cell::containing(order, at);
            let radius = (10_f64.powf(width) * WIDTH_OF_ORDER_0_RAD / side(order)).to_degrees();
            let test = InnerTest::new(order, radius);
            let size = 1_u64 << (29 - order);
            let steps = border_steps(radius).unwrap();
            prop_assume!(2 * steps < size);
            let along = whole(across * (size - 1) as f64).clamp(steps, size - 1 - steps);
            let near = if edge % 2 == 0 { steps } else { size - 1 - steps };
            let (x, y) = if edge < 2 { (near, along) } else { (along, near) };
            let inner = cell.range().start + (spread(x) | (spread(y) << 1));
            prop_assert!(test.is_inner(inner));
            let outward = if edge % 2 == 0 { near - 1 } else { near + 1 };
            let (x, y) = if edge < 2 { (outward, y) } else { (x, outward) };
            prop_assert!(!test.is_inner(cell.range().start + (spread(x) | (spread(y) << 1))));
            let from = Cell::new(29, inner).unwrap().center();
            for turn in 0..72 {
                let to = destination(from, f64::from(turn) * 5.0, radius);
                prop_assert_eq!(Cell::containing(order, to), cell, "turn {}", turn);
            }
        }
    }
}
