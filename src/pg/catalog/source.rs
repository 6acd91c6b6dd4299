//! The few relations that Rust makes, for the views to select from. They lie in a schema that only the views see.
//!
//! Each is a row of [`SOURCES`]: its columns, and what fills them from the session's door.

mod now;

use std::any::Any;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err};
use datafusion::datasource::TableType;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::sql::sqlparser::keywords::{
    ALL_KEYWORDS, ALL_KEYWORDS_INDEX, Keyword, RESERVED_FOR_COLUMN_ALIAS, RESERVED_FOR_TABLE_ALIAS,
};
use futures::future::BoxFuture;
use pgwire::api::Type;

use super::super::door::Door;
use super::super::encode::{PG_TYPE, arrow_type, element_of, type_length};
use super::typenames::{ARRAYS, TYPES, alignment, array_type, by_value, format_type, type_name};
use super::{operators, roles};
use now::{activity, cursor, prepared, queries, queries_elsewhere, workers};

/// One source.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) name: &'static str,
    columns: &'static [(&'static str, Type)],
    rows: fn(&Door) -> Vec<Vec<Value>>,
}

/// A value on its way into a column.
#[derive(Debug, Clone)]
enum Value {
    Null,
    Oid(u32),
    Int(i64),
    Float(f64),
    Bool(bool),
    Text(String),
    Oids(Vec<u32>),
    Texts(Vec<String>),
    Micros(i64),
}

fn text(value: impl Into<String>) -> Value {
    Value::Text(value.into())
}

fn maybe<T>(value: Option<T>, of: impl Fn(T) -> Value) -> Value {
    value.map_or(Value::Null, of)
}

