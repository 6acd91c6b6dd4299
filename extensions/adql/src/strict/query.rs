//! The shape of a query: WITH, SELECT, set operators, ORDER BY, OFFSET.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, LimitClause, OffsetRows, OrderBy, OrderByKind, Query, Select, SelectFlavor,
    SelectItem, SelectItemQualifiedWildcardKind, SetExpr, SetOperator, SetQuantifier, Spanned, TableFactor,
    TopQuantity, Value, Visitor, WildcardAdditionalOptions,
};
use sqlparser::tokenizer::Span;

use super::{expression, reserved, table};
use crate::{Error, call};

pub(super) type Check = Result<(), Error>;

/// Walks a query; every check looks at one node and its children.
#[derive(Default)]
pub(super) struct Checker {
    depth: usize,
}

fn step(result: Check) -> ControlFlow<Box<Error>> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(Box::new(error)),
    }
}

impl Visitor for Checker {
    type Break = Box<Error>;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        self.depth += 1;
        step(check_query(query, self.depth == 1))
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<Self::Break> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Self::Break> {
        step(check_select(select))
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Self::Break> {
        step(table::factor(factor))
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
        step(expression::check(expr))
    }
}

fn check_query(query: &Query, outermost: bool) -> Check {
    let start = body_start(&query.body);
    if let Some(with) = &query.with {
        let span = with.with_token.0.span;
        if with.recursive {
            return Err(Error::not_adql(
                "WITH RECURSIVE",
                span,
                "leave RECURSIVE out; a query cannot refer to itself",
            ));
        }
        if !outermost {
            return Err(Error::not_adql(
                "WITH inside a query",
                span,
                "move it to the start of the whole text",
            ));
        }
        for cte in &with.cte_tables {
            reserved::name(&cte.alias.name, "table")?;
            if let Some(column) = cte.alias.columns.first() {
                return Err(Error::not_adql(
                    "column list behind a WITH name",
                    column.name.span,
                    "name the columns with AS in its SELECT",
                ));
            }
            if cte.materialized.is_some() || cte.from.is_some() {
                return Err(Error::not_adql(
                    "WITH option",
                    cte.alias.name.span,
                    "write name AS (SELECT ...)",
                ));
            }
        }
    }
    check_body(&query.body)?;
    query
        .order_by
        .as_ref()
        .map_or(Ok(()), |order| check_order(order, start))?;
    query
        .limit_clause
        .as_ref()
        .map_or(Ok(()), |limit| check_limit(limit, start))?;
    if let Some(fetch) = &query.fetch {
        let span = fetch.quantity.as_ref().map_or(start, |rows| place(rows, start));
        return Err(Error::not_adql("FETCH", span, "write SELECT TOP n ..."));
    }
    if !query.locks.is_empty()
        || query.for_clause.is_some()
        || query.settings.is_some()
        || query.format_clause.is_some()
        || !query.pipe_operators.is_empty()
    {
        return Err(Error::not_adql(
            "clause of this kind behind a query",
            start,
            "end the query with ORDER BY and OFFSET",
        ));
    }
    Ok(())
}

fn check_body(body: &SetExpr) -> Check {
    let mut parts = vec![body];
    while let Some(part) = parts.pop() {
        match part {
            SetExpr::Select(_) | SetExpr::Query(_) => {}
            SetExpr::SetOperation {
                op,
                set_quantifier,
                left,
                right,
            } => {
                let span = body_start(right);
                if *op == SetOperator::Minus {
                    return Err(Error::not_adql("MINUS between queries", span, "write EXCEPT"));
                }
                if !matches!(set_quantifier, SetQuantifier::All | SetQuantifier::None) {
                    return Err(Error::not_adql(
                        format!("{op} {set_quantifier}"),
                        span,
                        format!("write {op} or {op} ALL"),
                    ));
                }
                parts.extend([left.as_ref(), right.as_ref()]);
            }
            other => {
                return Err(Error::not_adql(
                    "query of this kind",
                    other.span(),
                    "a query starts with SELECT or WITH",
                ));
            }
        }
    }
    Ok(())
}

/// The SELECT with which a body starts.
fn body_start(mut body: &SetExpr) -> Span {
    loop {
        match body {
            SetExpr::Select(select) => return select.select_token.0.span,
            SetExpr::Query(query) => body = &query.body,
            SetExpr::SetOperation { left, .. } => body = left,
            other => return other.span(),
        }
    }
}

fn check_order(order: &OrderBy, start: Span) -> Check {
    let OrderByKind::Expressions(keys) = &order.kind else {
        return Err(Error::not_adql("ORDER BY ALL", start, "list the columns"));
    };
    if order.interpolate.is_some() {
        return Err(Error::not_adql("INTERPOLATE", start, "leave it out"));
    }
    for key in keys {
        let span = place(&key.expr, start);
        if key.options.nulls_first.is_some() {
            return Err(Error::not_adql(
                "NULLS FIRST or LAST",
                span,
                "leave it out; where NULLs sort is up to the service",
            ));
        }
        if key.with_fill.is_some() {
            return Err(Error::not_adql("WITH FILL", span, "leave it out"));
        }
        expression::is_value(&key.expr, start)?;
    }
    Ok(())
}

fn check_limit(limit: &LimitClause, start: Span) -> Check {
    match limit {
        LimitClause::LimitOffset { limit: Some(rows), .. } | LimitClause::OffsetCommaLimit { limit: rows, .. } => {
            Err(Error::not_adql("LIMIT", place(rows, start), "write SELECT TOP n ..."))
        }
        LimitClause::LimitOffset {
            limit: None,
            offset: Some(offset),
            ..
        } => {
            let span = place(&offset.value, start);
            if offset.rows != OffsetRows::None {
                return Err(Error::not_adql("ROW or ROWS behind OFFSET", span, "write OFFSET n"));
            }
            unsigned(&offset.value, "OFFSET", span)
        }
        LimitClause::LimitOffset { .. } => Err(Error::not_adql("LIMIT", start, "leave it out")),
    }
}

fn unsigned(expr: &Expr, what: &str, span: Span) -> Check {
    match expr {
        Expr::Value(value) if matches!(&value.value, Value::Number(digits, false) if digits.bytes().all(|b| b.is_ascii_digit())) => {
            Ok(())
        }
        _ => Err(Error::breaks_adql(
            format!("{what} takes an unsigned integer"),
            span,
            format!("write {what} 100"),
        )),
    }
}

fn check_select(select: &Select) -> Check {
    let start = select.select_token.0.span;
    let refuse = |what: &str, hint: &str| Err(Error::not_adql(what, start, hint));
    crate::lower::misplaced_quantifier(select)?;
    if let Some(Distinct::On(keys)) = &select.distinct {
        let span = keys.first().map_or(start, |key| place(key, start));
        return Err(Error::not_adql("DISTINCT ON", span, "use GROUP BY"));
    }
    if let Some(top) = &select.top
        && (top.percent || top.with_ties || !matches!(top.quantity, Some(TopQuantity::Constant(_))))
    {
        return Err(Error::breaks_adql(
            "TOP takes an unsigned integer and nothing else",
            start,
            "write TOP 100",
        ));
    }
    if select.flavor != SelectFlavor::Standard {
        return refuse("query that starts with FROM", "start with SELECT");
    }
    if select.from.is_empty() {
        return refuse("SELECT without FROM", "select from a table");
    }
    if select.projection.is_empty() {
        return refuse("empty select list", "list columns, or *");
    }
    if select.into.is_some() {
        return refuse("SELECT INTO", "leave INTO out");
    }
    if !select.named_window.is_empty() || select.qualify.is_some() {
        return refuse(
            "window functions",
            "use GROUP BY, or a join with an aggregated subquery",
        );
    }
    let odd = select.exclude.is_some()
        || !select.lateral_views.is_empty()
        || select.prewhere.is_some()
        || !select.connect_by.is_empty()
        || !select.cluster_by.is_empty()
        || !select.distribute_by.is_empty()
        || !select.sort_by.is_empty()
        || select.select_modifiers.is_some()
        || select.value_table_mode.is_some();
    if odd {
        return refuse(
            "clause of this kind in a SELECT",
            "use FROM, WHERE, GROUP BY, HAVING, ORDER BY and OFFSET",
        );
    }
    select.projection.iter().try_for_each(|item| check_item(item, start))?;
    select.from.iter().try_for_each(|from| table::joins(from, start))?;
    select
        .selection
        .iter()
        .chain(&select.having)
        .try_for_each(|condition| expression::is_condition(condition, start))?;
    check_group(&select.group_by, start)
}

fn check_group(group: &GroupByExpr, start: Span) -> Check {
    match group {
        GroupByExpr::All(_) => Err(Error::not_adql("GROUP BY ALL", start, "list the columns")),
        GroupByExpr::Expressions(_, modifiers) if !modifiers.is_empty() => {
            Err(Error::not_adql("modifier behind GROUP BY", start, "leave it out"))
        }
        GroupByExpr::Expressions(keys, _) => keys.iter().try_for_each(|key| expression::is_value(key, start)),
    }
}

fn check_item(item: &SelectItem, start: Span) -> Check {
    match item {
        SelectItem::UnnamedExpr(expr) => expression::is_value(expr, start),
        SelectItem::ExprWithAlias { expr, alias } => {
            reserved::name(alias, "column")?;
            expression::is_value(expr, start)
        }
        SelectItem::ExprWithAliases { .. } => Err(Error::not_adql("several aliases of one column", start, "give one")),
        SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
            table::name(name)?;
            check_wildcard(options)
        }
        SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(expr), _) => Err(Error::not_adql(
            "* behind an expression",
            place(expr, start),
            "write table.*",
        )),
        SelectItem::Wildcard(options) => check_wildcard(options),
    }
}

fn check_wildcard(options: &WildcardAdditionalOptions) -> Check {
    let bare = options.opt_ilike.is_none()
        && options.opt_exclude.is_none()
        && options.opt_except.is_none()
        && options.opt_replace.is_none()
        && options.opt_rename.is_none()
        && options.opt_alias.is_none();
    if bare {
        return Ok(());
    }
    Err(Error::not_adql(
        "option behind *",
        options.wildcard_token.0.span,
        "list the columns",
    ))
}

/// Where an expression stands, or else where its query starts.
pub(super) fn place(expr: &Expr, start: Span) -> Span {
    let span = match call::peeled(expr) {
        Expr::Function(function) => call::name_span(function),
        other => other.span(),
    };
    if span == Span::empty() { start } else { span }
}
