//! A query whose files were rewritten under it, or whose worker was lost, is run again, as long as no row of it has left.
//!
//! ```text
//!  plan ──► rows ──► the first batch ──► the rest
//!             ├── a file is not the one that was planned: renew the tables, run again, once
//!             │                            └── too late, or again: SQLSTATE 40001
//!             └── a worker was lost: run again on those that are left, a few times
//!                                          └── too late, or again: SQLSTATE 58000
//! ```
//!
//! Files are pinned to the version that was planned, so rows of two versions never mix: that is the scan's part. Here
//! is what becomes of the error.

use std::any::Any;
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result, TableReference};
use datafusion::datasource::memory::{DataSourceExec, MemorySourceConfig};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::explain::ExplainExec;
use datafusion::physical_plan::placeholder_row::PlaceholderRowExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::SessionContext;
use dreyer_sky::hats::HatsError;
use dreyer_sky::tiling::{Notices, TilingSources};
use futures::{Stream, StreamExt, TryStreamExt, stream};

use super::admission::Pass;
use super::allowance::allowed;
use super::cost::{estimate, stored_bytes};
use super::running::{Begun, QueryEnd, Ticket};
use super::views::is_shared;
use super::{explain, interrupt};
use crate::cluster::{Cluster, Spread, Stays, is_lost, lost_worker};
use crate::trace::Span;
use crate::{DEFAULT_SCHEMA, Database, Error, ErrorKind};

/// The pause before a query whose worker was lost is run again; it doubles each time.
const PAUSE: Duration = Duration::from_millis(50);

/// What a query needs to run, and to run again.
#[derive(Clone)]
pub(super) struct Runner {
    pub(super) context: SessionContext,
    pub(super) database: Arc<Database>,
    /// Who asks.
    pub(super) user: String,
    /// On which connection, if on one.
    pub(super) pid: Option<i32>,
    /// What is written of the statement for traces.
    pub(super) span: Option<Arc<Span>>,
}

impl Runner {
    /// The rows of `plan`.
    ///
    /// # Errors
    /// Those of planning; later ones come with the rows. [`ErrorKind::Conflict`] if tables keep changing.
    pub(super) async fn rows(&self, plan: LogicalPlan) -> Result<SendableRecordBatchStream> {
        // A statement may have been prepared long ago.
        let plan = self.with_tables_of_now(plan, false).await?;
        match self.start(plan.clone()).await {
            Ok(rows) => Ok(self.watched(rows, plan)),
            Err(error) if is_rewritten(&error) => self.again(&plan).await,
            Err(error) => Err(error),
        }
    }

    /// The rows of a plan that writes, and must not be run twice.
    ///
    /// # Errors
    /// As for [`Self::rows`].
    pub(super) async fn once(&self, plan: LogicalPlan) -> Result<SendableRecordBatchStream> {
        let plan = self.with_tables_of_now(plan, false).await?;
        let rows = self.start(plan).await.map_err(conflict)?;
        Ok(adapter(rows.schema(), rows.map_err(conflict)))
    }

    /// The rows of a query that are to be written: read in waves where workers read them.
    ///
    /// # Errors
    /// As for [`Self::rows`].
    pub(super) async fn to_write(&self, plan: LogicalPlan) -> Result<SendableRecordBatchStream> {
        if self.database.cluster().is_some() {
            let plan = self.with_tables_of_now(plan.clone(), false).await?;
            let (plan, task) = self.planned(plan).await?;
            let task = Arc::new(task);
            if let Some(waves) = self.waves(&plan, &task).await? {
                let pass = self.admit(&plan).await?;
                let rows = waves.execute(0, task)?;
                let schema = rows.schema();
                // Its place is held as long as there are rows.
                let held = rows.map(move |batch| {
                    let _ = &pass;
                    batch.map_err(conflict)
                });
                return Ok(adapter(schema, held));
            }
        }
        self.once(plan).await
    }

