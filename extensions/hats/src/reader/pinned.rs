//! The bytes of one file in one version.
//!
//! Remote stores are sent `If-Match`, and what they answer is compared once more, for servers that ignore it. Local
//! files take no such condition, so all ranges come from one open file, whose inode, size, times of modification and of
//! change must be those that were planned, and the same before and after each read.

use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{Error, GetOptions, GetRange, GetResult, GetResultPayload, ObjectMeta, ObjectStore, Result};

use super::coalesce;
use super::opened::{self, OpenFiles, Opened};
use crate::error::HatsError;

/// Requests in flight of one read.
const CONCURRENT: usize = 10;

/// What reading costs, shown with a scan's metrics.
#[derive(Debug, Clone)]
pub(crate) struct Fetches {
    requests: Count,
    bytes: Count,
    footer_hits: Count,
}

impl Fetches {
    /// Of a store over the `network`, each read is a request that may cost money.
    pub(super) fn new(partition: usize, metrics: &ExecutionPlanMetricsSet, network: bool) -> Self {
        let (requests, bytes) = if network {
            ("store_requests", "store_bytes")
        } else {
            ("file_reads", "file_bytes")
        };
        Self {
            requests: MetricBuilder::new(metrics).counter(requests, partition),
            bytes: MetricBuilder::new(metrics).counter(bytes, partition),
            footer_hits: MetricBuilder::new(metrics).counter("footer_cache_hits", partition),
        }
    }

    fn add(&self, bytes: u64) {
        self.requests.add(1);
        self.bytes.add(usize::try_from(bytes).unwrap_or(usize::MAX));
    }
}

/// A file of which one version is read. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct PinnedLeaf {
    store: Arc<dyn ObjectStore>,
    meta: Arc<ObjectMeta>,
    /// The open files of its scan, if it is one of a local store.
    local: Option<OpenFiles>,
    seen: Arc<OnceLock<Seen>>,
    fetches: Fetches,
}

/// Where a local file lies, and what it was like when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    path: Arc<Path>,
    stamp: Stamp,
}

impl PinnedLeaf {
    pub(super) fn new(
        store: Arc<dyn ObjectStore>,
        meta: ObjectMeta,
        local: Option<OpenFiles>,
        fetches: Fetches,
    ) -> Self {
        Self {
            store,
            meta: Arc::new(meta),
            local,
            seen: Arc::default(),
            fetches,
        }
    }

    pub(super) fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    /// Notes that its footer was in the cache.
    pub(super) fn footer_was_cached(&self) {
        self.fetches.footer_hits.add(1);
    }

    /// Another file of the same store.
    pub(super) fn sibling(&self, meta: ObjectMeta) -> Self {
        Self::new(Arc::clone(&self.store), meta, self.local.clone(), self.fetches.clone())
    }

    /// What the local file was like when it was first read from.
    pub(super) fn seen(&self) -> Option<&Seen> {
        self.seen.get()
    }

    /// Expects the local file to be as it was when somebody else read it.
    pub(super) fn expect(&self, seen: Option<Seen>) {
        if let Some(seen) = seen {
            // Set before only by a read of this very leaf, whose word counts as much.
            let _ = self.seen.set(seen);
        }
    }

    /// Makes sure that a local file is the planned one and takes its stamp; `before` is what it was like to somebody else.
    /// Costs nothing of a remote store, which is asked with every read.
    pub(super) async fn look(&self, before: Option<&Seen>) -> Result<()> {
        if let Some(files) = &self.local {
            self.fetch_local(files, &[], before).await?;
        }
        Ok(())
    }

    /// The bytes of each range.
    ///
    /// # Errors
    /// [`Error::Precondition`] around [`HatsError::Rewritten`] if the version is gone; what the store says.
    pub(super) async fn fetch(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        match &self.local {
            Some(files) => self.fetch_local(files, ranges, self.seen()).await,
            None => self.fetch_remote(ranges).await,
        }
    }

    async fn fetch_remote(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let requests = coalesce::requests(ranges);
        let pieces: Vec<Bytes> = stream::iter(requests.iter().cloned())
            .map(|request| self.request(request))
            .buffered(CONCURRENT)
            .try_collect()
            .await?;
        Ok(ranges.iter().map(|range| assemble(range, &requests, &pieces)).collect())
    }

