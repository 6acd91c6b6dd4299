//! The names a statement may use, read from the session's catalogue for the tables it mentions.
//!
//! Names without quotes do not care about upper and lower case, in both languages; the rules are `dreyer-adql`'s. Here
//! the catalogue, which answers asynchronously, is asked beforehand.
//!
//! A table named without a schema is looked for among the session's own, then in the schemas of the search path. The
//! planner knows one default schema only, so what lies in another gets its schema written before it.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::common::{ResolvedTableReference, TableReference};
use datafusion::execution::SessionState;
use datafusion::sql::parser::{CopyToSource, Statement as Ast};
use datafusion::sql::sqlparser::ast::{ObjectName, Visit, visit_relations};
use dreyer_adql::NameScope;

use super::views::is_own;
use crate::Result;

/// How names are to be written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spelling<'a> {
    /// Schemas in which a table is looked for that is named without one.
    pub(super) path: &'a [String],
    /// Whether every table gets its schema, so that the text means the same in any session.
    pub(super) in_full: bool,
}

/// Quotes the names of `ast` as the catalogue spells them.
pub(super) async fn resolve(ast: &mut Ast, state: &SessionState, spelling: Spelling<'_>) -> Result<()> {
    match innermost(ast) {
        Ast::Statement(statement) => {
            let scope = Scope::of(&**statement, state, spelling).await?;
            Ok(dreyer_adql::resolve_names(statement, &scope)?)
        }
        Ast::CopyTo(copy) => match &mut copy.source {
            CopyToSource::Query(query) => {
                let scope = Scope::of(&**query, state, spelling).await?;
                Ok(dreyer_adql::resolve_query_names(query, &scope)?)
            }
            CopyToSource::Relation(_) => Ok(()),
        },
        Ast::Explain(_) | Ast::CreateExternalTable(_) | Ast::Reset(_) => Ok(()),
    }
}

fn innermost(mut ast: &mut Ast) -> &mut Ast {
    while let Ast::Explain(explain) = ast {
        ast = &mut explain.statement;
    }
    ast
}

/// The tables that a statement may mean.
#[derive(Debug, Default)]
struct Scope {
    /// Names as the statement could have written them, in lower case: the tables that answer to them, in their true
    /// spelling and with as many parts.
    spellings: HashMap<Vec<String>, Vec<Vec<String>>>,
    /// Columns of the tables, by their true spelling.
    columns: HashMap<Vec<String>, Vec<String>>,
    /// Schemas to write before tables that were named without one.
    homes: HashMap<String, String>,
}

impl Scope {
    async fn of(tree: &(impl Visit + Sync), state: &SessionState, spelling: Spelling<'_>) -> Result<Self> {
        let mut names: Vec<Vec<String>> = Vec::new();
        let _ = visit_relations(tree, |name: &ObjectName| {
            names.extend(parts(name));
            ControlFlow::<()>::Continue(())
        });
        names.sort_unstable();
        names.dedup();
        let mut scope = Self::default();
        for name in names {
            scope.add(&name, state, spelling).await?;
        }
        Ok(scope)
    }

    /// Asks the catalogue for every table that `name` could mean.
    async fn add(&mut self, name: &[String], state: &SessionState, spelling: Spelling<'_>) -> Result<()> {
        let lower: Vec<String> = name.iter().map(|part| part.to_lowercase()).collect();
        if self.spellings.contains_key(&lower) {
            return Ok(());
        }
        let mut found = Vec::new();
        for (schema, own) in places(name, state, spelling.path) {
            let Ok(provider) = state.schema_for_ref(schema.clone()) else {
                continue;
            };
            for table in provider.table_names() {
                let other = own && !is_own(provider.as_ref(), &table);
                if Some(table.to_lowercase()) != lower.last().cloned() || other {
                    continue;
                }
                // Plans are run over the tables of that moment, which are found by what the plan calls them.
                let home = *schema.schema == *default_schema(state) && *schema.schema == *crate::DEFAULT_SCHEMA;
                if name.len() == 1 && (spelling.in_full || !home) {
                    self.homes.insert(table.clone(), schema.schema.to_string());
                }
                let spelling = spelled(&schema, &table, name.len());
                if let Some(provider) = provider.table(&table).await? {
                    let columns = provider
                        .schema()
                        .fields()
                        .iter()
                        .map(|field| field.name().clone())
                        .collect();
                    self.columns.insert(spelling.clone(), columns);
                    found.push(spelling);
                }
            }
            if name.len() == 1 && !found.is_empty() {
                break;
            }
        }
        self.spellings.insert(lower, found);
        Ok(())
    }
}

impl NameScope for Scope {
    fn tables(&self, name: &[String]) -> Option<Vec<String>> {
        self.columns.get(name).cloned()
    }

    fn candidates(&self, name: &[String]) -> Vec<Vec<String>> {
        let lower: Vec<String> = name.iter().map(|part| part.to_lowercase()).collect();
        self.spellings.get(&lower).cloned().unwrap_or_default()
    }

    fn schema_of(&self, name: &str) -> Option<String> {
        self.homes.get(name).cloned()
    }
}

fn default_schema(state: &SessionState) -> &str {
    &state.config().options().catalog.default_schema
}

/// The schemas in which `name` could lie, the first that has it counts for a name without one; and whether only the
/// session's own tables there are meant.
fn places(name: &[String], state: &SessionState, path: &[String]) -> Vec<(ResolvedTableReference, bool)> {
    let options = &state.config().options().catalog;
    let full = |schema: &str| {
        let reference = TableReference::full(options.default_catalog.as_str(), schema, "");
        reference.resolve(&options.default_catalog, &options.default_schema)
    };
    if name.len() != 1 {
        return schemas(name, state).into_iter().map(|schema| (schema, false)).collect();
    }
    let default = options.default_schema.as_str();
    let mut places = vec![(full(default), true)];
    places.extend(path.iter().map(|schema| (full(schema), false)));
    if !path.iter().any(|schema| schema == default) {
        places.push((full(default), false));
    }
    places
}

/// The schemas in which `name` could lie: a name given in full may be spelled in another case.
fn schemas(name: &[String], state: &SessionState) -> Vec<ResolvedTableReference> {
    let options = &state.config().options().catalog;
    let (catalog, schema) = match name {
        [schema, _] => (options.default_catalog.clone(), schema.clone()),
        [catalog, schema, _] => (catalog.clone(), schema.clone()),
        _ => return Vec::new(),
    };
    let catalogs = state.catalog_list();
    let mut found = Vec::new();
    for catalog in catalogs
        .catalog_names()
        .into_iter()
        .filter(|known| known.eq_ignore_ascii_case(&catalog))
    {
        let mut names = catalogs
            .catalog(&catalog)
            .map(|catalog| catalog.schema_names())
            .unwrap_or_default();
        names.push("information_schema".to_owned());
        for schema in names
            .into_iter()
            .filter(|known| known.to_lowercase() == schema.to_lowercase())
        {
            let reference = TableReference::full(catalog.clone(), schema, "");
            found.push(reference.resolve(&options.default_catalog, &options.default_schema));
        }
    }
    found
}

/// The name of a table with as many parts as the statement gave.
fn spelled(schema: &ResolvedTableReference, table: &str, parts: usize) -> Vec<String> {
    let full = [schema.catalog.to_string(), schema.schema.to_string(), table.to_owned()];
    full.into_iter().skip(3_usize.saturating_sub(parts)).collect()
}

fn parts(name: &ObjectName) -> Option<Vec<String>> {
    name.0
        .iter()
        .map(|part| part.as_ident().map(|ident| ident.value.clone()))
        .collect()
}
