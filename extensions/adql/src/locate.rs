//! Finding a function call in the text again, for faults that only show after planning, when the
//! plan has long lost its spans (`CIRCLE radius must lie in [0, 180]` with a caret under the radius).

use sqlparser::tokenizer::{Span, Token, TokenWithSpan, Tokenizer};

use crate::dialect;

/// Where the first call of `function` stands in `sql`: the whole call up to its closing
/// parenthesis, or its `argument`-th argument (from 0). `None` when there is no such call.
///
/// ```
/// let sql = "SELECT CIRCLE(10, 20, 3600)";
/// let span = dreyer_adql::locate_call(sql, "circle", Some(2)).ok_or("not found")?;
/// assert_eq!((span.start.column, span.end.column), (23, 27));
/// # Ok::<(), &str>(())
/// ```
pub fn locate_call(sql: &str, function: &str, argument: Option<usize>) -> Option<Span> {
    let tokens = Tokenizer::new(dialect(), sql).tokenize_with_location().ok()?;
    let tokens: Vec<&TokenWithSpan> = tokens
        .iter()
        .filter(|t| !matches!(t.token, Token::Whitespace(_) | Token::EOF))
        .collect();
    let name_at = tokens.windows(2).position(|pair| match pair {
        [name, open] => is_word(name, function) && open.token == Token::LParen,
        _ => false,
    })?;
    let name = tokens.get(name_at)?;
    let call = Call::read(tokens.get(name_at + 2..)?);
    match argument {
        None => Some(Span::new(name.span.start, call.close.unwrap_or(name.span).end)),
        Some(n) => call.arguments.get(n).copied(),
    }
}

fn is_word(token: &TokenWithSpan, word: &str) -> bool {
    matches!(&token.token, Token::Word(found) if found.value.eq_ignore_ascii_case(word))
}

/// The spans of the arguments of one call, and of its closing parenthesis.
struct Call {
    arguments: Vec<Span>,
    close: Option<Span>,
}

impl Call {
    /// Reads from just behind the opening parenthesis.
    fn read(tokens: &[&TokenWithSpan]) -> Self {
        let mut arguments = Vec::new();
        let mut current: Option<Span> = None;
        let mut depth = 0usize;
        for token in tokens {
            match token.token {
                Token::RParen if depth == 0 => {
                    arguments.extend(current);
                    return Self {
                        arguments,
                        close: Some(token.span),
                    };
                }
                Token::Comma if depth == 0 => {
                    arguments.push(current.take().unwrap_or(token.span));
                    continue;
                }
                Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
                Token::RParen | Token::RBracket | Token::RBrace => depth = depth.saturating_sub(1),
                _ => {}
            }
            current = Some(current.map_or(token.span, |span| span.union(&token.span)));
        }
        Self { arguments, close: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(sql: &str, function: &str, argument: Option<usize>) -> Option<String> {
        let span = locate_call(sql, function, argument)?;
        let from = crate::char_offset(sql, span.start) - 1;
        let to = crate::char_offset(sql, span.end) - 1;
        Some(sql.chars().skip(from).take(to - from).collect())
    }

    #[test]
    fn calls_and_arguments() {
        let sql =
            "SELECT circle AS c\nFROM t WHERE 1 = CONTAINS(POINT('ICRS', ra, dec), Circle (10,\n f(1, 2), 1/60.))";
        assert_eq!(
            text(sql, "circle", None).as_deref(),
            Some("Circle (10,\n f(1, 2), 1/60.)")
        );
        assert_eq!(text(sql, "CIRCLE", Some(1)).as_deref(), Some("f(1, 2)"));
        assert_eq!(text(sql, "circle", Some(2)).as_deref(), Some("1/60."));
        assert_eq!(
            text(sql, "contains", Some(0)).as_deref(),
            Some("POINT('ICRS', ra, dec)")
        );
        assert_eq!(text(sql, "circle", Some(3)), None);
        assert_eq!(text(sql, "polygon", None), None);
        assert_eq!(text("SELECT f(", "f", None).as_deref(), Some("f"));
        assert_eq!(text("SELECT f()", "f", Some(0)), None);
        assert_eq!(text("SELECT 'f(1)', f(2)", "f", Some(0)).as_deref(), Some("2"));
        assert_eq!(text("SELECT 'open", "f", None), None);
    }
}
