//! Spreading a plan over the workers, if that is worth it and possible.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::Schema;
use datafusion::catalog::Session;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result, internal_err};
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SessionState, SessionStateBuilder, TaskContext};
use datafusion::logical_expr::{EmptyRelation, LogicalPlan};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use datafusion::prelude::SessionConfig;
use datafusion_distributed::{DistributedExec, DistributedExt, SessionStateBuilderExt, WorkerResolver};
use dreyer_sky::tiling::{Compute, TilingSources, sky_options};
use url::Url;

use super::leaf::Leaf;
use super::whole::below;
use super::{Cluster, distributed, equip, held, reach, settings, shape, travel};
use crate::session::stored_bytes;
use crate::storage::Root;
use crate::trace::{Parent, TRACEPARENT};
use crate::{Error, ErrorKind};

/// Pieces that each partition of each task should have at least, so that they can be dealt evenly.
const PIECES: usize = 8;

/// Why a plan stays in this process, in words.
#[derive(Debug, Clone)]
pub(crate) struct Stays(pub(crate) String);

impl<T: std::fmt::Display> From<T> for Stays {
    fn from(why: T) -> Self {
        Self(why.to_string())
    }
}

/// A plan that runs on the workers, and what it is to be run with.
pub(crate) struct Spread {
    pub(crate) plan: Arc<dyn ExecutionPlan>,
    pub(crate) context: Arc<TaskContext>,
    /// How many there were; 0 for a plan that stays.
    pub(crate) workers: usize,
}

impl Cluster {
    /// Whether a plan had better be dealt: the session insists, or it reads enough; `least` takes the place of the
    /// configured number of bytes.
    pub(crate) fn wants(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
        config: &SessionConfig,
        least: Option<u64>,
    ) -> std::result::Result<(), Stays> {
        let configured = self.config.min_scan_bytes;
        match sky_options(config).compute {
            Compute::Local => Err("dreyer.compute is 'local'".into()),
            Compute::Distributed => Ok(()),
            Compute::Auto => match stored_bytes(plan, &TilingSources::of(config)) {
                bytes if bytes >= least.unwrap_or(configured) => Ok(()),
                bytes => Err(format!(
                    "it is about {bytes} stored bytes, fewer than cluster.min_scan_bytes ({configured})"
                )
                .into()),
            },
        }
    }

    /// `plan`, as planned for this process, on the workers, or why it had better stay here. `known` has the functions
    /// that workers have, and their usual settings; `roots` are where workers look, too; `runtime` is where rows come
    /// together; `least` is as for [`Self::wants`].
    ///
    /// # Errors
    /// The session insists on the workers, and there are none.
    pub(crate) async fn spread(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
        state: &SessionState,
        (known, roots): (&SessionState, &[Root]),
        runtime: &Arc<RuntimeEnv>,
        least: Option<u64>,
    ) -> Result<std::result::Result<Spread, Stays>> {
        if let Err(stays) = self.wants(plan, state.config(), least) {
            return Ok(Err(stays));
        }
        let insists = sky_options(state.config()).compute == Compute::Distributed;
        let sources = TilingSources::of(state.config());
        let workers = self.members.ready();
        if workers.is_empty() {
            let has_work = plan.exists(|node| Ok(dreyer_sky::divide(node, &sources, 1).is_some()))?;
            return if insists && has_work {
                Err(self.nobody().into())
            } else {
                Ok(Err("no worker is ready".into()))
            };
        }
        let number = workers.len();
        let workers = places(workers);
        let Some(leaves) = self.with_leaves(plan, &sources, &workers, insists)? else {
            return Ok(Err("it reads nothing that can be dealt".into()));
        };
        if let Err(why) = reach::check(plan, roots).and_then(|()| travel::check(plan, known)) {
            let why = why.strip_backtrace();
            let why = why.strip_prefix("Error during planning: ").unwrap_or(&why);
            tracing::debug!(%why, "a query stays in this process");
            return Ok(Err(why.into()));
        }
        let config = self.configured(state.config().clone(), known.config(), workers.len())?;
        let Some((plan, config)) = staged(held::sent_in_full(leaves)?, state, config).await? else {
            return Ok(Err(whole(plan).into()));
        };
        let context = TaskContext::from(state)
            .with_session_config(config)
            .with_runtime(Arc::clone(runtime));
        Ok(Ok(Spread {
            plan,
            context: Arc::new(context),
            workers: number,
        }))
    }

    fn nobody(&self) -> Error {
        let members = self.members.all();
        let said = members.iter().filter_map(|member| {
            let reason = member.standing.reason()?;
            Some(format!("{}: {reason}", member.url))
        });
        let error = Error::new(
            ErrorKind::WorkerLost,
            format!(
                "dreyer.compute is 'distributed', and no worker of {} is ready",
                self.members.address()
            ),
        );
        error
            .with_detail(said.collect::<Vec<_>>().join("\n"))
            .with_hint("SET dreyer.compute = 'auto' runs the query here.")
    }

