//! The relations of the catalogue by name, known without a session: which there are, and which are always empty.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::sql::sqlparser::ast::{ColumnDef, Statement};
use datafusion::sql::sqlparser::parser::Parser;
use include_dir::{Dir, include_dir};

use super::super::encode::{PG_TYPE, arrow_type};
use super::typenames::named_type;

static PG_CATALOG: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/sql/pg_catalog");
static INFORMATION_SCHEMA: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/sql/information_schema");

/// The file that declares the relations that are always empty.
const EMPTY: &str = "empty";

/// The folder of functions that give rows.
const FUNCTIONS: &str = "functions";

/// A schema of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    PgCatalog,
    InformationSchema,
}

impl Which {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::PgCatalog => "pg_catalog",
            Self::InformationSchema => "information_schema",
        }
    }

    fn contents(self) -> &'static Contents {
        match self {
            Self::PgCatalog => &CONTENTS.0,
            Self::InformationSchema => &CONTENTS.1,
        }
    }

    /// The query of a view.
    pub(super) fn view(self, name: &str) -> Option<&'static str> {
        let contents = self.contents();
        contents
            .views
            .get(name)
            .or_else(|| contents.functions.get(name))
            .copied()
    }

    /// The schema of a relation that is always empty.
    pub(super) fn empty(self, name: &str) -> Option<SchemaRef> {
        self.contents().empty.get(name).cloned()
    }

    /// All relations, in order.
    pub(super) fn relations(self) -> BTreeSet<&'static str> {
        let contents = self.contents();
        contents
            .views
            .keys()
            .copied()
            .chain(contents.empty.keys().map(String::as_str))
            .collect()
    }
}

struct Contents {
    views: BTreeMap<&'static str, &'static str>,
    /// Functions without arguments that give rows: views that nobody is shown.
    functions: BTreeMap<&'static str, &'static str>,
    empty: BTreeMap<String, SchemaRef>,
}

static CONTENTS: LazyLock<(Contents, Contents)> =
    LazyLock::new(|| (contents(&PG_CATALOG), contents(&INFORMATION_SCHEMA)));

fn contents(folder: &'static Dir<'static>) -> Contents {
    let mut views = texts(folder);
    let empty = views.remove(EMPTY).map(declared).unwrap_or_default();
    let functions = folder.get_dir(FUNCTIONS).map(texts).unwrap_or_default();
    Contents {
        views,
        functions,
        empty,
    }
}

/// The files of a folder by name.
fn texts(folder: &'static Dir<'static>) -> BTreeMap<&'static str, &'static str> {
    let named = |file: &'static include_dir::File<'static>| {
        let name = file.path().file_stem().and_then(|stem| stem.to_str())?;
        Some((name, file.contents_utf8()?))
    };
    folder.files().filter_map(named).collect()
}

/// The tables that a text of CREATE TABLE statements declares. A test sees to it that the text parses.
fn declared(text: &str) -> BTreeMap<String, SchemaRef> {
    let statements = Parser::parse_sql(dreyer_adql::dialect(), text).unwrap_or_default();
    let tables = statements.into_iter().filter_map(|statement| match statement {
        Statement::CreateTable(table) => {
            let fields: Vec<Field> = table.columns.iter().map(field).collect();
            Some((table.name.to_string(), Arc::new(Schema::new(fields))))
        }
        _ => None,
    });
    tables.collect()
}

/// A column in the type it is declared with; text where the type is none that is kept here.
fn field(column: &ColumnDef) -> Field {
    let declared = column.data_type.to_string();
    let kind = named_type(&declared);
    let data_type = kind.map_or(DataType::Utf8, arrow_type);
    let field = Field::new(column.name.value.clone(), data_type, true);
    match kind {
        Some(kind) => field.with_metadata([(PG_TYPE.to_owned(), kind.name().to_owned())].into()),
        None => field,
    }
}

/// Whether a schema is one of the catalogue's.
pub(in crate::pg) fn is_catalog_schema(name: &str) -> bool {
    [Which::PgCatalog, Which::InformationSchema]
        .iter()
        .any(|which| which.name() == name)
}

/// Whether a name without a schema means a relation of pg_catalog.
pub(in crate::pg) fn is_pg_catalog_relation(name: &str) -> bool {
    let contents = Which::PgCatalog.contents();
    contents.views.contains_key(name) || contents.empty.contains_key(name)
}

/// Whether a name means a function of pg_catalog that takes nothing and gives rows.
pub(in crate::pg) fn is_pg_catalog_function(name: &str) -> bool {
    Which::PgCatalog.contents().functions.contains_key(name)
}

/// Whether a relation of pg_catalog never has rows.
pub(in crate::pg) fn is_always_empty(name: &str) -> bool {
    Which::PgCatalog.contents().empty.contains_key(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_relations_are_all_read() {
        for (folder, which) in [
            (&PG_CATALOG, Which::PgCatalog),
            (&INFORMATION_SCHEMA, Which::InformationSchema),
        ] {
            let Some(text) = folder.get_file("empty.sql").and_then(|file| file.contents_utf8()) else {
                continue;
            };
            let parsed = Parser::parse_sql(dreyer_adql::dialect(), text).unwrap();
            assert_eq!(
                parsed.len(),
                which.contents().empty.len(),
                "every statement of empty.sql declares a table"
            );
            for (name, schema) in &which.contents().empty {
                assert!(!schema.fields().is_empty(), "{name}");
                assert!(which.view(name).is_none(), "{name} is both a view and always empty");
            }
        }
    }
}
