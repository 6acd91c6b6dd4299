//! The spellings of Q3C that users of PostgreSQL have in their notebooks.
//!
//! They mean here what they mean there; only the index behind them is another one, so the functions about Q3C's own
//! pixels have no counterpart.

use datafusion::arrow::array::ArrayRef;
use dreyer_kernel::{Call, Example, Fault, FnSpec, Kind, Overload, Returns};
use dreyer_sphere::separation_deg;

use crate::arguments::{lat, lon, radius};
use crate::measures::{SEPARATION, separation_of_numbers};

const FAMILY: &str = "Q3C";
const Q3C: &str = "Koposov & Bartunov 2006, ADASS XV, ASP Conf. Ser. 351, 735";

/// The Q3C spellings.
pub(crate) static TABLE: &[FnSpec] = &[
    FnSpec {
        role: Some("separation"),
        summary: "The angle between two positions, in degrees: the same as DISTANCE.",
        reference: Q3C,
        examples: &[Example::new("q3c_dist(359.5, 0, 0.5, 0)", "1.0")],
        ..FnSpec::new(
            "q3c_dist",
            FAMILY,
            &[Overload::new(
                &[lon("ra1"), lat("dec1"), lon("ra2"), lat("dec2")],
                SEPARATION,
                separation_of_numbers,
            )],
        )
    },
    FnSpec {
        role: Some("within"),
        summary: "Whether a position lies closer to the centre of a search than a radius.",
        notes: "The radius itself is outside.",
        reference: Q3C,
        examples: &[
            Example::new("q3c_radial_query(56.9, 24.1, 56.75, 24.12, 1)", "true"),
            Example::new("q3c_radial_query(10, 20, 10, 21, 1)", "false"),
        ],
        ..FnSpec::new(
            "q3c_radial_query",
            FAMILY,
            &[Overload::new(
                &[
                    lon("ra"),
                    lat("dec"),
                    lon("center_ra"),
                    lat("center_dec"),
                    radius("radius"),
                ],
                Returns::new(Kind::Boolean),
                within,
            )],
        )
    },
    FnSpec {
        role: Some("within"),
        summary: "Whether two positions, of the rows to be joined, lie closer together than a radius.",
        notes: "The radius itself is outside.",
        reference: Q3C,
        examples: &[Example::new("q3c_join(10, 20, 10, 20.0001, 1/3600.)", "true")],
        ..FnSpec::new(
            "q3c_join",
            FAMILY,
            &[Overload::new(
                &[lon("ra1"), lat("dec1"), lon("ra2"), lat("dec2"), radius("radius")],
                Returns::new(Kind::Boolean),
                within,
            )],
        )
    },
];

fn within(call: &Call<'_>) -> Result<ArrayRef, Fault> {
    let [lon1, lat1, lon2, lat2, radius] = call.numbers()?;
    call.fill_booleans(|row| {
        Ok(separation_deg(lon1.get(row), lat1.get(row), lon2.get(row), lat2.get(row)) < radius.get(row))
    })
}
