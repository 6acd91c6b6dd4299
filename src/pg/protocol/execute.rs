//! Running what has been prepared: shared by both protocols.

use std::future::Future;
use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::logical_expr::LogicalPlan;
use pgwire::api::Type;
use pgwire::messages::PgWireBackendMessage as Answer;
use pgwire::messages::data::NoData;
use pgwire::messages::response::EmptyQueryResponse;
use tokio_util::task::AbortOnDropHandle;

use super::super::connection::Connection;
use super::super::control::Control;
use super::super::describe;
use super::super::portal::{Portal, Prepared, Progress, Sent, Work};
use super::super::report::{self, Failure};

use super::super::statement::{Parsed, Planned};
use super::super::utility::Reply;
use crate::{Error, ErrorKind, Outcome, Result, session};

impl Connection {
    /// Plans a statement, on a task of its own so that a cancel is answered at once.
    pub(super) async fn plan(
        &mut self,
        statement: Parsed,
        declared: &[Option<Type>],
        control: &Control,
    ) -> Result<Work, Failure> {
        let query = match statement {
            Parsed::Utility(utility) => return Ok(Work::Utility(utility)),
            Parsed::Query(query) => query,
        };
        self.transaction.check()?;
        let (session, declared) = (self.session.clone(), declared.to_vec());
        let planning = self.on_engine(async move { query.plan(&session, &declared).await });
        let planned = control.watch(&mut self.wire, joined(planning)).await?;
        Ok(Work::Query(Box::new(planned)))
    }

    /// The plan of a prepared statement with values for its parameters.
    pub(super) fn bind_values(&self, prepared: &Prepared, values: Vec<ScalarValue>) -> Result<Option<LogicalPlan>> {
        match &prepared.work {
            Work::Query(planned) => planned
                .bind(values)
                .map(Some)
                .map_err(|e| planned.explain(&self.session, e)),
            Work::Nothing | Work::Utility(_) => Ok(None),
        }
    }

    /// Tells the columns of a portal, if it has any: the simple protocol's way.
    pub(super) fn announce(&mut self, portal: &Portal) {
        if let Some(columns) = portal.prepared.columns() {
            self.wire.queue(&describe::row_description(&columns, &portal.formats));
        }
    }

    /// Tells the columns of a portal or statement, or that there are none: the extended protocol's way.
    pub(super) fn describe_columns(&mut self, prepared: &Prepared, formats: &[super::super::encode::WireFormat]) {
        let answer = match prepared.columns() {
            Some(columns) => describe::row_description(&columns, formats),
            None => Answer::NoData(NoData::new()),
        };
        self.wire.queue(&answer);
    }

    /// Runs a portal, or goes on with it, for at most `limit` rows unless that is 0; sends the rows and what ends
    /// them. After an error the portal is done.
    pub(super) async fn run_portal(
        &mut self,
        portal: &mut Portal,
        limit: usize,
        control: &Control,
    ) -> Result<Sent, Failure> {
        self.trail.run();
        let mut sending = match std::mem::replace(&mut portal.progress, Progress::Done) {
            Progress::Sending(sending) => sending,
            Progress::Bound => match self.begin_portal(portal, control).await? {
                Progress::Sending(sending) => sending,
                _ => return Ok(Sent::All { rows: 0 }),
            },
            Progress::Done => {
                let verb = verb(&portal.prepared);
                self.complete(format!("{verb} 0"));
                return Ok(Sent::All { rows: 0 });
            }
        };
        let sent = sending
            .send(limit, &mut self.wire, control)
            .await
            .map_err(|failure| self.place(portal, failure))?;
        match sent {
            Sent::All { rows } => {
                let tag = match &portal.prepared.work {
                    Work::Utility(_) => "SHOW".to_owned(),
                    _ => match verb(&portal.prepared) {
                        "EXPLAIN" => "EXPLAIN".to_owned(),
                        verb => format!("{verb} {rows}"),
                    },
                };
                self.complete(tag);
            }
            Sent::Some => {
                self.trail.rows(limit);
                portal.progress = Progress::Sending(sending);
                self.wire.queue(&Answer::PortalSuspended(
                    pgwire::messages::extendedquery::PortalSuspended::new(),
                ));
            }
        }
        Ok(sent)
    }

