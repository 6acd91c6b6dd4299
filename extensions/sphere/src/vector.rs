//! A position as a unit vector: the form in which the sphere has no poles and no wrap.

use std::ops::{Add, Mul, Neg, Sub};

use crate::LonLat;

/// A point of the unit sphere in Cartesian coordinates: x towards (lon 0, lat 0), y towards (90, 0), z to the north pole.
///
/// The fields are public so that inner loops can work on them; whoever builds one by hand keeps it of unit length.
///
/// ```
/// use dreyer_sphere::Vector;
///
/// let north_pole = Vector { x: 0.0, y: 0.0, z: 1.0 };
/// let aries = Vector { x: 1.0, y: 0.0, z: 0.0 };
/// assert_eq!(north_pole.separation_deg(aries), 90.0);
/// assert_eq!(aries.to_lonlat().lon_deg(), 0.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Vector {
    /// Towards longitude 0, latitude 0.
    pub x: f64,
    /// Towards longitude 90, latitude 0.
    pub y: f64,
    /// Towards the north pole.
    pub z: f64,
}

impl Vector {
    /// The zero vector: the normal of an arc without length.
    pub(crate) const ZERO: Self = Self { x: 0.0, y: 0.0, z: 0.0 };

    /// The angle to another unit vector, in degrees, in `[0, 180]`.
    ///
    /// Twice the angle whose opposite and adjacent sides are the difference and the sum of the two vectors (Kahan,
    /// *How Futile are Mindless Assessments of Roundoff*, §12): accurate at all separations, 0 and 180 included.
    #[inline]
    #[must_use]
    pub fn separation_deg(self, other: Self) -> f64 {
        self.separation_rad(other).to_degrees()
    }

    #[inline]
    pub(crate) fn separation_rad(self, other: Self) -> f64 {
        2.0 * (self - other).norm().atan2((self + other).norm())
    }

    /// Longitude and latitude of the vector's direction; (0, 0) if it has none.
    #[inline]
    #[must_use]
    pub fn to_lonlat(self) -> LonLat {
        let lon = self.y.atan2(self.x);
        let lat = self.z.atan2(self.x.hypot(self.y));
        if lon.is_finite() && lat.is_finite() {
            LonLat::from_finite(lon.to_degrees(), lat.to_degrees())
        } else {
            LonLat::from_finite(0.0, 0.0)
        }
    }

    #[inline]
    pub(crate) fn dot(self, other: Self) -> f64 {
        self.x * other.x + self.y * other.y + self.z * other.z
    }

    #[inline]
    pub(crate) fn cross(self, other: Self) -> Self {
        Self {
            x: self.y * other.z - self.z * other.y,
            y: self.z * other.x - self.x * other.z,
            z: self.x * other.y - self.y * other.x,
        }
    }

    #[inline]
    pub(crate) fn norm(self) -> f64 {
        self.dot(self).sqrt()
    }

    /// This direction with unit length, or `None` for a vector without direction.
    #[inline]
    pub(crate) fn normalized(self) -> Option<Self> {
        let norm = self.norm();
        (norm > 0.0 && norm.is_finite()).then(|| self * (1.0 / norm))
    }

    /// A vector along `self × other` that keeps its relative precision when the two are close or nearly opposite.
    ///
    /// Replacing one factor by a sum or difference adds only a multiple of the other, which the product ignores.
    #[inline]
    pub(crate) fn stable_cross(self, other: Self) -> Self {
        if self.dot(other) < 0.0 {
            (self + other).cross(other)
        } else {
            (self - other).cross(other)
        }
    }
}

impl Add for Vector {
    type Output = Self;
    #[inline]
    fn add(self, other: Self) -> Self {
        Self {
            x: self.x + other.x,
            y: self.y + other.y,
            z: self.z + other.z,
        }
    }
}

impl Sub for Vector {
    type Output = Self;
    #[inline]
    fn sub(self, other: Self) -> Self {
        Self {
            x: self.x - other.x,
            y: self.y - other.y,
            z: self.z - other.z,
        }
    }
}

impl Neg for Vector {
    type Output = Self;
    #[inline]
    fn neg(self) -> Self {
        Self {
            x: -self.x,
            y: -self.y,
            z: -self.z,
        }
    }
}

impl Mul<f64> for Vector {
    type Output = Self;
    #[inline]
    fn mul(self, factor: f64) -> Self {
        Self {
            x: self.x * factor,
            y: self.y * factor,
            z: self.z * factor,
        }
    }
}
