//! A polygon with great-circle edges.

use std::f64::consts::{PI, TAU};

use crate::{Circle, LonLat, SphereError, Vector};

use super::arc::{Arc, Border, ON_BORDER_RAD};

/// Polygons with more vertices than this are not searched for edges that cross.
const MAX_VERTICES_SEARCHED: usize = 512;

/// Below this bounding radius, in radians, the centre of mass is taken in the tangent plane.
const FLAT_RAD: f64 = 1e-4;

/// A polygon no higher than this, in radians, is a line: such heights are roundings of its corners.
const FLAT_HEIGHT_RAD: f64 = 4e-15;

/// Corners within this of a centre lie in its hemisphere, and so does the smaller side of the polygon through them.
const FITS_HEMISPHERE_RAD: f64 = 1.56;

/// What a chain of great-circle edges encloses: ADQL's POLYGON.
///
/// The vertices may run either way round: the inside is the smaller of the two sides. Repeated vertices count once, a
/// last vertex that repeats the first closes the chain.
///
/// ```
/// use dreyer_sphere::{LonLat, Polygon};
///
/// let corners = [(359.0, -1.0), (1.0, -1.0), (1.0, 1.0), (359.0, 1.0)];
/// let corners = corners.map(|(lon, lat)| LonLat::new(lon, lat)).into_iter().collect::<Result<_, _>>()?;
/// let square = Polygon::new(corners)?;
/// assert!(square.contains(LonLat::new(0.0, 0.0)?));
/// assert!(!square.contains(LonLat::new(180.0, 0.0)?));
/// # Ok::<(), dreyer_sphere::SphereError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Polygon {
    vertices: Vec<LonLat>,
    border: Border,
    /// A point that is surely not inside, off the border.
    outside: Vector,
    area_sr: f64,
    bounds: Bounds,
}

/// A circle around the polygon, kept as vector and cosine for a quick no.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bounds {
    center: Vector,
    radius: f64,
    cos_radius: f64,
}

impl Polygon {
    /// The polygon through vertices in order along its border.
    ///
    /// # Errors
    ///
    /// [`SphereError::TooFewVertices`] with fewer than three distinct vertices, [`SphereError::AntipodalVertices`]
    /// where an edge is undefined, [`SphereError::NoArea`] if all vertices lie along one line, and
    /// [`SphereError::SelfIntersecting`] if edges cross (searched for in polygons of up to 512 vertices).
    pub fn new(vertices: Vec<LonLat>) -> Result<Self, SphereError> {
        let (mut vertices, mut corners) = distinct(vertices);
        if vertices.len() < 3 {
            return Err(SphereError::TooFewVertices { got: vertices.len() });
        }
        let mut border = Border::through(&corners);
        check_edges(border.arcs())?;
        let (center, radius) = center_of(&corners);
        let fits_hemisphere = radius < FITS_HEMISPHERE_RAD;
        let (area_sr, inside_is_left) = smaller_side(&border, center, fits_hemisphere);
        if area_sr < FLAT_HEIGHT_RAD * radius {
            return Err(SphereError::NoArea);
        }
        if !inside_is_left {
            vertices.reverse();
            corners.reverse();
            border = Border::through(&corners);
        }
        let outside = if fits_hemisphere {
            -center
        } else {
            beside_longest(&border)
        };
        let mut polygon = Self {
            vertices,
            border,
            outside,
            area_sr,
            bounds: Bounds::new(center, radius),
        };
        if !fits_hemisphere {
            polygon.bounds = Bounds::new(center, PI);
            let around = if polygon.contains_vector(-center) {
                PI
            } else {
                PI - polygon.border.distance(-center)
            };
            polygon.bounds = Bounds::new(center, around);
        }
        Ok(polygon)
    }

    /// The distinct vertices, in the order that has the inside on the left of the edges as seen from outside the sphere.
    #[must_use]
    pub fn vertices(&self) -> &[LonLat] {
        &self.vertices
    }

    /// Whether a position lies inside or on the border, up to 10⁻¹³ degrees.
    #[must_use]
    pub fn contains(&self, position: LonLat) -> bool {
        self.contains_vector(position.to_vector())
    }

    pub(super) fn contains_vector(&self, point: Vector) -> bool {
        self.bounds.may_contain(point) && (self.border.parity(point, self.outside) || self.border.touches(point))
    }

    pub(super) fn border(&self) -> &Border {
        &self.border
    }

    pub(super) fn outside(&self) -> Vector {
        self.outside
    }

    pub(super) fn area_sr(&self) -> f64 {
        self.area_sr
    }

    pub(super) fn bounding_circle(&self) -> Circle {
        Circle::clamped(self.bounds.center.to_lonlat(), self.bounds.radius.to_degrees())
    }

    /// The direction of the surface's mean vector.
    pub(super) fn centroid(&self) -> LonLat {
        let center = self.bounds.center;
        let arcs = self.border.arcs();
        let mean = if self.bounds.radius < FLAT_RAD {
            // Triangles from the centre, each with a third of its corners' sum.
            let weighted = |arc: &Arc| (arc.start - center + (arc.end - center)) * (signed_excess(center, arc) / 3.0);
            center + arcs.iter().map(weighted).fold(Vector::ZERO, |sum, term| sum + term) * (1.0 / self.area_sr)
        } else {
            // Stokes: the integral of the position over a surface is half the sum of edge lengths times normals.
            arcs.iter()
                .map(|arc| arc.normal * arc.length())
                .fold(Vector::ZERO, |sum, term| sum + term)
        };
        mean.normalized().unwrap_or(center).to_lonlat()
    }
}

