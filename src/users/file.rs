//! The file on disk: read with care, replaced whole, looked at again whenever it has changed.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind as IoErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use super::Roles;
use crate::{Error, ErrorKind, Result};

/// Longest file that is read, in bytes: some hundred thousand users.
const MOST_BYTES: u64 = 64 << 20;

/// The file of users, and its content as it was last.
#[derive(Debug)]
pub(crate) struct Users {
    path: PathBuf,
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    stamp: Option<Stamp>,
    roles: Option<Arc<Roles>>,
}

/// What tells one content of a file from another: it is replaced, never rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    length: u64,
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            length: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl Users {
    /// The users of a file, which need not exist yet.
    ///
    /// # Errors
    /// It is there and cannot be used: others may read it, or it is not a file of users.
    pub(crate) fn open(path: &Path) -> Result<Arc<Self>> {
        let known = match read(path)? {
            Some((stamp, roles)) => Known {
                stamp: Some(stamp),
                roles: Some(Arc::new(roles)),
            },
            None => Known::default(),
        };
        Ok(Arc::new(Self {
            path: path.to_owned(),
            known: RwLock::new(known),
        }))
    }

    /// Where the file lies, or will.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The roles as they are now; `None` as long as there never was a file. One that has gone, or cannot be read any
    /// more, leaves things as they were: taking it away must not open the door.
    pub(crate) fn now(&self) -> Option<Arc<Roles>> {
        let stamp = fs::metadata(&self.path).ok().map(|metadata| Stamp::of(&metadata));
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            if known.stamp == stamp || stamp.is_none() {
                return known.roles.clone();
            }
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.stamp != stamp {
            // A content that cannot be used is complained of once.
            known.stamp = stamp;
            match read(&self.path) {
                Ok(Some((stamp, roles))) => {
                    *known = Known {
                        stamp: Some(stamp),
                        roles: Some(Arc::new(roles)),
                    };
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, "kept the users as they were known");
                    // Somebody wanted log-in; until it can be read, that nobody gets in is the safe reading.
                    known.roles.get_or_insert_with(|| Arc::new(Roles::new()));
                }
            }
        }
        known.roles.clone()
    }

    /// Changes the roles. Only one process at a time does; whoever reads sees the old file or the new one.
    ///
    /// # Errors
    /// That of `edit`, after which nothing has changed; the file cannot be read or written.
    pub(crate) fn change<T>(&self, edit: impl FnOnce(&mut Roles) -> Result<T>) -> Result<T> {
        let fault = |error: std::io::Error| {
            let message = format!("cannot write {}: {error}", self.path.display());
            Error::new(ErrorKind::Io, message)
        };
        if let Some(folder) = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(fault)?;
        }
        let lock = private()
            .truncate(false)
            .open(beside(&self.path, "lock"))
            .map_err(fault)?;
        lock.lock().map_err(fault)?;
        let before = read(&self.path)?.map(|(_, roles)| roles);
        let mut roles = before.clone().unwrap_or_else(Roles::new);
        let done = edit(&mut roles)?;
        if before.as_ref() != Some(&roles) {
            replace(&self.path, &roles.write()?).map_err(fault)?;
        }
        Ok(done)
    }
}

/// How files are made that nobody else may read.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).mode(0o600);
    options
}

/// `users.json.lock` for `users.json`.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

/// Puts another content in the place of a file: whole, on the disk, or not at all.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let new = beside(path, "new");
    // Left by a writer that died; we hold the lock.
    let _ = fs::remove_file(&new);
    let mut file = private().create_new(true).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// The content of the file; `None` if there is none.
fn read(path: &Path) -> Result<Option<(Stamp, Roles)>> {
    let place = path.display().to_string();
    let fault = |error: std::io::Error| Error::new(ErrorKind::Configuration, format!("cannot read {place}: {error}"));
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == IoErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fault(error)),
    };
    let metadata = file.metadata().map_err(fault)?;
    if metadata.permissions().mode() & 0o077 != 0 {
        let message = format!("{place} may be read or written by others");
        return Err(Error::new(ErrorKind::Configuration, message).with_hint(format!("chmod 600 {place}")));
    }
    let mut bytes = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut bytes).map_err(fault)?;
    Ok(Some((Stamp::of(&metadata), Roles::parse(&bytes, &place)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::users::Role;

    fn add(users: &Users, name: &str) -> Result<()> {
        users.change(|roles| roles.add(name, Role::default()))
    }

    #[test]
    fn what_one_process_writes_another_sees_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/users.json");
        let (one, two) = (Users::open(&path).unwrap(), Users::open(&path).unwrap());
        assert!(one.now().is_none());
        add(&one, "ada").unwrap();
        assert!(two.now().unwrap().roles.contains_key("ada"));
        add(&two, "eve").unwrap();
        assert_eq!(one.now().unwrap().roles.len(), 4);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(add(&one, "eve").unwrap_err().sqlstate(), "42710");
        let known = one.now().unwrap();
        assert!(Arc::ptr_eq(&known, &one.now().unwrap()), "read once");
    }

    #[test]
    fn many_writers_are_all_heard() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.json");
        std::thread::scope(|scope| {
            for number in 0..8 {
                let path = &path;
                scope.spawn(move || add(&Users::open(path).unwrap(), &format!("u{number}")).unwrap());
            }
        });
        assert_eq!(Users::open(&path).unwrap().now().unwrap().roles.len(), 8 + 2);
    }

    #[test]
    fn what_cannot_be_read_opens_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.json");
        let users = Users::open(&path).unwrap();
        add(&users, "ada").unwrap();
        let before = users.now().unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(users.now().unwrap(), before);
        assert!(Users::open(&path).unwrap_err().message.contains("by others"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "{").unwrap();
        assert_eq!(users.now().unwrap(), before);
        assert!(add(&users, "eve").is_err());
        fs::remove_file(&path).unwrap();
        assert_eq!(users.now().unwrap(), before);
        // Where a file that cannot be read is the first: nobody.
        let fresh = Users::open(&path).unwrap();
        fs::write(&path, "{").unwrap();
        assert_eq!(fresh.now().unwrap().users().count(), 0);
    }
}
