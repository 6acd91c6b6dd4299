//! Statements that define and write: planned and run here, not by the engine, wherever they concern what outlives the
//! session.
//!
//! ```text
//!  CREATE TABLE … AS, INSERT, COPY … TO ──► rights, place ──► Command over the query's plan ──► rows stream into a writer
//!  DROP, ALTER, COMMENT, VIEW, VACUUM   ──► rights, place ──► Command                       ──► manifest or state store
//! ```
//!
//! What a session makes for itself alone (temporary tables and views, and everything in a shell that has no writable
//! root) is in memory (`own`); anybody may. How a table is written so that a crash leaves the old one or the new one is
//! `dreyer-hats`' business; views and comments are [`crate::state`]'s.

mod comment;
mod copy;
mod create;
mod external;
mod grants;
mod insert;
mod intake;
mod location;
mod name;
mod named_file;
mod node;
mod own;
mod positions;
mod remove;
mod rename;
mod sink;
mod tables;
mod vacuum;
mod view;

use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::{CopyToSource, ExplainStatement, Statement as Ast};
use datafusion::sql::sqlparser::ast::{CopySource, ObjectName, ObjectType, Statement};

pub(super) use copy::with_query;
pub(crate) use intake::Intake;
pub(super) use named_file::{open as open_files, take as take_files};
pub(crate) use node::command;
use node::{Command, CommandNode};
pub(super) use own::drop_all as drop_own;
pub(super) use view::makes_lasting_view;

use super::{Outcome, Session, allow};
use crate::{Access, Error, ErrorKind, Result};

/// What a statement comes to.
enum Planned {
    /// A plan.
    Plan(Box<LogicalPlan>),
    /// The engine plans it.
    Engine(Box<Ast>),
    /// The engine plans it, and it concerns what this session alone sees.
    Own(Box<Ast>),
}

impl Planned {
    fn command(command: Command, input: Option<LogicalPlan>) -> Self {
        Self::Plan(Box::new(CommandNode::new(command, input).into_plan()))
    }

    fn engine(statement: Statement) -> Self {
        Self::Engine(Box::new(Ast::Statement(Box::new(statement))))
    }

    fn own(statement: Statement) -> Self {
        Self::Own(Box::new(Ast::Statement(Box::new(statement))))
    }
}

/// Plans a statement whose names have been resolved, and checks that this session may run it.
///
/// # Errors
/// The rights are lacking, names do not exist, the engine cannot plan the query inside.
pub(super) async fn plan(session: &Session, state: &SessionState, ast: Ast) -> Result<LogicalPlan> {
    let planned = match ast {
        Ast::CreateExternalTable(create) => external::plan(session, state, create).await?,
        Ast::CopyTo(copy) => copy::plan(session, state, copy).await?,
        Ast::Statement(statement) => Box::pin(plan_statement(session, state, *statement)).await?,
        Ast::Explain(explain) => Planned::Engine(Box::new(Ast::Explain(explained(session, explain)?))),
        ast @ Ast::Reset(_) => Planned::Engine(Box::new(ast)),
    };
    let (ast, own) = match planned {
        Planned::Plan(plan) => return Ok(*plan),
        Planned::Engine(ast) => (*ast, false),
        Planned::Own(ast) => (*ast, true),
    };
    let plan = state.statement_to_plan(ast).await?;
    if session.database().config().access == Access::ReadOnly {
        allow::check_read_only(&plan, own)?;
    }
    allow::check_shared(&plan, state)?;
    allow::check_places(&plan, session.database().stores())?;
    Ok(plan)
}

async fn plan_statement(session: &Session, state: &SessionState, statement: Statement) -> Result<Planned> {
    match statement {
        Statement::CreateTable(create) => create::plan(session, state, create).await,
        Statement::CreateView(create) => view::plan_create(session, state, create).await,
        Statement::Insert(insert) => insert::plan(session, state, insert).await,
        Statement::Drop {
            object_type: ObjectType::Table,
            ..
        } => remove::plan(session, state, statement).await,
        Statement::Drop {
            object_type: ObjectType::View,
            ..
        } => view::plan_drop(session, state, statement).await,
        Statement::AlterTable(alter) => rename::plan(session, state, &alter).await,
        Statement::Comment { .. } => comment::plan(session, state, &statement).await,
        Statement::Vacuum(vacuum) => vacuum::plan(session, state, &vacuum).await,
        Statement::Copy { .. } => copy::plan_postgres(session, state, statement).await,
        Statement::Delete(_) => changes_rows(session, state, statement, "DELETE").await,
        Statement::Update(_) => changes_rows(session, state, statement, "UPDATE").await,
        Statement::Merge { .. } => changes_rows(session, state, statement, "MERGE").await,
        Statement::Truncate(_) => changes_rows(session, state, statement, "TRUNCATE").await,
        Statement::Grant(grant) => grants::plan_grant(session, state, &grant).await,
        Statement::Revoke(revoke) => grants::plan_revoke(session, state, &revoke).await,
        Statement::CreateRole(create) => grants::plan_create(session, &create),
        Statement::AlterRole { name, operation } => grants::plan_alter_role(session, &name, &operation),
        Statement::AlterUser(alter) => grants::plan_alter_user(session, &alter),
        Statement::Drop {
            object_type: ObjectType::Role,
            names,
            if_exists,
            ..
        } => grants::plan_drop(session, &names, if_exists),
        Statement::Prepare { .. } if writes(&statement) && session.database().config().writable.is_some() => {
            let message = "PREPARE of a statement that writes is not supported";
            Err(Error::new(ErrorKind::NotSupported, message)
                .with_hint("A driver's own prepared statements, with $1 or %s for values, may write."))
        }
        statement => Ok(Planned::engine(statement)),
    }
}

