//! `ARRAY(SELECT …)`: an aggregate over the query, or, where the query only walks over another array, a lambda.

use datafusion::common::Result;
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, OrderByKind, Query, Select, SelectItem,
    SetExpr, TableFactor, Value,
};

use super::{expression, last_part};

/// Rewrites ARRAY(SELECT …). An ARRAY without rows is empty, not NULL.
pub(super) fn subquery(expr: &mut Expr) -> Result<()> {
    let Expr::Function(function) = expr else { return Ok(()) };
    if last_part(&function.name).is_none_or(|name| name != "array") {
        return Ok(());
    }
    let FunctionArguments::Subquery(query) = &function.args else {
        return Ok(());
    };
    if let Some(rewritten) = walk(query)? {
        *expr = rewritten;
    } else if let Some(query) = aggregate(query)? {
        *expr = expression(&format!("array_or_empty(({query}))"))?;
    }
    Ok(())
}

/// `SELECT f(x) FROM unnest(a) x [WHERE p(x)]` over one array.
fn walk(query: &Query) -> Result<Option<Expr>> {
    let Some((select, item)) = single_item(query) else {
        return Ok(None);
    };
    let [table] = select.from.as_slice() else {
        return Ok(None);
    };
    if !table.joins.is_empty() || query.order_by.is_some() {
        return Ok(None);
    }
    let (array, alias) = match &table.relation {
        TableFactor::UNNEST {
            array_exprs,
            alias: Some(alias),
            ..
        } if array_exprs.len() == 1 => (array_exprs[0].clone(), alias),
        TableFactor::Table {
            name,
            args: Some(args),
            alias: Some(alias),
            ..
        } if last_part(name).is_some_and(|name| name == "unnest") => {
            let [FunctionArg::Unnamed(FunctionArgExpr::Expr(array))] = args.args.as_slice() else {
                return Ok(None);
            };
            (array.clone(), alias)
        }
        _ => return Ok(None),
    };
    let variable = alias.columns.first().map_or(&alias.name, |column| &column.name);
    let filtered = match &select.selection {
        Some(condition) => format!("array_filter({array}, {variable} -> {condition})"),
        None => array.to_string(),
    };
    expression(&format!(
        "array_or_empty(array_transform({filtered}, {variable} -> {item}))"
    ))
    .map(Some)
}

/// The query with its one column gathered.
fn aggregate(query: &Query) -> Result<Option<Query>> {
    let Some((select, item)) = single_item(query) else {
        return Ok(None);
    };
    let order = match query.order_by.as_ref().map(|order| &order.kind) {
        None => String::new(),
        Some(OrderByKind::Expressions(terms)) => {
            let terms = terms.iter().map(|term| {
                let mut term = term.clone();
                if is_first(&term.expr) {
                    term.expr = item.clone();
                }
                term.to_string()
            });
            format!(" ORDER BY {}", terms.collect::<Vec<_>>().join(", "))
        }
        Some(OrderByKind::All(_)) => return Ok(None),
    };
    let mut select = select.clone();
    select.projection = vec![SelectItem::UnnamedExpr(expression(&format!(
        "array_agg({item}{order})"
    ))?)];
    let mut query = query.clone();
    query.order_by = None;
    *query.body = SetExpr::Select(Box::new(select));
    Ok(Some(query))
}

/// A plain SELECT of one expression.
fn single_item(query: &Query) -> Option<(&Select, &Expr)> {
    let SetExpr::Select(select) = &*query.body else {
        return None;
    };
    let grouped =
        !matches!(&select.group_by, GroupByExpr::Expressions(by, modifiers) if by.is_empty() && modifiers.is_empty());
    if grouped || select.distinct.is_some() || query.limit_clause.is_some() || query.with.is_some() {
        return None;
    }
    match select.projection.as_slice() {
        [SelectItem::UnnamedExpr(item) | SelectItem::ExprWithAlias { expr: item, .. }] => Some((select, item)),
        _ => None,
    }
}

fn is_first(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(&value.value, Value::Number(number, _) if number == "1"))
}