    /// The rows of a part of a query, whose tables are those of now.
    pub(super) async fn settled_rows(&self, plan: LogicalPlan) -> Result<SendableRecordBatchStream> {
        let rows = self.start(plan.clone()).await?;
        Ok(self.watched(rows, plan))
    }

    /// Plans, and starts here or on the workers.
    async fn start(&self, plan: LogicalPlan) -> Result<SendableRecordBatchStream> {
        let (explained, analyzed) = (explain::explained(&plan), matches!(plan, LogicalPlan::Analyze(_)));
        let prices = &self.database.config().prices;
        let span = self.span.as_ref().map(|span| span.part("query"));
        let (mut plan, task) = self.planned(plan).await?;
        let runtime = allowed(&task.runtime_env(), self.database.config().limits.query_memory_bytes);
        let task = Arc::new(task.with_runtime(Arc::clone(&runtime)));
        let mut expected = estimate(&plan, prices);
        let mut stays = None;
        // A plan that cannot be made is for EXPLAIN to tell of.
        if let Some(explained) = &explained
            && let Ok(here) = self.context.state().create_physical_plan(explained).await
        {
            expected = estimate(&here, prices);
            match self.course(&here, &runtime, None, None).await? {
                Some(Ok(stages)) => plan = explain::with_stages(&plan, &stages.plan).unwrap_or(plan),
                Some(Err(why)) => stays = Some(why),
                None => {}
            }
        }
        let scan_bytes = stored_bytes(&plan, &TilingSources::of(task.session_config()));
        let spread = match self.course(&plan, &runtime, None, span.as_ref()).await? {
            Some(Ok(spread)) => Some(spread),
            Some(Err(why)) => {
                stays = stays.or(Some(why).filter(|_| analyzed));
                None
            }
            None => None,
        };
        let here = Spread {
            plan,
            context: task,
            workers: 0,
        };
        let Spread { plan, context, workers } = spread.unwrap_or(here);
        let pass = self.admit(&plan).await?;
        let mut ticket = self.database.running().enter(
            Begun {
                user: self.user.clone(),
                pid: self.pid,
                session: self.context.session_id(),
                scan_bytes,
                workers,
                estimate: expected,
            },
            self.database.engine(),
        );
        ticket.traced(span);
        ticket.passes(pass);
        if workers > 0 {
            self.turn(&mut ticket).await?;
        }
        let (plan, rows) = interrupt::run(plan, context, self.database.engine())?;
        ticket.runs(&plan);
        let rows = ticket.watched(rows);
        Ok(if explained.is_some() || analyzed {
            let rows = explain::with_place(rows, stays);
            explain::with_cost(rows, prices, expected, analyzed.then_some(plan))
        } else {
            rows
        })
    }

    /// A line in the book for a query whose rows are to be written; on no workers it stays here.
    pub(super) fn enters(&self, plan: &Arc<dyn ExecutionPlan>, task: &TaskContext, workers: usize) -> Ticket {
        let begun = Begun {
            user: self.user.clone(),
            pid: self.pid,
            session: self.context.session_id(),
            scan_bytes: stored_bytes(plan, &TilingSources::of(task.session_config())),
            workers,
            estimate: estimate(plan, &self.database.config().prices),
        };
        let mut ticket = self.database.running().enter(begun, self.database.engine());
        ticket.traced(self.span.as_ref().map(|span| span.part("query")));
        ticket
    }

    /// A place among the queries that run, for one that reads more than what lies in memory.
    pub(super) async fn admit(&self, plan: &Arc<dyn ExecutionPlan>) -> Result<Pass> {
        let light = !plan.exists(|node| Ok(node.children().is_empty() && !in_memory(node.as_ref())))?;
        if light {
            return Ok(Pass::default());
        }
        Ok(self.database.admission().admit(&self.user).await?)
    }

    /// The plan on the workers, if there are any and it is for them.
    pub(super) async fn spread(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
        runtime: &Arc<RuntimeEnv>,
        least: Option<u64>,
        span: Option<&Span>,
    ) -> Result<Option<Spread>> {
        Ok(self.course(plan, runtime, least, span).await?.and_then(Result::ok))
    }

