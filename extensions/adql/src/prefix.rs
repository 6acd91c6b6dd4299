//! Words that open an expression with a grammar of its own (`CAST(x AS t)`, `POSITION(a IN b)`), but
//! also name columns and functions.
//!
//! Left alone, the parser tries the special grammar, fails somewhere inside, and tries again as a
//! plain call: twice the work per level, so that a typo inside twenty nested casts takes minutes.
//! Here one look ahead decides, and the dialect calls the words reserved so that nothing is tried
//! twice.

use sqlparser::ast::{Expr, ObjectName};
use sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use crate::arrow;

/// Words with a grammar of their own behind a parenthesis, and names elsewhere.
const CALL_LIKE: &[Keyword] = &[
    Keyword::CAST,
    Keyword::CEIL,
    Keyword::CONVERT,
    Keyword::EXTRACT,
    Keyword::FLOOR,
    Keyword::OVERLAY,
    Keyword::POSITION,
    Keyword::SAFE_CAST,
    Keyword::SUBSTR,
    Keyword::SUBSTRING,
    Keyword::TRIM,
    Keyword::TRY_CAST,
    Keyword::TRY_CONVERT,
];

/// Words that open an expression and are never names unless quoted, as in PostgreSQL.
const RESERVED: &[Keyword] = &[
    Keyword::ARRAY,
    Keyword::CASE,
    Keyword::CURRENT_DATE,
    Keyword::CURRENT_TIME,
    Keyword::CURRENT_TIMESTAMP,
    Keyword::EXISTS,
    Keyword::LOCALTIME,
    Keyword::LOCALTIMESTAMP,
    Keyword::NOT,
    Keyword::STRUCT,
];

/// Must a word that opened a special grammar in vain be taken for a mistake, not for a name?
pub(crate) fn is_reserved(keyword: Keyword) -> bool {
    CALL_LIKE.contains(&keyword) || RESERVED.contains(&keyword)
}

/// Parses the start of an expression where the parser would guess; else `None`, with the parser
/// untouched.
pub(crate) fn parse(parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
    if let Some(lambda) = arrow::parse_lambda(parser) {
        return Some(lambda);
    }
    let Token::Word(word) = &parser.peek_nth_token_ref(0).token else {
        return None;
    };
    let (keyword, quoted) = (word.keyword, word.quote_style.is_some());
    if quoted || !(CALL_LIKE.contains(&keyword) || keyword == Keyword::ARRAY) {
        return None;
    }
    match (keyword, &parser.peek_nth_token_ref(1).token) {
        (Keyword::ARRAY, Token::LBracket) => None,
        (Keyword::ARRAY, Token::LParen) => (!opens_query(&parser.peek_nth_token_ref(2).token)).then(|| call(parser)),
        (Keyword::POSITION, Token::LParen) => Some(position(parser)),
        (_, Token::LParen) => None,
        _ => Some(parser.parse_identifier().map(Expr::Identifier)),
    }
}

fn opens_query(token: &Token) -> bool {
    match token {
        Token::LParen => true,
        Token::Word(word) => matches!(
            word.keyword,
            Keyword::SELECT | Keyword::WITH | Keyword::VALUES | Keyword::TABLE | Keyword::FROM
        ),
        _ => false,
    }
}

fn call(parser: &mut Parser) -> Result<Expr, ParserError> {
    let name = parser.parse_identifier()?;
    parser.parse_function(ObjectName::from(name))
}

