//! Re-tiled matching: two inputs that are cut in no way, and neither of which fits into memory, are dealt into buckets of
//! the sky on disk; then bucket after bucket is matched as if it were all there is.
//!
//! ```text
//!  held side      ──► each row to every bucket in which a partner can lie ──►┐  file   file   file
//!                                                                            │   │      │      │
//!  streamed side  ──► each row to the bucket in which it lies ──────────────►┘  file   file   file
//!                                                                                └─ held, the other streams past
//! ```
//!
//! Each row of the streamed side is in one bucket, together with all its partners; so each bucket gives what is asked of
//! its streamed rows, and no pair comes twice. A bucket whose held rows do not fit is dealt again into finer cells.

mod buckets;
mod deal;

use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::RecordBatch;
use datafusion::common::utils::memory::get_record_batch_memory_size;
use datafusion::common::{DataFusionError, JoinSide, Result, exec_err, internal_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::metrics::SpillMetrics;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, SpillManager};
use dreyer_sphere::{Cell, CellRanges};
use futures::future::{BoxFuture, Shared};
use futures::{FutureExt, StreamExt, stream};

use super::CrossMatchExec;
use super::driven::Driven;
use super::index::SkyIndex;
use super::metrics::MatchMetrics;
use super::queue::{self, Turn};
use super::reach::Finder;
use super::stream::{Passing, Then, Way};
use crate::deal::dealt;
use crate::spec::Radius;
use buckets::Buckets;
pub(crate) use buckets::finest_order;
use deal::{Rows, Side, Whither, deal};

/// Orders by which a bucket that does not fit is cut finer.
const FINER_ORDERS: u8 = 2;

/// The error of a bucket that does not fit and cannot be cut, with what to do.
const TOO_CROWDED: &str = "a cross-match holds what lies within a few radii in memory, and it did not fit; \
     take a smaller radius, select fewer columns, or raise the memory limit";

/// The executions of a re-tiled match, each with what its partitions share.
pub(super) type Executions = queue::Executions<Dealing>;

/// Both sides on their way into buckets: whoever polls first does the work.
#[derive(Clone)]
pub(crate) struct Dealing(Shared<BoxFuture<'static, Result<Arc<Dealt>, Arc<DataFusionError>>>>);

/// Both sides in buckets, those still to be matched.
struct Dealt(Vec<Mutex<Option<Bucket>>>);

/// Rows of both sides in one cell, the held ones with those around it.
struct Bucket {
    cell: Cell,
    held: Option<Rows>,
    streamed: Option<Rows>,
}

/// What it takes to deal rows into buckets and to match them there.
struct Means {
    held_side: JoinSide,
    held: Side,
    streamed: Side,
    radius_deg: f64,
    keeps_unmatched: bool,
    context: Arc<TaskContext>,
}

impl std::fmt::Debug for Dealing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Dealing")
    }
}

/// The cells that each partition owns.
pub(super) fn units(order: u8, partitions: usize) -> Vec<Vec<CellRanges>> {
    let cells = Buckets::all(order).map(|cell| (CellRanges::of_range(cell.range()), 1));
    dealt(cells.collect(), partitions)
}

