//! The extended protocol: Parse, Bind, Describe, Execute, Close. After an error everything up to Sync is skipped.

use std::sync::Arc;

use datafusion::common::ScalarValue;
use pgwire::api::Type;
use pgwire::messages::PgWireBackendMessage as Answer;
use pgwire::messages::extendedquery::{
    Bind, BindComplete, Close, CloseComplete, Describe, Execute, Parse, ParseComplete, TARGET_TYPE_BYTE_STATEMENT,
};

use super::super::connection::Connection;
use super::super::encode::WireFormat;
use super::super::portal::{Cursor, Portal, Prepared, Progress, Work};
use super::super::prepared::no_statement;
use super::super::report::Failure;
use super::super::{decode, describe, statement};
use crate::{Error, ErrorKind, Result};

impl Connection {
    /// Parse: plans one statement, infers the types of its parameters, and keeps it under a name.
    pub(super) async fn parse(&mut self, parse: Parse) -> Result<(), Failure> {
        let name = parse.name.unwrap_or_default();
        let done = self.prepare(&name, parse.query, &parse.type_oids).await;
        if let Some(prepared) = self.conclude_or_skip(done)? {
            self.statements.insert(name, Arc::new(prepared));
            self.wire.queue(&Answer::ParseComplete(ParseComplete::new()));
        }
        Ok(())
    }

    async fn prepare(&mut self, name: &str, text: String, oids: &[u32]) -> Result<Prepared, Failure> {
        if !name.is_empty() && self.statements.contains_key(name) {
            let message = format!("prepared statement \"{name}\" already exists");
            return Err(Error::new(ErrorKind::DuplicateStatement, message).into());
        }
        let control = self.control(Some(&text));
        let mut statements = statement::parse(&self.session, &text)?;
        if statements.len() > 1 {
            let message = "cannot insert multiple commands into a prepared statement";
            return Err(Error::new(ErrorKind::Syntax, message).into());
        }
        let Some(statement) = statements.pop() else {
            return Ok(Prepared::new(text, Work::Nothing));
        };
        // What the client does not know, it calls 0 or unknown.
        let declared = |oid: &u32| Type::from_oid(*oid).filter(|kind| *kind != Type::UNKNOWN);
        let declared: Vec<_> = oids.iter().map(declared).collect();
        let work = self.plan(statement, &declared, &control).await?;
        Ok(Prepared::new(text, work))
    }

    /// Bind: gives a statement's parameters their values.
    pub(super) fn bind(&mut self, bind: &Bind) -> Result<(), Failure> {
        let portal = self.bound(bind).map_err(Failure::Error);
        if let (Err(_), Some(_)) = (&portal, &self.shared.audit)
            && let Ok(prepared) = self.statement(bind.statement_name.as_deref().unwrap_or_default())
        {
            // What was meant to be run is worth a line although it was not.
            self.trail.begin(&prepared.text);
        }
        if let Some(portal) = self.conclude_or_skip(portal)? {
            self.portals
                .insert(bind.portal_name.clone().unwrap_or_default(), portal);
            self.wire.queue(&Answer::BindComplete(BindComplete::new()));
        }
        Ok(())
    }

    fn bound(&mut self, bind: &Bind) -> Result<Portal> {
        let prepared = self.statement(bind.statement_name.as_deref().unwrap_or_default())?;
        let values = values(bind, prepared.parameters())?;
        let columns = self.columns_of(&prepared).map_or(0, |columns| columns.len());
        let formats: Vec<_> = bind
            .result_column_format_codes
            .iter()
            .map(|code| WireFormat::from_code(*code))
            .collect();
        if formats.len() > 1 && formats.len() != columns {
            let message = format!(
                "bind message has {} result formats but query has {columns} columns",
                formats.len()
            );
            return Err(Error::new(ErrorKind::ProtocolViolation, message));
        }
        let plan = self.bind_values(&prepared, values)?;
        Ok(Portal {
            prepared,
            plan,
            formats,
            progress: Progress::Bound,
            cursor: Cursor::of_protocol(self.transaction.tick()),
        })
    }

