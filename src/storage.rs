//! Where bytes come from: only from places named at the start.
//!
//! SQL text cannot open a store: the registry knows the roots, and on a server the local file system behind it shows
//! nothing but what lies under them and takes no writes.

mod fence;
mod registry;
mod roots;
mod sample;

pub(crate) use registry::ClosedRegistry;
pub(crate) use roots::open_roots;