pub(crate) fn execute(
    exec: &CrossMatchExec,
    (held_side, order, partitions): (JoinSide, u8, usize),
    partition: usize,
    context: Arc<TaskContext>,
) -> Result<SendableRecordBatchStream> {
    if partition >= partitions {
        return internal_err!("CrossMatchExec has no partition {partition}");
    }
    let means = Arc::new(Means::new(exec, held_side, partition, &context)?);
    // Inputs may be read once only, so what was dealt waits for partitions to come.
    let turn = exec
        .retilings
        .join(partition, &units(order, partitions), &context, true, |_| {
            let means = Arc::clone(&means);
            let plans = match held_side {
                JoinSide::Left => [&exec.left, &exec.right].map(Arc::clone),
                _ => [&exec.right, &exec.left].map(Arc::clone),
            };
            let dealing = async move { means.deal_all(plans, order).await.map(Arc::new).map_err(Arc::new) };
            Dealing(dealing.boxed().shared())
        });
    let state = Retiled {
        turn,
        means,
        judge: exec.judge(held_side),
        emit: exec.emit(),
        spec: exec.terms.spec,
        metrics: MatchMetrics::new(&exec.metrics, partition),
        buckets: Vec::new(),
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

impl Means {
    fn new(exec: &CrossMatchExec, held_side: JoinSide, partition: usize, context: &Arc<TaskContext>) -> Result<Self> {
        let Some(radius_deg) = exec.terms.radius.constant() else {
            return internal_err!("a re-tiled match has one radius");
        };
        let side = |plan: &Arc<dyn ExecutionPlan>, side: &super::Side, whither| {
            let metrics = SpillMetrics::new(&exec.metrics, partition);
            let spill = SpillManager::new(context.runtime_env(), metrics, plan.schema());
            let compression = context.session_config().spill_compression();
            Side {
                position: side.position.clone(),
                whither,
                spill: Arc::new(spill.with_compression_type(compression)),
                batch_size: context.session_config().batch_size(),
            }
        };
        let keeps_unmatched = exec.terms.spec.join.keeps_unmatched();
        // Only left rows come out without a partner.
        let nowhere = keeps_unmatched && held_side == JoinSide::Right;
        let whither = |own: JoinSide| match own == held_side {
            true => Whither::Reached,
            false => Whither::Own { nowhere },
        };
        let left = side(&exec.left, &exec.left_side, whither(JoinSide::Left));
        let right = side(&exec.right, &exec.right_side, whither(JoinSide::Right));
        let (held, streamed) = match held_side {
            JoinSide::Left => (left, right),
            _ => (right, left),
        };
        Ok(Self {
            held_side,
            held,
            streamed,
            radius_deg,
            keeps_unmatched,
            context: Arc::clone(context),
        })
    }

    fn reservation(&self, what: &str) -> MemoryReservation {
        MemoryConsumer::new(format!("CrossMatchExec[{what}]")).register(self.context.memory_pool())
    }

    /// Reads both sides, the held one first.
    async fn deal_all(&self, [held, streamed]: [Arc<dyn ExecutionPlan>; 2], order: u8) -> Result<Dealt> {
        let buckets = Buckets::of_sky(order, self.radius_deg);
        let held = held.execute(0, Arc::clone(&self.context))?;
        let held = deal(held, &self.held, &buckets, self.reservation("buckets")).await?;
        if held.iter().all(Option::is_none) && !self.keeps_unmatched {
            return Ok(Dealt(Vec::new()));
        }
        let streamed = streamed.execute(0, Arc::clone(&self.context))?;
        let streamed = deal(streamed, &self.streamed, &buckets, self.reservation("buckets")).await?;
        let bucketed = self.bucketed(&buckets, held, streamed);
        Ok(Dealt(bucketed.map(|bucket| Mutex::new(Some(bucket))).collect()))
    }

    fn bucketed(
        &self,
        buckets: &Buckets,
        held: Vec<Option<Rows>>,
        streamed: Vec<Option<Rows>>,
    ) -> impl Iterator<Item = Bucket> {
        let cells: Vec<Cell> = (0..buckets.len()).filter_map(|bucket| buckets.cell(bucket)).collect();
        let sides = held.into_iter().zip(streamed);
        cells
            .into_iter()
            .zip(sides)
            .map(|(cell, (held, streamed))| Bucket { cell, held, streamed })
    }

    /// Deals a bucket again into finer cells; `None` if no finer ones are wider than the radius.
    async fn split(&self, bucket: Bucket) -> Result<Option<Vec<Bucket>>> {
        let finest = finest_order(self.radius_deg).unwrap_or(0);
        let order = (bucket.cell.order() + FINER_ORDERS).min(finest);
        if order <= bucket.cell.order() {
            return Ok(None);
        }
        let buckets = Buckets::within(bucket.cell, order, self.radius_deg);
        let (mut held, mut streamed) = (Vec::new(), Vec::new());
        if let Some(rows) = bucket.held {
            held = deal(rows.stream, &self.held, &buckets, self.reservation("buckets")).await?;
        }
        if let Some(rows) = bucket.streamed {
            streamed = deal(rows.stream, &self.streamed, &buckets, self.reservation("buckets")).await?;
        }
        held.resize_with(buckets.len(), || None);
        streamed.resize_with(buckets.len(), || None);
        Ok(Some(self.bucketed(&buckets, held, streamed).collect()))
    }

    /// The held rows of a bucket in memory, which must be reserved.
    async fn hold(&self, rows: Option<Rows>) -> Result<SkyIndex> {
        let mut held = SkyIndex::default();
        let Some(mut rows) = rows.map(|rows| rows.stream) else {
            return Ok(held);
        };
        while let Some(batch) = rows.next().await.transpose()? {
            let places = self.held.position.locate(&batch, None)?;
            held.push(batch, places);
        }
        held.sort();
        Ok(held)
    }
}

/// One partition at work.
struct Retiled {
    turn: Turn<Dealing>,
    means: Arc<Means>,
    judge: super::judge::Judge,
    emit: super::emit::Emit,
    spec: crate::spec::MatchSpec,
    metrics: MatchMetrics,
    /// Buckets to be matched before the next one is taken.
    buckets: Vec<Bucket>,
    /// The bucket under work, and the memory of its held rows.
    passing: Option<(Passing, MemoryReservation)>,
}

impl Retiled {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some((passing, _)) = &mut self.passing {
                if let Some(batch) = passing.next().await? {
                    return Ok(Some(batch));
                }
                self.passing = None;
            }
            if let Some(bucket) = self.buckets.pop() {
                self.open(bucket).await?;
                continue;
            }
            let Some((number, _)) = self.turn.next() else {
                return Ok(None);
            };
            let dealt = self.turn.shared().0.clone().await.map_err(DataFusionError::Shared)?;
            if let Some(bucket) = dealt.0.get(number) {
                self.buckets
                    .extend(bucket.lock().unwrap_or_else(PoisonError::into_inner).take());
            }
        }
    }

    async fn open(&mut self, bucket: Bucket) -> Result<()> {
        if bucket.streamed.is_none() || (bucket.held.is_none() && !self.means.keeps_unmatched) {
            return Ok(());
        }
        let (rows, bytes) = bucket.held.as_ref().map_or((0, 0), |rows| (rows.number, rows.bytes));
        let reservation = self.means.reservation("bucket");
        if let Err(refused) = reservation.try_grow(bytes + rows * SkyIndex::ENTRY_BYTES) {
            let Some(finer) = self.means.split(bucket).await? else {
                return Err(refused.context(TOO_CROWDED));
            };
            self.buckets.extend(finer.into_iter().rev());
            return Ok(());
        }
        self.metrics.units.add(1);
        let held = Arc::new(self.means.hold(bucket.held).await?);
        let taken = held.batches.iter().map(get_record_batch_memory_size).sum::<usize>();
        // What was written may take a little more when it is read.
        reservation.resize(taken + held.len() * SkyIndex::ENTRY_BYTES);
        self.metrics.held_rows.add(held.len());
        self.metrics.held_bytes.set_max(reservation.size());
        let Some(streamed) = bucket.streamed else { return Ok(()) };
        let finder = Finder::new(&held, self.means.held_side, &Radius::Constant(self.means.radius_deg))?;
        let passing = Passing {
            input: streamed.stream,
            way: Way::Positions(self.means.streamed.position.clone(), finder),
            index_column: None,
            within: None,
            held,
            judge: self.judge.clone(),
            then: self.then()?,
            batch_size: self.means.streamed.batch_size,
            metrics: self.metrics.clone(),
            current: None,
        };
        self.passing = Some((passing, reservation));
        Ok(())
    }

    fn then(&self) -> Result<Then> {
        if self.spec.is_plain() {
            return Ok(Then::Emit(self.emit.clone()));
        }
        if self.means.held_side != JoinSide::Right {
            return exec_err!("a re-tiled match that picks is driven by the streamed side");
        }
        Ok(Then::Drive(Driven::new(self.spec, self.emit.clone())))
    }
}
