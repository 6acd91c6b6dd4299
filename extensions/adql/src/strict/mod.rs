//! Is a text pure ADQL 2.1?
//!
//! The grammar of this crate accepts much more than ADQL. A service that promises to say when a
//! query is not portable asks here: the tokens are checked first (`lexical`), then the shape of the
//! query (`query`, `table`), then its expressions (`expression`) and calls (`function`), then every
//! unquoted name against the reserved words (`reserved`).
//!
//! ```text
//! text ─ tokens ─► lexical ─ parse ─► query ► table ► expression ► function
//!                                                └────► reserved ◄────┘
//! ```
//!
//! What the grammar of the Recommendation and its own examples disagree on is accepted: `%`, and a
//! join without condition. Whether tables, columns and types exist is not asked.

mod expression;
mod function;
mod lexical;
mod query;
mod reserved;
mod table;

use std::ops::ControlFlow;

pub(crate) use reserved::is_reserved;
use sqlparser::ast::{Spanned, Statement, Visit};
use sqlparser::tokenizer::Span;

use crate::{Error, parse};

/// Checks that a text is one query of pure ADQL 2.1.
///
/// # Errors
/// The first thing that is not, with its place and what to write instead.
///
/// ```
/// use dreyer_adql::validate_strict;
/// assert!(validate_strict("SELECT TOP 5 ra FROM gaia WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE(1, 2, 3))").is_ok());
/// let error = validate_strict("SELECT ra FROM gaia LIMIT 5").err().ok_or("accepted")?;
/// assert_eq!(error.message, "ADQL 2.1 has no LIMIT");
/// assert_eq!(error.hint.as_deref(), Some("write SELECT TOP n ..."));
/// # Ok::<(), &str>(())
/// ```
pub fn validate_strict(sql: &str) -> Result<(), Error> {
    let start = lexical::check(sql)?;
    let statements = parse(sql)?;
    let query = match statements.as_slice() {
        [] => {
            return Err(Error::breaks_adql(
                "there is no query",
                start,
                "an ADQL query starts with SELECT or WITH",
            ));
        }
        [Statement::Query(query)] => query,
        [other] => {
            let span = if other.span() == Span::empty() {
                start
            } else {
                other.span()
            };
            return Err(Error::breaks_adql(
                "ADQL 2.1 has queries only",
                span,
                "a query starts with SELECT or WITH",
            ));
        }
        [_, second, ..] => {
            return Err(Error::breaks_adql(
                "an ADQL text is one query",
                second.span(),
                "send the queries one by one",
            ));
        }
    };
    match query.visit(&mut query::Checker::default()) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(*error),
    }
}

#[cfg(test)]
mod tests {
    use super::validate_strict;
    use crate::caret;

    /// `ok`, or what the error looks like.
    fn strict(sql: &str) -> String {
        match validate_strict(sql) {
            Ok(()) => "ok".to_owned(),
            Err(error) => {
                let mark = error
                    .span
                    .map_or_else(|| "(no place)".to_owned(), |span| caret(sql, span));
                format!("{}\n{mark}\nHINT: {}", error.message, error.hint.unwrap_or_default())
            }
        }
    }

