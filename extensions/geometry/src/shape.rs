//! Geometry as it lies in columns, and as the sphere understands it.
//!
//! | type | column | numbers of a row, degrees |
//! |---|---|---|
//! | POINT | `FixedSizeList<Float64, 2>` | lon, lat |
//! | CIRCLE | `FixedSizeList<Float64, 3>` | lon, lat, radius |
//! | BOX | `FixedSizeList<Float64, 4>` | lon, lat, width, height |
//! | POLYGON | `List<Float64>` | lon, lat, lon, lat, ... |
//!
//! The length alone tells them apart, so a column read from a file needs no tag. A row is NULL as a whole or not at
//! all; a NaN among the numbers makes whatever is asked of that row NULL.

use dreyer_kernel::{Call, Fault, Kind, Prepared};
use dreyer_sphere::{Circle, LonLat, Polygon, Region, SkyBox, SphereError};

/// A position.
pub const POINT: Kind = Kind::Tuple { name: "POINT", len: 2 };
/// A circle around a position.
pub const CIRCLE: Kind = Kind::Tuple { name: "CIRCLE", len: 3 };
/// A box around a position.
pub const BOX: Kind = Kind::Tuple { name: "BOX", len: 4 };
/// A polygon of three vertices or more.
pub const POLYGON: Kind = Kind::Series {
    name: "POLYGON",
    least: 6,
};
/// Whatever has an inside.
pub const REGION: Kind = Kind::Either {
    name: "REGION",
    of: &[CIRCLE, BOX, POLYGON],
};
/// Any geometry.
pub const GEOMETRY: Kind = Kind::Either {
    name: "GEOMETRY",
    of: &[POINT, CIRCLE, BOX, POLYGON],
};

/// A geometry of any kind.
#[derive(Debug, Clone)]
pub(crate) enum Shape {
    Point(LonLat),
    Region(Region),
}

impl Shape {
    pub(crate) fn centroid(&self) -> LonLat {
        match self {
            Self::Point(point) => *point,
            Self::Region(region) => region.centroid(),
        }
    }

    pub(crate) fn lies_in(&self, region: &Region) -> bool {
        match self {
            Self::Point(point) => region.contains(*point),
            Self::Region(inner) => region.contains_region(inner),
        }
    }

    pub(crate) fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Point(a), Self::Point(b)) => a == b,
            (Self::Region(a), Self::Region(b)) => a.intersects(b),
            (Self::Point(point), Self::Region(region)) | (Self::Region(region), Self::Point(point)) => {
                region.contains(*point)
            }
        }
    }
}

/// The geometries of the argument at `at`; a constant one is built once for the batch.
pub(crate) fn shapes<'a>(call: &'a Call<'_>, at: usize) -> Result<Prepared<'a, Shape>, Fault> {
    let numbers = call.list(at)?;
    let kind = call.kind(at)?;
    call.prepare(at, move |row| {
        shape(kind, numbers.get(row)).map_err(|error| unfit(at, error))
    })
}

/// The regions of the argument at `at`; a constant one is built once for the batch.
pub(crate) fn regions<'a>(call: &'a Call<'_>, at: usize) -> Result<Prepared<'a, Region>, Fault> {
    let numbers = call.list(at)?;
    let kind = call.kind(at)?;
    call.prepare(at, move |row| match shape(kind, numbers.get(row)) {
        Ok(Shape::Region(region)) => Ok(region),
        Ok(Shape::Point(_)) => Err(Fault::argument(at, "must be a region, got a POINT")),
        Err(error) => Err(unfit(at, error)),
    })
}

/// The positions of the POINT argument at `at`; a constant one is built once for the batch.
pub(crate) fn points<'a>(call: &'a Call<'_>, at: usize) -> Result<Prepared<'a, LonLat>, Fault> {
    let numbers = call.list(at)?;
    call.prepare(at, move |row| point(numbers.get(row)).map_err(|error| unfit(at, error)))
}

fn shape(kind: Kind, numbers: &[f64]) -> Result<Shape, SphereError> {
    Ok(match (kind, numbers) {
        (Kind::Tuple { .. }, [lon, lat]) => Shape::Point(LonLat::new(*lon, *lat)?),
        (Kind::Tuple { .. }, [lon, lat, radius]) => {
            Shape::Region(Circle::new(LonLat::new(*lon, *lat)?, *radius)?.into())
        }
        (Kind::Tuple { .. }, [lon, lat, width, height]) => {
            Shape::Region(SkyBox::new(LonLat::new(*lon, *lat)?, *width, *height)?.into())
        }
        (_, numbers) => Shape::Region(Polygon::new(vertices(numbers)?)?.into()),
    })
}

fn point(numbers: &[f64]) -> Result<LonLat, SphereError> {
    match numbers {
        [lon, lat] => LonLat::new(*lon, *lat),
        _ => Err(SphereError::Longitude { got: f64::NAN }),
    }
}

/// The vertices of a polygon's numbers. A number left over has no latitude and is refused as one that is NaN.
pub(crate) fn vertices(numbers: &[f64]) -> Result<Vec<LonLat>, SphereError> {
    numbers
        .chunks(2)
        .map(|pair| match pair {
            [lon, lat] => LonLat::new(*lon, *lat),
            _ => Err(SphereError::Latitude { got: f64::NAN }),
        })
        .collect()
}

/// What the sphere refuses, as the fault of an argument.
pub(crate) fn unfit(at: usize, error: SphereError) -> Fault {
    of_sphere(Some(at), error)
}

/// What the sphere refuses, as the fault of an argument or of several together.
pub(crate) fn of_sphere(argument: Option<usize>, error: SphereError) -> Fault {
    let fault = Fault::sentence(argument, error.to_string());
    match error.hint() {
        Some(hint) => fault.with_hint(hint),
        None => fault,
    }
}
