//! From what people write to what the stock planner understands, in numbered passes.
//!
//! | pass | turns | into |
//! | --- | --- | --- |
//! | 1 [`p1_coordinate_system`] | `POINT('ICRS', ra, dec)` | `POINT(ra, dec)` |
//! | 2 [`p2_row_limit`] | `SELECT TOP 5 ...`, `FETCH FIRST 5 ROWS ONLY` | `... LIMIT 5` |
//! | 3 [`p3_predicate`] | `1 = CONTAINS(a, b)` | `sky_contains(a, b)` |
//! | 4 [`p4_function_meaning`] | `LOG(x)`, `MOD(x, y)`, `TRUNCATE(x)` | `ln(x)`, `x % y`, `trunc(x)` |
//! | 5 [`p5_geometry_text`] | `CAST('1 2' AS POINT)`, `REGION('Circle ICRS 1 2 3')` | `POINT(1, 2)`, `CIRCLE(1, 2, 3)` |
//! | 6 [`p6_output_names`] | `SELECT ra, ra` | `SELECT ra, ra AS ra_1` |
//! | 7 [`p7_crossmatch`] | `XMATCH(radius_arcsec => 1, k => 3)` | `XMATCH(1, 'nearest', 3, 0)` |
//!
//! A pass changes meaning nowhere, or only as the [`Language`] asks. The passes reach every query
//! in a statement, however deep: CTEs, subqueries, views, inserts, prepared statements. They walk
//! with the parser's visitor, which grows its own stack, and are idempotent: lowering twice is
//! lowering once.

mod p1_coordinate_system;
mod p2_row_limit;
mod p3_predicate;
mod p4_function_meaning;
mod p5_geometry_text;
mod p6_output_names;
mod p7_crossmatch;

use std::ops::ControlFlow;

use sqlparser::ast::{Query, Statement, VisitMut};

pub(crate) use p2_row_limit::misplaced_quantifier;

use crate::Error;

/// Whose meaning a word has, where PostgreSQL and ADQL differ (`LOG(x)`: base 10 or natural).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Language {
    /// PostgreSQL's meaning.
    #[default]
    Postgres,
    /// ADQL 2.1's meaning.
    Adql,
}

/// What a pass breaks off with: boxed, to keep the visitor's frames small.
type Broken = ControlFlow<Box<Error>>;

/// Lowers a statement in place.
///
/// # Errors
/// What has no meaning (`TOP 5 ... LIMIT 3`) or would be misread silently (`POINT('GALACTIC', ...)`),
/// with its place. The statement may then be partly lowered; do not use it further.
///
/// ```
/// use dreyer_adql::{Language, lower, parse};
/// let mut statements = parse("SELECT TOP 3 LOG(flux) FROM t WHERE CONTAINS(POINT('', ra, dec), CIRCLE(1, 2, 3)) = 1")?;
/// lower(&mut statements[0], Language::Adql)?;
/// assert_eq!(
///     statements[0].to_string(),
///     "SELECT ln(flux) FROM t WHERE sky_contains(POINT(ra, dec), CIRCLE(1, 2, 3)) LIMIT 3"
/// );
/// # Ok::<(), dreyer_adql::Error>(())
/// ```
pub fn lower(statement: &mut Statement, language: Language) -> Result<(), Error> {
    run(statement, language)
}

/// Lowers a query that is not wrapped in a statement of the parser (DataFusion's `COPY (query) TO`).
///
/// # Errors
/// As [`lower`].
pub fn lower_query(query: &mut Query, language: Language) -> Result<(), Error> {
    run(query, language)
}

fn run<N: VisitMut>(node: &mut N, language: Language) -> Result<(), Error> {
    finish(node.visit(&mut p1_coordinate_system::Pass))?;
    finish(node.visit(&mut p2_row_limit::Pass))?;
    finish(node.visit(&mut p3_predicate::Pass))?;
    finish(node.visit(&mut p4_function_meaning::Pass { language }))?;
    finish(node.visit(&mut p5_geometry_text::Pass))?;
    finish(node.visit(&mut p6_output_names::Pass))?;
    finish(node.visit(&mut p7_crossmatch::Pass))
}

fn finish(flow: Broken) -> Result<(), Error> {
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(*error),
    }
}

/// One pass as a visitor step: an error breaks the walk off.
fn step(result: Result<(), Error>) -> Broken {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(Box::new(error)),
    }
}

#[cfg(test)]
mod testing {
    use super::{Language, lower};
    use crate::{Error, caret, parse};

    /// The lowered text of the only statement, or the message, caret and hint of the error.
    pub(crate) fn lowered(sql: &str, language: Language) -> String {
        let run = |sql: &str| -> Result<String, Error> {
            let mut statements = parse(sql)?;
            for statement in &mut statements {
                lower(statement, language)?;
                let once = statement.to_string();
                lower(statement, language)?;
                assert_eq!(statement.to_string(), once, "lowering twice is not lowering once");
            }
            Ok(statements
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("; "))
        };
        run(sql).unwrap_or_else(|error| {
            let mark = error.span.map(|span| caret(sql, span)).unwrap_or_default();
            format!("{}\n{mark}\nHINT: {}", error.message, error.hint.unwrap_or_default())
        })
    }

    pub(crate) fn adql(sql: &str) -> String {
        lowered(sql, Language::Adql)
    }

    pub(crate) fn postgres(sql: &str) -> String {
        lowered(sql, Language::Postgres)
    }
}
