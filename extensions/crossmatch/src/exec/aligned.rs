//! Aligned matching: one unit of the sky after another, both sides read only there.
//!
//! ```text
//!  unit          ┌──────────┐   left: rows whose index lies in the unit, streamed in stored order
//!                │  left    │
//!  unit + radius┌┴──────────┴┐  right: rows of the unit and of a rim as wide as the radius, held and sorted;
//!               │ right      │         the rim comes from neighbouring leaves by range reads
//!               └────────────┘
//! ```
//!
//! Units are disjoint, so every left row is matched once and every pair found once.

use std::collections::VecDeque;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{JoinSide, Result, internal_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use dreyer_sphere::CellRanges;
use dreyer_tiling::TilingSources;
use futures::stream;

use super::emit::Emit;
use super::judge::Judge;
use super::metrics::MatchMetrics;
use super::reach::Finder;
use super::stream::{Passing, Then, hold};
use super::{CrossMatchExec, Side};
use crate::spec::Radius;

struct Aligned {
    left: Arc<dyn ExecutionPlan>,
    right: Arc<dyn ExecutionPlan>,
    left_side: Side,
    right_side: Side,
    radius_deg: f64,
    judge: Judge,
    emit: Emit,
    sources: Arc<TilingSources>,
    units: VecDeque<CellRanges>,
    context: Arc<TaskContext>,
    reservation: MemoryReservation,
    metrics: MatchMetrics,
    passing: Option<Passing>,
}

pub(crate) fn execute(
    exec: &CrossMatchExec,
    units: Vec<CellRanges>,
    partition: usize,
    context: Arc<TaskContext>,
) -> Result<SendableRecordBatchStream> {
    let name = format!("CrossMatchExec[aligned, {partition}]");
    let state = Aligned {
        left: Arc::clone(&exec.left),
        right: Arc::clone(&exec.right),
        left_side: exec.left_side.clone(),
        right_side: exec.right_side.clone(),
        radius_deg: exec.terms.radius.constant().unwrap_or(f64::NAN),
        judge: exec.judge(JoinSide::Right),
        emit: exec.emit(),
        sources: TilingSources::of(context.session_config()),
        units: units.into(),
        reservation: MemoryConsumer::new(name).register(context.memory_pool()),
        metrics: MatchMetrics::new(&exec.metrics, partition),
        context,
        passing: None,
    };
    let batches = stream::try_unfold(state, |mut state| async move {
        Ok(state.next().await?.map(|batch| (batch, state)))
    });
    Ok(Box::pin(RecordBatchStreamAdapter::new(
        Arc::clone(&exec.schema),
        batches,
    )))
}

impl Aligned {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(passing) = &mut self.passing {
                if let Some(batch) = passing.next().await? {
                    return Ok(Some(batch));
                }
                self.passing = None;
                self.reservation.free();
            }
            let Some(unit) = self.units.pop_front() else {
                return Ok(None);
            };
            self.open(unit).await?;
        }
    }

    /// Holds the right rows of a unit and starts its left rows streaming.
    async fn open(&mut self, unit: CellRanges) -> Result<()> {
        self.metrics.units.add(1);
        let rim = unit.grow(self.radius_deg.max(0.0));
        let right = restricted(&self.sources, &self.right, &rim)?;
        let right = right.execute(0, Arc::clone(&self.context))?;
        let Side {
            position, index_column, ..
        } = &self.right_side;
        // Whole row groups come; a stored index tells which of their rows are out of reach.
        let within = index_column.map(|_| &rim);
        let held = hold(right, position, *index_column, within, false, &self.reservation).await?;
        self.metrics.held_rows.add(held.len());
        self.metrics.held_bytes.set_max(self.reservation.size());
        if held.len() == 0 {
            self.reservation.free();
            return Ok(());
        }
        let left = restricted(&self.sources, &self.left, &unit)?;
        self.passing = Some(Passing {
            input: left.execute(0, Arc::clone(&self.context))?,
            position: self.left_side.position.clone(),
            index_column: self.left_side.index_column,
            // Without a stored index a row belongs to the tile in whose file it lies, and units are whole tiles.
            within: self.left_side.index_column.map(|_| unit),
            finder: Finder::new(&held, JoinSide::Right, &Radius::Constant(self.radius_deg))?,
            held: Arc::new(held),
            judge: self.judge.clone(),
            then: Then::Emit(self.emit.clone()),
            batch_size: self.context.session_config().batch_size(),
            metrics: self.metrics.clone(),
            current: None,
        });
        Ok(())
    }
}

/// The same input with its scan confined to `ranges`.
fn restricted(
    sources: &TilingSources,
    input: &Arc<dyn ExecutionPlan>,
    ranges: &CellRanges,
) -> Result<Arc<dyn ExecutionPlan>> {
    let mut found = false;
    let confined = Arc::clone(input).transform_down(|plan| {
        for source in &sources.0 {
            if let Some(part) = source.restrict(&plan, ranges)? {
                found = true;
                return Ok(Transformed::new(part, true, TreeNodeRecursion::Jump));
            }
        }
        Ok(Transformed::no(plan))
    })?;
    let confined = confined.data;
    let partitions = confined.properties().output_partitioning().partition_count();
    if !found || partitions != 1 {
        return internal_err!(
            "an aligned cross-match cannot confine its input (scan found: {found}, {partitions} partitions)"
        );
    }
    Ok(confined)
}
