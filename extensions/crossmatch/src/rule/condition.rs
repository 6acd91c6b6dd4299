//! Reading a join's condition: which conjunct bounds the separation, and one way of writing it.
//!
//! Every spelling that says exactly "the separation is below r" is written as `distance(left, right) < r`, so that
//! equivalent spellings get identical plans.

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{NullEquality, Result, ScalarValue};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{BinaryExpr, Expr, Join, LogicalPlan, Operator};
use datafusion::optimizer::OptimizerConfig;
use dreyer_tiling::{Bound, Role, Separation, SkyCoords, SpatialPredicate, role_of};

use crate::node::Condition;
use crate::spec::Radius;

/// The condition of a join, if a conjunct of it bounds the separation of its sides.
pub(super) fn of_join(join: &Join, config: &dyn OptimizerConfig) -> Result<Option<Condition>> {
    let Some(filter) = &join.filter else { return Ok(None) };
    // Equalities stood apart from the filter; in the condition they are judged with the rest.
    let equalities = join.on.iter().map(|(left, right)| {
        let op = match join.null_equality {
            NullEquality::NullEqualsNothing => Operator::Eq,
            NullEquality::NullEqualsNull => Operator::IsNotDistinctFrom,
        };
        Expr::BinaryExpr(BinaryExpr::new(Box::new(left.clone()), op, Box::new(right.clone())))
    });
    let conjuncts = split_conjunction(filter).into_iter().cloned().chain(equalities);
    of_conjuncts(conjuncts.collect(), &join.left, &join.right, config)
}

/// The same of conjuncts that were taken apart.
pub(super) fn of_conjuncts(
    mut conjuncts: Vec<Expr>,
    left: &LogicalPlan,
    right: &LogicalPlan,
    config: &dyn OptimizerConfig,
) -> Result<Option<Condition>> {
    for conjunct in &conjuncts {
        if has_subquery(conjunct)? {
            return Ok(None);
        }
    }
    let mut best: Option<(usize, Within)> = None;
    for (at, conjunct) in conjuncts.iter().enumerate() {
        if let Some(found) = Within::of(conjunct, left, right)?
            && best.as_ref().is_none_or(|(_, best)| found.is_narrower_than(best))
        {
            best = Some((at, found));
        }
    }
    let Some((at, within)) = best else { return Ok(None) };
    let written = conjuncts.remove(at);
    let separation = separation_call(&within.left_at, &within.right_at, config);
    let (mut bound, radius) = match (within.limit, &separation) {
        (Limit::Constant(radius_deg, Some(bound)), Some(separation)) => {
            (compared(separation, bound, radius_deg), Radius::Constant(radius_deg))
        }
        (Limit::Constant(radius_deg, _), _) => (written, Radius::Constant(radius_deg)),
        (Limit::PerRow(reach), _) => {
            // Elsewhere NaN is the greatest number; a radius that is not known matches nothing.
            if matches!(written, Expr::BinaryExpr(_) | Expr::Between(_)) {
                let nan = Expr::Literal(ScalarValue::Float64(Some(f64::NAN)), None);
                conjuncts.push(reach.clone().not_eq(nan));
            }
            (written, Radius::PerRow(reach))
        }
    };
    if let Some(separation) = &separation {
        let one_way = |expr: Expr| one_way_of_writing(expr, separation, &within.left_at, &within.right_at);
        bound = one_way(bound)?;
        let rewritten: Result<Vec<_>> = conjuncts.into_iter().map(one_way).collect();
        conjuncts = rewritten?;
        conjuncts.retain(|conjunct| !is_idle(conjunct, separation));
    }
    Ok(Some(Condition {
        left_at: within.left_at,
        right_at: within.right_at,
        radius,
        separation,
        bound,
        residual: conjunction(conjuncts),
    }))
}

/// A conjunct that bounds the separation of the two sides.
struct Within {
    left_at: SkyCoords,
    right_at: SkyCoords,
    limit: Limit,
}

enum Limit {
    /// In degrees, and the bound if the conjunct says just that.
    Constant(f64, Option<Bound>),
    PerRow(Expr),
}

impl Within {
    fn of(conjunct: &Expr, left: &LogicalPlan, right: &LogicalPlan) -> Result<Option<Self>> {
        let (a, b, limit) = match SpatialPredicate::recognise(conjunct) {
            Some(SpatialPredicate::Within {
                a,
                b,
                radius_deg,
                bound,
                exact,
            }) => (a, b, Limit::Constant(radius_deg, exact.then_some(bound))),
            Some(SpatialPredicate::WithinReach { a, b, reach }) if !reach.is_volatile() => (a, b, Limit::PerRow(reach)),
            _ => return Ok(None),
        };
        let (left_at, right_at) = if belongs(&a, left)? && belongs(&b, right)? {
            (a, b)
        } else if belongs(&b, left)? && belongs(&a, right)? {
            (b, a)
        } else {
            return Ok(None);
        };
        Ok(Some(Self {
            left_at,
            right_at,
            limit,
        }))
    }

