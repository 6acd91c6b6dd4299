//! The dialect: PostgreSQL's grammar, widened until ADQL 2.1 and DataFusion's own SQL parse too.
//!
//! It answers `dialect()` with PostgreSQL's type id, so every rule that the parser keys to that
//! dialect by name stays on; the yes/no questions are forwarded in one table below. What the words
//! *mean* is not decided here but in [`crate::lower()`].

use std::any::TypeId;

use sqlparser::ast::Expr;
use sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};

use crate::prefix;

const POSTGRES: PostgreSqlDialect = PostgreSqlDialect {};
static ADQL: AdqlDialect = AdqlDialect;

/// The dialect in which every text of this project is parsed.
///
/// ```
/// use sqlparser::parser::Parser;
/// let sql = "SELECT TOP 5 * FROM gaia WHERE 1 = CONTAINS(POINT('ICRS', ra, dec), CIRCLE(10, 20, 1/60.))";
/// assert_eq!(Parser::parse_sql(dreyer_adql::dialect(), sql)?.len(), 1);
/// # Ok::<(), sqlparser::parser::ParserError>(())
/// ```
pub fn dialect() -> &'static dyn Dialect {
    &ADQL
}

/// PostgreSQL's grammar plus ADQL and DataFusion spellings; see [`dialect`].
#[derive(Debug, Clone, Copy, Default)]
pub struct AdqlDialect;

/// Forwards yes/no questions to PostgreSQL, and answers others with a fixed yes or no.
macro_rules! answers {
    (postgres: [$($same:ident),* $(,)?], yes: [$($yes:ident),* $(,)?], no: [$($no:ident),* $(,)?]) => {
        $(fn $same(&self) -> bool { POSTGRES.$same() })*
        $(fn $yes(&self) -> bool { true })*
        $(fn $no(&self) -> bool { false })*
    };
}

impl Dialect for AdqlDialect {
    fn dialect(&self) -> TypeId {
        TypeId::of::<PostgreSqlDialect>()
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        POSTGRES.identifier_quote_style(identifier)
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        POSTGRES.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        POSTGRES.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        POSTGRES.is_identifier_part(ch)
    }

    /// As PostgreSQL's, but a sign begins a number: `pmra<-5` compares. (There an operator that ends in a sign must hold
    /// one of a few rarer characters; none of those operators means anything to the engine.)
    fn is_custom_operator_part(&self, ch: char) -> bool {
        !matches!(ch, '+' | '-') && POSTGRES.is_custom_operator_part(ch)
    }

    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        prefix::is_reserved(keyword)
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        POSTGRES.get_next_precedence(parser)
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        POSTGRES.prec_value(precedence)
    }

    fn parse_prefix(&self, parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        prefix::parse(parser)
    }

    answers! {
        postgres: [
            allow_extract_custom,
            allow_extract_single_quotes,
            supports_alter_column_type_using,
            supports_array_typedef_with_brackets,
            supports_bitwise_shift_operators,
            supports_comma_separated_trim,
            supports_comment_on,
            supports_create_index_with_clause,
            supports_create_table_like_parenthesized,
            supports_empty_projections,
            supports_explain_with_utility_options,
            supports_factorial_operator,
            supports_filter_during_aggregation,
            supports_group_by_expr,
            supports_insert_table_alias,
            supports_interval_options,
            supports_listen_notify,
            supports_load_extension,
            supports_named_fn_args_with_colon_operator,
            supports_nested_comments,
            supports_notnull_operator,
            supports_numeric_literal_underscores,
            supports_set_names,
            supports_string_escape_constant,
            supports_unicode_string_literal,
            supports_xml_expressions,
        ],
        yes: [
            // ADQL: adjacent literals are one literal, whatever white space lies between.
            supports_string_literal_concatenation,
            // DataFusion: struct and map literals, FROM-first, the ways of trimming a wildcard.
            supports_dictionary_syntax,
            support_map_literal_syntax,
            supports_from_first_select,
            supports_select_wildcard_except,
            supports_select_wildcard_exclude,
            supports_select_wildcard_replace,
            supports_select_wildcard_ilike,
            supports_order_by_all,
            supports_window_clause_named_window_reference,
            supports_window_function_null_treatment_arg,
            supports_group_by_with_modifier,
            // PostgreSQL has it; the parser's own PostgreSQL dialect does not say so.
            supports_named_fn_args_with_assignment_operator,
        ],
        no: [
            // POINT, CIRCLE, BOX and POLYGON are functions here, never type names before a literal.
            supports_geometric_types,
            // `arrow` parses lambdas and leaves the JSON operator alone.
            supports_lambda_functions,
            // An argument named by an expression would have every argument parsed twice.
            supports_named_fn_args_with_expr_name,
            // A comment is a comment, even when it starts with a plus.
            supports_comment_optimizer_hint,
            // `SELECT * alias` must not swallow the next word.
            supports_select_wildcard_with_alias,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(sql: &str) -> String {
        match Parser::parse_sql(dialect(), sql) {
            Ok(statements) => statements
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("; "),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn postgres_rules_stay_on() {
        assert!(dialect().is::<PostgreSqlDialect>());
        for sql in [
            "SELECT a::INT FROM t",
            "SELECT ARRAY[1, 2] @> ARRAY[1]",
            "SELECT x FROM t FOR UPDATE",
        ] {
            assert_eq!(round_trip(sql), sql);
        }
    }

    #[test]
    fn adjacent_literals_are_one() {
        assert_eq!(round_trip("SELECT 'a' 'b'\n 'c' AS x"), "SELECT 'abc' AS x");
    }

    #[test]
    fn geometry_words_are_functions_and_names() {
        for sql in [
            "SELECT POINT(1, 2)",
            "SELECT box, circle, point, polygon FROM t",
            "SELECT CIRCLE('ICRS', 1, 2, 3) AS circle",
        ] {
            assert_eq!(round_trip(sql), sql);
        }
    }
}
