//! How far apart two rows lie, told by their order-29 indexes alone.
//!
//! A cell of order 29 is 0.4 milliarcseconds wide, so the centres of two cells tell the separation of what lies in them to
//! 0.82 mas: enough to decide all pairs but those about as far apart as the radius.
//!
//! Within a base cell the separation of close centres needs no trigonometry. HEALPix maps areas evenly, and with x and y
//! along the edges of a base cell, n from its north corner, and u = dx + dy, v = dx − dy, the metric is
//!
//! ```text
//!  equatorial belt   z = (2 − n) · 2/3        ds² = (2u/3)² / (1 − z²) + (1 − z²) · (πv/4)²
//!  polar caps        1 − |z| = t²/3           dz = 2/3 · t dt      dφ = π/4 · (v/t − (x − y)/t² · dt)
//! ```
//!
//! (Górski et al. 2005, §5 and appendix), t being n, or 4 − n in the south. Taken in the middle between the two centres it
//! is good to third order of their separation. Pairs on both sides of the transition at |z| = 2/3, those of two base cells,
//! those near a pole and those of wide radii are measured between the centres' vectors.

use std::f64::consts::FRAC_PI_4;

use super::face::{cell_center, even_bits};
use super::{MAX_ORDER, RADIUS_OF_ORDER_0_RAD, side};

/// What the indexes of two rows tell about a separation and a radius.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is smaller than the radius.
    Within,
    /// It is larger.
    Beyond,
    /// They differ by less than the indexes can tell: ask the positions.
    Unsure,
}

/// Decides from two indexes of order 29 whether the positions behind them lie within a radius.
///
/// It holds for positions that lie in their cells: indexes computed of the same numbers, in double precision.
///
/// ```
/// use dreyer_sphere::{PairTest, Verdict, index29};
///
/// let test = PairTest::new(1.0 / 3600.0);
/// let index = |lat_arcsec: f64| index29(10.0, 41.0 + lat_arcsec / 3600.0).unwrap_or_default();
/// assert_eq!(test.verdict(index(0.0), index(0.9)), Verdict::Within);
/// assert_eq!(test.verdict(index(0.0), index(1.1)), Verdict::Beyond);
/// assert_eq!(test.verdict(index(0.0), index(1.0)), Verdict::Unsure);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct PairTest {
    /// Squared separation below which a pair is surely within, if any is, and above which it is surely beyond.
    within: f64,
    beyond: f64,
    /// The same of squared chords.
    chord_within: f64,
    chord_beyond: f64,
    /// Where the metric may be used: in the belt at all, and in the caps at this distance from the pole.
    in_belt: bool,
    from_pole: f64,
}

/// Share of the radius by which the metric may err.
const TOLERANCE: f64 = 1e-5;

/// Pairs are proposed by squares in the plane of the base cell, whose corners lie this many radii away at most.
const FARTHEST_RADII: f64 = 4.0;

/// The metric's error over the cube of the separation, at distance 1 from where it breaks down; measured 0.3.
const THIRD_ORDER: f64 = 1.0;

impl PairTest {
    /// The test for a radius in degrees. Nothing is within a negative radius or NaN.
    #[must_use]
    pub fn new(radius_deg: f64) -> Self {
        let radius = if radius_deg > 180.0 {
            std::f64::consts::PI
        } else {
            radius_deg.to_radians()
        };
        // Two half-diagonals of a cell.
        let cells = 2.0 * RADIUS_OF_ORDER_0_RAD / side(MAX_ORDER) * (1.0 + 1e-6) + 1e-15;
        let tolerance = 0.1 * cells + TOLERANCE * radius;
        let farthest = FARTHEST_RADII * radius;
        // Errs by farthest · (farthest / from_pole)², which is to be within the tolerance.
        let from_pole = farthest * (THIRD_ORDER * farthest / tolerance).sqrt();
        let square = |separation: f64| separation * separation.abs();
        let chord = |separation: f64| square(2.0 * (separation / 2.0).sin());
        if radius.is_nan() || radius < 0.0 {
            return Self {
                within: -1.0,
                beyond: -1.0,
                chord_within: -1.0,
                chord_beyond: -1.0,
                in_belt: false,
                from_pole: f64::INFINITY,
            };
        }
        Self {
            within: square(radius - cells - tolerance),
            beyond: square(radius + cells + tolerance),
            chord_within: chord(radius - cells),
            chord_beyond: if radius + cells >= std::f64::consts::PI {
                f64::INFINITY
            } else {
                chord(radius + cells)
            },
            in_belt: from_pole <= 1.0,
            from_pole,
        }
    }

    /// The verdict about two rows.
    #[inline]
    #[must_use]
    pub fn verdict(&self, one: u64, other: u64) -> Verdict {
        match self.by_metric(one, other) {
            Some(square) => Self::compare(square, self.within, self.beyond),
            None => self.by_centers(one, other),
        }
    }

    #[inline]
    fn compare(square: f64, within: f64, beyond: f64) -> Verdict {
        if square < within {
            Verdict::Within
        } else if square > beyond {
            Verdict::Beyond
        } else {
            Verdict::Unsure
        }
    }

    #[cold]
    fn by_centers(&self, one: u64, other: u64) -> Verdict {
        let between = cell_center(MAX_ORDER, one) - cell_center(MAX_ORDER, other);
        Self::compare(between.dot(between), self.chord_within, self.chord_beyond)
    }

