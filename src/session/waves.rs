//! Rows that are to be written, read by workers in waves: parts of the work that are done one after the other, each as
//! often as it takes.
//!
//! ```text
//!  a plan of operators that treat each row alone, over one scan or match
//!        │ its pieces, in stretches along the sky
//!        ▼
//!  wave 1 ──► workers ──► rows kept aside ──► whole: entered in the manifest, and the writer gets the rows
//!  wave 2 ──► workers ──► rows kept aside ──► a worker was lost: they are thrown away, and this wave runs again
//! ```
//!
//! The writer may be at the rows of one wave while the next is done. A plan of another shape (an aggregation, an order) is
//! one wave: the rows are kept aside until they are all there.

mod aside;
mod manifest;
mod shape;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, exec_err, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use dreyer_sky::tiling::{Notices, TilingSources};
use futures::{TryStreamExt, stream};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::cost::spent;
use super::interrupt;
use super::replan::Runner;
use super::running::{QueryEnd, Ticket};
use crate::cluster::{Spread, is_lost, lost_worker};
use crate::{Error, ErrorKind};
use aside::Aside;
use manifest::Manifest;
use shape::Shape;

/// The pause before a wave whose worker was lost is run again; it doubles each time.
const PAUSE: Duration = Duration::from_millis(100);

impl Runner {
    /// `plan` in waves on the workers, if there are any and it is for them.
    ///
    /// # Errors
    /// The session insists on the workers, and there are none; as many queries as may be are under way.
    pub(super) async fn waves(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
        task: &Arc<TaskContext>,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(cluster) = self.database.cluster() else {
            return Ok(None);
        };
        let Some(Spread { workers, .. }) = self.spread(plan, &task.runtime_env(), None, None).await? else {
            return Ok(None);
        };
        let sources = TilingSources::of(task.session_config());
        let places = workers.max(1) * task.session_config().target_partitions();
        let shape = Shape::of(plan, &sources, cluster.wave_bytes(), places);
        let mut ticket = self.enters(plan, task, workers);
        self.turn(&mut ticket).await?;
        let work = Work {
            manifest: Manifest::new(shape.number()),
            shape,
            runner: self.clone(),
            task: Arc::clone(task),
            ticket,
        };
        Ok(Some(Arc::new(Waves::new(plan, work))))
    }
}

/// A plan whose rows come in waves, once.
struct Waves {
    work: Mutex<Option<Work>>,
    number: usize,
    properties: Arc<PlanProperties>,
}

impl Waves {
    fn new(plan: &Arc<dyn ExecutionPlan>, work: Work) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(plan.schema()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self {
            number: work.shape.number(),
            work: Mutex::new(Some(work)),
            properties: Arc::new(properties),
        }
    }
}

impl fmt::Debug for Waves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waves")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl DisplayAs for Waves {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WavesExec: waves={}", self.number)
    }
}

impl ExecutionPlan for Waves {
    fn name(&self) -> &'static str {
        "WavesExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() {
            Ok(self)
        } else {
            internal_err!("waves have no children")
        }
    }

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let work = self.work.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(work) = work else {
            return internal_err!("waves run once");
        };
        let (sender, receiver) = mpsc::channel(1);
        let engine = work.runner.database.engine().clone();
        let task = AbortOnDropHandle::new(engine.spawn(work.run(sender)));
        let waves = stream::try_unfold((receiver, task), |mut state| async move {
            match state.0.recv().await {
                Some(Some(rows)) => Ok(Some((rows?, state))),
                Some(None) => Ok(None),
                None => exec_err!("the waves ended without saying so"),
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            self.schema(),
            waves.try_flatten(),
        )))
    }
}

/// The rows of a wave, or `None` after the last.
type Done = Option<Result<SendableRecordBatchStream>>;

/// What the waves are run with.
struct Work {
    shape: Shape,
    manifest: Manifest,
    runner: Runner,
    task: Arc<TaskContext>,
    ticket: Ticket,
}

impl Work {
    /// Does wave after wave, as long as somebody takes the rows.
    async fn run(mut self, sender: mpsc::Sender<Done>) {
        self.ticket.waves(self.manifest.count());
        for wave in 0..self.shape.number() {
            let done = self.wave(wave).await.and_then(Aside::into_rows);
            let failed = done.is_err();
            if sender.send(Some(done)).await.is_err() {
                return;
            }
            if failed {
                return self.ticket.ends(QueryEnd::Failed);
            }
        }
        self.ticket.ends(QueryEnd::Complete);
        // Said last: a channel that merely closes is a task that died. Who does not listen does not want to know.
        let _ = sender.send(None).await;
    }

    /// One wave, again and again until it is whole or has failed too often.
    async fn wave(&mut self, wave: usize) -> Result<Aside> {
        let retries = self.runner.database.cluster().map_or(0, |cluster| cluster.retries());
        let mut pause = PAUSE;
        loop {
            let error = match self.attempt(wave).await {
                Ok(rows) => {
                    self.manifest.done(wave, rows.number());
                    self.ticket.gave(rows.number());
                    self.ticket.waves(self.manifest.count());
                    return Ok(rows);
                }
                Err(error) => error,
            };
            if !(is_lost(&error) || nobody_is_there(&error)) {
                return Err(error);
            }
            let failures = self.manifest.failed(wave);
            self.ticket.waves(self.manifest.count());
            if failures > retries {
                return Err(lost_worker(&error, false).into());
            }
            let told = lost_worker(&error, false).message;
            tracing::info!(wave, %told, "a wave failed: running it again");
            let notices = Notices::of(&self.runner.context.copied_config());
            notices.say(format!("{told}; the part of the query that it was at was run again"));
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    async fn attempt(&self, wave: usize) -> Result<Aside> {
        let plan = self.shape.wave(wave)?;
        let span = self.runner.span.as_ref().map(|span| span.part("wave"));
        let runtime = self.task.runtime_env();
        let spread = self.runner.spread(&plan, &runtime, Some(0), span.as_ref()).await?;
        let here = Spread {
            plan,
            context: Arc::clone(&self.task),
            workers: 0,
        };
        let Spread { plan, context, .. } = spread.unwrap_or(here);
        let (plan, mut rows) = interrupt::run(plan, context, self.runner.database.engine())?;
        let mut aside = Aside::new(runtime, rows.schema());
        while let Some(batch) = rows.try_next().await? {
            aside.put(batch)?;
        }
        self.ticket.spent(&spent(&plan).await);
        Ok(aside)
    }
}

/// Whether the error is that no worker is ready: one may come.
fn nobody_is_there(error: &DataFusionError) -> bool {
    match error.find_root() {
        DataFusionError::External(error) => error
            .downcast_ref::<Error>()
            .is_some_and(|error| error.kind == ErrorKind::WorkerLost),
        _ => false,
    }
}
