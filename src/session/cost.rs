//! What a plan will read, as far as its tables know.

use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use dreyer_sky::tiling::TilingSources;

/// Stored bytes of the files that a plan reads, all of their columns.
pub(crate) fn stored_bytes(plan: &Arc<dyn ExecutionPlan>, sources: &TilingSources) -> u64 {
    if let Some((_, tiling)) = sources.tiling(plan) {
        return tiling.tiles.iter().map(|tile| tile.bytes).sum();
    }
    let inputs = plan.children();
    if !inputs.is_empty() {
        return inputs.into_iter().map(|input| stored_bytes(input, sources)).sum();
    }
    let statistics = StatisticsContext::new().compute(plan.as_ref(), &StatisticsArgs::new());
    let bytes = statistics
        .ok()
        .and_then(|statistics| statistics.total_byte_size.get_value().copied());
    bytes.unwrap_or(0) as u64
}
