//! Constant geometry in expressions, and the part of the sky to which filters confine a table.

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::Float64Type;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use dreyer_sphere::{CellRanges, Circle, LonLat, Polygon, Region, SkyBox};

use crate::predicate::{SkyCoords, SpatialPredicate, constant};
use crate::role::{Role, role_of};

/// Added to a radius before it prunes: the judge of rows computes in floating point, and a row that it accepts by
/// its last bit must not be pruned away. 3.6 microarcseconds.
const ROUNDING_DEG: f64 = 1e-9;

/// The region that a constant expression yields: a literal of one of the geometry types or a constructor with
/// constant arguments. A POINT counts as a circle of radius 0.
pub fn constant_region(expr: &Expr) -> Option<Region> {
    match expr {
        Expr::Alias(alias) => constant_region(&alias.expr),
        Expr::Literal(value @ ScalarValue::List(_), _) => polygon(&numbers(value)?),
        Expr::Literal(value, _) => fixed(&numbers(value)?),
        Expr::ScalarFunction(call) => {
            let parts: Option<Vec<f64>> = call.args.iter().map(constant).collect();
            match role_of(&call.func)? {
                Role::Polygon => polygon(&parts?),
                Role::Point | Role::Circle | Role::Box => fixed(&parts?),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The circle around a constant position.
pub(crate) fn circle_around(center: &SkyCoords, radius_deg: f64) -> Option<Region> {
    let SkyCoords::LonLat(lon, lat) = center else {
        return None;
    };
    let center = LonLat::new(constant(lon)?, constant(lat)?).ok()?;
    Circle::new(center, (radius_deg + ROUNDING_DEG).clamp(0.0, 180.0))
        .ok()
        .map(Region::Circle)
}

/// The numbers of a literal POINT, CIRCLE, BOX or POLYGON.
pub(crate) fn numbers(value: &ScalarValue) -> Option<Vec<f64>> {
    let items = match value {
        ScalarValue::FixedSizeList(list) if list.len() == 1 && list.is_valid(0) => list.value(0),
        ScalarValue::List(list) if list.len() == 1 && list.is_valid(0) => list.value(0),
        _ => return None,
    };
    let items = items.as_primitive_opt::<Float64Type>()?;
    (items.null_count() == 0).then(|| items.values().to_vec())
}

fn fixed(numbers: &[f64]) -> Option<Region> {
    match *numbers {
        [lon, lat] => Circle::new(LonLat::new(lon, lat).ok()?, ROUNDING_DEG)
            .ok()
            .map(Region::Circle),
        [lon, lat, radius] => {
            let radius = if radius < 0.0 {
                radius
            } else {
                (radius + ROUNDING_DEG).min(180.0)
            };
            Circle::new(LonLat::new(lon, lat).ok()?, radius)
                .ok()
                .map(Region::Circle)
        }
        [lon, lat, width, height] => SkyBox::new(LonLat::new(lon, lat).ok()?, width, height)
            .ok()
            .map(Region::Box),
        _ => None,
    }
}

fn polygon(numbers: &[f64]) -> Option<Region> {
    let vertices: Option<Vec<LonLat>> = numbers
        .chunks(2)
        .map(|pair| match *pair {
            [lon, lat] => LonLat::new(lon, lat).ok(),
            _ => None,
        })
        .collect();
    Polygon::new(vertices?).ok().map(Region::Polygon)
}

/// The part of the sky to which `filters` (all of which must hold) confine the rows of a table whose position is
/// (`lon_column`, `lat_column`); `None` if they do not confine it. A superset: the filters stay the judge of rows.
pub fn sky_cover(filters: &[Expr], lon_column: &str, lat_column: &str, max_ranges: usize) -> Option<CellRanges> {
    let mut cover = None;
    for filter in filters {
        if let Some(part) = cover_of(filter, lon_column, lat_column, max_ranges) {
            cover = Some(match cover {
                None => part,
                Some(so_far) => part.intersection(&so_far),
            });
        }
    }
    cover.map(|ranges| ranges.coarsen(max_ranges))
}

fn cover_of(expr: &Expr, lon_column: &str, lat_column: &str, max_ranges: usize) -> Option<CellRanges> {
    // Both sides of an AND may prune; an OR prunes only if both do.
    if let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr {
        let sides = || {
            (
                cover_of(left, lon_column, lat_column, max_ranges),
                cover_of(right, lon_column, lat_column, max_ranges),
            )
        };
        match op {
            Operator::And => {
                return match sides() {
                    (Some(a), Some(b)) => Some(a.intersection(&b)),
                    (a, b) => a.or(b),
                };
            }
            Operator::Or => {
                let (a, b) = sides();
                return Some(a?.union(&b?));
            }
            _ => {}
        }
    }
    let region = SpatialPredicate::recognise(expr)?.region_of(lon_column, lat_column)?;
    Some(region.cover(max_ranges))
}
