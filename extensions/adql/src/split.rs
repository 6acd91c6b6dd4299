//! Cutting a text into its statements, without parsing them.
//!
//! Semicolons in literals, quoted names, dollar quotes and comments do not cut. The pieces are
//! slices of the text, from the first significant character to the last, so that a fault in a
//! piece can be shown in the whole.

use sqlparser::tokenizer::{Location, Span, Token, Tokenizer};

use crate::bounds::Bounds;
use crate::{Error, dialect};

/// One statement of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The statement, without white space, comments and semicolon around it.
    pub text: &'a str,
    /// How many characters of the whole text stand before it.
    pub offset: usize,
    /// How many bytes of the whole text stand before it.
    pub byte_offset: usize,
}

/// The statements of a text, in order; pieces of nothing but comments and white space are dropped.
///
/// # Errors
/// A literal, quoted name or comment that is never closed, or an expression that chains more
/// operators than can be handled safely (see [`crate::MAX_OPERATORS`]).
///
/// ```
/// let sql = "SELECT ';' ; -- nothing\n ; SELECT 2;";
/// let pieces = dreyer_adql::split(sql)?;
/// assert_eq!(pieces.iter().map(|p| p.text).collect::<Vec<_>>(), ["SELECT ';'", "SELECT 2"]);
/// assert_eq!(&sql[pieces[1].byte_offset..], "SELECT 2;");
/// # Ok::<(), dreyer_adql::Error>(())
/// ```
pub fn split(sql: &str) -> Result<Vec<Piece<'_>>, Error> {
    let tokens = Tokenizer::new(dialect(), sql).tokenize_with_location()?;
    let mut places = Places::new(sql);
    let mut pieces = Vec::new();
    let mut bounds = Bounds::default();
    let mut open: Option<Span> = None;
    for token in &tokens {
        match &token.token {
            Token::Whitespace(_) | Token::EOF => {}
            Token::SemiColon => {
                pieces.extend(open.take().and_then(|span| places.piece(sql, span)));
                bounds = Bounds::default();
            }
            significant => {
                bounds.see(significant, token.span)?;
                open = Some(open.map_or(token.span, |span| Span::new(span.start, token.span.end)));
            }
        }
    }
    pieces.extend(open.and_then(|span| places.piece(sql, span)));
    Ok(pieces)
}

/// Turns locations, asked for in rising order, into offsets, reading the text once.
struct Places<'a> {
    rest: std::str::CharIndices<'a>,
    at: Location,
    chars: usize,
    end: usize,
}

impl<'a> Places<'a> {
    fn new(sql: &'a str) -> Self {
        Self {
            rest: sql.char_indices(),
            at: Location::new(1, 1),
            chars: 0,
            end: sql.len(),
        }
    }

    /// Characters and bytes before `location`.
    fn before(&mut self, location: Location) -> (usize, usize) {
        while self.at < location {
            let Some((_, ch)) = self.rest.next() else { break };
            self.chars += 1;
            self.at = if ch == '\n' {
                Location::new(self.at.line + 1, 1)
            } else {
                Location::new(self.at.line, self.at.column + 1)
            };
        }
        (self.chars, self.end - self.rest.as_str().len())
    }

    fn piece(&mut self, sql: &'a str, span: Span) -> Option<Piece<'a>> {
        let (offset, from) = self.before(span.start);
        let (_, to) = self.before(span.end);
        Some(Piece {
            text: sql.get(from..to)?,
            offset,
            byte_offset: from,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sql: &str) -> Vec<&str> {
        split(sql).unwrap().into_iter().map(|piece| piece.text).collect()
    }

    #[test]
    fn semicolons_that_do_not_cut() {
        let whole = "SELECT ';', \";\", $$;$$, $x$;$x$, E'\\';' /* ; /* ; */ ; */ -- ;\n, 1";
        assert_eq!(texts(whole), [whole]);
    }

    #[test]
    fn nothing_is_nothing() {
        for sql in ["", " \n", ";", " ; ;; ", "-- all", "/* a */;--b\n;"] {
            assert_eq!(texts(sql), Vec::<&str>::new(), "{sql}");
        }
    }

    #[test]
    fn comments_around_are_dropped_and_within_are_kept() {
        assert_eq!(
            texts("-- a\n SELECT 1 -- b\n + 1 -- c\n; SELECT 2 -- d"),
            ["SELECT 1 -- b\n + 1", "SELECT 2"]
        );
    }

    #[test]
    fn offsets_are_characters() {
        let sql = "SELECT 'αδ';\r\n SELECT 'é'";
        let pieces = split(sql).unwrap();
        assert_eq!((pieces[1].offset, pieces[1].text), (15, "SELECT 'é'"));
        assert_eq!(sql.chars().skip(15).collect::<String>(), pieces[1].text);
        assert_eq!(&sql[pieces[1].byte_offset..], pieces[1].text);
    }

    #[test]
    fn open_ends_are_faults_with_a_place() {
        let error = split("SELECT 1;\n SELECT 'abc").unwrap_err();
        assert_eq!(error.span.map(|s| (s.start.line, s.start.column)), Some((2, 9)));
        assert!(error.hint.is_some());
    }
}
