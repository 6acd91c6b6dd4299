//! Where a star stands at another epoch.

use std::f64::consts::PI;

use crate::{LonLat, Vector};

/// Kilometres per second in one astronomical unit per Julian year (IAU 2012 B2: 149 597 870.7 km in 365.25 days).
const KM_S_PER_AU_YR: f64 = 149_597_870.7 / (365.25 * 86_400.0);

/// Milliarcseconds in one radian.
const MAS_PER_RAD: f64 = 180.0 * 3_600_000.0 / PI;

/// The five astrometric parameters and the radial velocity of a source at one epoch.
///
/// ```
/// use dreyer_sphere::{Astrometry, LonLat};
///
/// // Barnard's star, Hipparcos 87937 at J1991.25.
/// let barnard = Astrometry {
///     position: LonLat::new(269.454_023_05, 4.668_288_15)?,
///     parallax_mas: Some(549.01),
///     pmra_mas_yr: -797.84,
///     pmdec_mas_yr: 10_326.93,
///     radial_velocity_km_s: -110.51,
/// };
/// let now = barnard.position_at(1991.25, 2016.0);
/// assert!((now.lat_deg() - 4.739_3).abs() < 1e-4);
/// # Ok::<(), dreyer_sphere::SphereError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Astrometry {
    /// Position at the reference epoch.
    pub position: LonLat,
    /// Parallax in milliarcseconds. `None`, NaN, zero and negative values mean a source too far for one.
    pub parallax_mas: Option<f64>,
    /// Proper motion in longitude, times the cosine of the latitude, in milliarcseconds a year.
    pub pmra_mas_yr: f64,
    /// Proper motion in latitude, in milliarcseconds a year.
    pub pmdec_mas_yr: f64,
    /// Radial velocity in kilometres a second, positive when receding; 0 if unknown.
    pub radial_velocity_km_s: f64,
}

impl Astrometry {
    /// The position at `out_epoch_yr` of a source whose parameters hold at `ref_epoch_yr`, both in Julian years.
    ///
    /// Uniform rectilinear motion in space, rigorously, light time neglected: *The Hipparcos and Tycho Catalogues*,
    /// ESA SP-1200 (1997), vol. 1, §1.5.5. A motion or velocity that is not finite counts as 0, and an interval that
    /// is not finite as none.
    #[must_use]
    pub fn position_at(&self, ref_epoch_yr: f64, out_epoch_yr: f64) -> LonLat {
        let years = finite_or_zero(out_epoch_yr - ref_epoch_yr);
        let parallax_mas = self
            .parallax_mas
            .filter(|parallax| parallax.is_finite() && *parallax > 0.0)
            .unwrap_or(0.0);
        let [pmra, pmdec, radial] = [
            self.pmra_mas_yr,
            self.pmdec_mas_yr,
            self.radial_velocity_km_s * parallax_mas / KM_S_PER_AU_YR,
        ]
        .map(|mas_per_year| finite_or_zero(mas_per_year) / MAS_PER_RAD * years);
        if pmra == 0.0 && pmdec == 0.0 {
            return self.position;
        }
        let (east, north) = self.position.east_north();
        let moved: Vector = self.position.to_vector() * (1.0 + radial) + east * pmra + north * pmdec;
        moved.normalized().map_or(self.position, Vector::to_lonlat)
    }
}

fn finite_or_zero(number: f64) -> f64 {
    if number.is_finite() { number } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sample::{even, position};
    use crate::{destination, separation_deg};

    fn star(position: LonLat, parallax: Option<f64>, pmra: f64, pmdec: f64, radial: f64) -> Astrometry {
        Astrometry {
            position,
            parallax_mas: parallax,
            pmra_mas_yr: pmra,
            pmdec_mas_yr: pmdec,
            radial_velocity_km_s: radial,
        }
    }

    fn apart(one: LonLat, other: LonLat) -> f64 {
        separation_deg(one.lon_deg(), one.lat_deg(), other.lon_deg(), other.lat_deg())
    }

    /// A century of Barnard's star, from the regression test of pgSphere's `epoch_prop`.
    #[test]
    fn a_century_of_barnards_star() {
        let barnard = star(
            LonLat::new(269.452_076_95, 4.693_364_966).unwrap(),
            Some(546.9759),
            -801.551,
            10_362.0,
            -110.0,
        );
        let before = barnard.position_at(2000.0, 1900.0);
        assert!((before.lon_deg() - 269.474_271_439_1).abs() < 2e-10, "{before:?}");
        assert!((before.lat_deg() - 4.407_293_998_7).abs() < 2e-10, "{before:?}");
    }

    #[test]
    fn what_is_missing_counts_as_zero() {
        let here = LonLat::new(100.0, -30.0).unwrap();
        let plain = star(here, None, 500.0, -300.0, 0.0).position_at(2016.0, 2000.0);
        for parallax in [None, Some(0.0), Some(-3.0), Some(f64::NAN), Some(f64::INFINITY)] {
            assert_eq!(
                star(here, parallax, 500.0, -300.0, 80.0).position_at(2016.0, 2000.0),
                plain
            );
        }
        assert_eq!(
            star(here, Some(10.0), 500.0, -300.0, f64::NAN).position_at(2016.0, 2000.0),
            plain
        );
        assert_eq!(star(here, None, f64::NAN, 0.0, 0.0).position_at(2016.0, 2000.0), here);
        assert_eq!(star(here, None, 500.0, -300.0, 0.0).position_at(2016.0, f64::NAN), here);
        assert_eq!(
            star(here, None, f64::MAX, f64::MAX, 0.0).position_at(0.0, f64::MAX),
            here
        );
    }

    proptest! {
        /// Without radial motion the star goes along a great circle by the arc tangent of its motion.
        #[test]
        fn straight_motion_follows_a_great_circle(
            from in position(), pmra in -2e4..2e4, pmdec in -2e4..2e4, years in -1e4..1e4,
        ) {
            let total: f64 = f64::hypot(pmra, pmdec) * years / MAS_PER_RAD;
            let expected = destination(from, f64::atan2(pmra, pmdec).to_degrees(), total.atan().to_degrees());
            let got = star(from, None, pmra, pmdec, 0.0).position_at(2000.0, 2000.0 + years);
            prop_assert!(apart(got, expected) < 1e-9, "{got:?} for {expected:?}");
        }

        /// In space the motion is uniform: a point and a velocity in astronomical units, no proper motions at all.
        #[test]
        fn agrees_with_motion_in_space(
            from in even(), parallax in 1.0..800.0, pm in (-1e4..1e4, -1e4..1e4), radial in -500.0..500.0,
            years in -1000.0..1000.0,
        ) {
            let distance_au = MAS_PER_RAD / parallax;
            let (east, north) = from.east_north();
            let transverse = (east * pm.0 + north * pm.1) * (distance_au / MAS_PER_RAD);
            let velocity = transverse + from.to_vector() * (radial * 86_400.0 * 365.25 / 149_597_870.7);
            let place = from.to_vector() * distance_au + velocity * years;
            let got = star(from, Some(parallax), pm.0, pm.1, radial).position_at(2016.0, 2016.0 + years);
            prop_assert!(apart(got, place.to_lonlat()) < 1e-11);
        }
    }
}
