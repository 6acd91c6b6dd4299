//! Footers with their page indexes, kept in the session's cache of file metadata.
//!
//! The engine keys that cache by path and trusts size and time of modification; two stores may hold one path, and a
//! file may be rewritten with both equal. So the key here is all that tells a version apart.

use std::any::Any;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use datafusion::common::HashMap;
use datafusion::execution::cache::cache_manager::{CachedFileMetadataEntry, FileMetadata, FileMetadataCache};
use datafusion::execution::object_store::ObjectStoreUrl;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};
use parquet::DecodeResult;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataPushDecoder};

use super::pinned::{PinnedLeaf, Seen};
use super::{FOOTER_HINT, external};

/// Bytes at the end of a Parquet file: the length of the footer, and magic.
const TAIL: usize = 8;
/// Bytes of the shortest one, which begins with magic too.
const SHORTEST: u64 = 12;

/// The footers of one store's files, as far as the cache holds them.
#[derive(Clone)]
pub(crate) struct Footers {
    cache: Arc<FileMetadataCache>,
    scope: Arc<str>,
    /// Footers on their way: whoever wants one too waits for it.
    coming: Arc<Mutex<HashMap<Path, Arc<tokio::sync::Mutex<()>>>>>,
}

impl fmt::Debug for Footers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Footers")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl Footers {
    pub(crate) fn new(cache: Arc<FileMetadataCache>, url: &ObjectStoreUrl) -> Self {
        Self {
            cache,
            scope: url.as_str().into(),
            coming: Arc::default(),
        }
    }

    /// The footer of `leaf`: from the cache without a request, else in one read of the last `hint` bytes, or two where
    /// it is longer.
    pub(super) async fn get(&self, leaf: &PinnedLeaf, hint: usize) -> Result<Arc<ParquetMetaData>> {
        if let Some(found) = self.fitting(leaf).await? {
            leaf.footer_was_cached();
            return Ok(found);
        }
        let key = self.key(leaf.meta());
        let turn = Arc::clone(self.coming().entry(key.clone()).or_default());
        let _mine = turn.lock().await;
        // Somebody may have read it meanwhile.
        if let Some(found) = self.fitting(leaf).await? {
            return Ok(found);
        }
        let metadata = decode(&Source::Leaf(leaf), leaf.meta(), hint, PageIndexPolicy::Optional).await;
        self.coming().remove(&key);
        let metadata = Arc::new(metadata?);
        let entry = Footer {
            metadata: Arc::clone(&metadata),
            seen: leaf.seen().cloned(),
        };
        let entry = CachedFileMetadataEntry::new(leaf.meta().clone(), Arc::new(entry));
        self.cache.put(&key, entry);
        Ok(metadata)
    }

    /// What the cache holds for the very state in which the file is.
    async fn fitting(&self, leaf: &PinnedLeaf) -> Result<Option<Arc<ParquetMetaData>>> {
        let Some(found) = self.cached(leaf.meta()) else {
            return Ok(None);
        };
        leaf.look(found.seen.as_ref()).await.map_err(external)?;
        Ok((found.seen.as_ref() == leaf.seen()).then_some(found.metadata))
    }

    /// The footer, without a look at whether the file is still as it was.
    pub(super) fn at_hand(&self, file: &ObjectMeta) -> Option<Arc<ParquetMetaData>> {
        Some(self.cached(file)?.metadata)
    }

    fn coming(&self) -> MutexGuard<'_, HashMap<Path, Arc<tokio::sync::Mutex<()>>>> {
        self.coming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state in which a local file was when its footer was read.
    pub(super) fn seen(&self, file: &ObjectMeta) -> Option<Seen> {
        self.cached(file)?.seen
    }

    pub(super) fn forget(&self, file: &ObjectMeta) {
        self.cache.remove(&self.key(file));
    }

    fn cached(&self, file: &ObjectMeta) -> Option<Footer> {
        let entry = self.cache.get(&self.key(file))?;
        entry.file_metadata.as_any().downcast_ref::<Footer>().cloned()
    }

    fn key(&self, file: &ObjectMeta) -> Path {
        let (etag, version) = (
            file.e_tag.as_deref().unwrap_or_default(),
            file.version.as_deref().unwrap_or_default(),
        );
        let modified = file.last_modified.timestamp_nanos_opt().unwrap_or_default();
        let text = format!(
            "{}{}/{}-{modified}-{etag}-{version}",
            self.scope, file.location, file.size
        );
        Path::from(text)
    }
}

