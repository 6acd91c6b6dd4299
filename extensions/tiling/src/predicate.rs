//! Reading Boolean expressions as geometry.
//!
//! Many spellings mean the same thing on the sky. All of them end as one of two shapes, so that
//! equivalent spellings get equivalent plans:
//!
//! | spelling | shape |
//! |---|---|
//! | `DISTANCE(lon1, lat1, lon2, lat2) < r`, `DISTANCE(p, q) <= r`, `r > q3c_dist(..)` | within |
//! | `DISTANCE(..) * 3600 < r` | within, the radius divided |
//! | `CONTAINS(POINT(..), CIRCLE(..))`, `INTERSECTS(..)`, with or without `= 1` | within |
//! | `q3c_join(lon1, lat1, lon2, lat2, r)`, `q3c_radial_query(..)` | within |
//! | `DISTANCE(..) < a.error`, `DISTANCE(..) / SQRT(..) < 3`, `in_ellipse(..)` | within reach |
//! | `CONTAINS(POINT(..), POLYGON(..) or BOX(..))` with a constant region | inside |
//!
//! The shape says where to look; it never replaces the expression, which stays the judge of every row.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use dreyer_sphere::Region;

use crate::region::{constant_region, numbers};
use crate::role::{Role, is_ours, role_of};
use crate::separation::{Separation, never_negative};

/// Where a position comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SkyCoords {
    /// Longitude and latitude in degrees.
    LonLat(Expr, Expr),
    /// An expression that yields a POINT.
    Point(Expr),
}

/// Whether the radius itself counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bound {
    /// separation < radius
    Below,
    /// separation <= radius
    Through,
}

/// A Boolean expression read as geometry.
#[derive(Debug, Clone, PartialEq)]
pub enum SpatialPredicate {
    /// Two positions no farther apart than a constant radius.
    Within {
        /// The position named first.
        a: SkyCoords,
        /// The position named second.
        b: SkyCoords,
        /// The radius in degrees.
        radius_deg: f64,
        /// Whether the radius itself counts.
        bound: Bound,
        /// Whether the expression says exactly this of [`dreyer_sphere::separation_deg`], so that any other spelling
        /// of it may stand in its place.
        exact: bool,
    },
    /// Two positions no farther apart than a radius that differs from row to row.
    WithinReach {
        /// The position named first.
        a: SkyCoords,
        /// The position named second.
        b: SkyCoords,
        /// The radius in degrees, of which the predicate may say more: no pair is farther apart.
        reach: Expr,
    },
    /// A position inside a constant region.
    Inside {
        /// The position.
        point: SkyCoords,
        /// The region.
        region: Region,
    },
}

impl SpatialPredicate {
    /// Reads one conjunct. `None`: not spatial, or not with a constant radius or region.
    pub fn recognise(expr: &Expr) -> Option<Self> {
        match expr {
            Expr::Alias(alias) => Self::recognise(&alias.expr),
            Expr::IsTrue(inner) => Self::recognise(inner),
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
                Operator::Lt => upper_bound(left, right, Bound::Below),
                Operator::LtEq => upper_bound(left, right, Bound::Through),
                Operator::Gt => upper_bound(right, left, Bound::Below),
                Operator::GtEq => upper_bound(right, left, Bound::Through),
                Operator::Eq if is_one(right) => Self::recognise(left),
                Operator::Eq if is_one(left) => Self::recognise(right),
                _ => None,
            },
            Expr::Between(between) if !between.negated => upper_bound(&between.expr, &between.high, Bound::Through),
            Expr::Cast(cast) => Self::recognise(&cast.expr),
            Expr::ScalarFunction(call) => of_call(call),
            _ => None,
        }
    }

    /// The region of the sky to which the predicate confines the position (`lon_column`, `lat_column`) of one
    /// table, if its other side is constant.
    pub fn region_of(&self, lon_column: &str, lat_column: &str) -> Option<Region> {
        match self {
            Self::Within { a, b, radius_deg, .. } => {
                let center = if a.is_columns(lon_column, lat_column) {
                    b
                } else if b.is_columns(lon_column, lat_column) {
                    a
                } else {
                    return None;
                };
                crate::region::circle_around(center, *radius_deg)
            }
            Self::WithinReach { .. } => None,
            Self::Inside { point, region } => point.is_columns(lon_column, lat_column).then(|| region.clone()),
        }
    }
}

