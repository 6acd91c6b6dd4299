//! Regions of the sphere: circles, polygons and boxes, and what one can ask of any of them.
//!
//! All three answer one question, the signed distance of a point to the border, and most others follow from it.
//! Unions, complements and serialisations of regions are no part of this module.

mod arc;
mod circle;
mod cover;
mod intersects;
mod polygon;
mod sky_box;

use crate::angle::SQDEG_PER_SR;
use crate::{CellRanges, LonLat, Vector};

pub use circle::Circle;
pub use polygon::Polygon;
pub use sky_box::SkyBox;

use arc::Border;

/// A region of the sphere, its border included.
///
/// ```
/// use dreyer_sphere::{Circle, LonLat, Polygon, Region};
///
/// let north = Region::from(Circle::new(LonLat::new(0.0, 90.0)?, 1.0)?);
/// let corners = [(350.0, 80.0), (110.0, 80.0), (230.0, 80.0)];
/// let corners = corners.map(|(lon, lat)| LonLat::new(lon, lat)).into_iter().collect::<Result<_, _>>()?;
/// let around_the_pole = Region::from(Polygon::new(corners)?);
/// assert!(around_the_pole.contains(LonLat::new(123.0, 90.0)?));
/// assert!(around_the_pole.intersects(&north) && around_the_pole.contains_region(&north));
/// # Ok::<(), dreyer_sphere::SphereError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Region {
    /// All points within a radius of a centre.
    Circle(Circle),
    /// What great-circle edges enclose.
    Polygon(Polygon),
    /// What four great circles around a cross enclose.
    Box(SkyBox),
}

impl Region {
    /// Whether a position lies inside or on the border.
    #[must_use]
    pub fn contains(&self, position: LonLat) -> bool {
        match self {
            Self::Circle(circle) => circle.contains(position),
            Self::Polygon(polygon) => polygon.contains(position),
            Self::Box(sky_box) => sky_box.contains(position),
        }
    }

    /// Whether the whole of another region lies inside this one, borders included.
    #[must_use]
    pub fn contains_region(&self, other: &Self) -> bool {
        intersects::contains_region(self, other)
    }

    /// Whether the two regions have a point in common, borders included.
    #[must_use]
    pub fn intersects(&self, other: &Self) -> bool {
        intersects::intersects(self, other)
    }

    /// The area in square degrees; 41 253 for the whole sphere.
    ///
    /// ```
    /// use dreyer_sphere::{Circle, LonLat, Region};
    ///
    /// let sphere = Region::from(Circle::new(LonLat::new(0.0, 0.0)?, 180.0)?);
    /// assert!((sphere.area_sqdeg() - 41_252.961).abs() < 1e-3);
    /// # Ok::<(), dreyer_sphere::SphereError>(())
    /// ```
    #[must_use]
    pub fn area_sqdeg(&self) -> f64 {
        SQDEG_PER_SR
            * match self {
                Self::Circle(circle) => circle.area_sr(),
                Self::Polygon(polygon) => polygon.area_sr(),
                Self::Box(sky_box) => sky_box.area_sr(),
            }
    }

    /// The centre of a circle or box, the centre of mass of a polygon's surface.
    #[must_use]
    pub fn centroid(&self) -> LonLat {
        match self {
            Self::Circle(circle) => circle.center(),
            Self::Polygon(polygon) => polygon.centroid(),
            Self::Box(sky_box) => sky_box.center(),
        }
    }

    /// A circle that contains the region: exact for circles and boxes, near the smallest for polygons.
    #[must_use]
    pub fn bounding_circle(&self) -> Circle {
        match self {
            Self::Circle(circle) => *circle,
            Self::Polygon(polygon) => polygon.bounding_circle(),
            Self::Box(sky_box) => sky_box.bounding_circle(),
        }
    }

    /// A superset of the region in order-29 cells, in at most `max_ranges` ranges.
    ///
    /// The more ranges are allowed, the finer the border is followed.
    ///
    /// ```
    /// use dreyer_sphere::{Circle, LonLat, Region};
    ///
    /// let cone = Region::from(Circle::new(LonLat::new(10.0, 41.0)?, 1.0)?);
    /// assert!(cone.cover(16).len() <= 16);
    /// assert!(cone.cover(256).cell_count() < cone.cover(16).cell_count());
    /// # Ok::<(), dreyer_sphere::SphereError>(())
    /// ```
    #[must_use]
    pub fn cover(&self, max_ranges: usize) -> CellRanges {
        cover::cover(self, max_ranges)
    }

    /// The distance of a point to the border in radians: negative inside, positive outside.
    fn signed_distance(&self, point: Vector) -> f64 {
        match self {
            Self::Circle(circle) => circle.signed_distance(point),
            Self::Polygon(polygon) => signed(polygon.contains_vector(point), polygon.border(), point),
            Self::Box(sky_box) => signed(sky_box.contains_vector(point), sky_box.border(), point),
        }
    }

    fn contains_vector(&self, point: Vector) -> bool {
        match self {
            Self::Circle(circle) => circle.signed_distance(point) <= 0.0,
            Self::Polygon(polygon) => polygon.contains_vector(point),
            Self::Box(sky_box) => sky_box.contains_vector(point),
        }
    }
}

fn signed(inside: bool, border: &Border, point: Vector) -> f64 {
    let distance = border.distance(point);
    if inside { -distance } else { distance }
}

impl From<Circle> for Region {
    fn from(circle: Circle) -> Self {
        Self::Circle(circle)
    }
}

impl From<Polygon> for Region {
    fn from(polygon: Polygon) -> Self {
        Self::Polygon(polygon)
    }
}

impl From<SkyBox> for Region {
    fn from(sky_box: SkyBox) -> Self {
        Self::Box(sky_box)
    }
}
