//! Names of result columns: what PostgreSQL calls an expression without a name, and columns of one name, which it
//! allows and the engine does not.

use std::collections::HashSet;

use datafusion::common::Result;
use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, DataType, Expr, Function, Ident, OrderByKind, Query, Select, SelectItem, SetExpr,
};

use super::{expression, last_part};

/// The names of a result's columns, counted from both ends: how many columns a `*` between them stands for is known
/// only later.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(in crate::pg) struct Labels {
    head: Vec<String>,
    tail: Vec<String>,
}

impl Labels {
    /// The name of column `at` of `count`, if it does not come from a `*`.
    pub(in crate::pg) fn get(&self, at: usize, count: usize) -> Option<&str> {
        let from_end = count
            .checked_sub(self.tail.len())
            .and_then(|start| at.checked_sub(start));
        let name = self.head.get(at).or_else(|| self.tail.get(from_end?));
        name.map(String::as_str)
    }
}

/// The names of a query's columns.
pub(super) fn of(query: &Query) -> Labels {
    let mut body = &*query.body;
    loop {
        match body {
            SetExpr::SetOperation { left, .. } => body = left,
            SetExpr::Query(query) => body = &query.body,
            SetExpr::Select(select) => return of_select(select),
            _ => return Labels::default(),
        }
    }
}

fn of_select(select: &Select) -> Labels {
    let mut labels = Labels::default();
    let mut stars = false;
    for item in &select.projection {
        let name = match item {
            SelectItem::UnnamedExpr(expr) => figure(expr).unwrap_or_else(|| "?column?".to_owned()),
            SelectItem::ExprWithAlias { alias, .. } => spelled(alias),
            _ => {
                stars = true;
                labels.tail.clear();
                continue;
            }
        };
        if stars {
            labels.tail.push(name)
        } else {
            labels.head.push(name)
        }
    }
    labels
}

fn spelled(ident: &Ident) -> String {
    if ident.quote_style.is_some() {
        ident.value.clone()
    } else {
        ident.value.to_lowercase()
    }
}

/// What PostgreSQL calls an expression; `None` for what it has no name for.
fn figure(expr: &Expr) -> Option<String> {
    let fixed = |name: &str| Some(name.to_owned());
    match expr {
        Expr::Identifier(ident) => Some(spelled(ident)),
        Expr::CompoundIdentifier(parts) => parts.last().map(spelled),
        Expr::Function(function) => called(function),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => figure(inner),
        Expr::CompoundFieldAccess { root, .. } => figure(root),
        Expr::Cast { expr, data_type, .. } => figure(expr).or_else(|| Some(type_label(data_type))),
        Expr::TypedString(typed) => Some(type_label(&typed.data_type)),
        Expr::Interval(_) => fixed("interval"),
        Expr::Case { else_result, .. } => else_result.as_deref().and_then(figure).or_else(|| fixed("case")),
        Expr::Exists { .. } => fixed("exists"),
        Expr::Array(_) => fixed("array"),
        Expr::Extract { .. } => fixed("extract"),
        Expr::Position { .. } => fixed("position"),
        Expr::Substring { .. } => fixed("substring"),
        Expr::Trim { .. } => fixed("btrim"),
        Expr::Overlay { .. } => fixed("overlay"),
        Expr::Ceil { .. } => fixed("ceil"),
        Expr::Floor { .. } => fixed("floor"),
        Expr::AtTimeZone { .. } => fixed("timezone"),
        Expr::Subquery(query) => of(query).head.into_iter().next(),
        _ => None,
    }
}

fn called(function: &Function) -> Option<String> {
    last_part(&function.name)
}

/// The internal name of a type, which is what PostgreSQL puts there; of an array, that of its elements.
fn type_label(data_type: &DataType) -> String {
    let spelling = match data_type {
        DataType::Custom(name, _) => return last_part(name).unwrap_or_default(),
        DataType::Array(ArrayElemTypeDef::SquareBracket(item, _)) => return type_label(item),
        other => other.to_string().to_lowercase(),
    };
    let bare = spelling.split('(').next().unwrap_or_default().trim().to_owned();
    super::super::catalog::named_type(&bare).map_or(bare, |kind| kind.name().to_owned())
}

/// `SELECT id::text … ORDER BY id`: to the engine the cast and the column have one name, and to PostgreSQL it is the cast
/// that is ordered by. It gets a name of its own, and ORDER BY its place.
pub(super) fn order_casts(query: &mut Query) -> Result<()> {
    let (SetExpr::Select(select), Some(order)) = (&mut *query.body, &mut query.order_by) else {
        return Ok(());
    };
    for (at, item) in select.projection.iter_mut().enumerate() {
        let SelectItem::UnnamedExpr(expr @ Expr::Cast { .. }) = item else {
            continue;
        };
        let label = figure(expr);
        if let OrderByKind::Expressions(terms) = &mut order.kind {
            for term in terms {
                if matches!(&term.expr, Expr::Identifier(ident) if Some(spelled(ident)) == label) {
                    term.expr = expression(&(at + 1).to_string())?;
                }
            }
        }
        *item = SelectItem::ExprWithAlias {
            expr: expr.clone(),
            alias: Ident::with_quote('"', format!("_{}", at + 1)),
        };
    }
    Ok(())
}

/// Gives a name of its own to every item that repeats another.
pub(super) fn keep_apart(select: &mut Select) {
    let mut seen = HashSet::new();
    for (at, item) in select.projection.iter_mut().enumerate() {
        let own = || Ident::with_quote('"', format!("_{}", at + 1));
        match item {
            SelectItem::UnnamedExpr(expr) => {
                let name = match &*expr {
                    Expr::Identifier(ident) => spelled(ident),
                    other => other.to_string(),
                };
                if !seen.insert(name) {
                    *item = SelectItem::ExprWithAlias {
                        expr: expr.clone(),
                        alias: own(),
                    };
                }
            }
            SelectItem::ExprWithAlias { alias, .. } if !seen.insert(spelled(alias)) => {
                *alias = own();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::ast::Statement;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn labels(sql: &str) -> Labels {
        let Statement::Query(query) = Parser::parse_sql(dreyer_adql::dialect(), sql).unwrap().remove(0) else {
            panic!()
        };
        of(&query)
    }

    /// The names were read off a PostgreSQL 15.
    #[test]
    fn expressions_are_called_what_postgresql_calls_them() {
        let given = "SELECT 1, count(*), a.\"Ra\" + 1, (RA), 'x'::text, ra::int, 1.5::float8, CASE WHEN true THEN 1 END, \
                     EXISTS (SELECT 1), ARRAY[1], true, (SELECT max(ra) FROM t), extract(year FROM d), ra AS \"X\" FROM t a";
        let expected = [
            "?column?", "count", "?column?", "ra", "text", "ra", "float8", "case", "exists", "array", "?column?",
            "max", "extract", "X",
        ];
        let labels = labels(given);
        let names: Vec<_> = (0..expected.len())
            .map(|at| labels.get(at, expected.len()).unwrap())
            .collect();
        assert_eq!(names, expected);
    }

    #[test]
    fn a_star_has_names_of_its_own() {
        let labels = labels("SELECT 1, *, count(*) OVER () FROM t");
        let names: Vec<_> = (0..5).map(|at| labels.get(at, 5)).collect();
        assert_eq!(names, [Some("?column?"), None, None, None, Some("count")]);
    }
}