    /// The plan on the workers, or why it stays here; `None` where there never are any workers.
    async fn course(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
        runtime: &Arc<RuntimeEnv>,
        least: Option<u64>,
        span: Option<&Span>,
    ) -> Result<Option<Result<Spread, Stays>>> {
        let Some(cluster) = self.database.cluster() else {
            return Ok(None);
        };
        let mut state = self.context.state();
        if let Some(span) = span {
            state.config_mut().set_extension(Arc::new(span.parent()));
        }
        let shared = (self.database.template(), self.database.tables().roots());
        cluster.spread(plan, &state, shared, runtime, least).await.map(Some)
    }

    /// Waits until one more query may be on the workers.
    pub(super) async fn turn(&self, ticket: &mut Ticket) -> Result<()> {
        let Some(cluster) = self.database.cluster() else {
            return Ok(());
        };
        match cluster.turn(|waits| ticket.waits(waits)).await {
            Ok(turn) => {
                ticket.has_turn(turn);
                Ok(())
            }
            Err(error) => {
                ticket.ends(QueryEnd::Failed);
                Err(error.into())
            }
        }
    }

    /// The second and last attempt.
    async fn again(&self, plan: &LogicalPlan) -> Result<SendableRecordBatchStream> {
        tracing::info!("files were rewritten under a query: planning it once more");
        let plan = self.with_tables_of_now(plan.clone(), true).await?;
        let rows = self.start(plan).await.map_err(conflict)?;
        Ok(adapter(rows.schema(), rows.map_err(conflict)))
    }

    /// `rows`, or those of another attempt if the first fails before it gave any.
    fn watched(&self, mut rows: SendableRecordBatchStream, plan: LogicalPlan) -> SendableRecordBatchStream {
        let schema = rows.schema();
        let runner = self.clone();
        let watched = async move {
            match rows.next().await {
                // The first attempt makes room for the next.
                Some(Err(error)) if is_rewritten(&error) => {
                    drop(rows);
                    runner.again(&plan).await.map(StreamExt::boxed)
                }
                Some(Err(error)) if is_lost(&error) => {
                    drop(rows);
                    runner.elsewhere(&plan, error).await.map(StreamExt::boxed)
                }
                first => Ok(stream::iter(first).chain(rows.map_err(too_late)).boxed()),
            }
        };
        adapter(schema, stream::once(watched).try_flatten())
    }

    /// The attempts after a worker was lost. Nothing but rows comes of a query, so it can be run as often as we like.
    async fn elsewhere(&self, plan: &LogicalPlan, mut error: DataFusionError) -> Result<SendableRecordBatchStream> {
        let attempts = self.database.cluster().map_or(0, Cluster::retries);
        for attempt in 0..u32::try_from(attempts).unwrap_or(u32::MAX) {
            let told = lost_worker(&error, false).message;
            tracing::info!(%told, "a worker was lost under a query: running it again");
            tokio::time::sleep(PAUSE * 2_u32.saturating_pow(attempt.min(6))).await;
            let plan = self.with_tables_of_now(plan.clone(), false).await?;
            let mut rows = self.start(plan).await?;
            match rows.next().await {
                Some(Err(again)) if is_lost(&again) => error = again,
                first => {
                    Notices::of(&self.context.copied_config()).say(format!("{told}; the query was run again"));
                    let schema = rows.schema();
                    return Ok(adapter(schema, stream::iter(first).chain(rows.map_err(too_late))));
                }
            }
        }
        Err(lost_worker(&error, false).into())
    }

