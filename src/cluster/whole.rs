//! A leaf as a worker runs it: one node, as the coordinator sees it, so that what is counted in it arrives at its place.
//!
//! Figures travel as a list along the plan. A match that is a leaf to the coordinator has scans under it; unless these
//! are hidden, every node after it would get the figures of another, and what the scans read would be lost.

use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use dreyer_sky::crossmatch::CrossMatchExec;
use dreyer_sky::tiling::TilingSources;

/// What a leaf tells of the nodes under it, beside its own figures.
const TOLD: &[&str] = &[
    "bytes_scanned",
    "elapsed_compute",
    "file_bytes",
    "file_reads",
    "footer_cache_hits",
    "store_bytes",
    "store_requests",
    "time_elapsed_processing",
];

/// The plan with each of its leaves as one node.
pub(super) fn with_whole_leaves(
    plan: Arc<dyn ExecutionPlan>,
    sources: &TilingSources,
) -> Result<Arc<dyn ExecutionPlan>> {
    let whole = plan.transform_down(|node| {
        if node.children().is_empty() || dreyer_sky::divide(&node, sources, 1).is_none() {
            let next = below(&node);
            return Ok(Transformed::new(node, false, next));
        }
        let leaf: Arc<dyn ExecutionPlan> = Arc::new(Whole(node));
        Ok(Transformed::new(leaf, true, TreeNodeRecursion::Jump))
    })?;
    Ok(whole.data)
}

/// Whether there can be leaves under a node that is none. A match that reads around a few rows has to find its scan as it was.
pub(super) fn below(node: &Arc<dyn ExecutionPlan>) -> TreeNodeRecursion {
    let exec = node.downcast_ref::<CrossMatchExec>();
    match exec.and_then(CrossMatchExec::reads_around) {
        Some(_) => TreeNodeRecursion::Jump,
        None => TreeNodeRecursion::Continue,
    }
}

#[derive(Debug)]
struct Whole(Arc<dyn ExecutionPlan>);

impl DisplayAs for Whole {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt_as(format, f)
    }
}

impl ExecutionPlan for Whole {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.0.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.0.apply_expressions(f)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() {
            Ok(self)
        } else {
            internal_err!("a leaf has no children")
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.0.execute(partition, context)
    }

    fn metrics(&self) -> Option<MetricsSet> {
        let mut all = self.0.metrics().unwrap_or_default();
        for input in self.0.children() {
            gather(input, &mut all);
        }
        Some(all)
    }
}

fn gather(plan: &Arc<dyn ExecutionPlan>, all: &mut MetricsSet) {
    for metric in plan.metrics().unwrap_or_default().iter() {
        if TOLD.contains(&metric.value().name()) {
            all.push(Arc::clone(metric));
        }
    }
    for input in plan.children() {
        gather(input, all);
    }
}
