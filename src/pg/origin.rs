//! From which column of which table a column of a result comes: what drivers tell of it (JDBC's `getTableName`, and
//! tools that fetch comments for a result) is looked up by that.

use datafusion::common::Column as Name;
use datafusion::logical_expr::{Aggregate, Distinct, Expr, JoinType, LogicalPlan};

use super::catalog::number_of_relation;
use crate::DEFAULT_SCHEMA;

/// A column of a table or view, by their numbers in `pg_attribute`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) relation: u32,
    pub(super) column: i16,
}

/// The origin of each column of a plan as it was written; what is computed has none.
pub(super) fn origins(plan: &LogicalPlan) -> Vec<Option<Origin>> {
    let none = || vec![None; plan.schema().fields().len()];
    let found = match plan {
        LogicalPlan::TableScan(scan) => {
            let all = 0..scan.source.schema().fields().len();
            let columns = scan.projection.clone().unwrap_or_else(|| all.collect());
            columns_of(scan.table_name.schema(), scan.table_name.table(), columns)
        }
        // Only the name of a view says where it is; one that a query gives does not.
        LogicalPlan::SubqueryAlias(named) if named.alias.schema().is_some() => {
            let all = 0..plan.schema().fields().len();
            columns_of(named.alias.schema(), named.alias.table(), all.collect())
        }
        LogicalPlan::SubqueryAlias(named) => origins(&named.input),
        LogicalPlan::Filter(filter) => origins(&filter.input),
        LogicalPlan::Sort(sort) => origins(&sort.input),
        LogicalPlan::Limit(limit) => origins(&limit.input),
        LogicalPlan::Distinct(Distinct::All(input)) => origins(input),
        LogicalPlan::Projection(projection) => through(&projection.expr, &projection.input),
        LogicalPlan::Aggregate(Aggregate {
            group_expr,
            aggr_expr,
            input,
            ..
        }) => {
            let mut found = through(group_expr, input);
            found.extend(aggr_expr.iter().map(|_| None));
            found
        }
        LogicalPlan::Window(window) => {
            let mut found = origins(&window.input);
            found.extend(window.window_expr.iter().map(|_| None));
            found
        }
        LogicalPlan::Join(join) => match join.join_type {
            JoinType::LeftSemi | JoinType::LeftAnti => origins(&join.left),
            JoinType::RightSemi | JoinType::RightAnti => origins(&join.right),
            _ => [origins(&join.left), origins(&join.right)].concat(),
        },
        _ => none(),
    };
    // Sets of groups, and marks of joins, are columns of their own.
    if found.len() == plan.schema().fields().len() {
        found
    } else {
        none()
    }
}

fn columns_of(schema: Option<&str>, table: &str, columns: Vec<usize>) -> Vec<Option<Origin>> {
    let relation = number_of_relation(schema.unwrap_or(DEFAULT_SCHEMA), table);
    let origin = |column: usize| {
        let column = i16::try_from(column + 1).ok()?;
        Some(Origin { relation, column })
    };
    columns.into_iter().map(origin).collect()
}

fn through(expressions: &[Expr], input: &LogicalPlan) -> Vec<Option<Origin>> {
    let below = origins(input);
    let column = |name: &Name| {
        let at = input.schema().maybe_index_of_column(name)?;
        below.get(at).copied().flatten()
    };
    expressions
        .iter()
        .map(|expr| match expr.clone().unalias() {
            Expr::Column(name) => column(&name),
            _ => None,
        })
        .collect()
}
