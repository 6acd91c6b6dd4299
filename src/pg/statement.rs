//! From the text of a message to statements that are ready to run.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::{LogicalPlan, Statement as Directive};
use datafusion::sql::parser::Statement as Ast;
use datafusion::sql::sqlparser::ast::{Ident, ObjectName};
use pgwire::api::Type;

use super::copy::{self, Copy};
use super::describe::Column;
use super::door::Door;
use super::prepared::is_preparable;
use super::utility::{self, Declaration, Utility};
use super::{catalog, compat, decode, describe, infer};
use crate::session::{Intake, command};
use crate::{Error, ErrorKind, Result, Session, Statement};

/// A statement that has been read.
#[derive(Debug, Clone)]
pub(super) enum Parsed {
    Utility(Utility),
    Query(Box<Query>),
    Prepare(Box<PrepareNamed>),
    Execute(Box<ExecuteNamed>),
    CopyIn {
        table: ObjectName,
        columns: Vec<Ident>,
        options: Arc<copy::Options>,
    },
}

/// A PREPARE.
#[derive(Debug, Clone)]
pub(super) struct PrepareNamed {
    pub(super) name: String,
    /// The types of the parameters, as they are spelt.
    pub(super) types: Vec<String>,
    pub(super) query: Query,
    pub(super) text: String,
}

/// An EXECUTE.
#[derive(Debug, Clone)]
pub(super) struct ExecuteNamed {
    pub(super) name: String,
    /// How many values there are, and the query that gives them as one row.
    pub(super) count: usize,
    pub(super) values: Option<Query>,
}

/// What becomes of the rows of a statement.
#[derive(Debug, Clone)]
pub(super) enum Purpose {
    /// The client gets them as such.
    Rows,
    /// The client gets them as a copy.
    CopyOut(Arc<copy::Options>),
    /// They wait to be fetched.
    Declare(Arc<Declaration>),
}

/// Rows for a table that the client will send.
#[derive(Debug)]
pub(super) struct CopyIn {
    pub(super) intake: Arc<Intake>,
    pub(super) options: Arc<copy::Options>,
}

/// A statement for the engine.
#[derive(Debug, Clone)]
pub(super) struct Query {
    statement: Statement,
    /// Characters of the message before it; `None` if it is not in the message as such.
    offset: Option<usize>,
    purpose: Purpose,
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
        let read = parse_one(session, piece.text, piece.offset);
        parsed.extend(read?);
    }
    Ok(parsed)
}

/// Reads one statement, which begins `offset` characters into the message.
fn parse_one(session: &Session, text: &str, offset: usize) -> Result<Option<Parsed>> {
    let here = |error| shifted(error, Some(offset));
    if let Some(utility) = utility::parse(text).map_err(here)? {
        return Ok(Some(Parsed::Utility(utility)));
    }
    if let Some(prepare) = utility::prepare(text).map_err(here)? {
        let inner = parse_one(session, prepare.statement, offset + prepare.offset)?;
        let Some(Parsed::Query(query)) =
            inner.filter(|inner| matches!(inner, Parsed::Query(query) if is_preparable(query)))
        else {
            let message = "PREPARE takes SELECT, VALUES or INSERT";
            return Err(Error::new(ErrorKind::Syntax, message));
        };
        return Ok(Some(Parsed::Prepare(Box::new(PrepareNamed {
            name: prepare.name,
            types: prepare.types.into_iter().map(str::to_owned).collect(),
            query: *query,
            text: text.to_owned(),
        }))));
    }
    if let Some(execute) = utility::execute(text).map_err(here)? {
        return executed(session, &execute, offset).map(Some);
    }
    if let Some((declaration, query, within)) = utility::declaration(text).map_err(here)? {
        let purpose = Purpose::Declare(Arc::new(declaration));
        return Query::inner(session, query, Some(offset + within), purpose).map(Some);
    }
    match copy::parse(text).map_err(here)? {
        Some(Copy::Out {
            query,
            offset: within,
            options,
        }) => {
            let purpose = Purpose::CopyOut(Arc::new(options));
            Query::inner(session, &query, within.map(|within| offset + within), purpose).map(Some)
        }
        Some(Copy::In {
            table,
            columns,
            options,
        }) => Ok(Some(Parsed::CopyIn {
            table,
            columns,
            options: Arc::new(options),
        })),
        None => {
            let statement = session.parse(text).map_err(here)?.pop();
            Ok(statement.map(|statement| {
                Parsed::Query(Box::new(Query {
                    statement,
                    offset: Some(offset),
                    purpose: Purpose::Rows,
                }))
            }))
        }
    }
}

