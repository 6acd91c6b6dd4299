//! The optimiser rules: a join on a bounded separation becomes a [`CrossMatch`].
//!
//! [`CrossMatchRule`] belongs at the end of the rule list, after filters were pushed into joins, subqueries became
//! joins and constants were folded: by then a comma join with a WHERE clause and a JOIN … ON are the same plan, and so
//! are EXISTS and a semi join.

mod condition;
mod kinds;

use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use crate::spec::Pick;

/// Turns joins whose condition bounds a separation into cross-matches.
#[derive(Debug, Default)]
pub struct CrossMatchRule;

impl OptimizerRule for CrossMatchRule {
    fn name(&self) -> &'static str {
        "cross_match"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Join(join) = plan else {
            return Ok(Transformed::no(plan));
        };
        if let Some(condition) = condition::of_join(&join, config)?
            && let Some(plan) = kinds::cross_match(&join, condition, Pick::All)?
        {
            return Ok(Transformed::yes(plan));
        }
        Ok(Transformed::no(LogicalPlan::Join(join)))
    }
}
