//! A queue before places: so many may wait, for so long, and the others are told to come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Those who wait.
#[derive(Debug)]
pub(crate) struct Queue {
    waiting: AtomicUsize,
    most: usize,
    patience: Duration,
}

/// Why there was no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// As many wait already as may.
    Full,
    /// It took too long.
    TooLong,
}

impl Queue {
    pub(crate) fn new(most: usize, patience: Duration) -> Self {
        Self {
            waiting: AtomicUsize::new(0),
            most,
            patience,
        }
    }

    /// How many may wait.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// How long one waits.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    /// A place, at once or after those who came before; it is free again when it is dropped. `waits` is told when the
    /// waiting begins and when it is over.
    ///
    /// # Errors
    /// As many wait already as may, or it took too long.
    pub(crate) async fn place(
        &self,
        places: &Arc<Semaphore>,
        waits: impl Fn(bool),
    ) -> Result<OwnedSemaphorePermit, NoPlace> {
        if let Ok(place) = Arc::clone(places).try_acquire_owned() {
            return Ok(place);
        }
        let waiting = Waiting::enter(&self.waiting);
        if waiting.before >= self.most {
            return Err(NoPlace::Full);
        }
        waits(true);
        let place = tokio::time::timeout(self.patience, Arc::clone(places).acquire_owned()).await;
        waits(false);
        // The places are never closed, so what fails is patience.
        place.ok().and_then(Result::ok).ok_or(NoPlace::TooLong)
    }

    /// How many wait.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }
}

/// One who waits.
struct Waiting<'a> {
    all: &'a AtomicUsize,
    before: usize,
}

impl<'a> Waiting<'a> {
    fn enter(all: &'a AtomicUsize) -> Self {
        let before = all.fetch_add(1, Ordering::SeqCst);
        Self { all, before }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.all.fetch_sub(1, Ordering::SeqCst);
    }
}
