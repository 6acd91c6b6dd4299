//! `x = ANY ('{1,2}')` and `x <> ALL ('{1,2}')`: an array written as text, whose elements are of the type of what they
//! are compared with. They become IN and NOT IN over its elements.

use datafusion::common::Result;
use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Value};

use super::super::decode;

/// Rewrites a comparison with an array that is a literal.
pub(super) fn compared(expr: &mut Expr) -> Result<()> {
    let (left, right, negated) = match expr {
        Expr::AnyOp {
            left,
            compare_op: BinaryOperator::Eq,
            right,
            ..
        } => (left, right, false),
        Expr::AllOp {
            left,
            compare_op: BinaryOperator::NotEq,
            right,
        } => (left, right, true),
        _ => return Ok(()),
    };
    let Some(elements) = literal(right).map(decode::array_elements).transpose()? else {
        return Ok(());
    };
    *expr = if elements.is_empty() {
        Expr::value(Value::Boolean(negated))
    } else {
        let value = |element: Option<String>| element.map_or(Value::Null, Value::SingleQuotedString);
        Expr::InList {
            expr: left.clone(),
            list: elements
                .into_iter()
                .map(|element| Expr::value(value(element)))
                .collect(),
            negated,
        }
    };
    Ok(())
}

fn literal(mut expr: &Expr) -> Option<&str> {
    while let Expr::Nested(inner) = expr {
        expr = inner;
    }
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}
