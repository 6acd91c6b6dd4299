//! Pass 4: functions whose name means something else, or nothing, to the planner.
//!
//! `LOG(x)` is the natural logarithm in ADQL and the decimal one in PostgreSQL (and in the planner):
//! a silent factor of 2.3, decided here by the [`Language`]. The other rows are ADQL or PostgreSQL
//! names of functions that the planner has under another name; both languages accept all of them.
//!
//! In ADQL a backslash in a LIKE pattern is a plain character; the planner's LIKE escapes with it, so it
//! is doubled in literal patterns. Patterns that come from columns keep the planner's meaning.

use std::ops::ControlFlow;

use sqlparser::ast::{BinaryOperator, Expr, Function, Value, ValueWithSpan, VisitorMut};

use super::{Broken, Language};
use crate::{Error, call};

pub(super) struct Pass {
    pub(super) language: Language,
}

/// A function under another name: name, fewest and most arguments, new name, in ADQL only?
struct Rename(&'static str, usize, usize, &'static str, bool);

const RENAMES: &[Rename] = &[
    Rename("log", 1, 1, "ln", true),
    Rename("truncate", 1, 2, "trunc", false),
    Rename("ceiling", 1, 1, "ceil", false),
    Rename("sign", 1, 1, "signum", false),
];

impl VisitorMut for Pass {
    type Break = Box<Error>;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> Broken {
        match expr {
            Expr::Function(function) => {
                if let Some(operator) = self.function(function) {
                    *expr = operator;
                }
            }
            Expr::Like {
                pattern, escape_char, ..
            }
            | Expr::ILike {
                pattern, escape_char, ..
            } if self.language == Language::Adql && escape_char.is_none() => {
                plain_backslash(pattern, escape_char);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

impl Pass {
    /// Renames a call in place, or returns the operator that replaces it.
    fn function(&self, function: &mut Function) -> Option<Expr> {
        let name = call::name(function)?;
        let count = call::plain_list(function)?.args.len();
        let row = RENAMES.iter().find(|Rename(from, least, most, _, adql)| {
            *from == name && (*least..=*most).contains(&count) && (self.language == Language::Adql || !adql)
        });
        if let Some(Rename(_, _, _, to, _)) = row {
            call::rename(function, to);
            return None;
        }
        match (name.as_str(), count) {
            ("rand", 0 | 1) => {
                // The seed has no defined effect in ADQL: it is taken and not used.
                call::plain_list_mut(function)?.args.clear();
                call::rename(function, "random");
                None
            }
            ("mod", 2) => {
                let [dividend, divisor] = call::take::<2>(function)?;
                let operation = Expr::BinaryOp {
                    left: Box::new(operand(dividend)),
                    op: BinaryOperator::Modulo,
                    right: Box::new(operand(divisor)),
                };
                Some(Expr::Nested(Box::new(operation)))
            }
            _ => None,
        }
    }
}

/// An argument as an operand: in parentheses unless it cannot be torn apart.
fn operand(expr: Expr) -> Expr {
    match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_) | Expr::Function(_) | Expr::Nested(_) => {
            expr
        }
        other => Expr::Nested(Box::new(other)),
    }
}

/// Doubles the backslashes of a literal pattern, and says that they escape.
fn plain_backslash(pattern: &mut Expr, escape_char: &mut Option<ValueWithSpan>) {
    if let Expr::Value(value) = pattern
        && let Value::SingleQuotedString(text) = &mut value.value
        && text.contains('\\')
    {
        *text = text.replace('\\', "\\\\");
        *escape_char = Some(Value::SingleQuotedString("\\".to_owned()).with_empty_span());
    }
}

#[cfg(test)]
mod tests {
    use crate::lower::testing::{adql, postgres};

    #[test]
    fn names() {
        for (call, in_adql, in_postgres) in [
            ("LOG(x)", "ln(x)", "LOG(x)"),
            ("LOG(2, x)", "LOG(2, x)", "LOG(2, x)"),
            ("LOG10(x)", "LOG10(x)", "LOG10(x)"),
            ("TRUNCATE(x)", "trunc(x)", "trunc(x)"),
            ("TRUNCATE(x, -2)", "trunc(x, -2)", "trunc(x, -2)"),
            ("Ceiling(x)", "ceil(x)", "ceil(x)"),
            ("RAND()", "random()", "random()"),
            ("RAND(42)", "random()", "random()"),
            ("SIGN(x)", "signum(x)", "signum(x)"),
            ("MOD(x, 2)", "(x % 2)", "(x % 2)"),
            ("-MOD(a + b, -2)", "-((a + b) % (-2))", "-((a + b) % (-2))"),
            ("MOD(MOD(a, b), LOG(c))", "((a % b) % ln(c))", "((a % b) % LOG(c))"),
            ("MOD(a, b, c)", "MOD(a, b, c)", "MOD(a, b, c)"),
            ("x LIKE 'a\\_%'", "x LIKE 'a\\\\_%' ESCAPE '\\'", "x LIKE 'a\\_%'"),
            ("x LIKE 'a_%'", "x LIKE 'a_%'", "x LIKE 'a_%'"),
            ("s.log(x)", "s.log(x)", "s.log(x)"),
            ("\"LOG\"(x)", "\"LOG\"(x)", "\"LOG\"(x)"),
        ] {
            let sql = format!("SELECT {call} FROM t");
            assert_eq!(adql(&sql), format!("SELECT {in_adql} FROM t"));
            assert_eq!(postgres(&sql), format!("SELECT {in_postgres} FROM t"));
        }
    }
}
