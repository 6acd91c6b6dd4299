//! Queries that can be stopped.
//!
//! They run on the engine's threads and stop when their rows are dropped, at the next point where they yield.
//!
//! The engine's nested loop multiplies one batch of its right side with the whole left side before it looks up: with
//! a condition that few pairs meet, that can take minutes, in which neither a cancel nor a lost client is noticed. So
//! its condition is made to look instead: it fails once nobody wants the rows. And it lets go of the thread's other tasks,
//! so that one such loop cannot starve the short queries of others.
//!
//! ```text
//!  rows wanted by ──► Guarded ◄── channel ◄── task: plan ── NestedLoopJoinExec(filter = StopPoint(condition))
//!                       └── dropped: the token is cancelled ───────────────────────────────┘ fails
//! ```

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{FieldRef, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result, exec_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{NestedLoopJoinExec, NestedLoopJoinExecBuilder};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion_distributed::DistributedExec;
use futures::{StreamExt, stream};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::AbortOnDropHandle;

use super::admission::Pass;
use super::running::{QueryEnd, Ticket};

/// Runs a plan on the engine's threads, so that dropping its rows stops it soon, wherever it is. Gives the plan as it runs,
/// whose operators count, beside the rows.
pub(super) fn run(
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    engine: &Handle,
) -> Result<(Arc<dyn ExecutionPlan>, SendableRecordBatchStream)> {
    let token = CancellationToken::new();
    // What runs on workers is guarded there.
    let plan = if plan.exists(|node| Ok(node.is::<DistributedExec>()))? {
        plan
    } else {
        with_stop_points(plan, &token)?
    };
    let schema = plan.schema();
    let (sender, receiver) = mpsc::channel(1);
    let running = Arc::clone(&plan);
    let task = AbortOnDropHandle::new(engine.spawn(async move {
        let mut rows = match execute_stream(running, context) {
            Ok(rows) => rows,
            Err(error) => return drop(sender.send(Some(Err(error))).await),
        };
        while let Some(batch) = rows.next().await {
            if sender.send(Some(batch)).await.is_err() {
                return;
            }
        }
        // Said last: a channel that merely closes is a task that died.
        drop(sender.send(None).await);
    }));
    let rows = stream::try_unfold((receiver, task, token.drop_guard()), |mut state| async move {
        match state.0.recv().await {
            Some(Some(batch)) => Ok(Some((batch?, state))),
            Some(None) => Ok(None),
            None => exec_err!("the query ended without saying so"),
        }
    });
    Ok((plan, Box::pin(RecordBatchStreamAdapter::new(schema, rows))))
}

/// Stops what runs under it when it is dropped.
#[derive(Debug)]
pub(crate) struct Guard {
    _guard: DropGuard,
    /// The places that it has among the queries that run.
    _pass: Pass,
    /// Its line in the book, if the plan keeps none of its own.
    ticket: Option<Ticket>,
}

impl Guard {
    /// The same for a query that was given places, and a line in the book.
    pub(super) fn with(self, pass: Pass, ticket: Option<Ticket>) -> Self {
        Self {
            _pass: pass,
            ticket,
            ..self
        }
    }

    /// What came of the query.
    pub(super) fn settled<T, E>(&mut self, result: Result<T, E>) -> Result<T, E> {
        if let Some(ticket) = &mut self.ticket {
            ticket.ends(match &result {
                Ok(_) => QueryEnd::Complete,
                Err(_) => QueryEnd::Failed,
            });
        }
        result
    }
}

/// A plan that somebody else will run, and that stops soon once the guard is dropped.
pub(crate) fn guarded(plan: Arc<dyn ExecutionPlan>) -> Result<(Arc<dyn ExecutionPlan>, Guard)> {
    let token = CancellationToken::new();
    let plan = with_stop_points(plan, &token)?;
    let guard = Guard {
        _guard: token.drop_guard(),
        _pass: Pass::default(),
        ticket: None,
    };
    Ok((plan, guard))
}

fn with_stop_points(plan: Arc<dyn ExecutionPlan>, token: &CancellationToken) -> Result<Arc<dyn ExecutionPlan>> {
    let guarded = plan.transform_up(|plan| {
        let Some(join) = plan.downcast_ref::<NestedLoopJoinExec>() else {
            return Ok(Transformed::no(plan));
        };
        let Some(filter) = join.filter() else {
            return Ok(Transformed::no(plan));
        };
        let condition = StopPoint {
            inner: Arc::clone(filter.expression()),
            token: token.clone(),
        };
        let filter = JoinFilter::new(
            Arc::new(condition),
            filter.column_indices().to_vec(),
            Arc::clone(filter.schema()),
        );
        let join = NestedLoopJoinExecBuilder::from(join)
            .with_filter(Some(filter))
            .build()?;
        Ok(Transformed::yes(Arc::new(join) as Arc<dyn ExecutionPlan>))
    })?;
    Ok(guarded.data)
}

/// An expression that fails once its token is cancelled.
#[derive(Debug)]
struct StopPoint {
    inner: Arc<dyn PhysicalExpr>,
    token: CancellationToken,
}

impl PartialEq for StopPoint {
    fn eq(&self, other: &Self) -> bool {
        self.inner.eq(&other.inner)
    }
}

impl Eq for StopPoint {}

impl Hash for StopPoint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl fmt::Display for StopPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl PhysicalExpr for StopPoint {
    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        if self.token.is_cancelled() {
            return exec_err!("the query was stopped: nobody waits for its rows");
        }
        // The loop around this does not yield; its thread's other tasks, those of other sessions too, move elsewhere.
        tokio::task::block_in_place(|| self.inner.evaluate(batch))
    }

    fn return_field(&self, input_schema: &Schema) -> Result<FieldRef> {
        self.inner.return_field(input_schema)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.inner]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        let Some(inner) = children.pop() else {
            return exec_err!("a stop point has one expression");
        };
        Ok(Arc::new(Self {
            inner,
            token: self.token.clone(),
        }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_sql(f)
    }
}
