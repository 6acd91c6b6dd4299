//! The lock under which a managed table of the local disk is changed: a hidden file beside the table's folder, locked by
//! the operating system, so that a killed process lets go of it.
//!
//! It lies beside the folder because the folder itself is renamed and deleted. A lock file may be removed by whoever
//! holds its lock: a waiter then finds that the name leads to another file, or to none, and starts again.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{HatsError, Result};
use crate::managed::durable;

/// Longest wait for a lock. It is held while a manifest is replaced, never while rows are written.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(5);

const PREFIX: &str = ".";
const SUFFIX: &str = ".dreyer-lock";

/// An exclusive lock; dropping it, or dying, releases it.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Waits for the lock of the table in `folder`, for [`PATIENCE`] at most.
    pub(crate) async fn take(folder: &Path) -> Result<Self> {
        let path = lock_file(folder)?;
        let started = Instant::now();
        loop {
            let attempt = path.clone();
            if let Some(lock) = durable::blocking(move || Self::attempt(attempt)).await? {
                return Ok(lock);
            }
            if started.elapsed() > PATIENCE {
                return Err(HatsError::Conflict {
                    table: folder.display().to_string(),
                    fault: format!(
                        "another writer has held its lock for {} s; run the statement again",
                        PATIENCE.as_secs()
                    ),
                });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The locks of two tables, always taken in the same order, so that no two takers wait for each other.
    pub(crate) async fn take_both(a: &Path, b: &Path) -> Result<(Self, Self)> {
        if a < b {
            let first = Self::take(a).await?;
            Ok((first, Self::take(b).await?))
        } else {
            let first = Self::take(b).await?;
            Ok((Self::take(a).await?, first))
        }
    }

    fn attempt(path: PathBuf) -> Result<Option<Self>> {
        if let Some(parent) = path.parent() {
            durable::create_folder(parent)?;
        }
        let fault = |error| HatsError::io(&path, error);
        let open = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = open.map_err(fault)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(fault(error)),
        }
        // Removed between opening and locking: this lock would exclude nobody.
        let still_there = same_file(&file, &path);
        Ok(still_there.then_some(Self { file, path }))
    }

    /// Removes the lock file, where the table is no more.
    pub(crate) fn remove(self) -> Result<()> {
        let removed = durable::remove_file(&self.path);
        drop(self.file);
        removed
    }
}

/// Where the lock of the table in `folder` lies.
fn lock_file(folder: &Path) -> Result<PathBuf> {
    let name = folder
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or_else(|| HatsError::Option {
            option: "place",
            fault: format!("must be a folder with a name, got {}", folder.display()),
        })?;
    Ok(folder.with_file_name(format!("{PREFIX}{name}{SUFFIX}")))
}

/// The name of the table whose lock file is called `name`.
pub(crate) fn locked_table(name: &str) -> Option<&str> {
    name.strip_prefix(PREFIX)?
        .strip_suffix(SUFFIX)
        .filter(|table| !table.is_empty())
}

#[cfg(unix)]
fn same_file(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(held), Ok(named)) => identity(held) == identity(named),
        _ => false,
    }
}

/// Where an open file cannot be removed, its name leads to it.
#[cfg(not(unix))]
fn same_file(_: &File, path: &Path) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_holder_at_a_time_even_when_the_file_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("t");
        let first = Lock::take(&table).await.unwrap();
        let path = lock_file(&table).unwrap();
        assert!(Lock::attempt(path.clone()).unwrap().is_none());
        let waiting = tokio::spawn({
            let table = table.clone();
            async move { Lock::take(&table).await }
        });
        tokio::time::sleep(PAUSE * 3).await;
        assert!(!waiting.is_finished());
        first.remove().unwrap();
        let second = waiting.await.unwrap().unwrap();
        assert!(path.exists() && Lock::attempt(path).unwrap().is_none());
        drop(second);
        let other = folder.path().join("s");
        Lock::take_both(&table, &other).await.unwrap();
        Lock::take_both(&other, &table).await.unwrap();
        assert_eq!(locked_table(".t.dreyer-lock"), Some("t"));
        assert_eq!(locked_table("t.dreyer-lock"), None);
    }
}
