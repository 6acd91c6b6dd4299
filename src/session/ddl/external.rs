//! `CREATE EXTERNAL TABLE`: a table of the session's own over files that lie somewhere. Nothing is copied.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use datafusion::sql::parser::{CreateExternalTable as Ast, Statement};
use datafusion::sql::sqlparser::ast::Value;
use dreyer_sky::hats::{HatsCatalog, HatsTable};

use super::node::Command;
use super::{Planned, done, location, name};
use crate::error::Place;
use crate::session::{Outcome, Session, allow};
use crate::{Access, Error, ErrorKind, Result};

/// A table over files.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct CreateExternal {
    schema: Option<String>,
    name: String,
    kind: Kind,
    location: String,
    /// Options by name, in the order given.
    options: Vec<(String, String)>,
    if_not_exists: bool,
    or_replace: bool,
}

/// What the files are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Kind {
    Hats,
    Files(String),
}

pub(super) fn plan(session: &Session, create: Ast) -> Result<Planned> {
    let config = session.database().config();
    if config.access == Access::ReadOnly && config.writable.is_none() && config.users.is_empty() {
        return Err(allow::refused("CREATE EXTERNAL TABLE"));
    }
    session.principal().check_external()?;
    let kind = match create.file_type.to_uppercase().as_str() {
        "HATS" => Kind::Hats,
        other => Kind::Files(other.to_owned()),
    };
    let special = !create.columns.is_empty() || !create.table_partition_cols.is_empty() || !create.order_exprs.is_empty() || create.unbounded;
    let [location] = create.locations.as_slice() else {
        return Err(Error::new(ErrorKind::NotSupported, "CREATE EXTERNAL TABLE takes one LOCATION")
            .with_hint("A folder, or a pattern such as '/data/*.csv', is one location of many files."));
    };
    if special || !create.constraints.is_empty() {
        if config.access == Access::Full && kind != Kind::Hats {
            // Columns, partitions and orders are for the engine's own tables of files.
            return Ok(Planned::Engine(Box::new(Statement::CreateExternalTable(create))));
        }
        return Err(Error::new(ErrorKind::NotSupported, "CREATE EXTERNAL TABLE takes its columns from the files")
            .with_hint("Leave out columns, PARTITIONED BY and WITH ORDER."));
    }
    let (schema, name) = name::parts(&create.name)?;
    let command = CreateExternal {
        schema,
        name,
        kind,
        location: location.clone(),
        options: create.options.iter().map(|(key, value)| (key.to_lowercase(), text(value))).collect(),
        if_not_exists: create.if_not_exists,
        or_replace: create.or_replace,
    };
    Ok(Planned::command(Command::CreateExternal(command), None))
}

fn text(value: &Value) -> String {
    match value {
        Value::SingleQuotedString(text) => text.clone(),
        other => other.to_string(),
    }
}

pub(super) async fn run(session: &Session, create: &CreateExternal) -> Result<Outcome> {
    let context = session.context();
    let reference = match &create.schema {
        Some(schema) => TableReference::partial(schema.as_str(), create.name.as_str()),
        None => TableReference::bare(create.name.as_str()),
    };
    if context.table_exist(reference.clone())? && !create.or_replace {
        let error = Error::new(ErrorKind::DuplicateTable, format!("relation \"{}\" already exists", create.name));
        return match create.if_not_exists {
            true => Ok(Outcome::Done {
                tag: "CREATE EXTERNAL TABLE".to_owned(),
                notices: vec![format!("{}, skipping", error.message)],
            }),
            false => Err(error.at(Place::Word(create.name.clone()))),
        };
    }
    let table = match &create.kind {
        Kind::Hats => hats(session, create).await?,
        Kind::Files(format) => files(session, create, format).await?,
    };
    if create.or_replace {
        context.deregister_table(reference.clone())?;
    }
    context.register_table(reference, table)?;
    Ok(done("CREATE EXTERNAL TABLE"))
}

async fn hats(session: &Session, create: &CreateExternal) -> Result<Arc<dyn TableProvider>> {
    if let Some((key, _)) = create.options.first() {
        return Err(Error::new(ErrorKind::NotSupported, format!("STORED AS HATS does not know the option {key}")));
    }
    let place = location::to_read(session, &create.location)?;
    let catalog = HatsCatalog::open(place.store, place.url, place.path).await?;
    Ok(Arc::new(HatsTable::new(Arc::new(catalog))))
}

async fn files(session: &Session, create: &CreateExternal, format: &str) -> Result<Arc<dyn TableProvider>> {
    let _ = (session, create);
    Err(Error::new(ErrorKind::NotSupported, format!("STORED AS {format} is not supported")))
}
