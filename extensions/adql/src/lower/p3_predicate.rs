//! Pass 3: ADQL's integer-valued predicates become boolean functions.
//!
//! Before: `WHERE 1 = CONTAINS(a, b) AND 0 = INTERSECTS(c, d)`. After: `WHERE sky_contains(a, b)
//! AND NOT sky_intersects(c, d)`. The same for a bare `WHERE CONTAINS(a, b)`, which is no ADQL but
//! what many write. Anywhere else `CONTAINS` stays the function that returns 1 or 0.
//!
//! NULL stays NULL on both sides: `NOT NULL` is NULL, as `NULL = 0` was.

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, Expr, JoinConstraint, Select, TableFactor, TableWithJoins, UnaryOperator, Value, VisitorMut,
};

use super::Broken;
use crate::{Error, call, join};

pub(super) struct Pass;

/// The integer function, and the boolean function it becomes.
const PREDICATES: &[(&str, &str)] = &[("contains", "sky_contains"), ("intersects", "sky_intersects")];

impl VisitorMut for Pass {
    type Break = Box<Error>;

    fn post_visit_select(&mut self, select: &mut Select) -> Broken {
        let conditions = [
            &mut select.selection,
            &mut select.having,
            &mut select.qualify,
            &mut select.prewhere,
        ];
        conditions.into_iter().flatten().for_each(bare);
        select.from.iter_mut().for_each(joins);
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> Broken {
        if let TableFactor::NestedJoin { table_with_joins, .. } = factor {
            joins(table_with_joins);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> Broken {
        match expr {
            Expr::BinaryOp {
                op: BinaryOperator::And | BinaryOperator::Or | BinaryOperator::Xor,
                left,
                right,
            } => {
                bare(left);
                bare(right);
            }
            Expr::UnaryOp {
                op: UnaryOperator::Not,
                expr,
            } => bare(expr),
            Expr::IsTrue(inner) | Expr::IsNotTrue(inner) | Expr::IsFalse(inner) | Expr::IsNotFalse(inner) => {
                bare(inner)
            }
            Expr::Case {
                operand: None,
                conditions,
                ..
            } => conditions.iter_mut().for_each(|when| bare(&mut when.condition)),
            Expr::Function(function) => function.filter.iter_mut().for_each(|filter| bare(filter)),
            Expr::BinaryOp { .. } => compare(expr),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn joins(table: &mut TableWithJoins) {
    for join in &mut table.joins {
        if let Some(JoinConstraint::On(condition)) = join::constraint(&mut join.join_operator) {
            bare(condition);
        }
    }
}

/// The boolean name of a call of an integer predicate; `contains(text, 'word')` is a search in text.
fn boolean_name(expr: &Expr) -> Option<&'static str> {
    let Expr::Function(function) = call::peeled(expr) else {
        return None;
    };
    let name = call::name(function)?;
    let (_, boolean) = PREDICATES.iter().find(|(integer, _)| *integer == name)?;
    let list = call::plain_list(function)?;
    let text = call::positional(&list.args, 1)
        .and_then(call::literal)
        .is_some_and(|(value, _)| matches!(value, Value::SingleQuotedString(_)));
    (list.args.len() == 2 && !text).then_some(boolean)
}

/// Renames a call that stands where a truth value is expected.
fn bare(expr: &mut Expr) {
    if let Some(name) = boolean_name(expr) {
        let mut inner = expr;
        while let Expr::Nested(next) = inner {
            inner = next;
        }
        if let Expr::Function(function) = inner {
            call::rename(function, name);
        }
    }
}

/// Replaces a comparison of a call with a literal by the call, or by its negation.
fn compare(expr: &mut Expr) {
    let Expr::BinaryOp { left, op, right } = expr else {
        return;
    };
    let (call_side, literal_side, op) = match (boolean_name(left), boolean_name(right)) {
        (Some(_), None) => (left, right, op.clone()),
        (None, Some(_)) => (right, left, mirrored(op)),
        _ => return,
    };
    let Some(wanted) = call::literal(literal_side).and_then(|(value, _)| truth(&op, value)) else {
        return;
    };
    let mut inner = std::mem::replace(call_side.as_mut(), Expr::value(Value::Null));
    while let Expr::Nested(next) = inner {
        inner = *next;
    }
    bare(&mut inner);
    *expr = if wanted {
        inner
    } else {
        Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr: Box::new(inner),
        }
    };
}

fn mirrored(op: &BinaryOperator) -> BinaryOperator {
    match op {
        BinaryOperator::Gt => BinaryOperator::Lt,
        BinaryOperator::Lt => BinaryOperator::Gt,
        BinaryOperator::GtEq => BinaryOperator::LtEq,
        BinaryOperator::LtEq => BinaryOperator::GtEq,
        other => other.clone(),
    }
}

/// Does `call op literal` ask for the call to be 1 (`Some(true)`) or 0 (`Some(false)`)?
fn truth(op: &BinaryOperator, literal: &Value) -> Option<bool> {
    let one = match literal {
        Value::Number(digits, _) if digits == "1" => true,
        Value::Number(digits, _) if digits == "0" => false,
        Value::Boolean(value) if matches!(op, BinaryOperator::Eq | BinaryOperator::NotEq) => *value,
        _ => return None,
    };
    match (op, one) {
        (BinaryOperator::Eq, _) => Some(one),
        (BinaryOperator::NotEq, _) => Some(!one),
        (BinaryOperator::Gt, false) | (BinaryOperator::GtEq, true) => Some(true),
        (BinaryOperator::Lt, true) | (BinaryOperator::LtEq, false) => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::lower::testing::{adql, postgres};

    /// The lowered WHERE clause.
    fn condition(sql: &str) -> String {
        let lowered = adql(&format!("SELECT * FROM t WHERE {sql}"));
        assert_eq!(lowered, postgres(&format!("SELECT * FROM t WHERE {sql}")));
        lowered.replacen("SELECT * FROM t WHERE ", "", 1)
    }

    #[test]
    fn comparisons() {
        for call in [
            "CONTAINS(a, b)",
            "INTERSECTS(a, b)",
            "contains(a, b)",
            "(Contains(a, b))",
        ] {
            let boolean = if call.starts_with('I') {
                "sky_intersects(a, b)"
            } else {
                "sky_contains(a, b)"
            };
            for yes in ["= 1", "<> 0", "!= 0", "> 0", ">= 1", "= TRUE"] {
                assert_eq!(condition(&format!("{call} {yes}")), boolean, "{call} {yes}");
            }
            for no in ["= 0", "<> 1", "!= 1", "< 1", "<= 0", "= false"] {
                assert_eq!(
                    condition(&format!("{call} {no}")),
                    format!("NOT {boolean}"),
                    "{call} {no}"
                );
            }
            assert_eq!(condition(&format!("1 = {call}")), boolean);
            assert_eq!(condition(&format!("(1) = {call}")), boolean);
            assert_eq!(condition(&format!("0={call}")), format!("NOT {boolean}"));
            assert_eq!(condition(&format!("0 < {call}")), boolean);
            assert_eq!(condition(&format!("1 > {call}")), format!("NOT {boolean}"));
        }
    }

    #[test]
    fn boolean_positions() {
        assert_eq!(condition("CONTAINS(a, b)"), "sky_contains(a, b)");
        assert_eq!(condition("(CONTAINS(a, b))"), "(sky_contains(a, b))");
        assert_eq!(condition("NOT CONTAINS(a, b)"), "NOT sky_contains(a, b)");
        assert_eq!(condition("NOT CONTAINS(a, b) = 1"), "NOT sky_contains(a, b)");
        assert_eq!(condition("NOT (0 = CONTAINS(a, b))"), "NOT (NOT sky_contains(a, b))");
        assert_eq!(
            condition("x AND CONTAINS(a, b) OR INTERSECTS(a, b)"),
            "x AND sky_contains(a, b) OR sky_intersects(a, b)"
        );
        assert_eq!(condition("CONTAINS(a, b) IS TRUE"), "sky_contains(a, b) IS TRUE");
        assert_eq!(
            condition("CASE WHEN CONTAINS(a, b) THEN 1 WHEN 1=CONTAINS(a, b) THEN 2 END = 1"),
            "CASE WHEN sky_contains(a, b) THEN 1 WHEN sky_contains(a, b) THEN 2 END = 1"
        );
        insta::assert_snapshot!(adql(
            "SELECT COUNT(*) FILTER (WHERE CONTAINS(a, b)) FROM t JOIN u ON CONTAINS(a, b) LEFT JOIN (v JOIN w ON 1=INTERSECTS(a, b)) ON INTERSECTS(a, b) GROUP BY x HAVING CONTAINS(a, b)"
        ), @"SELECT COUNT(*) FILTER (WHERE sky_contains(a, b)) FROM t JOIN u ON sky_contains(a, b) LEFT JOIN (v JOIN w ON sky_intersects(a, b)) ON sky_intersects(a, b) GROUP BY x HAVING sky_contains(a, b)");
    }

    #[test]
    fn elsewhere_it_is_a_number() {
        for sql in [
            "CONTAINS(a, b) + 1 = 2",
            "CONTAINS(a, b) = c",
            "CONTAINS(a, b) = 2",
            "CONTAINS(a, b) = CONTAINS(c, d)",
            "CONTAINS(a, b) IN (1)",
            "CONTAINS(a, b) IS NULL",
            "CASE CONTAINS(a, b) WHEN 1 THEN x END",
            "f(CONTAINS(a, b))",
            "contains(name, 'abc')",
            "s.contains(a, b)",
            "\"CONTAINS\"(a, b)",
        ] {
            assert_eq!(condition(sql), sql);
        }
        insta::assert_snapshot!(adql("SELECT CONTAINS(a, b), 1 = CONTAINS(a, b) FROM t ORDER BY CONTAINS(a, b)"), @"SELECT CONTAINS(a, b), sky_contains(a, b) FROM t ORDER BY CONTAINS(a, b)");
    }
}