/// All sources.
pub(super) const SOURCES: &[Source] = &[
    Source {
        name: "schemas",
        columns: &[("oid", Type::OID), ("name", Type::NAME), ("comment", Type::TEXT)],
        rows: |door| {
            let snapshot = door.snapshot();
            let row = |schema: &super::snapshot::Namespace| {
                vec![Value::Oid(schema.oid), text(&schema.name), maybe(schema.comment, text)]
            };
            snapshot.schemas.iter().map(row).collect()
        },
    },
    Source {
        name: "relations",
        columns: &[
            ("oid", Type::OID),
            ("schema_oid", Type::OID),
            ("schema", Type::NAME),
            ("name", Type::NAME),
            ("kind", Type::CHAR),
            ("columns", Type::INT2),
            ("rows", Type::INT8),
            ("bytes", Type::INT8),
            ("comment", Type::TEXT),
            ("definition", Type::TEXT),
        ],
        rows: relations,
    },
    Source {
        name: "columns",
        columns: &[
            ("relation_oid", Type::OID),
            ("schema", Type::NAME),
            ("relation", Type::NAME),
            ("number", Type::INT2),
            ("name", Type::NAME),
            ("type_oid", Type::OID),
            ("type_name", Type::TEXT),
            ("formatted", Type::TEXT),
            ("udt", Type::NAME),
            ("length", Type::INT2),
            ("modifier", Type::INT4),
            ("by_value", Type::BOOL),
            ("alignment", Type::CHAR),
            ("dimensions", Type::INT4),
            ("not_null", Type::BOOL),
            ("comment", Type::TEXT),
        ],
        rows: columns,
    },
    Source {
        name: "types",
        columns: &[
            ("oid", Type::OID),
            ("name", Type::NAME),
            ("sql_name", Type::TEXT),
            ("length", Type::INT2),
            ("by_value", Type::BOOL),
            ("alignment", Type::CHAR),
            ("kind", Type::CHAR),
            ("category", Type::CHAR),
            ("element_oid", Type::OID),
            ("array_oid", Type::OID),
        ],
        rows: |_| types(),
    },
    Source {
        name: "routines",
        columns: &[
            ("oid", Type::OID),
            ("schema_oid", Type::OID),
            ("schema", Type::NAME),
            ("name", Type::NAME),
            ("kind", Type::CHAR),
            ("volatility", Type::CHAR),
            ("variadic", Type::BOOL),
            ("arguments", Type::INT2),
            ("argument_types", Type::OID_VECTOR),
            ("argument_names", Type::TEXT_ARRAY),
            ("result_type", Type::OID),
            ("result_name", Type::TEXT),
            ("comment", Type::TEXT),
        ],
        rows: routines,
    },
    Source {
        name: "operators",
        columns: &[
            ("oid", Type::OID),
            ("name", Type::NAME),
            ("left_type", Type::OID),
            ("right_type", Type::OID),
            ("result_type", Type::OID),
            ("commutator", Type::OID),
            ("negator", Type::OID),
            ("comment", Type::TEXT),
        ],
        rows: |_| operators(),
    },
    Source {
        name: "settings",
        columns: &[
            ("name", Type::TEXT),
            ("setting", Type::TEXT),
            ("description", Type::TEXT),
        ],
        rows: |door| {
            let settings = door.settings();
            settings
                .all()
                .map(|(name, value, about)| vec![text(name), text(value), text(about)])
                .collect()
        },
    },
    Source {
        name: "keywords",
        columns: &[("word", Type::TEXT), ("reserved", Type::BOOL)],
        rows: |_| keywords(),
    },
    Source {
        name: "cursors",
        columns: &[
            ("name", Type::TEXT),
            ("statement", Type::TEXT),
            ("holdable", Type::BOOL),
            ("binary", Type::BOOL),
            ("scrolls", Type::BOOL),
            ("since", Type::TIMESTAMPTZ),
        ],
        rows: |door| door.portals().into_iter().map(cursor).collect(),
    },
    Source {
        name: "prepared",
        columns: &[
            ("name", Type::TEXT),
            ("statement", Type::TEXT),
            ("since", Type::TIMESTAMPTZ),
            ("types", Type::TEXT_ARRAY),
            ("from_sql", Type::BOOL),
        ],
        rows: |door| door.statements().into_iter().map(prepared).collect(),
    },
    Source {
        name: "users",
        columns: &[
            ("oid", Type::OID),
            ("name", Type::NAME),
            ("logs_in", Type::BOOL),
            ("admin", Type::BOOL),
        ],
        rows: |door| roles::all(door).into_iter().map(user).collect(),
    },
    Source {
        name: "members",
        columns: &[("role_oid", Type::OID), ("member_oid", Type::OID)],
        rows: |door| roles::all(door).iter().flat_map(memberships).collect(),
    },
    Source {
        name: "activity",
        columns: &[
            ("pid", Type::INT4),
            ("user_name", Type::NAME),
            ("application", Type::TEXT),
            ("address", Type::TEXT),
            ("port", Type::INT4),
            ("since", Type::TIMESTAMPTZ),
            ("query_since", Type::TIMESTAMPTZ),
            ("state", Type::TEXT),
            ("query", Type::TEXT),
        ],
        rows: activity,
    },
    Source {
        name: "stores",
        columns: &[
            ("store", Type::TEXT),
            ("gets", Type::INT8),
            ("heads", Type::INT8),
            ("lists", Type::INT8),
            ("puts", Type::INT8),
            ("deletes", Type::INT8),
            ("bytes_read", Type::INT8),
            ("bytes_written", Type::INT8),
            ("failures", Type::INT8),
            ("resumed", Type::INT8),
        ],
        rows: stores,
    },
    Source {
        name: "workers",
        columns: &[
            ("url", Type::TEXT),
            ("state", Type::TEXT),
            ("seconds", Type::INT8),
            ("reason", Type::TEXT),
        ],
        rows: workers,
    },
    Source {
        name: "queries",
        columns: &[
            ("id", Type::INT8),
            ("coordinator", Type::TEXT),
            ("pid", Type::INT4),
            ("user_name", Type::NAME),
            ("state", Type::TEXT),
            ("since", Type::TIMESTAMPTZ),
            ("seconds", Type::FLOAT8),
            ("scan_bytes", Type::INT8),
            ("workers", Type::INT8),
            ("rows", Type::INT8),
            ("progress", Type::FLOAT8),
            ("waves", Type::INT8),
            ("waves_done", Type::INT8),
            ("waves_failed", Type::INT8),
            ("bytes_read", Type::INT8),
            ("gets", Type::INT8),
            ("core_seconds", Type::FLOAT8),
            ("money", Type::FLOAT8),
            ("estimated_bytes", Type::INT8),
            ("estimated_gets", Type::INT8),
            ("estimated_core_seconds", Type::FLOAT8),
            ("estimated_money", Type::FLOAT8),
        ],
        rows: queries,
    },
];

/// What fills the rest of a source of which other servers have a part.
type Asked = fn(&Door) -> BoxFuture<'_, Vec<Vec<Value>>>;

/// Sources of which other servers have a part.
const ELSEWHERE: &[(&str, Asked)] = &[("queries", queries_elsewhere)];