/// Whether what PREPARE prepares would write.
fn writes(statement: &Statement) -> bool {
    match statement {
        Statement::Prepare { statement, .. } => !matches!(&**statement, Statement::Query(_)),
        _ => false,
    }
}

/// EXPLAIN of a statement that writes the rows of a query is that of the query. ANALYZE would run it, and the engine
/// alone cannot.
fn explained(session: &Session, mut explain: ExplainStatement) -> Result<ExplainStatement> {
    let query = match &*explain.statement {
        Ast::Statement(statement) => match &**statement {
            Statement::CreateTable(create) => create.query.clone(),
            Statement::Insert(insert) => insert.source.clone(),
            Statement::Copy {
                source: CopySource::Query(query),
                ..
            } => Some(query.clone()),
            _ => None,
        },
        Ast::CopyTo(copy) => match &copy.source {
            CopyToSource::Query(query) => Some(query.clone()),
            CopyToSource::Relation(_) => None,
        },
        _ => None,
    };
    let Some(query) = query else { return Ok(explain) };
    check_writes(session, "EXPLAIN of a statement that writes")?;
    if explain.options.analyze {
        let message = "EXPLAIN ANALYZE of a statement that writes is not supported";
        return Err(Error::new(ErrorKind::NotSupported, message).with_hint("EXPLAIN ANALYZE its query."));
    }
    *explain.statement = Ast::Statement(Box::new(Statement::Query(query)));
    Ok(explain)
}

/// The name of what a statement makes.
pub(super) fn name_of_new(ast: &mut Ast) -> Option<&mut ObjectName> {
    match ast {
        Ast::Statement(statement) => match &mut **statement {
            Statement::CreateTable(create) => Some(&mut create.name),
            Statement::CreateView(create) => Some(&mut create.name),
            _ => None,
        },
        _ => None,
    }
}

/// Runs a command.
///
/// # Errors
/// Those of the query inside, of the stores, and of others who changed the same at the same time.
pub(super) async fn run(session: &Session, node: &CommandNode) -> Result<Outcome> {
    match &node.command {
        Command::CreateTable(create) => create::run(session, create, node.input()?).await,
        Command::CreateOwn(create) => own::run_create(session, create, node.input()?).await,
        Command::InsertOwn(table) => own::run_insert(session, table, node.input()?).await,
        Command::Insert(table) => insert::run(session, table, node.input()?).await,
        Command::Copy(copy) => copy::run(session, copy, node.input()?).await,
        Command::CreateView(create) => view::run_create(session, create).await,
        Command::DropTables(drop) => remove::run(session, drop).await,
        Command::DropViews(drop) => view::run_drop(session, drop).await,
        Command::Rename { from, to } => rename::run(session, from, to).await,
        Command::Comment(comment) => comment::run(session, comment).await,
        Command::Vacuum(table) => vacuum::run(session, table.as_ref()).await,
        Command::CreateExternal(create) => external::run(session, create).await,
        Command::Roles(change) => grants::run(session, change).await,
    }
}

/// Refuses a statement where nothing may be written at all.
///
/// # Errors
/// SQLSTATE 25006.
fn check_writes(session: &Session, tag: &str) -> Result<()> {
    let config = session.database().config();
    if config.access == Access::Full || config.writable.is_some() {
        Ok(())
    } else {
        Err(allow::refused(tag))
    }
}

/// Rows are added, never changed: of a table of the session's own the engine may know more.
async fn changes_rows(session: &Session, state: &SessionState, statement: Statement, tag: &str) -> Result<Planned> {
    check_writes(session, tag)?;
    let name = match &statement {
        Statement::Delete(delete) => name::of_delete(delete),
        Statement::Update(update) => name::of_tables([&update.table]),
        Statement::Truncate(truncate) => truncate.table_names.first().map(|target| &target.name),
        _ => None,
    };
    let own = match name {
        Some(name) => matches!(name::find(session, state, name).await?, Some((_, name::Found::Own))),
        None => false,
    };
    if own {
        return Ok(Planned::engine(statement));
    }
    let hint = "Rows of a table that lasts can be added, not changed: CREATE TABLE … AS SELECT … WHERE makes a table \
                of the rows to keep, DROP TABLE and ALTER TABLE … RENAME TO put it in the place of the old one.";
    Err(Error::new(ErrorKind::NotSupported, format!("{tag} is not supported")).with_hint(hint))
}

/// Says that it was done.
fn done(tag: impl Into<String>) -> Outcome {
    Outcome::Done {
        tag: tag.into(),
        notices: Vec::new(),
    }
}
