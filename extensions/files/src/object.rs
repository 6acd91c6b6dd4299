//! One object as something to read and seek in, pinned to the version that was planned. For decoders that block: it is
//! used on threads that may.
//!
//! A local file is opened once; whether it changed under the reading is asked of the open file. Any other store is read
//! in windows of some megabytes, each sent with `If-Match`, the next one fetched while the last is decoded.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use object_store::{GetOptions, GetResultPayload, ObjectMeta, ObjectStore};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::error::Result;

/// Bytes of a window of a remote object.
const WINDOW: u64 = if cfg!(test) { 64 << 10 } else { 8 << 20 };

/// Something to read and seek in, on a thread that may block.
pub(crate) trait Source: Read + Seek + Send {}
impl<T: Read + Seek + Send> Source for T {}

/// An opened object.
pub(crate) struct Object {
    pub(crate) source: Box<dyn Source>,
    pub(crate) watch: Watch,
}

/// Knows whether the object that is read is still the one that was planned.
#[derive(Clone)]
pub(crate) struct Watch {
    meta: Arc<ObjectMeta>,
    file: Option<Arc<File>>,
    fault: Arc<Mutex<Option<object_store::Error>>>,
}

impl Object {
    /// Opens the object in the version that `meta` tells.
    ///
    /// # Errors
    /// It is gone, is another one by now, or the store fails.
    pub(crate) async fn open(store: Arc<dyn ObjectStore>, meta: ObjectMeta) -> Result<Self> {
        let meta = Arc::new(meta);
        // A local store answers with the file itself whatever the range; others with the first window.
        let first = 0..WINDOW.min(meta.size);
        let mut options = pinned(&meta);
        if !first.is_empty() {
            options.range = Some(first.clone().into());
        }
        let got = store
            .get_opts(&meta.location, options)
            .await
            .map_err(|error| told(&meta, error))?;
        if !is_same(&meta, &got.meta) {
            return Err(rewritten(&meta).into());
        }
        let fault = Arc::default();
        if let GetResultPayload::File(file, _) = got.payload {
            let file = Arc::new(file);
            let watch = Watch {
                meta,
                file: Some(Arc::clone(&file)),
                fault,
            };
            let source = Box::new(LocalFile(file));
            return Ok(Self { source, watch });
        }
        let window = got.bytes().await.map_err(|error| told(&meta, error))?;
        if window.len() as u64 != first.end {
            return Err(short(&meta).into());
        }
        let watch = Watch {
            meta: Arc::clone(&meta),
            file: None,
            fault,
        };
        let mut source = Windows {
            store,
            watch: watch.clone(),
            runtime: Handle::current(),
            position: 0,
            start: 0,
            window,
            ahead: None,
        };
        source.fetch_ahead(first.end);
        Ok(Self {
            source: Box::new(source),
            watch,
        })
    }
}

impl Watch {
    /// Whether what was read so far is of the planned version.
    ///
    /// # Errors
    /// It is not.
    pub(crate) fn check(&self) -> Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let now = file.metadata().map_err(|error| object_store::Error::Generic {
            store: "LocalFileSystem",
            source: Box::new(error),
        })?;
        let modified = now.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        if now.len() == self.meta.size && modified == SystemTime::from(self.meta.last_modified) {
            Ok(())
        } else {
            Err(rewritten(&self.meta).into())
        }
    }

    /// The store's error behind a failed read, if it was the store that failed.
    pub(crate) fn fault(&self) -> Option<object_store::Error> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Bytes of the object.
    pub(crate) fn size(&self) -> u64 {
        self.meta.size
    }

    /// Whether the object is an open file of this machine, where reading anywhere costs little.
    pub(crate) fn is_open_file(&self) -> bool {
        self.file.is_some()
    }

    /// The object's path.
    pub(crate) fn name(&self) -> &str {
        self.meta.location.as_ref()
    }

    /// Keeps the store's error aside, since a decoder may only pass on its text.
    fn failed(&self, error: object_store::Error) -> io::Error {
        let text = error.to_string();
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        io::Error::other(text)
    }
}

/// A weak ETag never satisfies `If-Match`; what the store answers is compared in any case.
fn pinned(meta: &ObjectMeta) -> GetOptions {
    GetOptions {
        if_match: meta.e_tag.clone().filter(|etag| !etag.starts_with("W/")),
        ..GetOptions::default()
    }
}

