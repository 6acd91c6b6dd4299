//! One version of a stored file, on its way to another process: what makes sure that the file is read there which was
//! planned here. The engine's own encoding of a scan drops it.

use std::collections::HashMap;

use chrono::DateTime;
use datafusion::datasource::physical_plan::FileGroup;
use datafusion::error::{DataFusionError, Result};
use object_store::ObjectMeta;
use object_store::path::Path;
use prost::Message;

/// A file and which version of it, as it is sent.
#[derive(Clone, PartialEq, Message)]
pub struct FileVersion {
    /// Path within the store.
    #[prost(string, tag = "1")]
    pub path: String,
    /// Size.
    #[prost(uint64, tag = "2")]
    pub bytes: u64,
    /// Time of the last change, in seconds since 1970.
    #[prost(int64, tag = "3")]
    pub modified_seconds: i64,
    /// The rest of that time.
    #[prost(uint32, tag = "4")]
    pub modified_nanos: u32,
    /// What the store calls the version.
    #[prost(string, optional, tag = "5")]
    pub etag: Option<String>,
    /// The same, of a store that keeps versions.
    #[prost(string, optional, tag = "6")]
    pub version: Option<String>,
}

impl From<&ObjectMeta> for FileVersion {
    fn from(meta: &ObjectMeta) -> Self {
        Self {
            path: meta.location.to_string(),
            bytes: meta.size,
            modified_seconds: meta.last_modified.timestamp(),
            modified_nanos: meta.last_modified.timestamp_subsec_nanos(),
            etag: meta.e_tag.clone(),
            version: meta.version.clone(),
        }
    }
}

impl TryFrom<FileVersion> for ObjectMeta {
    type Error = DataFusionError;

    fn try_from(file: FileVersion) -> Result<Self> {
        let garbled = |what: String| DataFusionError::Execution(format!("a file's version cannot be read: {what}"));
        let modified = DateTime::from_timestamp(file.modified_seconds, file.modified_nanos);
        Ok(Self {
            location: Path::parse(&file.path).map_err(|error| garbled(error.to_string()))?,
            last_modified: modified.ok_or_else(|| garbled("a time out of range".to_owned()))?,
            size: file.bytes,
            e_tag: file.etag,
            version: file.version,
        })
    }
}

/// File groups as the engine decoded them, with the versions that it lost.
///
/// # Errors
/// A file of which no version came along: any would be read.
pub fn pinned<'a>(groups: &[FileGroup], versions: impl IntoIterator<Item = &'a ObjectMeta>) -> Result<Vec<FileGroup>> {
    let versions: HashMap<&Path, &ObjectMeta> = versions.into_iter().map(|meta| (&meta.location, meta)).collect();
    let pinned = |group: &FileGroup| {
        let files = group.iter().cloned().map(|mut file| {
            let location = &file.object_meta.location;
            let version = versions.get(location).ok_or_else(|| {
                DataFusionError::Execution(format!("a scan of {location} arrived without the file's version"))
            })?;
            file.object_meta = (*version).clone();
            Ok(file)
        });
        Ok(FileGroup::new(files.collect::<Result<_>>()?))
    };
    groups.iter().map(pinned).collect()
}
