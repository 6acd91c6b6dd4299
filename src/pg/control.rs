//! What can stop a statement from outside: the user, a deadline, a shutdown, a client that is gone.

use std::future::Future;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::report::Failure;
use super::wire::Wire;
use crate::{Error, ErrorKind};

/// The strings on one running statement.
#[derive(Debug, Clone)]
pub(super) struct Control {
    cancel: CancellationToken,
    shutdown: CancellationToken,
    deadline: Option<(Instant, Duration)>,
}

impl Control {
    /// `cancel` is for this statement alone; `shutdown` is for everybody, when the time to finish is over.
    pub(super) fn new(cancel: CancellationToken, shutdown: CancellationToken, timeout: Option<Duration>) -> Self {
        let deadline = timeout.and_then(|timeout| Some((Instant::now().checked_add(timeout)?, timeout)));
        Self {
            cancel,
            shutdown,
            deadline,
        }
    }

    /// Completes when the statement is to stop, with the reason.
    async fn stopped(&self) -> Failure {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Failure::Error(Error::cancelled()),
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
        tokio::select! {
            biased;
            failure = self.stopped() => Err(failure),
            done = work => done.map_err(Into::into),
            () = wire.hung_up() => Err(Failure::Gone),
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