    /// Of several bounds the smallest radius leaves the fewest candidates; the condition keeps them all.
    fn is_narrower_than(&self, other: &Self) -> bool {
        match (&self.limit, &other.limit) {
            (Limit::Constant(mine, _), Limit::Constant(its, _)) => mine < its,
            (Limit::Constant(..), Limit::PerRow(_)) => true,
            (Limit::PerRow(_), _) => false,
        }
    }
}

/// Whether the position is made of this side's columns, of at least one of them, and of nothing else.
fn belongs(coords: &SkyCoords, side: &LogicalPlan) -> Result<bool> {
    let mut any = false;
    for expr in coords.exprs() {
        if expr.is_volatile() {
            return Ok(false);
        }
        for column in expr.column_refs() {
            if !side.schema().has_column(column) {
                return Ok(false);
            }
            any = true;
        }
    }
    Ok(any)
}

fn has_subquery(expr: &Expr) -> Result<bool> {
    expr.exists(|e| {
        Ok(matches!(
            e,
            Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::OuterReferenceColumn(..)
        ))
    })
}

/// `distance(left, right)`, if the session has that function.
pub(super) fn separation_call(left: &SkyCoords, right: &SkyCoords, config: &dyn OptimizerConfig) -> Option<Expr> {
    let registry = config.function_registry()?;
    let distance = registry.udf("distance").ok()?;
    if role_of(&distance) != Some(Role::Separation) {
        return None;
    }
    let args = match (left, right) {
        (SkyCoords::LonLat(lon1, lat1), SkyCoords::LonLat(lon2, lat2)) => {
            vec![lon1.clone(), lat1.clone(), lon2.clone(), lat2.clone()]
        }
        _ => {
            let point = registry.udf("point").ok()?;
            let as_point = |at: &SkyCoords| match at {
                SkyCoords::Point(point) => point.clone(),
                SkyCoords::LonLat(lon, lat) => {
                    let args = vec![lon.clone(), lat.clone()];
                    Expr::ScalarFunction(ScalarFunction::new_udf(point.clone(), args))
                }
            };
            vec![as_point(left), as_point(right)]
        }
    };
    Some(Expr::ScalarFunction(ScalarFunction::new_udf(distance, args)))
}

fn compared(separation: &Expr, bound: Bound, radius_deg: f64) -> Expr {
    let radius = Expr::Literal(ScalarValue::Float64(Some(radius_deg)), None);
    match bound {
        Bound::Below => separation.clone().lt(radius),
        Bound::Through => separation.clone().lt_eq(radius),
    }
}

/// The separation of the two sides, if `expr` is that, as our functions call it: times what.
pub(super) fn factor_of(expr: &Expr, left_at: &SkyCoords, right_at: &SkyCoords) -> Option<f64> {
    let Expr::ScalarFunction(_) = expr else { return None };
    let found = Separation::of(expr).filter(|found| found.is_ours)?;
    let same = (&found.a, &found.b) == (left_at, right_at) || (&found.b, &found.a) == (left_at, right_at);
    found.factor().filter(|_| same)
}

/// Calls of the sides' separation within `expr`, all as `separation`.
pub(super) fn one_way_of_writing(
    expr: Expr,
    separation: &Expr,
    left_at: &SkyCoords,
    right_at: &SkyCoords,
) -> Result<Expr> {
    expr.transform_up(|expr| {
        Ok(match factor_of(&expr, left_at, right_at) {
            None => Transformed::no(expr),
            Some(1.0) => Transformed::yes(separation.clone()),
            Some(factor) => {
                let factor = Expr::Literal(ScalarValue::Float64(Some(factor)), None);
                let scaled = BinaryExpr::new(Box::new(separation.clone()), Operator::Multiply, Box::new(factor));
                Transformed::yes(Expr::BinaryExpr(scaled))
            }
        })
    })
    .data()
}

/// `separation >= 0`: true of every pair that the bound lets pass.
fn is_idle(conjunct: &Expr, separation: &Expr) -> bool {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = conjunct else {
        return false;
    };
    let (measure, limit) = match op {
        Operator::GtEq => (left, right),
        Operator::LtEq => (right, left),
        _ => return false,
    };
    let Expr::Literal(ScalarValue::Float64(Some(limit)), _) = limit.as_ref() else {
        return false;
    };
    measure.as_ref() == separation && *limit <= 0.0
}
