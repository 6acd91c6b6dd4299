//! What a query costs: bytes, requests, work and money, estimated before and counted after.
//!
//! ```text
//!  plan ──► estimate: what the scans will read, by the footers that are at hand ──► prices ──► EXPLAIN
//!  plan, run ──► spent: what its operators counted, on the workers too          ──► prices ──► EXPLAIN ANALYZE, dreyer.queries
//! ```

use std::fmt::{self, Display};
use std::sync::Arc;
use std::time::Duration;

use datafusion::common::Statistics;
use datafusion::common::stats::Precision;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion_distributed::{DistributedExec, DistributedMetricsFormat, rewrite_distributed_plan_with_metrics};
use dreyer_sky::crossmatch::CrossMatchExec;
use dreyer_sky::hats::reading;
use dreyer_sky::tiling::TilingSources;
use serde::{Deserialize, Serialize};

use crate::PriceConfig;

/// How long the figures of the workers are waited for, once the rows are there.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a query reads and does, or will.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Stored bytes read.
    pub bytes: u64,
    /// Those of them that come from a store over the network.
    pub network_bytes: u64,
    /// Requests to stores over the network.
    pub gets: u64,
    /// Seconds of work of one core, as the operators count it.
    pub core_seconds: f64,
}

impl Usage {
    /// What it costs, in the currency of `prices`; `None` if there are none.
    pub fn money(&self, prices: &PriceConfig) -> Option<f64> {
        prices.are_known().then(|| {
            self.core_seconds / 3600.0 * prices.core_hour
                + self.gets as f64 / 1000.0 * prices.thousand_gets
                + self.network_bytes as f64 / 1e9 * prices.gigabyte_read
        })
    }

    /// In words, with the money.
    pub(crate) fn told(&self, prices: &PriceConfig) -> String {
        match self.money(prices) {
            Some(money) => format!("{self}, money={money:.6} {}", prices.currency),
            None => self.to_string(),
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.bytes += other.bytes;
        self.network_bytes += other.network_bytes;
        self.gets += other.gets;
        self.core_seconds += other.core_seconds;
    }

    fn count(&mut self, metrics: &MetricsSet) {
        let sum = |name: &str| metrics.sum_by_name(name).map_or(0, |value| value.as_usize() as u64);
        let network_bytes = sum("store_bytes");
        // A scan that is not ours counts nothing but this.
        let stored = match network_bytes + sum("file_bytes") {
            0 => sum("bytes_scanned"),
            counted => counted,
        };
        self.bytes += stored;
        self.network_bytes += network_bytes;
        self.gets += sum("store_requests");
        // Counters of the engine's own kind have names, but are not found by them.
        let computing = metrics.elapsed_compute().unwrap_or(0) as u64;
        self.core_seconds += (computing + sum("time_elapsed_processing")) as f64 / 1e9;
    }
}

impl Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "bytes={}, gets={}, core_seconds={:.3}",
            self.bytes, self.gets, self.core_seconds
        )
    }
}

/// What a row of a match reads at most of a side that is read only around such rows: a page of each column or so.
const BYTES_AROUND_ROW: u64 = 1 << 20;

/// Stored bytes of the files that a plan reads, all of their columns; of one that is read only around a few rows, what
/// that comes to.
pub(crate) fn stored_bytes(plan: &Arc<dyn ExecutionPlan>, sources: &TilingSources) -> u64 {
    if let Some((_, tiling)) = sources.tiling(plan) {
        return tiling.tiles.iter().map(|tile| tile.bytes).sum();
    }
    let exec = plan.downcast_ref::<CrossMatchExec>();
    if let Some((exec, held)) = exec.and_then(|exec| Some((exec, exec.reads_around()?))) {
        let inputs = exec.children();
        let around = statistic(inputs[held], |told| told.num_rows)
            .map_or(u64::MAX, |rows| rows.saturating_mul(BYTES_AROUND_ROW));
        return stored_bytes(inputs[held], sources) + stored_bytes(inputs[1 - held], sources).min(around);
    }
    let inputs = plan.children();
    if !inputs.is_empty() {
        return inputs.into_iter().map(|input| stored_bytes(input, sources)).sum();
    }
    let scan = plan
        .downcast_ref::<DataSourceExec>()
        .and_then(|exec| exec.data_source().downcast_ref::<FileScanConfig>());
    if let Some(scan) = scan {
        let files = scan.file_groups.iter().flat_map(FileGroup::iter);
        return files.map(PartitionedFile::effective_size).sum();
    }
    told_bytes(plan)
}

/// Bytes that a plan is said to give.
fn told_bytes(plan: &Arc<dyn ExecutionPlan>) -> u64 {
    statistic(plan, |told| told.total_byte_size).unwrap_or(0)
}

fn statistic(plan: &Arc<dyn ExecutionPlan>, which: impl Fn(&Statistics) -> Precision<usize>) -> Option<u64> {
    let told = StatisticsContext::new().compute(plan.as_ref(), &StatisticsArgs::new());
    told.ok()
        .and_then(|told| which(&told).get_value().map(|number| *number as u64))
}

