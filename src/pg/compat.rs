//! Constructs of PostgreSQL that the engine's planner lacks, rewritten into ones it has: one construct a file, on the
//! syntax tree, or on the plan where types matter ([`subquery`], [`literals`], [`counts`], [`exists`]). No rewrite looks at who sent a query, or for a query as a whole.

mod aliases;
mod arrays;
mod casts;
mod counts;
mod empty;
mod exists;
mod intervals;
mod labels;
mod lists;
mod literals;
mod names;
mod never;
mod parameters;
mod patterns;
mod sets;
mod subquery;
mod system_columns;

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement as Ast;
use datafusion::sql::sqlparser::ast::{
    Expr, ObjectName, Query, Select, SetExpr, Statement, TableFactor, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::parser::Parser;
use pgwire::api::Type;

pub(super) use intervals::added as add_intervals;
pub(super) use labels::Labels;
pub(super) use literals::Operands;
pub(super) use parameters::said;
pub(super) use subquery::decorrelate;

/// The rewrites of a plan that do not depend on what it reads.
pub(super) fn finish(plan: LogicalPlan) -> Result<LogicalPlan> {
    exists::counted(counts::signed(literals::typed(plan)?)?)
}

/// What was learnt on the way.
#[derive(Debug, Default)]
pub(super) struct Rewritten {
    /// Whether the statement reads the catalogue, or calls a function that does.
    pub(super) uses_catalog: bool,
    /// What PostgreSQL would call the columns of the result.
    pub(super) labels: Labels,
}

/// Rewrites a statement. `declared` are the types that a client gave to its parameters.
pub(super) fn rewrite(ast: &mut Ast, declared: &[Option<Type>]) -> Result<Rewritten> {
    let statement = match ast {
        Ast::Statement(statement) => statement,
        Ast::Explain(explain) => {
            // The columns are those of EXPLAIN.
            let inner = rewrite(&mut explain.statement, declared)?;
            return Ok(Rewritten {
                labels: Labels::default(),
                ..inner
            });
        }
        _ => return Ok(Rewritten::default()),
    };
    let labels = match &**statement {
        Statement::Query(query) => labels::of(query),
        _ => Labels::default(),
    };
    if let Statement::Query(query) = &mut **statement {
        labels::order_casts(query)?;
    }
    let mut passes = Passes {
        declared,
        common: names::common_tables(statement),
        uses_catalog: false,
    };
    if let ControlFlow::Break(error) = statement.visit(&mut passes) {
        return Err(error);
    }
    if let Statement::Query(query) = &mut **statement
        && let Some(select) = outermost(query)
    {
        casts::show_names(select)?;
    }
    Ok(Rewritten {
        uses_catalog: passes.uses_catalog,
        labels,
    })
}

fn outermost(query: &mut Query) -> Option<&mut Select> {
    match &mut *query.body {
        SetExpr::Select(select) => Some(select),
        SetExpr::Query(query) => outermost(query),
        _ => None,
    }
}

/// All passes in one walk. What is inside is rewritten before what is around it, but for [`empty`], which spares the
/// others work.
struct Passes<'a> {
    declared: &'a [Option<Type>],
    /// Names that WITH gives to queries.
    common: HashSet<String>,
    uses_catalog: bool,
}

impl VisitorMut for Passes<'_> {
    type Break = DataFusionError;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        empty::fold(select, &self.common);
        never::prune(select);
        labels::keep_apart(select);
        flow(system_columns::fill_in(select).and_then(|()| sets::in_select(select)))
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        names::table_function(factor);
        self.uses_catalog |= match sets::in_from(factor) {
            Ok(reads) => reads,
            Err(error) => return ControlFlow::Break(error),
        };
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &mut ObjectName) -> ControlFlow<Self::Break> {
        self.uses_catalog |= names::relation(relation, &self.common);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        empty::fold_subquery(expr, &self.common);
        flow(arrays::subquery(expr))
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        self.uses_catalog |= names::call(expr);
        self.uses_catalog |= match casts::cast(expr) {
            Ok(reads) => reads,
            Err(error) => return ControlFlow::Break(error),
        };
        patterns::template(expr);
        let rewritten = lists::compared(expr).and_then(|()| patterns::escaped(expr));
        flow(rewritten.and_then(|()| parameters::declare(expr, self.declared)))
    }
}

