//! Counts. The engine gives some (row_number, array_length, …) as unsigned numbers, which in PostgreSQL only a numeric
//! could hold; there they are integers.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result};
use datafusion::functions::core::expr_fn::nullif;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection, cast, lit};

/// Functions that count elements, places and dimensions.
const OF_ARRAYS: &[&str] = &[
    "array_length",
    "array_ndims",
    "array_position",
    "cardinality",
    "approx_distinct",
];

/// Gives counts the types that PostgreSQL gives them.
pub(in crate::pg) fn signed(plan: LogicalPlan) -> Result<LogicalPlan> {
    if !has_counts(&plan)? {
        return Ok(plan);
    }
    plan.transform_up_with_subqueries(|node| {
        let names = NamePreserver::new(&node);
        let node = node.map_expressions(|expr| {
            let name = names.save(&expr);
            let done = expr.transform_up(|expr| match expr {
                Expr::ScalarFunction(call) if OF_ARRAYS.contains(&call.func.name()) => {
                    let empty_is_null = call.func.name() == "array_length";
                    let count = cast(Expr::ScalarFunction(call), DataType::Int32);
                    Ok(Transformed::yes(if empty_is_null {
                        nullif(count, lit(0_i32))
                    } else {
                        count
                    }))
                }
                expr => Ok(Transformed::no(expr)),
            })?;
            Ok(done.update_data(|expr| name.restore(expr)))
        })?;
        // What is computed of it above may have another type now, too.
        let node = node.map_data(LogicalPlan::recompute_schema)?;
        match node.data {
            LogicalPlan::Window(window) => windows(LogicalPlan::Window(window)),
            plan => Ok(Transformed::new(plan, node.transformed, node.tnr)),
        }
    })
    .data()
}

fn has_counts(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        found |= matches!(node, LogicalPlan::Window(_));
        node.apply_expressions(|expr| {
            found |= expr.exists(|expr| {
                Ok(matches!(expr, Expr::ScalarFunction(call) if OF_ARRAYS.contains(&call.func.name())))
            })?;
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(found)
}

/// The columns of a window node, those that count as bigint.
fn windows(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let schema = Arc::clone(plan.schema());
    let LogicalPlan::Window(window) = &plan else {
        return Ok(Transformed::no(plan));
    };
    let first = schema.fields().len() - window.window_expr.len();
    let counts = |at: usize| at >= first && *schema.field(at).data_type() == DataType::UInt64;
    if !(0..schema.fields().len()).any(counts) {
        return Ok(Transformed::no(plan));
    }
    let columns = schema.iter().enumerate().map(|(at, (qualifier, field))| {
        let column = Expr::Column(Column::new(qualifier.cloned(), field.name()));
        if counts(at) {
            cast(column, DataType::Int64).alias_qualified(qualifier.cloned(), field.name())
        } else {
            column
        }
    });
    let projection = Projection::try_new(columns.collect(), Arc::new(plan.clone()))?;
    Ok(Transformed::yes(LogicalPlan::Projection(projection)))
}
