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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::region::{Polygon, SkyBox};
    use crate::sample::position;
    use crate::{LonLat, destination};

    fn at(lon: f64, lat: f64) -> LonLat {
        LonLat::new(lon, lat).unwrap()
    }

    fn circle(lon: f64, lat: f64, radius: f64) -> Region {
        Circle::new(at(lon, lat), radius).unwrap().into()
    }

    fn sky_box(lon: f64, lat: f64, width: f64, height: f64) -> Region {
        SkyBox::new(at(lon, lat), width, height).unwrap().into()
    }

    /// A star with four points, turned: concave, and as large as its reach.
    fn star(center: LonLat, reach: f64, turn: f64) -> Region {
        let corners = (0..8_u32).map(|corner| {
            let out = if corner % 2 == 0 { reach } else { reach * 0.3 };
            destination(center, turn + 45.0 * f64::from(corner), out)
        });
        Polygon::new(corners.collect()).unwrap().into()
    }

    fn region() -> impl Strategy<Value = Region> {
        let size = prop_oneof![0.1..10.0_f64, 10.0..85.0];
        (0..3, position(), size, 0.1..1.0, 0.0..90.0).prop_map(|(kind, center, size, ratio, turn)| match kind {
            0 => Circle::new(center, size).unwrap().into(),
            1 => SkyBox::new(center, size * 2.0, size * 2.0 * ratio).unwrap().into(),
            _ => star(center, size, turn),
        })
    }

    /// Points all over a region's bounding circle, the centre and its rim included.
    fn points(region: &Region) -> impl Iterator<Item = LonLat> {
        let bounds = region.bounding_circle();
        (0..3000).map(move |step| {
            let part = (f64::from(step) / 3000.0).sqrt();
            destination(bounds.center(), f64::from(step) * 137.508, bounds.radius_deg() * part)
        })
    }

    #[test]
    fn crossing_without_corners_inside() {
        let (wide, tall) = (sky_box(0.0, 0.0, 20.0, 2.0), sky_box(0.0, 0.0, 2.0, 20.0));
        assert!(wide.intersects(&tall) && tall.intersects(&wide));
        assert!(!wide.contains_region(&tall) && !tall.contains_region(&wide));
    }

    #[test]
    fn touching_counts() {
        assert!(circle(0.0, 0.0, 10.0).intersects(&circle(30.0, 0.0, 20.0)));
        assert!(!circle(0.0, 0.0, 10.0).intersects(&circle(30.0, 0.0, 19.999_999)));
        assert!(sky_box(359.0, 0.0, 2.0, 2.0).intersects(&sky_box(1.0, 0.0, 2.0, 2.0)));
        assert!(circle(0.0, 0.0, 10.0).contains_region(&circle(4.0, 0.0, 6.0)));
    }

    #[test]
    fn an_antipode_does_not_intersect() {
        assert!(!circle(10.0, 20.0, 80.0).intersects(&circle(190.0, -20.0, 80.0)));
        assert!(!sky_box(10.0, 20.0, 80.0, 80.0).intersects(&sky_box(190.0, -20.0, 80.0, 80.0)));
        assert!(circle(10.0, 20.0, 100.0).intersects(&circle(190.0, -20.0, 80.0)));
    }

    #[test]
    fn a_large_circle_holds_what_avoids_its_antipode() {
        let most = circle(0.0, 90.0, 179.0);
        assert!(most.contains_region(&sky_box(0.0, -80.0, 10.0, 10.0)));
        assert!(!most.contains_region(&sky_box(0.0, -86.0, 10.0, 10.0)));
        assert!(!most.contains_region(&circle(0.0, 0.0, 89.5)));
        assert!(circle(0.0, 0.0, 180.0).contains_region(&most));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(150))]
        #[test]
        fn a_common_point_decides(one in region(), other in region()) {
            let met = one.intersects(&other);
            prop_assert_eq!(met, other.intersects(&one));
            let common = points(&one).chain(points(&other)).any(|point| one.contains(point) && other.contains(point));
            prop_assert!(met || !common, "a common point, but no intersection");
            // The other way, with room for regions that overlap between the sampled points.
            if met && !common {
                let apart = |region: &Region, point: LonLat| region.signed_distance(point.to_vector());
                let nearest = points(&one).map(|point| apart(&one, point).max(apart(&other, point)));
                prop_assert!(nearest.fold(PI, f64::min) < 0.1, "an intersection, but no near point");
            }
        }

        #[test]
        fn a_region_inside_brings_its_points(one in region(), other in region()) {
            let inside = one.contains_region(&other);
            let out = points(&other).filter(|point| other.contains(*point)).find(|point| !one.contains(*point));
            let out = out.filter(|point| one.signed_distance(point.to_vector()) > 1e-13);
            prop_assert!(!inside || out.is_none(), "{:?} is outside", out);
            prop_assert!(!inside || one.intersects(&other));
            prop_assert!(one.contains_region(&one));
        }

        #[test]
        fn a_shrunk_copy_is_inside(center in position(), reach in 0.01..80.0, turn in 0.0..90.0, part in 0.05..0.9) {
            let (large, small) = (star(center, reach, turn), star(center, reach * part, turn));
            prop_assert!(large.contains_region(&small) || reach > 20.0);
            prop_assert!(!small.contains_region(&large));
            prop_assert!(large.intersects(&small));
        }
    }
}