    #[test]
    fn pure() {
        for sql in [
            "SELECT * FROM t",
            "SELECT a FROM t;",
            "select all(a+b)X from t -- done",
            "SELECT top 4* from t",
            "SELECT a FROM t, u WHERE a IN (1, 2) AND b NOT IN (SELECT c FROM v) AND EXISTS (SELECT * FROM w)",
            "SELECT a FROM t UNION ALL SELECT TOP 3 b FROM u INTERSECT (SELECT c FROM v ORDER BY c OFFSET 2)",
            "SELECT \"size\", t.\"date\" FROM \"I/239/hip_main\" AS t ORDER BY 1, t.\"date\" DESC OFFSET 10",
            "SELECT COUNT(*), COUNT(DISTINCT a), MOD(a, 2) FROM c.s.t GROUP BY b HAVING AVG(x) > 3.",
            "SELECT CAST(a AS DOUBLE PRECISION), CAST(b AS VARCHAR(5)), CAST(c AS POINT) FROM t",
            "SELECT a FROM t NATURAL JOIN u LEFT OUTER JOIN (v JOIN w USING (id)) ON t.a = w.b",
            "WITH x AS (SELECT a FROM t) SELECT a FROM x WHERE a LIKE 'x%' AND NOT b ILIKE 'y' OR c IS NOT NULL",
            "SELECT my_udf(a, 'x' 'y') FROM t WHERE (a + 2) < 5 AND (a < 5 OR b BETWEEN 1 AND 2)",
        ] {
            assert_eq!(strict(sql), "ok", "{sql}");
        }
    }

