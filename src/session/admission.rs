//! How many queries run at once, of all users and of each: the others wait their turn, up to a number and a time.
//!
//! ```text
//!  a query ──► a place among its user's ──► a place among all ──► it runs; its places are free when its rows end
//!                      └── as many wait as may, or too long: SQLSTATE 53400, with the limit's name
//! ```
//!
//! A query that reads only what lies in memory (the catalogue, say) needs no place, so that one who looks for what
//! goes on, and cancels it, is not kept waiting by it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::queue::{NoPlace, Queue};
use crate::{Error, ErrorKind, Limits, Result};

/// Who may run, and who waits.
#[derive(Debug)]
pub(crate) struct Admission {
    all: Option<Arc<Semaphore>>,
    /// Places of one user; 0: as many as there are.
    each: usize,
    users: Mutex<HashMap<String, Arc<Semaphore>>>,
    queue: Queue,
}

/// The places of a query that runs.
#[derive(Debug, Default)]
pub(crate) struct Pass {
    _user: Option<OwnedSemaphorePermit>,
    _all: Option<OwnedSemaphorePermit>,
}

impl Admission {
    pub(crate) fn new(limits: &Limits) -> Self {
        let places = |most: usize| Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        Self {
            all: (limits.max_queries > 0).then(|| places(limits.max_queries)),
            each: limits.max_queries_per_user.min(Semaphore::MAX_PERMITS),
            users: Mutex::default(),
            queue: Queue::new(limits.max_queued_queries, Duration::from_secs(limits.queue_timeout_s)),
        }
    }

    /// Waits for a place for a query of that user.
    ///
    /// # Errors
    /// As many wait already as may, or it takes too long.
    pub(crate) async fn admit(&self, user: &str) -> Result<Pass> {
        // One who waits for a place of their own holds none of everybody's.
        let own = match self.places_of(user) {
            Some(places) => Some(self.place(places, "limits.max_queries_per_user", self.each).await?),
            None => None,
        };
        let all = match &self.all {
            Some(places) => Some(self.place(Arc::clone(places), "limits.max_queries", 0).await?),
            None => None,
        };
        Ok(Pass { _user: own, _all: all })
    }

    fn places_of(&self, user: &str) -> Option<Arc<Semaphore>> {
        if self.each == 0 {
            return None;
        }
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = users.get(user) {
            return Some(Arc::clone(places));
        }
        // Those of whom nothing runs or waits any more.
        users.retain(|_, places| Arc::strong_count(places) > 1 || places.available_permits() < self.each);
        let places = Arc::new(Semaphore::new(self.each));
        users.insert(user.to_owned(), Arc::clone(&places));
        Some(places)
    }

    async fn place(&self, places: Arc<Semaphore>, limit: &str, most: usize) -> Result<OwnedSemaphorePermit> {
        let running = || {
            if most > 0 {
                format!("{most} queries of the user run, as many as {limit} allows")
            } else {
                format!("as many queries run as {limit} allows")
            }
        };
        self.queue.place(&places, |_| ()).await.map_err(|no| {
            let message = match no {
                NoPlace::Full => format!(
                    "too many queries: {}, and {} wait, as many as limits.max_queued_queries allows",
                    running(),
                    self.queue.most()
                ),
                NoPlace::TooLong => format!(
                    "the query has waited for {} s, as long as limits.queue_timeout_s allows: {}",
                    self.queue.patience().as_secs(),
                    running()
                ),
            };
            Error::new(ErrorKind::TooManyQueries, message).with_hint("Try again later, or close a cursor that is open.")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(all: usize, each: usize, queued: usize, patience: u64) -> Arc<Admission> {
        Arc::new(Admission::new(&Limits {
            max_queries: all,
            max_queries_per_user: each,
            max_queued_queries: queued,
            queue_timeout_s: patience,
            ..Limits::default()
        }))
    }

    #[tokio::test]
    async fn without_limits_nobody_waits() {
        let admission = admission(0, 0, 0, 0);
        let mut passes = Vec::new();
        for _ in 0..100 {
            passes.push(admission.admit("halley").await.unwrap());
        }
    }

    #[tokio::test]
    async fn the_others_wait_their_turn() {
        let admission = admission(1, 0, 1, 60);
        let first = admission.admit("halley").await.unwrap();
        let waiting = tokio::spawn({
            let admission = Arc::clone(&admission);
            async move { admission.admit("herschel").await }
        });
        while admission.queue.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        let error = admission.admit("halley").await.unwrap_err();
        assert_eq!(error.sqlstate(), "53400");
        assert!(error.message.contains("limits.max_queries allows"), "{error}");
        assert!(error.message.contains("limits.max_queued_queries"), "{error}");
        drop(first);
        let second = waiting.await.unwrap().unwrap();
        // One who gives up while waiting leaves the queue.
        drop(tokio::time::timeout(Duration::from_millis(10), admission.admit("halley")).await);
        assert_eq!(admission.queue.waiting(), 0);
        drop(second);
        assert!(admission.admit("halley").await.is_ok());
    }

    #[tokio::test]
    async fn a_user_takes_no_more_than_their_own() {
        let admission = admission(0, 1, 10, 0);
        let mine = admission.admit("halley").await.unwrap();
        let error = admission.admit("halley").await.unwrap_err();
        assert!(error.message.contains("limits.max_queries_per_user"), "{error}");
        assert!(error.message.contains("limits.queue_timeout_s"), "{error}");
        let other = admission.admit("herschel").await.unwrap();
        drop((mine, other));
        admission.admit("brahe").await.unwrap();
        assert_eq!(
            admission.users.lock().unwrap().len(),
            1,
            "those who are gone are forgotten"
        );
    }
}
