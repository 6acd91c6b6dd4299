//! An import as a user starts it: unseen while it grows, there when it is whole, and nothing left of those that died.
//!
//! On a local disk the catalogue grows in the hidden folder `.NAME.import` beside its target and is renamed in the end;
//! the file `.NAME.import.lock`, locked as long as the process lives, tells a live run from a dead one's leftovers.
//! Elsewhere it grows at its target, without properties, beside a marker that is renewed while the run lives.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;

use object_store::path::Path;

use super::marked::{DEAD_AFTER_SECONDS, Marked};
use super::options::fault;
use super::{ImportOptions, Input, Place, Progress, Written, owner, supplements};
use crate::error::{HatsError, Result};
use crate::place::{blocking, sync_folder};

/// What an import wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportSummary {
    /// The catalogue or collection, as its place calls itself.
    pub place: String,
    /// Rows written.
    pub rows: u64,
    /// Rows without a usable position, put aside.
    pub bad_rows: u64,
    /// Tiles, which are leaf files.
    pub tiles: usize,
    /// Row groups in all leaves.
    pub row_groups: usize,
    /// Bytes of all leaves.
    pub bytes: u64,
    /// Bytes that sorting put on disk, for want of memory.
    pub spilled_bytes: u64,
}

impl ImportSummary {
    fn new(place: &Place, written: &Written) -> Self {
        Self {
            place: place.describe(),
            rows: written.rows,
            bad_rows: written.bad_rows,
            tiles: written.leaves.len(),
            row_groups: written.leaves.iter().map(|leaf| leaf.row_groups).sum(),
            bytes: written.leaves.iter().map(|leaf| leaf.meta.size).sum(),
            spilled_bytes: written.spilled_bytes,
        }
    }
}

/// Makes the catalogue that `options` describe at `target`. On error, nothing is left behind.
///
/// # Errors
/// Those of [`write_catalog`](super::write_catalog); a target that exists; another import of it that is under way.
pub async fn import(
    input: Input,
    target: &Place,
    options: &ImportOptions,
    progress: &dyn Progress,
) -> Result<ImportSummary> {
    options.check()?;
    let options = &ImportOptions {
        name: Some(options.name(target)),
        ..options.clone()
    };
    match &target.local {
        Some(folder) => {
            let growing = Hidden::beside(folder)?;
            let place = target_sibling(target, growing.path())?;
            let whole = supplements::write_all(input, &place, options, progress).await?;
            let written = whole.publish().await?;
            let folder = folder.clone();
            blocking(&folder.clone(), move |_| growing.rename_to(&folder)).await?;
            Ok(ImportSummary::new(target, &written))
        }
        None => {
            let marked = Marked::claim(target, DEAD_AFTER_SECONDS, options.restart).await?;
            let written = async {
                let whole = supplements::write_all(input, target, options, progress).await?;
                marked.confirm().await?;
                whole.publish().await
            };
            match written.await {
                Ok(written) => {
                    marked.release().await?;
                    Ok(ImportSummary::new(target, &written))
                }
                Err(error) => {
                    marked.clear().await;
                    Err(error)
                }
            }
        }
    }
}

/// The place of a folder beside that of `target`.
fn target_sibling(target: &Place, folder: &FsPath) -> Result<Place> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let mut parts: Vec<_> = target.path.parts().collect();
    if parts.pop().is_none() {
        return Err(fault("target", "must name a folder to create"));
    }
    let parent: Path = parts.into_iter().collect();
    Ok(Place {
        store: Arc::clone(&target.store),
        url: target.url.clone(),
        path: parent.join(name.as_ref()),
        local: Some(folder.to_owned()),
    })
}

/// A folder that nobody discovers, beside where its content shall appear, and the lock that says that somebody works on
/// it. Removed if its content never appears.
struct Hidden {
    path: PathBuf,
    lock_path: PathBuf,
    _lock: File,
}

impl Hidden {
    /// Claims the target, removing what a dead run left of it.
    fn beside(target: &FsPath) -> Result<Self> {
        let Some(name) = target.file_name().map(|name| name.to_string_lossy().into_owned()) else {
            return Err(fault("target", "must name a folder to create"));
        };
        absent(target).map_err(|fault| exists(target, fault))?;
        let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(FsPath::new("."));
        fs::create_dir_all(parent).map_err(|error| HatsError::io(parent, error))?;
        let lock_path = parent.join(format!(".{name}.import.lock"));
        let lock = lock(&lock_path, target)?;
        let hidden = Self {
            path: parent.join(format!(".{name}.import")),
            lock_path,
            _lock: lock,
        };
        // Whoever left this is dead: the lock was free.
        hidden.remove().map_err(|error| HatsError::io(&hidden.path, error))?;
        fs::create_dir(&hidden.path).map_err(|error| HatsError::io(&hidden.path, error))?;
        Ok(hidden)
    }

    fn path(&self) -> &FsPath {
        &self.path
    }

    fn remove(&self) -> std::io::Result<()> {
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Makes the content appear at `target`, in one step.
    fn rename_to(self, target: &FsPath) -> std::io::Result<()> {
        absent(target)?;
        fs::rename(&self.path, target)?;
        // The name must outlive a crash as the content does.
        if let Some(parent) = target.parent() {
            sync_folder(parent);
        }
        Ok(())
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // After the rename there is nothing under this name.
        let _ = self.remove();
        let _ = fs::remove_file(&self.lock_path);
    }
}

fn absent(target: &FsPath) -> std::io::Result<()> {
    match target.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(std::io::ErrorKind::AlreadyExists.into()),
    }
}

fn exists(target: &FsPath, error: std::io::Error) -> HatsError {
    match error.kind() {
        std::io::ErrorKind::AlreadyExists => fault("target", format!("must not exist yet: {}", target.display())),
        _ => HatsError::io(target, error),
    }
}

/// The lock file, locked by us and still there under its name.
fn lock(path: &FsPath, target: &FsPath) -> Result<File> {
    let io = |error| HatsError::io(path, error);
    loop {
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path);
        let mut file = opened.map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                let _ = file.read_to_string(&mut owner);
                return Err(busy(&target.display().to_string(), &owner));
            }
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        // A run that ended between opening and locking has removed the file that we hold.
        if !same_file(&file, path) {
            continue;
        }
        file.set_len(0).map_err(io)?;
        file.write_all(owner::words().as_bytes()).map_err(io)?;
        return Ok(file);
    }
}

#[cfg(unix)]
fn same_file(file: &File, path: &FsPath) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(held), Ok(named)) => id(held) == id(named),
        _ => false,
    }
}

#[cfg(not(unix))]
fn same_file(_: &File, path: &FsPath) -> bool {
    path.exists()
}

pub(crate) fn busy(target: &str, owner: &str) -> HatsError {
    let told = format!("is being imported already: {target} ({})", owner.trim());
    fault("target", told)
}

/// Whether a run is at work in the hidden folder `growing`. Blocks on the disk.
pub(crate) fn is_live(growing: &FsPath) -> bool {
    let lock = growing.with_file_name(format!(
        "{}.lock",
        growing.file_name().unwrap_or_default().to_string_lossy()
    ));
    let opened = OpenOptions::new().write(true).open(lock);
    opened.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}
