//! Pass 6: columns of a select list that would get the same name get names of their own.
//!
//! Before: `SELECT ra, CAST(ra AS REAL), RAND(), RAND()`. After: `SELECT ra, CAST(ra AS REAL) AS ra_1,
//! random(), random() AS random_1`. SQL allows such lists; the planner, which names a column after its
//! expression (and sees through casts), does not.
//!
//! The first keeps its name, so that ORDER BY finds it. `a.ra, b.ra` are left alone: the planner tells
//! them apart by their tables.

use std::collections::HashSet;
use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Ident, Select, SelectItem, SelectItemQualifiedWildcardKind, VisitorMut, WildcardAdditionalOptions,
    visit_expressions_mut,
};

use super::Broken;
use crate::names::folded;
use crate::{Error, call};

pub(super) struct Pass;

impl VisitorMut for Pass {
    type Break = Box<Error>;

    fn post_visit_select(&mut self, select: &mut Select) -> Broken {
        if select.projection.len() > 1 {
            keep_apart(select);
        }
        ControlFlow::Continue(())
    }
}

fn keep_apart(select: &mut Select) {
    let single = matches!(select.from.as_slice(), [table] if table.joins.is_empty());
    let mut star = false;
    let mut starred_tables: HashSet<String> = HashSet::new();
    let mut taken: HashSet<String> = HashSet::new();
    for item in &select.projection {
        match item {
            SelectItem::ExprWithAlias { alias, .. } => _ = taken.insert(folded(alias)),
            SelectItem::Wildcard(options) => star |= whole(options),
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options)
                if whole(options) =>
            {
                starred_tables.insert(name.to_string().to_ascii_lowercase());
            }
            _ => {}
        }
    }
    let mut seen: HashSet<String> = HashSet::new();
    for item in &mut select.projection {
        match item {
            SelectItem::UnnamedExpr(expr) => {
                // `SELECT *, ra` and `SELECT t.*, t.ra`: the star has brought the column already.
                let starred = match &*expr {
                    Expr::Identifier(_) => single && (star || !starred_tables.is_empty()),
                    Expr::CompoundIdentifier(parts) => {
                        let table = parts
                            .iter()
                            .rev()
                            .skip(1)
                            .rev()
                            .map(ToString::to_string)
                            .collect::<Vec<_>>()
                            .join(".");
                        star && single || starred_tables.contains(&table.to_ascii_lowercase())
                    }
                    _ => false,
                };
                let fresh = seen.insert(key(expr, single)) && !taken.contains(&key(expr, single));
                if starred || !fresh {
                    let alias = free(&figure(expr), &mut taken);
                    let expr = std::mem::replace(expr, Expr::Identifier(alias.clone()));
                    *item = SelectItem::ExprWithAlias { expr, alias };
                }
            }
            SelectItem::ExprWithAlias { alias, .. } if !seen.insert(folded(alias)) => {
                *alias = free(&folded(alias), &mut taken);
            }
            _ => {}
        }
    }
}

/// Does a star stand for all columns?
fn whole(options: &WildcardAdditionalOptions) -> bool {
    options.opt_except.is_none() && options.opt_exclude.is_none() && options.opt_ilike.is_none()
}

/// What the planner would tell the column from others by, roughly: its text without casts.
fn key(expr: &Expr, single: bool) -> String {
    match call::peeled(expr) {
        Expr::Identifier(ident) => folded(ident),
        Expr::CompoundIdentifier(parts) if single => parts.last().map(folded).unwrap_or_default(),
        Expr::Cast { expr, .. } => key(expr, single),
        Expr::Value(value) => value.to_string(),
        other => {
            let mut bare = other.clone();
            let _: ControlFlow<()> = visit_expressions_mut(&mut bare, |expr| {
                while let Expr::Cast { expr: inner, .. } | Expr::Nested(inner) = expr {
                    *expr = std::mem::replace(inner.as_mut(), Expr::Tuple(vec![]));
                }
                ControlFlow::Continue(())
            });
            let text = bare.to_string();
            // Quoted names and literals tell upper from lower case.
            if text.contains(['"', '\'']) {
                text
            } else {
                text.to_ascii_lowercase()
            }
        }
    }
}

/// What a person would call the column.
fn figure(expr: &Expr) -> String {
    let name = match call::peeled(expr) {
        Expr::Identifier(ident) => Some(folded(ident)),
        Expr::CompoundIdentifier(parts) => parts.last().map(folded),
        Expr::Cast { expr, .. } => Some(figure(expr)),
        Expr::Function(function) => call::name(function),
        _ => None,
    };
    name.unwrap_or_else(|| "column".to_owned())
}

/// The first of `name_1`, `name_2`, ... that is not taken.
fn free(name: &str, taken: &mut HashSet<String>) -> Ident {
    let mut number = 1usize;
    loop {
        let candidate = format!("{name}_{number}");
        if taken.insert(candidate.clone()) {
            let plain = candidate
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
                && candidate.starts_with(|first: char| first.is_ascii_lowercase() || first == '_');
            return if plain {
                Ident::new(candidate)
            } else {
                Ident::with_quote('"', candidate)
            };
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use crate::lower::testing::adql;

    fn list(items: &str) -> String {
        adql(&format!("SELECT {items} FROM t"))
            .replacen("SELECT ", "", 1)
            .replacen(" FROM t", "", 1)
    }

    #[test]
    fn repeated_columns_get_names() {
        for (items, named) in [
            ("ra, ra, RA", "ra, ra AS ra_1, RA AS ra_2"),
            ("ra, t.ra", "ra, t.ra AS ra_1"),
            ("ra, \"RA\", \"RA\"", "ra, \"RA\", \"RA\" AS \"RA_1\""),
            ("CAST(x AS INT), x::REAL, x", "CAST(x AS INT), x::REAL AS x_1, x AS x_2"),
            ("x + 1, CAST(x AS REAL) + 1", "x + 1, CAST(x AS REAL) + 1 AS column_1"),
            ("RAND(), rand(2)", "random(), random() AS random_1"),
            (
                "POINT(1, 2), POINT('ICRS', 1, 2)",
                "POINT(1, 2), POINT(1, 2) AS point_1",
            ),
            (
                "1, 1, 'a', 'A', NULL, NULL",
                "1, 1 AS column_1, 'a', 'A', NULL, NULL AS column_2",
            ),
            ("a AS x, b AS x", "a AS x, b AS x_1"),
            ("a AS x, x", "a AS x, x AS x_1"),
            ("x, a AS x_1, x", "x, a AS x_1, x AS x_2"),
            ("*, ra, f(ra)", "*, ra AS ra_1, f(ra)"),
            ("t.*, T.ra, ra", "t.*, T.ra AS ra_1, ra AS ra_2"),
            ("* EXCLUDE (ra), ra", "* EXCLUDE (ra), ra"),
        ] {
            assert_eq!(list(items), named);
        }
    }

    #[test]
    fn others_are_left_alone() {
        for items in ["a, b, a + b", "a, A.b", "f(a), g(a)", "f('a'), f('A')", "*", "u.*, t.a"] {
            assert_eq!(list(items), items);
        }
        for sql in [
            "SELECT a.ra, b.ra FROM a JOIN b ON a.x = b.x",
            "SELECT a.ra, b.ra FROM a, b",
        ] {
            assert_eq!(adql(sql), sql);
        }
    }
}