    /// The squared separation of two cells' centres, where the metric in the middle tells it well enough.
    #[inline]
    fn by_metric(&self, one: u64, other: u64) -> Option<f64> {
        if (one ^ other) >> 58 != 0 || !self.in_belt {
            return None;
        }
        let coordinates = |index: u64| {
            let within = index & ((1 << 58) - 1);
            (f64::from(even_bits(within)), f64::from(even_bits(within >> 1)))
        };
        let ((x1, y1), (x2, y2)) = (coordinates(one), coordinates(other));
        let unit = 1.0 / side(MAX_ORDER);
        let u = ((x1 - x2) + (y1 - y2)) * unit;
        let v = ((x1 - x2) - (y1 - y2)) * unit;
        // Half a cell on each axis is one cell of the sum.
        let sums = ((x1 + y1 + 1.0) * unit, (x2 + y2 + 1.0) * unit);
        let row = one >> 60;
        let from_north = |sum: f64| match row {
            0 => 2.0 - sum,
            1 => 3.0 - sum,
            _ => 4.0 - sum,
        };
        let (n1, n2) = (from_north(sums.0), from_north(sums.1));
        let middle = 0.5 * (n1 + n2);
        let (low, high) = (n1.min(n2), n1.max(n2));
        if low >= 1.0 && high <= 3.0 {
            let z = (2.0 - middle) * (2.0 / 3.0);
            let cos2 = (1.0 - z) * (1.0 + z);
            let (down, along) = (u * (2.0 / 3.0), v * FRAC_PI_4);
            return Some(down * down / cos2 + cos2 * along * along);
        }
        // t shrinks towards the pole; in the north it falls with u, in the south it grows.
        let (t, dt, nearest) = if high < 1.0 {
            (middle, -u, low)
        } else if low > 3.0 {
            (4.0 - middle, u, 4.0 - high)
        } else {
            return None;
        };
        if nearest < self.from_pole {
            return None;
        }
        let across = 0.5 * ((x1 - y1) + (x2 - y2)) * unit;
        let sin2 = t * t * (2.0 - t * t / 3.0) / 3.0;
        let dz = t * dt * (2.0 / 3.0);
        let along = FRAC_PI_4 * (v - across / t * dt) / t;
        Some(dz * dz / sin2 + sin2 * along * along)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sample::position;
    use crate::{LonLat, destination, index29};

    fn index(at: LonLat) -> u64 {
        index29(at.lon_deg(), at.lat_deg()).unwrap()
    }

    #[test]
    fn nothing_is_within_no_radius() {
        for radius in [f64::NAN, -1.0, -1e-9] {
            assert_eq!(PairTest::new(radius).verdict(5, 5), Verdict::Beyond, "{radius}");
        }
    }

    #[test]
    fn everything_is_within_half_a_turn() {
        let test = PairTest::new(180.0);
        let pole = index(LonLat::new(45.0, 90.0).unwrap());
        assert_eq!(test.verdict(pole, pole), Verdict::Within);
        assert_ne!(
            test.verdict(pole, index(LonLat::new(45.0, -90.0).unwrap())),
            Verdict::Beyond
        );
    }

    /// Few pairs are left undecided: about as many as cells at the rim of the circle.
    #[test]
    fn most_verdicts_are_sure() {
        let test = PairTest::new(1.0 / 3600.0);
        let mut unsure = 0;
        for number in 0..20_000 {
            let turn = f64::from(number);
            let from = LonLat::new(
                (turn * 77.7) % 360.0,
                ((turn * 0.618) % 1.0 * 2.0 - 1.0).asin().to_degrees(),
            )
            .unwrap();
            let apart = 2.0 * ((turn * 0.414_213_562) % 1.0) / 3600.0;
            let to = destination(from, turn * 33.3, apart);
            unsure += i32::from(test.verdict(index(from), index(to)) == Verdict::Unsure);
        }
        assert!(unsure < 40, "{unsure} of 20000");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]
        #[test]
        fn no_verdict_is_wrong(
            from in position(),
            radius_deg in prop_oneof![
                Just(0.01 / 3600.0), Just(1.0 / 3600.0), Just(5.0 / 3600.0), Just(1.0 / 60.0), Just(0.05), Just(1.0), Just(50.0)
            ],
            share in prop_oneof![0.0..3.0, 0.999..1.001, 0.99..1.01],
            turn in 0.0..360.0,
        ) {
            let to = destination(from, turn, f64::min(share * radius_deg, 180.0));
            let (one, other) = (index(from), index(to));
            let apart = from.to_vector().separation_deg(to.to_vector());
            let test = PairTest::new(radius_deg);
            match test.verdict(one, other) {
                Verdict::Within => prop_assert!(apart < radius_deg, "{apart} {radius_deg}"),
                Verdict::Beyond => prop_assert!(apart > radius_deg, "{apart} {radius_deg}"),
                Verdict::Unsure => prop_assert!((apart - radius_deg).abs() < 2e-6 + 1e-4 * radius_deg, "{apart} {radius_deg}"),
            }
        }

        /// The metric against the centres' vectors: its error stays below half of what the test allows it.
        #[test]
        fn the_metric_is_good_to_third_order(
            from in position(), share in 0.0..4.0, turn in 0.0..360.0,
            radius_deg in prop_oneof![Just(1.0 / 3600.0), Just(20.0 / 3600.0), Just(1.0 / 60.0), Just(0.05)],
        ) {
            let to = destination(from, turn, share * radius_deg);
            let (one, other) = (index(from), index(to));
            if let Some(square) = PairTest::new(radius_deg).by_metric(one, other) {
                let exact = cell_center(MAX_ORDER, one).separation_rad(cell_center(MAX_ORDER, other));
                let allowed = 8e-10 * 0.5 + 0.5 * TOLERANCE * radius_deg.to_radians();
                prop_assert!((square.sqrt() - exact).abs() < allowed, "{} for {exact}", square.sqrt());
            }
        }
    }
}
