//! Figures about the process, each a row of [`METRICS`].

use std::fmt::Write;

use super::Watched;
use crate::{QueryEnd, QueryState, StoreMetrics};

/// A label and a value; no label: the metric has one value.
type Sample = (Option<(&'static str, String)>, u64);

struct Metric {
    name: &'static str,
    /// `counter` or `gauge`.
    kind: &'static str,
    help: &'static str,
    samples: fn(&Watched) -> Vec<Sample>,
}

const METRICS: &[Metric] = &[
    Metric {
        name: "dreyer_queries_running",
        kind: "gauge",
        help: "Queries whose rows are being made.",
        samples: |watched| one(by_state(watched, QueryState::Running)),
    },
    Metric {
        name: "dreyer_queries_queued",
        kind: "gauge",
        help: "Queries that wait for others to leave the workers.",
        samples: |watched| one(by_state(watched, QueryState::Queued)),
    },
    Metric {
        name: "dreyer_queries_total",
        kind: "counter",
        help: "Queries that have ended, by how.",
        samples: |watched| {
            let sample = |end: QueryEnd| {
                (
                    Some(("outcome", end.word().to_owned())),
                    watched.database.queries_ended(end),
                )
            };
            QueryEnd::ALL.into_iter().map(sample).collect()
        },
    },
    Metric {
        name: "dreyer_waves_total",
        kind: "counter",
        help: "Waves of long queries, by whether they were done or failed and were run again.",
        samples: |watched| {
            let [done, failed] = watched.database.waves();
            let sample = |word: &str, number| (Some(("outcome", word.to_owned())), number);
            vec![sample("complete", done), sample("failed", failed)]
        },
    },
    Metric {
        name: "dreyer_pending_scan_bytes",
        kind: "gauge",
        help: "Stored bytes that the running queries were planned to read.",
        samples: |watched| one(watched.database.queries().iter().map(|query| query.scan_bytes).sum()),
    },
    Metric {
        name: "dreyer_workers",
        kind: "gauge",
        help: "Workers that queries can be dealt to, by how they stand.",
        samples: |watched| {
            let members = watched.database.workers();
            let number = |word: &str| members.iter().filter(|member| member.standing.word() == word).count() as u64;
            let sample = |word: &'static str| (Some(("state", word.replace(' ', "_"))), number(word));
            ["ready", "lost", "other build"].into_iter().map(sample).collect()
        },
    },
    Metric {
        name: "dreyer_worker_tasks_running",
        kind: "gauge",
        help: "Tasks of others' queries in this process.",
        samples: |watched| one(watched.worker.as_ref().map_or(0, |worker| worker.tasks() as u64)),
    },
    Metric {
        name: "dreyer_storage_requests_total",
        kind: "counter",
        help: "Requests to stores over the network.",
        samples: |watched| {
            by_store(watched, |store| {
                store.gets + store.heads + store.lists + store.puts + store.deletes
            })
        },
    },
    Metric {
        name: "dreyer_storage_bytes_total",
        kind: "counter",
        help: "Bytes read from stores over the network.",
        samples: |watched| by_store(watched, |store| store.bytes_read),
    },
    Metric {
        name: "dreyer_memory_reserved_bytes",
        kind: "gauge",
        help: "Memory that queries have reserved.",
        samples: |watched| one(watched.database.memory_reserved() as u64),
    },
    Metric {
        name: "process_resident_memory_bytes",
        kind: "gauge",
        help: "Memory of the process.",
        samples: |_| resident_bytes().map(one).unwrap_or_default(),
    },
];

fn by_state(watched: &Watched, state: QueryState) -> u64 {
    let queries = watched.database.queries();
    queries.iter().filter(|query| query.state == state).count() as u64
}

fn one(value: u64) -> Vec<Sample> {
    vec![(None, value)]
}

fn by_store(watched: &Watched, count: fn(&StoreMetrics) -> u64) -> Vec<Sample> {
    let stores = watched.database.storage_metrics();
    let sample = |store: &StoreMetrics| (Some(("store", store.store.clone())), count(store));
    stores.iter().map(sample).collect()
}

/// Pages in memory, as the system counts them.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// All of them, in Prometheus's text format.
pub(super) fn text(watched: &Watched) -> String {
    let mut text = String::new();
    for Metric {
        name,
        kind,
        help,
        samples,
    } in METRICS
    {
        // Writing to a string does not fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (label, value) in samples(watched) {
            let _ = match label {
                Some((key, label)) => writeln!(text, "{name}{{{key}=\"{}\"}} {value}", escaped(&label)),
                None => writeln!(text, "{name} {value}"),
            };
        }
    }
    text
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_told_apart_and_follow_the_rules() {
        let names: HashSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), METRICS.len());
        for metric in METRICS {
            assert_eq!(
                metric.name.ends_with("_total"),
                metric.kind == "counter",
                "{}",
                metric.name
            );
            assert!(metric.help.ends_with('.'), "{}", metric.name);
        }
    }

    #[test]
    fn labels_are_escaped() {
        assert_eq!(escaped("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }
}
