//! The queries that run now, those that ended last, and how many ended in which way: for whoever watches over the process.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::{Instant, SystemTime};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream};
use datafusion::physical_plan::ExecutionPlan;
use futures::Stream;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;

use super::admission::Pass;
use super::cost::{Usage, dealt, spent, spent_here};
use crate::trace::Span;

/// Queries that have ended and are still shown.
const REMEMBERED: usize = 100;

/// A query, as seen from outside.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunningQuery {
    /// A number of its own, in the order in which queries began.
    pub id: u64,
    /// Who asked.
    pub user: String,
    /// The connection that asked, as `pg_backend_pid()` tells it; `None` if it was none.
    pub pid: Option<i32>,
    /// How it stands.
    pub state: QueryState,
    /// Since when.
    pub since: SystemTime,
    /// Seconds that it has taken so far, or took.
    pub seconds: f64,
    /// Stored bytes of the files that it was planned to read.
    pub scan_bytes: u64,
    /// On how many workers; 0: in this process.
    pub workers: usize,
    /// Rows that have come out so far.
    pub rows: u64,
    /// What it was thought to read and do when it began.
    pub estimate: Usage,
    /// What it has read and done so far; of what workers do, that is known when it has ended.
    pub spent: Usage,
    /// The waves in which it runs, if it does.
    pub waves: Option<WaveCount>,
}

impl RunningQuery {
    /// How much of it is done, from 0 to 1, where that is known.
    pub fn progress(&self) -> Option<f64> {
        if self.state == QueryState::Complete {
            return Some(1.0);
        }
        if let Some(waves) = &self.waves {
            return Some(waves.done as f64 / waves.total.max(1) as f64);
        }
        let known = self.workers == 0 && self.estimate.bytes > 0;
        known.then(|| (self.spent.bytes as f64 / self.estimate.bytes as f64).min(1.0))
    }
}

/// The parts that a long query is done in, one after the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaveCount {
    /// All.
    pub total: u64,
    /// Done.
    pub done: u64,
    /// Failed, and run again.
    pub failed: u64,
}

/// How a query stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum QueryState {
    /// It waits for its turn.
    Queued,
    /// Its rows are being made.
    Running,
    /// It ended with all of its rows.
    Complete,
    /// It ended with an error.
    Failed,
    /// It ended because nobody wanted more rows.
    Dropped,
}

impl QueryState {
    /// In one word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Complete => QueryEnd::Complete.word(),
            Self::Failed => QueryEnd::Failed.word(),
            Self::Dropped => QueryEnd::Dropped.word(),
        }
    }
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

    fn state(self) -> QueryState {
        match self {
            Self::Complete => QueryState::Complete,
            Self::Failed => QueryState::Failed,
            Self::Dropped => QueryState::Dropped,
        }
    }
}

/// The book in which queries are entered.
#[derive(Debug, Default)]
pub(crate) struct Running {
    next: AtomicU64,
    now: Mutex<BTreeMap<u64, Arc<Entry>>>,
    last: Mutex<VecDeque<RunningQuery>>,
    ended: [AtomicU64; 3],
    waves: [AtomicU64; 2],
}

/// What is known of a query when it begins.
#[derive(Debug, Clone, Default)]
pub(super) struct Begun {
    pub(super) user: String,
    pub(super) pid: Option<i32>,
    /// The session's name.
    pub(super) session: String,
    pub(super) scan_bytes: u64,
    pub(super) workers: usize,
    pub(super) estimate: Usage,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    begun: Begun,
    since: SystemTime,
    started: Instant,
    queued: AtomicBool,
    rows: AtomicU64,
    /// What runs, once it does.
    plan: OnceLock<Arc<dyn ExecutionPlan>>,
    waves: Mutex<Option<WaveCount>>,
    /// What other plans of the same query have counted.
    spent: Mutex<Usage>,
}

