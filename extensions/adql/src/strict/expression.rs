//! Expressions: which there are, and where a value or a condition must stand.
//!
//! ADQL has no truth values: `a < b` is a condition and can only stand in WHERE, HAVING, ON and
//! between AND, OR and NOT; a column is a value and cannot stand there. Each check looks at one
//! node and the kind of its children, so that the walk needs no recursion of its own.

use sqlparser::ast::{
    BinaryOperator, CastKind, CeilFloorKind, CharacterLength, DataType, DateTimeField, ExactNumberInfo, Expr, Ident,
    ObjectNamePart, TimezoneInfo, UnaryOperator, Value,
};
use sqlparser::tokenizer::Span;

use super::query::{Check, place};
use super::{function, reserved};
use crate::{Error, call};

/// Is this a condition rather than a value?
fn conditional(expr: &Expr) -> bool {
    match call::peeled(expr) {
        Expr::BinaryOp { op, .. } => logical(op) || comparison(op),
        Expr::UnaryOp {
            op: UnaryOperator::Not, ..
        }
        | Expr::Between { .. }
        | Expr::InList { .. }
        | Expr::InSubquery { .. }
        | Expr::Like { .. }
        | Expr::ILike { .. }
        | Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::Exists { .. } => true,
        _ => false,
    }
}

fn logical(op: &BinaryOperator) -> bool {
    matches!(op, BinaryOperator::And | BinaryOperator::Or)
}

fn comparison(op: &BinaryOperator) -> bool {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | Gt | LtEq | GtEq)
}

/// Demands a condition.
pub(super) fn is_condition(expr: &Expr, start: Span) -> Check {
    if conditional(expr) {
        return Ok(());
    }
    let inner = call::peeled(expr);
    check(inner)?;
    let span = place(expr, start);
    if let Expr::Function(called) = inner
        && let Some(name) = call::name(called)
        && ["contains", "intersects"].contains(&name.as_str())
    {
        let name = name.to_uppercase();
        return Err(Error::breaks_adql(
            format!("{name} is a number, not a condition"),
            span,
            format!("write 1 = {name}(...)"),
        ));
    }
    Err(Error::breaks_adql(
        "a condition is expected here, not a value",
        span,
        "compare the value, as in x = 1",
    ))
}

/// Demands a value.
pub(super) fn is_value(expr: &Expr, start: Span) -> Check {
    if conditional(expr) {
        return Err(Error::breaks_adql(
            "a value is expected here, not a condition",
            place(expr, start),
            "move the condition to WHERE",
        ));
    }
    Ok(())
}

/// Checks one expression and the kinds of its parts.
pub(super) fn check(expr: &Expr) -> Check {
    let here = place(expr, Span::empty());
    let values = |parts: &[&Expr]| parts.iter().try_for_each(|part| is_value(part, here));
    match expr {
        Expr::Identifier(ident) => reserved::name(ident, "column"),
        Expr::CompoundIdentifier(parts) => column(parts, here),
        Expr::Nested(_) | Expr::Exists { .. } => Ok(()),
        Expr::Value(value) => literal(&value.value, value.span),
        Expr::BinaryOp { left, op, right } if logical(op) => {
            is_condition(left, here)?;
            is_condition(right, here)
        }
        Expr::BinaryOp { left, op, right } => {
            operator(op, here)?;
            values(&[left, right])
        }
        Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr,
        } => is_condition(expr, here),
        Expr::UnaryOp {
            op: UnaryOperator::Plus | UnaryOperator::Minus,
            expr,
        } => values(&[expr]),
        Expr::Between { expr, low, high, .. } => values(&[expr, low, high]),
        Expr::InList { expr, list, .. } => {
            values(&[expr])?;
            list.iter().try_for_each(|item| is_value(item, here))
        }
        Expr::InSubquery { expr, .. } | Expr::IsNull(expr) | Expr::IsNotNull(expr) => values(&[expr]),
        Expr::Like {
            any: false,
            expr,
            pattern,
            escape_char: None,
            ..
        }
        | Expr::ILike {
            any: false,
            expr,
            pattern,
            escape_char: None,
            ..
        } => values(&[expr, pattern]),
        Expr::Cast {
            kind: CastKind::Cast,
            expr,
            data_type,
            array: false,
            format: None,
        } => {
            cast_target(data_type, here)?;
            values(&[expr])
        }
        Expr::Ceil {
            expr,
            field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime),
        }
        | Expr::Floor {
            expr,
            field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime),
        } => values(&[expr]),
        Expr::Function(called) => function::check(called),
        other => Err(refused(other, here)),
    }
}

fn column(parts: &[Ident], span: Span) -> Check {
    if parts.len() > 4 {
        let hint = "write catalog.schema.table.column";
        return Err(Error::breaks_adql("a column name has at most four parts", span, hint));
    }
    parts
        .iter()
        .try_for_each(|part| reserved::name(part, "column or table"))
}

