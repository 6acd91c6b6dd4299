//! Indexed matching: one side held whole in memory, sorted on the sky; the other streams past it.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::common::{DataFusionError, JoinSide, Result, internal_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use dreyer_sphere::CellRanges;
use dreyer_tiling::TilingSources;
use futures::future::{BoxFuture, Shared};
use futures::{FutureExt, StreamExt, TryFutureExt, stream};

use super::aligned::{rows_within, with_coordinates};
use super::condition::PairExpr;
use super::decide::Decider;
use super::driven::Driven;
use super::emit::Emit;
use super::footprint;
use super::index::SkyIndex;
use super::metrics::MatchMetrics;
use super::position::Position;
use super::reach::Finder;
use super::stream::{Passing, Then, Way, hold};
use super::tally::{self, Ending, Tally};
use super::{CrossMatchExec, IndexRole, Pruned, Side};
use crate::spec::{MatchSpec, Radius};

/// The held side on its way into memory, shared by all partitions: whoever polls first does the work.
pub(crate) type Loading = Shared<BoxFuture<'static, Result<Arc<Loaded>, Arc<DataFusionError>>>>;

/// The held side, and the memory that it was granted.
#[derive(Debug)]
pub(crate) struct Loaded {
    held: Arc<SkyIndex>,
    /// Where on the sky a partner can lie, one part for each partition, if the other side is confined to it.
    footprint: Vec<CellRanges>,
    reservation: MemoryReservation,
}

pub(crate) fn execute(
    exec: &CrossMatchExec,
    (held_side, every_pair, pruned): (JoinSide, bool, Option<Pruned>),
    partition: usize,
    context: Arc<TaskContext>,
) -> Result<SendableRecordBatchStream> {
    let (streamed_plan, streamed_side) = match held_side {
        JoinSide::Left => (&exec.right, &exec.right_side),
        _ => (&exec.left, &exec.left_side),
    };
    let loading = loading(exec, held_side, pruned, &context)?;
    let input = match pruned {
        None => Streamed::Whole(streamed_plan.execute(partition, Arc::clone(&context))?),
        Some(_) => Streamed::Within(Arc::clone(streamed_plan), Arc::clone(&context)),
    };
    let Side {
        position, index_column, ..
    } = streamed_side.clone();
    let (judge, emit) = (exec.judge(held_side), exec.emit());
    let (spec, tallied) = (exec.terms.spec, Arc::clone(&exec.tallied));
    let radius = if every_pair {
        Radius::Constant(180.0)
    } else {
        exec.terms.radius.clone()
    };
    let doubt = Doubt::of(pruned, streamed_plan, held_side, &radius, &context);
    let metrics = MatchMetrics::new(&exec.metrics, partition);
    let batch_size = context.session_config().batch_size();
    let reservation =
        MemoryConsumer::new(format!("CrossMatchExec[tally, {partition}]")).register(context.memory_pool());

    let passing = async move {
        let loaded = loading.await.map_err(DataFusionError::Shared)?;
        if partition == 0 {
            metrics.held_rows.add(loaded.held.len());
            metrics.held_bytes.set_max(loaded.reservation.size());
        }
        let held = Arc::clone(&loaded.held);
        let within = loaded.footprint.get(partition).cloned();
        let then = then(spec, emit, held_side, &held, reservation)?;
        let passing = Passing {
            input: input.open(within.as_ref())?,
            way: way(doubt.as_ref(), position, &held, held_side, &radius)?,
            index_column,
            within,
            held,
            judge,
            then,
            batch_size,
            metrics,
            current: None,
        };
        let state = State {
            stage: Stage::Passing(Box::new(passing)),
            doubt,
            tallied,
            _loaded: loaded,
        };
        Ok::<_, DataFusionError>(stream::try_unfold(state, |mut state| async move {
            Ok(state.next().await?.map(|batch| (batch, state)))
        }))
    };
    Ok(Box::pin(RecordBatchStreamAdapter::new(
        Arc::clone(&exec.schema),
        passing.try_flatten_stream(),
    )))
}

/// The side that streams past.
enum Streamed {
    /// One partition of all of it.
    Whole(SendableRecordBatchStream),
    /// What lies where partners can: rows elsewhere have none, and are not even read where a page holds no others.
    Within(Arc<dyn ExecutionPlan>, Arc<TaskContext>),
}

impl Streamed {
    fn open(self, within: Option<&CellRanges>) -> Result<SendableRecordBatchStream> {
        match (self, within) {
            (Self::Whole(input), _) => Ok(input),
            (Self::Within(plan, context), Some(part)) => {
                let sources = TilingSources::of(context.session_config());
                rows_within(&sources, &plan, part, &context)
            }
            (Self::Within(..), None) => internal_err!("a partition of a cross-match that has no part of the sky"),
        }
    }
}

/// By the indexes, if there is a way to settle what they leave open.
fn way(
    doubt: Option<&Doubt>,
    position: Position,
    held: &SkyIndex,
    held_side: JoinSide,
    radius: &Radius<PairExpr>,
) -> Result<Way> {
    Ok(match (doubt, radius.constant()) {
        (Some(_), Some(radius_deg)) => Way::Indexes(Decider::new(held, radius_deg)),
        _ => Way::Positions(position, Finder::new(held, held_side, radius)?),
    })
}

/// What is needed to settle what the indexes leave open.
struct Doubt {
    /// The scan that was read without coordinates.
    scan: Arc<dyn ExecutionPlan>,
    held_side: JoinSide,
    radius: Radius<PairExpr>,
    context: Arc<TaskContext>,
}