/// `POSITION(needle IN text)`, or a call of a function of that name.
fn position(parser: &mut Parser) -> Result<Expr, ParserError> {
    let mut depth = 0usize;
    let mut at = 1;
    loop {
        match &parser.peek_nth_token_ref(at).token {
            Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
            Token::RParen | Token::RBracket | Token::RBrace => depth -= 1,
            Token::Word(word) if depth == 1 && word.keyword == Keyword::IN => break,
            Token::EOF => depth = 0,
            _ => {}
        }
        if depth == 0 {
            return call(parser);
        }
        at += 1;
    }
    parser.parse_identifier()?;
    parser.expect_token(&Token::LParen)?;
    // Tighter than IN, so that the word is left for the next line.
    let expr = parser.parse_subexpr(PostgreSqlDialect {}.prec_value(Precedence::Between))?;
    parser.expect_keyword_is(Keyword::IN)?;
    let text = parser.parse_expr()?;
    parser.expect_token(&Token::RParen)?;
    Ok(Expr::Position {
        expr: Box::new(expr),
        r#in: Box::new(text),
    })
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::{Duration, Instant};

    use sqlparser::parser::Parser;

    use crate::dialect;

    fn shown(expr: &str) -> String {
        match Parser::parse_sql(dialect(), &format!("SELECT {expr} FROM t")) {
            Ok(statements) => statements[0]
                .to_string()
                .replacen("SELECT ", "", 1)
                .replacen(" FROM t", "", 1),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn special_grammars_stay() {
        for expr in [
            "CAST(x AS INT)",
            "CEIL(x TO DAY)",
            "FLOOR(x)",
            "EXTRACT(YEAR FROM x)",
            "SUBSTRING(x FROM 2 FOR 3)",
            "SUBSTRING(x, 2, 3)",
            "SUBSTR(x, 2)",
            "OVERLAY(x PLACING 'a' FROM 2 FOR 3)",
            "POSITION('a' || 'b' IN x)",
            "POSITION('a', x)",
            "TRIM(BOTH 'x' FROM y)",
            "ARRAY[1, 2]",
            "ARRAY(SELECT 1)",
            "ARRAY(1, 2)",
            "NOT x",
            "CURRENT_DATE",
            "EXISTS (SELECT 1)",
            "CASE WHEN a THEN b END",
        ] {
            assert_eq!(shown(expr), expr);
        }
    }

    #[test]
    fn words_that_are_columns() {
        for word in [
            "position",
            "floor",
            "convert",
            "overlay",
            "substring",
            "trim",
            "extract",
            "array",
            "ceil",
        ] {
            for expr in [
                word.to_owned(),
                format!("t.{word}"),
                format!("{word}.x"),
                format!("{word} + 1"),
                format!("f({word}, {word})"),
            ] {
                assert_eq!(shown(&expr), expr);
            }
        }
    }

    /// A mistake inside nested calls is found once, not once per way of reading each level.
    #[test]
    fn mistakes_cost_no_more_than_the_text() {
        // Without optimisation a level of FROM needs more than the 2 MiB that a test starts with.
        thread::Builder::new()
            .stack_size(8 << 20)
            .spawn(mistakes)
            .unwrap()
            .join()
            .unwrap();
    }

    fn mistakes() {
        let level = |open: &str, close: &str| format!("SELECT {}1 + {}", open.repeat(40), close.repeat(40));
        for (open, close) in [
            ("f(", ")"),
            ("CAST(", " AS int)"),
            ("CEIL(", ")"),
            ("FLOOR(", ")"),
            ("CASE WHEN ", " THEN 1 END"),
            ("CASE ", " WHEN 1 THEN 1 END"),
            ("EXTRACT(year FROM ", ")"),
            ("SUBSTRING(", ")"),
            ("OVERLAY(", " PLACING 'a' FROM 1)"),
            ("TRIM(", ")"),
            ("POSITION(", " IN x)"),
            ("POSITION(", ")"),
            ("CONVERT(", ")"),
            ("TRY_CAST(", " AS int)"),
            ("ARRAY[", "]"),
            ("ARRAY(SELECT ", ")"),
            ("ARRAY(", ")"),
            ("NOT(", ")"),
            ("EXISTS(SELECT ", ")"),
            ("f(a, x -> ", ")"),
            ("f(a, (x) -> ", ")"),
            ("f(a => ", ")"),
            ("f(a := ", ")"),
            ("{fn f(", ")}"),
            ("{'a': ", "}"),
            ("MAP {'a': ", "}"),
            ("CURRENT_TIMESTAMP(", ")"),
            ("xmlforest(", ")"),
            ("f(x) OVER (ORDER BY ", ")"),
            ("1 = ANY(", ")"),
            ("1 IN (", ")"),
            ("(", ")"),
            ("(a, ", ")"),
            ("x[", "]"),
            ("INTERVAL ", ""),
            ("LAMBDA x : ", ""),
            ("DATE ", ""),
        ] {
            let start = Instant::now();
            let _ = Parser::parse_sql(dialect(), &level(open, close));
            assert!(start.elapsed() < Duration::from_secs(5), "{open}");
        }
        for (open, close) in [
            ("(", ")"),
            ("(SELECT * FROM ", ")"),
            ("LATERAL (SELECT * FROM ", ")"),
            ("(a JOIN ", ")"),
            ("f(", ")"),
        ] {
            let start = Instant::now();
            let _ = Parser::parse_sql(
                dialect(),
                &format!("SELECT * FROM {}t +{}", open.repeat(40), close.repeat(40)),
            );
            assert!(start.elapsed() < Duration::from_secs(5), "FROM {open}");
        }
    }
}
