//! Correlated scalar subqueries that are not aggregates: `(SELECT collname FROM pg_collation c WHERE c.oid = a.attcollation)`.
//!
//! The engine refuses them, as it cannot know that they give at most one row. In queries of the catalogue they do, by
//! what the catalogue is; there, and only there, they become left joins, any condition allowed.

use std::collections::HashMap;

use datafusion::common::alias::AliasGenerator;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result};
use datafusion::logical_expr::expr_rewriter::replace_col;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, JoinType, LogicalPlan, LogicalPlanBuilder, Subquery, lit};
use datafusion::optimizer::decorrelate::PullUpCorrelatedExpr;

/// Turns the correlated subqueries of a plan that the engine would refuse into joins.
pub(in crate::pg) fn decorrelate(plan: LogicalPlan) -> Result<LogicalPlan> {
    let names = AliasGenerator::new();
    plan.transform_up_with_subqueries(|plan| match plan {
        LogicalPlan::Projection(projection) if projection.expr.iter().any(has_refused) => {
            let (input, expressions) = join_all(&projection.input, projection.expr.clone(), &names)?;
            let named = projection.expr.iter().zip(expressions).map(|(before, after)| {
                let (qualifier, name) = before.qualified_name();
                after.alias_qualified(qualifier, name)
            });
            Ok(Transformed::yes(
                LogicalPlanBuilder::from(input)
                    .project(named.collect::<Vec<_>>())?
                    .build()?,
            ))
        }
        LogicalPlan::Filter(filter) if has_refused(&filter.predicate) => {
            let (input, mut conditions) = join_all(&filter.input, vec![filter.predicate.clone()], &names)?;
            let columns = filter.input.schema().columns().into_iter().map(Expr::from);
            let condition = conditions.pop().unwrap_or_else(|| lit(true));
            let plan = LogicalPlanBuilder::from(input)
                .filter(condition)?
                .project(columns)?
                .build()?;
            Ok(Transformed::yes(plan))
        }
        plan => Ok(Transformed::no(plan)),
    })
    .data()
}

fn has_refused(expr: &Expr) -> bool {
    expr.exists(|expr| Ok(matches!(expr, Expr::ScalarSubquery(subquery) if refused(subquery))))
        .unwrap_or(false)
}

/// Whether the engine would not plan it: correlated, and not seen to give at most one row.
fn refused(subquery: &Subquery) -> bool {
    !subquery.outer_ref_columns.is_empty() && subquery.subquery.max_rows() != Some(1)
}

/// Joins every refused subquery of the expressions to the input, and puts its column in its place.
fn join_all(input: &LogicalPlan, expressions: Vec<Expr>, names: &AliasGenerator) -> Result<(LogicalPlan, Vec<Expr>)> {
    let mut input = input.clone();
    let mut rewritten = Vec::with_capacity(expressions.len());
    for expression in expressions {
        let expression = expression.transform_down(|expr| match expr {
            Expr::ScalarSubquery(subquery) if refused(&subquery) => match join(&input, &subquery, &names.next("__sq"))?
            {
                Some((joined, column)) => {
                    input = joined;
                    Ok(Transformed::new(Expr::Column(column), true, TreeNodeRecursion::Jump))
                }
                None => Ok(Transformed::no(Expr::ScalarSubquery(subquery))),
            },
            expr => Ok(Transformed::no(expr)),
        });
        rewritten.push(expression.data()?);
    }
    Ok((input, rewritten))
}

/// The input with one subquery joined to it, and the column that holds its value.
fn join(input: &LogicalPlan, subquery: &Subquery, name: &str) -> Result<Option<(LogicalPlan, Column)>> {
    let mut pull_up = PullUpCorrelatedExpr::new();
    let inner = subquery.subquery.as_ref().clone().rewrite(&mut pull_up).data()?;
    if !pull_up.can_pull_up {
        return Ok(None);
    }
    // The columns are renamed one by one: those that the condition needs may have one name in two relations.
    let before = inner.schema().columns();
    let after: Vec<Column> = (0..before.len())
        .map(|at| Column::new_unqualified(format!("{name}_{at}")))
        .collect();
    let renamed = before
        .iter()
        .zip(&after)
        .map(|(old, new)| Expr::Column(old.clone()).alias(new.name.clone()));
    let renamed = LogicalPlanBuilder::from(inner.clone())
        .project(renamed.collect::<Vec<_>>())?
        .build()?;
    let map: HashMap<&Column, &Column> = before.iter().zip(&after).collect();
    let condition = match conjunction(pull_up.join_filters) {
        Some(condition) => replace_col(condition, &map)?,
        None => lit(true),
    };
    let joined = LogicalPlanBuilder::from(input.clone())
        .join_on(renamed, JoinType::Left, [condition])?
        .build()?;
    Ok(after.into_iter().next().map(|column| (joined, column)))
}
