//! Arithmetic on angles in degrees that stays exact where degrees are exact: at quadrants and across the wrap.

/// Square degrees in one steradian.
pub(crate) const SQDEG_PER_SR: f64 = 3_282.806_350_011_744;

/// Sine and cosine of an angle in degrees.
///
/// The angle is reduced to the nearest quadrant while still in degrees, where the subtraction is exact. Multiples of
/// 90 degrees therefore give exact zeros and ones, and the cosine of a latitude keeps its relative precision next to a
/// pole, which converting to radians first would lose.
pub(crate) fn sin_cos_deg(angle_deg: f64) -> (f64, f64) {
    let quarter_turns = (angle_deg / 90.0).round();
    let (sin, cos) = (angle_deg - 90.0 * quarter_turns).to_radians().sin_cos();
    let quadrant = quarter_turns.rem_euclid(4.0);
    if quadrant < 0.5 {
        (sin, cos)
    } else if quadrant < 1.5 {
        (cos, -sin)
    } else if quadrant < 2.5 {
        (-sin, -cos)
    } else {
        (-cos, sin)
    }
}

/// `to - from` for two longitudes, taken the short way round.
///
/// The multiple of 360 is removed from the larger term, not from the difference, so that a small difference across the
/// wrap keeps all its digits.
pub(crate) fn lon_difference_deg(from_deg: f64, to_deg: f64) -> f64 {
    let difference = to_deg - from_deg;
    if difference > 180.0 {
        (to_deg - 360.0) - from_deg
    } else if difference < -180.0 {
        to_deg - (from_deg - 360.0)
    } else {
        difference
    }
}

/// Any finite longitude brought into `[0, 360)`; adding zero turns -0 into 0.
#[inline]
pub(crate) fn wrap_lon_deg(lon_deg: f64) -> f64 {
    if (0.0..360.0).contains(&lon_deg) {
        return lon_deg + 0.0;
    }
    let wrapped = lon_deg.rem_euclid(360.0);
    // A tiny negative longitude rounds up to a whole turn.
    if wrapped >= 360.0 { 0.0 } else { wrapped + 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quadrants_are_exact() {
        let expected = [(0.0, 1.0), (1.0, 0.0), (0.0, -1.0), (-1.0, 0.0)];
        for turn in -8_i32..=8 {
            let quadrant = usize::try_from(turn.rem_euclid(4)).unwrap();
            assert_eq!(
                sin_cos_deg(f64::from(turn) * 90.0),
                expected[quadrant],
                "{turn} quarter turns"
            );
        }
    }

    #[test]
    fn agrees_with_radians() {
        for step in -720..=720 {
            let angle = f64::from(step) * 0.497;
            let (sin, cos) = sin_cos_deg(angle);
            assert!((sin - angle.to_radians().sin()).abs() < 1e-15, "{angle}");
            assert!((cos - angle.to_radians().cos()).abs() < 1e-15, "{angle}");
        }
    }

    #[test]
    fn wraps_into_one_turn() {
        assert_eq!(wrap_lon_deg(-1e-20), 0.0);
        assert_eq!(wrap_lon_deg(360.0), 0.0);
        assert_eq!(wrap_lon_deg(-90.0), 270.0);
        assert!(wrap_lon_deg(-0.0).is_sign_positive());
        assert_eq!(wrap_lon_deg(725.5), 5.5);
    }

    #[test]
    fn a_small_difference_across_the_wrap_keeps_its_digits() {
        let west = 360.0 - 1e-9;
        assert_eq!(lon_difference_deg(west, 1e-9), 1e-9 + (360.0 - west));
        assert_eq!(lon_difference_deg(1e-9, west), -(1e-9 + (360.0 - west)));
    }

    #[test]
    fn square_degrees_of_a_steradian() {
        assert!((SQDEG_PER_SR - 1_f64.to_degrees() * 1_f64.to_degrees()).abs() < 1e-11);
    }
}
