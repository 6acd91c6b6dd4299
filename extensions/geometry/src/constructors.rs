//! POINT, CIRCLE, BOX, POLYGON: geometry from numbers.

use datafusion::arrow::array::ArrayRef;
use dreyer_kernel::{Arg, Call, Example, Fault, FnSpec, Overload, Returns};
use dreyer_sphere::{LonLat, Polygon, SkyBox, SphereError};

use crate::arguments::{lat, lon, radius, side};
use crate::shape::{BOX, CIRCLE, POINT, POLYGON, of_sphere, points, unfit};

const FAMILY: &str = "Geometry";
const ADQL: &str = "ADQL 2.1, section Geometrical Functions";
const OUTPUT: &str = "A longitude of any size is brought into [0, 360).";

/// The constructors.
pub(crate) static TABLE: &[FnSpec] = &[
    FnSpec {
        role: Some("point"),
        summary: "The position at a longitude and a latitude.",
        notes: OUTPUT,
        reference: ADQL,
        examples: &[
            Example::new("point(56.75, 24.12)", "[56.75, 24.12]"),
            Example::new("point(-10, 20)", "[350.0, 20.0]"),
        ],
        ..FnSpec::new(
            "point",
            FAMILY,
            &[Overload::new(
                &[lon("lon"), lat("lat")],
                Returns::new(POINT).unit("deg").ucd("pos").xtype("point"),
                point,
            )],
        )
    },
    FnSpec {
        role: Some("circle"),
        summary: "All positions no farther from a centre than a radius.",
        notes: OUTPUT,
        reference: ADQL,
        examples: &[
            Example::new("circle(56.75, 24.12, 1)", "[56.75, 24.12, 1.0]"),
            Example::new("circle(point(56.75, 24.12), 0.5)", "[56.75, 24.12, 0.5]"),
        ],
        ..FnSpec::new(
            "circle",
            FAMILY,
            &[
                Overload::new(
                    &[lon("lon"), lat("lat"), radius("radius")],
                    CIRCLE_OUT,
                    circle_of_numbers,
                ),
                Overload::new(
                    &[Arg::new("center", POINT), radius("radius")],
                    CIRCLE_OUT,
                    circle_of_point,
                ),
            ],
        )
    },
    FnSpec {
        role: Some("box"),
        summary: "The region inside four great circles, each at right angles to one arm of a cross around the centre.",
        notes: "The arms run along the meridian and along the great circle across it: for a band of constant \
                declination compare the columns themselves. Width and height must be less than 180 degrees.",
        reference: ADQL,
        examples: &[
            Example::new("box(56.75, 24.12, 2, 1)", "[56.75, 24.12, 2.0, 1.0]"),
            Example::new("box(point(56.75, 24.12), 2, 1)", "[56.75, 24.12, 2.0, 1.0]"),
        ],
        ..FnSpec::new(
            "box",
            FAMILY,
            &[
                Overload::new(
                    &[lon("lon"), lat("lat"), side("width"), side("height")],
                    BOX_OUT,
                    box_of_numbers,
                ),
                Overload::new(
                    &[Arg::new("center", POINT), side("width"), side("height")],
                    BOX_OUT,
                    box_of_point,
                ),
            ],
        )
    },
    FnSpec {
        role: Some("polygon"),
        summary: "The region bounded by great circles through three vertices or more.",
        notes: "Of the two sides of the border the smaller one is meant, whichever way round the vertices run.",
        reference: ADQL,
        examples: &[
            Example::new("polygon(10, 0, 20, 0, 15, 5)", "[10.0, 0.0, 20.0, 0.0, 15.0, 5.0]"),
            Example::new(
                "polygon(point(10, 0), point(20, 0), point(15, 5))",
                "[10.0, 0.0, 20.0, 0.0, 15.0, 5.0]",
            ),
        ],
        ..FnSpec::new(
            "polygon",
            FAMILY,
            &[
                Overload::new(
                    &[
                        lon("lon1"),
                        lat("lat1"),
                        lon("lon2"),
                        lat("lat2"),
                        lon("lon3"),
                        lat("lat3"),
                    ],
                    POLYGON_OUT,
                    polygon_of_numbers,
                )
                .followed_by(&[lon("lon"), lat("lat")]),
                Overload::new(
                    &[
                        Arg::new("vertex1", POINT),
                        Arg::new("vertex2", POINT),
                        Arg::new("vertex3", POINT),
                    ],
                    POLYGON_OUT,
                    polygon_of_points,
                )
                .followed_by(&[Arg::new("vertex", POINT)]),
            ],
        )
    },
];