    /// Starts a portal. What gives no rows is done with that, and its tag sent.
    async fn begin_portal(&mut self, portal: &mut Portal, control: &Control) -> Result<Progress, Failure> {
        let prepared = Arc::clone(&portal.prepared);
        match &prepared.work {
            Work::Nothing => {
                self.wire.queue(&Answer::EmptyQueryResponse(EmptyQueryResponse::new()));
                Ok(Progress::Done)
            }
            Work::Utility(utility) => match self.run_utility(utility, control).await? {
                Reply::Done(tag) => {
                    self.report_settings();
                    self.complete(tag);
                    Ok(Progress::Done)
                }
                Reply::Rows(stream) => {
                    let columns = prepared.columns().unwrap_or_default();
                    Ok(Progress::Sending(portal.sending(
                        stream,
                        &columns,
                        self.door.settings().style(),
                    )))
                }
            },
            Work::Query(planned) => self.begin_query(portal, planned, control).await,
        }
    }

    async fn begin_query(
        &mut self,
        portal: &mut Portal,
        planned: &Planned,
        control: &Control,
    ) -> Result<Progress, Failure> {
        self.transaction.check()?;
        let Some(plan) = portal.plan.clone() else {
            return Ok(Progress::Done);
        };
        let writes = session::command(&plan).is_some();
        if let Some(command) = session::command(&plan)
            && !command.is_of_roles()
            && self.door.settings().get("transaction_read_only") == Some("on")
        {
            let message = format!("cannot execute {} in a read-only transaction", command.verb());
            return Err(Error::new(ErrorKind::ReadOnly, message).into());
        }
        let (session, door, fresh) = (self.session.clone(), Arc::clone(&self.door), planned.clone());

        let started = self.on_engine(async move {
            fresh.refresh(&session, &door).await?;
            session.execute(plan).await
        });
        let outcome = control
            .watch(&mut self.wire, joined(started))
            .await
            .map_err(|failure| self.place(portal, failure))?;
        for notice in self.session.take_notices() {
            self.wire.queue(&report::notice(&notice));
        }
        match outcome {
            Outcome::Rows(stream) => {
                let columns = portal.prepared.columns().unwrap_or_default();
                Ok(Progress::Sending(portal.sending(
                    stream,
                    &columns,
                    self.door.settings().style(),
                )))
            }
            Outcome::Done { tag, notices } => {
                for notice in notices {
                    self.wire.queue(&report::notice(&notice));
                }
                self.transaction.wrote(writes);
                self.complete(tag);
                Ok(Progress::Done)
            }
        }
    }

    /// Does work on the engine's threads, so that this one can hear a cancel meanwhile; dropped, the work ends.
    fn on_engine<T: Send + 'static>(&self, work: impl Future<Output = Result<T>> + Send + 'static) -> Task<T> {
        AbortOnDropHandle::new(self.shared.database.engine().spawn(work))
    }

    /// Gives an error that was met while a portal ran its place in the text.
    fn place(&self, portal: &Portal, failure: Failure) -> Failure {
        match (failure, &portal.prepared.work) {
            (Failure::Error(error), Work::Query(planned)) => Failure::Error(planned.explain(&self.session, error)),
            (failure, _) => failure,
        }
    }
}

fn verb(prepared: &Prepared) -> &'static str {
    match &prepared.work {
        Work::Query(planned) => planned.verb,
        _ => "SELECT",
    }
}

type Task<T> = AbortOnDropHandle<Result<T>>;

/// The result of a task. One that panicked is an error of the statement, not the end of the session.
async fn joined<T>(task: Task<T>) -> Result<T> {
    match task.await {
        Ok(result) => result,
        Err(error) => {
            let message = format!("a task of the statement ended: {error}");
            Err(Error::new(ErrorKind::Internal, message))
        }
    }
}
