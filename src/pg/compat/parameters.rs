//! Parameters whose types the client has declared: the planner is told with a cast, which costs nothing once the value
//! is there.

use datafusion::common::Result;
use datafusion::sql::sqlparser::ast::{Expr, Value};
use pgwire::api::Type;

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
