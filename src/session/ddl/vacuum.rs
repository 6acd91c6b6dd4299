//! `VACUUM`: merges what inserts left into one snapshot, and deletes files that no query can be reading any more.

use datafusion::execution::SessionState;
use datafusion::sql::sqlparser::ast::VacuumStatement;

use super::name::{self, Found, TableName};
use super::node::Command;
use super::{Planned, check_writes, tables};
use crate::session::{Outcome, Session};
use crate::{Error, ErrorKind, Result};

pub(super) async fn plan(session: &Session, state: &SessionState, vacuum: &VacuumStatement) -> Result<Planned> {
    check_writes(session, "VACUUM")?;
    let Some(name) = &vacuum.table_name else {
        return Ok(Planned::command(Command::Vacuum(None), None));
    };
    let table = match name::find(session, state, name).await? {
        Some((table, Found::Shared)) => table,
        Some((table, _)) => {
            let message = format!("\"{table}\" is not a table that lasts");
            return Err(Error::new(ErrorKind::WrongObjectType, message));
        }
        None => {
            let (schema, table) = name::parts(name)?;
            let full = schema.map_or_else(|| table.clone(), |schema| format!("{schema}.{table}"));
            return Err(name::undefined(&full, &table));
        }
    };
    session.principal().check_write(&table.schema)?;
    tables::open_to_write(session, &table).await?;
    Ok(Planned::command(Command::Vacuum(Some(table)), None))
}

pub(super) async fn run(session: &Session, table: Option<&TableName>) -> Result<Outcome> {
    let tables = match table {
        Some(table) => vec![table.clone()],
        None => writable(session).await?,
    };
    let mut notices = Vec::new();
    for table in tables {
        let Some(managed) = tables::open(session, &table).await? else {
            continue;
        };
        let grace = tables::grace(session);
        let report = tables::on_engine(session, async move { Ok(managed.vacuum(grace).await?) }).await?;
        tables::forget(session, &table).await;
        if report.merged + report.deleted > 0 {
            notices.push(format!(
                "{table}: merged {} inserts into {} rows, deleted {} old folders",
                report.merged, report.rows, report.deleted
            ));
        }
    }
    Ok(Outcome::Done {
        tag: "VACUUM".to_owned(),
        notices,
    })
}

/// All tables made by SQL in schemas that the user may write in.
async fn writable(session: &Session) -> Result<Vec<TableName>> {
    let catalog = session.database().tables();
    let mut found = Vec::new();
    if session.database().config().writable.is_none() {
        return Ok(found);
    }
    for schema in catalog.schema_names() {
        if !session.principal().can_write(&schema) {
            continue;
        }
        for name in catalog.table_names(&schema) {
            let table = TableName {
                schema: schema.clone(),
                name,
            };
            if tables::open(session, &table).await?.is_some() {
                found.push(table);
            }
        }
    }
    Ok(found)
}