impl Entry {
    fn seen(&self, state: QueryState) -> RunningQuery {
        let mut spent = *self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plan) = self.plan.get() {
            spent.add(&spent_here(plan));
        }
        RunningQuery {
            id: self.id,
            user: self.begun.user.clone(),
            pid: self.begun.pid,
            state,
            since: self.since,
            seconds: self.started.elapsed().as_secs_f64(),
            scan_bytes: self.begun.scan_bytes,
            workers: self.begun.workers,
            rows: self.rows.load(Ordering::Relaxed),
            estimate: self.begun.estimate,
            spent,
            waves: *self.waves.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

impl Running {
    /// Those that run now or wait for their turn, the oldest first.
    pub(crate) fn all(&self) -> Vec<RunningQuery> {
        let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let entries: Vec<_> = now.values().cloned().collect();
        drop(now);
        let state = |entry: &Entry| match entry.queued.load(Ordering::Relaxed) {
            true => QueryState::Queued,
            false => QueryState::Running,
        };
        entries.iter().map(|entry| entry.seen(state(entry))).collect()
    }

    /// Those that ended last, the oldest first.
    pub(crate) fn last(&self) -> Vec<RunningQuery> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.iter().cloned().collect()
    }

    /// How far the latest query of a session has come, in words.
    pub(crate) fn progress(&self, session: &str) -> Option<String> {
        let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = now.values().rev().find(|entry| entry.begun.session == session)?;
        let entry = Arc::clone(entry);
        drop(now);
        let query = entry.seen(QueryState::Running);
        let rows = query.rows;
        Some(match (query.spent.bytes, query.scan_bytes) {
            (0, _) => format!("{rows} rows"),
            (read, 0) => format!("{rows} rows, {} read", megabytes(read)),
            (read, all) => format!("{rows} rows, {} of {} read", megabytes(read), megabytes(all)),
        })
    }

    /// How many have ended so.
    pub(crate) fn ended(&self, end: QueryEnd) -> u64 {
        self.counter(end).load(Ordering::Relaxed)
    }

    /// How many waves are done, and how many failed and were run again.
    pub(crate) fn waves(&self) -> [u64; 2] {
        self.waves.each_ref().map(|counter| counter.load(Ordering::Relaxed))
    }

    fn counter(&self, end: QueryEnd) -> &AtomicU64 {
        let [complete, failed, dropped] = &self.ended;
        match end {
            QueryEnd::Complete => complete,
            QueryEnd::Failed => failed,
            QueryEnd::Dropped => dropped,
        }
    }

    /// Enters a query; it is struck out when the ticket is dropped.
    pub(super) fn enter(self: &Arc<Self>, begun: Begun, engine: &Handle) -> Ticket {
        let entry = Arc::new(Entry {
            id: self.next.fetch_add(1, Ordering::Relaxed) + 1,
            begun,
            since: SystemTime::now(),
            started: Instant::now(),
            queued: AtomicBool::new(false),
            rows: AtomicU64::new(0),
            plan: OnceLock::new(),
            waves: Mutex::default(),
            spent: Mutex::default(),
        });
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        now.insert(entry.id, Arc::clone(&entry));
        drop(now);
        Ticket {
            entry,
            book: Arc::clone(self),
            engine: engine.clone(),
            end: None,
            turn: None,
            pass: Pass::default(),
            span: None,
        }
    }

    fn amend(&self, id: u64, spent: Usage) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(query) = last.iter_mut().find(|query| query.id == id) {
            query.spent = spent;
        }
    }
}

/// A query's line in the book.
#[derive(Debug)]
pub(super) struct Ticket {
    entry: Arc<Entry>,
    book: Arc<Running>,
    /// Where the figures of workers are waited for.
    engine: Handle,
    end: Option<QueryEnd>,
    /// Its place among the queries that may be on the workers.
    turn: Option<OwnedSemaphorePermit>,
    /// Its place among the queries of all users and of its own.
    pass: Pass,
    /// Ends with it.
    span: Option<Span>,
}

impl Ticket {
    /// It may run.
    pub(super) fn passes(&mut self, pass: Pass) {
        self.pass = pass;
    }

    /// What runs; its operators count.
    pub(super) fn runs(&self, plan: &Arc<dyn ExecutionPlan>) {
        // A second plan of the same query, of a wave say, is not looked at.
        let _ = self.entry.plan.set(Arc::clone(plan));
    }

    /// It has its turn, until it ends.
    pub(super) fn has_turn(&mut self, turn: OwnedSemaphorePermit) {
        self.turn = Some(turn);
    }

    /// What is written of it for traces.
    pub(super) fn traced(&mut self, span: Option<Span>) {
        self.span = span;
    }

    /// A plan that was one of its parts has counted this.
    pub(super) fn spent(&self, usage: &Usage) {
        let mut spent = self.entry.spent.lock().unwrap_or_else(PoisonError::into_inner);
        spent.add(usage);
    }

    /// Whether it waits for its turn.
    pub(super) fn waits(&self, waits: bool) {
        self.entry.queued.store(waits, Ordering::Relaxed);
    }

    /// Rows have come out.
    pub(super) fn gave(&self, rows: usize) {
        self.entry.rows.fetch_add(rows as u64, Ordering::Relaxed);
    }

    /// It has come to this end.
    pub(super) fn ends(&mut self, end: QueryEnd) {
        self.end = self.end.or(Some(end));
    }

    /// How its waves stand; `done` and `failed` are counted for the process too.
    pub(super) fn waves(&self, waves: WaveCount) {
        let mut seen = self.entry.waves.lock().unwrap_or_else(PoisonError::into_inner);
        let before = seen.unwrap_or_default();
        *seen = Some(waves);
        drop(seen);
        let [done, failed] = &self.book.waves;
        done.fetch_add(waves.done.saturating_sub(before.done), Ordering::Relaxed);
        failed.fetch_add(waves.failed.saturating_sub(before.failed), Ordering::Relaxed);
    }

