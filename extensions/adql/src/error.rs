//! The one error of this crate: what is wrong, where in the text, and what to do next.
//!
//! All messages live here, so that they can be read (and tested) side by side.

use sqlparser::parser::ParserError;
use sqlparser::tokenizer::{Location, Span, TokenizerError};
use thiserror::Error as ThisError;

use crate::strict::is_reserved;

/// What kind of fault an [`Error`] reports; a front door maps it to its own codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The text is not SQL, or not in a form that has a meaning.
    Syntax,
    /// The text is well formed but nested or chained beyond what can be handled safely.
    TooComplex,
    /// Well formed, understood, and not offered.
    Unsupported,
    /// A literal outside its range or vocabulary (an unknown coordinate system, say).
    InvalidValue,
    /// A name that fits several tables or columns.
    AmbiguousName,
    /// Valid here, but not in pure ADQL 2.1 (only from [`crate::validate_strict`]).
    NotAdql,
}

/// A fault in a query text.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[error("{message}")]
#[non_exhaustive]
pub struct Error {
    /// The kind of fault.
    pub kind: ErrorKind,
    /// What is wrong, in one line.
    pub message: String,
    /// Where: lines and columns count characters from 1; the end is exclusive.
    pub span: Option<Span>,
    /// What to do next.
    pub hint: Option<String>,
}

impl Error {
    /// An error with neither place nor hint.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            span: None,
            hint: None,
        }
    }

    /// The same error with the place of the fault; an empty span says nothing and is dropped.
    #[must_use]
    pub fn at(mut self, span: Span) -> Self {
        self.span = (span != Span::empty()).then_some(span);
        self
    }

    /// The same error with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn syntax(message: impl Into<String>, span: Span) -> Self {
        Self::new(ErrorKind::Syntax, message).at(span)
    }

    pub(crate) fn two_limits(one: &str, other: &str, span: Span) -> Self {
        Self::syntax(format!("{one} and {other} both limit the rows of one SELECT"), span)
            .hint(format!("keep either {one} or {other}"))
    }

    pub(crate) fn top_after_quantifier(word: &str, span: Span) -> Self {
        Self::syntax(format!("{word} must stand before TOP"), span).hint(format!("write SELECT {word} TOP n ..."))
    }

    pub(crate) fn top_expression(span: Span) -> Self {
        Self::syntax("TOP takes an unsigned integer, not an expression", span)
            .hint("write the number of rows without parentheses, as in TOP 100, or use LIMIT")
    }

    pub(crate) fn top_variant(variant: &str, span: Span) -> Self {
        Self::new(ErrorKind::Unsupported, format!("TOP ... {variant} is not offered"))
            .at(span)
            .hint("use ORDER BY with TOP n")
    }

    pub(crate) fn fetch_variant(variant: &str, span: Span) -> Self {
        Self::new(ErrorKind::Unsupported, format!("FETCH ... {variant} is not offered"))
            .at(span)
            .hint("use ORDER BY with LIMIT n")
    }

    pub(crate) fn coordinate_system(function: &str, system: &str, span: Span) -> Self {
        Self::new(
            ErrorKind::InvalidValue,
            format!("{function} takes ICRS degrees; '{system}' is not a coordinate system it can label"),
        )
        .at(span)
        .hint(
            "coordinates are never converted silently: leave the argument out for ICRS, or convert with \
             ivo_geom_transform('GALACTIC', 'ICRS', POINT(l, b))",
        )
    }

    pub(crate) fn crossmatch(what: &str, span: Span) -> Self {
        Self::syntax(format!("XMATCH cannot be read: {what}"), span).hint(
            "write XMATCH(a.ra, a.dec, b.ra, b.dec, radius_arcsec => 1), and what else is wanted of \
             mode => 'all', 'nearest' or 'best', k => 3, min_radius_arcsec => 0.1",
        )
    }

    pub(crate) fn geometry_text(function: &str, count: usize, text: &str, span: Span) -> Self {
        let wanted = match function {
            "POLYGON" => format!("an even number of numbers, at least {count}"),
            _ => format!("{count} numbers"),
        };
        Self::new(
            ErrorKind::InvalidValue,
            format!("{function} as text is {wanted}, got '{text}'"),
        )
        .at(span)
        .hint("write degrees with spaces between: longitude, latitude, then sizes")
    }

    pub(crate) fn region_shape(text: &str, span: Span) -> Self {
        Self::new(ErrorKind::Unsupported, format!("REGION cannot read '{text}'"))
            .at(span)
            .hint("write Position, Circle, Box or Polygon, a frame, and numbers in degrees: REGION('Circle ICRS 10 20 1')")
    }

    pub(crate) fn too_many_operators(limit: usize, span: Span) -> Self {
        Self::new(
            ErrorKind::TooComplex,
            format!("more than {limit} operators in one expression"),
        )
        .at(span)
        .hint("use IN (...), or join a table that holds the values")
    }

    pub(crate) fn too_deep() -> Self {
        Self::new(ErrorKind::TooComplex, "the statement is nested too deeply")
            .hint("name inner queries with WITH, and drop parentheses that group nothing")
    }

    pub(crate) fn ambiguous(what: &str, name: &str, candidates: &[String], span: Span) -> Self {
        let quoted: Vec<String> = candidates.iter().map(|c| format!("\"{c}\"")).collect();
        Self::new(
            ErrorKind::AmbiguousName,
            format!("{what} {name} could be {}", quoted.join(" or ")),
        )
        .at(span)
        .hint("put the one you mean in double quotes")
    }

    pub(crate) fn not_adql(what: impl std::fmt::Display, span: Span, hint: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotAdql, format!("ADQL 2.1 has no {what}"))
            .at(span)
            .hint(hint)
    }

    pub(crate) fn breaks_adql(rule: impl Into<String>, span: Span, hint: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotAdql, rule).at(span).hint(hint)
    }
}

