//! Files of the local disk that outlive a crash: written beside, synced, renamed into place, and the folder synced.
//!
//! `object_store`'s local store renames too, but syncs nothing.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::error::{HatsError, Result};
use crate::managed::manifest::fresh_id;

/// How the names of files that were never renamed into place begin.
const STAGED_PREFIX: &str = ".dreyer-staged-";

/// Whether a file of that name was left by a crash.
pub(crate) fn is_staged(name: &str) -> bool {
    name.starts_with(STAGED_PREFIX)
}

/// Runs work that blocks on the disk off the async threads.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(HatsError::Store(object_store::Error::JoinError { source: error })),
    }
}

/// A file that is on the disk, but not yet under its name. Removed if it never gets there.
#[derive(Debug)]
pub(crate) struct Staged {
    path: PathBuf,
    installed: bool,
}

impl Staged {
    /// Writes `bytes` beside their later place in `folder`, which is created where it is absent.
    pub(crate) fn write(folder: &Path, bytes: &[u8]) -> Result<Self> {
        create_folder(folder)?;
        let staged = Self {
            path: folder.join(format!("{STAGED_PREFIX}{}", fresh_id())),
            installed: false,
        };
        let write = |path: &Path| {
            let mut file = File::create_new(path)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        write(&staged.path).map_err(|error| HatsError::io(&staged.path, error))?;
        Ok(staged)
    }

    /// Gives the file its name, in place of what had it: readers see the old file or the new one.
    pub(crate) fn install(mut self, name: &str) -> Result<()> {
        let target = self.path.with_file_name(name);
        fs::rename(&self.path, &target).map_err(|error| HatsError::io(&target, error))?;
        self.installed = true;
        if let Some(folder) = target.parent() {
            sync_folder(folder)?;
        }
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.installed {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Creates a folder and those above it; each is on the disk afterwards.
pub(crate) fn create_folder(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        create_folder(parent)?;
    }
    match fs::create_dir(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(HatsError::io(folder, error)),
        _ => folder.parent().map_or(Ok(()), sync_folder),
    }
}

/// Makes the names in a folder outlive a crash. Where the system cannot sync folders, it keeps them in order itself.
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    match File::open(folder).and_then(|open| open.sync_all()) {
        Err(error) if !matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) && cfg!(unix) => {
            Err(HatsError::io(folder, error))
        }
        _ => Ok(()),
    }
}

/// Makes a folder outlive a crash with all that is in it, and its name in the folder above.
pub(crate) fn sync_tree(folder: &Path) -> Result<()> {
    let fault = |error| HatsError::io(folder, error);
    for entry in fs::read_dir(folder).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        if path.is_dir() {
            sync_tree(&path)?;
        } else {
            let synced = File::open(&path).and_then(|file| file.sync_all());
            synced.map_err(|error| HatsError::io(&path, error))?;
        }
    }
    sync_folder(folder)?;
    folder.parent().map_or(Ok(()), sync_folder)
}

/// Deletes a file; one that is gone already is fine.
pub(crate) fn remove_file(path: &Path) -> Result<()> {
    absent_is_fine(path, fs::remove_file(path))
}

/// Deletes a folder with all that is in it; one that is gone already is fine.
pub(crate) fn remove_tree(path: &Path) -> Result<()> {
    absent_is_fine(path, fs::remove_dir_all(path))
}

fn absent_is_fine(path: &Path, result: std::io::Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(HatsError::io(path, error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        let staged = Staged::write(&inner, b"old").unwrap();
        assert!(!inner.join("f").exists());
        staged.install("f").unwrap();
        let staged = Staged::write(&inner, b"new").unwrap();
        assert_eq!(fs::read(inner.join("f")).unwrap(), b"old");
        assert_eq!(fs::read_dir(&inner).unwrap().count(), 2);
        drop(staged);
        assert_eq!(fs::read_dir(&inner).unwrap().count(), 1);
        Staged::write(&inner, b"new").unwrap().install("f").unwrap();
        assert_eq!(fs::read(inner.join("f")).unwrap(), b"new");
        sync_tree(folder.path()).unwrap();
        remove_tree(&inner).unwrap();
        remove_tree(&inner).unwrap();
    }
}
