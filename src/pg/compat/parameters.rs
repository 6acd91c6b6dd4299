//! Parameters whose types the client has declared: the planner is told with a cast, which costs nothing once the value
//! is there.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use datafusion::common::Result;
use datafusion::sql::sqlparser::ast::{Expr, Value, Visit, visit_expressions};
use pgwire::api::Type;

use super::super::catalog::named_type;
use super::expression;

/// The declared types that a cast can tell. Text is left open: it is what clients declare that mean a literal.
const CASTS: &[(Type, &str)] = &[
    (Type::BOOL, "BOOLEAN"),
    (Type::INT2, "SMALLINT"),
    (Type::INT4, "INT"),
    (Type::INT8, "BIGINT"),
    (Type::FLOAT4, "REAL"),
    (Type::FLOAT8, "DOUBLE PRECISION"),
    (Type::DATE, "DATE"),
    (Type::TIME, "TIME"),
    (Type::TIMESTAMP, "TIMESTAMP"),
    (Type::TIMESTAMPTZ, "TIMESTAMP WITH TIME ZONE"),
    (Type::INTERVAL, "INTERVAL"),
];

/// The types that a text itself casts its parameters to, by number from 1. They count where the plan says nothing, as
/// when a parameter stands in something that cannot have rows, and was left out.
pub(in crate::pg) fn said(text: &impl Visit) -> BTreeMap<usize, Type> {
    let mut types = BTreeMap::new();
    let _ = visit_expressions(text, |expr| {
        if let Expr::Cast { expr, data_type, .. } = expr
            && let Expr::Value(value) = &**expr
            && let Value::Placeholder(name) = &value.value
            && let Some(number) = name.strip_prefix('$').and_then(|number| number.parse().ok())
            && let Some(kind) = named_type(&data_type.to_string())
        {
            types.entry(number).or_insert_with(|| kind.clone());
        }
        ControlFlow::<()>::Continue(())
    });
    types
}

/// `$1` as `CAST($1 AS INT)` if it was declared so.
pub(super) fn declare(expr: &mut Expr, declared: &[Option<Type>]) -> Result<()> {
    let Expr::Value(value) = expr else { return Ok(()) };
    let Value::Placeholder(name) = &value.value else {
        return Ok(());
    };
    let number = name.strip_prefix('$').and_then(|number| number.parse::<usize>().ok());
    let kind = number
        .and_then(|number| declared.get(number.checked_sub(1)?))
        .and_then(Option::as_ref);
    if let Some((_, spelling)) = CASTS.iter().find(|(known, _)| Some(known) == kind) {
        *expr = expression(&format!("CAST({name} AS {spelling})"))?;
    }
    Ok(())
}