impl From<TokenizerError> for Error {
    fn from(fault: TokenizerError) -> Self {
        let error = Self::syntax(fault.message.clone(), point(fault.location));
        if fault.message.contains("Unterminated string") {
            error.hint("close the literal with ', and write a quote inside it as ''")
        } else if fault.message.contains("Unterminated") || fault.message.contains("close delimiter") {
            error.hint("close what was opened here")
        } else {
            error
        }
    }
}

impl From<ParserError> for Error {
    fn from(fault: ParserError) -> Self {
        match fault {
            ParserError::RecursionLimitExceeded => Self::too_deep(),
            ParserError::TokenizerError(message) | ParserError::ParserError(message) => {
                Self::from_parser_message(&message)
            }
        }
    }
}

impl Error {
    /// An error from the text of a parser's complaint, whose place is written in it
    /// (`... at Line: 1, Column: 8`). Such texts also come from DataFusion's parser.
    pub fn from_parser_message(message: &str) -> Self {
        let message = message.strip_prefix("sql parser error: ").unwrap_or(message);
        let (text, location) = split_location(message);
        let mut error = Self::new(ErrorKind::Syntax, text);
        error.span = location.map(point);
        let Some((expected, found)) = text
            .strip_prefix("Expected: ")
            .and_then(|rest| rest.split_once(", found: "))
        else {
            return error;
        };
        if found == "EOF" {
            error.message = format!("the text ends where {expected} is expected");
        }
        if expected == "literal int" {
            // The parser asks for one only behind TOP.
            error.message = format!("TOP takes an unsigned integer, found {found}");
            return error.hint("TOP is a reserved word: a column of that name needs double quotes");
        }
        if is_reserved(found) {
            let quoted = format!("{found} is a reserved word: if it is a name here, write \"{found}\"");
            return error.hint(quoted);
        }
        error
    }
}

/// The span of one character.
pub(crate) fn point(at: Location) -> Span {
    Span::new(at, Location::new(at.line, at.column.saturating_add(1)))
}

fn split_location(message: &str) -> (&str, Option<Location>) {
    let located = message.rfind(" at Line: ").and_then(|at| {
        let tail = message.get(at..)?.strip_prefix(" at Line: ")?;
        let (line, column) = tail.split_once(", Column: ")?;
        let column: String = column.chars().take_while(char::is_ascii_digit).collect();
        let location = Location::new(line.parse().ok()?, column.parse().ok()?);
        Some((message.get(..at)?, Some(location)))
    });
    located.unwrap_or((message, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_is_read_from_the_parser() {
        let error = Error::from_parser_message("sql parser error: Expected: x, found: y at Line: 3, Column: 14");
        assert_eq!(error.message, "Expected: x, found: y");
        assert_eq!(
            error.span.map(|span| (span.start.line, span.start.column)),
            Some((3, 14))
        );
        assert_eq!(Error::from_parser_message("at Line: x").span, None);
    }
}
