//! One client's conversation, from the end of start-up to the end of the line.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::response::{CommandComplete, ReadyForQuery};
use pgwire::messages::startup::ParameterStatus;

use super::audit::Trail;
use super::control::{Control, Progress, shutting_down};
use super::door::Door;
use super::portal::{Portal, Prepared};
use super::registry::Seat;
use super::report::{self, Failure};
use super::server::Shared;
use super::transaction::Transaction;
use super::wire::Wire;
use crate::{Error, ErrorKind, Session};

/// The state of one connection.
pub(super) struct Connection {
    pub(super) wire: Wire,
    pub(super) shared: Arc<Shared>,
    pub(super) session: Session,
    pub(super) door: Arc<Door>,
    pub(super) seat: Seat,
    /// What is written down of the statement under way.
    pub(super) trail: Trail,
    pub(super) transaction: Transaction,
    /// Prepared statements by name; the empty name is the unnamed one.
    pub(super) statements: HashMap<String, Arc<Prepared>>,
    /// Portals by name, likewise.
    pub(super) portals: HashMap<String, Portal>,
    /// After an error in the extended protocol: everything up to the next Sync is skipped.
    pub(super) skipping: bool,
    /// Whether the client has been told that it is its turn.
    waiting: bool,
    /// Whether the statement that runs is one of several of one message, which are a transaction of their own.
    pub(super) together: bool,
    /// What ParameterStatus has said so far.
    told: Vec<(&'static str, String)>,
}

/// Whether the conversation goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Go,
    Leave,
}

impl Connection {
    pub(super) fn new(wire: Wire, shared: Arc<Shared>, session: Session, door: Arc<Door>, seat: Seat) -> Self {
        let told = door.settings().reported();
        Self {
            wire,
            shared,
            session,
            door,
            seat,
            trail: Trail::default(),
            transaction: Transaction::default(),
            statements: HashMap::new(),
            portals: HashMap::new(),
            skipping: false,
            waiting: true,
            together: false,
            told,
        }
    }

    /// Answers messages until the client leaves, the line breaks, or the server shuts down.
    pub(super) async fn run(mut self) {
        let failure = loop {
            let shutdown = self.shared.shutdown.clone();
            let (leave, patience) = (self.seat.leave(), self.patience());
            let message = tokio::select! {
                biased;
                () = shutdown.cancelled() => break Failure::Fatal(shutting_down()),
                () = leave.cancelled() => break Failure::Fatal(shutting_down()),
                message = self.wire.read() => message,
                // Last: what has come is answered, however late.
                error = idle_too_long(patience) => break Failure::Fatal(error),
            };
            self.waiting = false;
            match message {
                Ok(Some(message)) => match self.answer(message).await {
                    Ok(Next::Go) => {}
                    Ok(Next::Leave) => break Failure::Gone,
                    Err(failure) => break failure,
                },
                Ok(None) => break Failure::Gone,
                Err(failure) => break failure,
            }
        };
        if let Failure::Error(error) | Failure::Fatal(error) = failure {
            self.wire.queue(&report::error(&error, "FATAL"));
            // A client that does not read must not hold up the farewell of the others.
            let _ = tokio::time::timeout(Duration::from_secs(1), self.wire.close()).await;
        }
    }

    /// The strings on the statement that begins now. `query` is its text, where this is news.
    pub(super) fn control(&self, query: Option<&str>) -> Control {
        if let (Some(text), true) = (query, self.shared.audit.is_some()) {
            self.trail.begin(text);
        }
        let settings = self.door.settings();
        let control = Control::new(
            self.seat.begin(query),
            self.shared.over.clone(),
            self.seat.leave(),
            settings.statement_timeout(),
        );
        if settings.tells_progress() {
            control.telling(Progress::new(self.session.clone()))
        } else {
            control
        }
    }

    /// How long the session may stand idle now, and whether in a transaction block.
    fn patience(&self) -> Option<(Duration, bool)> {
        let in_block = self.transaction.is_open();
        let asked = self.door.settings().idle_timeout(in_block);
        let allowed = self.shared.database.config().limits.idle_timeout(in_block);
        let most = asked.into_iter().chain(allowed).min()?;
        self.waiting.then_some((most, in_block))
    }

    /// The statement that began with [`Connection::control`] is over. An error is told to the client, and the
    /// transaction block, if there is one, has failed; what ends the conversation is given back.
    pub(super) fn conclude<T>(&mut self, result: Result<T, Failure>) -> Result<Option<T>, Failure> {
        if let Some(audit) = &self.shared.audit {
            let outcome = match &result {
                Ok(_) => "00000",
                Err(Failure::Error(error) | Failure::Fatal(error)) => error.sqlstate(),
                Err(Failure::Gone) => ErrorKind::Closed.sqlstate(),
            };
            self.trail.end(audit, &self.seat.who(), outcome);
        }
        let concluded = match result {
            Ok(value) => Ok(Some(value)),
            Err(Failure::Error(error)) => {
                self.transaction.fail();
                self.wire.queue(&report::error(&error, "ERROR"));
                Ok(None)
            }
            Err(failure) => Err(failure),
        };
        let state = match self.transaction.status() {
            pgwire::messages::response::TransactionStatus::Idle => "idle",
            pgwire::messages::response::TransactionStatus::Transaction => "idle in transaction",
            pgwire::messages::response::TransactionStatus::Error => "idle in transaction (aborted)",
        };
        self.seat
            .end(state, self.door.settings().get("application_name").unwrap_or_default());
        concluded
    }

    /// `CommandComplete`.
    pub(super) fn complete(&mut self, tag: impl Into<String>) {
        let tag = tag.into();
        self.trail.done(&tag);
        self.wire
            .queue(&PgWireBackendMessage::CommandComplete(CommandComplete::new(tag)));
    }

    /// Tells the client of settings that have changed.
    pub(super) fn report_settings(&mut self) {
        let now = self.door.settings().reported();
        for ((name, value), (_, before)) in now.iter().zip(&self.told) {
            if value != before {
                let status = ParameterStatus::new((*name).to_owned(), value.clone());
                self.wire.queue(&PgWireBackendMessage::ParameterStatus(status));
            }
        }
        self.told = now;
    }

    /// `ReadyForQuery`, and everything is sent. Outside a transaction block this is where portals end.
    pub(super) async fn ready(&mut self) -> Result<(), Failure> {
        if !self.transaction.is_open() {
            self.keep_held();
        }
        self.wire.queue(&PgWireBackendMessage::ReadyForQuery(ReadyForQuery::new(
            self.transaction.status(),
        )));
        self.waiting = true;
        let over = self.shared.over.clone();
        tokio::select! {
            biased;
            () = over.cancelled() => Err(Failure::Gone),
            sent = self.wire.flush() => sent,
        }
    }
}

/// Completes with the reason when the session has stood idle for longer than it may.
async fn idle_too_long(patience: Option<(Duration, bool)>) -> Error {
    let Some((most, in_block)) = patience else {
        return std::future::pending().await;
    };
    tokio::time::sleep(most).await;
    let (kind, which, setting, limit) = if in_block {
        (
            ErrorKind::IdleTransaction,
            "idle-in-transaction",
            "idle_in_transaction_session_timeout",
            "limits.idle_transaction_timeout_s",
        )
    } else {
        (
            ErrorKind::IdleSession,
            "idle-session",
            "idle_session_timeout",
            "limits.idle_session_timeout_s",
        )
    };
    let detail = format!("{setting}, or {limit} of the server, is {} ms.", most.as_millis());
    Error::new(kind, format!("terminating connection due to {which} timeout")).with_detail(detail)
}
