//! What exists, as one session sees it at one moment: schemas, relations with their columns, functions.

use std::collections::HashMap;

use datafusion::catalog::TableProvider;
use datafusion::common::stats::Precision;
use datafusion::datasource::TableType;
use pgwire::api::Type;

use super::super::encode::{pg_type, type_modifier};
use super::names::{Which, is_catalog_schema};
use super::oid::{Kind, Oids};
use super::routines;
use super::system::System;
use crate::state::Comments;
use crate::{DEFAULT_CATALOG, DEFAULT_SCHEMA, Result, Session};

/// Everything that exists.
#[derive(Debug, Default)]
pub(in crate::pg) struct Snapshot {
    /// Schemas whose names need not be said, in order.
    pub(in crate::pg) path: Vec<String>,
    pub(in crate::pg) schemas: Vec<Namespace>,
    pub(in crate::pg) relations: Vec<Relation>,
    pub(in crate::pg) routines: Vec<Routine>,
    relation_by_oid: HashMap<u32, usize>,
    routine_by_oid: HashMap<u32, usize>,
}

/// A schema.
#[derive(Debug)]
pub(in crate::pg) struct Namespace {
    pub(in crate::pg) oid: u32,
    pub(in crate::pg) name: String,
    pub(in crate::pg) comment: Option<&'static str>,
}

/// A table or view.
#[derive(Debug)]
pub(in crate::pg) struct Relation {
    pub(in crate::pg) oid: u32,
    pub(in crate::pg) schema_oid: u32,
    pub(in crate::pg) schema: String,
    pub(in crate::pg) name: String,
    /// `r` or `v`, as in `pg_class.relkind`.
    pub(in crate::pg) kind: &'static str,
    pub(in crate::pg) columns: Vec<Attribute>,
    pub(in crate::pg) rows: Option<i64>,
    pub(in crate::pg) bytes: Option<i64>,
    pub(in crate::pg) comment: Option<String>,
    pub(in crate::pg) definition: Option<String>,
}

/// A column.
#[derive(Debug)]
pub(in crate::pg) struct Attribute {
    pub(in crate::pg) name: String,
    pub(in crate::pg) kind: Type,
    pub(in crate::pg) modifier: i32,
    pub(in crate::pg) nullable: bool,
    pub(in crate::pg) comment: Option<String>,
}

/// One form of a function.
#[derive(Debug)]
pub(in crate::pg) struct Routine {
    pub(in crate::pg) oid: u32,
    pub(in crate::pg) schema_oid: u32,
    pub(in crate::pg) schema: &'static str,
    pub(in crate::pg) name: String,
    /// `f`, `a` or `w`, as in `pg_proc.prokind`.
    pub(in crate::pg) kind: &'static str,
    /// `i`, `s` or `v`, as in `pg_proc.provolatile`.
    pub(in crate::pg) volatility: &'static str,
    pub(in crate::pg) variadic: bool,
    pub(in crate::pg) arguments: Vec<Argument>,
    pub(in crate::pg) returns: Type,
    pub(in crate::pg) comment: Option<String>,
}

/// One argument of a routine.
#[derive(Debug, Clone)]
pub(in crate::pg) struct Argument {
    pub(in crate::pg) name: String,
    pub(in crate::pg) kind: Type,
}

impl Snapshot {
    /// Looks at everything that the session sees.
    pub(in crate::pg) async fn take(session: &Session, system: &System, path: Vec<String>) -> Result<Self> {
        let mut oids = Oids::default();
        let mut snapshot = Self {
            path,
            ..Self::default()
        };
        let state = session.context().state();
        let catalog = state.catalog_list().catalog(DEFAULT_CATALOG);
        let mut names = catalog
            .as_ref()
            .map(|catalog| catalog.schema_names())
            .unwrap_or_default();
        names.retain(|name| !is_catalog_schema(name));
        names.extend([Which::PgCatalog, Which::InformationSchema].map(|which| which.name().to_owned()));
        names.sort_unstable();
        for name in names {
            let schema_oid = schema_oid(&mut oids, &name);
            let schema = catalog.as_ref().and_then(|catalog| catalog.schema(&name));
            let tables = match (&schema, Which::of(&name)) {
                (_, Some(which)) => which.relations().into_iter().map(str::to_owned).collect(),
                (Some(schema), None) => schema.table_names(),
                (None, None) => Vec::new(),
            };
            for table in tables {
                let provider = match (&schema, Which::of(&name)) {
                    (_, Some(which)) => system.relation(which, &table).await?,
                    // A view whose table is gone, or a folder that cannot be opened, says why when it is named.
                    (Some(schema), None) => schema.table(&table).await.unwrap_or_else(|error| {
                        tracing::warn!(schema = name, table, %error, "left out of the catalogue");
                        None
                    }),
                    (None, None) => None,
                };
                let oid = oids.of(Kind::Relation, &[&name, &table]);
                if let Some(provider) = provider {
                    let said = session.comments(&name, &table);
                    let relation = relation(oid, schema_oid, &name, table, provider.as_ref(), &said);
                    snapshot.relations.push(relation);
                }
            }
            snapshot.schemas.push(Namespace {
                oid: schema_oid,
                comment: comment(&name),
                name,
            });
        }
        snapshot.routines = routines::all(&state, &mut oids, |schema| snapshot.schema_oid(schema).unwrap_or(0));
        snapshot.index();
        Ok(snapshot)
    }

