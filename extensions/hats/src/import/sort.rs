//! All rows in the order of the HEALPix curve: the engine's external sort, which spills when memory runs out.

use std::sync::Arc;

use datafusion::common::Column;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};

use super::read::Inputs;
use crate::error::Result;
use crate::layout;

/// A sort under way.
pub(crate) struct Sorted {
    /// The rows of all inputs in ascending order of the index.
    pub(crate) rows: SendableRecordBatchStream,
    plan: Arc<dyn ExecutionPlan>,
}

impl Sorted {
    /// Bytes that went to disk so far.
    pub(crate) fn spilled_bytes(&self) -> u64 {
        spilled(&self.plan)
    }
}

/// Starts to sort the rows of all inputs.
pub(crate) async fn sorted(inputs: &Inputs) -> Result<Sorted> {
    let index = Expr::Column(Column::new_unqualified(layout::INDEX_COLUMN));
    let frame = inputs.rows().await?.sort(vec![index.sort(true, false)])?;
    let context = Arc::new(frame.task_ctx());
    let plan = frame.create_physical_plan().await?;
    Ok(Sorted {
        rows: execute_stream(Arc::clone(&plan), context)?,
        plan,
    })
}

fn spilled(plan: &Arc<dyn ExecutionPlan>) -> u64 {
    let here = plan.metrics().and_then(|metrics| metrics.spilled_bytes()).unwrap_or(0) as u64;
    here + plan.children().into_iter().map(spilled).sum::<u64>()
}
