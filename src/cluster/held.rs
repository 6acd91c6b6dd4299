//! Matches that hold one side: it is sent to every task in full, so that the other side can be dealt.
//!
//! Right only where each row of the other side is judged alone. The library does the same for joins of the engine.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::{ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions};
use datafusion_distributed::BroadcastExec;
use dreyer_sky::crossmatch::CrossMatchExec;

use super::leaf::Leaf;

/// The plan with the held sides of its matches sent in full, where that lets the other side be dealt.
pub(super) fn sent_in_full(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let sent = plan.transform_up(|node| {
        let Some(held) = node
            .downcast_ref::<CrossMatchExec>()
            .filter(|exec| exec.reads_around().is_none())
            .and_then(CrossMatchExec::held_for_rows_alone)
        else {
            return Ok(Transformed::no(node));
        };
        let mut inputs: Vec<Arc<dyn ExecutionPlan>> = node.children().into_iter().cloned().collect();
        if !inputs[1 - held].exists(|node| Ok(node.downcast_ref::<Leaf>().is_some_and(|leaf| leaf.wanted > 1)))? {
            return Ok(Transformed::no(node));
        }
        let gathered = inputs[held].downcast_ref::<CoalescePartitionsExec>();
        let (input, fetch) = gathered.map_or((&inputs[held], None), |gathered| (gathered.input(), gathered.fetch()));
        // How many tasks it is sent to is settled with the stages.
        let sent = Arc::new(BroadcastExec::new(Arc::clone(input), 1));
        inputs[held] = Arc::new(CoalescePartitionsExec::new(sent).with_fetch(fetch));
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        Ok(Transformed::yes(node.replace_children(inputs, options)?))
    })?;
    Ok(sent.data)
}
