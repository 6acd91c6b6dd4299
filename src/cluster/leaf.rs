//! A leaf that can be dealt, as the library's planner sees it: one node without children, whatever is in it.

use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use dreyer_sky::tiling::Divisible;
use url::Url;

/// A scan or a match that can be dealt.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) inner: Arc<dyn ExecutionPlan>,
    pub(super) work: Arc<dyn Divisible>,
    /// The workers that there were when the query was planned, each as often as it has places.
    pub(super) workers: Arc<[Url]>,
    /// How many of them should take part.
    pub(super) wanted: usize,
    /// Who does which share, once that is settled.
    pub(super) dealt_to: Option<Vec<Url>>,
}

impl Leaf {
    /// The same, dealt.
    pub(super) fn dealt_to(&self, workers: Vec<Url>) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            work: Arc::clone(&self.work),
            workers: Arc::clone(&self.workers),
            wanted: self.wanted,
            dealt_to: Some(workers),
        }
    }
}

impl DisplayAs for Leaf {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_as(format, f)
    }
}

impl ExecutionPlan for Leaf {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.inner.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.inner.apply_expressions(f)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() {
            Ok(self)
        } else {
            internal_err!("a leaf has no children")
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.inner.execute(partition, context)
    }

    fn metrics(&self) -> Option<MetricsSet> {
        self.inner.metrics()
    }
}
