//! `->` has two meanings: a lambda (`array_filter(mag, m -> m < 18)`) and PostgreSQL's JSON member
//! operator (`meta -> 'filter'`). The parser's own lambda rule takes every `name ->` for a lambda,
//! so it is off, and this module parses lambdas where they can stand.
//!
//! A lambda is an argument of a function call other than its first, and its body is not a bare
//! literal unless the function is known to take lambdas. Everything else is the operator.

use sqlparser::ast::{Expr, LambdaFunction, LambdaFunctionParameter, LambdaSyntax, OneOrManyWithParens};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

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

/// The most parameters of a lambda.
const PARAMETERS: usize = 8;

/// Parses `name -> body` or `(name, ...) -> body` where a lambda can stand; else `None`, with the
/// parser untouched.
pub(crate) fn parse_lambda(parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
    let parameters = parameters_ahead(parser)?;
    let arrow = match parameters {
        Parameters::Bare => 1,
        Parameters::List(count) => 2 * count + 1,
    };
    starts_lambda(parser, arrow + 1).then(|| lambda(parser, parameters))
}

#[derive(Clone, Copy)]
enum Parameters {
    Bare,
    List(usize),
}

/// What stands before an arrow: a name, or names in parentheses.
fn parameters_ahead(parser: &Parser) -> Option<Parameters> {
    let token = |n: usize| &parser.peek_nth_token_ref(n).token;
    let is_name = |n: usize| matches!(token(n), Token::Word(_));
    if is_name(0) {
        return (*token(1) == Token::Arrow).then_some(Parameters::Bare);
    }
    if *token(0) != Token::LParen {
        return None;
    }
    for count in 1..=PARAMETERS {
        if !is_name(2 * count - 1) {
            return None;
        }
        match token(2 * count) {
            Token::Comma => {}
            Token::RParen => return (*token(2 * count + 1) == Token::Arrow).then_some(Parameters::List(count)),
            _ => return None,
        }
    }
    None
}

fn lambda(parser: &mut Parser, parameters: Parameters) -> Result<Expr, ParserError> {
    let parameter = |parser: &mut Parser| {
        Ok(LambdaFunctionParameter {
            name: parser.parse_identifier()?,
            data_type: None,
        })
    };
    let params = match parameters {
        Parameters::Bare => OneOrManyWithParens::One(parameter(parser)?),
        Parameters::List(_) => {
            parser.expect_token(&Token::LParen)?;
            let list = parser.parse_comma_separated(parameter)?;
            parser.expect_token(&Token::RParen)?;
            OneOrManyWithParens::Many(list)
        }
    };
    parser.expect_token(&Token::Arrow)?;
    let body = Box::new(parser.parse_expr()?);
    Ok(Expr::Lambda(LambdaFunction {
        params,
        body,
        syntax: LambdaSyntax::Arrow,
    }))
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
    let literal = literal_at(body) || (parser.peek_nth_token_ref(body).token == Token::Minus && literal_at(body + 1));
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
        let Statement::Query(query) = &statements[0] else {
            panic!("not a query")
        };
        let SetExpr::Select(select) = query.body.as_ref() else {
            panic!("not a select")
        };
        format!("{lambdas}: {}", select.projection[0])
    }

    #[test]
    fn lambdas() {
        assert_eq!(
            shown("SELECT array_filter(mag, m -> m < 18)"),
            "1: array_filter(mag, m -> m < 18)"
        );
        assert_eq!(shown("SELECT f(x, (a, b) -> a + b)"), "1: f(x, (a, b) -> a + b)");
        assert_eq!(shown("SELECT f(x, (a) -> a + 1)"), "1: f(x, (a) -> a + 1)");
        assert_eq!(
            shown("SELECT array_transform(x, e -> 1)"),
            "1: array_transform(x, e -> 1)"
        );
        assert_eq!(
            shown("SELECT array_transform(x, e -> array_filter(e, v -> v > -1))"),
            "2: array_transform(x, e -> array_filter(e, v -> v > -1))"
        );
        assert_eq!(
            shown("SELECT array_filter(lambda, lambda -> lambda > 5)"),
            "1: array_filter(lambda, lambda -> lambda > 5)"
        );
    }

    #[test]
    fn json_members() {
        assert_eq!(
            shown("SELECT meta -> 'filter' = 'r' FROM t"),
            "0: meta -> 'filter' = 'r'"
        );
        assert_eq!(shown("SELECT (meta) -> 'filter' FROM t"), "0: (meta) -> 'filter'");
        assert_eq!(
            shown("SELECT t.meta -> 'a' -> 'b' ->> 'c' FROM t"),
            "0: t.meta -> 'a' -> 'b' ->> 'c'"
        );
        assert_eq!(
            shown("SELECT coalesce(x, meta -> 'a') FROM t"),
            "0: coalesce(x, meta -> 'a')"
        );
        assert_eq!(
            shown("SELECT coalesce(x, meta -> -1) FROM t"),
            "0: coalesce(x, meta -> -1)"
        );
        assert_eq!(shown("SELECT length(meta -> k) FROM t"), "0: length(meta -> k)");
        assert_eq!(shown("SELECT NOT meta -> 'a' FROM t"), "0: NOT meta -> 'a'");
        assert_eq!(
            shown("SELECT array_transform(x, e -> e -> 'a')"),
            "1: array_transform(x, e -> e -> 'a')"
        );
    }
}
