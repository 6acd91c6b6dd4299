//! `SELECT EXISTS (…)` and `SELECT x IN (SELECT …)`: the engine knows them as conditions only. Elsewhere EXISTS is a count
//! that is not zero (of one row at most, unless the subquery looks at the row outside), and IN a look into an array.

use std::ops::Not;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::functions_aggregate::expr_fn::{array_agg, count};
use datafusion::functions_nested::expr_fn::array_has;
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Subquery, lit, when};

/// Rewrites EXISTS outside of conditions.
pub(in crate::pg) fn counted(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| {
        if !matches!(node, LogicalPlan::Projection(_) | LogicalPlan::Sort(_)) {
            return Ok(Transformed::no(node));
        }
        let names = NamePreserver::new(&node);
        node.map_expressions(|expr| {
            let name = names.save(&expr);
            let done = expr.transform_up(|expr| match expr {
                Expr::Exists(exists) => rewritten(exists).map(Transformed::yes),
                Expr::InSubquery(within) if within.subquery.outer_ref_columns.is_empty() => {
                    looked_up(within).map(Transformed::yes)
                }
                expr => Ok(Transformed::no(expr)),
            })?;
            Ok(done.update_data(|expr| name.restore(expr)))
        })
    })
    .data()
}

fn rewritten(exists: Exists) -> Result<Expr> {
    let Exists { subquery, negated } = exists;
    let mut rows = LogicalPlanBuilder::from(subquery.subquery.as_ref().clone());
    if subquery.outer_ref_columns.is_empty() {
        rows = rows.limit(0, Some(1))?;
    }
    let number = rows.aggregate(Vec::<Expr>::new(), [count(lit(1_i64)).alias("rows")])?;
    let plan = number.build()?;
    let number = Expr::ScalarSubquery(Subquery {
        subquery: Arc::new(plan),
        ..subquery
    });
    let none = number.clone().eq(lit(0_i64));
    Ok(if negated { none } else { number.not_eq(lit(0_i64)) })
}

/// Whether a value is among those of the subquery: false of none, unknown of NULL.
fn looked_up(within: InSubquery) -> Result<Expr> {
    let InSubquery {
        expr,
        subquery,
        negated,
    } = within;
    let rows = subquery.subquery.as_ref().clone();
    let Some(column) = rows.schema().columns().into_iter().next() else {
        return datafusion::common::plan_err!("a subquery of IN has one column");
    };
    let all = LogicalPlanBuilder::from(rows)
        .aggregate(Vec::<Expr>::new(), [array_agg(Expr::Column(column)).alias("all")])?
        .build()?;
    let all = Expr::ScalarSubquery(Subquery {
        subquery: Arc::new(all),
        ..subquery
    });
    let found = coalesce(vec![array_has(all, expr.as_ref().clone()), lit(false)]);
    let found = if negated { found.not() } else { found };
    when(expr.is_not_null(), found).end()
}
