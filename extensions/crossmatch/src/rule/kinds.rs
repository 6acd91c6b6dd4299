//! The kinds of joins, as cross-matches driven by their left side.
//!
//! | join | becomes |
//! |---|---|
//! | INNER, LEFT, semi, anti | the same |
//! | RIGHT, right semi, right anti | the mirror image of the above, columns put back in order |
//! | FULL | LEFT, and below it the right rows without a partner: a right anti match padded with NULL |
//!
//! A FULL join reads its inputs twice, so it is left to the engine if they might not give the same rows twice.

use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, JoinType, Result, ScalarValue};
use datafusion::logical_expr::{Expr, Extension, Join, LogicalPlan, LogicalPlanBuilder, Projection};

use crate::node::{Condition, CrossMatch};
use crate::spec::{self, MatchSpec, Pick};

/// The join as a cross-match; `None` if it cannot be one.
pub(super) fn cross_match(join: &Join, condition: Condition, pick: Pick) -> Result<Option<LogicalPlan>> {
    if join.null_aware {
        return Ok(None);
    }
    let forward = |kind: spec::Join| matched(&join.left, &join.right, kind, pick, condition.clone());
    let backward = |kind: spec::Join| matched(&join.right, &join.left, kind, pick, condition.clone().mirrored());
    Ok(Some(match join.join_type {
        JoinType::Inner => forward(spec::Join::Inner)?,
        JoinType::Left => forward(spec::Join::Left)?,
        JoinType::LeftSemi => forward(spec::Join::Semi)?,
        JoinType::LeftAnti => forward(spec::Join::Anti)?,
        JoinType::RightSemi => backward(spec::Join::Semi)?,
        JoinType::RightAnti => backward(spec::Join::Anti)?,
        JoinType::Right => in_order_of(join, backward(spec::Join::Left)?)?,
        JoinType::Full if repeatable(&join.left)? && repeatable(&join.right)? => {
            full(join, forward(spec::Join::Left)?, backward(spec::Join::Anti)?)?
        }
        JoinType::Full | JoinType::LeftMark | JoinType::RightMark => return Ok(None),
    }))
}

fn matched(
    left: &LogicalPlan,
    right: &LogicalPlan,
    join: spec::Join,
    pick: Pick,
    condition: Condition,
) -> Result<LogicalPlan> {
    let spec = MatchSpec { join, pick }.simplified();
    let node = CrossMatch::try_new(left.clone(), right.clone(), spec, condition)?;
    Ok(LogicalPlan::Extension(Extension { node: Arc::new(node) }))
}

impl Condition {
    /// The same for inputs that changed places.
    fn mirrored(self) -> Self {
        Self {
            left_at: self.right_at,
            right_at: self.left_at,
            ..self
        }
    }
}

/// The columns of `plan` in the order of the join's.
fn in_order_of(join: &Join, plan: LogicalPlan) -> Result<LogicalPlan> {
    let columns = join.schema.iter().map(|field| Expr::Column(Column::from(field)));
    Ok(LogicalPlan::Projection(Projection::try_new(
        columns.collect(),
        Arc::new(plan),
    )?))
}

/// `left` has the join's columns, `only_right` those of its right side.
fn full(join: &Join, left: LogicalPlan, only_right: LogicalPlan) -> Result<LogicalPlan> {
    let left_width = join.left.schema().fields().len();
    let numbered = |at: usize| format!("__full_{at}");
    let all: Vec<_> = join.schema.iter().enumerate().collect();
    let both = all
        .iter()
        .map(|(at, field)| Expr::Column(Column::from(*field)).alias(numbered(*at)));
    let mut padded = Vec::with_capacity(join.schema.fields().len());
    for (at, (qualifier, field)) in &all {
        let value = if *at < left_width {
            Expr::Literal(ScalarValue::try_from(field.data_type())?, None)
        } else {
            Expr::Column(Column::from((*qualifier, *field)))
        };
        padded.push(value.alias(numbered(*at)));
    }
    let padded = LogicalPlanBuilder::from(only_right).project(padded)?.build()?;
    let named = all.iter().map(|(at, (qualifier, field))| {
        Expr::Column(Column::new_unqualified(numbered(*at))).alias_qualified(qualifier.cloned(), field.name())
    });
    LogicalPlanBuilder::from(left)
        .project(both)?
        .union(padded)?
        .project(named)?
        .build()
}

/// Whether a plan certainly gives the same rows each time that it is run.
fn repeatable(plan: &LogicalPlan) -> Result<bool> {
    let mut repeatable = true;
    plan.apply(|node| {
        let same = match node {
            LogicalPlan::TableScan(scan) => scan.fetch.is_none(),
            LogicalPlan::Filter(_)
            | LogicalPlan::Projection(_)
            | LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::Values(_)
            | LogicalPlan::EmptyRelation(_)
            | LogicalPlan::Union(_)
            | LogicalPlan::Join(_) => true,
            LogicalPlan::Extension(extension) => extension.node.as_any().is::<CrossMatch>(),
            _ => false,
        };
        repeatable &= same && !node.expressions().iter().any(Expr::is_volatile);
        Ok(if repeatable {
            TreeNodeRecursion::Continue
        } else {
            TreeNodeRecursion::Stop
        })
    })?;
    Ok(repeatable)
}
