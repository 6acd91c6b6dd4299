//! `INSERT INTO … SELECT | VALUES`: the rows become an increment of the table, committed as a whole.

use datafusion::execution::SessionState;
use datafusion::logical_expr::dml::InsertOp;
use datafusion::logical_expr::{LogicalPlan, WriteOp};
use datafusion::sql::parser::Statement as Ast;
use datafusion::sql::sqlparser::ast::{Ident, Insert, ObjectName, SetExpr, Statement, TableObject};

use super::create::{MADE_COLUMNS, without_made};
use super::name::{self, Found, TableName};
use super::node::Command;
use super::{Planned, check_writes, done, own, tables};
use crate::session::{Outcome, Session};
use crate::{Error, ErrorKind, Result};

pub(super) async fn plan(session: &Session, state: &SessionState, mut insert: Insert) -> Result<Planned> {
    let TableObject::TableName(target) = &insert.table else {
        check_writes(session, "INSERT")?;
        return Ok(Planned::engine(Statement::Insert(insert)));
    };
    let (table, found) = match name::find(session, state, target).await? {
        Some(found) => found,
        None => {
            check_writes(session, "INSERT")?;
            // The engine says what there is instead.
            return Ok(Planned::engine(Statement::Insert(insert)));
        }
    };
    match found {
        Found::Own => return own::plan_insert(session, state, insert, table).await,
        Found::View(_) => {
            let message = format!("cannot insert into view \"{table}\"");
            return Err(Error::new(ErrorKind::WrongObjectType, message));
        }
        Found::Shared => check_writes(session, "INSERT")?,
    }
    session.principal().check_write(&table.schema)?;
    tables::open_to_write(session, &table).await?;
    insert.table = TableObject::TableName(quoted(&table));
    if insert.columns.is_empty() {
        insert.columns = columns(session, state, &insert, &table).await?;
    }
    let plan = state
        .statement_to_plan(Ast::Statement(Box::new(Statement::Insert(insert))))
        .await?;
    let LogicalPlan::Dml(dml) = plan else {
        return Err(Error::new(ErrorKind::Internal, "INSERT was planned as something else"));
    };
    if dml.op != WriteOp::Insert(InsertOp::Append) {
        return Err(Error::new(
            ErrorKind::NotSupported,
            "INSERT OVERWRITE and REPLACE INTO are not supported",
        )
        .with_hint("DROP TABLE and CREATE TABLE … AS replace a table."));
    }
    let input = without_made(&dml.input)?;
    Ok(Planned::command(Command::Insert(table), Some(input)))
}

/// The name in full, for the planner.
fn quoted(table: &TableName) -> ObjectName {
    ObjectName::from(
        [&table.schema, &table.name]
            .map(|part| Ident::with_quote('"', part))
            .to_vec(),
    )
}

/// The columns that an INSERT without a list of them means: all that the table has, but those that it makes itself are
/// left out where the rows leave them out.
async fn columns(
    session: &Session,
    state: &SessionState,
    insert: &Insert,
    table: &TableName,
) -> Result<Vec<ObjectName>> {
    let provider = session
        .database()
        .tables()
        .table(&table.schema, &table.name)
        .await?
        .ok_or_else(|| table.undefined())?;
    let schema = provider.schema();
    let all: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let given: Vec<&str> = all
        .iter()
        .copied()
        .filter(|name| !MADE_COLUMNS.contains(name))
        .collect();
    let width = match &insert.source {
        Some(source) => match source.body.as_ref() {
            SetExpr::Values(values) => values.rows.first().map_or(0, |row| row.len()),
            _ => {
                let query = Statement::Query(source.clone());
                let plan = state.statement_to_plan(Ast::Statement(Box::new(query))).await?;
                plan.schema().fields().len()
            }
        },
        None => given.len(),
    };
    let meant = if width == all.len() { all } else { given };
    if width != meant.len() {
        let kind = if width > meant.len() { "more" } else { "fewer" };
        let message = format!(
            "INSERT has {kind} values than table \"{table}\" has columns: {width} for {}",
            meant.len()
        );
        return Err(Error::new(ErrorKind::Syntax, message).with_hint(format!(
            "Name the columns that the values are for: INSERT INTO {table} ({}, …)",
            meant.first().unwrap_or(&"")
        )));
    }
    let name = |name: &str| ObjectName::from(vec![Ident::with_quote('"', name)]);
    Ok(meant.into_iter().map(name).collect())
}

pub(super) async fn run(session: &Session, table: &TableName, query: &LogicalPlan) -> Result<Outcome> {
    let (input, mut guard) = tables::input(session, query).await?;
    let managed = tables::open_to_write(session, table).await?;
    let before = managed.rows();
    let appended = tables::on_engine(session, async move { Ok(managed.append(input).await?) }).await;
    let appended = guard.settled(appended)?;
    tables::forget(session, table).await;
    Ok(done(format!("INSERT 0 {}", appended.rows().saturating_sub(before))))
}
