//! Looking at a function call in the syntax tree: its name, and its plain positional arguments.

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, ObjectName,
    ObjectNamePart, Value,
};
use sqlparser::tokenizer::Span;

/// The name of a call written without a schema, in lower case unless quoted.
pub(crate) fn name(function: &Function) -> Option<String> {
    match function.name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => Some(match ident.quote_style {
            None => ident.value.to_lowercase(),
            Some(_) => ident.value.clone(),
        }),
        _ => None,
    }
}

/// Where the name of a call stands.
pub(crate) fn name_span(function: &Function) -> Span {
    match function.name.0.as_slice() {
        [.., ObjectNamePart::Identifier(ident)] => ident.span,
        _ => Span::empty(),
    }
}

/// Gives a call another name, keeping its place.
pub(crate) fn rename(function: &mut Function, name: &str) {
    let span = name_span(function);
    function.name = ObjectName::from(Ident {
        value: name.to_owned(),
        quote_style: None,
        span,
    });
}

/// The argument list of a plain call: no FILTER, OVER, DISTINCT or ordering.
pub(crate) fn plain_list(function: &Function) -> Option<&FunctionArgumentList> {
    let plain = function.filter.is_none()
        && function.over.is_none()
        && function.within_group.is_empty()
        && function.null_treatment.is_none();
    match &function.args {
        FunctionArguments::List(list) if plain && list.clauses.is_empty() && list.duplicate_treatment.is_none() => {
            Some(list)
        }
        _ => None,
    }
}

/// As [`plain_list`], to change.
pub(crate) fn plain_list_mut(function: &mut Function) -> Option<&mut FunctionArgumentList> {
    plain_list(function)?;
    match &mut function.args {
        FunctionArguments::List(list) => Some(list),
        _ => None,
    }
}

/// The `n`-th argument, when it is an ordinary positional expression.
pub(crate) fn positional(args: &[FunctionArg], n: usize) -> Option<&Expr> {
    match args.get(n) {
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))) => Some(expr),
        _ => None,
    }
}

/// Takes all arguments out of a list of `n` positional expressions; `None` leaves it as it is.
pub(crate) fn take<const N: usize>(function: &mut Function) -> Option<[Expr; N]> {
    let list = plain_list_mut(function)?;
    if list.args.len() != N || (0..N).any(|n| positional(&list.args, n).is_none()) {
        return None;
    }
    let exprs: Vec<Expr> = std::mem::take(&mut list.args)
        .into_iter()
        .filter_map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
            _ => None,
        })
        .collect();
    exprs.try_into().ok()
}

/// The expression inside any number of parentheses.
pub(crate) fn peeled(mut expr: &Expr) -> &Expr {
    while let Expr::Nested(inner) = expr {
        expr = inner;
    }
    expr
}

/// A literal, and where it stands.
pub(crate) fn literal(expr: &Expr) -> Option<(&Value, Span)> {
    match peeled(expr) {
        Expr::Value(value) => Some((&value.value, value.span)),
        _ => None,
    }
}
