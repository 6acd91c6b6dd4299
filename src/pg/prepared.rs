//! PREPARE and EXECUTE: prepared statements by SQL, of the same kind, and under the same names, as those of drivers.

use std::sync::Arc;
use std::time::SystemTime;

use datafusion::arrow::array::RecordBatch;
use datafusion::common::ScalarValue;
use futures::TryStreamExt;
use pgwire::api::Type;

use super::connection::Connection;
use super::control::Control;
use super::decode;
use super::door::{Door, KnownStatement};
use super::encode::{arrow_type, pg_type};
use super::portal::{Portal, Prepared, Work};
use super::report::Failure;
use super::statement::{ExecuteNamed, PrepareNamed, Purpose, Query};
use crate::{Error, ErrorKind, Outcome, Result, Session};

/// The error for a prepared statement that is not there.
pub(super) fn no_statement(name: &str) -> Error {
    let message = match name {
        "" => "unnamed prepared statement does not exist".to_owned(),
        name => format!("prepared statement \"{name}\" does not exist"),
    };
    Error::new(ErrorKind::UndefinedStatement, message)
}

impl Connection {
    /// PREPARE: plans a statement and keeps it.
    pub(super) async fn prepare_named(&mut self, prepare: &PrepareNamed, control: &Control) -> Result<(), Failure> {
        let name = &prepare.name;
        if self.statements.contains_key(name) {
            let message = format!("prepared statement \"{name}\" already exists");
            return Err(Error::new(ErrorKind::DuplicateStatement, message).into());
        }
        let (session, types, query) = (self.session.clone(), prepare.types.clone(), prepare.query.clone());
        let planned = self.on_engine(async move {
            let mut declared = Vec::with_capacity(types.len());
            for kind in types {
                declared.push(Some(type_of(&session, &kind).await?));
            }
            query.plan(&session, &declared).await
        });
        let mut planned = control.watch(&mut self.wire, super::protocol::joined(planned)).await?;
        planned.forget_place();
        let prepared = Prepared {
            text: prepare.text.clone(),
            work: Work::Query(Box::new(planned)),
            since: SystemTime::now(),
            from_sql: true,
        };
        self.statements.insert(name.clone(), Arc::new(prepared));
        Ok(())
    }

    /// EXECUTE: makes the portal one of the prepared statement, with values for its parameters.
    pub(super) async fn execute_named(
        &mut self,
        portal: &mut Portal,
        execute: &ExecuteNamed,
        control: &Control,
    ) -> Result<(), Failure> {
        let name = &execute.name;
        let prepared = self.statements.get(name).cloned().ok_or_else(|| no_statement(name))?;
        let (needed, given) = (prepared.parameters().to_vec(), execute.count);
        if given != needed.len() {
            let message = format!("wrong number of parameters for prepared statement \"{name}\"");
            return Err(Error::new(ErrorKind::Syntax, message)
                .with_detail(format!("Expected {} parameters but got {given}.", needed.len()))
                .into());
        }
        let values = match &execute.values {
            None => Vec::new(),
            Some(query) => {
                let (session, door, query) = (self.session.clone(), Arc::clone(&self.door), query.clone());
                let values = self.on_engine(async move { evaluated(&session, &door, query, &needed).await });
                control.watch(&mut self.wire, super::protocol::joined(values)).await?
            }
        };
        portal.plan = self.bind_values(&prepared, values)?;
        portal.prepared = prepared;
        Ok(())
    }

    /// Tells the catalogue which prepared statements there are.
    pub(super) fn publish_statements(&self) {
        let named = self.statements.iter().filter(|(name, _)| !name.is_empty());
        let mut known: Vec<_> = named
            .map(|(name, prepared)| KnownStatement {
                name: name.clone(),
                prepared: Arc::clone(prepared),
            })
            .collect();
        known.sort_by(|a, b| a.name.cmp(&b.name));
        self.door.set_statements(known);
    }
}

/// The type that SQL calls so.
async fn type_of(session: &Session, name: &str) -> Result<Type> {
    let mut statements = session.parse(&format!("SELECT CAST(NULL AS {name})"))?;
    let (Some(statement), true) = (statements.pop(), statements.is_empty()) else {
        let message = format!("type \"{name}\" does not exist");
        return Err(Error::new(ErrorKind::UndefinedObject, message));
    };
    let plan = session.plan(&statement).await.map_err(|mut error| {
        error.position = None;
        error
    })?;
    let field = plan.schema().fields().first().cloned();
    Ok(field.map_or(Type::TEXT, |field| pg_type(&field)))
}

/// The values of the one row of a query, each of the type that is needed.
async fn evaluated(session: &Session, door: &Arc<Door>, query: Query, needed: &[Type]) -> Result<Vec<ScalarValue>> {
    let planned = query.plan(session, &[]).await?;
    planned.refresh(session, door).await?;
    let explain = |error: Error| planned.explain(session, error);
    let outcome = session.execute(planned.bind(Vec::new())?).await.map_err(explain)?;
    let Outcome::Rows(rows) = outcome else {
        return Err(Error::new(ErrorKind::Internal, "the values of EXECUTE are no query"));
    };
    let batches: Vec<RecordBatch> = rows.try_collect().await.map_err(|error| explain(error.into()))?;
    let row = batches.iter().find(|batch| batch.num_rows() > 0);
    let row = row.ok_or_else(|| Error::new(ErrorKind::Internal, "the values of EXECUTE gave no row"))?;
    let columns = row.columns().iter().zip(needed);
    columns
        .map(|(column, kind)| match ScalarValue::try_from_array(column, 0)? {
            // A literal is spelt as a client would spell it.
            ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)) => decode::from_text(&text, kind),
            value if *kind == Type::NUMERIC => Ok(value),
            value => Ok(value.cast_to(&arrow_type(kind))?),
        })
        .collect()
}

/// Whether a statement can be prepared: one whose rows the client gets as such.
pub(super) fn is_preparable(query: &Query) -> bool {
    matches!(query.purpose(), Purpose::Rows)
}