    /// Describe, of a statement or of a portal.
    pub(super) fn describe(&mut self, message: &Describe) -> Result<(), Failure> {
        let name = message.name.as_deref().unwrap_or_default();
        if message.target_type == TARGET_TYPE_BYTE_STATEMENT {
            let found = self.statement(name).map_err(Failure::Error);
            if let Some(prepared) = self.conclude_or_skip(found)? {
                self.wire.queue(&describe::parameter_description(prepared.parameters()));
                let columns = self.columns_of(&prepared);
                self.describe_columns(columns.as_deref(), &[]);
            }
            return Ok(());
        }
        let found = self
            .portals
            .get(name)
            .map(|portal| (self.columns(portal), portal.formats.clone()));
        let found = found.ok_or_else(|| Failure::Error(no_portal(name)));
        if let Some((columns, formats)) = self.conclude_or_skip(found)? {
            self.describe_columns(columns.as_deref(), &formats);
        }
        Ok(())
    }

    /// Execute: runs a portal, or goes on with one that was suspended.
    pub(super) async fn execute(&mut self, message: &Execute) -> Result<(), Failure> {
        let name = message.name.clone().unwrap_or_default();
        let limit = usize::try_from(message.max_rows).unwrap_or(0);
        let Some(mut portal) = self.portals.remove(&name) else {
            self.conclude_or_skip::<()>(Err(Failure::Error(no_portal(&name))))?;
            return Ok(());
        };
        let control = self.control(Some(&portal.prepared.text));
        let done = self.run_portal(&mut portal, limit, &control).await;
        // A statement such as DISCARD ALL, or COMMIT, has ended all portals, its own too.
        if self.conclude_or_skip(done)?.is_some() {
            self.portals.insert(name, portal);
        }
        Ok(())
    }

    /// Close, of a statement or of a portal; one that does not exist is no error.
    pub(super) fn close(&mut self, message: &Close) {
        let name = message.name.as_deref().unwrap_or_default();
        if message.target_type == TARGET_TYPE_BYTE_STATEMENT {
            self.statements.remove(name);
        } else {
            self.portals.remove(name);
        }
        self.wire.queue(&Answer::CloseComplete(CloseComplete::new()));
    }

    /// Concludes, and on an error skips what the client sent in the belief that all went well.
    fn conclude_or_skip<T>(&mut self, result: Result<T, Failure>) -> Result<Option<T>, Failure> {
        let concluded = self.conclude(result)?;
        self.skipping = concluded.is_none();
        Ok(concluded)
    }

    fn statement(&self, name: &str) -> Result<Arc<Prepared>> {
        self.statements.get(name).cloned().ok_or_else(|| no_statement(name))
    }
}

fn no_portal(name: &str) -> Error {
    Error::new(ErrorKind::UndefinedPortal, format!("portal \"{name}\" does not exist"))
}

/// The values of a Bind message.
fn values(bind: &Bind, types: &[Type]) -> Result<Vec<ScalarValue>> {
    let (given, needed) = (bind.parameters.len(), types.len());
    let statement = bind.statement_name.as_deref().unwrap_or_default();
    if given != needed {
        let message = format!(
            "bind message supplies {given} parameters, but prepared statement \"{statement}\" requires {needed}"
        );
        return Err(Error::new(ErrorKind::ProtocolViolation, message));
    }
    let formats: Vec<_> = bind
        .parameter_format_codes
        .iter()
        .map(|code| WireFormat::from_code(*code))
        .collect();
    if formats.len() > 1 && formats.len() != given {
        let message = format!(
            "bind message has {} parameter formats but {given} parameters",
            formats.len()
        );
        return Err(Error::new(ErrorKind::ProtocolViolation, message));
    }
    let parameters = bind.parameters.iter().zip(types).enumerate();
    parameters
        .map(|(at, (bytes, target))| {
            decode::parameter(bytes.as_ref(), target, describe::format_of(&formats, at), at + 1)
        })
        .collect()
}
