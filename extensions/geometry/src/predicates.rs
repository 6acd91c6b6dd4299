//! CONTAINS and INTERSECTS: does one geometry lie inside, or touch, another.
//!
//! ADQL's own functions answer 1 or 0; `sky_contains` and `sky_intersects` are the same questions with a truth value
//! for an answer, fit to stand in WHERE and ON by themselves.

use datafusion::arrow::array::ArrayRef;
use dreyer_kernel::{Arg, Call, Example, Fault, FnSpec, Kind, Overload, Returns};

use crate::shape::{GEOMETRY, POINT, REGION, Shape, regions, shapes};

const FAMILY: &str = "Spatial predicates";
const ADQL: &str = "ADQL 2.1, section Geometrical Functions";
const INSIDE: &str = "The border belongs to the region.";

const INNER: Arg = Arg::new("inner", GEOMETRY);
const OUTER: Arg = Arg::new("region", REGION);
const A: Arg = Arg::new("a", GEOMETRY);
const B: Arg = Arg::new("b", REGION);

/// The predicates.
pub(crate) static TABLE: &[FnSpec] = &[
    FnSpec {
        role: Some("contains"),
        summary: "1 if the first geometry lies inside the second, else 0; of two texts: whether the second occurs in \
                  the first.",
        notes: "The border belongs to the region. The form with texts gives a truth value.",
        reference: ADQL,
        examples: &[
            Example::new("contains(point(56.9, 24.1), circle(56.75, 24.12, 1))", "1"),
            Example::new("contains(circle(0, 89, 2), circle(0, 89, 1))", "0"),
            Example::new("contains(point(15, 1), polygon(10, 0, 20, 0, 15, 5))", "1"),
            Example::new("contains('Messier 45', '45')", "true"),
        ],
        ..FnSpec::new(
            "contains",
            FAMILY,
            &[
                Overload::new(&[INNER, OUTER], Returns::new(Kind::Integer), |call| {
                    call.fill_integers(contained(call)?.as_number())
                }),
                Overload::new(
                    &[Arg::new("text", Kind::Text), Arg::new("part", Kind::Text)],
                    Returns::new(Kind::Boolean),
                    text_contains,
                ),
            ],
        )
    },
    FnSpec {
        role: Some("contains"),
        summary: "Whether the first geometry lies inside the second.",
        notes: INSIDE,
        reference: ADQL,
        examples: &[
            Example::new("sky_contains(point(359.9, 0), circle(0.1, 0, 0.25))", "true"),
            Example::new("sky_contains(point(10, 20), box(10, 20, 0.1, 0.1))", "true"),
        ],
        ..FnSpec::new(
            "sky_contains",
            FAMILY,
            &[Overload::new(&[INNER, OUTER], Returns::new(Kind::Boolean), sky_contains)],
        )
    },
];

fn sky_contains(call: &Call<'_>) -> Result<ArrayRef, Fault> {
    let (inner, outer) = (shapes(call, 0)?, regions(call, 1)?);
    call.fill_booleans(|row| outer.ask(row, |region| inner.ask(row, |shape| Ok(shape.lies_in(region)))))
}
