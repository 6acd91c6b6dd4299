//! What a session can name: the catalogues found under the roots, shared by all, and over them what the session made
//! itself. No metadata store: the folders are the catalogue.

mod discovery;
mod entry;
mod handed;
mod live;
mod overlay;

use std::collections::BTreeMap;
use std::sync::Arc;

use entry::Entry;
pub(crate) use handed::Handed;
pub(crate) use live::{LiveCatalog, keep_current};
pub(crate) use overlay::{SessionCatalog, is_own, is_shared, shared_object};

use crate::storage::Root;

/// Name of the catalogue (PostgreSQL says database) that all tables belong to.
pub const DEFAULT_CATALOG: &str = "dreyer";

/// Schema of the tables that lie directly under a root.
pub const DEFAULT_SCHEMA: &str = "public";

/// What lies under the roots: schema, then name.
type Known = BTreeMap<String, BTreeMap<String, Arc<Entry>>>;
