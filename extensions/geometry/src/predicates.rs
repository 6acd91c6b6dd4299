//! CONTAINS and INTERSECTS: does one geometry lie inside, or touch, another.
//!
//! ADQL's own functions answer 1 or 0; `sky_contains` and `sky_intersects` are the same questions with a truth value
//! for an answer, fit to stand in WHERE and ON by themselves.

use datafusion::arrow::array::ArrayRef;
use dreyer_kernel::{Arg, Call, Example, Fault, FnSpec, Kind, Overload, Returns};

use crate::shape::{GEOMETRY, POINT, REGION, regions, shapes};

const FAMILY: &str = "Spatial predicates";
const ADQL: &str = "ADQL 2.1, section Geometrical Functions";
const INSIDE: &str = "The border belongs to the region.";
const TOUCH: &str = "Geometries that share a single position touch.";

const INNER: Arg = Arg::new("inner", GEOMETRY);
const OUTER: Arg = Arg::new("region", REGION);

/// The predicates.
pub(crate) static TABLE: &[FnSpec] = &[
    FnSpec {
        role: Some("contains"),
        summary: "1 if the first geometry lies inside the second, else 0; of two texts, whether the second occurs in \
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
                    let lies_in = lies_in(call)?;
                    call.fill_integers(|row| lies_in(row).map(i32::from))
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
            Example::new("sky_contains(point(10, 20), box(11, 20, 0.1, 0.1))", "false"),
        ],
        ..FnSpec::new(
            "sky_contains",
            FAMILY,
            &[Overload::new(&[INNER, OUTER], Returns::new(Kind::Boolean), |call| {
                call.fill_booleans(lies_in(call)?)
            })],
        )
    },
    FnSpec {
        role: Some("intersects"),
        summary: "1 if two geometries have a position in common, else 0; with a POINT, the same as CONTAINS.",
        notes: TOUCH,
        reference: ADQL,
        examples: &[
            Example::new("intersects(circle(0, 0, 1), circle(2.5, 0, 1))", "0"),
            Example::new("intersects(circle(0, 0, 1), box(2, 0, 2.5, 1))", "1"),
            Example::new("intersects(circle(0, 0, 1), point(0, 1))", "1"),
        ],
        ..FnSpec::new(
            "intersects",
            FAMILY,
            &[
                Overload::new(PLAIN, Returns::new(Kind::Integer), intersects),
                Overload::new(REVERSED, Returns::new(Kind::Integer), intersects),
            ],
        )
    },
    FnSpec {
        role: Some("intersects"),
        summary: "Whether two geometries have a position in common.",
        notes: TOUCH,
        reference: ADQL,
        examples: &[Example::new(
            "sky_intersects(circle(0, 90, 1), circle(180, 88.5, 1))",
            "true",
        )],
        ..FnSpec::new(
            "sky_intersects",
            FAMILY,
            &[
                Overload::new(PLAIN, Returns::new(Kind::Boolean), sky_intersects),
                Overload::new(REVERSED, Returns::new(Kind::Boolean), sky_intersects),
            ],
        )
    },
];

// At least one of the two must be a region: two points that meet are a comparison, not a question of geometry.
const PLAIN: &[Arg] = &[Arg::new("a", GEOMETRY), Arg::new("b", REGION)];
const REVERSED: &[Arg] = &[Arg::new("a", REGION), Arg::new("b", POINT)];

fn lies_in<'a>(call: &'a Call<'_>) -> Result<impl Fn(usize) -> Result<bool, Fault> + 'a, Fault> {
    let (inner, outer) = (shapes(call, 0)?, regions(call, 1)?);
    Ok(move |row| outer.ask(row, |region| inner.ask(row, |shape| Ok(shape.lies_in(region)))))
}

fn meets<'a>(call: &'a Call<'_>) -> Result<impl Fn(usize) -> Result<bool, Fault> + 'a, Fault> {
    let (a, b) = (shapes(call, 0)?, shapes(call, 1)?);
    Ok(move |row| a.ask(row, |a| b.ask(row, |b| Ok(a.meets(b)))))
}

fn intersects(call: &Call<'_>) -> Result<ArrayRef, Fault> {
    let meets = meets(call)?;
    call.fill_integers(|row| meets(row).map(i32::from))
}

fn sky_intersects(call: &Call<'_>) -> Result<ArrayRef, Fault> {
    call.fill_booleans(meets(call)?)
}

fn text_contains(call: &Call<'_>) -> Result<ArrayRef, Fault> {
    let (text, part) = (call.text(0)?, call.text(1)?);
    call.fill_booleans(|row| Ok(text.get(row).contains(part.get(row))))
}
