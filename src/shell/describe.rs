//! What there is: tables, the columns of one with their units and descriptions, functions.

use std::io::Write;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::datatypes::Field;
use datafusion::common::TableReference;
use datafusion::error::DataFusionError;

use crate::command::print;
use crate::state::Comments;
use crate::{Error, ErrorKind, Format, Result, Session};

/// The tables and views of the session.
pub(super) async fn tables(session: &Session, out: &mut dyn Write) -> Result<()> {
    let sql = "SELECT table_schema AS schema, table_name AS name, table_type AS type FROM information_schema.tables \
               WHERE table_schema NOT IN ('information_schema', 'pg_catalog') ORDER BY 1, 2";
    print(session.query(sql).await?, Format::Table, out).await
}

/// The columns of a table.
pub(super) async fn table(session: &Session, name: &str, out: &mut dyn Write) -> Result<()> {
    let state = session.context().state();
    let missing = || Error::new(ErrorKind::UndefinedTable, format!("relation \"{name}\" does not exist"));
    let reference = TableReference::parse_str(name);
    session.database().state().refresh().await?;
    let default = state.config().options().catalog.default_schema.clone();
    let schemas = match reference.schema() {
        Some(schema) => vec![schema.to_owned()],
        None => std::iter::once(default).chain(session.path()).collect(),
    };
    let mut found = None;
    for name in schemas {
        let Ok(schema) = state.schema_for_ref(TableReference::partial(name.as_str(), reference.table())) else {
            continue;
        };
        let mut names = schema.table_names().into_iter();
        if let Some(spelling) = names.find(|known| known.eq_ignore_ascii_case(reference.table())) {
            found = schema
                .table(&spelling)
                .await?
                .map(|table| (table, session.comments(&name, &spelling)));
            break;
        }
    }
    let (table, comments) = found.ok_or_else(missing)?;

    type Cell = fn(&Field, &Comments) -> Option<String>;
    let columns: [(&str, Cell); 5] = [
        ("column", |field, _| Some(field.name().clone())),
        ("type", |field, _| Some(field.data_type().to_string())),
        ("unit", |field, _| field.metadata().get("unit").cloned()),
        ("ucd", |field, _| field.metadata().get("ucd").cloned()),
        ("description", |field, comments| {
            let said = comments.columns.get(field.name());
            said.or_else(|| field.metadata().get("description")).cloned()
        }),
    ];
    let schema = table.schema();
    let columns = columns.map(|(name, cell)| {
        let values: StringArray = schema.fields().iter().map(|field| cell(field, &comments)).collect();
        (name, Arc::new(values) as ArrayRef)
    });
    // Columns that say nothing of any field are left out.
    let columns = columns
        .into_iter()
        .filter(|(_, values)| values.null_count() < values.len() || values.is_empty());
    let batch = RecordBatch::try_from_iter(columns).map_err(DataFusionError::from)?;
    let mut writer = Format::Table.writer(batch.schema(), out);
    writer.write(&batch)?;
    writer.finish()?;
    if let Some(comment) = &comments.table {
        writeln!(out, "Comment: {comment}")?;
    }
    Ok(())
}

/// The functions whose name fits `pattern`; all if it is empty.
pub(super) async fn functions(session: &Session, pattern: &str, out: &mut dyn Write) -> Result<()> {
    let pattern = pattern
        .to_lowercase()
        .replace('_', "\\_")
        .replace('*', "%")
        .replace('?', "_")
        .replace('\'', "''");
    let pattern = if pattern.is_empty() { "%" } else { &pattern };
    let sql = format!(
        "SELECT routine_name AS function, min(syntax_example) AS call, \
                min(split_part(description, chr(10), 1)) AS meaning \
         FROM information_schema.routines WHERE routine_name LIKE '{pattern}' GROUP BY 1 ORDER BY 1"
    );
    print(session.query(&sql).await?, Format::Table, out).await
}