impl SkyCoords {
    /// The position that a POINT expression is, by its longitude and latitude where it says them.
    pub fn of_point(expr: &Expr) -> Self {
        if let Expr::ScalarFunction(call) = expr
            && role_of(&call.func) == Some(Role::Point)
            && let [lon, lat] = call.args.as_slice()
        {
            return Self::LonLat(lon.clone(), lat.clone());
        }
        if let Expr::Literal(value, _) = expr
            && let Some([lon, lat]) = numbers(value).as_deref().and_then(|n| <[f64; 2]>::try_from(n).ok())
        {
            return Self::LonLat(literal(lon), literal(lat));
        }
        Self::Point(expr.clone())
    }

    /// Whether the position is that of two columns, by name, whatever table they belong to.
    fn is_columns(&self, lon_column: &str, lat_column: &str) -> bool {
        let Self::LonLat(lon, lat) = self else { return false };
        let is = |expr: &Expr, name: &str| matches!(strip_casts(expr), Expr::Column(column) if column.name == name);
        is(lon, lon_column) && is(lat, lat_column)
    }

    /// The expressions that make the position.
    pub fn exprs(&self) -> Vec<&Expr> {
        match self {
            Self::LonLat(lon, lat) => vec![lon, lat],
            Self::Point(point) => vec![point],
        }
    }
}

/// An expression without the casts that coercion wrapped around it. Only those to double precision: any other may
/// round, and a rounded position or separation says nothing of the one behind it.
pub(crate) fn strip_casts(expr: &Expr) -> &Expr {
    match expr {
        Expr::Cast(cast) if *cast.field.data_type() == DataType::Float64 => strip_casts(&cast.expr),
        Expr::TryCast(cast) if *cast.field.data_type() == DataType::Float64 => strip_casts(&cast.expr),
        Expr::Alias(alias) => strip_casts(&alias.expr),
        other => other,
    }
}

pub(crate) fn literal(value: f64) -> Expr {
    Expr::Literal(ScalarValue::Float64(Some(value)), None)
}

/// A constant number, if `expr` is one.
pub(crate) fn constant(expr: &Expr) -> Option<f64> {
    let Expr::Literal(value, _) = strip_casts(expr) else {
        return None;
    };
    match value.cast_to(&DataType::Float64) {
        Ok(ScalarValue::Float64(number)) => number.filter(|n| n.is_finite()),
        _ => None,
    }
}

fn is_one(expr: &Expr) -> bool {
    constant(expr) == Some(1.0)
}

/// `measure < limit`, where `measure` is a separation, perhaps scaled by a positive constant.
fn upper_bound(measure: &Expr, limit: &Expr, bound: Bound) -> Option<SpatialPredicate> {
    let Some(separation) = Separation::of(measure) else {
        return over_sigma(measure, limit);
    };
    let Separation { a, b, .. } = &separation;
    let (a, b) = (a.clone(), b.clone());
    let Some(limit) = constant(limit) else {
        return Some(SpatialPredicate::WithinReach {
            a,
            b,
            reach: separation.unscaled(limit.clone()),
        });
    };
    let (radius_deg, exact) = separation.limit_deg(limit, bound);
    Some(SpatialPredicate::Within {
        a,
        b,
        radius_deg,
        bound,
        exact: exact && separation.is_ours,
    })
}

