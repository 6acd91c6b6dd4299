//! Local files that a scan has open, and bytes of them that the system holds in memory.
//!
//! A file is opened once for a scan, however many parts of the sky it is read for. What the system has in memory, paths and
//! pages, is opened and copied at once; only what a disk must be waited for goes to a thread that may wait. Going there and
//! back costs more than reading a page of a column.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use object_store::ObjectMeta;
use object_store::path::Path;

/// Files that stay open for a scan, at most: parts of the sky that are read one after another lie in the same few, and a
/// server with many scans may open only so many.
const MOST_OPEN: usize = 16;

/// A local file, open.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) file: File,
    pub(super) path: Arc<std::path::Path>,
    /// What the store said of it as it opened it.
    pub(super) found: ObjectMeta,
}

/// The open files of a scan, those opened last behind the others. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct OpenFiles(Arc<Mutex<VecDeque<Arc<Opened>>>>);

impl OpenFiles {
    pub(super) fn get(&self, location: &Path) -> Option<Arc<Opened>> {
        let files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        files.iter().find(|opened| opened.found.location == *location).cloned()
    }

    /// Keeps a file open, in the place of the first if there are many.
    pub(super) fn keep(&self, opened: Opened) -> Arc<Opened> {
        let opened = Arc::new(opened);
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        files.push_back(Arc::clone(&opened));
        if files.len() > MOST_OPEN {
            files.pop_front();
        }
        opened
    }
}

/// A file whose path the system knows by heart, so that nothing is waited for.
#[cfg(target_os = "linux")]
pub(super) fn open_at_hand(path: &std::path::Path) -> Option<File> {
    use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    // Whatever the error, who opens it and waits says it better.
    let file = openat2(CWD, path, flags, Mode::empty(), ResolveFlags::CACHED);
    file.ok().map(File::from)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn open_at_hand(_path: &std::path::Path) -> Option<File> {
    None
}

/// The bytes of a range, however long that takes.
pub(super) fn read(file: &File, range: &Range<u64>) -> io::Result<Bytes> {
    let mut bytes = vec![0; usize::try_from(range.end - range.start).map_err(io::Error::other)?];
    #[cfg(unix)]
    std::os::unix::fs::FileExt::read_exact_at(file, &mut bytes, range.start)?;
    #[cfg(windows)]
    {
        let mut done = 0;
        while done < bytes.len() {
            match std::os::windows::fs::FileExt::seek_read(file, &mut bytes[done..], range.start + done as u64)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                more => done += more,
            }
        }
    }
    Ok(bytes.into())
}

/// The same if all of them are in memory.
#[cfg(target_os = "linux")]
pub(super) fn at_hand(file: &File, range: &Range<u64>) -> Option<Bytes> {
    use rustix::io::{ReadWriteFlags, preadv2};
    let mut bytes = vec![0; usize::try_from(range.end - range.start).ok()?];
    let mut done = 0;
    while done < bytes.len() {
        let mut rest = [io::IoSliceMut::new(&mut bytes[done..])];
        // Whatever the error, the read that may wait says it better.
        match preadv2(file, &mut rest, range.start + done as u64, ReadWriteFlags::NOWAIT) {
            Ok(more) if more > 0 => done += more,
            _ => return None,
        }
    }
    Some(bytes.into())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn at_hand(_file: &File, _range: &Range<u64>) -> Option<Bytes> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let content: Vec<u8> = (0..100_000_u32).map(|at| (at % 251) as u8).collect();
        std::fs::write(&path, &content).unwrap();
        let file = File::open(&path).unwrap();
        for range in [0..0, 0..10, 70_000..100_000, 99_999..100_000] {
            let truth = &content[range.clone()];
            let range = range.start as u64..range.end as u64;
            assert_eq!(read(&file, &range).unwrap(), truth);
            assert!(at_hand(&file, &range).is_none_or(|bytes| bytes == truth));
        }
        let beyond = 99_000..100_001;
        assert_eq!(read(&file, &beyond).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(at_hand(&file, &beyond), None);
    }

    #[test]
    fn what_is_opened_at_once_is_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        assert!(open_at_hand(&path).is_none());
        std::fs::write(&path, "its bytes").unwrap();
        // Systems may refuse always; then nothing is opened at once.
        assert!(open_at_hand(&path).is_none_or(|file| read(&file, &(4..9)).unwrap() == "bytes"));
    }

    #[test]
    fn few_files_stay_open() {
        let folder = tempfile::tempdir().unwrap();
        let files = OpenFiles::default();
        for number in 0..3 * MOST_OPEN {
            let path: Arc<std::path::Path> = folder.path().join(number.to_string()).into();
            let found = ObjectMeta {
                location: Path::from(number.to_string()),
                last_modified: chrono::Utc::now(),
                size: 0,
                e_tag: None,
                version: None,
            };
            let file = File::create(&path).unwrap();
            files.keep(Opened { file, path, found });
            assert!(files.get(&Path::from(number.to_string())).is_some());
        }
        assert_eq!(files.0.lock().unwrap().len(), MOST_OPEN);
    }
}
