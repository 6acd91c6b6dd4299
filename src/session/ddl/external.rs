//! `CREATE EXTERNAL TABLE`: a table of the session's own over files that lie somewhere. Nothing is copied.

use std::sync::Arc;

use datafusion::catalog::{TableProvider, TableProviderFactory};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{CreateExternalTable, DdlStatement, LogicalPlan};
use datafusion::sql::parser::{CreateExternalTable as Ast, Statement};
use dreyer_sky::files::{FileFormat, FileTableFactory};
use dreyer_sky::hats::{HatsCatalog, HatsTable};

use super::node::Command;
use super::{Planned, done, location};
use crate::error::Place;
use crate::session::{Outcome, Session, allow};
use crate::{Access, Error, ErrorKind, Result};

/// What `STORED AS` calls a HATS catalogue or collection.
const HATS: &str = "HATS";

pub(super) async fn plan(session: &Session, state: &SessionState, create: Ast) -> Result<Planned> {
    let config = session.database().config();
    if config.access == Access::ReadOnly && config.writable.is_none() && config.users.is_empty() {
        return Err(allow::refused("CREATE EXTERNAL TABLE"));
    }
    session.principal().check_external()?;
    if !session.sight().sees_all() {
        // A file is part of some table, of which nobody knows here whether the user may read it.
        let message = "permission denied to create external tables";
        return Err(Error::new(ErrorKind::Denied, message)
            .with_hint("Users who may read everything can: a file may belong to any table."));
    }
    let statement = Statement::CreateExternalTable(create);
    let LogicalPlan::Ddl(DdlStatement::CreateExternalTable(create)) =
        state.statement_to_plan(statement.clone()).await?
    else {
        return Err(Error::new(
            ErrorKind::Internal,
            "CREATE EXTERNAL TABLE was planned as something else",
        ));
    };
    let known = create.file_type == HATS || FileFormat::stored_as(&create.file_type).is_some();
    let special = !create.table_partition_cols.is_empty() || !create.order_exprs.is_empty();
    if config.access == Access::Full && (!known || special) {
        // Formats that the engine alone knows, and what it alone can say of files.
        return Ok(Planned::Engine(Box::new(statement)));
    }
    if create.file_type == HATS {
        refuse_for_hats(&create)?;
    }
    for given in &create.locations {
        location::to_read(session, fixed(given))?;
    }
    Ok(Planned::command(Command::CreateExternal(create), None))
}

/// A catalogue says itself what it is.
fn refuse_for_hats(create: &CreateExternalTable) -> Result<()> {
    let clauses = [
        (!create.schema.fields().is_empty(), "a list of columns"),
        (create.options.keys().next().is_some(), "OPTIONS"),
        (create.locations.len() != 1, "more than one LOCATION"),
        (create.unbounded, "UNBOUNDED"),
    ];
    match clauses.into_iter().find(|(used, _)| *used) {
        Some((_, clause)) => Err(
            Error::new(ErrorKind::NotSupported, format!("STORED AS HATS takes no {clause}"))
                .with_hint("LOCATION is the folder of one catalogue or collection, which says the rest."),
        ),
        None => Ok(()),
    }
}

/// What stands before a pattern: the folder that it looks into.
pub(super) fn fixed(given: &str) -> &str {
    // Brackets before the path of an address are those of a host's number.
    let path = given.split_once("://").map_or(given, |(_, rest)| {
        rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("")
    });
    match path.find(['*', '?', '[']).map(|at| given.len() - path.len() + at) {
        Some(at) => given
            .get(..at)
            .and_then(|head| head.rsplit_once('/'))
            .map_or(".", |(folder, _)| folder),
        None => given,
    }
}

pub(super) async fn run(session: &Session, create: &CreateExternalTable) -> Result<Outcome> {
    let context = session.context();
    let name = create.name.clone();
    if context.table_exist(name.clone())? && !create.or_replace {
        let error = Error::new(
            ErrorKind::DuplicateTable,
            format!("relation \"{}\" already exists", name.table()),
        );
        if !create.if_not_exists {
            return Err(error.at(Place::Word(name.table().to_owned())));
        }
        return Ok(Outcome::Done {
            tag: "CREATE EXTERNAL TABLE".to_owned(),
            notices: vec![format!("{}, skipping", error.message)],
        });
    }
    let table: Arc<dyn TableProvider> = match create.locations.as_slice() {
        [given] if create.file_type == HATS => {
            let place = location::to_read(session, given)?;
            let catalog = HatsCatalog::open(place.store, place.url, place.path).await?;
            Arc::new(HatsTable::new(Arc::new(catalog)))
        }
        locations => {
            for given in locations {
                location::to_read(session, fixed(given))?;
            }
            FileTableFactory.create(&context.state(), create).await?
        }
    };
    if create.or_replace {
        context.deregister_table(name.clone())?;
    }
    context.register_table(name, table)?;
    Ok(done("CREATE EXTERNAL TABLE"))
}

#[cfg(test)]
mod tests {
    use super::fixed;

    #[test]
    fn a_pattern_looks_into_the_folder_before_it() {
        for (given, folder) in [
            ("/data/a.csv", "/data/a.csv"),
            ("/data/*.csv", "/data"),
            ("/data/2?/x[12].csv", "/data"),
            ("s3://b/p/*.parquet", "s3://b/p"),
            ("*.csv", "."),
            ("http://[::1]:80/x.csv", "http://[::1]:80/x.csv"),
            ("http://[::1]:80/a/*.csv", "http://[::1]:80/a"),
            ("http://[::1]:80", "http://[::1]:80"),
        ] {
            assert_eq!(fixed(given), folder);
        }
    }
}
