//! Every pair is put to the condition. Always right, and slow.
//!
//! By the engine's own operator, or, where pairs are picked, which that cannot do, by ours with every pair a candidate.

use std::sync::Arc;

use datafusion::common::{JoinSide, Result};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::NestedLoopJoinExec;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};

use super::indexed::holding;
use crate::planner::MatchPlan;
use crate::spec::{Join, Pick};

pub(crate) fn nested_loop(plan: &MatchPlan) -> Result<Arc<dyn ExecutionPlan>> {
    let spec = plan.terms.spec;
    if spec.pick != Pick::All {
        let held = match (spec.join, spec.pick) {
            (Join::Inner, _) | (_, Pick::Nearest(_)) => JoinSide::Right,
            _ => JoinSide::Left,
        };
        return Ok(holding(plan, held, true));
    }
    let joined: Arc<dyn ExecutionPlan> = Arc::new(NestedLoopJoinExec::try_new(
        Arc::clone(&plan.left),
        Arc::clone(&plan.right),
        Some(plan.terms.condition.whole.0.clone()),
        &spec.join.join_type(),
        None,
    )?);
    let Some((name, separation)) = plan
        .terms
        .measured
        .as_ref()
        .zip(plan.terms.condition.separation.as_ref())
    else {
        return Ok(joined);
    };
    let schema = joined.schema();
    let columns = schema.fields().iter().enumerate().map(|(index, field)| ProjectionExpr {
        expr: Arc::new(Column::new(field.name(), index)),
        alias: field.name().clone(),
    });
    let mut columns: Vec<_> = columns.collect();
    columns.push(ProjectionExpr {
        expr: separation.over_pairs(plan.left.schema().fields().len())?,
        alias: name.clone(),
    });
    Ok(Arc::new(ProjectionExec::try_new(columns, joined)?))
}