const CIRCLE_OUT: Returns = Returns::new(CIRCLE).unit("deg").ucd("pos.outline").xtype("circle");
const BOX_OUT: Returns = Returns::new(BOX).unit("deg").ucd("pos.outline").xtype("box");
const POLYGON_OUT: Returns = Returns::new(POLYGON).unit("deg").ucd("pos.outline").xtype("polygon");

fn point(call: &Call<'_>) -> Result<ArrayRef, Fault> {
    let [lon, lat] = call.numbers()?;
    call.fill_tuples(|row| {
        let at = LonLat::new(lon.get(row), lat.get(row)).map_err(together)?;
        Ok([at.lon_deg(), at.lat_deg()])
    })
}

fn circle_of_numbers(call: &Call<'_>) -> Result<ArrayRef, Fault> {
    let [lon, lat, radius] = call.numbers()?;
    call.fill_tuples(|row| {
        let center = LonLat::new(lon.get(row), lat.get(row)).map_err(together)?;
        Ok([center.lon_deg(), center.lat_deg(), radius.get(row)])
    })
}

fn circle_of_point(call: &Call<'_>) -> Result<ArrayRef, Fault> {
    let (centers, radius) = (points(call, 0)?, call.number(1)?);
    call.fill_tuples(|row| centers.ask(row, |center| Ok([center.lon_deg(), center.lat_deg(), radius.get(row)])))
}

fn box_of_numbers(call: &Call<'_>) -> Result<ArrayRef, Fault> {
    let [lon, lat, width, height] = call.numbers()?;
    call.fill_tuples(|row| {
        let center = LonLat::new(lon.get(row), lat.get(row)).map_err(together)?;
        sky_box(center, width.get(row), height.get(row), 2)
    })
}

fn box_of_point(call: &Call<'_>) -> Result<ArrayRef, Fault> {
    let (centers, width, height) = (points(call, 0)?, call.number(1)?, call.number(2)?);
    call.fill_tuples(|row| centers.ask(row, |center| sky_box(*center, width.get(row), height.get(row), 1)))
}

/// The numbers of a box whose width is the argument at `first_side`.
fn sky_box(center: LonLat, width_deg: f64, height_deg: f64, first_side: usize) -> Result<[f64; 4], Fault> {
    SkyBox::new(center, width_deg, height_deg).map_err(|error| match error {
        SphereError::BoxSide { side: "height", .. } => unfit(first_side + 1, error),
        SphereError::BoxSide { .. } => unfit(first_side, error),
        error => together(error),
    })?;
    Ok([center.lon_deg(), center.lat_deg(), width_deg, height_deg])
}

fn polygon_of_numbers(call: &Call<'_>) -> Result<ArrayRef, Fault> {
    let numbers = (0..call.arguments())
        .map(|at| call.number(at))
        .collect::<Result<Vec<_>, _>>()?;
    call.fill_series(|row| {
        let vertices = numbers
            .chunks_exact(2)
            .map(|pair| LonLat::new(pair[0].get(row), pair[1].get(row)))
            .collect::<Result<Vec<_>, _>>();
        polygon(vertices.map_err(together)?)
    })
}

fn polygon_of_points(call: &Call<'_>) -> Result<ArrayRef, Fault> {
    let points = (0..call.arguments())
        .map(|at| points(call, at))
        .collect::<Result<Vec<_>, _>>()?;
    call.fill_series(|row| {
        let vertices = points
            .iter()
            .map(|point| point.ask(row, |point| Ok(*point)))
            .collect::<Result<Vec<_>, _>>();
        polygon(vertices?)
    })
}

/// The numbers of a polygon, once the sphere has accepted it.
fn polygon(vertices: Vec<LonLat>) -> Result<Vec<f64>, Fault> {
    let numbers = vertices
        .iter()
        .flat_map(|vertex| [vertex.lon_deg(), vertex.lat_deg()])
        .collect();
    Polygon::new(vertices).map_err(together)?;
    Ok(numbers)
}

fn together(error: SphereError) -> Fault {
    of_sphere(None, error)
}