/// `separation / sigma < limit`, with a sigma that cannot be negative.
fn over_sigma(measure: &Expr, limit: &Expr) -> Option<SpatialPredicate> {
    let Expr::BinaryExpr(BinaryExpr {
        left,
        op: Operator::Divide,
        right,
    }) = strip_casts(measure)
    else {
        return None;
    };
    if !never_negative(right) {
        return None;
    }
    let separation = Separation::of(left)?;
    let reach = Expr::BinaryExpr(BinaryExpr::new(
        Box::new(limit.clone()),
        Operator::Multiply,
        right.clone(),
    ));
    Some(SpatialPredicate::WithinReach {
        reach: separation.unscaled(reach),
        a: separation.a,
        b: separation.b,
    })
}

fn of_call(call: &ScalarFunction) -> Option<SpatialPredicate> {
    match (role_of(&call.func)?, call.args.as_slice()) {
        (Role::Within, [lon1, lat1, lon2, lat2, radius]) => {
            let a = SkyCoords::LonLat(lon1.clone(), lat1.clone());
            let b = SkyCoords::LonLat(lon2.clone(), lat2.clone());
            Some(match constant(radius) {
                Some(radius_deg) => SpatialPredicate::Within {
                    a,
                    b,
                    radius_deg,
                    bound: Bound::Below,
                    exact: is_ours(call),
                },
                None => SpatialPredicate::WithinReach {
                    a,
                    b,
                    reach: radius.clone(),
                },
            })
        }
        (Role::Ellipse, [lon1, lat1, lon2, lat2, semi_major, ..]) => Some(SpatialPredicate::WithinReach {
            a: SkyCoords::LonLat(lon1.clone(), lat1.clone()),
            b: SkyCoords::LonLat(lon2.clone(), lat2.clone()),
            reach: semi_major.clone(),
        }),
        (Role::Contains, [point, region]) => point_in_region(point, region, is_ours(call)),
        (Role::Intersects, [left, right]) => {
            point_in_region(left, right, is_ours(call)).or_else(|| point_in_region(right, left, is_ours(call)))
        }
        _ => None,
    }
}

/// `point` must yield a POINT: a geometry of another kind would be lost on the region alone.
fn point_in_region(point: &Expr, region: &Expr, is_ours: bool) -> Option<SpatialPredicate> {
    let coords = SkyCoords::of_point(point);
    if let SkyCoords::Point(expr) = &coords {
        let names_point = match strip_casts(expr) {
            Expr::ScalarFunction(call) => {
                !matches!(role_of(&call.func), Some(Role::Circle | Role::Box | Role::Polygon))
                    && dreyer_kernel::spec_of(&call.func).is_some()
            }
            _ => false,
        };
        if !names_point {
            return None;
        }
    }
    if let Some((center, radius)) = circle_parts(region) {
        return Some(match constant(&radius) {
            Some(radius_deg) => SpatialPredicate::Within {
                a: coords,
                b: center,
                radius_deg,
                bound: Bound::Through,
                exact: is_ours && (0.0..=180.0).contains(&radius_deg),
            },
            None => SpatialPredicate::WithinReach {
                a: coords,
                b: center,
                reach: radius,
            },
        });
    }
    Some(SpatialPredicate::Inside {
        point: coords,
        region: constant_region(region)?,
    })
}

fn circle_parts(expr: &Expr) -> Option<(SkyCoords, Expr)> {
    match expr {
        Expr::ScalarFunction(call) if role_of(&call.func) == Some(Role::Circle) => match call.args.as_slice() {
            [center, radius] => Some((SkyCoords::of_point(center), radius.clone())),
            [lon, lat, radius] => Some((SkyCoords::LonLat(lon.clone(), lat.clone()), radius.clone())),
            _ => None,
        },
        Expr::Literal(value, _) => match numbers(value)?.as_slice() {
            &[lon, lat, radius] => Some((SkyCoords::LonLat(literal(lon), literal(lat)), literal(radius))),
            _ => None,
        },
        _ => None,
    }
}
