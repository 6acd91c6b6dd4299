//! What a planner has to say to the user beside the plan: kept in the session until a front door shows it.

use std::sync::{Arc, Mutex, PoisonError};

use datafusion::prelude::SessionConfig;

/// Most notices that wait to be shown; a front door that shows none must not fill the memory.
const MOST: usize = 32;

/// Notices of a session, kept as an extension of its [`SessionConfig`].
#[derive(Debug, Default)]
pub struct Notices(Mutex<Vec<String>>);

impl Notices {
    /// The notices of a session; those of one without go nowhere.
    pub fn of(config: &SessionConfig) -> Arc<Self> {
        config.get_extension::<Self>().unwrap_or_default()
    }

    /// Adds a notice, once.
    pub fn say(&self, notice: String) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < MOST && !waiting.contains(&notice) {
            waiting.push(notice);
        }
    }

    /// The notices since the last time.
    #[must_use]
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