    /// `rows`, and the query ends with them.
    pub(super) fn watched(self, rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
        Box::pin(Watched { rows, ticket: self })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let end = self.end.unwrap_or(QueryEnd::Dropped);
        self.book.counter(end).fetch_add(1, Ordering::Relaxed);
        let ended = self.entry.seen(end.state());
        if let Some(span) = &self.span {
            span.note("enduser.id", ended.user.as_str());
            span.note("dreyer.outcome", end.word());
            span.note("dreyer.rows", ended.rows);
            span.note("dreyer.workers", ended.workers as u64);
        }
        let mut now = self.book.now.lock().unwrap_or_else(PoisonError::into_inner);
        now.remove(&self.entry.id);
        drop(now);
        let mut last = self.book.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() >= REMEMBERED {
            last.pop_front();
        }
        last.push_back(ended);
        drop(last);
        let elsewhere = self.entry.plan.get().filter(|plan| dealt(plan).is_some()).cloned();
        if let (QueryEnd::Complete, Some(plan)) = (end, elsewhere) {
            let (book, id) = (Arc::clone(&self.book), self.entry.id);
            self.engine.spawn(async move { book.amend(id, spent(&plan).await) });
        }
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)
}

struct Watched {
    rows: SendableRecordBatchStream,
    ticket: Ticket,
}

impl Stream for Watched {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.rows.as_mut().poll_next(context);
        match &polled {
            Poll::Ready(Some(Ok(batch))) => self.ticket.gave(batch.num_rows()),
            Poll::Ready(Some(Err(_))) => self.ticket.ends(QueryEnd::Failed),
            Poll::Ready(None) => self.ticket.ends(QueryEnd::Complete),
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

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::Schema;
    use datafusion::common::exec_datafusion_err;
    use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
    use futures::{StreamExt, stream};

    use super::*;

    fn rows(items: Vec<Result<RecordBatch>>) -> SendableRecordBatchStream {
        let schema = Arc::new(Schema::empty());
        Box::pin(RecordBatchStreamAdapter::new(schema, stream::iter(items)))
    }

    fn begun() -> Begun {
        Begun {
            user: "halley".to_owned(),
            session: "s".to_owned(),
            scan_bytes: 7,
            workers: 2,
            ..Begun::default()
        }
    }

    #[tokio::test]
    async fn queries_are_entered_and_struck_out_by_their_end() {
        let (book, engine) = (Arc::new(Running::default()), Handle::current());
        let whole = book.enter(begun(), &engine).watched(rows(Vec::new()));
        assert_eq!(book.progress("s").as_deref(), Some("0 rows"));
        assert_eq!(book.progress("another"), None);
        assert_eq!(book.all().len(), 1);
        assert_eq!((book.all()[0].user.as_str(), book.all()[0].scan_bytes), ("halley", 7));
        assert!(whole.collect::<Vec<_>>().await.is_empty());
        let failing = book
            .enter(begun(), &engine)
            .watched(rows(vec![Err(exec_datafusion_err!("no"))]));
        assert_eq!(failing.collect::<Vec<_>>().await.len(), 1);
        drop(book.enter(begun(), &engine).watched(rows(Vec::new())));
        assert!(book.all().is_empty());
        assert_eq!(QueryEnd::ALL.map(|end| book.ended(end)), [1, 1, 1]);
        let ended: Vec<&str> = book.last().iter().map(|query| query.state.word()).collect();
        assert_eq!(ended, ["complete", "failed", "dropped"]);
    }

    #[tokio::test]
    async fn the_book_does_not_grow_without_bound() {
        let (book, engine) = (Arc::new(Running::default()), Handle::current());
        for _ in 0..2 * REMEMBERED {
            drop(book.enter(begun(), &engine));
        }
        assert_eq!(book.last().len(), REMEMBERED);
        assert_eq!(book.last()[0].id, REMEMBERED as u64 + 1);
    }

    #[tokio::test]
    async fn progress_is_that_of_the_waves_else_of_the_bytes() {
        let (book, engine) = (Arc::new(Running::default()), Handle::current());
        let ticket = book.enter(begun(), &engine);
        assert_eq!(
            book.all()[0].progress(),
            None,
            "workers tell what they read when they are done"
        );
        let (total, done, failed) = (4, 1, 1);
        ticket.waves(WaveCount { total, done, failed });
        ticket.waves(WaveCount { total, done: 3, failed });
        assert_eq!(book.all()[0].progress(), Some(0.75));
        assert_eq!(book.waves(), [3, 1]);
    }
}
