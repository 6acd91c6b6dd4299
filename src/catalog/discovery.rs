//! From roots to tables: every HATS catalogue or collection under a root, by the path that leads to it.
//!
//! `ROOT/NAME` is table `NAME`, `ROOT/FOLDER/NAME` is `FOLDER.NAME`. With no root at all, the sample sky.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::execution::object_store::ObjectStoreUrl;
use dreyer_sky::hats::HatsTable;
use object_store::ObjectStore;
use object_store::path::Path;

use super::{DEFAULT_SCHEMA, SharedTables, Tables};
use crate::{Error, ErrorKind, Result};

/// A place to look for catalogues.
#[derive(Debug, Clone)]
pub(crate) struct Root {
    /// As the user wrote it, for messages.
    pub(crate) given: String,
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) url: ObjectStoreUrl,
    pub(crate) path: Path,
}

/// The tables under all roots.
///
/// # Errors
/// A root holds no catalogue, a catalogue cannot be read, or two claim one name.
pub(crate) async fn discover(roots: &[Root]) -> Result<SharedTables> {
    let mut tables: BTreeMap<String, Tables> = BTreeMap::new();
    for root in roots {
        let found = dreyer_sky::hats::discover(Arc::clone(&root.store), root.url.clone(), root.path.clone()).await?;
        if found.is_empty() {
            let message = format!("no HATS catalogue under {}", root.given);
            return Err(Error::new(ErrorKind::Io, message).with_hint(
                "A catalogue is a folder with a hats.properties file; a root is the folder above it. \
                 Make one with `dreyer import`.",
            ));
        }
        for table in found {
            let schema = table.schema.unwrap_or_else(|| DEFAULT_SCHEMA.to_owned());
            let provider: Arc<dyn TableProvider> = Arc::new(HatsTable::new(table.catalog));
            let name = table.name;
            if tables
                .entry(schema.clone())
                .or_default()
                .insert(name.clone(), provider)
                .is_some()
            {
                let message = format!(
                    "two roots hold a catalogue {schema}.{name}; the second is {}",
                    root.given
                );
                return Err(Error::new(ErrorKind::DuplicateTable, message)
                    .with_hint("Rename one of the folders, or move it one folder deeper."));
            }
        }
    }
    Ok(SharedTables::new(tables))
}
