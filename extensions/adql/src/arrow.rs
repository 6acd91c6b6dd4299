//! `->` has two meanings: a lambda (`array_filter(mag, m -> m < 18)`) and PostgreSQL's JSON member
//! operator (`meta -> 'filter'`). The parser, once lambdas are allowed, reads every `name ->` as a
//! lambda; this module hands the JSON readings back, before the parser looks.
//!
//! A lambda is an argument of a function call other than its first, and its body is not a bare
//! literal unless the function is known to take lambdas. Everything else is the operator.

use sqlparser::ast::{Expr, Ident};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan};

/// Functions whose argument may be a lambda with a literal body.
const HIGHER_ORDER: &[&str] = &[
    "any_match",
    "array_any_match",
    "array_filter",
    "array_first",
    "array_transform",
    "list_any_match",
    "list_filter",
    "list_first",
    "list_transform",
];

/// How far back the enclosing call is looked for; beyond it, `->` is the operator.
const LOOK_BACK: usize = 2048;

/// Parses `name` or `(name)` when it is the left operand of the JSON operator; else leaves the
/// parser alone.
pub(crate) fn parse_json_operand(parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
    let bare = is_name(&parser.peek_nth_token_ref(0).token) && parser.peek_nth_token_ref(1).token == Token::Arrow;
    let nested = !bare
        && parser.peek_nth_token_ref(0).token == Token::LParen
        && is_name(&parser.peek_nth_token_ref(1).token)
        && parser.peek_nth_token_ref(2).token == Token::RParen
        && parser.peek_nth_token_ref(3).token == Token::Arrow;
    if !(bare || nested) || starts_lambda(parser, if bare { 2 } else { 4 }) {
        return None;
    }
    if bare {
        let token = parser.next_token();
        return Some(name_of(parser, token).map(Expr::Identifier));
    }
    parser.advance_token();
    let token = parser.next_token();
    let name = name_of(parser, token);
    parser.advance_token();
    Some(name.map(|name| Expr::Nested(Box::new(Expr::Identifier(name)))))
}

fn is_name(token: &Token) -> bool {
    matches!(token, Token::Word(word) if word.keyword != Keyword::NULL || word.quote_style.is_some())
}

fn name_of(parser: &Parser, token: TokenWithSpan) -> Result<Ident, ParserError> {
    match token.token {
        Token::Word(word) => Ok(word.into_ident(token.span)),
        _ => parser.expected("a name", token),
    }
}

/// Does a lambda start at the parser's next token, with its body `body` significant tokens on?
fn starts_lambda(parser: &Parser, body: usize) -> bool {
    let Some(function) = enclosing_call(parser) else {
        return false;
    };
    let literal_at = |n: usize| {
        matches!(
            parser.peek_nth_token_ref(n).token,
            Token::SingleQuotedString(_) | Token::EscapedStringLiteral(_) | Token::Number(..) | Token::Placeholder(_)
        )
    };
    let literal = literal_at(body)
        || (parser.peek_nth_token_ref(body).token == Token::Minus && literal_at(body + 1));
    !literal || HIGHER_ORDER.iter().any(|known| known.eq_ignore_ascii_case(function))
}

/// The name of the call in which the next token opens an argument that is not the first.
fn enclosing_call<'a>(parser: &'a Parser) -> Option<&'a str> {
    let significant = |token: &&'a Token| !matches!(token, Token::Whitespace(_));
    let mut before = (0..parser.index())
        .rev()
        .take(LOOK_BACK)
        .map(|at| &parser.token_at(at).token)
        .filter(significant);
    if before.next() != Some(&Token::Comma) {
        return None;
    }
    let mut depth = 0usize;
    loop {
        match before.next()? {
            Token::RParen | Token::RBracket | Token::RBrace => depth += 1,
            Token::LParen if depth == 0 => break,
            Token::LBracket | Token::LBrace if depth == 0 => return None,
            Token::LParen | Token::LBracket | Token::LBrace => depth -= 1,
            Token::SemiColon => return None,
            _ => {}
        }
    }
    match before.next()? {
        Token::Word(word) if word.keyword != Keyword::IN && word.keyword != Keyword::VALUES => Some(&word.value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use sqlparser::ast::{Expr, SetExpr, Statement};
    use sqlparser::parser::Parser;

    use crate::dialect;

    /// The projection of a query, each item as `lambda`-marked text.
    fn shown(sql: &str) -> String {
        let mut statements = Parser::parse_sql(dialect(), sql).unwrap();
        let mut lambdas = 0;
        let _: std::ops::ControlFlow<()> = sqlparser::ast::visit_expressions_mut(&mut statements, |expr| {
            lambdas += usize::from(matches!(expr, Expr::Lambda(_)));
            std::ops::ControlFlow::Continue(())
        });
        let Statement::Query(query) = &statements[0] else { panic!("not a query") };
        let SetExpr::Select(select) = query.body.as_ref() else { panic!("not a select") };
        format!("{lambdas}: {}", select.projection[0])
    }

    #[test]
    fn lambdas() {
        assert_eq!(shown("SELECT array_filter(mag, m -> m < 18)"), "1: array_filter(mag, m -> m < 18)");
        assert_eq!(shown("SELECT f(x, (a, b) -> a + b)"), "1: f(x, (a, b) -> a + b)");
        assert_eq!(shown("SELECT f(x, (a) -> a + 1)"), "1: f(x, (a) -> a + 1)");
        assert_eq!(shown("SELECT array_transform(x, e -> 1)"), "1: array_transform(x, e -> 1)");
        assert_eq!(
            shown("SELECT array_transform(x, e -> array_filter(e, v -> v > -1))"),
            "2: array_transform(x, e -> array_filter(e, v -> v > -1))"
        );
        assert_eq!(shown("SELECT array_filter(lambda, lambda -> lambda > 5)"), "1: array_filter(lambda, lambda -> lambda > 5)");
    }

    #[test]
    fn json_members() {
        assert_eq!(shown("SELECT meta -> 'filter' = 'r' FROM t"), "0: meta -> 'filter' = 'r'");
        assert_eq!(shown("SELECT (meta) -> 'filter' FROM t"), "0: (meta) -> 'filter'");
        assert_eq!(shown("SELECT t.meta -> 'a' -> 'b' ->> 'c' FROM t"), "0: t.meta -> 'a' -> 'b' ->> 'c'");
        assert_eq!(shown("SELECT coalesce(x, meta -> 'a') FROM t"), "0: coalesce(x, meta -> 'a')");
        assert_eq!(shown("SELECT coalesce(x, meta -> -1) FROM t"), "0: coalesce(x, meta -> -1)");
        assert_eq!(shown("SELECT length(meta -> k) FROM t"), "0: length(meta -> k)");
        assert_eq!(shown("SELECT NOT meta -> 'a' FROM t"), "0: NOT meta -> 'a'");
        assert_eq!(shown("SELECT array_transform(x, e -> e -> 'a')"), "1: array_transform(x, e -> e -> 'a')");
    }
}