#[derive(Clone)]
struct Footer {
    metadata: Arc<ParquetMetaData>,
    seen: Option<Seen>,
}

impl FileMetadata for Footer {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn memory_size(&self) -> usize {
        self.metadata.memory_size()
    }

    fn extra_info(&self) -> HashMap<String, String> {
        let page_index = self.metadata.column_index().is_some() && self.metadata.offset_index().is_some();
        HashMap::from([("page_index".to_owned(), page_index.to_string())])
    }
}

/// The footer of a file that is read once, without its page index: for its schema.
pub(crate) async fn read_once(store: &dyn ObjectStore, file: &ObjectMeta) -> Result<ParquetMetaData> {
    decode(&Source::Store(store, file), file, FOOTER_HINT, PageIndexPolicy::Skip).await
}

/// Where bytes of a footer come from.
enum Source<'a> {
    Leaf(&'a PinnedLeaf),
    Store(&'a dyn ObjectStore, &'a ObjectMeta),
}

impl Source<'_> {
    async fn fetch(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let read = match self {
            Self::Leaf(leaf) => leaf.fetch(ranges).await,
            Self::Store(store, file) => store.get_ranges(&file.location, ranges).await,
        };
        read.map_err(external)
    }
}

async fn decode(
    source: &Source<'_>,
    file: &ObjectMeta,
    hint: usize,
    pages: PageIndexPolicy,
) -> Result<ParquetMetaData> {
    let size = file.size;
    let tail = size.saturating_sub(hint.max(TAIL) as u64)..size;
    let mut read = source.fetch(std::slice::from_ref(&tail)).await?;
    check(read.first(), size).map_err(|fault| in_file(file, ParquetError::EOF(fault)))?;
    let mut decoder = ParquetMetaDataPushDecoder::try_new(size)?.with_page_index_policy(pages);
    let mut wanted = vec![tail];
    loop {
        decoder.push_ranges(wanted, read)?;
        wanted = match decoder.try_decode().map_err(|error| in_file(file, error))? {
            DecodeResult::Data(metadata) => return Ok(metadata),
            DecodeResult::NeedsData(ranges) => ranges,
            DecodeResult::Finished => {
                return Err(in_file(file, ParquetError::General("the footer ended early".into())));
            }
        };
        if wanted.iter().any(|range| range.start > range.end || range.end > size) {
            let fault = "its footer points past its end".to_owned();
            return Err(in_file(file, ParquetError::EOF(fault)));
        }
        read = source.fetch(&wanted).await?;
    }
}

/// Whether the end of a file can be that of a Parquet file: the decoder takes the length it finds there on trust.
fn check(tail: Option<&Bytes>, size: u64) -> std::result::Result<(), String> {
    let tail = tail.and_then(|tail| tail.last_chunk::<TAIL>());
    let Some([a, b, c, d, _, _, _, _]) = tail.filter(|_| size >= SHORTEST) else {
        return Err(format!("is no Parquet file: it has only {size} bytes"));
    };
    let length = u64::from(u32::from_le_bytes([*a, *b, *c, *d]));
    if length + SHORTEST > size {
        return Err(format!(
            "its footer would take {length} bytes, and it has only {size}: it was cut short or is no Parquet file"
        ));
    }
    Ok(())
}

fn in_file(file: &ObjectMeta, error: ParquetError) -> ParquetError {
    ParquetError::General(format!("{}: {error}", file.location))
}
