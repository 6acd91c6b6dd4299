//! Whether two regions meet, and whether one holds the other.

use std::f64::consts::PI;

use super::arc::{Border, ON_BORDER_RAD};
use super::{Circle, Region};

pub(super) fn intersects(one: &Region, other: &Region) -> bool {
    match (one, other) {
        (Region::Circle(circle), region) | (region, Region::Circle(circle)) => {
            region.signed_distance(circle.center().to_vector()) <= circle.radius_deg().to_radians() + ON_BORDER_RAD
        }
        _ => match (edges(one), edges(other)) {
            (Some(own), Some(others)) => {
                // Two regions that meet have borders that cross, or one holds a corner of the other.
                others.corners().any(|corner| one.contains_vector(corner))
                    || own.corners().any(|corner| other.contains_vector(corner))
                    || own.crosses(others)
            }
            _ => false,
        },
    }
}

pub(super) fn contains_region(outer: &Region, inner: &Region) -> bool {
    match (outer, inner) {
        (Region::Circle(outer), inner) => lies_in_circle(inner, *outer),
        (outer, Region::Circle(inner)) => {
            outer.signed_distance(inner.center().to_vector()) <= ON_BORDER_RAD - inner.radius_deg().to_radians()
        }
        _ => match (edges(outer), edges(inner)) {
            (Some(outer_border), Some(inner_border)) => {
                let within = inner_border
                    .arcs()
                    .iter()
                    .all(|arc| outer.contains_vector(arc.start) && outer.contains_vector(arc.middle()));
                // The inner border lies in the outer region: what is left is an inner region that holds all but a hole.
                within && !outer_border.crosses(inner_border) && !holds_outside(inner, outer)
            }
            _ => false,
        },
    }
}

/// A region lies in a circle if it stays out of the circle around the antipode.
fn lies_in_circle(region: &Region, circle: Circle) -> bool {
    let radius = circle.radius_deg().to_radians();
    match region {
        _ if circle.radius_deg() >= 180.0 => true,
        Region::Circle(inner) => {
            let apart = circle.center().to_vector().separation_rad(inner.center().to_vector());
            apart + inner.radius_deg().to_radians() <= radius + ON_BORDER_RAD
        }
        _ => region.signed_distance(-circle.center().to_vector()) >= PI - radius - ON_BORDER_RAD,
    }
}

/// Whether a region holds a point known to lie outside another.
fn holds_outside(inner: &Region, outer: &Region) -> bool {
    match outer {
        Region::Polygon(outer) => inner.contains_vector(outer.outside()),
        // A box holds no hemisphere, so its centre's antipode is outside.
        Region::Box(outer) => inner.contains_vector(-outer.center().to_vector()),
        Region::Circle(_) => false,
    }
}

fn edges(region: &Region) -> Option<&Border> {
    match region {
        Region::Circle(_) => None,
        Region::Polygon(polygon) => Some(polygon.border()),
        Region::Box(sky_box) => Some(sky_box.border()),
    }
}
