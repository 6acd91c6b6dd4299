//! Which names of a query stand for relations of the catalogue.

use std::collections::HashMap;

use datafusion::sql::sqlparser::ast::{Ident, Select, TableFactor};

use super::super::catalog::is_pg_catalog_relation;
use super::{last_part, schema_part};

/// The relations of the catalogue in FROM, by the names that they go by.
pub(super) fn of(select: &Select) -> HashMap<String, String> {
    let tables = select.from.iter();
    let factors =
        tables.flat_map(|table| std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation)));
    factors.filter_map(relation).collect()
}

fn relation(factor: &TableFactor) -> Option<(String, String)> {
    let TableFactor::Table {
        name,
        alias,
        args: None,
        ..
    } = factor
    else {
        return None;
    };
    if schema_part(name).is_some_and(|schema| schema != "pg_catalog") {
        return None;
    }
    let relation = last_part(name).filter(|relation| is_pg_catalog_relation(relation))?;
    let called = alias
        .as_ref()
        .map_or_else(|| relation.clone(), |alias| lower(&alias.name));
    Some((called, relation))
}

/// A name as it is compared: in lower case unless quoted.
pub(super) fn lower(ident: &Ident) -> String {
    if ident.quote_style.is_some() {
        ident.value.clone()
    } else {
        ident.value.to_lowercase()
    }
}
