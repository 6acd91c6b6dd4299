//! A separation that is selected from a match is the one that the match computed.
//!
//! ```text
//!  Projection: DISTANCE(a.ra, a.dec, b.ra, b.dec)          Projection: __separation
//!    CrossMatch: condition=DISTANCE(..) < r           ─►     CrossMatch: separation=__separation, condition=…
//! ```

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, Result};
use datafusion::logical_expr::expr::FieldMetadata;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Aggregate, Expr, ExprSchemable, Extension, Filter, LogicalPlan, Projection};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use super::condition::{factor_of, one_way_of_writing};
use crate::node::{Condition, CrossMatch};

/// The name of the column that a match adds.
const SEPARATION: &str = "__separation";

/// Lets projections and aggregates read the separation off the cross-match below them.
#[derive(Debug, Default)]
pub struct MeasureRule;

impl OptimizerRule for MeasureRule {
    fn name(&self) -> &'static str {
        "cross_match_separation"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let input = match &plan {
            LogicalPlan::Projection(projection) => &projection.input,
            LogicalPlan::Aggregate(aggregate) => &aggregate.input,
            _ => return Ok(Transformed::no(plan)),
        };
        let Some(node) = below_filters(input) else {
            return Ok(Transformed::no(plan));
        };
        let condition = node.condition().clone();
        let taken = node.measured().is_none() && schema_has(node, SEPARATION);
        if condition.separation.is_none() || !node.spec().join.has_right() || taken {
            return Ok(Transformed::no(plan));
        }
        if !plan.expressions().iter().any(|expr| measures(expr, &condition)) {
            return Ok(Transformed::no(plan));
        }
        let name = node.measured().unwrap_or(SEPARATION).to_owned();
        let measuring = match node.measured() {
            Some(_) if input.schema().has_column_with_unqualified_name(&name) => input.as_ref().clone(),
            Some(_) => with_node(input, node.clone())?,
            None => with_node(input, node.measuring(&name)?)?,
        };
        let column = Expr::Column(Column::new_unqualified(name));
        rebuilt(&plan, measuring, |expr| read_off(expr, &column, &condition)).map(Transformed::yes)
    }
}

fn schema_has(node: &CrossMatch, name: &str) -> bool {
    use datafusion::logical_expr::UserDefinedLogicalNodeCore;
    node.schema().fields().iter().any(|field| field.name() == name)
}

/// The cross-match below any number of filters, and of projections that only leave columns out.
fn below_filters(plan: &LogicalPlan) -> Option<&CrossMatch> {
    match plan {
        LogicalPlan::Filter(filter) => below_filters(&filter.input),
        LogicalPlan::Projection(projection) if only_columns(projection) => below_filters(&projection.input),
        LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref(),
        _ => None,
    }
}

fn only_columns(projection: &Projection) -> bool {
    projection.expr.iter().all(|expr| matches!(expr, Expr::Column(_)))
}

/// The same above another cross-match, whose separation comes through.
fn with_node(plan: &LogicalPlan, node: CrossMatch) -> Result<LogicalPlan> {
    Ok(match plan {
        LogicalPlan::Filter(filter) => {
            let input = Arc::new(with_node(&filter.input, node)?);
            LogicalPlan::Filter(Filter::try_new(filter.predicate.clone(), input)?)
        }
        LogicalPlan::Projection(projection) => {
            let name = node.measured().unwrap_or(SEPARATION).to_owned();
            let input = Arc::new(with_node(&projection.input, node)?);
            let mut exprs = projection.expr.clone();
            exprs.push(Expr::Column(Column::new_unqualified(name)));
            LogicalPlan::Projection(Projection::try_new(exprs, input)?)
        }
        _ => LogicalPlan::Extension(Extension { node: Arc::new(node) }),
    })
}

fn measures(expr: &Expr, condition: &Condition) -> bool {
    let found = |expr: &Expr| Ok(factor_of(expr, &condition.left_at, &condition.right_at).is_some());
    expr.exists(found).unwrap_or(false)
}

fn read_off(expr: Expr, column: &Expr, condition: &Condition) -> Result<Expr> {
    one_way_of_writing(expr, column, &condition.left_at, &condition.right_at)
}

/// The projection or aggregate over another input, its expressions changed and its columns named as before.
fn rebuilt(plan: &LogicalPlan, input: LogicalPlan, change: impl Fn(Expr) -> Result<Expr>) -> Result<LogicalPlan> {
    let names = NamePreserver::new_for_projection();
    let renamed = |expr: &Expr| -> Result<Expr> {
        let name = names.save(expr);
        let changed = change(expr.clone())?;
        Ok(name.restore(changed))
    };
    match plan {
        LogicalPlan::Projection(projection) => {
            let before = projection.input.schema();
            let exprs = projection.expr.iter().map(|expr| {
                // What a column says of itself, its unit above all, it goes on saying.
                let (_, field) = expr.to_field(before)?;
                let changed = renamed(expr)?;
                if changed == *expr || field.metadata().is_empty() {
                    return Ok(changed);
                }
                let told = Some(FieldMetadata::from(field.as_ref()));
                let (relation, name) = changed.qualified_name();
                Ok(changed.unalias().alias_qualified_with_metadata(relation, name, told))
            });
            let exprs = exprs.collect::<Result<Vec<_>>>()?;
            Ok(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(input))?))
        }
        LogicalPlan::Aggregate(aggregate) => {
            let group = aggregate.group_expr.iter().map(&renamed).collect::<Result<Vec<_>>>()?;
            let aggregates = aggregate.aggr_expr.iter().map(&renamed).collect::<Result<Vec<_>>>()?;
            Ok(LogicalPlan::Aggregate(Aggregate::try_new(
                Arc::new(input),
                group,
                aggregates,
            )?))
        }
        other => Ok(other.clone()),
    }
}
