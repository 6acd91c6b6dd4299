//! Relations that never have rows. A query over one has none either, so what it would compute for each row, which can
//! be of a shape that the engine cannot plan, need not be planned: it becomes NULL.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArguments, GroupByExpr, JoinConstraint, JoinOperator, Query, Select, SelectItem, SetExpr,
    SetOperator, Statement, TableFactor, TableWithJoins, Value, Visit, Visitor,
};
use datafusion::sql::sqlparser::parser::Parser;

use super::super::catalog::is_always_empty;
use super::sets::is_field;
use super::{last_part, schema_part};

/// Aggregates without GROUP BY give a row where there is none.
const AGGREGATES: &[&str] = &[
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "array_agg",
    "string_agg",
    "bool_and",
    "bool_or",
    "every",
    "json_agg",
    "jsonb_agg",
    "json_object_agg",
    "first_value",
    "last_value",
    "stddev",
    "variance",
    "corr",
    "median",
];

/// Replaces what is computed in the select list of a query that has no rows.
pub(super) fn fold(select: &mut Select, common: &HashSet<String>) {
    if !rowless(select, common) || aggregates(select) {
        return;
    }
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item
            && !plain(expr)
        {
            *expr = instead(&*expr, Expr::value(Value::Null));
        }
    }
    // Conditions on fields of what would be composite values.
    let unplannable = select.selection.iter().any(fields_within);
    if unplannable {
        select.selection = Some(Expr::value(Value::Boolean(false)));
    }
    for table in &mut select.from {
        for join in &mut table.joins {
            no_elements(&mut join.relation);
            if let Some(on) = condition(&mut join.join_operator).filter(|on| fields_within(on)) {
                *on = Expr::value(Value::Boolean(false));
            }
        }
    }
}

/// The elements of an array in each row: there is none, so neither are there elements.
fn no_elements(factor: &mut TableFactor) {
    let TableFactor::UNNEST { alias: Some(alias), .. } = factor else {
        return;
    };
    let name = alias.columns.first().map_or(&alias.name, |column| &column.name);
    let nothing = format!(
        "SELECT 1 FROM (SELECT CAST(NULL AS BIGINT) AS {name}) AS {}",
        alias.name
    );
    let parsed = Parser::parse_sql(dreyer_adql::dialect(), &nothing).unwrap_or_default();
    if let Some(Statement::Query(query)) = parsed.into_iter().next()
        && let SetExpr::Select(select) = *query.body
        && let Some(table) = select.from.into_iter().next()
    {
        *factor = table.relation;
    }
}

fn condition(join: &mut JoinOperator) -> Option<&mut Expr> {
    match join {
        JoinOperator::Join(JoinConstraint::On(on))
        | JoinOperator::Inner(JoinConstraint::On(on))
        | JoinOperator::Left(JoinConstraint::On(on))
        | JoinOperator::LeftOuter(JoinConstraint::On(on)) => Some(on),
        _ => None,
    }
}

/// Whether an expression reads `(x).field`.
fn fields_within(expr: &Expr) -> bool {
    struct Find(bool);
    impl Visitor for Find {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            self.0 |= is_field(expr);
            ControlFlow::Continue(())
        }
    }
    let mut find = Find(false);
    let _ = expr.visit(&mut find);
    find.0
}

/// What stands in the place of a part of a query that is never computed. Its parameters are still parameters, of the types
/// that it casts them to.
fn instead(part: &(impl Visit + ?Sized), value: Expr) -> Expr {
    #[derive(Default)]
    struct Find(BTreeMap<String, String>);
    impl Visitor for Find {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            let name = |expr: &Expr| match expr {
                Expr::Value(value) => match &value.value {
                    Value::Placeholder(name) => Some(name.clone()),
                    _ => None,
                },
                _ => None,
            };
            let found = match expr {
                Expr::Cast { expr: inner, .. } => name(inner),
                expr => name(expr),
            };
            if let Some(found) = found {
                self.0.entry(found).or_insert_with(|| expr.to_string());
            }
            ControlFlow::Continue(())
        }
    }
    let mut find = Find::default();
    let _ = part.visit(&mut find);
    if find.0.is_empty() {
        return value;
    }
    let branches: Vec<_> = find
        .0
        .values()
        .map(|parameter| format!("WHEN {parameter} IS NULL THEN {value}"))
        .collect();
    super::expression(&format!("CASE {} ELSE {value} END", branches.join(" "))).unwrap_or(value)
}

