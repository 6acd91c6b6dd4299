//! What EXPLAIN ANALYZE shows of a cross-match.

use datafusion::physical_plan::metrics::{BaselineMetrics, Count, ExecutionPlanMetricsSet, Gauge, MetricBuilder};

/// Counters of one partition.
#[derive(Debug, Clone)]
pub(crate) struct MatchMetrics {
    pub(crate) baseline: BaselineMetrics,
    /// Rows that streamed past.
    pub(crate) streamed_rows: Count,
    /// Rows that were held.
    pub(crate) held_rows: Count,
    /// Pairs close enough to be put to the condition.
    pub(crate) candidates: Count,
    /// Parts of the sky matched.
    pub(crate) units: Count,
    /// Those of which one side was read only around the few rows of the other.
    pub(crate) sparse_units: Count,
    /// Held parts that were cut down to what lies in the rims of others.
    pub(crate) cut_blocks: Count,
    /// Most bytes held at once.
    pub(crate) held_bytes: Gauge,
}

impl MatchMetrics {
    pub(crate) fn new(set: &ExecutionPlanMetricsSet, partition: usize) -> Self {
        let counter = |name: &'static str| MetricBuilder::new(set).counter(name, partition);
        Self {
            baseline: BaselineMetrics::new(set, partition),
            streamed_rows: counter("streamed_rows"),
            held_rows: counter("held_rows"),
            candidates: counter("candidate_pairs"),
            units: counter("units_matched"),
            sparse_units: counter("sparse_units"),
            cut_blocks: counter("cut_blocks"),
            held_bytes: MetricBuilder::new(set).gauge("held_bytes", partition),
        }
    }
}