    /// The plan with its scans and matches as leaves that can be dealt; `None` if there is nothing to deal.
    fn with_leaves(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
        sources: &TilingSources,
        workers: &Arc<[Url]>,
        insists: bool,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let leaves = Arc::clone(plan).transform_down(|node| {
            let pieces = workers.len() * node.output_partitioning().partition_count() * PIECES;
            let Some(work) = dreyer_sky::divide(&node, sources, pieces) else {
                let next = below(&node);
                return Ok(Transformed::new(node, false, next));
            };
            let enough = stored_bytes(&node, sources).div_ceil(self.config.task_bytes);
            let enough = usize::try_from(enough).unwrap_or(usize::MAX);
            let wanted = if insists {
                workers.len()
            } else {
                workers.len().min(enough)
            };
            let parts = work.pieces().len();
            let leaf = Leaf {
                inner: node,
                work,
                workers: Arc::clone(workers),
                wanted: wanted.min(parts).max(1),
                dealt_to: None,
            };
            let leaf: Arc<dyn ExecutionPlan> = Arc::new(leaf);
            Ok(Transformed::new(leaf, true, TreeNodeRecursion::Jump))
        })?;
        Ok(leaves.transformed.then_some(leaves.data))
    }

    /// What the stages are planned and run with.
    fn configured(&self, config: SessionConfig, usual: &SessionConfig, places: usize) -> Result<SessionConfig> {
        let mut headers = settings::pack(config.options(), usual.options())?;
        if let Some(parent) = config.get_extension::<Parent>().and_then(|parent| parent.header()) {
            headers.insert(TRACEPARENT, parent);
        }
        let members: Arc<dyn WorkerResolver> = Arc::clone(&self.members) as _;
        equip(config, &self.channels)
            .with_distributed_option_extension(distributed(&self.config))
            .with_distributed_worker_resolver(members)
            .with_distributed_max_tasks_per_stage(places)?
            .with_distributed_desired_task_count_handler(shape::tasks)
            .with_distributed_scale_up_leaf_node_handler(shape::cut)
            .with_distributed_route_tasks_handler(shape::route)
            .with_distributed_passthrough_headers(headers)
    }
}

/// Why no stage could be made of a plan.
fn whole(plan: &Arc<dyn ExecutionPlan>) -> String {
    let mut files = Vec::new();
    // An error would be of the closure, which gives none.
    let _ = plan.apply(|node| {
        files.extend(dreyer_sky::files::undivided(node));
        Ok(TreeNodeRecursion::Continue)
    });
    if files.is_empty() {
        "its rows must come together in one place before anything else".to_owned()
    } else {
        files.join("; ")
    }
}

/// A place for each worker, and two for one that is alone: a stage of a single task is not sent anywhere.
fn places(mut workers: Vec<Url>) -> Arc<[Url]> {
    if let [alone] = workers.as_slice() {
        workers.push(alone.clone());
    }
    workers.into()
}

/// The plan cut into stages by the library, and the configuration to run it with; `None` if it found nothing to cut.
async fn staged(
    leaves: Arc<dyn ExecutionPlan>,
    state: &SessionState,
    config: SessionConfig,
) -> Result<Option<(Arc<dyn ExecutionPlan>, SessionConfig)>> {
    let mut builder = SessionStateBuilder::new()
        .with_config(config)
        .with_query_planner(Arc::new(Given(leaves)))
        .with_distributed_planner();
    let (Some(mut config), Some(planner)) = (builder.config().take(), builder.query_planner().take()) else {
        return internal_err!("the planner of stages was not set up");
    };
    // Switched off for plans that are made anew; ours are made, and those with such a subquery stay here.
    config
        .options_mut()
        .optimizer
        .enable_physical_uncorrelated_scalar_subquery = true;
    let session = SessionStateBuilder::new_from_existing(state.clone())
        .with_config(config.clone())
        .build();
    let nothing = LogicalPlan::EmptyRelation(EmptyRelation {
        produce_one_row: false,
        schema: Arc::new(DFSchema::try_from(Schema::empty())?),
    });
    let plan = planner.create_physical_plan(&nothing, &session).await?;
    let staged = plan.exists(|node| Ok(node.is::<DistributedExec>()))?;
    Ok(staged.then_some((plan, config)))
}

/// A planner that has its plan already.
#[derive(Debug)]
struct Given(Arc<dyn ExecutionPlan>);

#[async_trait]
impl QueryPlanner for Given {
    async fn create_physical_plan(&self, _: &LogicalPlan, _: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::clone(&self.0))
    }
}
