//! What the catalogue cannot hold: types that are domains or rows, relations that are indexes. A branch of CASE for such
//! a thing, which can be of a shape that the engine cannot plan, is never taken, so it is left out.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Select, Value, VisitMut, VisitorMut};

use super::aliases::{self, lower};

/// Columns of the catalogue that hold a few letters, and which.
const HELD: &[(&str, &str, &[&str])] = &[
    ("pg_type", "typtype", &["b", "p"]),
    ("pg_class", "relkind", &["r", "v"]),
];

/// Leaves out branches that are never taken.
pub(super) fn prune(select: &mut Select) {
    let mut branches = Branches(aliases::of(select));
    if !branches.0.is_empty() {
        let _ = select.visit(&mut branches);
    }
}

struct Branches(HashMap<String, String>);

impl Branches {
    /// Whether a condition asks for a letter that the column does not hold.
    fn never(&self, condition: &Expr) -> bool {
        let Expr::BinaryOp {
            left,
            op: BinaryOperator::Eq,
            right,
        } = condition
        else {
            return false;
        };
        let (Expr::CompoundIdentifier(parts), Expr::Value(value)) = (&**left, &**right) else {
            return false;
        };
        let ([.., table, column], Value::SingleQuotedString(letter)) = (parts.as_slice(), &value.value) else {
            return false;
        };
        let Some(relation) = self.0.get(&lower(table)) else {
            return false;
        };
        let held = HELD
            .iter()
            .find(|(known, name, _)| known == relation && *name == lower(column));
        held.is_some_and(|(_, _, letters)| !letters.contains(&letter.as_str()))
    }
}

impl VisitorMut for Branches {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let Expr::Case {
            operand: None,
            conditions,
            else_result,
            ..
        } = expr
        else {
            return ControlFlow::Continue(());
        };
        conditions.retain(|branch| !self.never(&branch.condition));
        if conditions.is_empty() {
            let otherwise = else_result.take().map(|otherwise| *otherwise);
            *expr = Expr::Nested(Box::new(otherwise.unwrap_or_else(|| Expr::value(Value::Null))));
        }
        ControlFlow::Continue(())
    }
}
