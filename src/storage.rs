//! Where bytes come from, and where they may go: only places named at the start.
//!
//! SQL text cannot open a store: the registry knows the roots, and behind it stand, for what is not on this machine's
//! disk, the layers of a read that may fail:
//!
//! ```text
//!  Fence     nothing but what lies under a root; no writes but under a writable one; no way out by a symbolic link
//!  Steady    exactly the bytes asked for, of one version; a cut body is resumed; errors in plain words, no secrets
//!  (client)  S3, Google, Azure or HTTP as `object_store` speaks them: signatures, pages of listings, answers retried
//!  Wire      on threads of its own: time-outs, requests at once, bytes ahead of the reader, counters
//! ```
//!
//! A folder on this machine has only the fence, and in a shell of one's own not even that.

mod address;
mod connect;
mod contain;
mod counters;
mod fault;
mod fence;
mod flat;
mod registry;
mod root;
mod sample;
mod steady;
mod stretch;
mod wire;

pub use counters::StoreMetrics;
pub(crate) use fault::StoreFault;
pub(crate) use registry::ClosedRegistry;
pub(crate) use root::{Root, open_roots};
