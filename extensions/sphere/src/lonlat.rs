//! A position as longitude and latitude.

use crate::angle::{sin_cos_deg, wrap_lon_deg};
use crate::{SphereError, Vector};

/// A position on the sphere: longitude in `[0, 360)` and latitude in `[-90, 90]`, both in degrees and finite.
///
/// ```
/// use dreyer_sphere::LonLat;
///
/// let vega = LonLat::new(279.234_735 - 360.0, 38.783_689)?;
/// assert!((vega.lon_deg() - 279.234_735).abs() < 1e-12);
/// assert!(LonLat::new(38.783_689, 279.234_735).is_err());
/// # Ok::<(), dreyer_sphere::SphereError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LonLat {
    lon_deg: f64,
    lat_deg: f64,
}

impl LonLat {
    /// The position at a longitude of any finite size, reduced to one turn, and a latitude.
    ///
    /// # Errors
    ///
    /// [`SphereError::Longitude`] unless the longitude is finite, [`SphereError::Latitude`] unless the latitude lies
    /// in `[-90, 90]`.
    #[inline]
    pub fn new(lon_deg: f64, lat_deg: f64) -> Result<Self, SphereError> {
        if !lon_deg.is_finite() {
            return Err(SphereError::Longitude { got: lon_deg });
        }
        if !(-90.0..=90.0).contains(&lat_deg) {
            return Err(SphereError::Latitude { got: lat_deg });
        }
        Ok(Self {
            lon_deg: wrap_lon_deg(lon_deg),
            lat_deg,
        })
    }

    /// A position from numbers known to be finite, with rounding at the poles forgiven.
    #[inline]
    pub(crate) fn from_finite(lon_deg: f64, lat_deg: f64) -> Self {
        Self {
            lon_deg: wrap_lon_deg(lon_deg),
            lat_deg: lat_deg.clamp(-90.0, 90.0),
        }
    }

    /// Longitude in degrees, in `[0, 360)`.
    #[inline]
    #[must_use]
    pub fn lon_deg(self) -> f64 {
        self.lon_deg
    }

    /// Latitude in degrees, in `[-90, 90]`.
    #[inline]
    #[must_use]
    pub fn lat_deg(self) -> f64 {
        self.lat_deg
    }

    /// The unit vector to this position: x towards (0, 0), y towards (90, 0), z towards the north pole.
    ///
    /// ```
    /// use dreyer_sphere::{LonLat, Vector};
    ///
    /// assert_eq!(LonLat::new(90.0, 0.0)?.to_vector(), Vector { x: 0.0, y: 1.0, z: 0.0 });
    /// # Ok::<(), dreyer_sphere::SphereError>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn to_vector(self) -> Vector {
        let (sin_lon, cos_lon) = sin_cos_deg(self.lon_deg);
        let (sin_lat, cos_lat) = sin_cos_deg(self.lat_deg);
        Vector {
            x: cos_lat * cos_lon,
            y: cos_lat * sin_lon,
            z: sin_lat,
        }
    }

    /// The unit vectors that point east and north from here; at a pole, those of the limit along this longitude.
    pub(crate) fn east_north(self) -> (Vector, Vector) {
        let (sin_lon, cos_lon) = sin_cos_deg(self.lon_deg);
        let (sin_lat, cos_lat) = sin_cos_deg(self.lat_deg);
        let east = Vector {
            x: -sin_lon,
            y: cos_lon,
            z: 0.0,
        };
        let north = Vector {
            x: -sin_lat * cos_lon,
            y: -sin_lat * sin_lon,
            z: cos_lat,
        };
        (east, north)
    }
}
