//! Names: pg_catalog is searched without being said, operators and functions are named with it, and collations with
//! nothing that matters here.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArgumentList, FunctionArguments, Ident, ObjectName, ObjectNamePart, Query,
    Statement, TableFactor, Visit, Visitor,
};

use super::super::{catalog, functions};
use super::{last_part, schema_part};

/// The names that a statement gives to queries with WITH.
pub(super) fn common_tables(statement: &Statement) -> HashSet<String> {
    struct Common(HashSet<String>);
    impl Visitor for Common {
        type Break = ();
        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
            let tables = query.with.iter().flat_map(|with| &with.cte_tables);
            self.0.extend(tables.map(|table| table.alias.name.value.to_lowercase()));
            ControlFlow::Continue(())
        }
    }
    let mut common = Common(HashSet::new());
    let _ = statement.visit(&mut common);
    common.0
}

/// Relations of the server under names of its own, and what they are called in the catalogue. Tables of a user `dreyer` of
/// such a name are found without their schema.
const OWN: &[(&str, &str)] = &[("workers", "pg_stat_workers"), ("queries", "pg_stat_queries")];

/// Says pg_catalog where it is meant. Gives whether the relation is the catalogue's.
pub(super) fn relation(name: &mut ObjectName, common: &HashSet<String>) -> bool {
    let (schema, last) = (schema_part(name), last_part(name));
    if let (Some("dreyer"), Some(last)) = (schema.as_deref(), last.as_deref())
        && name.0.len() == 2
        && let Some((_, relation)) = OWN.iter().find(|(own, _)| *own == last)
    {
        let parts = ["pg_catalog", relation].map(|part| ObjectNamePart::Identifier(Ident::new(part)));
        name.0 = parts.to_vec();
        return true;
    }
    match (schema, last) {
        (Some(schema), _) => catalog::is_catalog_schema(&schema),
        (None, Some(last)) if catalog::is_pg_catalog_relation(&last) && !common.contains(&last) => {
            name.0.insert(0, ObjectNamePart::Identifier(Ident::new("pg_catalog")));
            true
        }
        _ => false,
    }
}

/// `FROM pg_catalog.unnest(…)` without the schema.
pub(super) fn table_function(factor: &mut TableFactor) {
    if let TableFactor::Table {
        name, args: Some(_), ..
    }
    | TableFactor::Function { name, .. } = factor
    {
        strip(name);
    }
}

/// Functions and operators without their schema, `current_schema` with its parentheses, expressions without a
/// collation. Gives whether the function reads the catalogue.
pub(super) fn call(expr: &mut Expr) -> bool {
    match expr {
        Expr::Function(function) => {
            strip(&mut function.name);
            function.name.0.len() == 1 && last_part(&function.name).is_some_and(|name| functions::exists(&name))
        }
        Expr::Identifier(name) if name.quote_style.is_none() => {
            let lower = name.value.to_lowercase();
            if !["current_schema", "current_role", "current_catalog"].contains(&lower.as_str()) {
                return false;
            }
            *expr = Expr::Function(nullary(&lower));
            true
        }
        Expr::BinaryOp { op, .. } => {
            if let BinaryOperator::PGCustomBinaryOperator(parts) = op
                && let Some(plain) = parts.last().and_then(|name| operator(name))
            {
                *op = plain;
            }
            false
        }
        Expr::Collate { expr: inner, .. } => {
            *expr = std::mem::replace(
                inner,
                Expr::Wildcard(datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken::empty()),
            );
            false
        }
        _ => false,
    }
}

fn strip(name: &mut ObjectName) {
    if schema_part(name).is_some_and(|schema| schema == "pg_catalog") {
        name.0.drain(..name.0.len() - 1);
    }
}

/// A call without arguments.
fn nullary(name: &str) -> Function {
    Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: vec![],
            clauses: vec![],
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    }
}

/// The operator that OPERATOR(pg_catalog.…) means.
fn operator(name: &str) -> Option<BinaryOperator> {
    use BinaryOperator as B;
    Some(match name {
        "=" => B::Eq,
        "<>" | "!=" => B::NotEq,
        "<" => B::Lt,
        "<=" => B::LtEq,
        ">" => B::Gt,
        ">=" => B::GtEq,
        "+" => B::Plus,
        "-" => B::Minus,
        "*" => B::Multiply,
        "/" => B::Divide,
        "%" => B::Modulo,
        "||" => B::StringConcat,
        "~" => B::PGRegexMatch,
        "~*" => B::PGRegexIMatch,
        "!~" => B::PGRegexNotMatch,
        "!~*" => B::PGRegexNotIMatch,
        "~~" => B::PGLikeMatch,
        "~~*" => B::PGILikeMatch,
        "!~~" => B::PGNotLikeMatch,
        "!~~*" => B::PGNotILikeMatch,
        _ => return None,
    })
}
