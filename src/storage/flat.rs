//! A plain web server as a store: it gives files by name and cannot list. What lies in a folder is found by asking for
//! the files that make a folder a catalogue; a root on such a server is the address of one catalogue.

use object_store::path::Path;
use object_store::{Error, ListResult, ObjectMeta, ObjectStoreExt, Result};

use super::fault::StoreFault;
use super::steady::Steady;

/// Files that make a folder a catalogue or a collection, or say what it is made of.
const TELLING: [&str; 4] = [
    "collection.properties",
    "hats.properties",
    "properties",
    "partition_info.csv",
];

/// What is answered to a listing.
pub(super) fn cannot_list(store: &str) -> Error {
    Error::NotSupported {
        source: Box::new(StoreFault::new(
            store,
            &Path::default(),
            "a plain web server lists no files",
        )),
    }
}

/// What can be seen of a folder: which of the telling files are in it.
pub(super) async fn look(store: &Steady, folder: &Path) -> Result<ListResult> {
    let asked = TELLING.map(|name| head(store, folder.clone().join(name)));
    let found = futures::future::try_join_all(asked).await?;
    Ok(ListResult {
        common_prefixes: Vec::new(),
        objects: found.into_iter().flatten().collect(),
    })
}

async fn head(store: &Steady, location: Path) -> Result<Option<ObjectMeta>> {
    match store.head(&location).await {
        Ok(found) => Ok(Some(found)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
