//! Where a catalogue is written: a folder of an object store, which may be this machine's disk.
//!
//! On a local disk files are written directly, so that they can be synced before anything names them; elsewhere they are
//! put whole or in parts.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use datafusion::execution::object_store::ObjectStoreUrl;
use futures::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::error::{HatsError, Result};

/// The marker of an import under way, on an object store.
pub(crate) const MARKER: &str = ".dreyer-import";

/// A folder of an object store.
#[derive(Debug, Clone)]
pub struct Place {
    /// The store.
    pub store: Arc<dyn ObjectStore>,
    /// How the store is registered with sessions.
    pub url: ObjectStoreUrl,
    /// The folder within the store.
    pub path: Path,
    /// The folder, where the store is this machine's disk.
    pub local: Option<PathBuf>,
}

impl Place {
    /// A folder of this machine's disk, which need not exist.
    ///
    /// # Errors
    /// The path cannot be made absolute, or holds what no object store can name.
    pub fn local(folder: impl AsRef<FsPath>) -> Result<Self> {
        let folder = folder.as_ref();
        let full = std::path::absolute(folder).map_err(|error| HatsError::io(folder, error))?;
        let path =
            Path::from_absolute_path(&full).map_err(|error| HatsError::io(&full, std::io::Error::other(error)))?;
        Ok(Self {
            store: Arc::new(LocalFileSystem::new()),
            url: ObjectStoreUrl::local_filesystem(),
            path,
            local: Some(full),
        })
    }

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

    /// What errors and summaries call it.
    pub fn describe(&self) -> String {
        match &self.local {
            Some(folder) => folder.display().to_string(),
            None => format!("{}{}", self.url.as_str(), self.path),
        }
    }

    /// Writes the file at `relative`, so that it is there whole or not at all, and outlives a crash.
    pub(crate) async fn write(&self, relative: &str, content: impl Into<Bytes>) -> Result<()> {
        let content = content.into();
        let Some(folder) = &self.local else {
            let path = self.object(relative);
            self.store.put(&path, content.into()).await?;
            return Ok(());
        };
        let path = folder.join(relative);
        blocking(&path, move |path| {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let growing = path.with_file_name(format!(".{name}.part"));
            let mut file = File::create(&growing)?;
            file.write_all(&content)?;
            file.sync_all()?;
            fs::rename(&growing, path)
        })
        .await
    }

    /// The object at `relative`, slashes between its folders.
    pub(crate) fn object(&self, relative: &str) -> Path {
        let parts = relative.split('/').filter(|part| !part.is_empty());
        parts.fold(self.path.clone(), |path, part| path.join(part))
    }

    /// Makes sure that nothing is there, and, on a local disk, that the folder is.
    pub(crate) async fn claim_empty(&self) -> Result<()> {
        let taken = || HatsError::Option {
            option: "place",
            fault: format!("must be empty: {}", self.describe()),
        };
        let Some(folder) = &self.local else {
            let mut found = self.store.list(Some(&self.path));
            while let Some(object) = found.try_next().await? {
                if object.location.filename() != Some(MARKER) {
                    return Err(taken());
                }
            }
            return Ok(());
        };
        fs::create_dir_all(folder).map_err(|error| HatsError::io(folder, error))?;
        let mut entries = fs::read_dir(folder).map_err(|error| HatsError::io(folder, error))?;
        match entries.next() {
            Some(_) => Err(taken()),
            None => Ok(()),
        }
    }

    /// Makes the names of all folders within it outlive a crash. Nothing to do elsewhere than on a local disk.
    pub(crate) async fn sync_folders(&self) -> Result<()> {
        let Some(folder) = &self.local else { return Ok(()) };
        blocking(folder, |folder| {
            let mut folders = BTreeSet::from([folder.to_owned()]);
            while let Some(folder) = folders.pop_first() {
                for entry in fs::read_dir(&folder)? {
                    let entry = entry?;
                    if entry.file_type()?.is_dir() {
                        folders.insert(entry.path());
                    }
                }
                sync_folder(&folder);
            }
            Ok(())
        })
        .await
    }
}

/// Not every file system can sync a folder; those that cannot need not.
pub(crate) fn sync_folder(folder: &FsPath) {
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}

/// Work on the file system, off the engine's threads.
pub(crate) async fn blocking<T: Send + 'static>(
    path: &FsPath,
    work: impl FnOnce(&FsPath) -> std::io::Result<T> + Send + 'static,
) -> Result<T> {
    let (path, owned) = (path.to_owned(), path.to_owned());
    let done = tokio::task::spawn_blocking(move || work(&owned)).await;
    done.map_err(std::io::Error::other)
        .flatten()
        .map_err(|error| HatsError::io(path, error))
}
