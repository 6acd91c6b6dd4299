//! From the text of a message to statements that are ready to run.

use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::{LogicalPlan, Statement as Directive};
use pgwire::api::Type;

use super::describe::Column;
use super::door::Door;
use super::utility::{self, Utility};
use super::{catalog, compat, decode, describe, infer};
use crate::session::command;
use crate::{Error, ErrorKind, Result, Session, Statement};

/// A statement that has been read.
#[derive(Debug, Clone)]
pub(super) enum Parsed {
    Utility(Utility),
    Query(Query),
}

/// A statement for the engine.
#[derive(Debug, Clone)]
pub(super) struct Query {
    statement: Statement,
    /// Characters of the message before it.
    offset: usize,
}

/// A statement that has been planned.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    query: Query,
    plan: LogicalPlan,
    /// Whether it reads the catalogue, which has to be fresh then.
    uses_catalog: bool,
    pub(super) parameters: Vec<Type>,
    /// The columns of its rows; `None` if it gives none.
    pub(super) columns: Option<Arc<[Column]>>,
    /// The word of the command tag that stands before the number of rows.
    pub(super) verb: &'static str,
}

/// The statements of a message. A fault in one is a fault of all: none runs.
pub(super) fn parse(session: &Session, text: &str) -> Result<Vec<Parsed>> {
    let pieces = dreyer_adql::split(text).map_err(|error| Error::from(error).located(text, 0))?;
    let mut parsed = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let read = match utility::parse(piece.text) {
            Ok(Some(utility)) => Ok(Some(Parsed::Utility(utility))),
            Ok(None) => session.parse(piece.text).map(|mut statements| {
                statements.pop().map(|statement| {
                    Parsed::Query(Query {
                        statement,
                        offset: piece.offset,
                    })
                })
            }),
            Err(error) => Err(error),
        };
        parsed.extend(read.map_err(|error| shifted(error, piece.offset))?);
    }
    Ok(parsed)
}

/// Moves the place of an error in a statement to where that is in the message.
fn shifted(mut error: Error, offset: usize) -> Error {
    error.position = error.position.map(|position| position + offset);
    error
}

impl Query {
    /// Plans the statement. `declared` are the types that the client gave its parameters; those it left open are
    /// inferred.
    pub(super) async fn plan(mut self, session: &Session, declared: &[Option<Type>]) -> Result<Planned> {
        let rewritten =
            compat::rewrite(self.statement.ast_mut(), declared).map_err(|error| self.explain(session, error))?;
        let plan = session
            .plan(&self.statement)
            .await
            .map_err(|error| shifted(error, self.offset))?;
        let plan = compat::finish(plan).map_err(|error| self.explain(session, error))?;
        let uses_catalog = rewritten.uses_catalog || scans_catalog(&plan)?;
        let plan = if uses_catalog { compat::decorrelate(plan)? } else { plan };
        let parameters = parameters(&plan, declared)?;
        let columns = columns(&plan, &parameters, &rewritten.labels)?;
        let verb = match (&plan, command(&plan)) {
            (LogicalPlan::Explain(_) | LogicalPlan::Analyze(_), _) => "EXPLAIN",
            (_, Some(command)) => command.verb(),
            (_, None) => "SELECT",
        };
        Ok(Planned {
            query: self,
            plan,
            uses_catalog,
            parameters,
            columns,
            verb,
        })
    }

    fn explain(&self, session: &Session, error: impl Into<Error>) -> Error {
        shifted(session.explain(error, &self.statement), self.offset)
    }
}

impl Planned {
    /// The plan with values in the place of parameters.
    pub(super) fn bind(&self, values: Vec<ScalarValue>) -> Result<LogicalPlan> {
        if values.is_empty() {
            return Ok(self.plan.clone());
        }
        Ok(self.plan.clone().with_param_values(values)?)
    }

    /// Sees to it that the catalogue is fresh, if the plan reads it.
    pub(super) async fn refresh(&self, session: &Session, door: &Arc<Door>) -> Result<()> {
        if self.uses_catalog {
            door.refresh(session).await
        } else {
            Ok(())
        }
    }

    /// An error met while this ran, with its place.
    pub(super) fn explain(&self, session: &Session, error: impl Into<Error>) -> Error {
        self.query.explain(session, error)
    }
}

/// Whether a plan reads the catalogue: the engine's SHOW statements do, without a word of it.
fn scans_catalog(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            let provider = source_as_provider(&scan.source)?;
            found |= catalog::is_source(provider.as_ref());
        }
        Ok(if found {
            TreeNodeRecursion::Stop
        } else {
            TreeNodeRecursion::Continue
        })
    })?;
    Ok(found)
}

/// The type of each parameter: as declared, else as the plan needs it, else text.
fn parameters(plan: &LogicalPlan, declared: &[Option<Type>]) -> Result<Vec<Type>> {
    let inferred = infer::parameters(plan)?;
    let count = inferred.keys().copied().max().unwrap_or(0).max(declared.len());
    if count > usize::from(u16::MAX) {
        return Err(Error::new(
            ErrorKind::LimitExceeded,
            format!("${count} is more parameters than fit a message"),
        ));
    }
    let of = |at: usize| {
        let declared = declared.get(at).cloned().flatten();
        declared
            .or_else(|| inferred.get(&(at + 1)).cloned().flatten())
            .unwrap_or(Type::TEXT)
    };
    Ok((0..count).map(of).collect())
}

/// The columns that the plan gives once its parameters have values of their types.
fn columns(plan: &LogicalPlan, parameters: &[Type], labels: &compat::Labels) -> Result<Option<Arc<[Column]>>> {
    let silent = match plan {
        LogicalPlan::Ddl(_) | LogicalPlan::Dml(_) | LogicalPlan::Copy(_) => true,
        LogicalPlan::Statement(statement) => !matches!(statement, Directive::Execute(_)),
        plan => command(plan).is_some(),
    };
    if silent {
        return Ok(None);
    }
    if parameters.is_empty() {
        return Ok(Some(describe::columns(plan.schema(), labels)));
    }
    let nulls = parameters.iter().map(decode::null).collect::<Result<Vec<_>>>()?;
    let bound = plan.clone().with_param_values(nulls)?;
    Ok(Some(describe::columns(bound.schema(), labels)))
}
