//! Footers with their page indexes, kept in the session's cache of file metadata.
//!
//! The engine keys that cache by path and trusts size and time of modification; two stores may hold one path, and a
//! file may be rewritten with both equal. So the key here is all that tells a version apart.

use std::any::Any;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use datafusion::common::HashMap;
use datafusion::execution::cache::cache_manager::{CachedFileMetadataEntry, FileMetadata, FileMetadataCache};
use datafusion::execution::object_store::ObjectStoreUrl;
use object_store::ObjectMeta;
use object_store::path::Path;
use parquet::DecodeResult;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataPushDecoder};

use super::external;
use super::pinned::{PinnedLeaf, Stamp};

/// The footers of one store's files, as far as the cache holds them.
#[derive(Clone)]
pub(crate) struct Footers {
    cache: Arc<FileMetadataCache>,
    scope: Arc<str>,
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
        }
    }

    /// The footer of `leaf`: from the cache at no cost, else in one read of the last `hint` bytes, or two where it is
    /// longer.
    pub(super) async fn get(&self, leaf: &PinnedLeaf, hint: usize) -> Result<Arc<ParquetMetaData>> {
        if let Some(found) = self.cached(leaf.meta()) {
            leaf.expect(found.stamp);
            return Ok(found.metadata);
        }
        let metadata = Arc::new(read(leaf, hint).await?);
        let entry = Footer {
            metadata: Arc::clone(&metadata),
            stamp: leaf.stamp(),
        };
        let entry = CachedFileMetadataEntry::new(leaf.meta().clone(), Arc::new(entry));
        self.cache.put(&self.key(leaf.meta()), entry);
        Ok(metadata)
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
    stamp: Option<Stamp>,
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

async fn read(leaf: &PinnedLeaf, hint: usize) -> Result<ParquetMetaData> {
    let size = leaf.meta().size;
    let mut decoder = ParquetMetaDataPushDecoder::try_new(size)?.with_page_index_policy(PageIndexPolicy::Optional);
    let tail = size.saturating_sub(hint as u64)..size;
    let mut wanted: Vec<Range<u64>> = vec![tail];
    loop {
        let read = leaf.fetch(&wanted).await.map_err(external)?;
        decoder.push_ranges(wanted, read)?;
        wanted = match decoder.try_decode().map_err(|error| in_file(leaf, error))? {
            DecodeResult::Data(metadata) => return Ok(metadata),
            DecodeResult::NeedsData(ranges) => ranges,
            DecodeResult::Finished => {
                return Err(in_file(leaf, ParquetError::General("the footer ended early".into())));
            }
        };
    }
}

fn in_file(leaf: &PinnedLeaf, error: ParquetError) -> ParquetError {
    ParquetError::General(format!("{}: {error}", leaf.meta().location))
}
