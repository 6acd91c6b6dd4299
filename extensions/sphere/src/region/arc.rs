//! Great-circle arcs, and closed borders made of them.

use crate::Vector;

/// Points this close to an arc, in radians, count as on it: 0.4 nanoarcseconds, a few roundings of a coordinate.
pub(super) const ON_BORDER_RAD: f64 = 2e-15;

/// The shorter great-circle arc between two points that are not antipodes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Arc {
    pub(super) start: Vector,
    pub(super) end: Vector,
    /// Unit normal, to the left of the way from start to end; zero for an arc without length.
    pub(super) normal: Vector,
    /// Directions at the ends, into the arc: a point beside the arc is ahead of both.
    forward: Vector,
    backward: Vector,
}

impl Arc {
    pub(super) fn new(start: Vector, end: Vector) -> Self {
        let normal = start.stable_cross(end).normalized().unwrap_or(Vector::ZERO);
        Self {
            start,
            end,
            normal,
            forward: normal.cross(start),
            backward: end.cross(normal),
        }
    }

    pub(super) fn length(&self) -> f64 {
        self.start.separation_rad(self.end)
    }

    pub(super) fn middle(&self) -> Vector {
        (self.start + self.end).normalized().unwrap_or(self.start)
    }

    /// Whether the foot of the perpendicular from a point lies on the arc.
    #[inline]
    fn is_beside(&self, point: Vector) -> bool {
        point.dot(self.forward) > 0.0 && point.dot(self.backward) > 0.0
    }

    /// Square of the straight distance to a point.
    #[inline]
    pub(super) fn chord_squared(&self, point: Vector) -> f64 {
        if self.is_beside(point) {
            let sine_squared = self.normal.dot(point).powi(2).min(1.0);
            2.0 * sine_squared / (1.0 + (1.0 - sine_squared).sqrt())
        } else {
            let (from_start, from_end) = (point - self.start, point - self.end);
            from_start.dot(from_start).min(from_end.dot(from_end))
        }
    }

    /// Whether a point lies on the arc, up to rounding.
    #[inline]
    pub(super) fn touches(&self, point: Vector) -> bool {
        // The first test is cheap and nearly always says no; it holds for an arc without length too.
        self.normal.dot(point).abs() <= ON_BORDER_RAD && self.chord_squared(point) <= ON_BORDER_RAD * ON_BORDER_RAD
    }

    /// Whether two arcs cross at a point inside both. Arcs that merely touch, up to rounding, do not.
    pub(super) fn crosses(&self, other: &Self) -> bool {
        let (start, end) = (self.normal.dot(other.start), self.normal.dot(other.end));
        let (own_start, own_end) = (other.normal.dot(self.start), other.normal.dot(self.end));
        let left = |sine: f64| sine > ON_BORDER_RAD;
        let right = |sine: f64| sine < -ON_BORDER_RAD;
        // All four triangles of the quadrilateral turn the same way, or the circles cross on the far side.
        (right(start) && left(end) && left(own_start) && right(own_end))
            || (left(start) && right(end) && right(own_start) && left(own_end))
    }
}

/// A closed chain of arcs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Border {
    arcs: Vec<Arc>,
}

impl Border {
    pub(super) fn through(corners: &[Vector]) -> Self {
        let next = corners.iter().skip(1).chain(corners.first());
        Self {
            arcs: corners
                .iter()
                .zip(next)
                .map(|(start, end)| Arc::new(*start, *end))
                .collect(),
        }
    }

    pub(super) fn arcs(&self) -> &[Arc] {
        &self.arcs
    }

    pub(super) fn corners(&self) -> impl Iterator<Item = Vector> + '_ {
        self.arcs.iter().map(|arc| arc.start)
    }

    /// The angle from a point to the nearest point of the border, in radians.
    pub(super) fn distance(&self, point: Vector) -> f64 {
        let chord_squared = self.arcs.iter().map(|arc| arc.chord_squared(point)).fold(4.0, f64::min);
        2.0 * (chord_squared.sqrt() * 0.5).min(1.0).asin()
    }

    pub(super) fn touches(&self, point: Vector) -> bool {
        self.arcs.iter().any(|arc| arc.touches(point))
    }

    pub(super) fn crosses(&self, other: &Self) -> bool {
        self.arcs
            .iter()
            .any(|own| other.arcs.iter().any(|arc| own.crosses(arc)))
    }

    /// Whether an odd number of arcs cross the shorter arc from a point to a reference point off the border.
    ///
    /// Each corner has one side of the great circle through the two points, the same for both of its arcs, so a
    /// crossing at a corner counts once or not at all and the parity is right.
    pub(super) fn parity(&self, point: Vector, reference: Vector) -> bool {
        let plane = plane_through(point, reference);
        let (after_point, before_reference) = (plane.cross(point), reference.cross(plane));
        let mut odd = false;
        for arc in &self.arcs {
            let (start_side, end_side) = (plane.dot(arc.start), plane.dot(arc.end));
            if (start_side < 0.0) == (end_side < 0.0) {
                continue;
            }
            // Weights of one sign: the crossing lies on the arc, not opposite.
            let crossing = arc.start * end_side.abs() + arc.end * start_side.abs();
            odd ^= crossing.dot(after_point) > 0.0 && crossing.dot(before_reference) > 0.0;
        }
        odd
    }
}

/// The normal of a great circle through two points; of any one if they coincide or are antipodes.
fn plane_through(point: Vector, reference: Vector) -> Vector {
    let plane = point.stable_cross(reference);
    plane.normalized().unwrap_or_else(|| {
        let axis = if reference.x.abs() < 0.6 {
            Vector { x: 1.0, y: 0.0, z: 0.0 }
        } else {
            Vector { x: 0.0, y: 1.0, z: 0.0 }
        };
        axis.cross(reference).normalized().unwrap_or(axis)
    })
}
