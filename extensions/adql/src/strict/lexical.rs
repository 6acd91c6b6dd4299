//! The alphabet of ADQL: its tokens, comments and regular identifiers.

use sqlparser::tokenizer::{Span, Token, Tokenizer, Whitespace};

use crate::error::point;
use crate::{Error, dialect};

/// Checks every token; returns the place of the first significant one (or the start of the text).
pub(super) fn check(sql: &str) -> Result<Span, Error> {
    let tokens = Tokenizer::new(dialect(), sql).tokenize_with_location()?;
    let mut first = None;
    for token in &tokens {
        one(&token.token, token.span)?;
        if !matches!(token.token, Token::Whitespace(_) | Token::EOF) {
            first = first.or(Some(token.span));
        }
    }
    Ok(first.unwrap_or_else(|| point(sqlparser::tokenizer::Location::new(1, 1))))
}

fn one(token: &Token, span: Span) -> Result<(), Error> {
    match token {
        Token::Whitespace(Whitespace::MultiLineComment(_)) => Err(Error::not_adql(
            "comments between /* and */",
            span,
            "start each line of a comment with --",
        )),
        Token::Word(word) => match word.quote_style {
            None => regular(&word.value, span),
            Some(_) if word.value.is_empty() => Err(Error::breaks_adql(
                "a quoted name is empty",
                span,
                "put a name between the quotes",
            )),
            Some(_) => Ok(()),
        },
        Token::Number(digits, long) if *long || digits.contains('_') => Err(Error::not_adql(
            format!("number {token}"),
            span,
            "write digits, a point and an exponent, as in 1.5e-3",
        )),
        Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::Whitespace(_)
        | Token::Comma
        | Token::Eq
        | Token::Neq
        | Token::Lt
        | Token::Gt
        | Token::LtEq
        | Token::GtEq
        | Token::Plus
        | Token::Minus
        | Token::Mul
        | Token::Div
        | Token::Mod
        | Token::StringConcat
        | Token::LParen
        | Token::RParen
        | Token::Period
        | Token::SemiColon
        | Token::EOF => Ok(()),
        Token::DoubleColon => Err(Error::not_adql("::", span, "write CAST(x AS type)")),
        Token::LBracket | Token::RBracket => Err(Error::not_adql(
            "[ ]",
            span,
            "arrays and their elements are beyond ADQL",
        )),
        Token::EscapedStringLiteral(_)
        | Token::DollarQuotedString(_)
        | Token::NationalStringLiteral(_)
        | Token::UnicodeStringLiteral(_) => Err(Error::not_adql(
            "string literal of this kind",
            span,
            "write 'text', with '' for a quote within",
        )),
        other => Err(Error::not_adql(
            other,
            span,
            "use the operators + - * / || = <> < > <= >= and function calls",
        )),
    }
}

fn regular(name: &str, span: Span) -> Result<(), Error> {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if plain && name.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return Ok(());
    }
    Err(Error::breaks_adql(
        format!("{name} is not a regular identifier: a letter, then letters, digits and _"),
        span,
        format!("write \"{name}\""),
    ))
}
