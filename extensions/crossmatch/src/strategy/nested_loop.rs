//! Every pair is put to the condition, by the engine's own operator. Always right, and slow.

use std::sync::Arc;

use datafusion::common::{JoinType, Result};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::NestedLoopJoinExec;

use crate::planner::MatchPlan;

pub(crate) fn nested_loop(plan: &MatchPlan) -> Result<Arc<dyn ExecutionPlan>> {
    Ok(Arc::new(NestedLoopJoinExec::try_new(
        Arc::clone(&plan.left),
        Arc::clone(&plan.right),
        Some(plan.condition.clone()),
        &JoinType::Inner,
        None,
    )?))
}
