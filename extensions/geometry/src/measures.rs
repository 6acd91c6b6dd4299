//! Angles, areas and coordinates of geometry.

use datafusion::arrow::array::ArrayRef;
use dreyer_kernel::{Arg, Call, Example, Fault, FnSpec, Kind, Overload, Returns};
use dreyer_sphere::{LonLat, position_angle_deg, separation_deg};

use crate::arguments::{lat, lon};
use crate::shape::{GEOMETRY, POINT, REGION, of_sphere, points, regions, shapes};

const FAMILY: &str = "Measures";
const ADQL: &str = "ADQL 2.1, section Geometrical Functions";

pub(crate) const TWO_POSITIONS: &[Arg] = &[lon("lon1"), lat("lat1"), lon("lon2"), lat("lat2")];
pub(crate) const SEPARATION: Returns = Returns::new(Kind::Number).unit("deg").ucd("pos.angDistance");
const ARCSEC: Returns = Returns::new(Kind::Number).unit("arcsec").ucd("pos.angDistance");
const TWO_POINTS: &[Arg] = &[Arg::new("a", POINT), Arg::new("b", POINT)];
const ANGLE: Returns = Returns::new(Kind::Number).unit("deg").ucd("pos.posAng");

/// The measures.
pub(crate) static TABLE: &[FnSpec] = &[
    FnSpec {
        role: Some("separation"),
        summary: "The angle between two positions along the great circle, in degrees.",
        notes: "A region stands for its centroid. Multiply by 3600 for arcseconds. Joins and searches bounded from \
                above by this angle read only the part of the sky they need.",
        reference: ADQL,
        examples: &[
            Example::new("distance(56.75, 24.12, 56.87, 24.10)", "0.11134"),
            Example::new("distance(point(359.5, 0), point(0.5, 0))", "1.0"),
            Example::new("distance(circle(0, 0, 1), point(0, 3))", "3.0"),
        ],
        ..FnSpec::new(
            "distance",
            FAMILY,
            &[
                Overload::new(TWO_POSITIONS, SEPARATION, separation_of_numbers),
                Overload::new(TWO_POINTS, SEPARATION, separation_of_points),
                Overload::new(
                    &[Arg::new("a", GEOMETRY), Arg::new("b", GEOMETRY)],
                    SEPARATION,
                    separation_of_shapes,
                ),
            ],
        )
    },
    FnSpec {
        role: Some("separation_arcsec"),
        summary: "The angle between two positions along the great circle, in arcseconds.",
        notes: "3600 times DISTANCE. Selected beside a join on the same positions it is computed once.",
        reference: ADQL,
        examples: &[
            Example::new("separation_arcsec(10, 20, 10, 20.0001)", "0.36"),
            Example::new("separation_arcsec(point(359.5, 0), point(0.5, 0))", "3600.0"),
        ],
        ..FnSpec::new(
            "separation_arcsec",
            FAMILY,
            &[
                Overload::new(TWO_POSITIONS, ARCSEC, |call| {
                    let [lon1, lat1, lon2, lat2] = call.numbers()?;
                    call.fill_numbers(|row| {
                        Ok(3600.0 * separation_deg(lon1.get(row), lat1.get(row), lon2.get(row), lat2.get(row)))
                    })
                }),
                Overload::new(TWO_POINTS, ARCSEC, |call| {
                    let (a, b) = (points(call, 0)?, points(call, 1)?);
                    call.fill_numbers(|row| a.ask(row, |a| b.ask(row, |b| Ok(3600.0 * separation(*a, *b)))))
                }),
            ],
        )
    },
    FnSpec {
        summary: "The direction from the first position to the second, in degrees east of north, in [0, 360).",
        notes: "Of a position to itself: 0.",
        reference: "van de Kamp, Principles of Astrometry (1967)",
        examples: &[
            Example::new("position_angle(10, 0, 11, 0)", "90.0"),
            Example::new("position_angle(point(10, 20), point(10, 19))", "180.0"),
        ],
        ..FnSpec::new(
            "position_angle",
            FAMILY,
            &[
                Overload::new(TWO_POSITIONS, ANGLE, position_angle_of_numbers),
                Overload::new(TWO_POINTS, ANGLE, position_angle_of_points),
            ],
        )
    },
    FnSpec {
        summary: "The area of a region in square degrees.",
        reference: ADQL,
        examples: &[
            Example::new("area(circle(0, 0, 180))", "41252.961"),
            Example::new("area(polygon(0, 0, 90, 0, 0, 90))", "5156.62"),
            Example::new("area(box(10, 20, 1, 1))", "1.0000"),
        ],
        ..FnSpec::new(
            "area",
            FAMILY,
            &[Overload::new(
                &[Arg::new("region", REGION)],
                Returns::new(Kind::Number).unit("deg**2").ucd("phys.angArea"),
                |call| {
                    let regions = regions(call, 0)?;
                    call.fill_numbers(|row| regions.ask(row, |region| Ok(region.area_sqdeg())))
                },
            )],
        )
    },
    FnSpec {
        summary: "The middle of a geometry.",
        reference: ADQL,
        examples: &[
            Example::new("centroid(circle(56.75, 24.12, 1))", "[56.75, 24.12]"),
            Example::new("centroid(box(350, 10, 2, 1))", "[350.0, 10.0]"),
        ],
        ..FnSpec::new(
            "centroid",
            FAMILY,
            &[Overload::new(
                &[Arg::new("geometry", GEOMETRY)],
                Returns::new(POINT).unit("deg").ucd("pos").xtype("point"),
                |call| {
                    let shapes = shapes(call, 0)?;
                    call.fill_tuples(|row| {
                        let middle = shapes.ask(row, |shape| Ok(shape.centroid()))?;
                        Ok([middle.lon_deg(), middle.lat_deg()])
                    })
                },
            )],
        )
    },
    FnSpec {
        summary: "The longitude of a position, in degrees.",
        reference: ADQL,
        examples: &[Example::new("coord1(point(56.75, 24.12))", "56.75")],
        ..FnSpec::new(
            "coord1",
            FAMILY,
            &[Overload::new(
                &[Arg::new("point", POINT)],
                Returns::new(Kind::Number).unit("deg").ucd("pos.eq.ra"),
                |call| {
                    let points = points(call, 0)?;
                    call.fill_numbers(|row| points.ask(row, |point| Ok(point.lon_deg())))
                },
            )],
        )
    },
    FnSpec {
        summary: "The latitude of a position, in degrees.",
        reference: ADQL,
        examples: &[Example::new("coord2(point(56.75, 24.12))", "24.12")],
        ..FnSpec::new(
            "coord2",
            FAMILY,
            &[Overload::new(
                &[Arg::new("point", POINT)],
                Returns::new(Kind::Number).unit("deg").ucd("pos.eq.dec"),
                |call| {
                    let points = points(call, 0)?;
                    call.fill_numbers(|row| points.ask(row, |point| Ok(point.lat_deg())))
                },
            )],
        )
    },
    FnSpec {
        summary: "The coordinate system of a geometry: always ICRS.",
        notes: "Coordinates are never converted; a coordinate system named in a constructor is read and ignored.",
        reference: "ADQL 2.1, section Geometrical Functions (deprecated there)",
        examples: &[Example::new("coordsys(point(56.75, 24.12))", "ICRS")],
        ..FnSpec::new(
            "coordsys",
            FAMILY,
            &[Overload::new(
                &[Arg::new("geometry", GEOMETRY)],
                Returns::new(Kind::Text).ucd("pos.frame"),
                |call| call.fill_texts(|_| Ok("ICRS")),
            )],
        )
    },
];

