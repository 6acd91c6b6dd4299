//! From filters to less reading of Parquet: a predicate that statistics of row groups and pages can refute.
//!
//! ```text
//! filters ─► part of the sky ─► ranges of `_healpix_29`, where the files have that column
//!                          └──► boxes in longitude and latitude, where they do not
//! ```
//!
//! The predicate is true of every row that the filters may want. It decides about no row: all filters stay above the
//! scan.

use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, Operator};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, IsNullExpr, Literal};
use dreyer_sphere::{Cell, CellRanges};
use dreyer_tiling::sky_cover;

use crate::position::{index_column, positions};

/// Most boxes that a part of the sky becomes.
const MAX_BOXES: usize = 8;

/// By how much boxes are wider than what they hold, for `f64` and for `f32` columns: more than rounding can be.
const MARGIN_DEG: f64 = 1e-6;
const MARGIN_F32_DEG: f64 = 1e-4;

type Physical = Arc<dyn PhysicalExpr>;

/// What the `filters` on a table of these columns say about where its rows lie; `None`: nothing.
pub(crate) fn predicate(schema: &Schema, filters: &[Expr], max_ranges: usize) -> Option<Physical> {
    let max_ranges = max_ranges.max(1);
    let pairs = positions(schema);
    let index = index_column(schema).filter(|_| !pairs.is_empty());
    let terms = pairs.iter().enumerate().filter_map(|(rank, (lon, lat))| {
        let cover = sky_cover(filters, lon, lat, max_ranges)?;
        // The index is that of the main position.
        match index.filter(|_| rank == 0) {
            Some(index) => in_ranges(&column(schema, index)?, &cover),
            None => in_boxes(schema, lon, lat, &cover),
        }
    });
    terms.reduce(|a, b| binary(a, Operator::And, b))
}

fn column(schema: &Schema, name: &str) -> Option<Column> {
    Column::new_with_schema(name, schema).ok()
}

/// `index BETWEEN a AND b OR … OR index IS NULL`. A row without an index may lie anywhere.
fn in_ranges(index: &Column, ranges: &CellRanges) -> Option<Physical> {
    let int = |value: u64| ScalarValue::Int64(i64::try_from(value).ok());
    let index: Physical = Arc::new(index.clone());
    let unknown: Physical = Arc::new(IsNullExpr::new(Arc::clone(&index)));
    if ranges.is_everything() {
        return None;
    }
    let terms = ranges
        .iter()
        .map(|range| between(&index, int(range.start), int(range.end.saturating_sub(1))));
    any(std::iter::once(unknown).chain(terms))
}

fn in_boxes(schema: &Schema, lon: &str, lat: &str, cover: &CellRanges) -> Option<Physical> {
    let (lon, lat) = (Angle::of(schema, lon)?, Angle::of(schema, lat)?);
    let coarse = cover.coarsen(MAX_BOXES);
    if coarse.is_empty() {
        // No row is wanted; what statistics can refute of that is: no latitude is above the pole.
        return Some(lat.above(90.0));
    }
    any(coarse.iter().map(|range| bounds(range).predicate(&lon, &lat)))
}

/// A box in longitude and latitude, in degrees.
#[derive(Debug, PartialEq)]
struct SkyBounds {
    /// Within 0 to 360, ascending and apart from each other.
    lon: Vec<(f64, f64)>,
    lat: (f64, f64),
}

/// The box that holds the cells of a range.
fn bounds(range: Range<u64>) -> SkyBounds {
    let ranges = CellRanges::of_range(range);
    let mut lat = (90.0_f64, -90.0_f64);
    let mut lon = Vec::new();
    for cell in ranges.cells() {
        let (south, north) = lat_of(cell);
        lat = (lat.0.min(south), lat.1.max(north));
        let (west, east) = lon_of(cell, south, north);
        match () {
            () if east - west >= 360.0 => lon.push((0.0, 360.0)),
            () if west < 0.0 => lon.extend([(0.0, east), (west + 360.0, 360.0)]),
            () if east > 360.0 => lon.extend([(0.0, east - 360.0), (west, 360.0)]),
            () => lon.push((west, east)),
        }
    }
    lon.sort_by(|a, b| a.0.total_cmp(&b.0));
    lon.dedup_by(|next, kept| {
        let touch = next.0 <= kept.1;
        if touch {
            kept.1 = kept.1.max(next.1);
        }
        touch
    });
    SkyBounds { lon, lat }
}

fn lat_of(cell: Cell) -> (f64, f64) {
    let circle = cell.bounding_circle();
    let (lat, radius) = (circle.center().lat_deg(), circle.radius_deg());
    ((lat - radius).max(-90.0), (lat + radius).min(90.0))
}

/// West may be below 0 or east above 360; all longitudes where the cell comes near a pole.
fn lon_of(cell: Cell, south: f64, north: f64) -> (f64, f64) {
    let circle = cell.bounding_circle();
    let center = circle.center();
    let ratio = circle.radius_deg().to_radians().sin() / center.lat_deg().to_radians().cos();
    if south <= -90.0 || north >= 90.0 || circle.radius_deg() >= 90.0 || ratio.is_nan() || ratio >= 1.0 {
        return (0.0, 360.0);
    }
    let half = ratio.asin().to_degrees();
    (center.lon_deg() - half, center.lon_deg() + half)
}

