//! The queries that run now, and how those ended that ran: for whoever watches over the process.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::SystemTime;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream};
use datafusion::physical_plan::ExecutionPlan;
use futures::Stream;

use super::admission::Pass;

/// A query that runs, as seen from outside.
#[derive(Debug, Clone)]
pub struct RunningQuery {
    /// A number of its own, in the order in which queries began.
    pub id: u64,
    /// Who asked.
    pub user: String,
    /// Since when.
    pub since: SystemTime,
    /// Stored bytes that it was planned to read.
    pub scan_bytes: u64,
    /// On how many workers; 0: in this process.
    pub workers: usize,
    /// Rows that have come out so far.
    pub rows: u64,
}

/// How queries end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryEnd {
    /// With all of their rows.
    Complete,
    /// With an error.
    Failed,
    /// Because nobody wanted more rows: cancelled, timed out, or read no further.
    Dropped,
}

impl QueryEnd {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Complete, Self::Failed, Self::Dropped];

    /// In one word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }
}

/// The book in which queries are entered.
#[derive(Debug, Default)]
pub(crate) struct Running {
    next: AtomicU64,
    now: Mutex<BTreeMap<u64, Arc<Entry>>>,
    ended: [AtomicU64; 3],
}

#[derive(Debug)]
struct Entry {
    id: u64,
    user: String,
    since: SystemTime,
    scan_bytes: u64,
    workers: usize,
    rows: AtomicU64,
    session: String,
    plan: Arc<dyn ExecutionPlan>,
    /// Its places among the queries that may run.
    _pass: Pass,
}

/// A query that has been started.
pub(super) struct Started {
    pub(super) user: String,
    /// The session's name.
    pub(super) session: String,
    pub(super) scan_bytes: u64,
    pub(super) workers: usize,
    pub(super) plan: Arc<dyn ExecutionPlan>,
    pub(super) pass: Pass,
}

impl Running {
    /// Those that run now, the oldest first.
    pub(crate) fn all(&self) -> Vec<RunningQuery> {
        let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = |entry: &Arc<Entry>| RunningQuery {
            id: entry.id,
            user: entry.user.clone(),
            since: entry.since,
            scan_bytes: entry.scan_bytes,
            workers: entry.workers,
            rows: entry.rows.load(Ordering::Relaxed),
        };
        now.values().map(seen).collect()
    }

    /// How far the latest query of a session has come, in words.
    pub(crate) fn progress(&self, session: &str) -> Option<String> {
        let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = now.values().rev().find(|entry| entry.session == session)?;
        let entry = Arc::clone(entry);
        drop(now);
        let rows = entry.rows.load(Ordering::Relaxed);
        let read = read_bytes(&entry.plan);
        Some(match (read, entry.scan_bytes) {
            (0, _) => format!("{rows} rows"),
            (read, 0) => format!("{rows} rows, {} read", megabytes(read)),
            (read, all) => format!("{rows} rows, {} of {} read", megabytes(read), megabytes(all)),
        })
    }

    /// How many have ended so.
    pub(crate) fn ended(&self, end: QueryEnd) -> u64 {
        self.counter(end).load(Ordering::Relaxed)
    }

    fn counter(&self, end: QueryEnd) -> &AtomicU64 {
        let [complete, failed, dropped] = &self.ended;
        match end {
            QueryEnd::Complete => complete,
            QueryEnd::Failed => failed,
            QueryEnd::Dropped => dropped,
        }
    }

    /// Enters a query; it is struck out when its rows have come to an end or are dropped.
    pub(super) fn watched(
        self: &Arc<Self>,
        rows: SendableRecordBatchStream,
        query: Started,
    ) -> SendableRecordBatchStream {
        let entry = Arc::new(Entry {
            id: self.next.fetch_add(1, Ordering::Relaxed) + 1,
            user: query.user,
            since: SystemTime::now(),
            scan_bytes: query.scan_bytes,
            workers: query.workers,
            rows: AtomicU64::new(0),
            session: query.session,
            plan: query.plan,
            _pass: query.pass,
        });
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        now.insert(entry.id, Arc::clone(&entry));
        drop(now);
        Box::pin(Watched {
            rows,
            entry,
            book: Arc::clone(self),
            end: None,
        })
    }
}

/// Bytes that the scans of a plan have read so far, in this process.
fn read_bytes(plan: &Arc<dyn ExecutionPlan>) -> u64 {
    let own = plan.metrics().and_then(|metrics| metrics.sum_by_name("bytes_scanned"));
    let own = own.map_or(0, |value| value.as_usize() as u64);
    own + plan.children().into_iter().map(read_bytes).sum::<u64>()
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)
}

struct Watched {
    rows: SendableRecordBatchStream,
    entry: Arc<Entry>,
    book: Arc<Running>,
    end: Option<QueryEnd>,
}

impl Stream for Watched {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.rows.as_mut().poll_next(context);
        match &polled {
            Poll::Ready(Some(Ok(batch))) => {
                self.entry.rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
            }
            Poll::Ready(Some(Err(_))) => self.end = Some(QueryEnd::Failed),
            Poll::Ready(None) => self.end = self.end.or(Some(QueryEnd::Complete)),
            Poll::Pending => {}
        }
        polled
    }
}

impl RecordBatchStream for Watched {
    fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let end = self.end.unwrap_or(QueryEnd::Dropped);
        self.book.counter(end).fetch_add(1, Ordering::Relaxed);
        let mut now = self.book.now.lock().unwrap_or_else(PoisonError::into_inner);
        now.remove(&self.entry.id);
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::Schema;
    use datafusion::common::exec_datafusion_err;
    use datafusion::physical_plan::empty::EmptyExec;
    use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
    use futures::{StreamExt, stream};

    use super::*;

    fn query(scan_bytes: u64, workers: usize) -> Started {
        Started {
            user: "halley".to_owned(),
            session: "s".to_owned(),
            scan_bytes,
            workers,
            plan: Arc::new(EmptyExec::new(Arc::new(Schema::empty()))),
            pass: Pass::default(),
        }
    }

    fn rows(items: Vec<Result<RecordBatch>>) -> SendableRecordBatchStream {
        let schema = Arc::new(Schema::empty());
        Box::pin(RecordBatchStreamAdapter::new(schema, stream::iter(items)))
    }

    #[tokio::test]
    async fn queries_are_entered_and_struck_out_by_their_end() {
        let book = Arc::new(Running::default());
        let whole = book.watched(rows(Vec::new()), query(7, 2));
        assert_eq!(book.progress("s").as_deref(), Some("0 rows"));
        assert_eq!(book.progress("another"), None);
        assert_eq!(book.all().len(), 1);
        assert_eq!((book.all()[0].user.as_str(), book.all()[0].scan_bytes), ("halley", 7));
        assert!(whole.collect::<Vec<_>>().await.is_empty());
        let failing = book.watched(rows(vec![Err(exec_datafusion_err!("no"))]), query(0, 0));
        assert_eq!(failing.collect::<Vec<_>>().await.len(), 1);
        drop(book.watched(rows(Vec::new()), query(0, 0)));
        assert!(book.all().is_empty());
        assert_eq!(QueryEnd::ALL.map(|end| book.ended(end)), [1, 1, 1]);
    }
}
