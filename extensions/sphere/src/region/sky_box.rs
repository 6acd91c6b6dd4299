//! ADQL's BOX: a cross on the sky and the great circles at the ends of its arms.

use crate::angle::sin_cos_deg;
use crate::{Circle, LonLat, SphereError, Vector};

use super::arc::{Border, ON_BORDER_RAD};

/// A box around a centre, as ADQL 2.1 §4.2.8 has it.
///
/// A cross stands on the centre, its arms along the circle of latitude's tangent and the meridian, half a width and half
/// a height long. The sides are the great circles that meet the arms' ends at right angles. On the sky such a box has
/// corners of more than 90 degrees, and it is not a range of coordinates.
///
/// ```
/// use dreyer_sphere::{LonLat, SkyBox};
///
/// let field = SkyBox::new(LonLat::new(0.0, 60.0)?, 4.0, 2.0)?;
/// assert!(field.contains(LonLat::new(0.0, 61.0)?));
/// assert!(field.contains(LonLat::new(356.1, 60.0)?));
/// assert!(!field.contains(LonLat::new(355.9, 60.0)?));
/// # Ok::<(), dreyer_sphere::SphereError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SkyBox {
    center: LonLat,
    width_deg: f64,
    height_deg: f64,
    frame: [Vector; 3],
    /// Sine and cosine of half the width, of half the height.
    half: [(f64, f64); 2],
    border: Border,
}

impl SkyBox {
    /// The box of a width (east-west) and a height (north-south) around a centre.
    ///
    /// # Errors
    ///
    /// [`SphereError::BoxSide`] unless both sides lie in `[0, 180)` degrees.
    pub fn new(center: LonLat, width_deg: f64, height_deg: f64) -> Result<Self, SphereError> {
        for (side, got) in [("width", width_deg), ("height", height_deg)] {
            if !(0.0..180.0).contains(&got) {
                return Err(SphereError::BoxSide { side, got });
            }
        }
        let outward = center.to_vector();
        let (east, north) = center.east_north();
        let half = [sin_cos_deg(width_deg * 0.5), sin_cos_deg(height_deg * 0.5)];
        let [(sin_width, cos_width), (sin_height, cos_height)] = half;
        // The gnomonic plane's (± tan(width/2), ± tan(height/2)), without the division.
        let corner = |to_east: f64, to_north: f64| {
            let sum = outward * (cos_width * cos_height)
                + east * (to_east * sin_width * cos_height)
                + north * (to_north * cos_width * sin_height);
            sum.normalized().unwrap_or(outward)
        };
        let border = Border::through(&[corner(1.0, -1.0), corner(1.0, 1.0), corner(-1.0, 1.0), corner(-1.0, -1.0)]);
        Ok(Self { center, width_deg, height_deg, frame: [outward, east, north], half, border })
    }

    /// The centre.
    #[must_use]
    pub fn center(&self) -> LonLat {
        self.center
    }

    /// The width in degrees, along the great circle that runs east and west from the centre.
    #[must_use]
    pub fn width_deg(&self) -> f64 {
        self.width_deg
    }

    /// The height in degrees, along the meridian of the centre.
    #[must_use]
    pub fn height_deg(&self) -> f64 {
        self.height_deg
    }

    /// Whether a position lies inside or on the border, up to 10⁻¹³ degrees.
    #[must_use]
    pub fn contains(&self, position: LonLat) -> bool {
        self.contains_vector(position.to_vector())
    }

    pub(super) fn contains_vector(&self, point: Vector) -> bool {
        let [outward, east, north] = self.frame.map(|axis| axis.dot(point));
        let [(sin_width, cos_width), (sin_height, cos_height)] = self.half;
        outward > 0.0
            && east.abs() * cos_width <= outward * sin_width + ON_BORDER_RAD
            && north.abs() * cos_height <= outward * sin_height + ON_BORDER_RAD
    }

    pub(super) fn border(&self) -> &Border {
        &self.border
    }

    pub(super) fn area_sr(&self) -> f64 {
        let [(sin_width, _), (sin_height, _)] = self.half;
        4.0 * (sin_width * sin_height).asin()
    }

    pub(super) fn bounding_circle(&self) -> Circle {
        let [outward, ..] = self.frame;
        let farthest = self.border.corners().map(|corner| corner.separation_deg(outward)).fold(0.0, f64::max);
        Circle::clamped(self.center, farthest + 2.0 * ON_BORDER_RAD.to_degrees())
    }
}
