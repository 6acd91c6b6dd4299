//! What must last and is in no catalogue: views, and comments on tables that keep none themselves.
//!
//! One JSON document a schema, `STATE/v1/schemas/NAME.json`, on any object store. A document is replaced as a whole,
//! and only if it is still the one that was read; so any number of processes may share a state, and of two that change
//! one document at once, the second sees what the first did before it decides. Without a configured place the
//! documents lie in memory and end with the process.
//!
//! Tables are not state: their own folder says all about them.

mod commit;
mod document;
mod store;

pub(crate) use document::{Comments, SchemaState, View};
pub(crate) use store::StateStore;
