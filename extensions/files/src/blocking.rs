//! Decoders that block, as streams: each runs on a thread that may block, a few batches ahead of its reader.
//!
//! A decoder that panics over a file is a fault of that file's reading, not of the process: it ends as an error.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use datafusion::error::{DataFusionError, Result};
use futures::stream::{self, BoxStream, StreamExt};
use tokio::sync::mpsc::{self, Sender};

use crate::error::malformed;

/// Items that a decoder may be ahead.
const AHEAD: usize = 2;

/// Where a decoder puts what it made.
pub(crate) struct Sink<T>(Sender<Result<T>>);

/// The reader is gone: the decoder may end.
pub(crate) struct Gone;

impl<T> Sink<T> {
    /// Waits for room and puts `item` there.
    pub(crate) fn put(&self, item: T) -> Result<(), Gone> {
        self.0.blocking_send(Ok(item)).map_err(|_| Gone)
    }
}

/// What `decode` puts into its sink, as a stream. An error that `decode` returns is the last item; so is its panic,
/// told as a fault of `file`.
pub(crate) fn stream<T, D>(file: String, decode: D) -> BoxStream<'static, Result<T>>
where
    T: Send + 'static,
    D: FnOnce(&Sink<T>) -> Result<()> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(AHEAD);
    // Detached: it ends by itself when the receiver is dropped.
    drop(tokio::task::spawn_blocking(move || {
        let sink = Sink(sender);
        let ended = guarded(&file, || decode(&sink));
        if let Err(error) = ended {
            // Nobody listens any more: nothing to tell.
            let _ = sink.0.blocking_send(Err(error));
        }
    }));
    stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|item| (item, receiver))
    })
    .boxed()
}

/// What `work` returns, run on a thread that may block; its panic is told as a fault of `file`.
pub(crate) async fn run<T, W>(file: String, work: W) -> Result<T>
where
    T: Send + 'static,
    W: FnOnce() -> Result<T> + Send + 'static,
{
    tokio::task::spawn_blocking(move || guarded(&file, work))
        .await
        .map_err(|error| DataFusionError::External(Box::new(error)))?
}

fn guarded<T>(file: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(panicked(file, panic.as_ref())))
}

/// A panic of a decoder as a fault of the file.
pub(crate) fn panicked(file: &str, panic: &(dyn Any + Send)) -> DataFusionError {
    dreyer_guard::panicked(file, panic, malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn items_come_in_order_and_the_error_last() {
        let items = stream("x.csv".to_owned(), |sink| {
            for item in 0..10 {
                if sink.put(item).is_err() {
                    return Ok(());
                }
            }
            Err(DataFusionError::Execution("over".to_owned()))
        });
        let items: Vec<Result<i32>> = items.collect().await;
        assert_eq!(items.len(), 11);
        assert!(
            items[..10]
                .iter()
                .enumerate()
                .all(|(at, item)| matches!(item, Ok(n) if *n as usize == at))
        );
        assert!(items[10].is_err());
    }

    #[tokio::test]
    async fn a_panic_is_an_error_that_names_the_file() {
        let mut items = stream::<i32, _>("x.csv".to_owned(), |_| panic!("boo"));
        let error = items.next().await.unwrap().unwrap_err().to_string();
        assert!(error.contains("x.csv") && error.contains("boo"), "{error}");
        assert!(items.next().await.is_none());
    }
}
