//! Pass 2: `TOP n` and `FETCH FIRST n ROWS ONLY` become `LIMIT n`.
//!
//! Before: `SELECT TOP 5 * FROM t ORDER BY mag OFFSET 10`. After: `SELECT * FROM t ORDER BY mag
//! LIMIT 5 OFFSET 10` (ADQL applies OFFSET before TOP, which is what LIMIT does). A TOP in an
//! operand of a set operator limits that operand alone: the operand gets parentheses of its own.

use sqlparser::ast::{
    Expr, Fetch, Ident, LimitClause, Query, Select, SelectItem, SetExpr, Spanned, Top, TopQuantity, Value, Values,
    VisitorMut,
};
use sqlparser::tokenizer::Span;

use super::{Broken, step};
use crate::Error;

pub(super) struct Pass;

/// Stands in an operand's place while it moves.
const EMPTY: SetExpr = SetExpr::Values(Values {
    explicit_row: false,
    value_keyword: false,
    rows: vec![],
});

impl VisitorMut for Pass {
    type Break = Box<Error>;

    fn post_visit_query(&mut self, query: &mut Query) -> Broken {
        step(limit(query))
    }
}

fn limit(query: &mut Query) -> Result<(), Error> {
    fetch(query)?;
    if let SetExpr::Select(select) = query.body.as_mut() {
        if let Some((rows, span)) = take_top(select)? {
            set_limit(query, rows, "TOP", span)?;
        }
        return Ok(());
    }
    // Operands of set operators, walked with a list because their chain may be long.
    let mut operands = vec![query.body.as_mut()];
    while let Some(operand) = operands.pop() {
        match operand {
            SetExpr::SetOperation { left, right, .. } => operands.extend([left.as_mut(), right.as_mut()]),
            SetExpr::Select(select) => {
                if let Some((rows, _)) = take_top(select)? {
                    wrap(operand, rows);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Takes the TOP out of a SELECT: its number, and where to point if it is in the way.
fn take_top(select: &mut Select) -> Result<Option<(Expr, Span)>, Error> {
    let Some(top) = select.top.take() else {
        return Ok(None);
    };
    let span = select.select_token.0.span;
    misplaced_quantifier(select)?;
    Ok(Some((rows_of(&top, span)?, span)))
}

/// `TOP 3 DISTINCT x` parses as a column named DISTINCT with the alias x.
pub(crate) fn misplaced_quantifier(select: &Select) -> Result<(), Error> {
    let is_quantifier = |ident: &Ident| {
        ident.quote_style.is_none()
            && ["distinct", "all"]
                .iter()
                .any(|word| ident.value.eq_ignore_ascii_case(word))
    };
    let found = match select.projection.first() {
        Some(
            SelectItem::ExprWithAlias {
                expr: Expr::Identifier(ident),
                ..
            }
            | SelectItem::UnnamedExpr(Expr::Identifier(ident)),
        ) => Some(ident),
        Some(
            SelectItem::ExprWithAlias {
                expr: Expr::Function(function),
                ..
            }
            | SelectItem::UnnamedExpr(Expr::Function(function)),
        ) => function.name.0.first().and_then(|part| part.as_ident()),
        _ => None,
    };
    match found.filter(|ident| is_quantifier(ident)) {
        Some(ident) => Err(Error::top_after_quantifier(&ident.value.to_uppercase(), ident.span)),
        None => Ok(()),
    }
}

fn rows_of(top: &Top, span: Span) -> Result<Expr, Error> {
    if top.percent {
        return Err(Error::top_variant("PERCENT", span));
    }
    if top.with_ties {
        return Err(Error::top_variant("WITH TIES", span));
    }
    match &top.quantity {
        Some(TopQuantity::Constant(rows)) => Ok(Expr::value(Value::Number(rows.to_string(), false))),
        Some(TopQuantity::Expr(expr)) => {
            let inner = expr.span();
            Err(Error::top_expression(if inner == Span::empty() { span } else { inner }))
        }
        None => Err(Error::top_expression(span)),
    }
}

fn set_limit(query: &mut Query, rows: Expr, word: &str, span: Span) -> Result<(), Error> {
    match &mut query.limit_clause {
        None => {
            query.limit_clause = Some(LimitClause::LimitOffset {
                limit: Some(rows),
                offset: None,
                limit_by: vec![],
            })
        }
        Some(LimitClause::LimitOffset {
            limit: limit @ None,
            limit_by,
            ..
        }) if limit_by.is_empty() => *limit = Some(rows),
        Some(_) => return Err(Error::two_limits(word, "LIMIT", span)),
    }
    Ok(())
}

/// Turns `FETCH FIRST n ROWS ONLY` into `LIMIT n`.
fn fetch(query: &mut Query) -> Result<(), Error> {
    let Some(Fetch {
        with_ties,
        percent,
        quantity,
    }) = query.fetch.take()
    else {
        return Ok(());
    };
    let span = quantity.as_ref().map_or(Span::empty(), Spanned::span);
    if with_ties {
        return Err(Error::fetch_variant("WITH TIES", span));
    }
    if percent {
        return Err(Error::fetch_variant("PERCENT", span));
    }
    if let SetExpr::Select(select) = query.body.as_ref()
        && select.top.is_some()
    {
        return Err(Error::two_limits("TOP", "FETCH", select.select_token.0.span));
    }
    let rows = quantity.unwrap_or_else(|| Expr::value(Value::Number("1".to_owned(), false)));
    set_limit(query, rows, "FETCH", span)
}

/// Gives one operand of a set operator a query, and so a LIMIT, of its own.
fn wrap(operand: &mut SetExpr, rows: Expr) {
    let select = std::mem::replace(operand, EMPTY);
    *operand = SetExpr::Query(Box::new(Query {
        with: None,
        body: Box::new(select),
        order_by: None,
        limit_clause: Some(LimitClause::LimitOffset {
            limit: Some(rows),
            offset: None,
            limit_by: vec![],
        }),
        fetch: None,
        locks: vec![],
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: vec![],
    }));
}

#[cfg(test)]
mod tests {
    use crate::lower::testing::adql;

    #[test]
    fn top_is_limit() {
        insta::assert_snapshot!(adql("SELECT TOP 5 * FROM t"), @"SELECT * FROM t LIMIT 5");
        insta::assert_snapshot!(adql("select top 4* from t"), @"SELECT * FROM t LIMIT 4");
        insta::assert_snapshot!(adql("SELECT TOP 0 a FROM t"), @"SELECT a FROM t LIMIT 0");
        insta::assert_snapshot!(adql("SELECT DISTINCT TOP 5 a FROM t ORDER BY a"), @"SELECT DISTINCT a FROM t ORDER BY a LIMIT 5");
        insta::assert_snapshot!(adql("SELECT ALL TOP 5 a FROM t"), @"SELECT ALL a FROM t LIMIT 5");
        insta::assert_snapshot!(adql("SELECT TOP 5 a FROM t ORDER BY a OFFSET 10"), @"SELECT a FROM t ORDER BY a LIMIT 5 OFFSET 10");
        insta::assert_snapshot!(adql("SELECT top FROM t"), @r"
        TOP takes an unsigned integer, found FROM
        LINE 1: SELECT top FROM t
                           ^
        HINT: TOP is a reserved word: a column of that name needs double quotes
        ");
    }

    #[test]
    fn each_select_has_its_own() {
        insta::assert_snapshot!(adql("SELECT TOP 3 a FROM (SELECT TOP 9 a FROM t) AS s WHERE a IN (SELECT TOP 1 b FROM u)"), @"SELECT a FROM (SELECT a FROM t LIMIT 9) AS s WHERE a IN (SELECT b FROM u LIMIT 1) LIMIT 3");
        insta::assert_snapshot!(adql("SELECT TOP 3 a FROM t UNION ALL SELECT TOP 4 a FROM u ORDER BY a"), @"(SELECT a FROM t LIMIT 3) UNION ALL (SELECT a FROM u LIMIT 4) ORDER BY a");
        insta::assert_snapshot!(adql("(SELECT TOP 3 a FROM t ORDER BY a) EXCEPT SELECT a FROM u INTERSECT SELECT TOP 2 a FROM v"), @"(SELECT a FROM t ORDER BY a LIMIT 3) EXCEPT SELECT a FROM u INTERSECT (SELECT a FROM v LIMIT 2)");
        insta::assert_snapshot!(adql("WITH x AS (SELECT TOP 3 a FROM t) SELECT TOP 2 a FROM x"), @"WITH x AS (SELECT a FROM t LIMIT 3) SELECT a FROM x LIMIT 2");
        insta::assert_snapshot!(adql("CREATE VIEW v AS SELECT TOP 3 a FROM t"), @"CREATE VIEW v AS SELECT a FROM t LIMIT 3");
        insta::assert_snapshot!(adql("CREATE TABLE v AS SELECT TOP 3 a FROM t"), @"CREATE TABLE v AS SELECT a FROM t LIMIT 3");
        insta::assert_snapshot!(adql("INSERT INTO v SELECT TOP 3 a FROM t"), @"INSERT INTO v SELECT a FROM t LIMIT 3");
        insta::assert_snapshot!(adql("EXPLAIN SELECT TOP 3 a FROM t"), @"EXPLAIN SELECT a FROM t LIMIT 3");
        insta::assert_snapshot!(adql("PREPARE p AS SELECT TOP 3 a FROM t"), @"PREPARE p AS SELECT a FROM t LIMIT 3");
        insta::assert_snapshot!(adql("DECLARE c CURSOR FOR SELECT TOP 3 a FROM t"), @"DECLARE c CURSOR FOR SELECT a FROM t LIMIT 3");
        insta::assert_snapshot!(adql("COPY (SELECT TOP 3 a FROM t) TO STDOUT"), @"COPY (SELECT a FROM t LIMIT 3) TO STDOUT");
    }

    #[test]
    fn fetch_is_limit() {
        insta::assert_snapshot!(adql("SELECT a FROM t OFFSET 2 FETCH FIRST 5 ROWS ONLY"), @"SELECT a FROM t LIMIT 5 OFFSET 2");
        insta::assert_snapshot!(adql("SELECT a FROM t FETCH FIRST ROW ONLY"), @"SELECT a FROM t LIMIT 1");
        insta::assert_snapshot!(adql("SELECT a FROM t LIMIT 5 FETCH FIRST 5 ROWS ONLY"), @r"
        FETCH and LIMIT both limit the rows of one SELECT
        LINE 1: SELECT a FROM t LIMIT 5 FETCH FIRST 5 ROWS ONLY
                                                    ^
        HINT: keep either FETCH or LIMIT
        ");
        insta::assert_snapshot!(adql("SELECT a FROM t FETCH FIRST 5 ROWS WITH TIES"), @r"
        FETCH ... WITH TIES is not offered
        LINE 1: SELECT a FROM t FETCH FIRST 5 ROWS WITH TIES
                                            ^
        HINT: use ORDER BY with LIMIT n
        ");
    }

    #[test]
    fn what_has_no_meaning() {
        insta::assert_snapshot!(adql("SELECT TOP 5 a FROM t LIMIT 3"), @r"
        TOP and LIMIT both limit the rows of one SELECT
        LINE 1: SELECT TOP 5 a FROM t LIMIT 3
                ^~~~~~
        HINT: keep either TOP or LIMIT
        ");
        insta::assert_snapshot!(adql("SELECT TOP 5 a FROM t FETCH FIRST 3 ROWS ONLY"), @r"
        TOP and FETCH both limit the rows of one SELECT
        LINE 1: SELECT TOP 5 a FROM t FETCH FIRST 3 ROWS ONLY
                ^~~~~~
        HINT: keep either TOP or FETCH
        ");
        insta::assert_snapshot!(adql("SELECT TOP 3 DISTINCT m FROM t"), @r"
        DISTINCT must stand before TOP
        LINE 1: SELECT TOP 3 DISTINCT m FROM t
                             ^~~~~~~~
        HINT: write SELECT DISTINCT TOP n ...
        ");
        insta::assert_snapshot!(adql("SELECT TOP 3 DISTINCT(m) FROM t"), @r"
        DISTINCT must stand before TOP
        LINE 1: SELECT TOP 3 DISTINCT(m) FROM t
                             ^~~~~~~~
        HINT: write SELECT DISTINCT TOP n ...
        ");
        insta::assert_snapshot!(adql("SELECT a, (SELECT TOP 3 ALL m FROM t) FROM t"), @r"
        ALL must stand before TOP
        LINE 1: SELECT a, (SELECT TOP 3 ALL m FROM t) FROM t
                                        ^~~
        HINT: write SELECT ALL TOP n ...
        ");
        insta::assert_snapshot!(adql("SELECT TOP (5 + 1) a FROM t"), @r"
        TOP takes an unsigned integer, not an expression
        LINE 1: SELECT TOP (5 + 1) a FROM t
                            ^~~~~
        HINT: write the number of rows without parentheses, as in TOP 100, or use LIMIT
        ");
        insta::assert_snapshot!(adql("SELECT TOP -5 a FROM t"), @r"
        TOP takes an unsigned integer, found -
        LINE 1: SELECT TOP -5 a FROM t
                           ^
        HINT: TOP is a reserved word: a column of that name needs double quotes
        ");
        insta::assert_snapshot!(adql("SELECT TOP 5 PERCENT a FROM t"), @r"
        TOP ... PERCENT is not offered
        LINE 1: SELECT TOP 5 PERCENT a FROM t
                ^~~~~~
        HINT: use ORDER BY with TOP n
        ");
        insta::assert_snapshot!(adql("SELECT TOP 5 WITH TIES a FROM t"), @r"
        TOP ... WITH TIES is not offered
        LINE 1: SELECT TOP 5 WITH TIES a FROM t
                ^~~~~~
        HINT: use ORDER BY with TOP n
        ");
    }
}
