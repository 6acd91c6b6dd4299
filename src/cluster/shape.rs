//! The shape of the stages: how many tasks each has, which pieces each task gets, and which worker does it.
//!
//! Leaves say how many tasks they want; anything that must see all rows in one place says: one. The library asks of every
//! node on the way, in plan order, and takes the smallest "at most", else the largest wish.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::Partitioning;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{Distribution, ExecutionPlan, ExecutionPlanProperties};
use datafusion_distributed::{
    BroadcastExec, DesiredTaskCountEvent, DesiredTaskCountEventResponse, DistributedGetterExt, DistributedLeafExec,
    RouteTasksEvent, RouteTasksEventResponse, ScaleUpLeafNodeEvent, ScaleUpLeafNodeEventResponse,
};
use url::Url;

use super::deal::{choose, deal};
use super::leaf::Leaf;

/// How many tasks a node wants, or may have.
pub(super) fn tasks(event: DesiredTaskCountEvent<'_>) -> Option<Result<DesiredTaskCountEventResponse>> {
    if let Some(leaf) = event.plan.downcast_ref::<Leaf>() {
        // Of one partition that gives so many rows and no more, several tasks would give so many each.
        if leaf.inner.fetch().is_some() && leaf.inner.output_partitioning().partition_count() == 1 {
            return Some(Ok(DesiredTaskCountEventResponse::maximum(1)));
        }
        return Some(Ok(DesiredTaskCountEventResponse::desired(leaf.wanted)));
    }
    let whole = event.plan.children().is_empty() || needs_all_rows(event.plan);
    whole.then(|| Ok(DesiredTaskCountEventResponse::maximum(1)))
}

/// Whether the node would be wrong if each of several tasks gave it a part of its input: it wants its input in one
/// partition, or all rows of a key in one, and trusts that the plan for a single process has seen to that.
fn needs_all_rows(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let needs = plan.input_distribution_requirements().into_per_child();
    plan.children().into_iter().zip(needs).any(|(input, need)| match need {
        Distribution::UnspecifiedDistribution => false,
        // Sent in full to each task.
        Distribution::SinglePartition => !is_broadcast(input),
        // One partition holds all rows of any key, and so does not a part of it.
        _ => input.output_partitioning().partition_count() == 1 && !is_shuffle(input),
    })
}

fn is_broadcast(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.downcast_ref::<CoalescePartitionsExec>()
        .is_some_and(|gathered| gathered.input().is::<BroadcastExec>())
}

fn is_shuffle(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.downcast_ref::<RepartitionExec>()
        .is_some_and(|repartition| matches!(repartition.partitioning(), Partitioning::Hash(..)))
}

/// Deals a leaf's pieces to as many tasks as its stage has.
pub(super) fn cut(event: ScaleUpLeafNodeEvent<'_>) -> Option<Result<ScaleUpLeafNodeEventResponse>> {
    let leaf = event.plan.downcast_ref::<Leaf>()?;
    Some(cut_leaf(leaf, event.task_count).map(ScaleUpLeafNodeEventResponse::new))
}

fn cut_leaf(leaf: &Leaf, tasks: usize) -> Result<Arc<dyn ExecutionPlan>> {
    let pieces = leaf.work.pieces();
    let key = pieces.first().map_or(0, |piece| piece.key);
    let workers = choose(key, &leaf.workers, tasks);
    let partitions = leaf.inner.output_partitioning().partition_count();
    let shares: Vec<Arc<dyn ExecutionPlan>> = if tasks <= 1 || workers.len() < tasks {
        vec![Arc::clone(&leaf.inner); tasks.max(1)]
    } else {
        let dealt = deal(pieces, &workers);
        let share = |worker| leaf.work.share(&|piece| dealt[piece] == worker, partitions);
        (0..tasks).map(share).collect::<Result<_>>()?
    };
    Ok(Arc::new(DistributedLeafExec::try_new(
        Arc::new(leaf.dealt_to(workers)),
        shares,
    )?))
}

/// The workers of a stage's tasks: those that the pieces of its leaf were dealt to. One that has gone since is stood in for
/// by another.
pub(super) fn route(event: RouteTasksEvent<'_>) -> Option<Result<RouteTasksEventResponse>> {
    let mut dealt_to = None;
    let found = event.plan.apply(|plan| {
        let leaf = plan
            .downcast_ref::<DistributedLeafExec>()
            .and_then(|dealt| dealt.original().downcast_ref::<Leaf>());
        dealt_to = leaf
            .and_then(|leaf| leaf.dealt_to.clone())
            .filter(|dealt| dealt.len() == event.task_count);
        Ok(if dealt_to.is_some() {
            TreeNodeRecursion::Stop
        } else {
            TreeNodeRecursion::Continue
        })
    });
    match found {
        Ok(_) => Some(stand_in(dealt_to?, &event.task_ctx).map(RouteTasksEventResponse::new)),
        Err(error) => Some(Err(error)),
    }
}

fn stand_in(dealt_to: Vec<Url>, context: &TaskContext) -> Result<Vec<Url>> {
    let ready = context.session_config().get_distributed_worker_resolver()?.get_urls()?;
    let idle = ready.iter().filter(|url| !dealt_to.contains(url));
    let mut others = idle.chain(&ready).cycle();
    let mut urls = Vec::with_capacity(dealt_to.len());
    for url in &dealt_to {
        let gone = !ready.contains(url);
        let other = if gone { others.next() } else { None };
        urls.push(other.unwrap_or(url).clone());
    }
    Ok(urls)
}
