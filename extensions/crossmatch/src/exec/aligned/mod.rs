//! Aligned matching: one unit of the sky after another, both sides read only there.
//!
//! ```text
//!  unit          ┌──────────┐   left: rows whose index lies in the unit, streamed in stored order
//!                │  left    │
//!  unit + radius┌┴──────────┴┐  right: the unit's block and the rim of the blocks around it, as one sorted index
//!               │ right      │
//!               └────────────┘
//! ```
//!
//! Units are disjoint, so every left row is matched once and every pair found once.
//!
//! Where one side has few rows in a unit, because a filter leaves no more, the other is read only around them; where there are
//! few pairs, only the indexes are read of all rows, and other columns of those that may match (`sparse.rs`).

mod around;
mod block;
mod blocks;
mod count;
mod doubt;
mod mutual;
mod sparse;
mod sweep;

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, JoinSide, Result, internal_err};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use dreyer_sphere::{CellRanges, PairTest};
use dreyer_tiling::TilingSources;
use futures::stream;

use super::driven::Driven;
use super::metrics::MatchMetrics;
use super::queue::{self, Turn};
use super::{CrossMatchExec, IndexRole, Side};
use crate::spec::Pick;
use around::Held;
use blocks::Blocks;
use count::Count;
use doubt::Doubt;
use mutual::Mutual;
use sparse::Sparse;
use sweep::{Sweep, Then};

/// How far a position may lie from where its stored index has it, if the index was made of the same numbers or of ones
/// rounded like them: a cell of order 29 is 0.4 milliarcseconds wide.
const INDEX_ERROR_DEG: f64 = 4e-7;

/// The same where coordinates are stored in single precision, and the index may be that of what they were before.
const SINGLE_ERROR_DEG: f64 = 5e-5;

struct Aligned {
    left: Arc<dyn ExecutionPlan>,
    left_side: Side,
    terms: super::Terms,
    role: IndexRole,
    judge: super::judge::Judge,
    emit: super::emit::Emit,
    /// The radius to search with: that of the match and what indexes may be off.
    reach_deg: f64,
    sources: Arc<TilingSources>,
    /// What is left to be matched, and the blocks that the partitions share.
    turn: Turn<Blocks>,
    /// Both inputs with coordinates, where they are not read with the index.
    in_doubt: Option<[(Arc<dyn ExecutionPlan>, usize); 2]>,
    context: Arc<TaskContext>,
    metrics: MatchMetrics,
    sweep: Option<(usize, Sweep)>,
    sparse: Sparse,
}

pub(crate) fn execute(
    exec: &CrossMatchExec,
    units: &[Vec<CellRanges>],
    role: IndexRole,
    partition: usize,
    context: Arc<TaskContext>,
) -> Result<SendableRecordBatchStream> {
    if partition >= units.len() {
        return internal_err!("CrossMatchExec has no partition {partition}");
    }
    let sources = TilingSources::of(context.session_config());
    let with_coordinates = |scan| Ok::<_, DataFusionError>((with_coordinates(&sources, scan)?.0, 0));
    let in_doubt = match role {
        IndexRole::Suffices => Some([with_coordinates(&exec.left)?, with_coordinates(&exec.right)?]),
        _ => None,
    };
    let radius_deg = exec.terms.radius.constant().unwrap_or(f64::NAN);
    let slack_deg = match role {
        IndexRole::Proposes => slack_deg(&exec.left_side, &exec.left) + slack_deg(&exec.right_side, &exec.right),
        IndexRole::Decides { .. } | IndexRole::Suffices => 0.0,
    };
    let reach_deg = if radius_deg >= 0.0 {
        radius_deg + slack_deg
    } else {
        radius_deg
    };
    let turn = exec.executions.join(partition, units, &context, false, |units| {
        let (right, side) = (Arc::clone(&exec.right), exec.right_side.clone());
        Blocks::new(right, side, Arc::clone(units), reach_deg.max(0.0), Arc::clone(&context))
    });
    let state = Aligned {
        left: Arc::clone(&exec.left),
        left_side: exec.left_side.clone(),
        terms: exec.terms.clone(),
        role,
        judge: exec.judge(JoinSide::Right),
        emit: exec.emit(),
        reach_deg,
        sources,
        turn,
        in_doubt,
        metrics: MatchMetrics::new(&exec.metrics, partition),
        context,
        sweep: None,
        sparse: Sparse::new(exec, role)?,
    };
    let batches = stream::try_unfold(state, |mut state| async move {
        Ok(state.next().await?.map(|batch| (batch, state)))
    });
    Ok(Box::pin(RecordBatchStreamAdapter::new(
        Arc::clone(&exec.schema),
        batches,
    )))
}

