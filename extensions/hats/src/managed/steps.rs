//! Places in a write where a crash makes a difference. Outside tests they are nothing; in tests a write can be stopped
//! for ever at the n-th of them, and dropped there, which leaves what a killed process would leave.

/// The steps of one handle's writes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Steps {
    #[cfg(test)]
    stop: Option<std::sync::Arc<Stop>>,
}

#[cfg(test)]
#[derive(Debug)]
struct Stop {
    /// Steps to pass before the one at which to stop.
    left: std::sync::atomic::AtomicUsize,
    reached: tokio::sync::Notify,
    last: std::sync::Mutex<&'static str>,
}

impl Steps {
    /// Says that what `step` names has been done.
    #[cfg(not(test))]
    #[expect(clippy::unused_async, reason = "the tests stop here")]
    pub(crate) async fn reached(&self, step: &'static str) {
        tracing::trace!(step, "managed table");
    }

    #[cfg(test)]
    pub(crate) async fn reached(&self, step: &'static str) {
        use std::sync::atomic::Ordering::SeqCst;
        let Some(stop) = &self.stop else { return };
        *stop.last.lock().unwrap() = step;
        if stop
            .left
            .fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1))
            .is_err()
        {
            stop.reached.notify_one();
            std::future::pending::<()>().await;
        }
    }

    /// Runs `write` with steps that stop at the n-th, counted from 0. `Err` holds the step's name; `Ok` means that the
    /// write has fewer steps and came to its end.
    #[cfg(test)]
    pub(crate) async fn stopping_at<T>(n: usize, write: impl AsyncFnOnce(Self) -> T) -> Result<T, &'static str> {
        let stop = std::sync::Arc::new(Stop {
            left: n.into(),
            reached: tokio::sync::Notify::new(),
            last: "".into(),
        });
        let steps = Self {
            stop: Some(std::sync::Arc::clone(&stop)),
        };
        tokio::select! {
            done = write(steps) => Ok(done),
            () = stop.reached.notified() => Err(*stop.last.lock().unwrap()),
        }
    }
}
