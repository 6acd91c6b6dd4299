//! A circle on the sphere: all points within a radius.

use std::f64::consts::PI;

use crate::{LonLat, SphereError, Vector, separation_deg};

/// All points no farther from a centre than a radius: ADQL's CIRCLE.
///
/// ```
/// use dreyer_sphere::{Circle, LonLat};
///
/// let cone = Circle::new(LonLat::new(0.1, 0.0)?, 0.5)?;
/// assert!(cone.contains(LonLat::new(359.9, 0.0)?));
/// assert!(!cone.contains(LonLat::new(359.5, 0.0)?));
/// # Ok::<(), dreyer_sphere::SphereError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Circle {
    center: LonLat,
    radius_deg: f64,
}

impl Circle {
    /// The circle around a centre.
    ///
    /// # Errors
    ///
    /// [`SphereError::Radius`] unless the radius lies in `[0, 180]` degrees.
    #[inline]
    pub fn new(center: LonLat, radius_deg: f64) -> Result<Self, SphereError> {
        if (0.0..=180.0).contains(&radius_deg) {
            Ok(Self { center, radius_deg })
        } else {
            Err(SphereError::Radius { got: radius_deg })
        }
    }

    /// The circle with a radius that is a number, brought into range.
    pub(crate) fn clamped(center: LonLat, radius_deg: f64) -> Self {
        Self {
            center,
            radius_deg: radius_deg.clamp(0.0, 180.0),
        }
    }

    /// The centre.
    #[inline]
    #[must_use]
    pub fn center(self) -> LonLat {
        self.center
    }

    /// The radius in degrees.
    #[inline]
    #[must_use]
    pub fn radius_deg(self) -> f64 {
        self.radius_deg
    }

    /// Whether a position lies inside or on the border: exactly when [`separation_deg`] does not exceed the radius.
    #[inline]
    #[must_use]
    pub fn contains(self, position: LonLat) -> bool {
        let (lon, lat) = (self.center.lon_deg(), self.center.lat_deg());
        separation_deg(lon, lat, position.lon_deg(), position.lat_deg()) <= self.radius_deg
    }

    pub(super) fn signed_distance(self, point: Vector) -> f64 {
        self.center.to_vector().separation_rad(point) - self.radius_deg.to_radians()
    }

    pub(super) fn area_sr(self) -> f64 {
        4.0 * PI * (self.radius_deg * 0.5).to_radians().sin().powi(2)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Region;
    use crate::sample::{position, radius_deg};

    #[test]
    fn radii_out_of_range_are_refused() {
        let center = LonLat::new(0.0, 0.0).unwrap();
        for radius in [-1e-300, 180.000_001, f64::NAN, f64::INFINITY] {
            assert!(Circle::new(center, radius).is_err(), "{radius}");
        }
        assert!(Circle::new(center, 0.0).unwrap().contains(center));
        assert!(
            Circle::new(center, 180.0)
                .unwrap()
                .contains(LonLat::new(180.0, 0.0).unwrap())
        );
    }

    #[test]
    fn areas() {
        let area = |radius| Region::from(Circle::new(LonLat::new(7.0, -7.0).unwrap(), radius).unwrap()).area_sqdeg();
        assert!((area(90.0) - 20_626.480_624_709_6).abs() < 1e-8);
        assert!((area(180.0) - 41_252.961_249_419_3).abs() < 1e-8);
        // A small circle is flat.
        let arcsec = 1.0 / 3600.0;
        assert!((area(arcsec) / (PI * arcsec * arcsec) - 1.0).abs() < 1e-11);
        assert_eq!(area(0.0), 0.0);
    }

    proptest! {
        #[test]
        fn contains_is_a_comparison_of_the_separation(center in position(), at in position(), radius in radius_deg()) {
            let apart = separation_deg(center.lon_deg(), center.lat_deg(), at.lon_deg(), at.lat_deg());
            prop_assert_eq!(Circle::new(center, radius).unwrap().contains(at), apart <= radius);
            prop_assert!(Circle::new(center, apart).unwrap().contains(at), "the border is inside");
        }
    }
}
