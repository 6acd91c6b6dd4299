//! What a client is told about columns and parameters before it gets any.

use std::sync::Arc;

use datafusion::logical_expr::LogicalPlan;
use pgwire::api::Type;
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::data::{FieldDescription, ParameterDescription, RowDescription};

use super::compat::Labels;
use super::encode::{WireFormat, pg_type, type_length, type_modifier};
use super::origin::{Origin, origins};

/// One column of a result.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Type,
    pub(super) modifier: i32,
    /// Which column of a table it is, if it is one.
    pub(super) origin: Option<Origin>,
}

impl Column {
    pub(super) fn text(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            kind: Type::TEXT,
            modifier: -1,
            origin: None,
        }
    }
}

/// The columns of a plan. `labels` are the names that PostgreSQL would give them; where there is none, the engine's.
pub(super) fn columns(plan: &LogicalPlan, labels: &Labels) -> Arc<[Column]> {
    let (schema, origins) = (plan.schema(), origins(plan));
    let count = schema.fields().len();
    let fields = schema.fields().iter().enumerate();
    fields
        .map(|(at, field)| Column {
            name: labels.get(at, count).unwrap_or(field.name()).to_owned(),
            kind: pg_type(field),
            modifier: type_modifier(field.data_type()),
            origin: origins.get(at).copied().flatten(),
        })
        .collect()
}

/// `RowDescription`. Formats as a Bind message gives them: none is text, one is for all.
pub(super) fn row_description(columns: &[Column], formats: &[WireFormat]) -> PgWireBackendMessage {
    let fields = columns.iter().enumerate().map(|(at, column)| {
        let (relation, number) = column.origin.map_or((0, 0), |origin| (origin.relation, origin.column));
        FieldDescription::new(
            column.name.clone(),
            i32::try_from(relation).unwrap_or_default(),
            number,
            column.kind.oid(),
            type_length(&column.kind),
            column.modifier,
            format_of(formats, at).code(),
        )
    });
    PgWireBackendMessage::RowDescription(RowDescription::new(fields.collect()))
}

/// `ParameterDescription`.
pub(super) fn parameter_description(types: &[Type]) -> PgWireBackendMessage {
    PgWireBackendMessage::ParameterDescription(ParameterDescription::new(types.iter().map(Type::oid).collect()))
}

/// The format of one column out of those of a Bind message.
pub(super) fn format_of(formats: &[WireFormat], at: usize) -> WireFormat {
    match formats {
        [] => WireFormat::Text,
        [all] => *all,
        each => each.get(at).copied().unwrap_or(WireFormat::Text),
    }
}