pub(crate) fn separation_of_numbers(call: &Call<'_>) -> Result<ArrayRef, Fault> {
    let [lon1, lat1, lon2, lat2] = call.numbers()?;
    call.fill_numbers(|row| {
        Ok(separation_deg(
            lon1.get(row),
            lat1.get(row),
            lon2.get(row),
            lat2.get(row),
        ))
    })
}

fn separation(a: LonLat, b: LonLat) -> f64 {
    separation_deg(a.lon_deg(), a.lat_deg(), b.lon_deg(), b.lat_deg())
}

fn separation_of_points(call: &Call<'_>) -> Result<ArrayRef, Fault> {
    let (a, b) = (points(call, 0)?, points(call, 1)?);
    call.fill_numbers(|row| a.ask(row, |a| b.ask(row, |b| Ok(separation(*a, *b)))))
}

fn separation_of_shapes(call: &Call<'_>) -> Result<ArrayRef, Fault> {
    let (a, b) = (shapes(call, 0)?, shapes(call, 1)?);
    call.fill_numbers(|row| a.ask(row, |a| b.ask(row, |b| Ok(separation(a.centroid(), b.centroid())))))
}

fn position_angle_of_numbers(call: &Call<'_>) -> Result<ArrayRef, Fault> {
    let [lon1, lat1, lon2, lat2] = call.numbers()?;
    let position = |lon, lat| LonLat::new(lon, lat).map_err(|error| of_sphere(None, error));
    call.fill_numbers(|row| {
        let from = position(lon1.get(row), lat1.get(row))?;
        Ok(position_angle_deg(from, position(lon2.get(row), lat2.get(row))?))
    })
}

fn position_angle_of_points(call: &Call<'_>) -> Result<ArrayRef, Fault> {
    let (a, b) = (points(call, 0)?, points(call, 1)?);
    call.fill_numbers(|row| a.ask(row, |a| b.ask(row, |b| Ok(position_angle_deg(*a, *b)))))
}
