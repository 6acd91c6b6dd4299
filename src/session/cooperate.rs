//! Statements that can be stopped: operators that make many batches out of few hand back control in between.
//!
//! The engine's leaves do so already. A join does not: while it multiplies one batch of its input, nothing else on its
//! thread runs, a cancel and a deadline included. Above each of them comes the engine's own `CooperativeExec`.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::execution_plan::SchedulingType;

/// Operators that can give far more than they take.
const MULTIPLIERS: &[&str] = &[
    "CrossJoinExec",
    "CrossMatchExec",
    "HashJoinExec",
    "NestedLoopJoinExec",
    "PiecewiseMergeJoinExec",
    "RecursiveQueryExec",
    "SortMergeJoinExec",
    "SymmetricHashJoinExec",
    "UnnestExec",
];

/// The last rule: puts `CooperativeExec` above each operator of [`MULTIPLIERS`].
#[derive(Debug)]
pub(super) struct CooperateAboveJoins;

impl PhysicalOptimizerRule for CooperateAboveJoins {
    fn name(&self) -> &str {
        "cooperate_above_joins"
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let wrapped = plan.transform_up(|plan| {
            let hogs = plan.properties().scheduling_type == SchedulingType::NonCooperative;
            Ok(if hogs && MULTIPLIERS.contains(&plan.name()) {
                Transformed::yes(Arc::new(CooperativeExec::new(plan)) as Arc<dyn ExecutionPlan>)
            } else {
                Transformed::no(plan)
            })
        })?;
        Ok(wrapped.data)
    }

    fn schema_check(&self) -> bool {
        true
    }
}
