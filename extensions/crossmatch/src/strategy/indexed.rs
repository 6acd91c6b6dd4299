//! One side held in memory.
//!
//! Which one: a side that drives the match gives its rows as they stream past, so the other one is held, unless the
//! driving side is much smaller. Of plain pairs the side with fewer rows is held, by the statistics; the right one
//! where they do not say.

use std::sync::Arc;

use datafusion::common::stats::Precision;
use datafusion::common::{JoinSide, Result};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};

use crate::exec::{CrossMatchExec, Mode, Side, is_known};
use crate::planner::MatchPlan;
use crate::spec::{Join, Pick, Radius};

/// How many times more rows the right side has before the left one is held although it drives the match.
const MUCH_SMALLER: usize = 4;

pub(crate) fn indexed(plan: &MatchPlan) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let (left, right) = (rows(&plan.left)?, rows(&plan.right)?);
    let spec = plan.terms.spec;
    let held = match (spec.join, spec.pick) {
        // A row that has no partner to its liking is known only at the end.
        (join, Pick::Mutual) if join != Join::Inner => Some(JoinSide::Left),
        _ => held_by_radius(plan),
    };
    let Some(held) = held else { return Ok(None) };
    let factor = if spec.is_plain() { 1 } else { MUCH_SMALLER };
    let smaller = match (left, right) {
        (Some(left), Some(right)) if left.saturating_mul(factor) < right => JoinSide::Left,
        (Some(_), None) if spec.is_plain() => JoinSide::Left,
        _ => JoinSide::Right,
    };
    let held = if held == JoinSide::None { smaller } else { held };
    Ok(Some(holding(plan, held, false)))
}

/// The side that must be held for the radius to be known of the rows that stream past; [`JoinSide::None`]: either.
/// `None`: nothing is known of the radius before a pair is.
fn held_by_radius(plan: &MatchPlan) -> Option<JoinSide> {
    let Radius::PerRow(radius) = &plan.terms.radius else {
        return Some(JoinSide::None);
    };
    match (
        is_known(radius),
        radius.reads(JoinSide::Left),
        radius.reads(JoinSide::Right),
    ) {
        // Known exactly of a row that streams past.
        (_, true, false) => Some(JoinSide::Right),
        (_, false, true) => Some(JoinSide::Left),
        (true, ..) | (_, false, false) => Some(JoinSide::None),
        (false, true, true) => None,
    }
}

/// The operator that holds that side, and looks at every pair, or only at candidates.
pub(crate) fn holding(plan: &MatchPlan, held: JoinSide, every_pair: bool) -> Arc<dyn ExecutionPlan> {
    let side = |input: &Arc<dyn ExecutionPlan>, position| Side {
        position,
        index_column: None,
        width: input.schema().fields().len(),
    };
    let sides = [
        side(&plan.left, plan.left_at.clone()),
        side(&plan.right, plan.right_at.clone()),
    ];
    Arc::new(CrossMatchExec::new(
        [Arc::clone(&plan.left), Arc::clone(&plan.right)],
        sides,
        plan.terms.clone(),
        Mode::Indexed { held, every_pair },
    ))
}

fn rows(input: &Arc<dyn ExecutionPlan>) -> Result<Option<usize>> {
    let statistics = StatisticsContext::new().compute(input.as_ref(), &StatisticsArgs::new())?;
    Ok(match statistics.num_rows {
        Precision::Exact(rows) | Precision::Inexact(rows) => Some(rows),
        Precision::Absent => None,
    })
}
