//! From roots to tables: every HATS catalogue or collection under a root, by the path that leads to it.
//!
//! `ROOT/NAME` is table `NAME`, `ROOT/FOLDER/NAME` is `FOLDER.NAME`. With no root at all, the sample sky.

use std::collections::BTreeMap;
use std::sync::Arc;

use dreyer_sky::hats;
use futures::{StreamExt, stream};

use super::entry::Entry;
use super::{DEFAULT_SCHEMA, Known, Root};
use crate::{Error, ErrorKind, Result};

/// Catalogues opened together.
const CONCURRENT: usize = 16;

/// Looks at all roots. What is in `before` and has not changed is not opened again.
///
/// # Errors
/// A root cannot be listed, or two catalogues claim one name.
pub(super) async fn look(roots: &[Root], before: &Known) -> Result<Known> {
    let mut known = Known::new();
    for (index, root) in roots.iter().enumerate() {
        for entry in look_at(root, index, before).await? {
            enter(&mut known, entry, &root.given)?;
        }
    }
    known.entry(DEFAULT_SCHEMA.to_owned()).or_default();
    Ok(known)
}

async fn look_at(root: &Root, index: usize, before: &Known) -> Result<Vec<Arc<Entry>>> {
    let found = hats::discover(&root.store, &root.path).await?;
    let opened = stream::iter(found).map(|found| async move {
        let schema = found.schema.as_deref().unwrap_or(DEFAULT_SCHEMA);
        let old = before.get(schema).and_then(|tables| tables.get(&found.name));
        match old.filter(|old| old.is(index, &found)) {
            Some(old) => Arc::clone(old),
            None => Arc::new(Entry::open(root, index, found).await),
        }
    });
    Ok(opened.buffered(CONCURRENT).collect().await)
}

fn enter(known: &mut Known, entry: Arc<Entry>, root: &str) -> Result<()> {
    let (schema, name) = entry.name();
    let tables: &mut BTreeMap<_, _> = known.entry(schema.to_owned()).or_default();
    if tables.contains_key(name) {
        let message = format!("two roots hold a catalogue {schema}.{name}; the second is {root}");
        return Err(Error::new(ErrorKind::DuplicateTable, message)
            .with_hint("Rename one of the folders, or move it one folder deeper."));
    }
    tables.insert(name.to_owned(), Arc::clone(&entry));
    Ok(())
}