/// What a plan will read at most, and the work that is likely to be.
pub(crate) fn estimate(plan: &Arc<dyn ExecutionPlan>, prices: &PriceConfig) -> Usage {
    let mut usage = to_read(plan);
    usage.core_seconds = usage.bytes as f64 / prices.core_bytes_s;
    usage
}

fn to_read(plan: &Arc<dyn ExecutionPlan>) -> Usage {
    if let Some(reading) = reading(plan) {
        return Usage {
            bytes: reading.bytes,
            network_bytes: if reading.network { reading.bytes } else { 0 },
            gets: if reading.network { reading.requests } else { 0 },
            core_seconds: 0.0,
        };
    }
    let inputs = plan.children();
    if inputs.is_empty() {
        let bytes = told_bytes(plan);
        return Usage {
            bytes,
            ..Usage::default()
        };
    }
    inputs.into_iter().fold(Usage::default(), |mut usage, input| {
        usage.add(&to_read(input));
        usage
    })
}

/// What a plan that runs has counted so far in this process.
pub(crate) fn spent_here(plan: &Arc<dyn ExecutionPlan>) -> Usage {
    let mut usage = Usage::default();
    if let Some(metrics) = plan.metrics() {
        usage.count(&metrics);
    }
    for input in plan.children() {
        usage.add(&spent_here(input));
    }
    usage
}

/// What a plan that has run has counted, on the workers too.
pub(crate) async fn spent(plan: &Arc<dyn ExecutionPlan>) -> Usage {
    let Some(dealt) = dealt(plan) else {
        return spent_here(plan);
    };
    let measured = rewrite_distributed_plan_with_metrics(Arc::clone(dealt), DistributedMetricsFormat::Aggregated);
    match tokio::time::timeout(PATIENCE, measured).await {
        Ok(Ok(measured)) => spent_here(&measured),
        _ => spent_here(plan),
    }
}

/// The part of a plan that runs on workers, if there is one.
pub(crate) fn dealt(plan: &Arc<dyn ExecutionPlan>) -> Option<&Arc<dyn ExecutionPlan>> {
    if plan.is::<DistributedExec>() {
        return Some(plan);
    }
    plan.children().into_iter().find_map(dealt)
}

#[cfg(test)]
mod tests {
    use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricBuilder, Time};

    use super::*;

    /// The price of a machine of the paper and of a core of it: 0.35 an hour, 8 threads.
    const MACHINE_HOUR: f64 = 0.35;
    const THREADS: f64 = 8.0;

    fn of_the_paper() -> PriceConfig {
        PriceConfig {
            core_hour: MACHINE_HOUR / THREADS,
            // 4 TB in 3 hours on 96 machines.
            core_bytes_s: 4e12 / (96.0 * THREADS * 3.0 * 3600.0),
            ..PriceConfig::default()
        }
    }

    /// Stetzler et al. 2020: all of 4 TB on 96 machines in three hours, "about $100".
    #[test]
    fn the_papers_query_costs_what_the_paper_says() {
        let spent = Usage {
            bytes: 4_000_000_000_000,
            network_bytes: 4_000_000_000_000,
            gets: 500_000,
            core_seconds: 96.0 * THREADS * 3.0 * 3600.0,
        };
        let money = spent.money(&of_the_paper()).unwrap();
        assert!((95.0..105.0).contains(&money), "{money}");
        let estimated = spent.bytes as f64 / of_the_paper().core_bytes_s;
        assert!((estimated / spent.core_seconds - 1.0).abs() < 1e-9);
        let with_requests = PriceConfig {
            thousand_gets: 0.0004,
            ..of_the_paper()
        };
        assert!((spent.money(&with_requests).unwrap() - money - 0.2).abs() < 1e-9);
    }

    /// A scan counts the time to decode, other operators that to compute.
    #[test]
    fn work_is_what_all_operators_counted() {
        let set = ExecutionPlanMetricsSet::new();
        for partition in 0..2 {
            let add = |time: Time, seconds| time.add_duration(Duration::from_secs(seconds));
            add(MetricBuilder::new(&set).elapsed_compute(partition), 3);
            add(
                MetricBuilder::new(&set).subset_time("time_elapsed_processing", partition),
                1,
            );
            add(
                MetricBuilder::new(&set).subset_time("time_elapsed_opening", partition),
                50,
            );
        }
        let mut usage = Usage::default();
        usage.count(&set.clone_inner());
        assert!((usage.core_seconds - 8.0).abs() < 1e-9, "{}", usage.core_seconds);
    }

    #[test]
    fn money_is_told_where_there_is_a_price() {
        let usage = Usage {
            bytes: 5,
            network_bytes: 2_000_000_000,
            gets: 3,
            core_seconds: 7.25,
        };
        assert_eq!(usage.money(&PriceConfig::default()), None);
        assert_eq!(
            usage.told(&PriceConfig::default()),
            "bytes=5, gets=3, core_seconds=7.250"
        );
        let prices = PriceConfig {
            gigabyte_read: 0.09,
            ..PriceConfig::default()
        };
        assert_eq!(
            usage.told(&prices),
            "bytes=5, gets=3, core_seconds=7.250, money=0.180000 USD"
        );
    }
}