    /// The plan over the shared tables as they are now; `renew` opens them again before.
    pub(super) async fn with_tables_of_now(&self, plan: LogicalPlan, renew: bool) -> Result<LogicalPlan> {
        let mut tables = Vec::new();
        for name in self.shared_names(&plan)? {
            let (schema, table) = place(&name);
            if renew {
                self.database.tables().renew(schema, table).await;
            }
            match self.database.tables().table(schema, table).await? {
                Some(provider) => tables.push((name, provider)),
                None => return Err(changed(&format!("{schema}.{table} is no longer there")).into()),
            }
        }
        let renewed = plan.transform_up_with_subqueries(|node| {
            let LogicalPlan::TableScan(mut scan) = node else {
                return Ok(Transformed::no(node));
            };
            let Some((_, provider)) = tables.iter().find(|(name, _)| *name == scan.table_name) else {
                return Ok(Transformed::no(LogicalPlan::TableScan(scan)));
            };
            let before = source_as_provider(&scan.source)?;
            if Arc::ptr_eq(&before, provider) {
                return Ok(Transformed::no(LogicalPlan::TableScan(scan)));
            }
            if before.schema() != provider.schema() {
                return Err(changed("its columns are not those that the query was planned with").into());
            }
            scan.source = provider_as_source(Arc::clone(provider));
            Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
        })?;
        Ok(renewed.data)
    }

    /// Names under which the plan reads tables that lie under a root. The same name may be a table of the session's own.
    fn shared_names(&self, plan: &LogicalPlan) -> Result<Vec<TableReference>> {
        // Read where it is: a copy, with all its functions, takes some 30 µs of each query.
        let state = self.context.state_ref();
        let state = state.read();
        let mut names = Vec::new();
        plan.apply_with_subqueries(|node| {
            if let LogicalPlan::TableScan(scan) = node
                && !names.contains(&scan.table_name)
                && let Ok(schema) = state.schema_for_ref(scan.table_name.clone())
                && is_shared(schema.as_ref(), scan.table_name.table())
            {
                names.push(scan.table_name.clone());
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(names)
    }
}

/// Whether a leaf of a plan gives rows that are there already.
fn in_memory(leaf: &dyn ExecutionPlan) -> bool {
    let held = leaf
        .downcast_ref::<DataSourceExec>()
        .is_some_and(|source| (source.data_source().as_ref() as &dyn Any).is::<MemorySourceConfig>());
    held || leaf.is::<EmptyExec>() || leaf.is::<PlaceholderRowExec>() || leaf.is::<ExplainExec>()
}

fn adapter(
    schema: SchemaRef,
    rows: impl Stream<Item = Result<RecordBatch>> + Send + 'static,
) -> SendableRecordBatchStream {
    Box::pin(RecordBatchStreamAdapter::new(schema, rows))
}

/// Schema and table that a scan's name means.
fn place(name: &TableReference) -> (&str, &str) {
    (name.schema().unwrap_or(DEFAULT_SCHEMA), name.table())
}

/// Whether the error is that of a file which is not the one that was planned, or is gone.
fn is_rewritten(error: &DataFusionError) -> bool {
    if HatsError::rewritten(error).is_some() || error.to_string().contains(HatsError::REWRITTEN) {
        return true;
    }
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        let store = error.downcast_ref::<object_store::Error>();
        if let Some(object_store::Error::Precondition { .. } | object_store::Error::NotFound { .. }) = store {
            return true;
        }
        // Of faults under the reading of footers the engine keeps only the words.
        let parquet = error.downcast_ref::<parquet::errors::ParquetError>();
        if parquet.is_some_and(|parquet| parquet.to_string().contains("Request precondition failure for path")) {
            return true;
        }
        next = error.source();
    }
    false
}

/// What is said of an error that comes when rows have left.
fn too_late(error: DataFusionError) -> DataFusionError {
    if is_lost(&error) {
        lost_worker(&error, true).into()
    } else {
        conflict(error)
    }
}

fn conflict(error: DataFusionError) -> DataFusionError {
    if is_rewritten(&error) {
        changed(&error.to_string()).into()
    } else {
        error
    }
}

fn changed(detail: &str) -> Error {
    Error::new(ErrorKind::Conflict, "a catalogue was changed while the query read it")
        .with_detail(detail.to_owned())
        .with_hint("No row of two versions was mixed. Run the query again.")
}
