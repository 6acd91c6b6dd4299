//! Running what has been prepared: shared by both protocols.

use std::future::Future;
use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::LogicalPlan;
use pgwire::api::Type;
use pgwire::messages::PgWireBackendMessage as Answer;
use pgwire::messages::copy::CopyDone;
use pgwire::messages::data::NoData;
use pgwire::messages::response::EmptyQueryResponse;
use tokio_util::task::AbortOnDropHandle;

use super::super::connection::Connection;
use super::super::control::Control;
use super::super::copy::CopyEncoder;
use super::super::describe;
use super::super::describe::Column;
use super::super::encode::WireFormat;
use super::super::portal::{Encoder, Portal, Prepared, Progress, Sending, Sent, Work};
use super::super::report::{self, Failure};
use super::super::rows::Rows;
use super::super::statement::{CopyIn, Parsed, Planned, Purpose};
use super::super::utility::{Reply, Utility};
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
            Parsed::Utility(utility) => {
                if !utility.ends_failure() {
                    self.transaction.check()?;
                }
                if let Utility::Show(name) = &utility {
                    // Told when it is prepared, and not only when it is run.
                    self.value_of(name)?;
                }
                return Ok(Work::Utility(utility));
            }
            Parsed::Query(query) => *query,
            Parsed::Prepare(prepare) => {
                self.transaction.check()?;
                return Ok(Work::Prepare(prepare));
            }
            Parsed::Execute(execute) => {
                self.transaction.check()?;
                return Ok(Work::Execute(execute));
            }
            Parsed::CopyIn {
                table,
                columns,
                options,
            } => {
                self.transaction.check()?;
                let session = self.session.clone();
                let planning = self.on_engine(async move {
                    let intake = Arc::new(session.intake(&table, &columns).await?);
                    Ok(CopyIn { intake, options })
                });
                let planned = control.watch(&mut self.wire, joined(planning)).await?;
                return Ok(Work::CopyIn(Box::new(planned)));
            }
        };
        self.transaction.check()?;
        let (session, declared) = (self.session.clone(), declared.to_vec());
        let planning = self.on_engine(async move { query.plan(&session, &declared).await });
        let planned = control.watch(&mut self.wire, joined(planning)).await?;
        Ok(Work::Query(Box::new(planned)))
    }

    /// The plan of a prepared statement with values for its parameters.
    pub(in crate::pg) fn bind_values(
        &self,
        prepared: &Prepared,
        values: Vec<ScalarValue>,
    ) -> Result<Option<LogicalPlan>> {
        match &prepared.work {
            Work::Query(planned) => planned
                .bind(values)
                .map(Some)
                .map_err(|e| planned.explain(&self.session, e)),
            _ => Ok(None),
        }
    }

    /// Tells the columns of a portal, if it has any: the simple protocol's way.
    pub(super) fn announce(&mut self, portal: &mut Portal) {
        if let Some(columns) = self.columns(portal) {
            if self.is_binary(&portal.prepared) {
                portal.formats = vec![WireFormat::Binary];
            }
            self.wire.queue(&describe::row_description(&columns, &portal.formats));
        }
    }

    /// The columns of a portal, if it has any; those of a FETCH are its cursor's.
    pub(super) fn columns(&self, portal: &Portal) -> Option<Arc<[Column]>> {
        match &portal.prepared.work {
            Work::Utility(Utility::Fetch { name, moves: false, .. }) => self.portals.get(name)?.columns(),
            Work::Execute(execute) => self.statements.get(&execute.name)?.columns(),
            _ => portal.columns(),
        }
    }

    /// The same of a statement.
    pub(super) fn columns_of(&self, prepared: &Prepared) -> Option<Arc<[Column]>> {
        match &prepared.work {
            Work::Utility(Utility::Fetch { name, moves: false, .. }) => self.portals.get(name)?.columns(),
            Work::Execute(execute) => self.statements.get(&execute.name)?.columns(),
            _ => prepared.columns(),
        }
    }

    /// Whether it is a FETCH from a cursor that was declared BINARY.
    fn is_binary(&self, prepared: &Prepared) -> bool {
        match &prepared.work {
            Work::Utility(Utility::Fetch { name, .. }) => {
                self.portals.get(name).is_some_and(|portal| portal.cursor.binary)
            }
            _ => false,
        }
    }

    /// Tells the columns of a portal or statement, or that there are none: the extended protocol's way.
    pub(super) fn describe_columns(&mut self, columns: Option<&[Column]>, formats: &[WireFormat]) {
        let answer = match columns {
            Some(columns) => describe::row_description(columns, formats),
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
        // A copy has no place to stop at.
        let limit = if matches!(sending.encoder(), Encoder::Copy(_)) {
            0
        } else {
            limit
        };
        let sent = sending
            .send(limit, &mut self.wire, control, &self.shared.database)
            .await
            .map_err(|failure| self.place(portal, failure))?;
        if let (Sent::All { rows }, Encoder::Copy(encoder)) = (sent, sending.encoder()) {
            encoder.finish(rows == 0, self.wire.outbox());
            self.wire.queue(&Answer::CopyDone(CopyDone::new()));
        }
        match sent {
            Sent::All { rows } => {
                let tag = match &portal.prepared.work {
                    Work::Utility(utility) => match utility.verb() {
                        Some(verb) => format!("{verb} {rows}"),
                        None => "SHOW".to_owned(),
                    },
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
    pub(in crate::pg) async fn begin_portal(
        &mut self,
        portal: &mut Portal,
        control: &Control,
    ) -> Result<Progress, Failure> {
        let prepared = Arc::clone(&portal.prepared);
        match &prepared.work {
            Work::Nothing => {
                self.wire.queue(&Answer::EmptyQueryResponse(EmptyQueryResponse::new()));
                Ok(Progress::Done)
            }
            // Boxed, for a FETCH may begin another portal.
            Work::Utility(utility) => match Box::pin(self.run_utility(utility, control)).await? {
                Reply::Done(tag) => {
                    self.report_settings();
                    self.complete(tag);
                    Ok(Progress::Done)
                }
                Reply::Rows(stream) => {
                    let columns = self.columns(portal).unwrap_or_default();
                    let style = self.door.settings().style();
                    Ok(Progress::Sending(portal.sending(Rows::new(stream), &columns, style)))
                }
            },
            Work::Query(planned) => self.begin_query(portal, planned, control).await,
            Work::Prepare(prepare) => {
                self.prepare_named(prepare, control).await?;
                self.complete("PREPARE");
                Ok(Progress::Done)
            }
            Work::Execute(execute) => {
                self.execute_named(portal, execute, control).await?;
                Box::pin(self.begin_portal(portal, control)).await
            }
            Work::CopyIn(copy) => {
                let rows = self.copy_in(copy, control).await?;
                self.complete(format!("COPY {rows}"));
                Ok(Progress::Done)
            }
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
        if let Purpose::Declare(declaration) = planned.purpose() {
            self.may_declare(declaration)?;
        }
        self.publish_portals();
        self.publish_statements();
        let writes = session::command(&plan).is_some();
        if let Some(command) = session::command(&plan)
            && !command.is_of_roles()
            && !command.is_own()
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
            Outcome::Rows(stream) => self.rows_begin(portal, planned, stream),
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

    /// The rows of a query are on their way: what becomes of them.
    fn rows_begin(
        &mut self,
        portal: &Portal,
        planned: &Planned,
        stream: SendableRecordBatchStream,
    ) -> Result<Progress, Failure> {
        let columns = planned.columns.clone().unwrap_or_default();
        let style = self.door.settings().style();
        Ok(match planned.purpose() {
            Purpose::Rows => Progress::Sending(portal.sending(Rows::new(stream), &columns, style)),
            Purpose::CopyOut(options) => {
                let encoder = CopyEncoder::new(&columns, options, style)?;
                self.wire.queue(&encoder.response());
                encoder.header(&columns, self.wire.outbox());
                Progress::Sending(Box::new(Sending::new(Rows::new(stream), Encoder::Copy(encoder))))
            }
            Purpose::Declare(declaration) => {
                self.declared(portal, declaration, stream, &columns);
                self.complete("DECLARE CURSOR");
                Progress::Done
            }
        })
    }

    /// Does work on the engine's threads, so that this one can hear a cancel meanwhile; dropped, the work ends.
    pub(in crate::pg) fn on_engine<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Task<T> {
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

pub(in crate::pg) type Task<T> = AbortOnDropHandle<Result<T>>;

/// The result of a task. One that panicked is an error of the statement, not the end of the session.
pub(in crate::pg) async fn joined<T>(task: Task<T>) -> Result<T> {
    match task.await {
        Ok(result) => result,
        Err(error) => {
            let message = format!("a task of the statement ended: {error}");
            Err(Error::new(ErrorKind::Internal, message))
        }
    }
}
