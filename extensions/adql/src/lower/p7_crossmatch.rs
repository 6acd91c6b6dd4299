//! Pass 7: the named arguments of XMATCH take their places.
//!
//! Before: `XMATCH(a.ra, a.dec, b.ra, b.dec, radius_arcsec => 1, k => 3)`.
//! After: `XMATCH(a.ra, a.dec, b.ra, b.dec, 1, 'nearest', 3, 0)`.
//!
//! The planner takes named arguments only while none before them is left out. Positions are four numbers, two points,
//! or absent: then they are the position columns of the tables that the join joins.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Function, FunctionArg, FunctionArgExpr, Value, VisitorMut};

use super::{Broken, step};
use crate::{Error, call};

pub(super) struct Pass;

/// The arguments behind the positions, in order.
const NAMES: [&str; 4] = ["radius_arcsec", "mode", "k", "min_radius_arcsec"];

impl VisitorMut for Pass {
    type Break = Box<Error>;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> Broken {
        match expr {
            Expr::Function(function) if call::name(function).as_deref() == Some("xmatch") => step(place(function)),
            _ => ControlFlow::Continue(()),
        }
    }
}

fn place(function: &mut Function) -> Result<(), Error> {
    let span = call::name_span(function);
    let Some(list) = call::plain_list_mut(function) else {
        return Ok(());
    };
    if is_placed(&list.args) {
        return Ok(());
    }
    let mut positional = Vec::new();
    let mut named: [Option<Expr>; NAMES.len()] = Default::default();
    for arg in std::mem::take(&mut list.args) {
        let (name, value) = match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => {
                if named.iter().any(Option::is_some) {
                    return Err(Error::crossmatch(
                        "a named argument stands before one without a name",
                        span,
                    ));
                }
                positional.push(value);
                continue;
            }
            FunctionArg::Named {
                name,
                arg: FunctionArgExpr::Expr(value),
                ..
            } => (name.value, value),
            FunctionArg::ExprNamed {
                name: Expr::Identifier(name),
                arg: FunctionArgExpr::Expr(value),
                ..
            } => (name.value, value),
            other => return Err(Error::crossmatch(&format!("'{other}' is no argument of it"), span)),
        };
        let Some(at) = NAMES.iter().position(|known| known.eq_ignore_ascii_case(&name)) else {
            return Err(Error::crossmatch(&format!("it has no argument '{name}'"), span));
        };
        if named[at].replace(value).is_some() {
            return Err(Error::crossmatch(&format!("'{name}' is given twice"), span));
        }
    }
    // One more than a whole number of positions is the radius.
    if positional.len() % 2 == 1
        && let Some(radius) = positional.pop()
        && named[0].replace(radius).is_some()
    {
        return Err(Error::crossmatch("'radius_arcsec' is given twice", span));
    }
    if !matches!(positional.len(), 0 | 2 | 4) {
        return Err(Error::crossmatch(
            "positions are four numbers, two points, or left out",
            span,
        ));
    }
    let [radius, mode, k, least] = named;
    let Some(radius) = radius else {
        return Err(Error::crossmatch("it needs radius_arcsec", span));
    };
    let word = if k.is_some() { "nearest" } else { "all" };
    let mode = mode.unwrap_or_else(|| literal(Value::SingleQuotedString(word.to_owned())));
    let k = k.unwrap_or_else(|| literal(Value::Number("1".to_owned(), false)));
    let least = least.unwrap_or_else(|| literal(Value::Number("0".to_owned(), false)));
    positional.extend([radius, mode, k, least]);
    list.args = positional
        .into_iter()
        .map(|value| FunctionArg::Unnamed(FunctionArgExpr::Expr(value)))
        .collect();
    Ok(())
}

/// Whether all arguments are in their places, which a second run leaves alone.
fn is_placed(args: &[FunctionArg]) -> bool {
    let positions = args.len().checked_sub(NAMES.len());
    matches!(positions, Some(0 | 2 | 4))
        && (0..args.len()).all(|at| call::positional(args, at).is_some())
        && positions
            .and_then(|positions| call::positional(args, positions + 1))
            .and_then(call::literal)
            .is_some_and(|(value, _)| matches!(value, Value::SingleQuotedString(_)))
}

fn literal(value: Value) -> Expr {
    Expr::Value(value.into())
}

#[cfg(test)]
mod tests {
    use crate::lower::testing::{adql, postgres};

    fn on(call: &str) -> String {
        let lowered = adql(&format!("SELECT 1 FROM a JOIN b ON {call}"));
        assert_eq!(lowered, postgres(&format!("SELECT 1 FROM a JOIN b ON {call}")));
        lowered.replacen("SELECT 1 FROM a JOIN b ON ", "", 1)
    }

    #[test]
    fn arguments_take_their_places() {
        for (written, placed) in [
            ("XMATCH(radius_arcsec => 1)", "XMATCH(1, 'all', 1, 0)"),
            ("xmatch(1)", "xmatch(1, 'all', 1, 0)"),
            (
                "XMATCH(p, q, mode => 'best', radius_arcsec => r)",
                "XMATCH(p, q, r, 'best', 1, 0)",
            ),
            (
                "XMATCH(a.ra, a.dec, b.ra, b.dec, radius_arcsec => 1, k => 3, min_radius_arcsec => 0.1)",
                "XMATCH(a.ra, a.dec, b.ra, b.dec, 1, 'nearest', 3, 0.1)",
            ),
            (
                "XMATCH(a.ra, a.dec, b.ra, b.dec, 2, Mode => 'all')",
                "XMATCH(a.ra, a.dec, b.ra, b.dec, 2, 'all', 1, 0)",
            ),
        ] {
            assert_eq!(on(written), placed);
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (written, message) in [
            ("XMATCH(a.ra, a.dec, b.ra, b.dec)", "it needs radius_arcsec"),
            ("XMATCH(a, b, c, d, radius => 1)", "it has no argument 'radius'"),
            ("XMATCH(1, radius_arcsec => 1)", "given twice"),
            ("XMATCH(a, b, c, d, e, f, 1)", "positions are four numbers"),
        ] {
            let text = on(written);
            assert!(text.contains(message) && text.contains("HINT: write XMATCH("), "{text}");
        }
    }
}
