//! FROM: tables, derived tables and joins.

use sqlparser::ast::{
    JoinConstraint, JoinOperator, ObjectName, ObjectNamePart, Spanned, TableAlias, TableFactor, TableWithJoins,
};
use sqlparser::tokenizer::Span;

use super::query::Check;
use super::{expression, reserved};
use crate::Error;

/// A table name of one to three parts.
pub(super) fn name(name: &ObjectName) -> Check {
    let mut span = Span::empty();
    for part in &name.0 {
        match part {
            ObjectNamePart::Identifier(ident) => {
                span = span.union(&ident.span);
                reserved::name(ident, "table or schema")?;
            }
            ObjectNamePart::Function(call) => {
                return Err(Error::not_adql(
                    "call in a table name",
                    call.name.span,
                    "write the name",
                ));
            }
        }
    }
    if name.0.len() > 3 {
        return Err(Error::breaks_adql(
            "a table name has at most three parts",
            span,
            "write catalog.schema.table",
        ));
    }
    Ok(())
}

/// One item of FROM.
pub(super) fn factor(factor: &TableFactor) -> Check {
    match factor {
        TableFactor::Table { name: table, alias, .. } => {
            name(table)?;
            bare(factor, table)?;
            alias.as_ref().map_or(Ok(()), check_alias)
        }
        TableFactor::Derived {
            lateral,
            subquery,
            alias,
            sample,
        } => {
            let span = subquery.span();
            if *lateral {
                let hint = "join with a subquery that needs nothing from outside";
                return Err(Error::not_adql("LATERAL", span, hint));
            }
            if sample.is_some() {
                return Err(Error::not_adql("TABLESAMPLE", span, "leave it out"));
            }
            match alias {
                Some(alias) => check_alias(alias),
                None => {
                    let hint = "write (SELECT ...) AS name";
                    Err(Error::breaks_adql("a subquery in FROM needs a name", span, hint))
                }
            }
        }
        TableFactor::NestedJoin {
            alias: None,
            table_with_joins,
        } => joins(table_with_joins, Span::empty()),
        TableFactor::NestedJoin { alias: Some(alias), .. } => {
            let hint = "name the tables in it";
            Err(Error::not_adql("name for a join in parentheses", alias.name.span, hint))
        }
        other => Err(Error::not_adql("table of this kind", other.span(), ELSEWHERE)),
    }
}

/// What to select from instead.
const ELSEWHERE: &str = "select from a table or a subquery";

/// Demands a table without arguments or options.
fn bare(factor: &TableFactor, table: &ObjectName) -> Check {
    let span = table
        .0
        .last()
        .and_then(|part| part.as_ident())
        .map_or(Span::empty(), |ident| ident.span);
    match factor {
        TableFactor::Table { args: Some(_), .. } => Err(Error::not_adql("table functions", span, ELSEWHERE)),
        TableFactor::Table {
            with_hints,
            version: None,
            with_ordinality: false,
            partitions,
            json_path: None,
            sample: None,
            index_hints,
            ..
        } if with_hints.is_empty() && partitions.is_empty() && index_hints.is_empty() => Ok(()),
        _ => Err(Error::not_adql("option behind a table", span, "write table AS alias")),
    }
}

fn check_alias(alias: &TableAlias) -> Check {
    reserved::name(&alias.name, "table")?;
    match alias.columns.first() {
        Some(column) => Err(Error::not_adql(
            "column list behind a table alias",
            column.name.span,
            "name the columns with AS in the subquery",
        )),
        None => Ok(()),
    }
}

/// The joins behind one item of FROM.
pub(super) fn joins(table: &TableWithJoins, start: Span) -> Check {
    for join in &table.joins {
        let span = join.relation.span();
        let constraint = match &join.join_operator {
            JoinOperator::Join(constraint)
            | JoinOperator::Inner(constraint)
            | JoinOperator::Left(constraint)
            | JoinOperator::LeftOuter(constraint)
            | JoinOperator::Right(constraint)
            | JoinOperator::RightOuter(constraint)
            | JoinOperator::FullOuter(constraint) => constraint,
            JoinOperator::CrossJoin(_) => {
                return Err(Error::not_adql("CROSS JOIN", span, "put a comma between the tables"));
            }
            _ => {
                return Err(Error::not_adql(
                    "join of this kind",
                    span,
                    "use INNER, LEFT, RIGHT or FULL JOIN, or EXISTS",
                ));
            }
        };
        match constraint {
            JoinConstraint::On(condition) => expression::is_condition(condition, start)?,
            JoinConstraint::Using(columns) => {
                for column in columns {
                    match column.0.as_slice() {
                        [ObjectNamePart::Identifier(ident)] => reserved::name(ident, "column")?,
                        _ => {
                            return Err(Error::breaks_adql(
                                "USING takes bare column names",
                                span,
                                "write USING (id)",
                            ));
                        }
                    }
                }
            }
            JoinConstraint::Natural | JoinConstraint::None => {}
        }
    }
    Ok(())
}
