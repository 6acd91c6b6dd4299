//! What the name of a table means: which schema, which spelling, and whose it is.

use std::fmt;
use std::sync::Arc;

use datafusion::catalog::SchemaProvider;
use datafusion::execution::SessionState;
use datafusion::sql::sqlparser::ast::{Delete, FromTable, Ident, ObjectName, TableFactor, TableWithJoins};

use super::super::Session;
use super::super::views::{is_own, is_shared};
use super::tables;
use crate::error::Place;
use crate::state::View;
use crate::{DEFAULT_CATALOG, DEFAULT_SCHEMA, Error, ErrorKind, Result};

/// Longest name of a table or schema that lasts, in bytes: it becomes the name of a folder.
const NAME_BYTES: usize = 120;

/// Schemas that are the catalogue's.
pub(super) const SYSTEM_SCHEMAS: [&str; 2] = ["information_schema", "pg_catalog"];

/// A table or view by its full name, as it is spelt.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct TableName {
    pub(super) schema: String,
    pub(super) name: String,
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.schema == DEFAULT_SCHEMA {
            f.write_str(&self.name)
        } else {
            write!(f, "{}.{}", self.schema, self.name)
        }
    }
}

impl TableName {
    /// The error for a table that is not there.
    pub(super) fn undefined(&self) -> Error {
        undefined(&self.to_string(), &self.name)
    }

    /// The error for a name that is taken.
    pub(super) fn taken(&self) -> Error {
        Error::new(ErrorKind::DuplicateTable, format!("relation \"{self}\" already exists"))
            .at(Place::Word(self.name.clone()))
    }
}

/// Whose a table or view is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// This session's: it ends with it.
    Own,
    /// A table under a root.
    Shared,
    /// A view in the state store.
    View(View),
}

/// The error for a table that is not there. `word` is where the text names it.
pub(super) fn undefined(name: &str, word: &str) -> Error {
    Error::new(ErrorKind::UndefinedTable, format!("relation \"{name}\" does not exist"))
        .at(Place::Word(word.to_owned()))
}

/// The parts of a name; unquoted ones in lower case.
///
/// # Errors
/// More parts than catalogue, schema and table, or another catalogue.
pub(super) fn parts(name: &ObjectName) -> Result<(Option<String>, String)> {
    let idents: Option<Vec<&Ident>> = name.0.iter().map(|part| part.as_ident()).collect();
    let mut folded: Vec<String> = idents.unwrap_or_default().into_iter().map(folded).collect();
    let table = folded.pop();
    let schema = folded.pop();
    let catalog = folded.pop();
    match table {
        Some(table) if folded.is_empty() && catalog.as_deref().is_none_or(|name| name == DEFAULT_CATALOG) => {
            Ok((schema, table))
        }
        _ => {
            let message = format!("\"{name}\" is not the name of a table of this database");
            Err(Error::new(ErrorKind::UndefinedCatalog, message))
        }
    }
}

