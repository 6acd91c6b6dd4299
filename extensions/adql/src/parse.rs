//! Parsing a text, for those who do not go through DataFusion's parser.

use sqlparser::ast::Statement;
use sqlparser::parser::Parser;

use crate::error::point;
use crate::{Error, ErrorKind, dialect, location_at, split};

/// The statements of a text, in the dialect of this crate, not lowered.
///
/// Spans in the result and in errors refer to the whole text.
///
/// # Errors
/// The first fault of the text, with its place.
pub fn parse(sql: &str) -> Result<Vec<Statement>, Error> {
    // Measures the text before a tree is built from it; see `bounds`.
    split(sql)?;
    Parser::parse_sql(dialect(), sql).map_err(|fault| {
        let mut error = Error::from(fault);
        if error.kind == ErrorKind::Syntax && error.span.is_none() {
            // The parser names no place when it runs out of text.
            error.span = Some(point(location_at(sql, sql.trim_end().chars().count() + 1)));
        }
        error
    })
}
