//! From a cell to vectors, straight from the projection's formulas.
//!
//! Descents over the tree of cells need thousands of cell centres; going through angles would take most of their time.

use std::f64::consts::FRAC_PI_4;

use crate::Vector;

/// No point of a cell of order k is farther from the cell's centre than this over 2ᵏ, in radians.
///
/// A path straight in the cell's own coordinates from the centre to a point of the cell is no longer than the longest
/// image of a half-diagonal. With σ = 1 at the pole and 0 at the transition latitude, the diagonal along a meridian of
/// the polar cap has the image √(α² + β²) with α² = 2/3c², β² = (2/3)c²π²/16 and c² in [5/6, 1]; that is convex in c², and
/// largest at c² = 5/6. In the equatorial belt all images are shorter.
pub(crate) const RADIUS_OF_ORDER_0_RAD: f64 = 1.068_969_4;

/// The diagonal in which a base cell's south corner lies, counted from the north pole.
const DIAGONAL: [f64; 3] = [2.0, 3.0, 4.0];

/// The centre of a cell as a unit vector. The index must be one of its order.
pub(crate) fn cell_center(order: u8, index: u64) -> Vector {
    let side = (1_u64 << order) as f64;
    let base = index >> (2 * order);
    let x = (even_bits(index) & ((1 << order) - 1)) as f64;
    let y = (even_bits(index >> 1) & ((1 << order) - 1)) as f64;
    face_point(base, (x + 0.5) / side, (y + 0.5) / side)
}

/// The point of a base cell at coordinates in `[0, 1]` along its south-east and south-west edges.
fn face_point(base: u64, x: f64, y: f64) -> Vector {
    let row = base / 4;
    let column = (base % 4) as f64;
    // Longitude of the base cell's axis in units of 45 degrees: the belt's cells stand half a cell to the west.
    let axis = 2.0 * column + if row == 1 { 0.0 } else { 1.0 };
    let from_north = (if row == 0 { DIAGONAL[0] } else if row == 1 { DIAGONAL[1] } else { DIAGONAL[2] }) - x - y;
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
    Vector { x: sin_polar * cos_lon, y: sin_polar * sin_lon, z }
}

/// z, sine of the polar distance and longitude in a polar cap, at 0 (pole) to 1 (transition) from the pole.
fn cap(from_pole: f64, across: f64, axis: f64) -> (f64, f64, f64) {
    let drop = from_pole * from_pole / 3.0;
    let lon = if from_pole > 0.0 { axis + across / from_pole } else { axis };
    (1.0 - drop, (drop * (2.0 - drop)).sqrt(), FRAC_PI_4 * lon)
}

/// The bits at even positions, moved together.
fn even_bits(index: u64) -> u64 {
    let mut bits = index & 0x5555_5555_5555_5555;
    bits = (bits | (bits >> 1)) & 0x3333_3333_3333_3333;
    bits = (bits | (bits >> 2)) & 0x0f0f_0f0f_0f0f_0f0f;
    bits = (bits | (bits >> 4)) & 0x00ff_00ff_00ff_00ff;
    bits = (bits | (bits >> 8)) & 0x0000_ffff_0000_ffff;
    (bits | (bits >> 16)) & 0x0000_0000_ffff_ffff
}
