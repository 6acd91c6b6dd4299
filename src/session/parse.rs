//! Text to statements: one grammar, the union of PostgreSQL's, ADQL's and the engine's own.

use datafusion::sql::parser::{DFParserBuilder, Statement as Ast};
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::parser::Parser;

use super::memberships;
use crate::{Error, ErrorKind, Result};

/// One statement of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// The statement alone, without the semicolon.
    pub text: String,
    /// Characters of the whole text before it.
    pub offset: usize,
    ast: Ast,
}

impl Statement {
    /// What the parser read.
    pub fn ast(&self) -> &Ast {
        &self.ast
    }

    /// Whether it is a query and nothing else: SELECT, VALUES, WITH, TABLE.
    pub(crate) fn is_query(&self) -> bool {
        matches!(&self.ast, Ast::Statement(statement) if matches!(**statement, ast::Statement::Query(_)))
    }

    /// The number of things that a SELECT names.
    pub(crate) fn columns(&self) -> usize {
        match &self.ast {
            Ast::Statement(statement) => match &**statement {
                ast::Statement::Query(query) => match &*query.body {
                    ast::SetExpr::Select(select) => select.projection.len(),
                    _ => 0,
                },
                _ => 0,
            },
            _ => 0,
        }
    }

    /// The same, for a front door whose clients speak constructs that the engine lacks.
    pub(crate) fn ast_mut(&mut self) -> &mut Ast {
        &mut self.ast
    }
}

/// The statements of a text; comments and empty statements are dropped.
pub(super) fn parse(sql: &str, recursion_limit: usize) -> Result<Vec<Statement>> {
    let pieces = dreyer_adql::split(sql).map_err(|error| Error::from(error).located(sql, 0))?;
    pieces
        .into_iter()
        .map(|piece| one(piece.text, piece.offset, recursion_limit))
        .collect()
}

fn one(text: &str, offset: usize, recursion_limit: usize) -> Result<Statement> {
    if let Some(ast) = memberships::parse(text) {
        return Ok(Statement {
            text: text.to_owned(),
            offset,
            ast,
        });
    }
    let parsed = DFParserBuilder::new(text)
        .with_dialect(dreyer_adql::dialect())
        .with_recursion_limit(recursion_limit)
        .build()
        .and_then(|mut parser| parser.parse_statements());
    let parsed = match parsed {
        Err(error) => postgres_copy(text, recursion_limit)
            .map(|ast| [ast].into())
            .ok_or(error),
        parsed => parsed,
    };
    let mut statements = parsed.map_err(|error| Error::from(error).located(text, offset))?;
    match (statements.pop_front(), statements.is_empty()) {
        (Some(ast), true) => Ok(Statement {
            text: text.to_owned(),
            offset,
            ast,
        }),
        _ => Err(Error::new(
            ErrorKind::Syntax,
            "cannot tell where one statement ends and the next begins",
        )
        .with_hint("Send the statements one at a time.")),
    }
}

/// COPY as PostgreSQL spells its options, which the engine's parser does not know: `TO 'f' (FORMAT csv)`, `TO STDOUT`.
fn postgres_copy(text: &str, recursion_limit: usize) -> Option<Ast> {
    let mut parser = Parser::new(dreyer_adql::dialect())
        .with_recursion_limit(recursion_limit)
        .try_with_sql(text)
        .ok()?;
    let mut statements = parser.parse_statements().ok()?;
    match (statements.pop(), statements.is_empty()) {
        (Some(copy @ ast::Statement::Copy { .. }), true) => Some(Ast::Statement(Box::new(copy))),
        _ => None,
    }
}
