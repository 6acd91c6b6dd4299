//! `DROP TABLE`.

use datafusion::execution::SessionState;
use datafusion::sql::sqlparser::ast::{ObjectName, Statement};

use super::name::{self, Found, TableName};
use super::node::Command;
use super::{Planned, check_writes, grants, own, tables};
use crate::catalog::shared_object;
use crate::session::{Outcome, Session};
use crate::{Error, ErrorKind, Result};

/// Tables, or views, to be dropped.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Drop {
    pub(super) names: Vec<TableName>,
    /// Tables of the session's own.
    pub(super) own: Vec<TableName>,
    pub(super) if_exists: bool,
    pub(super) notices: Vec<String>,
}

pub(super) async fn plan(session: &Session, state: &SessionState, statement: Statement) -> Result<Planned> {
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
            Some((table, Found::Shared)) => {
                check_writes(session, "DROP TABLE")?;
                if session.database().config().writable.is_none() {
                    return Err(shared_object("relation", &table.name));
                }
                session.principal().check_write(&table.schema)?;
                check_made_by_sql(session, &table).await?;
                drop.names.push(table);
            }
            Some((table, Found::View(_))) => return Err(other_kind(&table, "table", "DROP VIEW")),
            Some((table, Found::Own)) if own::is_view(session, &table).await? => {
                return Err(other_kind(&table, "table", "DROP VIEW"));
            }
            Some((table, Found::Own)) => drop.own.push(table),
            None => drop.missing(name, "table")?,
        }
    }
    Ok(Planned::command(Command::DropTables(drop), None))
}

impl Drop {
    /// A name that is not there: an error, or worth a notice.
    pub(super) fn missing(&mut self, name: &ObjectName, what: &str) -> Result<()> {
        let (schema, table) = name::parts(name)?;
        let full = schema.map_or_else(|| table.clone(), |schema| format!("{schema}.{table}"));
        if !self.if_exists {
            return Err(name::undefined(&full, &table));
        }
        self.notices.push(format!("{what} \"{full}\" does not exist, skipping"));
        Ok(())
    }

    pub(super) fn done(&self, tag: &str) -> Outcome {
        Outcome::Done {
            tag: tag.to_owned(),
            notices: self.notices.clone(),
        }
    }
}

/// The error for a statement that is for another kind of thing.
pub(super) fn other_kind(name: &TableName, wanted: &str, statement: &str) -> Error {
    Error::new(ErrorKind::WrongObjectType, format!("\"{name}\" is not a {wanted}"))
        .with_hint(format!("Use {statement}."))
}

async fn check_made_by_sql(session: &Session, table: &TableName) -> Result<()> {
    if tables::open(session, table).await?.is_some() {
        return Ok(());
    }
    Err(shared_object("relation", &table.name)
        .with_hint("It was not made by SQL. Its folder can be removed where it lies, by whoever may write there."))
}

pub(super) async fn run(session: &Session, drop: &Drop) -> Result<Outcome> {
    for table in &drop.own {
        own::remove(session, table)?;
    }
    for table in &drop.names {
        match tables::open(session, table).await? {
            Some(managed) => {
                let dropped = async move { Ok(managed.drop().await?) };
                tables::on_engine(session, dropped).await?;
            }
            // Somebody else was faster.
            None if drop.if_exists => {}
            None => return Err(table.undefined()),
        }
        tables::forget(session, table).await;
        session.database().state().forget(&table.schema, &table.name).await?;
        grants::forget(session, table).await?;
    }
    Ok(drop.done("DROP TABLE"))
}
