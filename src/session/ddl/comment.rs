//! `COMMENT ON TABLE | VIEW | COLUMN`: kept in the table's manifest where it has one, else in the state store.

use datafusion::execution::SessionState;
use datafusion::sql::sqlparser::ast::{CommentObject, ObjectName, Statement};

use super::name::{self, Found, TableName};
use super::node::Command;
use super::{Planned, check_writes, done, remove, tables};
use crate::error::Place;
use crate::session::{Outcome, Session};
use crate::{Error, ErrorKind, Result};

/// A comment to be made.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct CommentOn {
    table: TableName,
    column: Option<String>,
    /// None takes the comment away.
    text: Option<String>,
}

pub(super) async fn plan(session: &Session, state: &SessionState, statement: &Statement) -> Result<Planned> {
    let Statement::Comment {
        object_type,
        object_name,
        comment,
        if_exists,
    } = statement
    else {
        return Ok(Planned::engine(statement.clone()));
    };
    if !session.database().state().is_lasting() {
        check_writes(session, "COMMENT")?;
    }
    let (name, column) = match object_type {
        CommentObject::Table | CommentObject::View => (object_name.clone(), None),
        CommentObject::Column => of_column(object_name)?,
        other => {
            let message = format!("COMMENT ON {other} is not supported");
            return Err(
                Error::new(ErrorKind::NotSupported, message).with_hint("Tables, views and columns have comments.")
            );
        }
    };
    let (table, found) = match name::find(session, state, &name).await? {
        Some(found) => found,
        None if *if_exists => return Ok(Planned::command(Command::DropTables(nothing()), None)),
        None => {
            let (schema, table) = name::parts(&name)?;
            let full = schema.map_or_else(|| table.clone(), |schema| format!("{schema}.{table}"));
            return Err(name::undefined(&full, &table));
        }
    };
    match (&found, object_type) {
        (Found::View(_), CommentObject::Table) => return Err(remove::other_kind(&table, "table", "COMMENT ON VIEW")),
        (Found::Shared, CommentObject::View) => return Err(remove::other_kind(&table, "view", "COMMENT ON TABLE")),
        (Found::Own, _) => {
            let message = format!("\"{table}\" is the session's own, and takes no comment");
            return Err(Error::new(ErrorKind::NotSupported, message));
        }
        _ => session.principal().check_write(&table.schema)?,
    }
    let column = match column {
        Some(column) => Some(exact_column(state, &table, &column).await?),
        None => None,
    };
    let text = comment.clone().filter(|text| !text.is_empty());
    Ok(Planned::command(
        Command::Comment(CommentOn { table, column, text }),
        None,
    ))
}

fn nothing() -> remove::Drop {
    remove::Drop {
        names: Vec::new(),
        own: Vec::new(),
        if_exists: true,
        notices: Vec::new(),
    }
}

/// `schema.table.column`: the table, and the column as it was written with whether it was quoted.
fn of_column(name: &ObjectName) -> Result<(ObjectName, Option<(String, bool)>)> {
    let mut parts = name.0.clone();
    let column = parts.pop();
    let column = column.as_ref().and_then(|part| part.as_ident());
    match column {
        Some(column) if !parts.is_empty() => Ok((
            ObjectName(parts),
            Some((column.value.clone(), column.quote_style.is_some())),
        )),
        _ => Err(Error::new(
            ErrorKind::Syntax,
            "COMMENT ON COLUMN takes the name of a table and of a column",
        )
        .with_hint("COMMENT ON COLUMN mine.ra IS 'right ascension'")),
    }
}

async fn exact_column(state: &SessionState, table: &TableName, (column, quoted): &(String, bool)) -> Result<String> {
    let provider = match name::schema_of(state, &table.schema) {
        Some(schema) => schema.table(&table.name).await?,
        None => None,
    };
    let schema = provider.ok_or_else(|| table.undefined())?.schema();
    let fits = |name: &str| {
        if *quoted {
            name == column
        } else {
            name.eq_ignore_ascii_case(column)
        }
    };
    let mut fitting = schema
        .fields()
        .iter()
        .map(|field| field.name())
        .filter(|name| fits(name));
    let exact = schema
        .fields()
        .iter()
        .map(|field| field.name())
        .find(|name| *name == column);
    let missing = || {
        let message = format!("column \"{column}\" of relation \"{table}\" does not exist");
        Error::new(ErrorKind::UndefinedColumn, message).at(Place::Word(column.clone()))
    };
    exact.or_else(|| fitting.next()).cloned().ok_or_else(missing)
}

pub(super) async fn run(session: &Session, comment: &CommentOn) -> Result<Outcome> {
    let CommentOn { table, column, text } = comment;
    let managed = match session.database().config().writable {
        Some(_) => tables::open(session, table).await?,
        None => None,
    };
    match managed {
        Some(managed) => {
            match column {
                Some(column) => managed.set_column_comment(column, text.as_deref()).await?,
                None => managed.set_comment(text.as_deref()).await?,
            };
            tables::forget(session, table).await;
        }
        None => {
            let edit = |state: &mut crate::state::SchemaState| {
                let comments = state.comments.entry(table.name.clone()).or_default();
                comments.set(column.as_deref(), text.clone());
                state.comments.retain(|_, comments| !comments.is_empty());
                Ok(())
            };
            session.database().state().change(&table.schema, edit).await?;
        }
    }
    Ok(done("COMMENT"))
}