    async fn request(&self, range: Range<u64>) -> Result<Bytes> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(range.clone())),
            ..self.pinned()
        };
        let answer = self.get(options).await?;
        self.check(&answer.meta)?;
        let bytes = answer.bytes().await?;
        self.fetches.add(bytes.len() as u64);
        let wanted = range.end - range.start;
        if bytes.len() as u64 != wanted {
            let fault = format!(
                "{}: the store sent {} bytes of the {wanted} asked for",
                self.meta.location,
                bytes.len()
            );
            return Err(Error::Generic {
                store: "pinned read",
                source: fault.into(),
            });
        }
        Ok(bytes)
    }

    /// A weak ETag never satisfies If-Match; it is compared afterwards only.
    fn pinned(&self) -> GetOptions {
        let strong = self.meta.e_tag.clone().filter(|etag| !etag.starts_with("W/"));
        GetOptions {
            if_match: strong,
            ..GetOptions::default()
        }
    }

    async fn get(&self, options: GetOptions) -> Result<GetResult> {
        self.store
            .get_opts(&self.meta.location, options)
            .await
            .map_err(|error| match error {
                Error::Precondition { .. } | Error::NotFound { .. } | Error::NotModified { .. } => self.rewritten(),
                other => other,
            })
    }

    fn check(&self, found: &ObjectMeta) -> Result<()> {
        let tag = |etag: &str| etag.trim_start_matches("W/").trim_matches('"').to_owned();
        let same_tag = match (&self.meta.e_tag, &found.e_tag) {
            (Some(planned), Some(found)) => tag(planned) == tag(found),
            _ => true,
        };
        if same_tag && found.size == self.meta.size {
            Ok(())
        } else {
            Err(self.rewritten())
        }
    }

    async fn fetch_local(&self, files: &OpenFiles, ranges: &[Range<u64>], before: Option<&Seen>) -> Result<Vec<Bytes>> {
        let open = || {
            files
                .get(&self.meta.location)
                .or_else(|| self.open_again(files, before?))
        };
        let opened = match open() {
            Some(opened) => opened,
            None => {
                let answer = self.get(self.pinned()).await?;
                let GetResultPayload::File(file, path) = answer.payload else {
                    return self.fetch_remote(ranges).await;
                };
                files.keep(Opened {
                    file,
                    path: path.into(),
                    found: answer.meta,
                })
            }
        };
        self.check(&opened.found)?;
        let at_hand = |range: &Range<u64>| opened::at_hand(&opened.file, range);
        let at_once = self.unchanged(&opened, || ranges.iter().map(at_hand).collect::<Option<Vec<_>>>())?;
        let read = match at_once {
            Some(read) => read,
            None => {
                let (leaf, ranges) = (self.clone(), ranges.to_vec());
                let waiting = tokio::task::spawn_blocking(move || {
                    let read = |range: &Range<u64>| opened::read(&opened.file, range);
                    let read = leaf.unchanged(&opened, || ranges.iter().map(read).collect::<Vec<_>>())?;
                    let read: std::io::Result<Vec<Bytes>> = read.into_iter().collect();
                    read.map_err(|source| unreadable(&opened, &source))
                });
                waiting.await.map_err(|source| Error::JoinError { source })??
            }
        };
        if !read.is_empty() {
            self.fetches.add(read.iter().map(|bytes| bytes.len() as u64).sum());
        }
        Ok(read)
    }

    /// The file, if it can be opened at once and is as it was `before`: then the store would say of it what it said then.
    fn open_again(&self, files: &OpenFiles, before: &Seen) -> Option<Arc<Opened>> {
        let file = opened::open_at_hand(&before.path)?;
        let stamp = Stamp::of(&file).ok()?;
        (stamp == before.stamp).then(|| {
            files.keep(Opened {
                file,
                path: Arc::clone(&before.path),
                found: stamp.told(&self.meta),
            })
        })
    }

    /// What `read` gives, of a file that is the planned one before and after. A file cut short while it was read fails to be
    /// read, and is rewritten above all.
    fn unchanged<T>(&self, opened: &Opened, read: impl FnOnce() -> T) -> Result<T> {
        let stamp = || Stamp::of(&opened.file).map_err(|source| unreadable(opened, &source));
        let before = stamp()?;
        let seen = || Seen {
            path: Arc::clone(&opened.path),
            stamp: before,
        };
        let planned = self.seen.get_or_init(seen).stamp;
        if before != planned || !before.is_of(&opened.found) {
            return Err(self.rewritten());
        }
        let read = read();
        if stamp()? != planned {
            return Err(self.rewritten());
        }
        Ok(read)
    }

    fn rewritten(&self) -> Error {
        let path = self.meta.location.to_string();
        Error::Precondition {
            path: path.clone(),
            source: Box::new(HatsError::Rewritten { path }),
        }
    }
}

/// The part of the pieces, read by `requests`, that is `range`.
fn assemble(range: &Range<u64>, requests: &[Range<u64>], pieces: &[Bytes]) -> Bytes {
    let first = requests.partition_point(|request| request.end <= range.start);
    let parts = requests[first..].iter().zip(&pieces[first..]);
    let parts: Vec<Bytes> = parts
        .take_while(|(request, _)| request.start < range.end)
        .map(|(request, piece)| {
            let at = |offset: u64| usize::try_from(offset - request.start).unwrap_or(usize::MAX);
            piece.slice(at(range.start.max(request.start))..at(range.end.min(request.end)))
        })
        .collect();
    match parts.as_slice() {
        [] => Bytes::new(),
        [part] => part.clone(),
        parts => parts.concat().into(),
    }
}

fn unreadable(opened: &Opened, source: &std::io::Error) -> Error {
    Error::Generic {
        store: "local file",
        source: format!("{}: {source}", opened.path.display()).into(),
    }
}

/// All that tells one state of a local file from another. The time of change cannot be set by anybody, so that equal
/// size and time of modification do not pass for an untouched file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    modified: Option<std::time::SystemTime>,
    changed: (i64, i64),
}

impl Stamp {
    fn of(file: &std::fs::File) -> std::io::Result<Self> {
        let metadata = file.metadata()?;
        #[cfg(unix)]
        let (inode, changed) = {
            use std::os::unix::fs::MetadataExt;
            (metadata.ino(), (metadata.ctime(), metadata.ctime_nsec()))
        };
        #[cfg(not(unix))]
        let (inode, changed) = (0, (0, 0));
        Ok(Self {
            inode,
            size: metadata.len(),
            modified: metadata.modified().ok(),
            changed,
        })
    }

    /// What the store would say of the file. A list of files that was written down may have its times rounded.
    fn told(&self, planned: &ObjectMeta) -> ObjectMeta {
        ObjectMeta {
            size: self.size,
            last_modified: self.modified.map_or(planned.last_modified, Into::into),
            ..planned.clone()
        }
    }

    /// Whether this is the state in which the store found the file as it opened it.
    fn is_of(&self, found: &ObjectMeta) -> bool {
        self.size == found.size
            && self
                .modified
                .is_none_or(|modified| chrono::DateTime::<chrono::Utc>::from(modified) == found.last_modified)
    }
}