fn flow(done: Result<()>) -> ControlFlow<DataFusionError> {
    match done {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}

/// An expression from its text.
fn expression(text: &str) -> Result<Expr> {
    let mut parser = Parser::new(dreyer_adql::dialect())
        .try_with_sql(text)
        .map_err(sql_error)?;
    parser.parse_expr().map_err(sql_error)
}

fn sql_error(error: datafusion::sql::sqlparser::parser::ParserError) -> DataFusionError {
    DataFusionError::SQL(Box::new(error), None)
}

/// The name of an object without the schema, in lower case unless quoted.
fn last_part(name: &ObjectName) -> Option<String> {
    let ident = name.0.last()?.as_ident()?;
    Some(if ident.quote_style.is_some() {
        ident.value.clone()
    } else {
        ident.value.to_lowercase()
    })
}

/// The schema that a name gives, in lower case unless quoted.
fn schema_part(name: &ObjectName) -> Option<String> {
    let ident = name.0.get(name.0.len().checked_sub(2)?)?.as_ident()?;
    Some(if ident.quote_style.is_some() {
        ident.value.clone()
    } else {
        ident.value.to_lowercase()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text of a query after all rewrites of the syntax tree.
    fn rewritten(sql: &str) -> (String, bool) {
        let mut statement = Parser::parse_sql(dreyer_adql::dialect(), sql).unwrap().remove(0);
        let mut ast = Ast::Statement(Box::new(statement.clone()));
        let learnt = rewrite(&mut ast, &[Some(Type::INT4)]).unwrap();
        if let Ast::Statement(done) = ast {
            statement = *done;
        }
        (statement.to_string(), learnt.uses_catalog)
    }

    #[test]
    fn each_construct_becomes_one_that_the_engine_knows() {
        for (before, after) in [
            (
                "SELECT relname FROM pg_class",
                "SELECT relname FROM pg_catalog.pg_class",
            ),
            (
                "WITH pg_class AS (SELECT 1 AS a) SELECT a FROM pg_class",
                "WITH pg_class AS (SELECT 1 AS a) SELECT a FROM pg_class",
            ),
            (
                "SELECT 1 FROM t WHERE a OPERATOR(pg_catalog.!~) '^x$' COLLATE pg_catalog.default",
                "SELECT 1 FROM t WHERE a !~ '^x$'",
            ),
            ("SELECT pg_catalog.version()", "SELECT version()"),
            ("SELECT a::pg_catalog.text FROM t", "SELECT a::TEXT FROM t"),
            ("SELECT 'x'::\"char\" FROM t", "SELECT char('x') FROM t"),
            (
                "SELECT 1 FROM t WHERE a = 't'::regclass",
                "SELECT 1 FROM t WHERE a = regclass('t')",
            ),
            ("SELECT a::regclass FROM t", "SELECT regclassout(regclass(a)) FROM t"),
            (
                "SELECT 1 FROM t WHERE a::regtype::text = 'x'",
                "SELECT 1 FROM t WHERE regtypeout(regtype(a)) = 'x'",
            ),
            ("SELECT $1 + a FROM t", "SELECT CAST($1 AS INT) + a FROM t"),
            (
                "SELECT ARRAY(SELECT a FROM t WHERE b = c ORDER BY 1 DESC) FROM u",
                "SELECT array_or_empty((SELECT array_agg(a ORDER BY a DESC) FROM t WHERE b = c)) FROM u",
            ),
            (
                "SELECT ARRAY(SELECT 'p.' || x FROM unnest(t.o) x) FROM t",
                "SELECT array_or_empty(array_transform(t.o, x -> 'p.' || x)) FROM t",
            ),
            (
                "SELECT (SELECT polname FROM pg_policy WHERE polrelid = a), ARRAY(SELECT polname FROM pg_policy) FROM t",
                "SELECT NULL, no_texts() FROM t",
            ),
            (
                "SELECT generate_subscripts(indkey, $2::INT) FROM pg_index",
                "SELECT CASE WHEN $2::INT IS NULL THEN NULL ELSE NULL END FROM pg_catalog.pg_index",
            ),
            (
                "SELECT p.polname, (SELECT max(x) FROM t WHERE y = p.oid) FROM pg_policy p",
                "SELECT p.polname, NULL FROM pg_catalog.pg_policy p",
            ),
            (
                "SELECT 1 FROM t WHERE a = ANY ('{3,NULL,\"x y\"}') AND b <> ALL('{}')",
                "SELECT 1 FROM t WHERE a IN ('3', NULL, 'x y') AND true",
            ),
            (
                "SELECT 1 FROM t WHERE a NOT LIKE 'x/_' || b ESCAPE '/' OR c LIKE 'd' ESCAPE '\\'",
                "SELECT 1 FROM t WHERE a NOT LIKE like_escape('x/_' || b, '/') OR c LIKE 'd' ESCAPE '\\'",
            ),
            (
                "SELECT to_timestamp(a, 'YYYY-MM-DD HH24:MI:SS.US'), to_char(b, '%Y') FROM t",
                "SELECT to_timestamp(a, '%Y-%m-%d %H:%M:%S.%6f'), to_char(b, '%Y') FROM t",
            ),
            (
                "SELECT generate_series(1, 3), g FROM generate_series(1, array_upper(a, 1)) AS g",
                "SELECT unnest(generate_series(1, 3)) AS generate_series, g FROM generate_series(1, CAST(array_upper(a, 1) AS BIGINT)) AS g (g)",
            ),
            (
                "SELECT c.tableoid FROM pg_class c JOIN t ON t.tableoid = c.oid",
                "SELECT oid(1259) FROM pg_catalog.pg_class c JOIN t ON t.tableoid = c.oid",
            ),
            (
                "SELECT id::text, ra::int AS r, id::int FROM t ORDER BY id",
                "SELECT id::TEXT AS \"_1\", ra::INT AS r, id::INT AS \"_3\" FROM t ORDER BY 1",
            ),
            (
                "SELECT CASE WHEN t.typtype = 'd' THEN (SELECT 1) WHEN t.typtype = 'b' THEN 2 END, CASE WHEN c.relkind = 'i' THEN 1 ELSE 3 END FROM pg_type t, t AS c",
                "SELECT CASE WHEN t.typtype = 'b' THEN 2 END, CASE WHEN c.relkind = 'i' THEN 1 ELSE 3 END FROM pg_catalog.pg_type t, t AS c",
            ),
            (
                "SELECT s[i] FROM generate_series(1, 2) AS i, string_to_array('a,b', ',') s",
                "SELECT s[i] FROM generate_series(1, 2) AS i (i), (SELECT string_to_array('a,b', ',') AS s) s",
            ),
            (
                "SELECT NULL, NULL, a, a FROM t",
                "SELECT NULL, NULL AS \"_2\", a, a AS \"_4\" FROM t",
            ),
        ] {
            let (text, _) = rewritten(before);
            assert_eq!(text, after, "from {before}");
        }
    }

    #[test]
    fn only_what_reads_the_catalogue_says_so() {
        for sql in [
            "SELECT 1",
            "SELECT ra FROM hipparcos WHERE DISTANCE(ra, dec, 1, 2) < 3",
            "SELECT * FROM a.pg_class",
        ] {
            assert!(!rewritten(sql).1, "{sql}");
        }
        for sql in [
            "SELECT * FROM pg_class",
            "SELECT * FROM information_schema.tables",
            "SELECT format_type(23, -1)",
            "SELECT 'a'::regclass",
        ] {
            assert!(rewritten(sql).1, "{sql}");
        }
    }
}
