//! What a polygon promises, at every size and place.

use std::f64::consts::TAU;

use proptest::prelude::*;

use super::Polygon;
use crate::region::{Circle, Region};
use crate::sample::{even, position};
use crate::{LonLat, SphereError, destination, separation_deg};

fn at(lon: f64, lat: f64) -> LonLat {
    LonLat::new(lon, lat).unwrap()
}

fn polygon(corners: &[(f64, f64)]) -> Result<Polygon, SphereError> {
    Polygon::new(corners.iter().map(|(lon, lat)| at(*lon, *lat)).collect())
}

fn apart(one: LonLat, other: LonLat) -> f64 {
    separation_deg(one.lon_deg(), one.lat_deg(), other.lon_deg(), other.lat_deg())
}

/// A ring of corners around a centre at given distances.
fn ring(center: LonLat, reaches: &[f64]) -> Vec<LonLat> {
    let step = 360.0 / reaches.len() as f64;
    reaches
        .iter()
        .enumerate()
        .map(|(corner, reach)| destination(center, step * corner as f64, *reach))
        .collect()
}

#[test]
fn degenerate_chains_are_refused() {
    assert_eq!(polygon(&[]), Err(SphereError::TooFewVertices { got: 0 }));
    assert_eq!(
        polygon(&[(0.0, 0.0), (1.0, 0.0), (1.0, 0.0), (0.0, 0.0)]),
        Err(SphereError::TooFewVertices { got: 2 })
    );
    // The north pole twice, under two longitudes.
    assert_eq!(
        polygon(&[(0.0, 90.0), (77.0, 90.0), (1.0, 0.0)]),
        Err(SphereError::TooFewVertices { got: 2 })
    );
    assert_eq!(polygon(&[(0.0, 0.0), (1.0, 0.0), (2.0, 0.0)]), Err(SphereError::NoArea));
    assert_eq!(
        polygon(&[(10.0, 10.0), (10.0, 30.0), (10.0, 20.0)]),
        Err(SphereError::NoArea)
    );
    let antipodes = polygon(&[(0.0, 0.0), (90.0, 45.0), (270.0, -45.0)]);
    assert_eq!(antipodes, Err(SphereError::AntipodalVertices { first: 2, second: 3 }));
    let bow_tie = polygon(&[(0.0, 0.0), (2.0, 2.0), (2.0, 0.0), (0.0, 2.0)]);
    assert_eq!(bow_tie, Err(SphereError::SelfIntersecting { first: 1, second: 3 }));
}

#[test]
fn a_closing_vertex_and_repeated_ones_change_nothing() {
    let plain = polygon(&[(0.0, 0.0), (2.0, 0.0), (1.0, 2.0)]).unwrap();
    let closed = polygon(&[(0.0, 0.0), (2.0, 0.0), (2.0, 0.0), (1.0, 2.0), (0.0, 0.0)]).unwrap();
    assert_eq!(plain, closed);
    assert_eq!(plain.vertices().len(), 3);
}

/// An eighth of the sphere has three right angles and an area of π/2.
#[test]
fn an_octant() {
    let octant = polygon(&[(0.0, 0.0), (90.0, 0.0), (0.0, 90.0)]).unwrap();
    let region = Region::from(octant);
    assert!((region.area_sqdeg() - 41_252.961_249_419_3 / 8.0).abs() < 1e-9);
    let center = region.centroid();
    assert!((center.lon_deg() - 45.0).abs() < 1e-12);
    assert!((center.lat_deg() - (1.0 / 3.0_f64.sqrt()).asin().to_degrees()).abs() < 1e-12);
    assert!(region.contains(at(0.0, 90.0)) && region.contains(at(45.0, 0.0)) && region.contains(at(0.0, 45.0)));
    assert!(!region.contains(at(45.0, -1e-9)) && !region.contains(at(225.0, -35.0)));
}

#[test]
fn around_a_pole_and_across_the_wrap() {
    for sign in [1.0, -1.0] {
        let cap = polygon(&[
            (0.0, 70.0 * sign),
            (90.0, 70.0 * sign),
            (180.0, 70.0 * sign),
            (270.0, 70.0 * sign),
        ])
        .unwrap();
        assert!(cap.contains(at(10.0, 90.0 * sign)) && cap.contains(at(359.999, 75.0 * sign)));
        // Great circles run poleward of the parallel through their ends.
        assert!(!cap.contains(at(45.0, 70.0 * sign)) && cap.contains(at(45.0, 80.0 * sign)));
        assert!(!cap.contains(at(0.0, 0.0)) && !cap.contains(at(0.0, -90.0 * sign)));
    }
    let seam = polygon(&[(358.0, -1.0), (2.0, -1.0), (2.0, 1.0), (358.0, 1.0)]).unwrap();
    assert!(seam.contains(at(0.0, 0.0)) && seam.contains(at(359.0, 0.5)) && !seam.contains(at(180.0, 0.0)));
}

