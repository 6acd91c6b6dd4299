//! `ALTER TABLE … RENAME TO`.

use datafusion::execution::SessionState;
use datafusion::sql::sqlparser::ast::{AlterTable, AlterTableOperation, ObjectName, RenameTableNameKind};

use super::name::{self, Found, TableName};
use super::node::Command;
use super::{Planned, check_writes, create, done, grants, tables};
use crate::session::{Outcome, Session};
use crate::{Error, ErrorKind, Result};

pub(super) async fn plan(session: &Session, state: &SessionState, alter: &AlterTable) -> Result<Planned> {
    check_writes(session, "ALTER TABLE")?;
    let [AlterTableOperation::RenameTable { table_name }] = alter.operations.as_slice() else {
        return Err(
            Error::new(ErrorKind::NotSupported, "of ALTER TABLE, only RENAME TO is supported")
                .with_hint("CREATE TABLE … AS SELECT makes a table with other columns."),
        );
    };
    let (RenameTableNameKind::To(to) | RenameTableNameKind::As(to)) = table_name;
    let (from, found) = match name::find(session, state, &alter.name).await? {
        Some(found) => found,
        None => {
            let (schema, table) = name::parts(&alter.name)?;
            let full = schema.map_or_else(|| table.clone(), |schema| format!("{schema}.{table}"));
            return Err(name::undefined(&full, &table));
        }
    };
    match found {
        Found::Shared => {}
        Found::Own => {
            let message = format!("table \"{from}\" is the session's own, and keeps its name");
            return Err(Error::new(ErrorKind::NotSupported, message));
        }
        Found::View(_) => {
            let message = format!("\"{from}\" is a view, and keeps its name");
            return Err(Error::new(ErrorKind::NotSupported, message).with_hint("DROP VIEW and CREATE VIEW."));
        }
    }
    session.principal().check_write(&from.schema)?;
    // The table stays in its schema, whosever that is.
    let to = name::of_new(session, &within(&from, to))?;
    tables::open_to_write(session, &from).await?;
    Ok(Planned::command(Command::Rename { from, to }, None))
}

fn within(from: &TableName, to: &ObjectName) -> ObjectName {
    let mut to = to.clone();
    if to.0.len() == 1 {
        let schema = datafusion::sql::sqlparser::ast::Ident::with_quote('"', &from.schema);
        to.0.insert(0, datafusion::sql::sqlparser::ast::ObjectNamePart::Identifier(schema));
    }
    to
}

pub(super) async fn run(session: &Session, from: &TableName, to: &TableName) -> Result<Outcome> {
    if let Some(taken) = create::taken(session, to).await? {
        return Err(taken);
    }
    let managed = tables::open_to_write(session, from).await?;
    let place = tables::place(session, to)?;
    let renamed = tables::on_engine(session, async move { Ok(managed.rename(place).await?) }).await;
    renamed.map_err(|error| create::error_of(error, to))?;
    for table in [from, to] {
        tables::forget(session, table).await;
    }
    grants::forget(session, from).await?;
    Ok(done("ALTER TABLE"))
}
