//! The optimiser rules: a join on a bounded separation becomes a [`CrossMatch`].
//!
//! | rule | where in the list | what it does |
//! |---|---|---|
//! | [`XMatchRule`] | first | `XMATCH` becomes a condition, or a match that picks |
//! | [`CrossMatchFilterRule`] | after `push_down_filter` | filters go below the matches that they do not change |
//! | [`CrossMatchRule`] | at the end | joins on a bounded separation become matches |
//! | [`MeasureRule`] | last | a separation that is selected is the one that was computed |
//!
//! [`CrossMatchRule`] belongs at the end of the rule list, after filters were pushed into joins, subqueries became
//! joins and constants were folded: by then a comma join with a WHERE clause and a JOIN … ON are the same plan, and so
//! are EXISTS and a semi join.

mod condition;
mod filter;
mod kinds;
mod measure;
mod xmatch;
mod xmatch_call;

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::{Extension, LogicalPlan};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

pub use filter::CrossMatchFilterRule;
pub use measure::MeasureRule;
pub use xmatch::XMatchRule;

use crate::node::CrossMatch;
use crate::spec::Pick;

/// A list of the engine's rules with ours where they belong.
#[must_use]
pub fn with_rules(mut rules: Vec<Arc<dyn OptimizerRule + Send + Sync>>) -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    rules.insert(0, Arc::new(XMatchRule));
    let pushed = rules.iter().position(|rule| rule.name() == "push_down_filter");
    let after = pushed.map_or(rules.len(), |at| at + 1);
    rules.insert(after, Arc::new(CrossMatchFilterRule));
    rules.push(Arc::new(CrossMatchRule));
    rules.push(Arc::new(MeasureRule));
    rules
}

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
        let join = match plan {
            LogicalPlan::Join(join) => join,
            LogicalPlan::Extension(Extension { node }) => {
                // A radius that was an expression may have been folded.
                let folded = node.as_any().downcast_ref::<CrossMatch>().and_then(CrossMatch::folded);
                return Ok(match folded {
                    Some(node) => Transformed::yes(LogicalPlan::Extension(Extension { node: Arc::new(node?) })),
                    None => Transformed::no(LogicalPlan::Extension(Extension { node })),
                });
            }
            other => return Ok(Transformed::no(other)),
        };
        if let Some(condition) = condition::of_join(&join, config)?
            && let Some(plan) = kinds::cross_match(&join, condition, Pick::All)?
        {
            return Ok(Transformed::yes(plan));
        }
        Ok(Transformed::no(LogicalPlan::Join(join)))
    }
}
