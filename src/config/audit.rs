//! What the `[audit]` part of a configuration says: where it is written down who asked what.

use std::path::PathBuf;

use serde::Deserialize;

/// A log of log-ins and statements, a line of JSON each.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditConfig {
    /// The file; only its owner may read it. Default: none.
    pub file: Option<PathBuf>,

    /// Length in bytes at which the file is renamed to `FILE.1`, in the place of the one before, and another begun.
    /// Default 1 GiB.
    pub max_bytes: u64,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self {
            file: None,
            max_bytes: 1 << 30,
        }
    }
}
