//! `CREATE TABLE`, empty or `AS` a query.
//!
//! A table that lasts is a HATS catalogue where its rows have positions, plain Parquet otherwise. A temporary one, or
//! any in a shell without a writable root, is the session's own.

use datafusion::common::{Column, Constraints};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{CreateMemoryTable, DdlStatement, Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{CreateTable as Ast, CreateTableOptions, Statement};
use dreyer_sky::hats::managed::ManagedTable;

use super::name::{self, Found, TableName};
use super::node::Command;
use super::positions::Wanted;
use super::{Planned, own, tables};
use crate::session::{Outcome, Session};
use crate::{Error, ErrorKind, Result};

/// Columns that a catalogue makes itself: the index of the cell, and the tile where older importers wrote it.
pub(super) const MADE_COLUMNS: [&str; 4] = ["_healpix_29", "Norder", "Dir", "Npix"];

/// A table to be made of the rows of a query.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct CreateTable {
    table: TableName,
    positions: Wanted,
    if_not_exists: bool,
    /// Whether a query gives rows, which are counted in the command tag then.
    filled: bool,
}

pub(super) async fn plan(session: &Session, state: &SessionState, mut create: Ast) -> Result<Planned> {
    let wanted = Wanted::read(&create.table_options)?;
    create.table_options = CreateTableOptions::None;
    let lasting = !create.temporary && session.database().config().writable.is_some();
    if !lasting {
        return own::plan_create(session, state, create).await;
    }
    let table = name::of_new(session, &create.name)?;
    if create.or_replace {
        let hint = format!("DROP TABLE IF EXISTS {table} first.");
        return Err(Error::new(ErrorKind::NotSupported, "CREATE OR REPLACE TABLE is not supported").with_hint(hint));
    }
    let filled = create.query.is_some();
    let plan = state
        .statement_to_plan(datafusion::sql::parser::Statement::Statement(Box::new(
            Statement::CreateTable(create),
        )))
        .await?;
    let LogicalPlan::Ddl(DdlStatement::CreateMemoryTable(made)) = plan else {
        return Err(Error::new(
            ErrorKind::Internal,
            "CREATE TABLE was planned as something else",
        ));
    };
    refuse_constraints(&made)?;
    let command = CreateTable {
        table,
        // Columns are looked at now, so that a mistake is told before the query runs.
        positions: checked(wanted, &made.input)?,
        if_not_exists: made.if_not_exists,
        filled,
    };
    Ok(Planned::command(
        Command::CreateTable(command),
        Some(LogicalPlan::clone(&made.input)),
    ))
}

fn checked(wanted: Wanted, input: &LogicalPlan) -> Result<Wanted> {
    wanted.among(input.schema().as_arrow())?;
    Ok(wanted)
}

fn refuse_constraints(made: &CreateMemoryTable) -> Result<()> {
    if made.constraints == Constraints::default() && made.column_defaults.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::NotSupported,
        "constraints and defaults are not kept by tables that last",
    )
    .with_hint("Leave PRIMARY KEY, UNIQUE, REFERENCES and DEFAULT out."))
}

pub(super) async fn run(session: &Session, create: &CreateTable, query: &LogicalPlan) -> Result<Outcome> {
    let table = &create.table;
    if let Some(taken) = taken(session, table).await? {
        return if create.if_not_exists {
            Ok(Outcome::Done {
                tag: if create.filled {
                    "CREATE TABLE AS"
                } else {
                    "CREATE TABLE"
                }
                .to_owned(),
                notices: vec![format!("{}, skipping", taken.message)],
            })
        } else {
            Err(taken)
        };
    }
    let positions = create.positions.among(query.schema().as_arrow())?;
    let query = if positions.is_some() {
        without_made(query)?
    } else {
        query.clone()
    };
    let (input, mut guard) = tables::input(session, &query).await?;
    let place = tables::place(session, table)?;
    let options = tables::options(session, positions.as_ref());
    let plain = positions.is_none();
    let made = tables::on_engine(session, async move {
        Ok(match plain {
            true => ManagedTable::create_plain(place, input, &options).await?,
            false => ManagedTable::create(place, input, &options).await?,
        })
    });
    let made = guard.settled(made.await).map_err(|error| error_of(error, table))?;
    tables::forget(session, table).await;
    let mut notices = Vec::new();
    if positions.is_none() {
        notices.push(format!(
            "table \"{table}\" has no positions: no pair of its columns is known to be right ascension and declination \
             (WITH (ra = 'x', dec = 'y') names them)"
        ));
        tracing::info!(%table, "stored a table without positions");
    }
    let tag = if create.filled {
        format!("SELECT {}", made.rows())
    } else {
        "CREATE TABLE".to_owned()
    };
    Ok(Outcome::Done { tag, notices })
}

/// The error for a name that is taken, if it is.
pub(super) async fn taken(session: &Session, table: &TableName) -> Result<Option<Error>> {
    let state = session.context().state();
    if table.schema == crate::DEFAULT_SCHEMA && session.database().tables().has_schema(&table.name) {
        let message = format!("\"{}\" is the name of a schema", table.name);
        return Ok(Some(Error::new(ErrorKind::DuplicateTable, message)));
    }
    if session
        .database()
        .tables()
        .has_table(crate::DEFAULT_SCHEMA, &table.schema)
    {
        let message = format!("no schema can be called \"{}\": a table lies there", table.schema);
        return Ok(Some(Error::new(ErrorKind::DuplicateTable, message)));
    }
    // Asking for the table, not the list, sees what another process has made a moment ago.
    let there = session
        .database()
        .tables()
        .table(&table.schema, &table.name)
        .await?
        .is_some();
    let found = name::schema_of(&state, &table.schema)
        .and_then(|schema| name::found(session, schema.as_ref(), &table.schema, &table.name));
    Ok((there || matches!(found, Some(Found::View(_)))).then(|| table.taken()))
}

/// A table that was made while this one was being written has its name.
pub(super) fn error_of(error: Error, table: &TableName) -> Error {
    match error.kind {
        ErrorKind::DuplicateTable => table.taken(),
        _ => error,
    }
}

/// The query without the columns that the catalogue makes itself.
pub(super) fn without_made(query: &LogicalPlan) -> Result<LogicalPlan> {
    let fields = query.schema().iter();
    let kept: Vec<_> = fields
        .filter(|(_, field)| !MADE_COLUMNS.contains(&field.name().as_str()))
        .map(|field| Expr::Column(Column::from(field)))
        .collect();
    if kept.len() == query.schema().fields().len() {
        return Ok(query.clone());
    }
    Ok(LogicalPlanBuilder::from(query.clone()).project(kept)?.build()?)
}
