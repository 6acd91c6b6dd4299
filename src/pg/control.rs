//! What can stop a statement from outside: the user, a deadline, a shutdown, a client that is gone.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::report::{self, Failure};
use super::wire::Wire;
use crate::{Error, ErrorKind, Session};

/// How often a client is told how far its statement has come.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// Time that a notice gets to leave while the statement waits for it.
const PATIENCE: Duration = Duration::from_millis(50);

/// The strings on one running statement.
#[derive(Debug, Clone)]
pub(super) struct Control {
    cancel: CancellationToken,
    shutdown: CancellationToken,
    /// For this session alone, which is to end.
    leave: CancellationToken,
    deadline: Option<(Instant, Duration)>,
    progress: Option<Progress>,
}

/// What a client is told every few seconds that wants to know.
#[derive(Clone)]
pub(super) struct Progress {
    session: Session,
    began: Instant,
    told: Arc<AtomicU32>,
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Progress")
            .field("began", &self.began)
            .finish_non_exhaustive()
    }
}

impl Progress {
    pub(super) fn new(session: Session) -> Self {
        Self {
            session,
            began: Instant::now(),
            told: Arc::default(),
        }
    }

    /// Completes when it is time to tell.
    async fn due(&self) {
        let count = self.told.load(Ordering::Relaxed).saturating_add(1);
        tokio::time::sleep_until((self.began + TELL_EVERY * count).into()).await;
    }

    fn tell(&self) -> String {
        self.told.fetch_add(1, Ordering::Relaxed);
        let seconds = self.began.elapsed().as_secs();
        match self.session.progress() {
            Some(words) => format!("{seconds} s: {words}"),
            None => format!("{seconds} s"),
        }
    }
}

impl Control {
    /// `cancel` is for this statement alone; `shutdown` is for everybody, when the time to finish is over.
    pub(super) fn new(
        cancel: CancellationToken,
        shutdown: CancellationToken,
        leave: CancellationToken,
        timeout: Option<Duration>,
    ) -> Self {
        let deadline = timeout.and_then(|timeout| Some((Instant::now().checked_add(timeout)?, timeout)));
        Self {
            cancel,
            shutdown,
            leave,
            deadline,
            progress: None,
        }
    }

    /// The same for a client that wants to know how far the statement has come.
    pub(super) fn telling(mut self, progress: Progress) -> Self {
        self.progress = Some(progress);
        self
    }

    /// Completes when the statement is to stop, with the reason.
    pub(super) async fn stopped(&self) -> Failure {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Failure::Error(Error::cancelled()),
            () = self.leave.cancelled() => Failure::Fatal(shutting_down()),
            () = self.shutdown.cancelled() => Failure::Fatal(shutting_down()),
            () = expired(self.deadline) => Failure::Error(timed_out(self.deadline)),
        }
    }

    /// Does `work` unless stopped first, or the client leaves. What is stopped is dropped.
    pub(super) async fn watch<T, E: Into<Failure>>(
        &self,
        wire: &mut Wire,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Failure> {
        tokio::pin!(work);
        loop {
            let progress = self.progress.clone();
            tokio::select! {
                biased;
                failure = self.stopped() => return Err(failure),
                () = due(progress.as_ref()) => {}
                done = &mut work => return done.map_err(Into::into),
                () = wire.hung_up() => return Err(Failure::Gone),
            }
            if let Some(progress) = progress {
                wire.queue(&report::notice(&progress.tell()));
                // To a client that does not read it goes with the rows.
                let _ = tokio::time::timeout(PATIENCE, wire.flush()).await;
            }
        }
    }

    /// Sends what is queued unless stopped first.
    pub(super) async fn flush(&self, wire: &mut Wire) -> Result<(), Failure> {
        tokio::select! {
            biased;
            failure = self.stopped() => Err(failure),
            sent = wire.flush() => sent,
        }
    }
}

async fn due(progress: Option<&Progress>) {
    match progress {
        Some(progress) => progress.due().await,
        None => std::future::pending().await,
    }
}

/// The farewell of a server that shuts down.
pub(super) fn shutting_down() -> Error {
    Error::new(
        ErrorKind::Shutdown,
        "terminating connection due to administrator command",
    )
}

fn timed_out(deadline: Option<(Instant, Duration)>) -> Error {
    let after = deadline.map_or(0, |(_, timeout)| timeout.as_millis());
    Error::new(ErrorKind::Cancelled, "canceling statement due to statement timeout").with_hint(format!(
        "statement_timeout is {after} ms; SET statement_timeout = 0 lifts it."
    ))
}

async fn expired(deadline: Option<(Instant, Duration)>) {
    match deadline {
        Some((at, _)) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