fn operator(op: &BinaryOperator, span: Span) -> Check {
    use BinaryOperator::{Divide, Minus, Modulo, Multiply, Plus, StringConcat};
    if comparison(op) || matches!(op, Plus | Minus | Multiply | Divide | Modulo | StringConcat) {
        return Ok(());
    }
    Err(Error::not_adql(
        format!("operator {op}"),
        span,
        "use the operators + - * / || = <> < > <= >= and function calls",
    ))
}

fn literal(value: &Value, span: Span) -> Check {
    match value {
        Value::Number(..) | Value::SingleQuotedString(_) | Value::Null => Ok(()),
        Value::Boolean(_) => Err(Error::not_adql(
            "TRUE and FALSE",
            span,
            "compare with 1 or 0, or with 'True', as the table's documentation says",
        )),
        other => Err(Error::not_adql(
            format!("literal {other}"),
            span,
            "write a number or 'text'",
        )),
    }
}

fn cast_target(data_type: &DataType, span: Span) -> Check {
    let length = |length: &Option<CharacterLength>| {
        matches!(length, None | Some(CharacterLength::IntegerLength { unit: None, .. }))
    };
    let known = match data_type {
        DataType::SmallInt(None) | DataType::Integer(None) | DataType::BigInt(None) | DataType::Real => true,
        DataType::DoublePrecision | DataType::Timestamp(None, TimezoneInfo::None) => true,
        DataType::Char(n) | DataType::Varchar(n) => length(n),
        DataType::Custom(name, arguments) if arguments.is_empty() => match name.0.as_slice() {
            [ObjectNamePart::Identifier(ident)] => ["POINT", "CIRCLE", "POLYGON"]
                .iter()
                .any(|word| ident.value.eq_ignore_ascii_case(word)),
            _ => false,
        },
        DataType::Double(ExactNumberInfo::None) => false,
        _ => false,
    };
    if known {
        return Ok(());
    }
    Err(Error::not_adql(
        format!("CAST to {data_type}"),
        span,
        "cast to SMALLINT, INTEGER, BIGINT, REAL, DOUBLE PRECISION, CHAR(n), VARCHAR(n), TIMESTAMP, POINT, CIRCLE or POLYGON",
    ))
}

/// The error for an expression that ADQL does not have.
fn refused(expr: &Expr, span: Span) -> Error {
    let (what, hint) = match expr {
        Expr::Case { .. } => ("CASE", "use COALESCE, or one query per case with UNION"),
        Expr::Like { .. } | Expr::ILike { .. } => ("ESCAPE or ANY in LIKE", "match with % and _ alone"),
        Expr::Cast { .. } | Expr::Convert { .. } => ("conversion of this kind", "write CAST(x AS type)"),
        Expr::Subquery(_) => ("subquery as a value", "join with the subquery, or use IN or EXISTS"),
        Expr::AnyOp { .. } | Expr::AllOp { .. } => ("ANY, SOME or ALL", "use IN or EXISTS"),
        Expr::IsTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsNotTrue(_)
        | Expr::IsNotFalse(_)
        | Expr::IsUnknown(_)
        | Expr::IsNotUnknown(_) => (
            "IS TRUE, IS FALSE or IS UNKNOWN",
            "use the condition itself, NOT, or IS NULL",
        ),
        Expr::IsDistinctFrom(..) | Expr::IsNotDistinctFrom(..) => ("IS DISTINCT FROM", "use = and IS NULL"),
        Expr::SimilarTo { .. } | Expr::RLike { .. } => ("regular expressions", "use LIKE"),
        Expr::TypedString(_) | Expr::Interval(_) => ("typed literal", "write CAST('...' AS TIMESTAMP)"),
        Expr::Extract { .. }
        | Expr::Position { .. }
        | Expr::Substring { .. }
        | Expr::Trim { .. }
        | Expr::Overlay { .. } => ("function of this kind", "see what functions the service declares"),
        Expr::Ceil { .. } | Expr::Floor { .. } => ("rounding to a unit or scale", "write CEILING(x) or FLOOR(x)"),
        Expr::GroupingSets(_) | Expr::Cube(_) | Expr::Rollup(_) => ("grouping sets", "group by columns"),
        Expr::Lambda(_) => ("lambda", "arrays are beyond ADQL"),
        Expr::AtTimeZone { .. } => ("AT TIME ZONE", "times are in UTC"),
        Expr::UnaryOp { .. } => ("operator of this kind", "use + - and NOT before a value or condition"),
        _ => (
            "expression of this kind",
            "use columns, literals, operators and function calls",
        ),
    };
    Error::not_adql(what, span, hint)
}
