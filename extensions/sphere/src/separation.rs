//! Distance and direction between positions.

use crate::angle::{lon_difference_deg, sin_cos_deg, wrap_lon_deg};
use crate::{LonLat, Vector};

/// The angle between two positions, in degrees, in `[0, 180]`.
///
/// The half-angle form of the haversine with its complement: the sine comes from the distance to the second point, the
/// cosine from the distance to that point's antipode. Both are sums of squares, so nothing cancels: the result is exact
/// at 0 and 180 degrees, keeps about 15 digits between (next to the poles and across longitude 0 too), and does not
/// depend on the order of the points. NaN or an infinity in gives NaN out.
///
/// ```
/// use dreyer_sphere::separation_deg;
///
/// assert_eq!(separation_deg(0.0, 0.0, 180.0, 0.0), 180.0);
/// assert_eq!(separation_deg(359.5, 0.0, 0.5, 0.0), 1.0);
/// // Arcturus to Spica: Meeus 1998, Astronomical Algorithms, example 17.a.
/// assert!((separation_deg(213.9154, 19.1825, 201.2983, -11.1614) - 32.7930).abs() < 5e-5);
/// ```
#[inline]
#[must_use]
pub fn separation_deg(lon1_deg: f64, lat1_deg: f64, lon2_deg: f64, lat2_deg: f64) -> f64 {
    let (sin_lon, cos_lon) = sin_cos_deg(lon_difference_deg(lon1_deg, lon2_deg) * 0.5);
    let cosines = sin_cos_deg(lat1_deg).1 * sin_cos_deg(lat2_deg).1;
    let sin_difference = ((lat2_deg - lat1_deg) * 0.5).to_radians().sin();
    let sin_sum = ((lat1_deg + lat2_deg) * 0.5).to_radians().sin();
    let near = sin_difference * sin_difference + cosines * sin_lon * sin_lon;
    let far = sin_sum * sin_sum + cosines * cos_lon * cos_lon;
    (2.0 * near.sqrt().atan2(far.sqrt())).to_degrees()
}

/// The direction from one position to another: degrees east of north, in `[0, 360)`.
///
/// At a pole, north is the limit along the given longitude. The direction of a point to itself is 0.
///
/// ```
/// use dreyer_sphere::{LonLat, position_angle_deg};
///
/// let from = LonLat::new(10.0, 0.0)?;
/// assert_eq!(position_angle_deg(from, LonLat::new(11.0, 0.0)?), 90.0);
/// assert_eq!(position_angle_deg(from, LonLat::new(10.0, -1.0)?), 180.0);
/// # Ok::<(), dreyer_sphere::SphereError>(())
/// ```
#[must_use]
pub fn position_angle_deg(from: LonLat, to: LonLat) -> f64 {
    let half_lon = lon_difference_deg(from.lon_deg(), to.lon_deg()) * 0.5;
    let (sin_half, cos_half) = sin_cos_deg(half_lon);
    let sin_from = sin_cos_deg(from.lat_deg()).0;
    let cos_to = sin_cos_deg(to.lat_deg()).1;
    let east = cos_to * 2.0 * sin_half * cos_half;
    // sin(lat2) cos(lat1) - cos(lat2) sin(lat1) cos(dlon), without the cancellation for close points.
    let north = sin_cos_deg(to.lat_deg() - from.lat_deg()).0 + 2.0 * sin_from * cos_to * sin_half * sin_half;
    wrap_lon_deg(east.atan2(north).to_degrees())
}

/// The position reached from a point by going a distance along a great circle that starts in a direction.
///
/// `bearing_deg` is east of north, `distance_deg` an arc of any size; both in degrees and finite (a number that is not
/// leaves the point where it is). From a pole, north is the limit along the given longitude.
///
/// ```
/// use dreyer_sphere::{LonLat, destination};
///
/// let end = destination(LonLat::new(350.0, 0.0)?, 90.0, 20.0);
/// assert!((end.lon_deg() - 10.0).abs() < 1e-12 && end.lat_deg().abs() < 1e-12);
/// # Ok::<(), dreyer_sphere::SphereError>(())
/// ```
#[must_use]
pub fn destination(from: LonLat, bearing_deg: f64, distance_deg: f64) -> LonLat {
    if !(bearing_deg.is_finite() && distance_deg.is_finite()) {
        return from;
    }
    destination_vector(from, bearing_deg, distance_deg).to_lonlat()
}

