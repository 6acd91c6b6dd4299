//! Replacing an object only if it is still the one that was read.
//!
//! Object stores do it with a conditional put. The local file system has none for an object that exists, so there a
//! lock keeps other writers out while the content is compared and a new file renamed over the old one: readers, who
//! take no lock, see the old document or the new.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, UpdateVersion};

/// What was read, to be compared when it is replaced.
#[derive(Debug, Clone)]
pub(super) enum Version {
    Absent,
    Present { bytes: Bytes, update: UpdateVersion },
}

/// What came of an attempt to replace an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replaced {
    Yes,
    /// It is not the one that was read any more.
    Changed,
}

/// Where the objects lie.
#[derive(Debug, Clone)]
pub(super) struct Objects {
    pub(super) store: Arc<dyn ObjectStore>,
    /// The folder that the store shows, where the store is a local directory.
    pub(super) local: Option<PathBuf>,
}

impl Objects {
    /// The object as it is now.
    pub(super) async fn read(&self, path: &Path) -> object_store::Result<Version> {
        let found = match self.store.get(path).await {
            Ok(found) => found,
            Err(StoreError::NotFound { .. }) => return Ok(Version::Absent),
            Err(error) => return Err(error),
        };
        let update = UpdateVersion {
            e_tag: found.meta.e_tag.clone(),
            version: found.meta.version.clone(),
        };
        let bytes = found.bytes().await?;
        Ok(Version::Present { bytes, update })
    }

    /// Puts `content` in the place of what was read.
    pub(super) async fn replace(
        &self,
        path: &Path,
        read: &Version,
        content: Vec<u8>,
    ) -> object_store::Result<Replaced> {
        match &self.local {
            Some(folder) => {
                let (file, read) = (folder.join(path.as_ref()), read.clone());
                let lock = folder.join(".lock");
                let work = move || replace_file(&lock, &file, &read, &content);
                let done = tokio::task::spawn_blocking(work).await;
                done.map_err(io::Error::other)
                    .and_then(|done| done)
                    .map_err(|error| StoreError::Generic {
                        store: "LocalFileSystem",
                        source: Box::new(error),
                    })
            }
            None => self.put(path, read, content).await,
        }
    }

    async fn put(&self, path: &Path, read: &Version, content: Vec<u8>) -> object_store::Result<Replaced> {
        let mode = match read {
            Version::Absent => PutMode::Create,
            Version::Present { update, .. } => PutMode::Update(update.clone()),
        };
        let options = PutOptions {
            mode,
            ..PutOptions::default()
        };
        match self.store.put_opts(path, PutPayload::from(content), options).await {
            Ok(_) => Ok(Replaced::Yes),
            Err(StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }) => Ok(Replaced::Changed),
            Err(error) => Err(error),
        }
    }
}

fn replace_file(lock: &FilePath, file: &FilePath, read: &Version, content: &[u8]) -> io::Result<Replaced> {
    let folder = file.parent().unwrap_or(file);
    fs::create_dir_all(folder)?;
    let lock = File::options().create(true).truncate(false).write(true).open(lock)?;
    lock.lock()?;
    let now = match fs::read(file) {
        Ok(now) => Some(now),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let same = match (read, &now) {
        (Version::Absent, None) => true,
        (Version::Present { bytes, .. }, Some(now)) => bytes == now,
        _ => false,
    };
    if !same {
        return Ok(Replaced::Changed);
    }
    // The lock keeps all others away from this name; what a crash left there is overwritten.
    let mut next = file.as_os_str().to_owned();
    next.push(".next");
    let mut written = File::create(&next)?;
    written.write_all(content)?;
    written.sync_all()?;
    fs::rename(&next, file)?;
    File::open(folder)?.sync_all()?;
    Ok(Replaced::Yes)
}

#[cfg(test)]
mod tests {
    use object_store::local::LocalFileSystem;
    use object_store::memory::InMemory;

    use super::*;

    async fn second_of_two_is_told(objects: &Objects) {
        let path = Path::from("a/b.json");
        let nothing = objects.read(&path).await.unwrap();
        assert!(matches!(nothing, Version::Absent));
        let put = |read: &Version, text: &str| {
            let (objects, path, read, text) = (objects.clone(), path.clone(), read.clone(), text.as_bytes().to_vec());
            async move { objects.replace(&path, &read, text).await.unwrap() }
        };
        assert_eq!(put(&nothing, "one").await, Replaced::Yes);
        assert_eq!(put(&nothing, "two").await, Replaced::Changed);
        let one = objects.read(&path).await.unwrap();
        assert_eq!(put(&one, "two").await, Replaced::Yes);
        assert_eq!(put(&one, "three").await, Replaced::Changed);
        let Version::Present { bytes, .. } = objects.read(&path).await.unwrap() else {
            panic!("it was written");
        };
        assert_eq!(bytes, "two");
    }

    #[tokio::test]
    async fn the_second_of_two_writers_is_told_in_memory_and_on_disk() {
        second_of_two_is_told(&Objects {
            store: Arc::new(InMemory::new()),
            local: None,
        })
        .await;
        let folder = tempfile::tempdir().unwrap();
        let store = LocalFileSystem::new_with_prefix(folder.path()).unwrap();
        second_of_two_is_told(&Objects {
            store: Arc::new(store),
            local: Some(folder.path().to_owned()),
        })
        .await;
    }
}
