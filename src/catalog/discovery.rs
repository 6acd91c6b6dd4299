//! From roots to tables: every HATS catalogue, collection or plain file under a root, by the path that leads to it.
//!
//! `ROOT/NAME` is table `NAME`, `ROOT/FOLDER/NAME` is `FOLDER.NAME`; of a file, the name without its endings. With no
//! root at all, the sample sky.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::execution::SessionState;
use dreyer_sky::{files, hats};
use futures::{StreamExt, stream};

use super::entry::{Entry, Found};
use super::{DEFAULT_SCHEMA, Known, Root};
use crate::{Error, ErrorKind, Result};

/// Catalogues opened together.
const CONCURRENT: usize = 16;

/// Looks at all roots. What is in `before` and has not changed is not opened again.
///
/// # Errors
/// A root cannot be listed, or two catalogues claim one name.
pub(super) async fn look(roots: &[Root], state: &SessionState, before: &Known) -> Result<Known> {
    let mut known = Known::new();
    for (index, root) in roots.iter().enumerate() {
        for entry in look_at(root, index, state, before).await? {
            enter(&mut known, entry, &root.given)?;
        }
    }
    known.entry(DEFAULT_SCHEMA.to_owned()).or_default();
    Ok(known)
}

async fn look_at(root: &Root, index: usize, state: &SessionState, before: &Known) -> Result<Vec<Arc<Entry>>> {
    let found = hats::discover(&root.store, &root.path).await?;
    let files = files::discover(Arc::clone(&root.store), root.path.clone()).await?;
    let found = found.into_iter().map(Found::Catalog);
    let found = found.chain(files.into_iter().map(Found::File));
    let opened = stream::iter(found).map(|found| async move {
        let (schema, name) = found.name();
        let old = before.get(schema).and_then(|tables| tables.get(name));
        match old.filter(|old| old.is(index, &found)) {
            Some(old) => Arc::clone(old),
            None => Arc::new(Entry::open(root, index, found, state).await),
        }
    });
    Ok(opened.buffered(CONCURRENT).collect().await)
}

fn enter(known: &mut Known, entry: Arc<Entry>, root: &str) -> Result<()> {
    let (schema, name) = entry.name();
    let tables: &mut BTreeMap<_, _> = known.entry(schema.to_owned()).or_default();
    if tables.contains_key(name) {
        // Files are many and come by themselves: none keeps a catalogue from being opened.
        if let (_, Found::File(file)) = entry.found() {
            tracing::warn!(file = %file.file.location, "left out a file: another table has its name");
            return Ok(());
        }
        let message = format!("two roots hold a catalogue {schema}.{name}; the second is {root}");
        return Err(Error::new(ErrorKind::DuplicateTable, message)
            .with_hint("Rename one of the folders, or move it one folder deeper."));
    }
    tables.insert(name.to_owned(), Arc::clone(&entry));
    Ok(())
}