/// The executions of an aligned match, each with the blocks that its partitions share.
pub(super) type Executions = queue::Executions<Blocks>;

impl Aligned {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some((unit, sweep)) = &mut self.sweep {
                if let Some(batch) = sweep.next().await? {
                    return Ok(Some(batch));
                }
                self.turn.shared().done(*unit);
                self.sparse.learn(sweep);
                self.sweep = None;
            }
            let Some((number, unit)) = self.turn.next() else {
                return Ok(None);
            };
            self.open(number, unit).await?;
        }
    }

    /// Holds the right rows of a unit and starts its left rows streaming.
    async fn open(&mut self, number: usize, unit: CellRanges) -> Result<()> {
        self.metrics.units.add(1);
        let reach = self.turn.shared().reach(number);
        let found = self.look(&unit, &reach).await?;
        let around = match &found.right {
            Some(right) => self.turn.shared().only(right).await?,
            None => self.turn.shared().around(number, &reach).await?,
        };
        let timer = self.metrics.baseline.elapsed_compute().timer();
        let held = Held::new(&around, &unit, self.reach_deg);
        timer.done();
        self.metrics.held_rows.add(held.index().len());
        self.metrics.held_bytes.set_max(self.turn.shared().reserved());
        self.metrics.cut_blocks.add(self.turn.shared().take_cut());
        if held.index().is_empty() && !self.terms.spec.join.keeps_unmatched() {
            self.turn.shared().done(number);
            return Ok(());
        }
        let then = self.then(&unit)?;
        // Rows around the unit have a say in who is whose nearest.
        let unit = match self.terms.spec.pick {
            Pick::Mutual => reach.grow(self.reach_deg.max(0.0)),
            _ => unit,
        };
        let left = match found.left {
            Some(left) => left,
            None => self.around_few(&unit, &held)?,
        };
        let sweep = Sweep {
            input: left,
            side: self.left_side.clone(),
            unit,
            keeps_unmatched: self.terms.spec.join.keeps_unmatched(),
            held,
            test: (self.role != IndexRole::Proposes).then(|| PairTest::new(self.reach_deg)),
            then,
            batch_size: self.context.session_config().batch_size(),
            metrics: self.metrics.clone(),
            current: None,
            ended: false,
            streamed: 0,
            candidates: 0,
        };
        self.sweep = Some((number, sweep));
        Ok(())
    }

    /// The left rows in `ranges`.
    fn left(&self, ranges: &CellRanges) -> Result<SendableRecordBatchStream> {
        rows_within(&self.sources, &self.left, ranges, &self.context)
    }

    fn then(&self, unit: &CellRanges) -> Result<Then> {
        if let Some(inputs) = &self.in_doubt {
            let doubt = Doubt {
                inputs: inputs.clone(),
                condition: self.terms.condition.whole.clone(),
                sources: Arc::clone(&self.sources),
                context: Arc::clone(&self.context),
            };
            let test = PairTest::new(self.reach_deg);
            return Ok(Then::Count(Count::new(
                self.terms.spec,
                test,
                Arc::clone(&self.emit.schema),
                doubt,
            )));
        }
        if self.terms.spec.pick == Pick::Mutual {
            let reservation = MemoryConsumer::new("CrossMatchExec[unit]").register(self.context.memory_pool());
            let mutual = Mutual::new(self.terms.spec, self.emit.clone(), unit.clone(), reservation);
            return Ok(Then::Mutual(self.judge.clone(), Box::new(mutual)));
        }
        Ok(if self.terms.spec.is_plain() {
            Then::Emit(self.judge.clone(), self.emit.clone())
        } else {
            Then::Drive(self.judge.clone(), Driven::new(self.terms.spec, self.emit.clone()))
        })
    }
}