fn user(role: roles::KnownRole) -> Vec<Value> {
    vec![
        Value::Oid(role.oid),
        text(role.name),
        Value::Bool(role.logs_in),
        Value::Bool(role.admin),
    ]
}

fn memberships(role: &roles::KnownRole) -> Vec<Vec<Value>> {
    let member = |of: &u32| vec![Value::Oid(*of), Value::Oid(role.oid)];
    role.member_of.iter().map(member).collect()
}

fn relations(door: &Door) -> Vec<Vec<Value>> {
    let snapshot = door.snapshot();
    let row = |relation: &super::snapshot::Relation| {
        vec![
            Value::Oid(relation.oid),
            Value::Oid(relation.schema_oid),
            text(&relation.schema),
            text(&relation.name),
            text(relation.kind),
            Value::Int(relation.columns.len() as i64),
            maybe(relation.rows, Value::Int),
            maybe(relation.bytes, Value::Int),
            maybe(relation.comment.as_deref(), text),
            maybe(relation.definition.as_deref(), text),
        ]
    };
    snapshot.relations.iter().map(row).collect()
}

fn columns(door: &Door) -> Vec<Vec<Value>> {
    let snapshot = door.snapshot();
    let mut rows = Vec::new();
    for relation in &snapshot.relations {
        for (number, column) in relation.columns.iter().enumerate() {
            let oid = column.kind.oid();
            rows.push(vec![
                Value::Oid(relation.oid),
                text(&relation.schema),
                text(&relation.name),
                Value::Int(number as i64 + 1),
                text(&column.name),
                Value::Oid(oid),
                text(type_name(oid)),
                text(format_type(oid, column.modifier.into())),
                text(column.kind.name()),
                Value::Int(type_length(&column.kind).into()),
                Value::Int(column.modifier.into()),
                Value::Bool(by_value(&column.kind)),
                text(alignment(&column.kind)),
                Value::Int(i64::from(element_of(&column.kind).is_some())),
                Value::Bool(!column.nullable),
                maybe(column.comment.as_deref(), text),
            ]);
        }
    }
    rows
}

fn types() -> Vec<Vec<Value>> {
    let row = |kind: &Type, category: char| {
        vec![
            Value::Oid(kind.oid()),
            text(kind.name()),
            text(type_name(kind.oid())),
            Value::Int(type_length(kind).into()),
            Value::Bool(by_value(kind)),
            text(alignment(kind)),
            text(if category == 'P' { "p" } else { "b" }),
            text(category),
            Value::Oid(element_of(kind).map_or(0, |element| element.oid())),
            Value::Oid(array_type(kind).map_or(0, Type::oid)),
        ]
    };
    let scalars = TYPES.iter().map(|scalar| row(&scalar.kind, scalar.category));
    scalars.chain(ARRAYS.iter().map(|array| row(array, 'A'))).collect()
}

fn routines(door: &Door) -> Vec<Vec<Value>> {
    let snapshot = door.snapshot();
    let row = |routine: &super::snapshot::Routine| {
        vec![
            Value::Oid(routine.oid),
            Value::Oid(routine.schema_oid),
            text(routine.schema),
            text(&routine.name),
            text(routine.kind),
            text(routine.volatility),
            Value::Bool(routine.variadic),
            Value::Int(routine.arguments.len() as i64),
            Value::Oids(routine.arguments.iter().map(|argument| argument.kind.oid()).collect()),
            Value::Texts(routine.arguments.iter().map(|argument| argument.name.clone()).collect()),
            Value::Oid(routine.returns.oid()),
            text(type_name(routine.returns.oid())),
            maybe(routine.comment.as_deref(), text),
        ]
    };
    snapshot.routines.iter().map(row).collect()
}

fn operators() -> Vec<Vec<Value>> {
    let all = operators::all();
    let row = |operator: &operators::Operator| {
        vec![
            Value::Oid(operator.oid),
            text(operator.name),
            Value::Oid(operator.left),
            Value::Oid(operator.right),
            Value::Oid(operator.result),
            Value::Oid(operators::sibling(&all, operator, operator.commutator)),
            Value::Oid(operators::sibling(&all, operator, operator.negator)),
            text(operator.about),
        ]
    };
    all.iter().map(row).collect()
}

/// The words of the grammar, and whether they can be names without quotes.
fn keywords() -> Vec<Vec<Value>> {
    let words = ALL_KEYWORDS.iter().zip(ALL_KEYWORDS_INDEX);
    let row = |(word, keyword): (&&str, &Keyword)| {
        let reserved = RESERVED_FOR_COLUMN_ALIAS.contains(keyword) || RESERVED_FOR_TABLE_ALIAS.contains(keyword);
        vec![text(word.to_lowercase()), Value::Bool(reserved)]
    };
    words.map(row).collect()
}