impl Bounds {
    fn new(center: Vector, radius: f64) -> Self {
        let radius = (radius + 2.0 * ON_BORDER_RAD).min(PI);
        Self {
            center,
            radius,
            cos_radius: radius.cos() - 1e-15,
        }
    }

    #[inline]
    fn may_contain(&self, point: Vector) -> bool {
        self.center.dot(point) >= self.cos_radius
    }
}

/// Drops vertices that repeat the one before, and the last if it repeats the first.
fn distinct(mut vertices: Vec<LonLat>) -> (Vec<LonLat>, Vec<Vector>) {
    vertices.dedup_by_key(|vertex| vertex.to_vector());
    while vertices.len() > 1 && vertices.first().map(|v| v.to_vector()) == vertices.last().map(|v| v.to_vector()) {
        vertices.pop();
    }
    let corners = vertices.iter().map(|vertex| vertex.to_vector()).collect();
    (vertices, corners)
}

fn check_edges(arcs: &[Arc]) -> Result<(), SphereError> {
    let count = arcs.len();
    for (position, arc) in arcs.iter().enumerate() {
        if (arc.start + arc.end).norm() < 1e-14 {
            return Err(SphereError::AntipodalVertices {
                first: position + 1,
                second: (position + 1) % count + 1,
            });
        }
    }
    if count > MAX_VERTICES_SEARCHED {
        return Ok(());
    }
    for (first, arc) in arcs.iter().enumerate() {
        for (second, other) in arcs.iter().enumerate().skip(first + 1) {
            if arc.crosses(other) {
                return Err(SphereError::SelfIntersecting {
                    first: first + 1,
                    second: second + 1,
                });
            }
        }
    }
    Ok(())
}

/// A centre for the corners and the radius that reaches them all, near the smallest.
///
/// Starts from the mean and steps towards the farthest corner by ever smaller parts (Bădoiu and Clarkson 2003, *Smaller
/// core-sets for balls*), keeping the best.
fn center_of(corners: &[Vector]) -> (Vector, f64) {
    let farthest = |center: Vector| {
        let chords = corners.iter().map(|corner| ((*corner - center).norm(), *corner));
        chords.fold((0.0, center), |best, next| if next.0 > best.0 { next } else { best })
    };
    let sum = corners.iter().fold(Vector::ZERO, |sum, corner| sum + *corner);
    let mut center = sum
        .normalized()
        .or_else(|| corners.first().copied())
        .unwrap_or(Vector { x: 0.0, y: 0.0, z: 1.0 });
    let (mut chord, mut corner) = farthest(center);
    let mut best = (center, chord);
    for step in 1..=16 {
        center = (center + (corner - center) * (1.0 / f64::from(step + 1)))
            .normalized()
            .unwrap_or(center);
        (chord, corner) = farthest(center);
        if chord < best.1 {
            best = (center, chord);
        }
    }
    (best.0, 2.0 * (best.1 * 0.5).min(1.0).asin())
}

/// The area of the smaller side of a border in steradians, and whether that side is the left one.
///
/// The sum of the signed triangles from a point to the edges is the left side's area but for multiples of the sphere's.
/// Within the point's hemisphere it is the area itself, negative if the border runs the other way.
fn smaller_side(border: &Border, center: Vector, fits_hemisphere: bool) -> (f64, bool) {
    let sum: f64 = border.arcs().iter().map(|arc| signed_excess(center, arc)).sum();
    if fits_hemisphere {
        return (sum.abs(), sum > 0.0);
    }
    let left = sum.rem_euclid(2.0 * TAU);
    (left.min(2.0 * TAU - left), left <= TAU)
}

/// The area of the triangle from a point to an arc, positive if the point is on the arc's left.
///
/// Eriksson 1990, *On the measure of solid angles*. Taking the triple product of differences keeps small areas precise.
fn signed_excess(apex: Vector, arc: &Arc) -> f64 {
    let volume = apex.dot((arc.start - apex).cross(arc.end - apex));
    let scale = 1.0 + apex.dot(arc.start) + arc.start.dot(arc.end) + arc.end.dot(apex);
    2.0 * volume.atan2(scale)
}

/// A point just to the right of the longest edge's middle, nearer to it than to any other edge.
fn beside_longest(border: &Border) -> Vector {
    let longest = border
        .arcs()
        .iter()
        .max_by(|one, other| one.length().total_cmp(&other.length()));
    let Some(edge) = longest else { return Vector::ZERO };
    let middle = edge.middle();
    let others = border.arcs().iter().filter(|arc| *arc != edge);
    let clearance = others.map(|arc| arc.chord_squared(middle)).fold(1.0, f64::min).sqrt();
    (middle - edge.normal * (clearance * 0.25))
        .normalized()
        .unwrap_or(middle)
}

#[cfg(test)]
#[path = "polygon_tests.rs"]
mod tests;
