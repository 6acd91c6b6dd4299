//! Calls: the functions that ADQL defines, and how many arguments they take.

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, ObjectNamePart,
    UnaryOperator, Value,
};
use sqlparser::tokenizer::Span;

use super::query::Check;
use super::{expression, reserved};
use crate::{Error, call};

/// A function of ADQL: its name, and the numbers of arguments it takes.
struct Form(&'static str, &'static [usize]);

/// More arguments than any other function takes: the form has no upper bound from here on.
const OR_MORE: usize = usize::MAX;

const FORMS: &[Form] = &[
    Form("abs", &[1]),
    Form("acos", &[1]),
    Form("area", &[1]),
    Form("asin", &[1]),
    Form("atan", &[1]),
    Form("atan2", &[2]),
    Form("avg", &[1]),
    Form("box", &[3, 4, 5]),
    Form("ceiling", &[1]),
    Form("centroid", &[1]),
    Form("circle", &[2, 3, 4]),
    Form("coalesce", &[1, OR_MORE]),
    Form("contains", &[2]),
    Form("coord1", &[1]),
    Form("coord2", &[1]),
    Form("coordsys", &[1]),
    Form("cos", &[1]),
    Form("cot", &[1]),
    Form("count", &[1]),
    Form("degrees", &[1]),
    Form("distance", &[2, 4]),
    Form("exp", &[1]),
    Form("floor", &[1]),
    Form("in_unit", &[2]),
    Form("intersects", &[2]),
    Form("log", &[1]),
    Form("log10", &[1]),
    Form("lower", &[1]),
    Form("max", &[1]),
    Form("min", &[1]),
    Form("mod", &[2]),
    Form("pi", &[0]),
    Form("point", &[2, 3]),
    Form("polygon", &[3, OR_MORE]),
    Form("power", &[2]),
    Form("radians", &[1]),
    Form("rand", &[0, 1]),
    Form("region", &[1]),
    Form("round", &[1, 2]),
    Form("sin", &[1]),
    Form("sqrt", &[1]),
    Form("sum", &[1]),
    Form("tan", &[1]),
    Form("truncate", &[1, 2]),
    Form("upper", &[1]),
];

/// Functions over the rows of a group, which may say DISTINCT or ALL.
const AGGREGATES: &[&str] = &["avg", "count", "max", "min", "sum"];

/// Checks one call.
pub(super) fn check(function: &Function) -> Check {
    let span = call::name_span(function);
    let (name, list) = plain(function, span)?;
    match FORMS.iter().find(|Form(known, _)| *known == name) {
        Some(Form(_, counts)) => count(&name, counts, list.args.len(), span)?,
        None if reserved::is_reserved(&name) => {
            let what = format!("function {}", name.to_uppercase());
            return Err(Error::not_adql(what, span, DECLARED));
        }
        None => {}
    }
    if list.duplicate_treatment.is_some() && !AGGREGATES.contains(&name.as_str()) {
        let hint = "only AVG, COUNT, MAX, MIN and SUM take it";
        return Err(Error::not_adql("DISTINCT or ALL in a plain call", span, hint));
    }
    list.args
        .iter()
        .try_for_each(|argument| check_argument(argument, &name, span))?;
    match name.as_str() {
        "round" | "truncate" => integer(call::positional(&list.args, 1), &name, span),
        "region" => text(call::positional(&list.args, 0), &name, span),
        "in_unit" => text(call::positional(&list.args, 1), &name, span),
        _ => Ok(()),
    }
}

/// What to do about a function that ADQL does not define.
const DECLARED: &str = "see what functions the service declares";

/// The name and arguments of a call without clauses.
fn plain(function: &Function, span: Span) -> Result<(String, &FunctionArgumentList), Error> {
    if function.over.is_some() {
        let hint = "use GROUP BY, or a join with an aggregated subquery";
        return Err(Error::not_adql("OVER", span, hint));
    }
    if function.filter.is_some() || !function.within_group.is_empty() || function.null_treatment.is_some() {
        return Err(Error::not_adql("clause behind a call", span, "filter in WHERE"));
    }
    let name = match function.name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] if ident.quote_style.is_none() => ident.value.to_lowercase(),
        _ => {
            let rule = "a function has a name of one part, without quotes";
            return Err(Error::breaks_adql(rule, span, "write name(...)"));
        }
    };
    match &function.args {
        FunctionArguments::List(list) if list.clauses.is_empty() => Ok((name, list)),
        FunctionArguments::None => Err(Error::not_adql(name.to_uppercase(), span, DECLARED)),
        _ => {
            let hint = "separate the arguments by commas";
            Err(Error::not_adql("clause inside a call", span, hint))
        }
    }
}

fn check_argument(argument: &FunctionArg, name: &str, span: Span) -> Check {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => expression::is_value(expr, span),
        FunctionArg::Unnamed(FunctionArgExpr::Wildcard) if name == "count" => Ok(()),
        FunctionArg::Unnamed(_) => Err(Error::not_adql(
            format!("* in {}", name.to_uppercase()),
            span,
            "only COUNT takes *",
        )),
        FunctionArg::Named { .. } | FunctionArg::ExprNamed { .. } => {
            Err(Error::not_adql("named argument", span, "give the arguments in order"))
        }
    }
}

fn count(name: &str, counts: &[usize], given: usize, span: Span) -> Check {
    let fits = counts.contains(&given) || matches!(counts, [least, OR_MORE] if given >= *least);
    if fits {
        return Ok(());
    }
    let wanted = match counts {
        [least, OR_MORE] => format!("{least} or more"),
        _ => counts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or "),
    };
    let name = name.to_uppercase();
    let plural = if wanted == "1" { "argument" } else { "arguments" };
    Err(Error::breaks_adql(
        format!("{name} takes {wanted} {plural}, got {given}"),
        span,
        "see ADQL 2.1, sections 2.3 and 4.2",
    ))
}

/// The number of decimals is a signed integer literal.
fn integer(argument: Option<&Expr>, name: &str, span: Span) -> Check {
    let literal = match argument {
        Some(Expr::UnaryOp {
            op: UnaryOperator::Minus | UnaryOperator::Plus,
            expr,
        }) => call::literal(expr),
        Some(expr) => call::literal(expr),
        None => return Ok(()),
    };
    match literal {
        Some((Value::Number(digits, _), _)) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Ok(()),
        _ => Err(Error::breaks_adql(
            format!("the second argument of {} is an integer literal", name.to_uppercase()),
            span,
            "write a number of decimals, as in ROUND(x, 2)",
        )),
    }
}

fn text(argument: Option<&Expr>, name: &str, span: Span) -> Check {
    match argument.and_then(call::literal) {
        Some((Value::SingleQuotedString(_), _)) => Ok(()),
        _ => Err(Error::breaks_adql(
            format!("the last argument of {} is a string literal", name.to_uppercase()),
            span,
            "write it in single quotes",
        )),
    }
}
