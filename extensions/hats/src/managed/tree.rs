//! All that lies under a place: from the file system where it is local, which also knows folders without files and
//! uploads that were broken off, else from the store.

use std::fs;
use std::path::Path as FsPath;

use chrono::{DateTime, Utc};
use futures::TryStreamExt;

use crate::error::{HatsError, Result};
use crate::import::Place;
use crate::managed::durable::blocking;

/// A file, or a folder without any.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Path from the place where the walk began, with `/` between names.
    pub(crate) path: String,
    pub(crate) modified: DateTime<Utc>,
    pub(crate) bytes: u64,
    pub(crate) is_folder: bool,
}

/// Everything under `place`; nothing, if it is not there. Symbolic links are not followed.
pub(crate) async fn walk(place: &Place) -> Result<Vec<Entry>> {
    if let Some(folder) = place.local.clone() {
        return blocking(move || {
            let mut entries = Vec::new();
            if folder.is_dir() {
                walk_folder(&folder, "", &mut entries)?;
            }
            Ok(entries)
        })
        .await;
    }
    let root = place.path.as_ref();
    let listed = place.store.list(Some(&place.path)).map_ok(|file| {
        let path = file.location.as_ref();
        Entry {
            path: path
                .strip_prefix(root)
                .unwrap_or(path)
                .trim_start_matches('/')
                .to_owned(),
            modified: file.last_modified,
            bytes: file.size,
            is_folder: false,
        }
    });
    Ok(listed.try_collect().await?)
}

fn walk_folder(folder: &FsPath, path: &str, entries: &mut Vec<Entry>) -> Result<()> {
    let fault = |error| HatsError::io(folder, error);
    let mut empty = true;
    for entry in fs::read_dir(folder).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        empty = false;
        let name = entry.file_name();
        // Nothing of ours has a name that is not text.
        let Some(name) = name.to_str() else { continue };
        let path = if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}/{name}")
        };
        // Gone in the meantime, as files of a live system are.
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_dir() {
            match walk_folder(&entry.path(), &path, entries) {
                Err(HatsError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
                done => done?,
            }
        } else {
            entries.push(Entry {
                path,
                modified: modified(&metadata),
                bytes: metadata.len(),
                is_folder: false,
            });
        }
    }
    if empty && !path.is_empty() {
        let metadata = fs::metadata(folder).map_err(fault)?;
        entries.push(Entry {
            path: path.to_owned(),
            modified: modified(&metadata),
            bytes: 0,
            is_folder: true,
        });
    }
    Ok(())
}

/// When it was last written; where the system does not say, now, so that it counts as in use.
fn modified(metadata: &fs::Metadata) -> DateTime<Utc> {
    metadata.modified().map_or_else(|_| Utc::now(), DateTime::<Utc>::from)
}
