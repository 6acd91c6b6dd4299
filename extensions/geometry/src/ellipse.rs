//! Whether a position lies in an ellipse on the sky, such as the error ellipse of another.

use datafusion::arrow::array::ArrayRef;
use dreyer_kernel::{Arg, Call, Example, Fault, FnSpec, Kind, Overload, Returns};
use dreyer_sphere::{LonLat, position_angle_deg, separation_deg};

use crate::arguments::{lat, lon};
use crate::shape::of_sphere;

const FAMILY: &str = "Ellipses";
const MAJOR: Arg = Arg::new("semi_major", Kind::Number).unit("deg").within(0.0, 90.0);
const ANGLE: Arg = Arg::new("position_angle", Kind::Number).unit("deg").finite();
const TRUTH: Returns = Returns::new(Kind::Boolean);
const NOTES: &str = "The ellipse is one of the plane that touches the sky at its centre, with true distances and directions \
                     from there. Its border is inside. The position angle of the major axis is east of north.";

/// The ellipses.
pub(crate) static TABLE: &[FnSpec] = &[
    FnSpec {
        role: Some("ellipse"),
        summary: "Whether the second position lies in an ellipse around the first, by its semi-axes.",
        notes: NOTES,
        reference: "dreyer",
        examples: &[
            Example::new("in_ellipse(10, 0, 10, 0.9, 1, 0.1, 0)", "true"),
            Example::new("in_ellipse(10, 0, 10, 0.9, 1, 0.1, 90)", "false"),
            Example::new("in_ellipse(10, 0, 10.05, 0, 1, 0.1, 0)", "true"),
        ],
        ..FnSpec::new(
            "in_ellipse",
            FAMILY,
            &[Overload::new(
                &[
                    lon("center_lon"),
                    lat("center_lat"),
                    lon("lon"),
                    lat("lat"),
                    MAJOR,
                    Arg::new("semi_minor", Kind::Number)
                        .unit("deg")
                        .within(0.0, 90.0)
                        .hint("the greater semi-axis comes first"),
                    ANGLE,
                ],
                TRUTH,
                |call| {
                    lies_in(call, |semi_major_deg, semi_minor_deg| {
                        if semi_minor_deg > semi_major_deg {
                            return Err(Fault::argument(5, "must not exceed the greater semi-axis")
                                .with_hint("the greater semi-axis comes first"));
                        }
                        Ok(semi_minor_deg)
                    })
                },
            )],
        )
    },
    FnSpec {
        role: Some("ellipse"),
        summary: "Whether the second position, of the rows to be joined, lies in an ellipse around the first.",
        notes: NOTES,
        reference: "Koposov & Bartunov 2006, ADASS XV, ASP Conf. Ser. 351, 735",
        examples: &[
            Example::new("q3c_ellipse_join(10, 0, 10, 0.9, 1, 0.1, 0)", "true"),
            Example::new("q3c_ellipse_join(10, 0, 10.2, 0, 1, 0.1, 0)", "false"),
        ],
        ..FnSpec::new(
            "q3c_ellipse_join",
            FAMILY,
            &[Overload::new(
                &[
                    lon("ra1"),
                    lat("dec1"),
                    lon("ra2"),
                    lat("dec2"),
                    MAJOR,
                    Arg::new("axis_ratio", Kind::Number).within(0.0, 1.0),
                    ANGLE,
                ],
                TRUTH,
                |call| lies_in(call, |semi_major_deg, ratio| Ok(semi_major_deg * ratio)),
            )],
        )
    },
];

/// `semi_minor` makes the lesser semi-axis of the greater and of the argument after it.
fn lies_in(call: &Call<'_>, semi_minor: impl Fn(f64, f64) -> Result<f64, Fault>) -> Result<ArrayRef, Fault> {
    let [lon1, lat1, lon2, lat2, major, minor, angle] = call.numbers()?;
    let position = |lon, lat| LonLat::new(lon, lat).map_err(|error| of_sphere(None, error));
    call.fill_booleans(|row| {
        let (center, at) = (
            position(lon1.get(row), lat1.get(row))?,
            position(lon2.get(row), lat2.get(row))?,
        );
        let semi_major_deg = major.get(row);
        let semi_minor_deg = semi_minor(semi_major_deg, minor.get(row))?;
        let apart = separation_deg(center.lon_deg(), center.lat_deg(), at.lon_deg(), at.lat_deg());
        if apart > semi_major_deg {
            return Ok(false);
        }
        if apart == 0.0 {
            return Ok(true);
        }
        let (across, along) = (position_angle_deg(center, at) - angle.get(row)).to_radians().sin_cos();
        // Multiplied out, so that an axis of 0 leaves a line.
        let (x, y) = (apart * along * semi_minor_deg, apart * across * semi_major_deg);
        Ok(x.hypot(y) <= semi_major_deg * semi_minor_deg)
    })
}
