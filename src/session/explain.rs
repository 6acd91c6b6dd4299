//! What EXPLAIN adds to the engine's: the stages of a query that would be dealt to workers, in place of the plan for one
//! process, or why it would not, and what it costs.

use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::Result;
use datafusion::common::display::{PlanType, StringifiedPlan};
use datafusion::common::format::ExplainFormat;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::explain::ExplainExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion_distributed::display_plan_ascii;
use futures::{StreamExt, stream};

use super::cost::{Usage, spent};
use crate::PriceConfig;
use crate::cluster::Stays;

/// `explain`, if that is what it is, with `stages` as the plan that it shows.
pub(super) fn with_stages(
    explain: &Arc<dyn ExecutionPlan>,
    stages: &Arc<dyn ExecutionPlan>,
) -> Option<Arc<dyn ExecutionPlan>> {
    let exec = explain.downcast_ref::<ExplainExec>()?;
    let shown = exec.stringified_plans().iter().map(|plan| {
        if plan.plan_type == PlanType::FinalPhysicalPlan {
            StringifiedPlan::new(PlanType::FinalPhysicalPlan, display_plan_ascii(stages.as_ref(), false))
        } else {
            plan.clone()
        }
    });
    Some(Arc::new(ExplainExec::new(
        explain.schema(),
        shown.collect(),
        exec.verbose(),
    )))
}

/// The query that a statement explains without running it, where that is told in lines of text.
pub(super) fn explained(plan: &LogicalPlan) -> Option<Arc<LogicalPlan>> {
    match plan {
        LogicalPlan::Explain(explain)
            if matches!(explain.explain_format, ExplainFormat::Indent | ExplainFormat::Tree) =>
        {
            Some(Arc::clone(&explain.plan))
        }
        _ => None,
    }
}

/// `rows` of EXPLAIN, and after them why no worker takes part, where any could.
pub(super) fn with_place(rows: SendableRecordBatchStream, stays: Option<Stays>) -> SendableRecordBatchStream {
    match stays {
        Some(Stays(why)) if is_told_in_lines(&rows) => {
            let schema = rows.schema();
            let row = last_row(Arc::clone(&schema), "workers", format!("none: {why}"));
            let rows = rows.chain(stream::iter([row]));
            Box::pin(RecordBatchStreamAdapter::new(schema, rows))
        }
        _ => rows,
    }
}

fn is_told_in_lines(rows: &SendableRecordBatchStream) -> bool {
    let schema = rows.schema();
    schema.fields().len() == 2 && schema.fields().iter().all(|field| *field.data_type() == DataType::Utf8)
}

/// `rows` of EXPLAIN, and after them what the query costs: as estimated, and as counted if `run` was run.
pub(super) fn with_cost(
    rows: SendableRecordBatchStream,
    prices: &PriceConfig,
    estimate: Usage,
    run: Option<Arc<dyn ExecutionPlan>>,
) -> SendableRecordBatchStream {
    let schema = rows.schema();
    if !is_told_in_lines(&rows) {
        return rows;
    }
    let (prices, last) = (prices.clone(), Arc::clone(&schema));
    let cost = async move {
        let mut told = format!("estimated: {}", estimate.told(&prices));
        if let Some(run) = run {
            told = format!("{told}\nspent: {}", spent(&run).await.told(&prices));
        }
        last_row(last, "cost", told)
    };
    let rows = rows.chain(stream::once(cost));
    Box::pin(RecordBatchStreamAdapter::new(schema, rows))
}

fn last_row(schema: SchemaRef, what: &str, told: String) -> Result<RecordBatch> {
    let columns = [what.to_owned(), told].map(|text| Arc::new(StringArray::from(vec![text])) as _);
    Ok(RecordBatch::try_new(schema, columns.to_vec())?)
}