impl SkyBounds {
    fn predicate(&self, lon: &Angle, lat: &Angle) -> Physical {
        let in_lat = lat.between(self.lat.0, self.lat.1);
        if self.lon.iter().any(|(west, east)| east - west >= 360.0) {
            return in_lat;
        }
        // Longitudes may be counted from -180, and some are: each interval is looked for a turn up and down, too.
        let turns = [-360.0, 0.0, 360.0];
        let intervals = self
            .lon
            .iter()
            .flat_map(|(west, east)| turns.into_iter().map(move |turn| lon.between(west + turn, east + turn)));
        let farther = [lon.below(-360.0), lon.above(720.0)];
        match any(intervals.chain(farther)) {
            Some(in_lon) => binary(in_lat, Operator::And, in_lon),
            None => in_lat,
        }
    }
}

/// A column of angles, and what compares with it.
struct Angle {
    column: Physical,
    single: bool,
}

impl Angle {
    fn of(schema: &Schema, name: &str) -> Option<Self> {
        let single = *schema.field_with_name(name).ok()?.data_type() == DataType::Float32;
        let column: Physical = Arc::new(column(schema, name)?);
        Some(Self { column, single })
    }

    fn between(&self, low_deg: f64, high_deg: f64) -> Physical {
        let margin = if self.single { MARGIN_F32_DEG } else { MARGIN_DEG };
        let value = |deg| self.value(deg);
        between(&self.column, value(low_deg - margin), value(high_deg + margin))
    }

    fn below(&self, deg: f64) -> Physical {
        compare(&self.column, Operator::Lt, self.value(deg))
    }

    fn above(&self, deg: f64) -> Physical {
        compare(&self.column, Operator::Gt, self.value(deg))
    }

    fn value(&self, deg: f64) -> ScalarValue {
        if self.single {
            #[expect(clippy::cast_possible_truncation, reason = "rounding is what the margin is for")]
            let deg = deg as f32;
            ScalarValue::Float32(Some(deg))
        } else {
            ScalarValue::Float64(Some(deg))
        }
    }
}

fn between(column: &Physical, low: ScalarValue, high: ScalarValue) -> Physical {
    binary(
        compare(column, Operator::GtEq, low),
        Operator::And,
        compare(column, Operator::LtEq, high),
    )
}

fn compare(column: &Physical, op: Operator, value: ScalarValue) -> Physical {
    binary(Arc::clone(column), op, Arc::new(Literal::new(value)))
}

fn binary(left: Physical, op: Operator, right: Physical) -> Physical {
    Arc::new(BinaryExpr::new(left, op, right))
}

fn any(terms: impl Iterator<Item = Physical>) -> Option<Physical> {
    terms.reduce(|a, b| binary(a, Operator::Or, b))
}

#[cfg(test)]
mod tests {
    use dreyer_sphere::{Circle, LonLat, Region, index29};
    use proptest::prelude::*;

    use super::*;

    fn holds(bounds: &SkyBounds, lon: f64, lat: f64) -> bool {
        let within = |low: f64, high: f64, value: f64| low - MARGIN_DEG <= value && value <= high + MARGIN_DEG;
        within(bounds.lat.0, bounds.lat.1, lat) && bounds.lon.iter().any(|(west, east)| within(*west, *east, lon))
    }

    proptest! {
        #[test]
        fn boxes_hold_every_position_of_the_cover(
            lon in 0.0_f64..360.0, z in -1.0_f64..1.0, radius in 1e-4_f64..40.0,
            near in prop::collection::vec((0.0_f64..360.0, -1.0_f64..1.0), 40),
        ) {
            let center = LonLat::new(lon, z.asin().to_degrees()).unwrap();
            let cover = Region::Circle(Circle::new(center, radius).unwrap()).cover(32);
            let boxes: Vec<SkyBounds> = cover.coarsen(MAX_BOXES).iter().map(bounds).collect();
            for (bearing, distance) in near {
                let there = dreyer_sphere::destination(center, bearing, distance.abs() * radius);
                let (lon, lat) = (there.lon_deg(), there.lat_deg());
                prop_assume!(index29(lon, lat).is_some_and(|index| cover.contains(index)));
                prop_assert!(boxes.iter().any(|bounds| holds(bounds, lon, lat)), "{lon} {lat} {boxes:?}");
            }
        }
    }

    #[test]
    fn a_small_cone_makes_a_small_box() {
        let cone = |lon, lat| {
            let center = LonLat::new(lon, lat).unwrap();
            let cover = Region::Circle(Circle::new(center, 0.1).unwrap()).cover(32);
            let boxes: Vec<SkyBounds> = cover.coarsen(MAX_BOXES).iter().map(bounds).collect();
            let tall = boxes
                .iter()
                .map(|bounds| bounds.lat.1 - bounds.lat.0)
                .fold(0.0, f64::max);
            let widths = boxes
                .iter()
                .flat_map(|bounds| &bounds.lon)
                .map(|(west, east)| east - west);
            (tall, widths.fold(0.0, f64::max))
        };
        for (lon, lat) in [(56.6, 24.1), (0.0, 0.0), (359.99, -60.0), (45.0, 41.8)] {
            let (tall, wide) = cone(lon, lat);
            assert!(tall < 1.0 && wide < 2.0, "{lon} {lat}: {tall} by {wide}");
        }
        assert!(cone(10.0, 90.0).0 < 1.0);
    }
}
