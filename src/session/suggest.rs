//! Did you mean: for a table, function or setting that does not exist, the nearest one that does.

use datafusion::prelude::SessionContext;

use crate::error::nearest;
use crate::{DEFAULT_SCHEMA, Error, ErrorKind};

/// The error with a hint, if it lacks one and a name is near.
pub(super) fn hint(error: Error, context: &SessionContext) -> Error {
    if error.hint.is_some() {
        return error;
    }
    let near = match error.kind {
        ErrorKind::UndefinedTable => quoted(&error.message).and_then(|name| near_table(name, context)),
        ErrorKind::UndefinedFunction => called(&error.message).and_then(|name| near_function(name, context)),
        ErrorKind::UndefinedObject => quoted(&error.message).and_then(|name| near_setting(name, context)),
        _ => None,
    };
    match near {
        Some(name) => error.with_hint(format!("Did you mean \"{name}\"?")),
        None => error,
    }
}

fn called(message: &str) -> Option<&str> {
    message.strip_prefix("function ")?.strip_suffix(" does not exist")
}

fn near_function(name: &str, context: &SessionContext) -> Option<String> {
    let state = context.state();
    let scalar = state.scalar_functions().keys();
    let functions = scalar
        .chain(state.aggregate_functions().keys())
        .chain(state.window_functions().keys());
    nearest(name, functions.map(String::as_str)).map(str::to_owned)
}

/// By the last part of the name, which is all that the engine tells of one it does not know.
fn near_setting(name: &str, context: &SessionContext) -> Option<String> {
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let settings = context.copied_config().options().entries();
    let names: Vec<(String, String)> = settings
        .into_iter()
        .map(|entry| (last(&entry.key), entry.key))
        .collect();
    let near = nearest(&last(name), names.iter().map(|(last, _)| last.as_str()))?;
    // Ours come first: it is to them that people give their own values.
    let fitting = names.iter().filter(|(last, _)| last == near);
    fitting
        .min_by_key(|(_, full)| !full.starts_with("dreyer."))
        .map(|(_, full)| full.clone())
}

fn quoted(message: &str) -> Option<&str> {
    message.split('"').nth(1)
}

/// The table nearest to `name`, by its full name or by its last part in another schema.
fn near_table(name: &str, context: &SessionContext) -> Option<String> {
    let state = context.state();
    let catalog = state
        .catalog_list()
        .catalog(&state.config().options().catalog.default_catalog)?;
    let mut tables = Vec::new();
    for schema in catalog.schema_names() {
        for table in catalog.schema(&schema)?.table_names() {
            let full = if schema == DEFAULT_SCHEMA {
                table.clone()
            } else {
                format!("{schema}.{table}")
            };
            tables.push((full, table));
        }
    }
    if let Some(full) = nearest(name, tables.iter().map(|(full, _)| full.as_str())) {
        return Some(full.to_owned());
    }
    let last = name.rsplit('.').next()?;
    let table = nearest(last, tables.iter().map(|(_, table)| table.as_str()))?;
    tables
        .iter()
        .find(|(_, name)| name == table)
        .map(|(full, _)| full.clone())
}