/// Half the sphere: the two sides are equal, and either will do, but the area is a hemisphere's.
#[test]
fn a_hemisphere() {
    let half = Region::from(polygon(&[(0.0, 0.0), (120.0, 0.0), (240.0, 0.0)]).unwrap());
    assert!((half.area_sqdeg() - 41_252.961_249_419_3 / 2.0).abs() < 1e-9);
    assert!(half.contains(at(0.0, 90.0)) != half.contains(at(0.0, -90.0)));
    assert!(half.contains(at(60.0, 0.0)));
}

/// A band that winds three quarters round the equator: it fits no hemisphere and has antipodes inside.
#[test]
fn a_band_longer_than_a_hemisphere() {
    let lons = || (0..=27).map(|step| f64::from(step) * 10.0);
    let corners: Vec<_> = lons()
        .map(|lon| (lon, -5.0))
        .chain(lons().rev().map(|lon| (lon, 5.0)))
        .collect();
    let reversed: Vec<_> = corners.iter().rev().copied().collect();
    for corners in [corners, reversed] {
        let band = polygon(&corners).unwrap();
        for step in 0..360 {
            let lon = f64::from(step) + 0.5;
            assert_eq!(band.contains(at(lon, 4.0)), lon < 270.0, "{lon}");
            assert_eq!(band.contains(at(lon, -4.9)), lon < 270.0, "{lon}");
            assert!(!band.contains(at(lon, 5.1)) && !band.contains(at(lon, -40.0)));
        }
        let region = Region::from(band);
        // Straight edges of 10 degrees bulge a little beyond the parallels.
        let zone = 270.0 * 2.0 * 5.0_f64.to_radians().sin().to_degrees();
        assert!(
            (region.area_sqdeg() / zone - 1.0).abs() < 0.01,
            "{} {zone}",
            region.area_sqdeg()
        );
        assert!(region.bounding_circle().radius_deg() > 130.0);
        let cover = region.cover(500);
        assert!(
            cover.contains(crate::index29(1.0, 4.9).unwrap()) && cover.contains(crate::index29(269.0, -4.9).unwrap())
        );
    }
}

