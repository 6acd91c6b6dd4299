//! Subqueries that give one value, run before the query that they are part of, where that is for the workers: a value
//! travels, and what hands it on within one process does not.
//!
//! Only those that do not depend on the row are meant. Their value is the same whether it is found before or meanwhile.

use std::sync::Arc;

use datafusion::common::metadata::FieldMetadata;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan, Subquery};
use datafusion::physical_plan::ExecutionPlan;
use futures::future::BoxFuture;
use futures::{FutureExt, TryStreamExt};

use super::replan::Runner;
use crate::{Error, ErrorKind};

/// The operator that hands values of subqueries on.
const HANDS_ON: &str = "ScalarSubqueryExec";

impl Runner {
    /// The physical plan of a query, and what it runs under.
    ///
    /// # Errors
    /// Those of planning, and of subqueries that are run for it.
    pub(super) async fn planned(&self, plan: LogicalPlan) -> Result<(Arc<dyn ExecutionPlan>, TaskContext)> {
        let frame = self.context.execute_logical_plan(plan.clone()).await?;
        let task = frame.task_ctx();
        let physical = frame.create_physical_plan().await?;
        let hands_on = physical.exists(|node| Ok(node.name() == HANDS_ON))?;
        let for_workers =
            |cluster: &crate::cluster::Cluster| cluster.wants(&physical, task.session_config(), None).is_ok();
        if !hands_on || !self.database.cluster().is_some_and(for_workers) {
            return Ok((physical, task));
        }
        let settled = self.with_values(plan).await?;
        let frame = self.context.execute_logical_plan(settled).await?;
        let task = frame.task_ctx();
        Ok((frame.create_physical_plan().await?, task))
    }

    /// The plan with values in the place of its subqueries that give one.
    async fn with_values(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let mut values = Vec::new();
        for subquery in subqueries(&plan)? {
            let value = self.value(&subquery).await?;
            values.push((subquery, value));
        }
        let settled = plan.transform_up(|node| {
            let names = NamePreserver::new(&node);
            let settled = node.map_expressions(|expr| {
                let name = names.save(&expr);
                let settled = expr.transform_up(|expr| Ok(in_place(expr, &values)))?;
                Ok(settled.update_data(|expr| name.restore(expr)))
            })?;
            if settled.transformed {
                settled.map_data(LogicalPlan::recompute_schema)
            } else {
                Ok(settled)
            }
        })?;
        Ok(settled.data)
    }

    /// Runs a subquery: NULL if it gives no row.
    fn value<'a>(&'a self, subquery: &Subquery) -> BoxFuture<'a, Result<ScalarValue>> {
        let plan = LogicalPlan::clone(&subquery.subquery);
        let run = async move {
            let mut rows = self.settled_rows(plan).await?;
            let null = ScalarValue::try_from(rows.schema().field(0).data_type())?;
            let mut value = None;
            while let Some(batch) = rows.try_next().await? {
                for row in 0..batch.num_rows() {
                    if value.is_some() {
                        let message = "Scalar subquery returned more than one row";
                        return Err(Error::new(ErrorKind::Cardinality, message).into());
                    }
                    value = Some(ScalarValue::try_from_array(batch.column(0), row)?);
                }
            }
            Ok(value.unwrap_or(null))
        };
        run.boxed()
    }
}

/// The subqueries of a plan's own expressions that give one value and do not depend on the row.
fn subqueries(plan: &LogicalPlan) -> Result<Vec<Subquery>> {
    let mut found: Vec<Subquery> = Vec::new();
    plan.apply(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::ScalarSubquery(subquery) = expr
                    && subquery.outer_ref_columns.is_empty()
                    && !found.contains(subquery)
                {
                    found.push(subquery.clone());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(found)
}

/// The value, with all that was said of the column; any other expression stays.
fn in_place(expr: Expr, values: &[(Subquery, ScalarValue)]) -> Transformed<Expr> {
    let Expr::ScalarSubquery(subquery) = &expr else {
        return Transformed::no(expr);
    };
    let known = values.iter().find(|(known, _)| known == subquery);
    let Some((_, value)) = known else {
        return Transformed::no(expr);
    };
    let metadata = subquery.subquery.schema().field(0).metadata();
    let metadata = (!metadata.is_empty()).then(|| FieldMetadata::from(metadata));
    Transformed::yes(Expr::Literal(value.clone(), metadata))
}
