//! Did you mean: for a table or function that does not exist, the nearest one that does.

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
        ErrorKind::UndefinedFunction => {
            error.message.strip_prefix("function ").and_then(|rest| rest.strip_suffix(" does not exist")).and_then(
                |name| {
                    let state = context.state();
                    let functions = state
                        .scalar_functions()
                        .keys()
                        .chain(state.aggregate_functions().keys())
                        .chain(state.window_functions().keys())
                        .map(String::as_str);
                    nearest(name, functions).map(str::to_owned)
                },
            )
        }
        _ => None,
    };
    match near {
        Some(name) => error.with_hint(format!("Did you mean \"{name}\"?")),
        None => error,
    }
}

fn quoted(message: &str) -> Option<&str> {
    message.split('"').nth(1)
}

/// The table nearest to `name`, by its full name or by its last part in another schema.
fn near_table(name: &str, context: &SessionContext) -> Option<String> {
    let state = context.state();
    let catalog = state.catalog_list().catalog(&state.config().options().catalog.default_catalog)?;
    let mut tables = Vec::new();
    for schema in catalog.schema_names() {
        for table in catalog.schema(&schema)?.table_names() {
            let full = if schema == DEFAULT_SCHEMA { table.clone() } else { format!("{schema}.{table}") };
            tables.push((full, table));
        }
    }
    if let Some(full) = nearest(name, tables.iter().map(|(full, _)| full.as_str())) {
        return Some(full.to_owned());
    }
    let last = name.rsplit('.').next()?;
    let table = nearest(last, tables.iter().map(|(_, table)| table.as_str()))?;
    tables.iter().find(|(_, name)| name == table).map(|(full, _)| full.clone())
}
