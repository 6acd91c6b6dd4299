//! `CREATE VIEW`, `DROP VIEW`. A view of a user's schema lasts, where there is a state store; others are the session's.

use datafusion::execution::SessionState;
use datafusion::logical_expr::{DdlStatement, LogicalPlan};
use datafusion::sql::parser::Statement as Ast;
use datafusion::sql::sqlparser::ast::{CreateView as CreateViewAst, Query, Statement};

use super::name::{self, Found, TableName};
use super::node::Command;
use super::remove::{Drop, other_kind};
use super::{Planned, check_writes, create, done, grants, own};
use crate::session::{Outcome, Session};
use crate::state::{SchemaState, View};
use crate::{Access, DEFAULT_SCHEMA, Error, ErrorKind, Result};

/// A view to be kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct CreateView {
    view: TableName,
    query: String,
    or_replace: bool,
    if_not_exists: bool,
}

/// Whether the statement makes a view that lasts: the names in its query are then written in full.
pub(in crate::session) fn makes_lasting_view(session: &Session, ast: &Ast) -> bool {
    let Ast::Statement(statement) = ast else { return false };
    matches!(&**statement, Statement::CreateView(create) if lasts(session, create))
}

fn lasts(session: &Session, create: &CreateViewAst) -> bool {
    if create.temporary || !session.database().state().is_lasting() {
        return false;
    }
    let schema = name::parts(&create.name).ok().and_then(|(schema, _)| schema);
    // In the shell, `public` is where sessions have always kept views of their own.
    let own = session.database().config().access == Access::Full && schema.as_deref() == Some(DEFAULT_SCHEMA);
    !own
}

pub(super) async fn plan_create(session: &Session, state: &SessionState, mut create: CreateViewAst) -> Result<Planned> {
    if !lasts(session, &create) {
        if !create.temporary {
            own::check_unsaid(session, "CREATE VIEW")?;
        }
        create.temporary = false;
        return Ok(Planned::own(Statement::CreateView(create)));
    }
    let view = name::of_new(session, &create.name)?;
    let if_not_exists = create.if_not_exists;
    create.if_not_exists = false;
    let query = query_text(&create)?;
    // Planned to see whether it can be; the plan itself is made again by each session.
    let or_replace = create.or_replace;
    let planned = state
        .statement_to_plan(Ast::Statement(Box::new(Statement::CreateView(create))))
        .await?;
    if let LogicalPlan::Ddl(DdlStatement::CreateView(made)) = &planned {
        refuse_own(session, state, &made.input)?;
    }
    let command = CreateView {
        view,
        query,
        or_replace,
        if_not_exists,
    };
    Ok(Planned::command(Command::CreateView(command), None))
}

/// The text of the view's query; names of its columns become those of a query around it.
fn query_text(create: &CreateViewAst) -> Result<String> {
    let query: &Query = &create.query;
    if create.columns.is_empty() {
        return Ok(query.to_string());
    }
    let columns: Vec<String> = create.columns.iter().map(|column| column.name.to_string()).collect();
    Ok(format!("SELECT * FROM ({query}) AS \"query\" ({})", columns.join(", ")))
}

/// A view that lasts cannot read what ends with the session.
fn refuse_own(session: &Session, state: &SessionState, plan: &LogicalPlan) -> Result<()> {
    use datafusion::common::tree_node::TreeNodeRecursion;
    let mut own = None;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            let schema = scan.table_name.schema().unwrap_or(DEFAULT_SCHEMA);
            let provider = name::schema_of(state, schema);
            let found =
                provider.and_then(|provider| name::found(session, provider.as_ref(), schema, scan.table_name.table()));
            if found == Some(Found::Own) {
                own = Some(scan.table_name.to_string());
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    match own {
        Some(table) => {
            let message = format!("a view that lasts cannot read \"{table}\", which ends with the session");
            Err(Error::new(ErrorKind::Invalid, message)
                .with_hint("CREATE TEMP VIEW makes a view that ends with it too."))
        }
        None => Ok(()),
    }
}

pub(super) async fn run_create(session: &Session, create: &CreateView) -> Result<Outcome> {
    let CreateView { view, query, .. } = create;
    let store = session.database().state();
    let known = store.view(&view.schema, &view.name).is_some();
    if !known && let Some(taken) = create::taken(session, view).await? {
        return Err(taken);
    }
    let owner = session.principal().name();
    let edit = |state: &mut SchemaState| {
        if state.views.contains_key(&view.name) && !create.or_replace {
            return if create.if_not_exists {
                Ok(false)
            } else {
                Err(view.taken())
            };
        }
        let kept = View {
            query: query.clone(),
            owner: owner.to_owned(),
        };
        state.views.insert(view.name.clone(), kept);
        Ok(true)
    };
    let made = store.change(&view.schema, edit).await?;
    Ok(Outcome::Done {
        tag: "CREATE VIEW".to_owned(),
        notices: if made {
            Vec::new()
        } else {
            vec![format!("{}, skipping", view.taken().message)]
        },
    })
}

pub(super) async fn plan_drop(session: &Session, state: &SessionState, statement: Statement) -> Result<Planned> {
    let Statement::Drop { names, if_exists, .. } = &statement else {
        return Ok(Planned::engine(statement));
    };
    let mut drop = Drop {
        names: Vec::new(),
        own: Vec::new(),
        if_exists: *if_exists,
        notices: Vec::new(),
    };
    for name in names {
        match name::find(session, state, name).await? {
            Some((view, Found::View(_))) => {
                session.principal().check_write(&view.schema)?;
                drop.names.push(view);
            }
            Some((table, Found::Shared)) => return Err(other_kind(&table, "view", "DROP TABLE")),
            Some((_, Found::Own)) => return Ok(Planned::own(statement)),
            None => {
                if !session.database().state().is_lasting() {
                    check_writes(session, "DROP VIEW")?;
                }
                drop.missing(name, "view")?;
            }
        }
    }
    Ok(Planned::command(Command::DropViews(drop), None))
}

pub(super) async fn run_drop(session: &Session, drop: &Drop) -> Result<Outcome> {
    for view in &drop.names {
        let edit = |state: &mut SchemaState| {
            state.comments.remove(&view.name);
            match state.views.remove(&view.name) {
                None if !drop.if_exists => Err(view.undefined()),
                _ => Ok(()),
            }
        };
        session.database().state().change(&view.schema, edit).await?;
        grants::forget(session, view).await?;
    }
    Ok(if drop.notices.is_empty() {
        done("DROP VIEW")
    } else {
        drop.done("DROP VIEW")
    })
}
