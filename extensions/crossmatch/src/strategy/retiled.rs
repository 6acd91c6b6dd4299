//! Neither side fits into memory: both are dealt into buckets of the sky on disk.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::{JoinSide, Result};
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_plan::ExecutionPlan;
use dreyer_tiling::CrossMatchStrategy;

use super::indexed::{held_side, rows};
use crate::exec::{CrossMatchExec, Mode, Position, Side, finest_order};
use crate::planner::MatchPlan;
use crate::spec::Pick;

/// Rows of the held side that a bucket should have, if they were spread evenly.
const BUCKET_ROWS: usize = 250_000;

/// No finer than this at first: each bucket is a file of either side, and stays open while rows are dealt.
const FINEST_AT_FIRST: u8 = 2;

/// What an entry of the index takes beside its row.
const ENTRY_BYTES: usize = 48;

/// What a value of a type without a fixed width is taken to be.
const TEXT_BYTES: usize = 32;

/// The share of the memory limit that a side which is held whole may be expected to take.
const MOST_HELD: usize = 2;

pub(crate) fn retiled(plan: &MatchPlan) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let (Some(radius_deg), Some(whole)) = (plan.terms.radius.constant(), held_side(plan)?) else {
        return Ok(None);
    };
    let Some(finest) = finest_order(radius_deg).filter(|finest| *finest > 0) else {
        return Ok(None);
    };
    // A row chosen back is known when all rows around it have passed, which may lie in several buckets.
    if plan.terms.spec.pick == Pick::Mutual || !plan.spills {
        return Ok(None);
    }
    let inputs = [(&plan.left, &plan.left_at), (&plan.right, &plan.right_at)];
    // A row is placed twice, when it is dealt and when it is matched.
    let dealable = |input: &Arc<dyn ExecutionPlan>, at: &Position| {
        !input.schema().fields().is_empty() && !at.exprs().into_iter().any(is_volatile)
    };
    if !inputs.iter().all(|(input, at)| dealable(input, at)) {
        return Ok(None);
    }
    let forced = plan.options.crossmatch_strategy == CrossMatchStrategy::Retiled;
    if !forced && !is_too_large(plan, whole)? {
        return Ok(None);
    }
    let held = if plan.terms.spec.is_plain() {
        whole
    } else {
        JoinSide::Right
    };
    let held_rows = match held {
        JoinSide::Left => rows(&plan.left)?,
        _ => rows(&plan.right)?,
    };
    let enough = |order: &u8| held_rows.is_some_and(|rows| rows <= BUCKET_ROWS.saturating_mul(12 << (2 * order)));
    let order = (1..FINEST_AT_FIRST).find(enough).unwrap_or(FINEST_AT_FIRST).min(finest);
    let sides = inputs.map(|(input, at)| Side {
        position: at.clone(),
        index_column: None,
        width: input.schema().fields().len(),
    });
    let mode = Mode::Retiled {
        held,
        order,
        partitions: plan.target_partitions,
    };
    let inputs = inputs.map(|(input, _)| Arc::clone(input));
    Ok(Some(Arc::new(CrossMatchExec::new(
        inputs,
        sides,
        plan.terms.clone(),
        mode,
    ))))
}

/// Whether a side can be expected not to fit into memory, as far as anything is known of it.
fn is_too_large(plan: &MatchPlan, side: JoinSide) -> Result<bool> {
    let Some(limit) = plan.memory_bytes else {
        return Ok(false);
    };
    let input = match side {
        JoinSide::Left => &plan.left,
        _ => &plan.right,
    };
    let bytes = rows(input)?.map(|rows| rows.saturating_mul(row_bytes(&input.schema())));
    Ok(bytes.is_some_and(|bytes| bytes > limit / MOST_HELD))
}

fn row_bytes(schema: &Schema) -> usize {
    let width = |data_type: &DataType| data_type.primitive_width().unwrap_or(TEXT_BYTES);
    ENTRY_BYTES
        + schema
            .fields()
            .iter()
            .map(|field| width(field.data_type()))
            .sum::<usize>()
}
