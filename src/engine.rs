//! Threads for one purpose: those that queries compute on, and those that fetch bytes from afar.
//!
//! Front doors live on a runtime of their own: a join that computes for seconds between two points where it yields
//! holds an engine thread, but never keeps a door from answering, a timer from firing, a cancel from being heard or a
//! connection from being read.

use std::fmt;

use tokio::runtime::{Builder, Handle, Runtime};

/// A runtime of its own. It ends when it is dropped, without waiting for what still runs there.
pub(crate) struct Engine {
    runtime: Option<Runtime>,
    handle: Handle,
}

impl Engine {
    /// Starts threads called `name`: as many as given, or one for each core.
    pub(crate) fn start(name: &str, threads: Option<usize>) -> std::io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        if let Some(threads) = threads {
            builder.worker_threads(threads);
        }
        let runtime = builder.thread_name(name).enable_all().build()?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}