pub(crate) fn is_same(planned: &ObjectMeta, now: &ObjectMeta) -> bool {
    let etags = planned.e_tag.as_ref().zip(now.e_tag.as_ref());
    planned.size == now.size && etags.is_none_or(|(a, b)| a == b)
}

pub(crate) fn rewritten(meta: &ObjectMeta) -> object_store::Error {
    object_store::Error::Precondition {
        path: meta.location.to_string(),
        source: "the file was rewritten after the query was planned; run the query again".into(),
    }
}

fn short(meta: &ObjectMeta) -> object_store::Error {
    object_store::Error::Generic {
        store: "object store",
        source: format!("{}: the store sent fewer bytes than it was asked for", meta.location).into(),
    }
}

/// A file that is gone is, like one that was replaced, no longer the one that was planned.
pub(crate) fn told(meta: &ObjectMeta, error: object_store::Error) -> object_store::Error {
    use object_store::Error::{NotFound, NotModified, Precondition};
    match error {
        Precondition { .. } | NotFound { .. } | NotModified { .. } => rewritten(meta),
        other => other,
    }
}

/// An open file, shared with its watch.
struct LocalFile(Arc<File>);

impl Read for LocalFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(buffer)
    }
}

impl Seek for LocalFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        (&*self.0).seek(to)
    }
}

/// A remote object behind a window that moves along.
struct Windows {
    store: Arc<dyn ObjectStore>,
    watch: Watch,
    runtime: Handle,
    position: u64,
    /// Where `window` begins.
    start: u64,
    window: Bytes,
    /// The range that is being fetched, and its bytes.
    ahead: Option<(Range<u64>, JoinHandle<object_store::Result<Bytes>>)>,
}

impl Windows {
    fn size(&self) -> u64 {
        self.watch.meta.size
    }

    fn fetch_ahead(&mut self, from: u64) {
        let range = from..(from.saturating_add(WINDOW)).min(self.size());
        if range.is_empty() {
            self.ahead = None;
            return;
        }
        let fetch = fetch(Arc::clone(&self.store), Arc::clone(&self.watch.meta), range.clone());
        self.ahead = Some((range, self.runtime.spawn(fetch)));
    }

    /// Moves the window to `position`.
    fn refill(&mut self) -> io::Result<()> {
        match &self.ahead {
            Some((range, _)) if range.contains(&self.position) => {}
            _ => {
                self.drop_ahead();
                self.fetch_ahead(self.position);
            }
        }
        let Some((range, task)) = self.ahead.take() else {
            return Ok(());
        };
        let fetched = self.runtime.block_on(task).map_err(io::Error::other)?;
        self.window = fetched.map_err(|error| self.watch.failed(error))?;
        self.start = range.start;
        self.fetch_ahead(range.end);
        Ok(())
    }

    fn drop_ahead(&mut self) {
        if let Some((_, task)) = self.ahead.take() {
            task.abort();
        }
    }
}

/// Bytes of the object, in the version that was planned.
pub(crate) async fn fetch(
    store: Arc<dyn ObjectStore>,
    meta: Arc<ObjectMeta>,
    range: Range<u64>,
) -> object_store::Result<Bytes> {
    let options = GetOptions {
        range: Some(range.clone().into()),
        ..pinned(&meta)
    };
    let got = store
        .get_opts(&meta.location, options)
        .await
        .map_err(|error| told(&meta, error))?;
    if !is_same(&meta, &got.meta) || got.range != range {
        return Err(rewritten(&meta));
    }
    let bytes = got.bytes().await?;
    if bytes.len() as u64 == range.end - range.start {
        Ok(bytes)
    } else {
        Err(short(&meta))
    }
}

impl Read for Windows {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.size() || buffer.is_empty() {
            return Ok(0);
        }
        let held = self.start..self.start + self.window.len() as u64;
        if !held.contains(&self.position) {
            self.refill()?;
        }
        let offset = usize::try_from(self.position - self.start).map_err(io::Error::other)?;
        let rest = self.window.get(offset..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Windows {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size().checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}

impl Drop for Windows {
    fn drop(&mut self) {
        self.drop_ahead();
    }
}
