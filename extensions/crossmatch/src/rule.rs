//! The optimiser rule: an inner join on a bounded separation becomes a [`CrossMatch`].
//!
//! It belongs at the end of the rule list, after filters were pushed into joins and constants were folded:
//! by then a comma join with a WHERE clause and a JOIN … ON are the same plan.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{JoinType, Result};
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{Expr, Extension, Join, LogicalPlan};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};
use dreyer_tiling::{SkyCoords, SpatialPredicate};

use crate::node::CrossMatch;

/// Turns inner joins whose condition bounds a separation into cross-matches.
#[derive(Debug, Default)]
pub struct CrossMatchRule;

impl OptimizerRule for CrossMatchRule {
    fn name(&self) -> &'static str {
        "cross_match"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        match plan {
            LogicalPlan::Join(join) => Ok(match cross_match(&join)? {
                Some(node) => Transformed::yes(LogicalPlan::Extension(Extension { node: Arc::new(node) })),
                None => Transformed::no(LogicalPlan::Join(join)),
            }),
            other => Ok(Transformed::no(other)),
        }
    }
}

fn cross_match(join: &Join) -> Result<Option<CrossMatch>> {
    if join.join_type != JoinType::Inner {
        return Ok(None);
    }
    let Some(filter) = &join.filter else { return Ok(None) };
    if has_subquery(filter)? {
        return Ok(None);
    }
    let mut best: Option<(SkyCoords, SkyCoords, f64)> = None;
    for conjunct in split_conjunction(filter) {
        let Some(SpatialPredicate::Within { a, b, radius_deg, .. }) = SpatialPredicate::recognise(conjunct) else {
            continue;
        };
        let sides = if belongs(&a, &join.left)? && belongs(&b, &join.right)? {
            (a, b)
        } else if belongs(&b, &join.left)? && belongs(&a, &join.right)? {
            (b, a)
        } else {
            continue;
        };
        // Of several bounds the smallest radius leaves the fewest candidates; the condition keeps them all.
        if best.as_ref().is_none_or(|(_, _, smallest)| radius_deg < *smallest) {
            best = Some((sides.0, sides.1, radius_deg));
        }
    }
    let Some((left_at, right_at, radius_deg)) = best else {
        return Ok(None);
    };

    // Equalities stood apart from the filter; in the condition they are judged with the rest.
    let equalities = join.on.iter().map(|(left, right)| match join.null_equality {
        datafusion::common::NullEquality::NullEqualsNothing => left.clone().eq(right.clone()),
        datafusion::common::NullEquality::NullEqualsNull => {
            Expr::BinaryExpr(datafusion::logical_expr::BinaryExpr::new(
                Box::new(left.clone()),
                datafusion::logical_expr::Operator::IsNotDistinctFrom,
                Box::new(right.clone()),
            ))
        }
    });
    let condition = conjunction(split_conjunction(filter).into_iter().cloned().chain(equalities));
    let Some(condition) = condition else { return Ok(None) };
    CrossMatch::try_new(
        join.left.as_ref().clone(),
        join.right.as_ref().clone(),
        left_at,
        right_at,
        radius_deg,
        condition,
    )
    .map(Some)
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
