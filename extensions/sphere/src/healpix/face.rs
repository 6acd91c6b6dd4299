//! From a cell to vectors, straight from the projection's formulas.
//!
//! Descents over the tree of cells need thousands of cell centres; going through angles would take most of their time.

use std::f64::consts::FRAC_PI_4;

use super::side;
use crate::Vector;

/// No point of a cell of order k is farther from the cell's centre than this over 2ᵏ, in radians.
///
/// A path straight in the cell's own coordinates from the centre to a point of the cell is no longer than the longest
/// image of a half-diagonal. With σ = 1 at the pole and 0 at the transition latitude, the diagonal along a meridian of
/// the polar cap has the image √(α² + β²) with α² = 2/3c², β² = (2/3)c²π²/16 and c² in [5/6, 1]; that is convex in c², and
/// largest at c² = 5/6. In the equatorial belt all images are shorter.
pub(crate) const RADIUS_OF_ORDER_0_RAD: f64 = 1.068_969_4;

/// The centre of a cell as a unit vector. The index must be one of its order.
pub(crate) fn cell_center(order: u8, index: u64) -> Vector {
    let within = index & ((1 << (2 * order)) - 1);
    let x = f64::from(even_bits(within));
    let y = f64::from(even_bits(within >> 1));
    face_point(index >> (2 * order), (x + 0.5) / side(order), (y + 0.5) / side(order))
}

/// The point of a base cell at coordinates in `[0, 1]` along its south-east and south-west edges.
fn face_point(base: u64, x: f64, y: f64) -> Vector {
    // Per row of base cells: how many cells its south corners are from the north pole, and where in units of 45 degrees
    // the first one's axis stands. The belt's cells are half a cell to the west.
    let (south_corner, first_axis) = match base / 4 {
        0 => (2.0, 1.0),
        1 => (3.0, 0.0),
        _ => (4.0, 1.0),
    };
    let axis = f64::from(u8::try_from(base % 4).unwrap_or(0)) * 2.0 + first_axis;
    let from_north = south_corner - x - y;
    let across = x - y;
    let (z, sin_polar, lon) = if from_north < 1.0 {
        cap(from_north, across, axis)
    } else if from_north > 3.0 {
        let (z, sin_polar, lon) = cap(4.0 - from_north, across, axis);
        (-z, sin_polar, lon)
    } else {
        let z = (2.0 - from_north) * (2.0 / 3.0);
        (z, ((1.0 - z) * (1.0 + z)).sqrt(), FRAC_PI_4 * (axis + across))
    };
    let (sin_lon, cos_lon) = lon.sin_cos();
    Vector {
        x: sin_polar * cos_lon,
        y: sin_polar * sin_lon,
        z,
    }
}

/// z, sine of the polar distance and longitude in a polar cap, at 0 (pole) to 1 (transition) from the pole.
fn cap(from_pole: f64, across: f64, axis: f64) -> (f64, f64, f64) {
    let drop = from_pole * from_pole / 3.0;
    let lon = if from_pole > 0.0 {
        axis + across / from_pole
    } else {
        axis
    };
    (1.0 - drop, (drop * (2.0 - drop)).sqrt(), FRAC_PI_4 * lon)
}

/// The bits at even positions, moved together.
#[inline]
pub(super) fn even_bits(index: u64) -> u32 {
    let mut bits = index & 0x5555_5555_5555_5555;
    bits = (bits | (bits >> 1)) & 0x3333_3333_3333_3333;
    bits = (bits | (bits >> 2)) & 0x0f0f_0f0f_0f0f_0f0f;
    bits = (bits | (bits >> 4)) & 0x00ff_00ff_00ff_00ff;
    bits = (bits | (bits >> 8)) & 0x0000_ffff_0000_ffff;
    ((bits | (bits >> 16)) & 0x0000_0000_ffff_ffff) as u32
}

#[cfg(test)]
mod tests {
    use cdshealpix::nested;
    use proptest::prelude::*;

    use super::*;
    use crate::healpix::cells_of_order;
    use crate::sample::position;
    use crate::{Cell, LonLat};

    fn library_center(order: u8, index: u64) -> Vector {
        let (lon, lat) = nested::center(order, index);
        LonLat::new(lon.to_degrees(), lat.to_degrees()).unwrap().to_vector()
    }

    #[test]
    fn agrees_with_the_library_on_coarse_orders() {
        for order in 0..=5 {
            for index in 0..cells_of_order(order) {
                let (own, library) = (cell_center(order, index), library_center(order, index));
                assert!(
                    (own - library).norm() < 1e-14,
                    "{order}/{index}: {own:?} for {library:?}"
                );
            }
        }
    }

    /// Corners, edges and inner points of all cells of coarse orders, where cells are least like squares.
    #[test]
    fn no_point_is_farther_than_the_radius() {
        let mut farthest: f64 = 0.0;
        for order in 0..=4_u8 {
            let side = f64::from(1 << order);
            for index in 0..cells_of_order(order) {
                let center = cell_center(order, index);
                let within = index % (1 << (2 * order));
                let (x, y) = (even_bits(within), even_bits(within >> 1));
                for step in 0..441 {
                    let (along, beyond) = (f64::from(step % 21) / 20.0, f64::from(step / 21) / 20.0);
                    let point = face_point(
                        index >> (2 * order),
                        (f64::from(x) + along) / side,
                        (f64::from(y) + beyond) / side,
                    );
                    farthest = farthest.max(center.separation_rad(point) * side);
                }
            }
        }
        assert!(farthest <= RADIUS_OF_ORDER_0_RAD, "{farthest}");
        assert!(farthest > 0.95 * RADIUS_OF_ORDER_0_RAD, "{farthest}: far from sharp");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn agrees_with_the_library_everywhere(at in position(), order in 0..=29_u8) {
            let index = Cell::containing(order, at).index();
            let (own, library) = (cell_center(order, index), library_center(order, index));
            prop_assert!((own - library).norm() < 1e-14, "{own:?} for {library:?}");
            let reach = RADIUS_OF_ORDER_0_RAD / side(order) + 1e-15;
            prop_assert!(own.separation_rad(at.to_vector()) <= reach);
        }
    }
}
