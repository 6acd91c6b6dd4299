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
        let border = Border::through(&[
            corner(1.0, -1.0),
            corner(1.0, 1.0),
            corner(-1.0, 1.0),
            corner(-1.0, -1.0),
        ]);
        Ok(Self {
            center,
            width_deg,
            height_deg,
            frame: [outward, east, north],
            half,
            border,
        })
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
        let farthest = self
            .border
            .corners()
            .map(|corner| corner.separation_deg(outward))
            .fold(0.0, f64::max);
        Circle::clamped(self.center, farthest + 2.0 * ON_BORDER_RAD.to_degrees())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::region::{Polygon, Region};
    use crate::sample::position;
    use crate::{destination, position_angle_deg, separation_deg};

    fn sides() -> impl Strategy<Value = (f64, f64)> {
        let side = || prop_oneof![(-7.0..1.0_f64).prop_map(|exponent| 10_f64.powf(exponent)), 0.0..179.0];
        (side(), side())
    }

    #[test]
    fn sides_out_of_range_are_refused() {
        let center = LonLat::new(0.0, 0.0).unwrap();
        assert_eq!(
            SkyBox::new(center, 360.0, 1.0),
            Err(SphereError::BoxSide {
                side: "width",
                got: 360.0
            })
        );
        assert_eq!(
            SkyBox::new(center, 1.0, -1.0),
            Err(SphereError::BoxSide {
                side: "height",
                got: -1.0
            })
        );
        assert!(SkyBox::new(center, f64::NAN, 1.0).is_err());
    }

    #[test]
    fn a_box_without_size_is_its_cross() {
        let at = |lon, lat| LonLat::new(lon, lat).unwrap();
        let point = SkyBox::new(at(10.0, 20.0), 0.0, 0.0).unwrap();
        assert!(point.contains(at(10.0, 20.0)) && !point.contains(at(10.0, 20.000_001)));
        let line = SkyBox::new(at(10.0, 20.0), 0.0, 2.0).unwrap();
        assert!(line.contains(at(10.0, 21.0)) && line.contains(at(10.0, 19.5)) && !line.contains(at(10.000_001, 20.0)));
        assert_eq!(line.area_sr(), 0.0);
        assert!(Region::from(line).intersects(&Region::from(point)));
    }

    /// A quarter of a cube's face: the solid angle of a face is a sixth of the sphere.
    #[test]
    fn six_square_boxes_of_90_degrees_tile_the_sphere() {
        let face = SkyBox::new(LonLat::new(33.0, 12.0).unwrap(), 90.0, 90.0).unwrap();
        assert!((Region::from(face).area_sqdeg() * 6.0 - 41_252.961_249_419_3).abs() < 1e-7);
    }

    proptest! {
        /// The definition itself: go along an arm to the foot of the perpendicular, compare with the arm's length.
        #[test]
        fn sides_meet_the_arms_at_right_angles(center in position(), (width, height) in sides(), at in position()) {
            let region = SkyBox::new(center, width, height).unwrap();
            let apart = separation_deg(center.lon_deg(), center.lat_deg(), at.lon_deg(), at.lat_deg());
            prop_assume!(apart < 89.9);
            let angle = position_angle_deg(center, at).to_radians();
            let legs = (
                (apart.to_radians().tan() * angle.sin()).atan().to_degrees().abs() * 2.0,
                (apart.to_radians().tan() * angle.cos()).atan().to_degrees().abs() * 2.0,
            );
            prop_assume!((legs.0 - width).abs() > 1e-11 && (legs.1 - height).abs() > 1e-11);
            prop_assert_eq!(region.contains(at), legs.0 < width && legs.1 < height);
        }

        #[test]
        fn arm_ends_are_inside_and_a_step_further_is_not(center in position(), (width, height) in sides()) {
            let region = SkyBox::new(center, width, height).unwrap();
            for (bearing, arm) in [(90.0, width), (270.0, width), (0.0, height), (180.0, height)] {
                prop_assert!(region.contains(destination(center, bearing, arm * 0.5)), "{bearing}");
                prop_assert!(!region.contains(destination(center, bearing, arm * 0.5 + 1e-11)), "{bearing}");
            }
        }

        #[test]
        fn a_box_is_the_polygon_of_its_corners(center in position(), (width, height) in sides(), at in position()) {
            prop_assume!(width > 1e-3 && height > 1e-3);
            let region = SkyBox::new(center, width, height).unwrap();
            let polygon = Polygon::new(region.border.corners().map(Vector::to_lonlat).collect()).unwrap();
            let near_border = region.border.distance(at.to_vector()) < 1e-14;
            prop_assert!(near_border || region.contains(at) == polygon.contains(at));
            let bounds = region.bounding_circle();
            prop_assert!(!region.contains(at) || bounds.contains(at));
            let (own, others) = (Region::from(region).area_sqdeg(), Region::from(polygon).area_sqdeg());
            prop_assert!((own - others).abs() < 1e-9 * own + 1e-9, "{own} {others}");
        }
    }
}
