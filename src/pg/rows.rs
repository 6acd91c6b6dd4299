//! A running query: a task that computes batches ahead of the client by one, and stops when dropped.
//!
//! The task is not the connection's own, so that the connection can answer a cancel at once even while the plan is
//! busy between two points where it yields.

use datafusion::arrow::array::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::{Error, ErrorKind, Result};

/// The rows of a query that is being run.
#[derive(Debug)]
pub(super) struct Rows {
    /// A batch; or `None`, said last and only by a query that ran to its end. A channel that merely closes is a task
    /// that died.
    batches: mpsc::Receiver<Result<Option<RecordBatch>>>,
    _task: AbortOnDropHandle<()>,
}

impl Rows {
    pub(super) fn of(mut stream: SendableRecordBatchStream) -> Self {
        let (sender, batches) = mpsc::channel(1);
        let task = tokio::spawn(async move {
            loop {
                let item = stream.next().await.transpose().map_err(Error::from);
                let last = !matches!(item, Ok(Some(_)));
                if sender.send(item).await.is_err() || last {
                    return;
                }
            }
        });
        Self {
            batches,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// The next batch that has rows, or `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            match self.batches.recv().await {
                Some(Ok(Some(batch))) if batch.num_rows() == 0 => {}
                Some(item) => return item,
                None => return Err(Error::new(ErrorKind::Internal, "the query ended without saying so")),
            }
        }
    }
}
