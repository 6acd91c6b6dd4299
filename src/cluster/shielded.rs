//! A task as a worker runs it: a panic in it becomes an error, and what runs in it stops when it is dropped.
//!
//! A stream that ends because its task died looks, to whoever reads it from afar, like one that is complete. So no task may
//! die without saying so.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions,
};
use datafusion::prelude::SessionConfig;
use datafusion_distributed::{
    BroadcastExec, DistributedTaskContext, WorkerPlanRewriteEvent, WorkerPlanRewriteEventResponse,
};
use dreyer_sky::tiling::TilingSources;
use futures::Stream;

use super::whole::with_whole_leaves;
use crate::session::interrupt::{self, Guard};
use crate::trace::{Parent, Span, Tracer};

/// Shields a task's plan. The exchange at its head stays where the library looks for it.
pub(super) fn shield(event: WorkerPlanRewriteEvent<'_>) -> Result<WorkerPlanRewriteEventResponse> {
    let (plan, guard) = interrupt::guarded(event.plan)?;
    let span = span(event.session_config);
    let plan = with_whole_leaves(plan, &TilingSources::of(event.session_config))?;
    let is_exchange = plan.is::<RepartitionExec>() || plan.is::<BroadcastExec>();
    let plan = match plan.children().as_slice() {
        [input] if is_exchange => {
            let shielded: Arc<dyn ExecutionPlan> = Arc::new(Shielded::new(Arc::clone(input), guard, span));
            let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
            Arc::clone(&plan).replace_children(vec![shielded], options)?
        }
        _ => Arc::new(Shielded::new(plan, guard, span)),
    };
    Ok(WorkerPlanRewriteEventResponse::new(plan))
}

/// What a task's spans belong to.
#[derive(Debug)]
pub(super) struct Traced {
    pub(super) tracer: Arc<Tracer>,
    pub(super) parent: Parent,
}

fn span(config: &SessionConfig) -> Option<Span> {
    let traced = config.get_extension::<Traced>()?;
    let span = traced.tracer.continued("task", traced.parent);
    if let Some(place) = config.get_extension::<DistributedTaskContext>() {
        span.note("dreyer.task", place.task_index as u64);
        span.note("dreyer.tasks", place.task_count as u64);
    }
    Some(span)
}

/// A plan in its place: to whoever walks the tree, it is the plan itself.
#[derive(Debug)]
struct Shielded {
    inner: Arc<dyn ExecutionPlan>,
    /// Dropped with the task.
    _guard: Guard,
    /// What is written of the task, and how many of its partitions are not done: the task itself is let go of later.
    span: Arc<Mutex<(usize, Option<Span>)>>,
}

impl Shielded {
    fn new(inner: Arc<dyn ExecutionPlan>, guard: Guard, span: Option<Span>) -> Self {
        let partitions = inner.properties().partitioning.partition_count();
        Self {
            inner,
            _guard: guard,
            span: Arc::new(Mutex::new((partitions, span))),
        }
    }
}

impl DisplayAs for Shielded {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_as(format, f)
    }
}

impl ExecutionPlan for Shielded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.inner.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.inner.children()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.inner.apply_expressions(f)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        internal_err!("a task that runs cannot be changed")
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let started = catch_unwind(AssertUnwindSafe(|| self.inner.execute(partition, context)));
        let rows = started.unwrap_or_else(|panic| Err(died(panic.as_ref())))?;
        Ok(Box::pin(ShieldedRows {
            rows: Some(rows),
            schema: self.inner.schema(),
            span: Arc::clone(&self.span),
        }))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        self.inner.metrics()
    }
}

struct ShieldedRows {
    /// None after it died.
    rows: Option<SendableRecordBatchStream>,
    schema: SchemaRef,
    span: Arc<Mutex<(usize, Option<Span>)>>,
}

impl Drop for ShieldedRows {
    fn drop(&mut self) {
        let mut span = self.span.lock().unwrap_or_else(PoisonError::into_inner);
        span.0 = span.0.saturating_sub(1);
        if span.0 == 0 {
            span.1 = None;
        }
    }
}

impl Stream for ShieldedRows {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(rows) = &mut self.rows else {
            return Poll::Ready(None);
        };
        let polled = catch_unwind(AssertUnwindSafe(|| rows.as_mut().poll_next(context)));
        polled.unwrap_or_else(|panic| {
            self.rows = None;
            Poll::Ready(Some(Err(died(panic.as_ref()))))
        })
    }
}

impl RecordBatchStream for ShieldedRows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

fn died(panic: &(dyn Any + Send)) -> DataFusionError {
    let words = panic.downcast_ref::<&str>().map(|words| (*words).to_owned());
    let words = words.or_else(|| panic.downcast_ref::<String>().cloned());
    DataFusionError::Internal(format!("a task of the query panicked: {}", words.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::Schema;
    use datafusion::execution::context::SessionContext;
    use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
    use futures::{StreamExt, stream};

    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_that_says_so_and_not_an_end() {
        let schema = Arc::new(Schema::empty());
        let rows = stream::poll_fn(|_| -> Poll<Option<Result<RecordBatch>>> { panic!("the sky fell") });
        let rows = RecordBatchStreamAdapter::new(Arc::clone(&schema), rows);
        let mut shielded = ShieldedRows {
            rows: Some(Box::pin(rows)),
            schema,
            span: Arc::default(),
        };
        let error = shielded.next().await.unwrap().unwrap_err();
        assert!(error.to_string().contains("the sky fell"), "{error}");
        assert!(shielded.next().await.is_none());
    }

    #[tokio::test]
    async fn a_shielded_plan_gives_the_rows_of_its_plan() {
        let context = SessionContext::new();
        let frame = context.read_empty().unwrap();
        let plan = frame.create_physical_plan().await.unwrap();
        let event = WorkerPlanRewriteEvent {
            plan: Arc::clone(&plan),
            session_config: &context.copied_config(),
        };
        let shielded = shield(event).unwrap().plan;
        assert_eq!(shielded.name(), plan.name());
        let mut rows = shielded.execute(0, context.task_ctx()).unwrap();
        let mut seen = 0;
        while let Some(batch) = rows.next().await {
            seen += batch.unwrap().num_rows();
        }
        assert_eq!(seen, 1, "a plan without a table gives one row");
    }
}