fn stores(door: &Door) -> Vec<Vec<Value>> {
    let row = |store: crate::StoreMetrics| {
        let counts = [
            store.gets,
            store.heads,
            store.lists,
            store.puts,
            store.deletes,
            store.bytes_read,
            store.bytes_written,
            store.failures,
            store.resumed,
        ];
        let counts = counts.map(|count| Value::Int(i64::try_from(count).unwrap_or(i64::MAX)));
        [vec![text(store.store)], counts.to_vec()].concat()
    };
    door.database.storage_metrics().into_iter().map(row).collect()
}

/// Whether a table is a source: what reads it reads the catalogue.
pub(in crate::pg) fn is_source(table: &dyn TableProvider) -> bool {
    (table as &dyn Any).is::<SourceTable>()
}

/// A source as the engine sees it.
#[derive(Debug)]
pub(super) struct SourceTable {
    source: &'static Source,
    schema: SchemaRef,
}

impl SourceTable {
    pub(super) fn new(source: &'static Source) -> Self {
        let fields: Vec<Field> = source
            .columns
            .iter()
            .map(|(name, kind)| {
                Field::new(*name, arrow_type(kind), true)
                    .with_metadata([(PG_TYPE.to_owned(), kind.name().to_owned())].into())
            })
            .collect();
        Self {
            source,
            schema: Arc::new(Schema::new(fields)),
        }
    }

    async fn batch(&self, door: &Door) -> Result<RecordBatch> {
        let mut rows = (self.source.rows)(door);
        if let Some((_, ask)) = ELSEWHERE.iter().find(|(name, _)| *name == self.source.name) {
            rows.extend(ask(door).await);
        }
        let columns = self.schema.fields().iter().enumerate();
        let arrays = columns.map(|(at, field)| array(rows.iter().map(|row| &row[at]), field.data_type()));
        let options = datafusion::arrow::record_batch::RecordBatchOptions::new().with_row_count(Some(rows.len()));
        Ok(RecordBatch::try_new_with_options(
            Arc::clone(&self.schema),
            arrays.collect::<Result<_>>()?,
            &options,
        )?)
    }
}

fn array<'a>(values: impl Iterator<Item = &'a Value>, data_type: &DataType) -> Result<ArrayRef> {
    let scalars = values
        .map(|value| scalar(value, data_type))
        .collect::<Result<Vec<_>>>()?;
    if scalars.is_empty() {
        return Ok(datafusion::arrow::array::new_empty_array(data_type));
    }
    ScalarValue::iter_to_array(scalars)
}

fn scalar(value: &Value, data_type: &DataType) -> Result<ScalarValue> {
    let list =
        |items: Vec<ScalarValue>, item: &DataType| ScalarValue::List(ScalarValue::new_list_nullable(&items, item));
    match value {
        Value::Null => ScalarValue::try_from(data_type),
        Value::Oid(oid) => Ok(ScalarValue::UInt32(Some(*oid))),
        Value::Bool(value) => Ok(ScalarValue::Boolean(Some(*value))),
        Value::Text(text) => Ok(ScalarValue::Utf8(Some(text.clone()))),
        Value::Float(value) => Ok(ScalarValue::Float64(Some(*value))),
        Value::Int(value) => ScalarValue::Int64(Some(*value)).cast_to(data_type),
        Value::Micros(micros) => ScalarValue::TimestampMicrosecond(Some(*micros), None).cast_to(data_type),
        Value::Oids(oids) => Ok(list(
            oids.iter().map(|oid| ScalarValue::UInt32(Some(*oid))).collect(),
            &DataType::UInt32,
        )),
        Value::Texts(texts) => Ok(list(
            texts.iter().map(|text| ScalarValue::Utf8(Some(text.clone()))).collect(),
            &DataType::Utf8,
        )),
    }
}

#[async_trait]
impl TableProvider for SourceTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let door = state.config().get_extension::<Door>().ok_or_else(|| {
            exec_datafusion_err!(
                "the catalogue relation {} can only be read through the PostgreSQL door",
                self.source.name
            )
        })?;
        let batch = self.batch(&door).await?;
        Ok(MemorySourceConfig::try_new_exec(
            &[vec![batch]],
            Arc::clone(&self.schema),
            projection.cloned(),
        )?)
    }
}
