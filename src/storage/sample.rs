//! The sample sky: two real catalogues that the binary carries, served from memory.

use std::sync::Arc;

use include_dir::{Dir, include_dir};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};

use crate::{Error, ErrorKind, Result};

/// The folder of the sources that becomes part of the binary.
static SAMPLE: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/sql/sample");

/// Address of the store: a scheme of its own, so that no path of the machine can be meant.
pub(super) const URL: &str = "sample://sky";

/// A store with the sample's files. The bytes stay where the program was loaded.
pub(super) async fn open() -> Result<Arc<dyn ObjectStore>> {
    let store = InMemory::new();
    let mut folders = vec![&SAMPLE];
    while let Some(folder) = folders.pop() {
        folders.extend(folder.dirs());
        for file in folder.files() {
            let path = Path::parse(file.path().to_string_lossy().replace('\\', "/"))
                .map_err(|error| Error::new(ErrorKind::Internal, format!("the sample sky: {error}")))?;
            store
                .put(&path, PutPayload::from_static(file.contents()))
                .await
                .map_err(|error| Error::new(ErrorKind::Internal, format!("the sample sky: {error}")))?;
        }
    }
    Ok(Arc::new(store))
}