/// A scan with the coordinates that its index was made of, which it is read without, and their columns: behind its own, if
/// they are not among them.
pub(super) fn with_coordinates(
    sources: &TilingSources,
    plan: &Arc<dyn ExecutionPlan>,
) -> Result<(Arc<dyn ExecutionPlan>, [usize; 2])> {
    if let Some((source, tiling)) = sources.tiling(plan)
        && let Some((plan, lon)) = source.with_column(plan, &tiling.lon_column)?
        && let Some((plan, lat)) = source.with_column(&plan, &tiling.lat_column)?
    {
        return Ok((plan, [lon, lat]));
    }
    internal_err!("a cross-match by indexes alone cannot read the coordinates that they were made of")
}

/// How far the positions of a side may lie from where their indexes have them.
fn slack_deg(side: &Side, input: &Arc<dyn ExecutionPlan>) -> f64 {
    let schema = input.schema();
    let exprs = side.position.exprs();
    let mut columns = exprs
        .iter()
        .flat_map(|expr| datafusion::physical_expr::utils::collect_columns(expr));
    let single = columns.any(|column| {
        schema
            .fields()
            .get(column.index())
            .is_some_and(|field| matches!(field.data_type(), DataType::Float32 | DataType::Float16))
    });
    if single { SINGLE_ERROR_DEG } else { INDEX_ERROR_DEG }
}

/// The rows of an input with its scan confined to `ranges`.
pub(crate) fn rows_within(
    sources: &TilingSources,
    input: &Arc<dyn ExecutionPlan>,
    ranges: &CellRanges,
    context: &Arc<TaskContext>,
) -> Result<SendableRecordBatchStream> {
    // Of a scan alone no plan need be made, whose properties nobody looks at.
    for source in &sources.0 {
        if let Some(rows) = source.read(input, ranges, context)? {
            return Ok(rows);
        }
    }
    restricted(sources, input, ranges)?.execute(0, Arc::clone(context))
}

/// The same input with its scan confined to `ranges`.
pub(crate) fn restricted(
    sources: &TilingSources,
    input: &Arc<dyn ExecutionPlan>,
    ranges: &CellRanges,
) -> Result<Arc<dyn ExecutionPlan>> {
    let mut found = false;
    let confined = Arc::clone(input).transform_down(|mut plan| {
        // The engine spreads the rows of a scan before it filters them; a part of it stays together.
        let mut spread = false;
        while let Some(below) = plan
            .downcast_ref::<RepartitionExec>()
            .map(|exec| Arc::clone(exec.input()))
        {
            (plan, spread) = (below, true);
        }
        for source in &sources.0 {
            if let Some(part) = source.restrict(&plan, ranges)? {
                found = true;
                return Ok(Transformed::new(part, true, TreeNodeRecursion::Jump));
            }
        }
        if let Some(part) = plan
            .downcast_ref::<CrossMatchExec>()
            .and_then(|exec| exec.confined(ranges))
        {
            found = true;
            return Ok(Transformed::new(Arc::new(part), true, TreeNodeRecursion::Jump));
        }
        // Nothing of the sky was left of the scan when the plan was made.
        found |= plan.downcast_ref::<EmptyExec>().is_some();
        Ok(Transformed::new(plan, spread, TreeNodeRecursion::Continue))
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
