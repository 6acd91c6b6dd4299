//! Turns: so many queries are dealt to the workers at once, so many wait, and the others are told to come back.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::ClusterConfig;
use crate::queue::{NoPlace, Queue};
use crate::{Error, ErrorKind, Result};

/// Who has a turn, and who waits for one.
#[derive(Debug)]
pub(super) struct Turns {
    places: Arc<Semaphore>,
    most: usize,
    queue: Queue,
}

impl Turns {
    pub(super) fn new(config: &ClusterConfig) -> Self {
        Self {
            places: Arc::new(Semaphore::new(config.max_queries.min(Semaphore::MAX_PERMITS))),
            most: config.max_queries,
            queue: Queue::new(config.max_queued, config.queue()),
        }
    }

    /// A turn, at once or after those who came before; it ends when it is dropped. `waits` is told when the waiting begins
    /// and when it is over.
    ///
    /// # Errors
    /// [`ErrorKind::TooManyQueries`]: as many wait already as may, or it took too long.
    pub(super) async fn take(&self, waits: impl Fn(bool)) -> Result<OwnedSemaphorePermit> {
        let most = self.most;
        self.queue.place(&self.places, waits).await.map_err(|no| match no {
            NoPlace::Full => busy(format!(
                "{most} queries are on the workers (cluster.max_queries) and {} wait (cluster.max_queued)",
                self.queue.most()
            )),
            NoPlace::TooLong => busy(format!(
                "the query waited {} s (cluster.queue_s) for one of the {most} on the workers (cluster.max_queries) to \
                 end",
                self.queue.patience().as_secs_f64()
            )),
        })
    }
}

fn busy(message: String) -> Error {
    Error::new(ErrorKind::TooManyQueries, message)
        .with_hint("Try again later; SET dreyer.compute = 'local' runs the query in the server alone.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(queue_s: f64) -> Arc<Turns> {
        Arc::new(Turns::new(&ClusterConfig {
            max_queries: 1,
            max_queued: 1,
            queue_s,
            ..ClusterConfig::default()
        }))
    }

    #[tokio::test]
    async fn one_has_a_turn_one_waits_and_the_third_is_told_so() {
        let turns = turns(60.0);
        let first = turns.take(|_| ()).await.unwrap();
        let second = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move { turns.take(|_| ()).await.map(drop) }
        });
        while turns.queue.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        let third = turns.take(|_| ()).await.unwrap_err();
        assert_eq!(third.sqlstate(), "53400");
        assert!(third.message.contains("cluster.max_queued"), "{}", third.message);
        drop(first);
        second.await.unwrap().unwrap();
        assert_eq!(turns.queue.waiting(), 0);
        drop(turns.take(|_| ()).await.unwrap());
    }

    #[tokio::test]
    async fn nobody_waits_for_ever() {
        let turns = turns(0.05);
        let _first = turns.take(|_| ()).await.unwrap();
        let second = turns.take(|_| ()).await.unwrap_err();
        assert!(second.message.contains("cluster.queue_s"), "{}", second.message);
        assert_eq!(turns.queue.waiting(), 0);
    }
}
