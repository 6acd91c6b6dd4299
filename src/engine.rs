//! The threads that queries run on.
//!
//! Front doors live on a runtime of their own: a join that computes for seconds between two points where it yields
//! holds an engine thread, but never keeps a door from answering, a timer from firing or a cancel from being heard.

use std::fmt;

use tokio::runtime::{Builder, Handle, Runtime};

/// A runtime for computing. It ends when it is dropped, without waiting for what still runs there.
pub(crate) struct Engine {
    runtime: Option<Runtime>,
    handle: Handle,
}

impl Engine {
    pub(crate) fn start() -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .thread_name("dreyer-engine")
            .enable_all()
            .build()?;
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