fn folded(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

/// The full name of something new that lasts: without a schema, it lies in the user's own.
///
/// # Errors
/// The user may not write there; no folder can have such a name.
pub(super) fn of_new(session: &Session, name: &ObjectName) -> Result<TableName> {
    let (schema, name) = parts(name)?;
    let user = session.principal();
    let schema = schema.unwrap_or_else(|| user.name().to_owned());
    check(&schema, "schema")?;
    check(&name, "table")?;
    if SYSTEM_SCHEMAS.contains(&schema.as_str()) {
        let message = format!("permission denied for schema {schema}");
        return Err(Error::new(ErrorKind::Denied, message));
    }
    user.check_write(&schema)?;
    Ok(TableName { schema, name })
}

/// Names become folders: of one floor, not hidden, and on any store.
fn check(name: &str, what: &str) -> Result<()> {
    let odd = |letter: char| {
        letter.is_control() || ['/', '\\', ':', '*', '?', '"', '<', '>', '|', '%', '#', '='].contains(&letter)
    };
    let fine = !name.is_empty() && name.len() <= NAME_BYTES && !name.starts_with(['.', '_']) && !name.contains(odd);
    if fine {
        return Ok(());
    }
    let message = format!("{name:?} cannot be the name of a {what} that lasts");
    Err(Error::new(ErrorKind::InvalidParameter, message)
        .with_hint(format!(
            "It becomes a folder: letters, digits and underscores, a letter first, at most {NAME_BYTES} bytes."
        ))
        .at(Place::Word(name.to_owned())))
}

/// The table or view that a name means, looked for where a query would look for it.
///
/// # Errors
/// The name fits several that differ in upper and lower case.
pub(super) async fn find(
    session: &Session,
    state: &SessionState,
    name: &ObjectName,
) -> Result<Option<(TableName, Found)>> {
    let quoted = name
        .0
        .last()
        .and_then(|part| part.as_ident())
        .is_some_and(|ident| ident.quote_style.is_some());
    let (schema, table) = parts(name)?;
    let default = state.config().options().catalog.default_schema.clone();
    let mut schemas: Vec<(String, bool)> = match schema {
        Some(schema) => vec![(schema, false)],
        None => vec![(default.clone(), true)],
    };
    if name.0.len() == 1 {
        schemas.extend(session.path().into_iter().map(|schema| (schema, false)));
        schemas.push((default, false));
    }
    let known = among(session, state, &schemas, &table, quoted)?;
    if known.is_some() {
        return Ok(known);
    }
    // Another process may have made it since the roots were last looked at.
    if session.database().config().writable.is_some() {
        for (schema, _) in schemas.iter().filter(|(_, own)| !own) {
            let name = TableName {
                schema: schema.clone(),
                name: table.clone(),
            };
            if tables::open(session, &name).await?.is_some() {
                tables::forget(session, &name).await;
                break;
            }
        }
    }
    among(session, state, &schemas, &table, quoted)
}

/// The first that has the name of these schemas, of some of which only the session's own tables are meant.
fn among(
    session: &Session,
    state: &SessionState,
    schemas: &[(String, bool)],
    table: &str,
    quoted: bool,
) -> Result<Option<(TableName, Found)>> {
    for (schema, only_own) in schemas {
        let Some(provider) = schema_of(state, schema) else {
            continue;
        };
        let mut names = provider.table_names();
        names.retain(|known| !only_own || is_own(provider.as_ref(), known));
        if let Some(spelling) = choose(table, quoted, &names)? {
            let found = found(session, provider.as_ref(), schema, &spelling);
            let name = TableName {
                schema: schema.clone(),
                name: spelling,
            };
            return Ok(found.map(|found| (name, found)));
        }
    }
    Ok(None)
}

/// A schema as the session sees it.
pub(super) fn schema_of(state: &SessionState, schema: &str) -> Option<Arc<dyn SchemaProvider>> {
    state.catalog_list().catalog(DEFAULT_CATALOG)?.schema(schema)
}

/// Whose the table `name` of a schema is, if there is one.
pub(super) fn found(session: &Session, provider: &dyn SchemaProvider, schema: &str, name: &str) -> Option<Found> {
    if is_own(provider, name) {
        return Some(Found::Own);
    }
    if is_shared(provider, name) {
        return Some(Found::Shared);
    }
    session.database().state().view(schema, name).map(Found::View)
}

/// Lower case first, else the only one that differs in case alone.
fn choose(name: &str, quoted: bool, known: &[String]) -> Result<Option<String>> {
    if known.iter().any(|known| known == name) {
        return Ok(Some(name.to_owned()));
    }
    if quoted {
        return Ok(None);
    }
    let fitting: Vec<&String> = known.iter().filter(|known| known.to_lowercase() == name).collect();
    match fitting.as_slice() {
        [] => Ok(None),
        [only] => Ok(Some((*only).clone())),
        several => {
            let several: Vec<String> = several.iter().map(|name| format!("\"{name}\"")).collect();
            let message = format!("table {name} could be {}", several.join(" or "));
            Err(Error::new(ErrorKind::AmbiguousColumn, message)
                .with_hint("Put the one you mean in double quotes.")
                .at(Place::Word(name.to_owned())))
        }
    }
}

/// The table of a DELETE.
pub(super) fn of_delete(delete: &Delete) -> Option<&ObjectName> {
    let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = &delete.from;
    of_tables(tables)
}

/// The first table named.
pub(super) fn of_tables<'a>(tables: impl IntoIterator<Item = &'a TableWithJoins>) -> Option<&'a ObjectName> {
    tables.into_iter().find_map(|table| match &table.relation {
        TableFactor::Table { name, .. } => Some(name),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spelling_is_chosen_as_in_a_query() {
        let known = ["stars", "Stars", "SSObject", "A", "a2"].map(str::to_owned);
        let choice = |name: &str, quoted| choose(name, quoted, &known).unwrap();
        assert_eq!(choice("stars", false).as_deref(), Some("stars"));
        assert_eq!(choice("Stars", true).as_deref(), Some("Stars"));
        assert_eq!(choice("ssobject", false).as_deref(), Some("SSObject"));
        assert_eq!(choice("ssobject", true), None);
        assert_eq!(choice("b", false), None);
        let twins = ["Twin", "TWIN"].map(str::to_owned);
        assert_eq!(choose("twin", false, &twins).unwrap_err().sqlstate(), "42702");
    }

    #[test]
    fn names_that_would_lie_elsewhere_or_be_hidden_are_refused() {
        for name in ["gaia_dr3", "été", "with space"] {
            assert!(check(name, "table").is_ok(), "{name}");
        }
        let long = "x".repeat(NAME_BYTES + 1);
        for name in ["", "a/b", "..", ".hidden", "_x", "a\\b", "a\nb", "a%2fb", &long] {
            assert_eq!(check(name, "table").unwrap_err().sqlstate(), "22023", "{name}");
        }
    }
}