/// Whether there is nothing to compute.
fn plain(expr: &Expr) -> bool {
    match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_) => true,
        Expr::Cast { expr, .. } | Expr::Nested(expr) => plain(expr),
        _ => false,
    }
}

/// Replaces a subquery without rows by what it gives: NULL, an empty array, or false.
pub(super) fn fold_subquery(expr: &mut Expr, common: &HashSet<String>) {
    let replacement = match expr {
        Expr::Subquery(query) if empty(query, common) => instead(&**query, Expr::value(Value::Null)),
        Expr::Exists { subquery, negated } if empty(subquery, common) => {
            instead(&**subquery, Expr::value(Value::Boolean(*negated)))
        }
        Expr::Function(function) if last_part(&function.name).is_some_and(|name| name == "array") => {
            match &function.args {
                FunctionArguments::Subquery(query) if empty(query, common) => no_texts(),
                _ => return,
            }
        }
        _ => return,
    };
    *expr = replacement;
}

fn no_texts() -> Expr {
    super::expression("no_texts()").unwrap_or_else(|_| Expr::value(Value::Null))
}

/// Whether the query gives no row, whatever the data.
fn empty(query: &Query, common: &HashSet<String>) -> bool {
    query.with.is_none() && empty_body(&query.body, common)
}

fn empty_body(body: &SetExpr, common: &HashSet<String>) -> bool {
    match body {
        SetExpr::Select(select) => rowless(select, common) && !aggregates(select),
        SetExpr::Query(query) => empty(query, common),
        SetExpr::SetOperation { left, op, right, .. } => match op {
            SetOperator::Union => empty_body(left, common) && empty_body(right, common),
            SetOperator::Intersect => empty_body(left, common) || empty_body(right, common),
            _ => empty_body(left, common),
        },
        _ => false,
    }
}

/// Whether FROM gives no row.
fn rowless(select: &Select, common: &HashSet<String>) -> bool {
    select.from.iter().any(|table| rowless_table(table, common))
}

fn rowless_table(table: &TableWithJoins, common: &HashSet<String>) -> bool {
    let mut none = rowless_factor(&table.relation, common);
    for join in &table.joins {
        let right = rowless_factor(&join.relation, common);
        none = match &join.join_operator {
            JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_) => none || right,
            JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => none,
            JoinOperator::Right(_) | JoinOperator::RightOuter(_) => right,
            _ => none && right,
        };
    }
    none
}

fn rowless_factor(factor: &TableFactor, common: &HashSet<String>) -> bool {
    match factor {
        TableFactor::Table { name, args: None, .. } => last_part(name).is_some_and(|last| match schema_part(name) {
            Some(schema) => schema == "pg_catalog" && is_always_empty(&last),
            None => is_always_empty(&last) && !common.contains(&last),
        }),
        TableFactor::Derived {
            subquery,
            lateral: false,
            ..
        } => empty(subquery, common),
        TableFactor::NestedJoin {
            table_with_joins,
            alias: None,
        } => rowless_table(table_with_joins, common),
        _ => false,
    }
}

/// Whether the select list aggregates without GROUP BY. What subqueries in it aggregate is their own affair.
fn aggregates(select: &Select) -> bool {
    #[derive(Default)]
    struct Find {
        depth: usize,
        found: bool,
    }
    impl Visitor for Find {
        type Break = ();

        fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
            self.depth += 1;
            ControlFlow::Continue(())
        }

        fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
            self.depth -= 1;
            ControlFlow::Continue(())
        }

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            if let (Expr::Function(function), 0) = (expr, self.depth) {
                self.found |= last_part(&function.name).is_some_and(|name| AGGREGATES.contains(&name.as_str()));
            }
            ControlFlow::Continue(())
        }
    }
    if !matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty()) {
        return false;
    }
    let mut find = Find {
        found: select.having.is_some(),
        ..Find::default()
    };
    for item in &select.projection {
        let _ = item.visit(&mut find);
    }
    find.found
}