#[test]
fn a_small_triangle_keeps_its_area_and_centre() {
    let center = at(200.0, 60.0);
    for size in [1e-7, 1e-5, 1e-3, 0.1] {
        let region = Region::from(Polygon::new(ring(center, &[size; 3])).unwrap());
        let flat = 0.75 * 3.0_f64.sqrt() * size * size;
        let tolerance = 1e-6 + 1e-13 / size + size * size * 1e-3;
        assert!(
            (region.area_sqdeg() / flat - 1.0).abs() < tolerance,
            "{size}: {}",
            region.area_sqdeg() / flat
        );
        assert!(apart(region.centroid(), center) < size * tolerance.max(1e-6), "{size}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// In the gnomonic plane a polygon is a planar one: the crossing rule of the plane is the oracle.
    #[test]
    fn agrees_with_the_plane(
        center in position(), reaches in prop::collection::vec(0.05..1.0, 3..12), exponent in -5.0..1.7,
        probes in prop::collection::vec((0.0..360.0, 0.0..1.2_f64), 40),
    ) {
        let size = 10_f64.powf(exponent);
        let reaches: Vec<_> = reaches.iter().map(|reach| reach * size).collect();
        let step = TAU / reaches.len() as f64;
        let plane = |bearing: f64, reach: f64| (reach.to_radians().tan() * bearing.sin(), reach.to_radians().tan() * bearing.cos());
        let flat: Vec<_> = reaches.iter().enumerate().map(|(corner, reach)| plane(step * corner as f64, *reach)).collect();
        let polygon = Polygon::new(ring(center, &reaches)).unwrap();
        for (bearing, part) in probes {
            let (x, y) = plane(f64::to_radians(bearing), part * size);
            let mut inside = false;
            let mut near_edge = false;
            for (corner, (x1, y1)) in flat.iter().enumerate() {
                let (x2, y2) = flat[(corner + 1) % flat.len()];
                inside ^= (*y1 > y) != (y2 > y) && x < (x2 - x1) * (y - y1) / (y2 - y1) + x1;
                let area = (x2 - x1) * (y - y1) - (x - x1) * (y2 - y1);
                near_edge |= (area / f64::hypot(x2 - x1, y2 - y1)).abs() < 1e-13 + size.to_radians() * 1e-9;
            }
            let probe = destination(center, bearing, part * size);
            prop_assert!(near_edge || polygon.contains(probe) == inside, "{probe:?}");
        }
    }

    /// Corners and the middles of edges are inside, and a step outwards from an edge is not.
    #[test]
    fn the_border_is_inside(
        center in position(), reaches in prop::collection::vec(0.3..1.0, 3..8), exponent in -6.0..1.7,
    ) {
        let size = 10_f64.powf(exponent);
        let reaches: Vec<_> = reaches.iter().map(|reach| reach * size).collect();
        let polygon = Polygon::new(ring(center, &reaches)).unwrap();
        prop_assert!(polygon.vertices().iter().all(|corner| polygon.contains(*corner)));
        for arc in polygon.border().arcs() {
            prop_assert!(polygon.contains_vector(arc.middle()));
            prop_assert!(!polygon.contains_vector((arc.middle() - arc.normal * 1e-12).normalized().unwrap()));
            prop_assert!(polygon.contains_vector((arc.middle() + arc.normal * 1e-12).normalized().unwrap()));
        }
    }

    /// The vertices may run either way, and start anywhere.
    #[test]
    fn winding_does_not_matter(
        center in position(), reaches in prop::collection::vec(0.3..1.0, 3..8), size in 0.01..80.0, first in 0..8_usize,
        probe in even(),
    ) {
        let reaches: Vec<_> = reaches.iter().map(|reach| reach * size).collect();
        let corners = ring(center, &reaches);
        let mut other = corners.clone();
        other.reverse();
        other.rotate_left(first % corners.len());
        let (one, other) = (Polygon::new(corners).unwrap(), Polygon::new(other).unwrap());
        prop_assert!(one.border().distance(probe.to_vector()) < 1e-14 || one.contains(probe) == other.contains(probe));
        prop_assert!((one.area_sr() - other.area_sr()).abs() < 1e-13);
        prop_assert!(apart(one.centroid(), other.centroid()) < 1e-8);
    }

    #[test]
    fn corners_on_one_line_have_no_area(
        from in position(), bearing in 0.0..360.0, along in prop::collection::vec(0.0..90.0, 3..6)
    ) {
        let corners = along.iter().map(|reach| destination(from, bearing, *reach)).collect();
        prop_assert_eq!(Polygon::new(corners), Err(SphereError::NoArea));
    }

    #[test]
    fn a_regular_polygon_of_many_corners_is_a_circle(center in position(), radius in 0.001..80.0) {
        let corners = 400;
        let region = Region::from(Polygon::new(ring(center, &vec![radius; corners])).unwrap());
        let circle = Region::from(Circle::new(center, radius).unwrap());
        prop_assert!((region.area_sqdeg() / circle.area_sqdeg() - 1.0).abs() < 2e-4);
        prop_assert!(apart(region.centroid(), center) < 1e-7);
        prop_assert!((region.bounding_circle().radius_deg() / radius - 1.0).abs() < 1e-6);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Area and centre of mass from the share of evenly spread points, and nothing beyond the bounding circle.
    #[test]
    fn agrees_with_counting(center in even(), reaches in prop::collection::vec(0.4..1.0, 3..8), size in 20.0..110.0) {
        let reaches: Vec<_> = reaches.iter().map(|reach| reach * size).collect();
        let Ok(polygon) = Polygon::new(ring(center, &reaches)) else { return Ok(()) };
        let region = Region::from(polygon);
        let bounds = region.bounding_circle();
        let total = 40_000;
        let mut sum = crate::Vector::ZERO;
        let mut count = 0_u32;
        for step in 0..total {
            let z = (2.0 * f64::from(step) + 1.0) / f64::from(total) - 1.0;
            let point = at((f64::from(step) * 137.507_764).rem_euclid(360.0), z.asin().to_degrees());
            if region.contains(point) {
                prop_assert!(bounds.contains(point));
                sum = sum + point.to_vector();
                count += 1;
            }
        }
        let area = 41_252.961 * f64::from(count) / f64::from(total);
        prop_assert!((area - region.area_sqdeg()).abs() < 60.0, "{area} for {}", region.area_sqdeg());
        if sum.norm() > 0.2 * f64::from(count) {
            prop_assert!(apart(sum.to_lonlat(), region.centroid()) < 2.0);
        }
    }
}
