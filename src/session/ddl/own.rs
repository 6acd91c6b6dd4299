//! Tables of the session's own: made, filled and dropped in memory.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::common::{Constraints, TableReference};
use datafusion::datasource::{MemTable, TableType};
use datafusion::execution::SessionState;
use datafusion::logical_expr::dml::InsertOp;
use datafusion::logical_expr::{CreateMemoryTable, DdlStatement, Expr, LogicalPlan, WriteOp};
use datafusion::physical_plan::execute_stream;
use datafusion::sql::parser::Statement as Ast;
use datafusion::sql::sqlparser::ast::{CreateTable, Insert, Statement};
use futures::TryStreamExt;

use super::name::{self, SYSTEM_SCHEMAS, TableName};
use super::node::Command;
use super::{Intake, Planned, allow, check_writes, done, tables};
use crate::session::views::is_own;
use crate::session::{Outcome, Session};
use crate::{Access, DEFAULT_CATALOG, DEFAULT_SCHEMA, Error, ErrorKind, Result};

/// A table to be made in memory of the rows of a query.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct CreateOwn {
    table: TableName,
    constraints: Constraints,
    defaults: Vec<(String, Expr)>,
    if_not_exists: bool,
    or_replace: bool,
    /// Whether a query gives rows, which are counted in the command tag then.
    filled: bool,
}

/// Refuses, on a server, to make for the session alone what was not said to be temporary, unless its user may write.
///
/// # Errors
/// SQLSTATE 25006 or 42501.
pub(super) fn check_unsaid(session: &Session, tag: &str) -> Result<()> {
    check_writes(session, tag)?;
    match session.database().config().access {
        Access::Full => Ok(()),
        Access::ReadOnly => session.principal().check_write(session.principal().name()),
    }
}

pub(super) async fn plan_create(session: &Session, state: &SessionState, mut create: CreateTable) -> Result<Planned> {
    if !create.temporary && session.database().config().access == Access::ReadOnly {
        return Err(allow::refused("CREATE TABLE").with_hint(
            "CREATE TEMPORARY TABLE makes one in memory, for this session; a --writable root is for others.",
        ));
    }
    create.temporary = false;
    let filled = create.query.is_some();
    let statement = Statement::CreateTable(create);
    let plan = state.statement_to_plan(Ast::Statement(Box::new(statement))).await?;
    let LogicalPlan::Ddl(DdlStatement::CreateMemoryTable(made)) = plan else {
        let message = "CREATE TABLE was planned as something else";
        return Err(Error::new(ErrorKind::Internal, message));
    };
    let CreateMemoryTable {
        name,
        constraints,
        input,
        if_not_exists,
        or_replace,
        column_defaults,
        ..
    } = made;
    let create = CreateOwn {
        table: TableName {
            schema: name.schema().unwrap_or(DEFAULT_SCHEMA).to_owned(),
            name: name.table().to_owned(),
        },
        constraints,
        defaults: column_defaults,
        if_not_exists,
        or_replace,
        filled,
    };
    Ok(Planned::command(
        Command::CreateOwn(Box::new(create)),
        Some(Arc::unwrap_or_clone(input)),
    ))
}

pub(super) async fn run_create(session: &Session, create: &CreateOwn, query: &LogicalPlan) -> Result<Outcome> {
    let (table, context) = (&create.table, session.context());
    let tag = if create.filled {
        "CREATE TABLE AS"
    } else {
        "CREATE TABLE"
    };
    if !create.or_replace && context.table_exist(reference(table))? {
        return if create.if_not_exists {
            Ok(Outcome::Done {
                tag: tag.to_owned(),
                notices: vec![format!("{}, skipping", table.taken().message)],
            })
        } else {
            Err(table.taken())
        };
    }
    let (input, mut guard) = tables::input(session, query).await?;
    let (rows, share) = session.own.counted(execute_stream(input.plan, input.task)?);
    let schema = Arc::clone(query.schema().inner());
    let batches: Vec<RecordBatch> = guard.settled(rows.try_collect().await)?;
    let count: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let made = MemTable::try_new(schema, vec![batches])?
        .with_constraints(create.constraints.clone())
        .with_column_defaults(create.defaults.iter().cloned().collect());
    if create.or_replace {
        remove(session, table)?;
    }
    context.register_table(reference(table), Arc::new(made))?;
    session.own.keep(&table.schema, &table.name, share);
    Ok(done(if create.filled {
        format!("SELECT {count}")
    } else {
        tag.to_owned()
    }))
}

/// `table` is the session's own.
pub(super) async fn plan_insert(
    session: &Session,
    state: &SessionState,
    insert: Insert,
    table: TableName,
) -> Result<Planned> {
    let provider = provider(session, &table).await?;
    let statement = Statement::Insert(insert);
    if provider.downcast_ref::<MemTable>().is_none() {
        // One over files.
        check_writes(session, "INSERT")?;
        return Ok(Planned::engine(statement));
    }
    let plan = state.statement_to_plan(Ast::Statement(Box::new(statement))).await?;
    match plan {
        LogicalPlan::Dml(dml) if dml.op == WriteOp::Insert(InsertOp::Append) => Ok(Planned::command(
            Command::InsertOwn(table),
            Some(Arc::unwrap_or_clone(dml.input)),
        )),
        _ => Err(Error::new(
            ErrorKind::NotSupported,
            "INSERT OVERWRITE and REPLACE INTO are not supported",
        )),
    }
}

pub(super) async fn run_insert(session: &Session, table: &TableName, query: &LogicalPlan) -> Result<Outcome> {
    let intake = Intake::whole(table.clone(), provider(session, table).await?);
    // What takes them in is listed.
    let (input, _guard) = tables::input_of(session, query, false).await?;
    let rows = execute_stream(input.plan, input.task)?;
    Ok(done(format!("INSERT 0 {}", session.take_in(&intake, rows).await?)))
}

/// Drops a table or view that the session made.
pub(super) fn remove(session: &Session, table: &TableName) -> Result<()> {
    session.context().deregister_table(reference(table))?;
    session.own.forget(&table.schema, &table.name);
    Ok(())
}

/// Drops all tables and views that the session made.
///
/// # Errors
/// None that a caller can cause.
pub(in crate::session) fn drop_all(session: &Session) -> Result<()> {
    let state = session.context().state();
    let catalog = state.catalog_list().catalog(DEFAULT_CATALOG);
    let schemas = catalog.map(|catalog| catalog.schema_names()).unwrap_or_default();
    for schema in schemas
        .iter()
        .filter(|schema| !SYSTEM_SCHEMAS.contains(&schema.as_str()))
    {
        let Some(provider) = name::schema_of(&state, schema) else {
            continue;
        };
        for name in provider.table_names() {
            if is_own(provider.as_ref(), &name) {
                let schema = schema.clone();
                remove(session, &TableName { schema, name })?;
            }
        }
    }
    Ok(())
}

pub(super) async fn is_view(session: &Session, table: &TableName) -> Result<bool> {
    Ok(provider(session, table).await?.table_type() == TableType::View)
}

pub(super) async fn provider(session: &Session, table: &TableName) -> Result<Arc<dyn TableProvider>> {
    Ok(session.context().table_provider(reference(table)).await?)
}

pub(super) fn reference(table: &TableName) -> TableReference {
    TableReference::full(DEFAULT_CATALOG, table.schema.clone(), table.name.clone())
}