    #[test]
    fn messages() {
        insta::assert_snapshot!(strict("SELECT a FROM t LIMIT 5"), @r"
        ADQL 2.1 has no LIMIT
        LINE 1: SELECT a FROM t LIMIT 5
                                      ^
        HINT: write SELECT TOP n ...
        ");
        insta::assert_snapshot!(strict("SELECT CASE WHEN a = 1 THEN 2 END FROM t"), @r"
        ADQL 2.1 has no CASE
        LINE 1: SELECT CASE WHEN a = 1 THEN 2 END FROM t
                       ^~~~~~~~~~~~~~~~~~~~~~~~~~
        HINT: use COALESCE, or one query per case with UNION
        ");
        insta::assert_snapshot!(strict("SELECT a::int FROM t"), @r"
        ADQL 2.1 has no ::
        LINE 1: SELECT a::int FROM t
                        ^~
        HINT: write CAST(x AS type)
        ");
        insta::assert_snapshot!(strict("SELECT a,\n  ROW_NUMBER() OVER (ORDER BY a) FROM t"), @r"
        ADQL 2.1 has no OVER
        LINE 2:   ROW_NUMBER() OVER (ORDER BY a) FROM t
                  ^~~~~~~~~~
        HINT: use GROUP BY, or a join with an aggregated subquery
        ");
        insta::assert_snapshot!(strict("SELECT a FROM t FETCH FIRST 5 ROWS ONLY"), @r"
        ADQL 2.1 has no FETCH
        LINE 1: SELECT a FROM t FETCH FIRST 5 ROWS ONLY
                                            ^
        HINT: write SELECT TOP n ...
        ");
        insta::assert_snapshot!(strict("SELECT 1"), @r"
        ADQL 2.1 has no SELECT without FROM
        LINE 1: SELECT 1
                ^~~~~~
        HINT: select from a table
        ");
        insta::assert_snapshot!(strict("SELECT a FROM t CROSS JOIN u"), @r"
        ADQL 2.1 has no CROSS JOIN
        LINE 1: SELECT a FROM t CROSS JOIN u
                                           ^
        HINT: put a comma between the tables
        ");
        insta::assert_snapshot!(strict("SELECT a FROM t WHERE CONTAINS(p, c)"), @r"
        CONTAINS is a number, not a condition
        LINE 1: SELECT a FROM t WHERE CONTAINS(p, c)
                                      ^~~~~~~~
        HINT: write 1 = CONTAINS(...)
        ");
        insta::assert_snapshot!(strict("WITH RECURSIVE x AS (SELECT a FROM t) SELECT a FROM x"), @r"
        ADQL 2.1 has no WITH RECURSIVE
        LINE 1: WITH RECURSIVE x AS (SELECT a FROM t) SELECT a FROM x
                ^~~~
        HINT: leave RECURSIVE out; a query cannot refer to itself
        ");
        insta::assert_snapshot!(strict("WITH x (b) AS (SELECT a FROM t) SELECT b FROM x"), @r"
        ADQL 2.1 has no column list behind a WITH name
        LINE 1: WITH x (b) AS (SELECT a FROM t) SELECT b FROM x
                        ^
        HINT: name the columns with AS in its SELECT
        ");
        insta::assert_snapshot!(strict("SELECT a FROM t WHERE a IN (WITH x AS (SELECT b FROM u) SELECT b FROM x)"), @r"
        ADQL 2.1 has no WITH inside a query
        LINE 1: SELECT a FROM t WHERE a IN (WITH x AS (SELECT b FROM u) SELECT b FROM x)
                                            ^~~~
        HINT: move it to the start of the whole text
        ");
        insta::assert_snapshot!(strict("SELECT size FROM t"), @r#"
        SIZE is a reserved word of ADQL
        LINE 1: SELECT size FROM t
                       ^~~~
        HINT: write "size" if it names a column
        "#);
        insta::assert_snapshot!(strict("SELECT t.distance AS d FROM public.t"), @r#"
        DISTANCE is a reserved word of ADQL
        LINE 1: SELECT t.distance AS d FROM public.t
                         ^~~~~~~~
        HINT: write "distance" if it names a column or table
        "#);
        insta::assert_snapshot!(strict("SELECT a AS date FROM t"), @r#"
        DATE is a reserved word of ADQL
        LINE 1: SELECT a AS date FROM t
                            ^~~~
        HINT: write "date" if it names a column
        "#);
        insta::assert_snapshot!(strict("SELECT a FROM public.t"), @r#"
        PUBLIC is a reserved word of ADQL
        LINE 1: SELECT a FROM public.t
                              ^~~~~~
        HINT: write "public" if it names a table or schema
        "#);
        insta::assert_snapshot!(strict("SELECT a /* b */ FROM t"), @r"
        ADQL 2.1 has no comments between /* and */
        LINE 1: SELECT a /* b */ FROM t
                         ^~~~~~~
        HINT: start each line of a comment with --
        ");
        insta::assert_snapshot!(strict("SELECT _x FROM t"), @r#"
        _x is not a regular identifier: a letter, then letters, digits and _
        LINE 1: SELECT _x FROM t
                       ^~
        HINT: write "_x"
        "#);
        insta::assert_snapshot!(strict("SELECT a FROM t; SELECT b FROM u"), @r"
        an ADQL text is one query
        LINE 1: SELECT a FROM t; SELECT b FROM u
                                 ^~~~~~~~~~~~~~~
        HINT: send the queries one by one
        ");
        insta::assert_snapshot!(strict("DROP TABLE t"), @r"
        ADQL 2.1 has queries only
        LINE 1: DROP TABLE t
                ^~~~
        HINT: a query starts with SELECT or WITH
        ");
        insta::assert_snapshot!(strict(" -- nothing"), @r"
        there is no query
        LINE 1:  -- nothing
                ^
        HINT: an ADQL query starts with SELECT or WITH
        ");
        insta::assert_snapshot!(strict("SELECT a FROM (SELECT b FROM t)"), @r"
        a subquery in FROM needs a name
        LINE 1: SELECT a FROM (SELECT b FROM t)
                               ^~~~~~~~~~~~~~~
        HINT: write (SELECT ...) AS name
        ");
        insta::assert_snapshot!(strict("SELECT a = b FROM t"), @r"
        a value is expected here, not a condition
        LINE 1: SELECT a = b FROM t
                       ^~~~~
        HINT: move the condition to WHERE
        ");
        insta::assert_snapshot!(strict("SELECT a FROM t WHERE a"), @r"
        a condition is expected here, not a value
        LINE 1: SELECT a FROM t WHERE a
                                      ^
        HINT: compare the value, as in x = 1
        ");
        insta::assert_snapshot!(strict("SELECT DISTANCE(a, b, c) FROM t"), @r"
        DISTANCE takes 2 or 4 arguments, got 3
        LINE 1: SELECT DISTANCE(a, b, c) FROM t
                       ^~~~~~~~
        HINT: see ADQL 2.1, sections 2.3 and 4.2
        ");
        insta::assert_snapshot!(strict("SELECT a FROM t WHERE a = TRUE"), @r"
        ADQL 2.1 has no TRUE and FALSE
        LINE 1: SELECT a FROM t WHERE a = TRUE
                                          ^~~~
        HINT: compare with 1 or 0, or with 'True', as the table's documentation says
        ");
        insta::assert_snapshot!(strict("SELECT a FROM t WHERE a LIKE 'x' ESCAPE '!'"), @r"
        ADQL 2.1 has no ESCAPE or ANY in LIKE
        LINE 1: SELECT a FROM t WHERE a LIKE 'x' ESCAPE '!'
                                      ^~~~~~~~~~
        HINT: match with % and _ alone
        ");
        insta::assert_snapshot!(strict("SELECT TOP 5 a FROM t ORDER BY a NULLS FIRST"), @r"
        ADQL 2.1 has no NULLS FIRST or LAST
        LINE 1: SELECT TOP 5 a FROM t ORDER BY a NULLS FIRST
                                               ^
        HINT: leave it out; where NULLs sort is up to the service
        ");
        insta::assert_snapshot!(strict("SELECT (SELECT MAX(a) FROM t) FROM u"), @r"
        ADQL 2.1 has no subquery as a value
        LINE 1: SELECT (SELECT MAX(a) FROM t) FROM u
                        ^~~~~~~~~~~~~~~~~~~~
        HINT: join with the subquery, or use IN or EXISTS
        ");
        insta::assert_snapshot!(strict("SELECT a[1] FROM t"), @r"
        ADQL 2.1 has no [ ]
        LINE 1: SELECT a[1] FROM t
                        ^
        HINT: arrays and their elements are beyond ADQL
        ");
        insta::assert_snapshot!(strict("SELECT CAST(a AS FLOAT) FROM t"), @r"
        ADQL 2.1 has no CAST to FLOAT
        LINE 1: SELECT CAST(a AS FLOAT) FROM t
                            ^
        HINT: cast to SMALLINT, INTEGER, BIGINT, REAL, DOUBLE PRECISION, CHAR(n), VARCHAR(n), TIMESTAMP, POINT, CIRCLE or POLYGON
        ");
        insta::assert_snapshot!(strict("SELECT TOP -1 a FROM t"), @r"
        TOP takes an unsigned integer, found -
        LINE 1: SELECT TOP -1 a FROM t
                           ^
        HINT: TOP is a reserved word: a column of that name needs double quotes
        ");
        insta::assert_snapshot!(strict("SELECT TOP 3 DISTINCT a FROM t"), @r"
        DISTINCT must stand before TOP
        LINE 1: SELECT TOP 3 DISTINCT a FROM t
                             ^~~~~~~~
        HINT: write SELECT DISTINCT TOP n ...
        ");
        insta::assert_snapshot!(strict("SELECT top FROM t"), @r"
        TOP takes an unsigned integer, found FROM
        LINE 1: SELECT top FROM t
                           ^
        HINT: TOP is a reserved word: a column of that name needs double quotes
        ");
        insta::assert_snapshot!(strict("SELECT a.b.c.d.e FROM t"), @r"
        a column name has at most four parts
        LINE 1: SELECT a.b.c.d.e FROM t
                       ^~~~~~~~~
        HINT: write catalog.schema.table.column
        ");
        insta::assert_snapshot!(strict("SELECT SUBSTRING(a, 1, 2) FROM t"), @r"
        ADQL 2.1 has no function of this kind
        LINE 1: SELECT SUBSTRING(a, 1, 2) FROM t
                                 ^~~~~~~
        HINT: see what functions the service declares
        ");
        insta::assert_snapshot!(strict("SELECT a FROM t WHERE a = 'x"), @r"
        Unterminated string literal
        LINE 1: SELECT a FROM t WHERE a = 'x
                                          ^
        HINT: close the literal with ', and write a quote inside it as ''
        ");
    }
}