    fn index(&mut self) {
        self.relation_by_oid = self
            .relations
            .iter()
            .enumerate()
            .map(|(at, relation)| (relation.oid, at))
            .collect();
        self.routine_by_oid = self
            .routines
            .iter()
            .enumerate()
            .map(|(at, routine)| (routine.oid, at))
            .collect();
    }

    fn schema_oid(&self, name: &str) -> Option<u32> {
        self.schemas
            .iter()
            .find(|schema| schema.name == name)
            .map(|schema| schema.oid)
    }

    pub(in crate::pg) fn relation(&self, oid: u32) -> Option<&Relation> {
        self.relations.get(*self.relation_by_oid.get(&oid)?)
    }

    pub(in crate::pg) fn routine(&self, oid: u32) -> Option<&Routine> {
        self.routines.get(*self.routine_by_oid.get(&oid)?)
    }

    pub(in crate::pg) fn schema(&self, oid: u32) -> Option<&Namespace> {
        self.schemas.iter().find(|schema| schema.oid == oid)
    }

    /// The relation that a name means, with or without a schema.
    pub(in crate::pg) fn find_relation(&self, schema: Option<&str>, name: &str) -> Option<&Relation> {
        let find = |schema: &str| {
            self.relations
                .iter()
                .find(|row| row.name == name && row.schema == schema)
        };
        match schema {
            Some(schema) => find(schema),
            None => find("pg_catalog").or_else(|| self.path.iter().find_map(|schema| find(schema))),
        }
    }

    /// Whether a relation can be named without its schema, and means that one.
    pub(in crate::pg) fn is_visible(&self, relation: &Relation) -> bool {
        self.find_relation(None, &relation.name)
            .is_some_and(|found| found.oid == relation.oid)
    }
}

impl Which {
    fn of(schema: &str) -> Option<Self> {
        [Self::PgCatalog, Self::InformationSchema]
            .into_iter()
            .find(|which| which.name() == schema)
    }
}

/// The schemas that PostgreSQL has too keep its numbers.
fn schema_oid(oids: &mut Oids, name: &str) -> u32 {
    match name {
        "pg_catalog" => 11,
        DEFAULT_SCHEMA => 2200,
        name => oids.of(Kind::Schema, &[name]),
    }
}

fn comment(schema: &str) -> Option<&'static str> {
    match schema {
        "pg_catalog" => Some("system catalog schema"),
        DEFAULT_SCHEMA => Some("catalogues directly under a root"),
        _ => None,
    }
}

fn relation(
    oid: u32,
    schema_oid: u32,
    schema: &str,
    name: String,
    provider: &dyn TableProvider,
    said: &Comments,
) -> Relation {
    let columns = provider.schema();
    let statistics = provider.statistics();
    let number = |value: Option<&Precision<usize>>| {
        value
            .and_then(Precision::get_value)
            .and_then(|n| i64::try_from(*n).ok())
    };
    Relation {
        oid,
        schema_oid,
        schema: schema.to_owned(),
        name,
        kind: if provider.table_type() == TableType::View {
            "v"
        } else {
            "r"
        },
        rows: number(statistics.as_ref().map(|statistics| &statistics.num_rows)),
        bytes: number(statistics.as_ref().map(|statistics| &statistics.total_byte_size)),
        comment: said
            .table
            .clone()
            .or_else(|| columns.metadata().get("description").cloned()),
        definition: provider.get_table_definition().map(str::to_owned),
        columns: columns
            .fields()
            .iter()
            .map(|field| Attribute {
                name: field.name().clone(),
                kind: pg_type(field),
                modifier: type_modifier(field.data_type()),
                nullable: field.is_nullable(),
                comment: column_comment(field.metadata(), said.columns.get(field.name())),
            })
            .collect(),
    }
}

/// What is known of a column in one line: `Right ascension [deg] (pos.eq.ra)`.
fn column_comment(metadata: &HashMap<String, String>, comment: Option<&String>) -> Option<String> {
    let said = |key: &str| {
        metadata
            .get(key)
            .map(|text| text.trim())
            .filter(|text| !text.is_empty())
    };
    let parts = [
        comment.cloned().or_else(|| said("description").map(str::to_owned)),
        said("unit").map(|unit| format!("[{unit}]")),
        said("ucd").map(|ucd| format!("({ucd})")),
    ];
    let text = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_say_what_is_known() {
        let said = |pairs: &[(&str, &str)]| {
            column_comment(
                &pairs
                    .iter()
                    .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                    .collect(),
                None,
            )
        };
        let all = [
            ("description", "Right ascension"),
            ("unit", "deg"),
            ("ucd", "pos.eq.ra;meta.main"),
        ];
        assert_eq!(
            said(&all).as_deref(),
            Some("Right ascension [deg] (pos.eq.ra;meta.main)")
        );
        assert_eq!(said(&all[1..2]).as_deref(), Some("[deg]"));
        assert_eq!(said(&[("dreyer.pg_type", "oid")]), None);
    }
}
