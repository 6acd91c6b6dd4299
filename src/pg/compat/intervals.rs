//! Parameters that are added to a time: intervals in PostgreSQL, where the engine takes them for another time, which
//! cannot be added.
//!
//! Types are not known before a statement is planned, so this is for one that could not be.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement as Ast;
use datafusion::sql::sqlparser::ast::{BinaryOperator, DataType, Expr, Value, visit_expressions_mut};

use super::expression;

/// Says of each parameter without a type that is added to something that it is an interval. Whether there is one.
pub(in crate::pg) fn added(ast: &mut Ast) -> bool {
    let Ast::Statement(statement) = ast else { return false };
    let mut found = false;
    let _ = visit_expressions_mut(&mut **statement, |expr| {
        if let Expr::BinaryOp {
            left,
            op: BinaryOperator::Plus,
            right,
        } = expr
        {
            found |= interval(left) | interval(right);
        }
        ControlFlow::<()>::Continue(())
    });
    found
}

fn interval(expr: &mut Expr) -> bool {
    let Expr::Value(value) = expr else { return false };
    let Value::Placeholder(name) = &value.value else {
        return false;
    };
    match expression(&format!("CAST({name} AS INTERVAL)")) {
        Ok(
            cast @ Expr::Cast {
                data_type: DataType::Interval { .. },
                ..
            },
        ) => {
            *expr = cast;
            true
        }
        _ => false,
    }
}
