//! What there is: tables, the columns of one with their units and descriptions, functions.

use std::io::Write;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::datatypes::Field;
use datafusion::common::TableReference;
use datafusion::error::DataFusionError;

use crate::command::print;
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
    let schema = state.schema_for_ref(reference.clone()).map_err(|_| missing())?;
    let spelling = schema
        .table_names()
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(reference.table()));
    let table = schema
        .table(&spelling.ok_or_else(missing)?)
        .await?
        .ok_or_else(missing)?;

    type Cell = fn(&Field) -> Option<String>;
    let columns: [(&str, Cell); 5] = [
        ("column", |field| Some(field.name().clone())),
        ("type", |field| Some(field.data_type().to_string())),
        ("unit", |field| field.metadata().get("unit").cloned()),
        ("ucd", |field| field.metadata().get("ucd").cloned()),
        ("description", |field| field.metadata().get("description").cloned()),
    ];
    let schema = table.schema();
    let columns = columns.map(|(name, cell)| {
        let values: StringArray = schema.fields().iter().map(|field| cell(field)).collect();
        (name, Arc::new(values) as ArrayRef)
    });
    // Columns that say nothing of any field are left out.
    let columns = columns
        .into_iter()
        .filter(|(_, values)| values.null_count() < values.len() || values.is_empty());
    let batch = RecordBatch::try_from_iter(columns).map_err(DataFusionError::from)?;
    let mut writer = Format::Table.writer(batch.schema(), out);
    writer.write(&batch)?;
    writer.finish()
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
