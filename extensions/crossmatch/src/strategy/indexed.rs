//! One side held in memory: the one with fewer rows, by the statistics; the right one where they do not say.

use std::sync::Arc;

use datafusion::common::stats::Precision;
use datafusion::common::{JoinSide, Result};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};

use crate::exec::{CrossMatchExec, Mode, Side};
use crate::planner::MatchPlan;

pub(crate) fn indexed(plan: &MatchPlan) -> Result<Arc<dyn ExecutionPlan>> {
    let held = match (rows(&plan.left)?, rows(&plan.right)?) {
        (Some(left), Some(right)) if left < right => JoinSide::Left,
        (Some(_), None) => JoinSide::Left,
        _ => JoinSide::Right,
    };
    let side = |input: &Arc<dyn ExecutionPlan>, position| Side {
        position,
        index_column: None,
        width: input.schema().fields().len(),
    };
    let sides = [
        side(&plan.left, plan.left_at.clone()),
        side(&plan.right, plan.right_at.clone()),
    ];
    Ok(Arc::new(CrossMatchExec::new(
        [Arc::clone(&plan.left), Arc::clone(&plan.right)],
        sides,
        plan.radius_deg,
        plan.condition.clone(),
        Mode::Indexed { held },
    )))
}

fn rows(input: &Arc<dyn ExecutionPlan>) -> Result<Option<usize>> {
    let statistics = StatisticsContext::new().compute(input.as_ref(), &StatisticsArgs::new())?;
    Ok(match statistics.num_rows {
        Precision::Exact(rows) | Precision::Inexact(rows) => Some(rows),
        Precision::Absent => None,
    })
}
