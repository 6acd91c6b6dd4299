//! Matching the names in a statement with the tables and columns there are.
//!
//! The planner folds unquoted names to lower case. Catalogues do not: `psfFlux`, `SSObject` and
//! `RAJ2000` are real, and people type them without quotes, in any case. Here an unquoted name that
//! stands for such a table, column or alias gets its quotes; every other name stays as it is.
//!
//! Of the names that equal the written one when case is ignored, the lower-case one is meant, else
//! the one spelt as written, else the only one; several are an error. Quoted names are never touched.
//!
//! Names are looked up where SQL looks them up: in the FROM of their own SELECT, then of the
//! enclosing ones; in CTEs; in the output of derived tables; in the aliases of the select list;
//! lambda parameters hide columns. What cannot be known (the columns of a table function, a table
//! that the scope does not have) is left for the planner to judge.

mod choose;
mod frames;
mod rewrite;

use std::ops::ControlFlow;

pub(crate) use choose::folded;
use sqlparser::ast::{Query, Statement, VisitMut};

use crate::Error;

/// The tables that a statement may name.
pub trait NameScope {
    /// The columns of the table that the planner would find under this name, each part spelt as the
    /// planner looks it up (lower case where it was unquoted). `None` when there is no such table.
    fn tables(&self, name: &[String]) -> Option<Vec<String>>;

    /// The names of all tables that equal `name` when ASCII case is ignored, with as many parts.
    /// They are asked for only when [`Self::tables`] finds nothing.
    fn candidates(&self, name: &[String]) -> Vec<Vec<String>> {
        let _ = name;
        Vec::new()
    }

    /// The schema to write before a table that was named without one, where the planner would not find it otherwise:
    /// that of the user, say. `name` is spelt as the table is.
    fn schema_of(&self, name: &str) -> Option<String> {
        let _ = name;
        None
    }
}

/// Quotes the names in a statement that mean a table, column or alias of mixed case.
///
/// # Errors
/// A name that fits several tables or columns, which differ in case only.
///
/// ```
/// use dreyer_adql::{NameScope, parse, resolve_names};
/// struct Sky;
/// impl NameScope for Sky {
///     fn tables(&self, name: &[String]) -> Option<Vec<String>> {
///         (name == ["SSObject"]).then(|| vec!["ssObjectId".to_owned(), "ra".to_owned()])
///     }
///     fn candidates(&self, name: &[String]) -> Vec<Vec<String>> {
///         let name_fits = name.len() == 1 && name[0].eq_ignore_ascii_case("SSObject");
///         if name_fits { vec![vec!["SSObject".to_owned()]] } else { vec![] }
///     }
/// }
/// let mut statements = parse("SELECT ssobjectid, RA FROM ssobject WHERE ssobject.SSOBJECTID > 5")?;
/// resolve_names(&mut statements[0], &Sky)?;
/// assert_eq!(
///     statements[0].to_string(),
///     r#"SELECT "ssObjectId", RA FROM "SSObject" WHERE "SSObject"."ssObjectId" > 5"#
/// );
/// # Ok::<(), dreyer_adql::Error>(())
/// ```
pub fn resolve_names(statement: &mut Statement, scope: &dyn NameScope) -> Result<(), Error> {
    run(statement, scope)
}

/// As [`resolve_names`], for a query that is not wrapped in a statement of the parser.
///
/// # Errors
/// As [`resolve_names`].
pub fn resolve_query_names(query: &mut Query, scope: &dyn NameScope) -> Result<(), Error> {
    run(query, scope)
}

fn run<N: VisitMut>(node: &mut N, scope: &dyn NameScope) -> Result<(), Error> {
    match node.visit(&mut rewrite::Rewriter::new(scope)) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(*error),
    }
}
