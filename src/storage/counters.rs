//! What was asked of a store: requests by kind, bytes, failures. Counted where the bytes enter the process.

use std::sync::atomic::{AtomicU64, Ordering};

/// What has been asked of one store since the database was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreMetrics {
    /// Scheme and authority: `s3://bucket`.
    pub store: String,
    /// Requests for an object or a part of one; each attempt counts.
    pub gets: u64,
    /// Requests for what an object is: size, version.
    pub heads: u64,
    /// Pages of listings.
    pub lists: u64,
    /// Requests that write.
    pub puts: u64,
    /// Requests that delete.
    pub deletes: u64,
    /// Bytes of the bodies that came.
    pub bytes_read: u64,
    /// Bytes of the bodies that were sent.
    pub bytes_written: u64,
    /// Attempts that failed and may be tried again: time-outs, broken connections, statuses 429 and 5xx.
    pub failures: u64,
    /// Bodies that broke off and were resumed where they had ended.
    pub resumed: u64,
}

/// Something that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    Get,
    Head,
    List,
    Put,
    Delete,
    BytesRead,
    BytesWritten,
    Failure,
    Resumed,
}

/// The counters of one store.
#[derive(Debug, Default)]
pub(super) struct Counters([AtomicU64; 9]);

impl Counters {
    pub(super) fn add(&self, count: Count, by: usize) {
        if let Some(counter) = self.0.get(count as usize) {
            counter.fetch_add(u64::try_from(by).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    /// All of them as they are now.
    pub(super) fn read(&self, store: &str) -> StoreMetrics {
        let read = |count: Count| {
            self.0
                .get(count as usize)
                .map_or(0, |counter| counter.load(Ordering::Relaxed))
        };
        StoreMetrics {
            store: store.to_owned(),
            gets: read(Count::Get),
            heads: read(Count::Head),
            lists: read(Count::List),
            puts: read(Count::Put),
            deletes: read(Count::Delete),
            bytes_read: read(Count::BytesRead),
            bytes_written: read(Count::BytesWritten),
            failures: read(Count::Failure),
            resumed: read(Count::Resumed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_count_has_a_counter_of_its_own() {
        let counters = Counters::default();
        for (count, by) in [
            (Count::Get, 1),
            (Count::Head, 2),
            (Count::List, 3),
            (Count::Put, 4),
            (Count::Delete, 5),
            (Count::BytesRead, 6),
            (Count::BytesWritten, 7),
            (Count::Failure, 8),
            (Count::Resumed, 9),
        ] {
            counters.add(count, by);
        }
        let read = counters.read("s3://b");
        let values = [
            read.gets,
            read.heads,
            read.lists,
            read.puts,
            read.deletes,
            read.bytes_read,
            read.bytes_written,
            read.failures,
            read.resumed,
        ];
        assert_eq!(values, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }
}
