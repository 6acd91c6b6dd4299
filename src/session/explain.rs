//! EXPLAIN of a query that would be dealt to workers: its stages in place of the plan for one process.

use std::sync::Arc;

use datafusion::common::display::{PlanType, StringifiedPlan};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::explain::ExplainExec;
use datafusion_distributed::display_plan_ascii;

/// `explain`, if that is what it is, with `stages` as the plan that it shows.
pub(super) fn with_stages(
    explain: &Arc<dyn ExecutionPlan>,
    stages: &Arc<dyn ExecutionPlan>,
) -> Option<Arc<dyn ExecutionPlan>> {
    let exec = explain.downcast_ref::<ExplainExec>()?;
    let shown = exec.stringified_plans().iter().map(|plan| {
        if plan.plan_type == PlanType::FinalPhysicalPlan {
            StringifiedPlan::new(PlanType::FinalPhysicalPlan, display_plan_ascii(stages.as_ref(), false))
        } else {
            plan.clone()
        }
    });
    Some(Arc::new(ExplainExec::new(
        explain.schema(),
        shown.collect(),
        exec.verbose(),
    )))
}
