//! Filters above a match that may as well stand below it.
//!
//! A filter on the side that drives the match takes rows away together with all their pairs, so it may go first, where
//! it prunes a scan. One on the other side may not: it would let a row choose again. In a mutual match both sides
//! choose.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, Extension, Filter, LogicalPlan, UserDefinedLogicalNodeCore};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use crate::node::CrossMatch;
use crate::spec::Pick;

/// Takes filters below the cross-matches that they do not change.
#[derive(Debug, Default)]
pub struct CrossMatchFilterRule;

impl OptimizerRule for CrossMatchFilterRule {
    fn name(&self) -> &'static str {
        "cross_match_filter"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Filter(filter) = &plan else {
            return Ok(Transformed::no(plan));
        };
        let LogicalPlan::Extension(extension) = filter.input.as_ref() else {
            return Ok(Transformed::no(plan));
        };
        let Some(node) = extension.node.as_any().downcast_ref::<CrossMatch>() else {
            return Ok(Transformed::no(plan));
        };
        let (Ok([left, right]), false) = (
            <[&LogicalPlan; 2]>::try_from(node.inputs()),
            node.spec().pick == Pick::Mutual,
        ) else {
            return Ok(Transformed::no(plan));
        };
        let (below, above): (Vec<Expr>, Vec<Expr>) = split_conjunction_owned(filter.predicate.clone())
            .into_iter()
            .partition(|conjunct| reads_only(conjunct, left));
        let Some(below) = conjunction(below) else {
            return Ok(Transformed::no(plan));
        };
        let left = LogicalPlan::Filter(Filter::new(below, Arc::new(left.clone())));
        let node = node.with_exprs_and_inputs(node.expressions(), vec![left, right.clone()])?;
        let node = LogicalPlan::Extension(Extension { node: Arc::new(node) });
        Ok(Transformed::yes(match conjunction(above) {
            Some(above) => LogicalPlan::Filter(Filter::new(above, Arc::new(node))),
            None => node,
        }))
    }
}

fn reads_only(conjunct: &Expr, side: &LogicalPlan) -> bool {
    let columns = conjunct.column_refs();
    !conjunct.is_volatile() && !columns.is_empty() && columns.into_iter().all(|column| side.schema().has_column(column))
}
