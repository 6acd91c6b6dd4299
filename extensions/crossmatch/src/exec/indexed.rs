//! Indexed matching: one side held whole in memory, sorted on the sky; the other streams past it.

use std::sync::Arc;

use datafusion::common::{DataFusionError, JoinSide, Result, internal_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::ExecutionPlanProperties;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::future::{BoxFuture, Shared};
use futures::{FutureExt, TryFutureExt, stream};

use super::index::{Search, SkyIndex};
use super::metrics::MatchMetrics;
use super::stream::{Passing, hold};
use super::{CrossMatchExec, Side};

/// The held side on its way into memory, shared by all partitions: whoever polls first does the work.
pub(crate) type Loading = Shared<BoxFuture<'static, Result<Arc<Loaded>, Arc<DataFusionError>>>>;

/// The held side, and the memory that it was granted.
#[derive(Debug)]
pub(crate) struct Loaded {
    held: Arc<SkyIndex>,
    reservation: MemoryReservation,
}

pub(crate) fn execute(
    exec: &CrossMatchExec,
    held: JoinSide,
    partition: usize,
    context: Arc<TaskContext>,
) -> Result<SendableRecordBatchStream> {
    let (streamed_plan, streamed_side) = match held {
        JoinSide::Left => (&exec.right, &exec.right_side),
        _ => (&exec.left, &exec.left_side),
    };
    let loading = loading(exec, held, &context)?;
    let input = streamed_plan.execute(partition, Arc::clone(&context))?;
    let Side {
        position, index_column, ..
    } = streamed_side.clone();
    let judge = exec.judge(held);
    let metrics = MatchMetrics::new(&exec.metrics, partition);
    let (radius_deg, batch_size) = (exec.radius_deg, context.session_config().batch_size());

    let passing = async move {
        let loaded = loading.await.map_err(DataFusionError::Shared)?;
        if partition == 0 {
            metrics.held_rows.add(loaded.held.len());
            metrics.held_bytes.set_max(loaded.reservation.size());
        }
        let search = Search::new(&loaded.held, radius_deg);
        let held = Arc::clone(&loaded.held);
        let passing = Passing {
            input,
            position,
            index_column,
            within: None,
            search,
            held,
            judge,
            batch_size,
            metrics,
            current: None,
        };
        Ok::<_, DataFusionError>(stream::try_unfold(
            (passing, loaded),
            |(mut passing, loaded)| async move { Ok(passing.next().await?.map(|batch| (batch, (passing, loaded)))) },
        ))
    };
    Ok(Box::pin(RecordBatchStreamAdapter::new(
        Arc::clone(&exec.schema),
        passing.try_flatten_stream(),
    )))
}

/// The held side's loading, begun by the first partition that asks.
fn loading(exec: &CrossMatchExec, held: JoinSide, context: &Arc<TaskContext>) -> Result<Loading> {
    let Ok(mut slot) = exec.loaded.lock() else {
        return internal_err!("the held side of a cross-match was lost to a panic in another partition");
    };
    if let Some(loading) = slot.as_ref() {
        return Ok(loading.clone());
    }
    let (plan, side) = match held {
        JoinSide::Left => (&exec.left, &exec.left_side),
        _ => (&exec.right, &exec.right_side),
    };
    let partitions = plan.output_partitioning().partition_count();
    if partitions != 1 {
        return internal_err!("the held side of a cross-match must be one partition, not {partitions}");
    }
    let input = plan.execute(0, Arc::clone(context))?;
    let Side {
        position, index_column, ..
    } = side.clone();
    let reservation = MemoryConsumer::new("CrossMatchExec[held side]").register(context.memory_pool());
    let loading = async move {
        let held = hold(input, &position, index_column, None, &reservation)
            .await
            .map_err(Arc::new)?;
        Ok(Arc::new(Loaded {
            held: Arc::new(held),
            reservation,
        }))
    };
    let loading = loading.boxed().shared();
    *slot = Some(loading.clone());
    Ok(loading)
}