/// The values of an EXECUTE become a query of one row.
fn executed(session: &Session, execute: &utility::Execute<'_>, offset: usize) -> Result<Parsed> {
    const SELECT: &str = "SELECT ";
    let (mut count, mut values) = (0, None);
    if !execute.values.trim().is_empty() {
        // A fault stands where it is in the message, which has no SELECT.
        let place = |mut error: Error| {
            let within = error.position.and_then(|position| position.checked_sub(SELECT.len()));
            error.position = within.map(|within| within + offset + execute.offset);
            error
        };
        let text = format!("{SELECT}{}", execute.values);
        let statement = session.parse(&text).map_err(place)?.pop();
        let statement = statement.filter(Statement::is_query);
        let statement = statement.ok_or_else(|| Error::new(ErrorKind::Syntax, "EXECUTE takes values in brackets"))?;
        count = statement.columns();
        values = Some(Query {
            statement,
            offset: None,
            purpose: Purpose::Rows,
        });
    }
    Ok(Parsed::Execute(Box::new(ExecuteNamed {
        name: execute.name.clone(),
        count,
        values,
    })))
}

/// Moves the place of an error in a statement to where that is in the message.
fn shifted(mut error: Error, offset: Option<usize>) -> Error {
    error.position = error.position.zip(offset).map(|(position, offset)| position + offset);
    error
}

impl Query {
    /// What becomes of its rows.
    pub(super) fn purpose(&self) -> &Purpose {
        &self.purpose
    }

    /// A query within another statement.
    fn inner(session: &Session, text: &str, offset: Option<usize>, purpose: Purpose) -> Result<Parsed> {
        let mut statements = session.parse(text).map_err(|error| shifted(error, offset))?;
        let statement = statements.pop().filter(|statement| statement.is_query());
        let Some(statement) = statement.filter(|_| statements.is_empty()) else {
            let message = "SELECT, VALUES, TABLE or WITH is expected here, and one of them only";
            let mut error = Error::new(ErrorKind::Syntax, message);
            error.position = offset.map(|offset| offset + 1);
            return Err(error);
        };
        Ok(Parsed::Query(Box::new(Self {
            statement,
            offset,
            purpose,
        })))
    }

    /// Plans the statement. `declared` are the types that the client gave its parameters; those it left open are
    /// inferred.
    pub(super) async fn plan(mut self, session: &Session, declared: &[Option<Type>]) -> Result<Planned> {
        let said = match self.statement.ast() {
            Ast::Statement(statement) => compat::said(statement),
            _ => BTreeMap::new(),
        };
        let rewritten =
            compat::rewrite(self.statement.ast_mut(), declared).map_err(|error| self.explain(session, error))?;
        let mut plan = session.plan(&self.statement).await;
        if plan.is_err() && compat::add_intervals(self.statement.ast_mut()) {
            plan = session.plan(&self.statement).await.or(plan);
        }
        let plan = plan.map_err(|error| shifted(error, self.offset))?;
        let plan = compat::finish(plan).map_err(|error| self.explain(session, error))?;
        let uses_catalog = rewritten.uses_catalog || scans_catalog(&plan)?;
        let plan = if uses_catalog { compat::decorrelate(plan)? } else { plan };
        let parameters = parameters(&plan, declared, &said)?;
        let columns = columns(&plan, &parameters, &rewritten.labels)?;
        let verb = match (&plan, command(&plan)) {
            _ if matches!(self.purpose, Purpose::CopyOut(_)) => "COPY",
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
    /// What becomes of its rows.
    pub(super) fn purpose(&self) -> &Purpose {
        &self.query.purpose
    }

    /// From now on its text is not that of the message: errors have no place in it.
    pub(super) fn forget_place(&mut self) {
        self.query.offset = None;
    }

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

/// The type of each parameter: as declared, else as the plan needs it, else as the text says, else text.
fn parameters(plan: &LogicalPlan, declared: &[Option<Type>], said: &BTreeMap<usize, Type>) -> Result<Vec<Type>> {
    let inferred = infer::parameters(plan)?;
    let numbers = inferred.keys().chain(said.keys());
    let count = numbers.copied().max().unwrap_or(0).max(declared.len());
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
            .or_else(|| said.get(&(at + 1)).cloned())
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
        return Ok(Some(describe::columns(plan, labels)));
    }
    let nulls = parameters.iter().map(decode::null).collect::<Result<Vec<_>>>()?;
    let bound = plan.clone().with_param_values(nulls)?;
    Ok(Some(describe::columns(&bound, labels)))
}
