//! Positions and radii for property tests, crowded where geometry goes wrong.

use proptest::prelude::*;

use crate::{LonLat, Vector, destination};

/// Latitude of the parallel where the projection of the polar caps begins: asin(2/3).
pub(crate) const TRANSITION_LAT_DEG: f64 = 41.810_314_895_778_6;

/// Anywhere on the sphere, evenly.
pub(crate) fn even() -> impl Strategy<Value = LonLat> {
    (0.0..360.0, -1.0..=1.0_f64).prop_map(|(lon, z)| LonLat::new(lon, z.asin().to_degrees()).unwrap())
}

/// The sphere with its poles, its wrap and the seams of its base cells over-represented.
pub(crate) fn position() -> impl Strategy<Value = LonLat> {
    let seam = prop_oneof![
        Just(0.0),
        Just(45.0),
        Just(90.0),
        Just(135.0),
        Just(180.0),
        Just(270.0),
        Just(315.0)
    ];
    let lat = prop_oneof![
        Just(90.0),
        Just(-90.0),
        Just(0.0),
        Just(TRANSITION_LAT_DEG),
        Just(-TRANSITION_LAT_DEG),
        -90.0..=90.0
    ];
    let special = (seam, lat).prop_map(|(lon, lat)| LonLat::new(lon, lat).unwrap());
    let near = (special, 0.0..360.0, radius_deg()).prop_map(|(at, bearing, off)| destination(at, bearing, off));
    prop_oneof![3 => even(), 3 => near]
}

/// 0.01 milliarcseconds to 180 degrees, evenly in the logarithm.
pub(crate) fn radius_deg() -> impl Strategy<Value = f64> {
    (-8.5..180_f64.log10()).prop_map(|exponent| 10_f64.powf(exponent))
}

/// The angle between two vectors the schoolbook way, in radians: an oracle for all but the smallest and largest.
pub(crate) fn arc_cosine(one: Vector, other: Vector) -> f64 {
    one.dot(other).clamp(-1.0, 1.0).acos()
}
