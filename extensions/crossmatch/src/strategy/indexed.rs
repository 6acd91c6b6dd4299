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

use super::aligned::{TiledInput, role};
use crate::exec::{CrossMatchExec, Mode, Position, Pruned, Side, is_known};
use crate::planner::MatchPlan;
use crate::spec::{Join, Pick, Radius};

/// How many times more rows the right side has before the left one is held although it drives the match.
const MUCH_SMALLER: usize = 4;

/// How many times more rows the other side has before it is worth confining to where partners can lie.
const PRUNED_RATIO: usize = 8;

pub(crate) fn indexed(plan: &MatchPlan) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(held) = held_side(plan)? else { return Ok(None) };
    match pruning(plan, held)? {
        Some(exec) => Ok(Some(exec)),
        None => Ok(Some(holding(plan, held, false))),
    }
}

/// The side to hold; `None`: neither would do.
pub(super) fn held_side(plan: &MatchPlan) -> Result<Option<JoinSide>> {
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
    Ok(Some(if held == JoinSide::None { smaller } else { held }))
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
    let inputs = [Arc::clone(&plan.left), Arc::clone(&plan.right)];
    let sides = [
        side(&plan.left, plan.left_at.clone()),
        side(&plan.right, plan.right_at.clone()),
    ];
    let mode = Mode::Indexed {
        held,
        every_pair,
        pruned: None,
    };
    Arc::new(CrossMatchExec::new(inputs, sides, plan.terms.clone(), mode))
}

/// The same with the other side read only where partners can lie, if it is cut on the sky by the columns of the match and
/// much larger, and its rows elsewhere do not come out.
fn pruning(plan: &MatchPlan, held: JoinSide) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let streamed_drives = held == JoinSide::Right;
    let Some(radius_deg) = plan.terms.radius.constant() else {
        return Ok(None);
    };
    if streamed_drives && plan.terms.spec.join.keeps_unmatched() {
        return Ok(None);
    }
    let (small, large) = match held {
        JoinSide::Left => (rows(&plan.left)?, rows(&plan.right)?),
        _ => (rows(&plan.right)?, rows(&plan.left)?),
    };
    let much_larger = small
        .zip(large)
        .is_some_and(|(small, large)| small.saturating_mul(PRUNED_RATIO) <= large);
    if !much_larger {
        return Ok(None);
    }
    let streamed = match held {
        JoinSide::Left => TiledInput::of(&plan.sources, &plan.right, &plan.right_at)?,
        _ => TiledInput::of(&plan.sources, &plan.left, &plan.left_at)?,
    };
    let Some(streamed) = streamed else { return Ok(None) };
    // Who picks must know how far apart the rows are.
    let exact = streamed.is_exact(plan)
        && plan.terms.spec.pick == Pick::All
        && radius_deg <= plan.options.crossmatch_aligned_max_radius_deg;
    let role = role(plan, radius_deg, exact);
    let side = |input: &Arc<dyn ExecutionPlan>, position: &Position, index_column| Side {
        position: position.clone(),
        index_column,
        width: input.schema().fields().len(),
    };
    let (mut inputs, mut sides) = (
        [Arc::clone(&plan.left), Arc::clone(&plan.right)],
        [
            side(&plan.left, &plan.left_at, None),
            side(&plan.right, &plan.right_at, None),
        ],
    );
    let place = usize::from(held == JoinSide::Left);
    inputs[place] = streamed.plan;
    sides[place].index_column = streamed.index_column;
    // Without a stored index a tile would be read by each partition that wants a part of it.
    let partitions = if streamed.index_column.is_some() {
        plan.target_partitions
    } else {
        1
    };
    let mode = Mode::Indexed {
        held,
        every_pair: false,
        pruned: Some(Pruned { partitions, role }),
    };
    Ok(Some(Arc::new(CrossMatchExec::new(
        inputs,
        sides,
        plan.terms.clone(),
        mode,
    ))))
}

/// The cheapest strategy there is, for a handful of rows against a large table: only pages where partners can lie are read.
pub(crate) fn pruned(plan: &MatchPlan) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let few = |rows: Option<usize>| rows.is_some_and(|rows| rows <= plan.options.crossmatch_pruned_max_rows);
    if few(rows(&plan.left)?)
        && let Some(exec) = pruning(plan, JoinSide::Left)?
    {
        return Ok(Some(exec));
    }
    if few(rows(&plan.right)?) && plan.terms.spec.pick != Pick::Mutual {
        return pruning(plan, JoinSide::Right);
    }
    Ok(None)
}

pub(super) fn rows(input: &Arc<dyn ExecutionPlan>) -> Result<Option<usize>> {
    let statistics = StatisticsContext::new().compute(input.as_ref(), &StatisticsArgs::new())?;
    Ok(match statistics.num_rows {
        Precision::Exact(rows) | Precision::Inexact(rows) => Some(rows),
        Precision::Absent => None,
    })
}
