//! What a session can name: the catalogues found under the roots, shared by all, and over them what the session made
//! itself. No metadata store: the folders are the catalogue.

mod discovery;
mod overlay;

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::catalog::TableProvider;

pub(crate) use discovery::{Root, discover};
pub(crate) use overlay::{SessionCatalog, is_shared, shared_object};

/// Name of the catalogue (PostgreSQL says database) that all tables belong to.
pub const DEFAULT_CATALOG: &str = "dreyer";

/// Schema of the tables that lie directly under a root.
pub const DEFAULT_SCHEMA: &str = "public";

/// Tables by name.
type Tables = BTreeMap<String, Arc<dyn TableProvider>>;

/// The tables found under the roots: schema, then name.
#[derive(Debug, Default)]
pub(crate) struct SharedTables {
    schemas: BTreeMap<String, Arc<Tables>>,
}

impl SharedTables {
    fn new(tables: BTreeMap<String, Tables>) -> Self {
        let mut schemas: BTreeMap<_, _> = tables
            .into_iter()
            .map(|(schema, tables)| (schema, Arc::new(tables)))
            .collect();
        schemas.entry(DEFAULT_SCHEMA.to_owned()).or_default();
        Self { schemas }
    }
}
