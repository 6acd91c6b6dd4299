//! Where a catalogue is written: a folder of an object store.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::execution::object_store::ObjectStoreUrl;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::error::Result;

/// A folder of an object store.
#[derive(Debug, Clone)]
pub struct Place {
    /// The store.
    pub store: Arc<dyn ObjectStore>,
    /// How sessions know the store.
    pub url: ObjectStoreUrl,
    /// The folder within the store.
    pub path: Path,
    /// The folder, where the store is this machine's disk.
    pub local: Option<PathBuf>,
}

impl Place {
    /// The folder `name` within it.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        Self {
            store: Arc::clone(&self.store),
            url: self.url.clone(),
            path: self.path.clone().join(name),
            local: self.local.as_ref().map(|folder| folder.join(name)),
        }
    }

    /// Writes the file at `relative`, whole.
    pub(crate) async fn write(&self, relative: &str, content: impl Into<Bytes>) -> Result<()> {
        self.store.put(&self.object(relative), content.into().into()).await?;
        Ok(())
    }

    /// The object at `relative`, slashes between its folders.
    pub(crate) fn object(&self, relative: &str) -> Path {
        let parts = relative.split('/').filter(|part| !part.is_empty());
        parts.fold(self.path.clone(), |path, part| path.join(part))
    }
}