/// [`destination`] as a vector, for finite arguments.
pub(crate) fn destination_vector(from: LonLat, bearing_deg: f64, distance_deg: f64) -> Vector {
    let (east, north) = from.east_north();
    let (sin_bearing, cos_bearing) = sin_cos_deg(bearing_deg);
    let (sin_distance, cos_distance) = sin_cos_deg(distance_deg);
    from.to_vector() * cos_distance + (north * cos_bearing + east * sin_bearing) * sin_distance
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sample::{arc_cosine, position, radius_deg};

    /// Pairs (lon, lat, lon, lat) and their separation in degrees, computed with 60 digits from these very doubles.
    #[expect(
        clippy::excessive_precision,
        reason = "18 digits as computed, whatever a double keeps of them"
    )]
    const PRECISE: [([f64; 4], f64); 20] = [
        ([213.9154, 19.1825, 201.2983, -11.1614], 32.7930268370949191),
        ([0.0, 0.0, 1e-09, 0.0], 1.00000000000000006e-9),
        ([10.0, 20.0, 10.0000001, 20.0000001], 1.37223257272142545e-7),
        ([359.9999999, -30.0, 1e-07, -30.00000005], 1.80277582601895934e-7),
        ([12.0, 89.9999999, 192.0, 89.9999999], 1.99999988126364769e-7),
        ([12.0, 89.99999999, 100.0, 89.9999999], 1.00150884876943979e-7),
        ([45.0, -89.9999999, 45.001, -89.9999998], 1.00000008304498838e-7),
        (
            [200.0, 41.8103148957786, 200.000000003, 41.8103148957],
            2.23744653173232264e-9,
        ),
        ([80.0, 60.0, 80.0000000001, 60.0], 5.00008923154382501e-11),
        ([0.0, 0.0, 180.0, 1e-09], 179.999999999),
        ([30.0, 40.0, 210.0000001, -40.0], 179.99999992339556),
        ([30.0, 40.0, 210.0, -39.9999999], 179.999999899999999),
        ([350.0, -75.0, 10.0, 80.0], 155.370025948639628),
        ([0.1, -0.1, 359.9, 0.1], 0.282842640675582425),
        ([123.456, 78.9, 303.456, 78.9], 22.1999999999999886),
        ([-179.9999999, 5.0, 179.9999999, 5.00000001], 1.99489724910948755e-7),
        ([0.0, 90.0, 77.0, -90.0], 180.0),
        ([0.0, 90.0, 77.0, -89.99999999], 179.999999990000006),
        ([266.4168, -29.0078, 86.4168, 29.0078], 179.999999999999975),
        ([15.0, 33.0, 15.0, 33.0000000000001], 9.9475983006414026e-14),
    ];

    #[test]
    fn precise_at_every_scale() {
        for ([lon1, lat1, lon2, lat2], expected) in PRECISE {
            let got = separation_deg(lon1, lat1, lon2, lat2);
            assert!(
                (got - expected).abs() <= 1e-14 * expected,
                "{lon1} {lat1} {lon2} {lat2}: {got} for {expected}"
            );
            assert_eq!(got, separation_deg(lon2, lat2, lon1, lat1), "not symmetric");
        }
    }

    #[test]
    fn whole_degrees_stay_whole() {
        for degrees in 0..=180 {
            let degrees = f64::from(degrees);
            let along_equator = separation_deg(0.0, 0.0, degrees, 0.0);
            assert!(
                (along_equator - degrees).abs() <= 2.0 * f64::EPSILON * degrees,
                "{along_equator} for {degrees}"
            );
        }
        assert_eq!(separation_deg(12.0, 90.0, 200.0, -90.0), 180.0);
        assert_eq!(separation_deg(12.0, 90.0, 200.0, 90.0), 0.0);
    }

    #[test]
    fn what_is_no_number_stays_none() {
        for broken in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for position in 0..4 {
                let mut numbers = [10.0, 20.0, 30.0, 40.0];
                numbers[position] = broken;
                let [lon1, lat1, lon2, lat2] = numbers;
                assert!(separation_deg(lon1, lat1, lon2, lat2).is_nan(), "{numbers:?}");
            }
        }
    }

    #[test]
    fn bearings_without_a_number_move_nothing() {
        let here = LonLat::new(1.0, 2.0).unwrap();
        assert_eq!(destination(here, f64::NAN, 1.0), here);
        assert_eq!(destination(here, 1.0, f64::INFINITY), here);
    }

    proptest! {
        #[test]
        fn agrees_with_vectors(one in position(), other in position()) {
            let expected = arc_cosine(one.to_vector(), other.to_vector());
            let got = separation_deg(one.lon_deg(), one.lat_deg(), other.lon_deg(), other.lat_deg());
            prop_assert!((got.to_radians() - expected).abs() < 3e-8, "{got} for {}", expected.to_degrees());
            prop_assert!((got - one.to_vector().separation_deg(other.to_vector())).abs() < 8e-14);
        }

        #[test]
        fn a_destination_is_as_far_and_where_it_was_sent(
            from in position(), bearing in 0.0..360.0, distance in radius_deg(),
        ) {
            let to = destination(from, bearing, distance);
            let separation = separation_deg(from.lon_deg(), from.lat_deg(), to.lon_deg(), to.lat_deg());
            prop_assert!((separation - distance).abs() < 1e-13, "{separation} for {distance}");
            let angle = position_angle_deg(from, to);
            prop_assert!((0.0..360.0).contains(&angle));
            let error = lon_difference_deg(angle, bearing).abs().to_radians() * distance.to_radians().sin();
            prop_assert!(error < 1e-14, "bearing {angle} for {bearing}, {error} rad aside");
        }

        #[test]
        fn vectors_come_back(from in position()) {
            let back = from.to_vector().to_lonlat();
            let off = separation_deg(from.lon_deg(), from.lat_deg(), back.lon_deg(), back.lat_deg());
            prop_assert!(off < 3e-14, "{off}");
            prop_assert!((from.to_vector().norm() - 1.0).abs() < 4e-16);
        }
    }
}