impl Doubt {
    /// `None`: nothing is left to the indexes.
    fn of(
        pruned: Option<Pruned>,
        scan: &Arc<dyn ExecutionPlan>,
        held_side: JoinSide,
        radius: &Radius<PairExpr>,
        context: &Arc<TaskContext>,
    ) -> Option<Self> {
        pruned
            .filter(|pruned| pruned.role == IndexRole::Suffices)
            .map(|_| Self {
                scan: Arc::clone(scan),
                held_side,
                radius: radius.clone(),
                context: Arc::clone(context),
            })
    }

    /// Has the rows that wait pass once more, with their coordinates; whether there are any.
    fn settle(self, passing: &mut Passing) -> Result<bool> {
        let Way::Indexes(decider) = &passing.way else {
            return Ok(false);
        };
        let Some(cells) = decider.waiting() else {
            return Ok(false);
        };
        let sources = TilingSources::of(self.context.session_config());
        let (scan, [lon, lat]) = with_coordinates(&sources, &self.scan)?;
        let rows = rows_within(&sources, &scan, &cells, &self.context)?;
        // The condition looks for them behind the other columns. The scan may have found one among these, by another name.
        let before = self.scan.schema().fields().len();
        let layout: Vec<usize> = (0..before).chain([lon, lat]).collect();
        let schema = Arc::new(rows.schema().project(&layout)?);
        let [lon, lat] = [before, before + 1].map(|column| {
            let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(schema.field(column).name(), column));
            column
        });
        let laid_out = rows.map(move |batch| Ok(batch?.project(&layout)?));
        let finder = Finder::new(&passing.held, self.held_side, &self.radius)?;
        passing.way = Way::Positions(Position::LonLat { lon, lat }, finder);
        passing.input = Box::pin(RecordBatchStreamAdapter::new(schema, laid_out));
        passing.within = Some(cells);
        Ok(true)
    }
}

fn then(
    spec: MatchSpec,
    emit: Emit,
    held_side: JoinSide,
    held: &SkyIndex,
    reservation: MemoryReservation,
) -> Result<Then> {
    Ok(if spec.is_plain() {
        Then::Emit(emit)
    } else if spec.judges_rows_alone(held_side) {
        Then::Drive(Driven::new(spec, emit))
    } else {
        Then::Tally(Tally::new(spec, emit, held_side, held, reservation)?)
    })
}

/// One partition at work.
struct State {
    stage: Stage,
    doubt: Option<Doubt>,
    tallied: Arc<tally::Shared>,
    _loaded: Arc<Loaded>,
}

enum Stage {
    /// The streamed side is passing.
    Passing(Box<Passing>),
    /// It has passed, and held rows come out.
    Ending(Box<(Ending, MatchMetrics)>),
    Done,
}

impl State {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            match &mut self.stage {
                Stage::Passing(passing) => {
                    if let Some(batch) = passing.next().await? {
                        return Ok(Some(batch));
                    }
                    if let Some(doubt) = self.doubt.take()
                        && doubt.settle(passing)?
                    {
                        continue;
                    }
                }
                Stage::Ending(ending) => {
                    let (ending, metrics) = ending.as_mut();
                    let batch = ending.next()?;
                    if let Some(batch) = &batch {
                        metrics.baseline.record_output(batch.num_rows());
                    }
                    return Ok(batch);
                }
                Stage::Done => return Ok(None),
            }
            let Stage::Passing(passed) = std::mem::replace(&mut self.stage, Stage::Done) else {
                return Ok(None);
            };
            let Passing {
                then, held, metrics, ..
            } = *passed;
            if let Then::Tally(tally) = then
                && let Some(ending) = self.tallied.end(tally, &held)?
            {
                self.stage = Stage::Ending(Box::new((ending, metrics)));
            }
        }
    }
}

/// The held side's loading, begun by the first partition that asks.
fn loading(
    exec: &CrossMatchExec,
    held: JoinSide,
    pruned: Option<Pruned>,
    context: &Arc<TaskContext>,
) -> Result<Loading> {
    let Ok(mut slot) = exec.loaded.lock() else {
        return internal_err!("the held side of a cross-match was lost to a panic in another partition");
    };
    if let Some(loading) = slot.as_ref() {
        return Ok(loading.clone());
    }
    let (plan, side) = match held {
        JoinSide::Left => (&exec.left, &exec.left_side),
        _ => (&exec.right, &exec.right_side),
    };
    let partitions = plan.output_partitioning().partition_count();
    if partitions != 1 {
        return internal_err!("the held side of a cross-match must be one partition, not {partitions}");
    }
    let input = plan.execute(0, Arc::clone(context))?;
    let Side {
        position, index_column, ..
    } = side.clone();
    // Rows that lie nowhere have no partner, which some joins ask for.
    let all = held == JoinSide::Left && exec.terms.spec.join.keeps_unmatched();
    let reservation = MemoryConsumer::new("CrossMatchExec[held side]").register(context.memory_pool());
    let radius_deg = exec.terms.radius.constant().unwrap_or(180.0);
    let loading = async move {
        let held = hold(input, &position, index_column, None, all, &reservation)
            .await
            .map_err(Arc::new)?;
        Ok(Arc::new(Loaded {
            footprint: pruned.map_or_else(Vec::new, |pruned| {
                footprint::parts(held.indexes(), radius_deg, pruned.partitions)
            }),
            held: Arc::new(held),
            reservation,
        }))
    };
    let loading = loading.boxed().shared();
    *slot = Some(loading.clone());
    Ok(loading)
}
