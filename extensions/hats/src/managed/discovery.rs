//! Finding managed tables: `root/NAME` and `root/SCHEMA/NAME`, as for catalogues that are only read.

use futures::{StreamExt, stream};
use object_store::path::Path;

use super::stand_in::Place;
use crate::error::Result;
use crate::managed::manifest::MANIFEST_FILE;
use crate::managed::part_folder;
use crate::managed::table::ManagedTable;

/// Folders and tables looked at together.
const CONCURRENT: usize = 16;

/// A managed table that was found under a root.
#[derive(Debug, Clone)]
pub struct ManagedEntry {
    /// The folder between root and table.
    pub schema: Option<String>,
    /// Name of the table's folder.
    pub name: String,
    /// The table, opened.
    pub table: ManagedTable,
}

/// All managed tables under `root`, in the order of their names. One that cannot be opened is left out with a warning
/// in the log.
///
/// # Errors
/// The root cannot be listed.
pub async fn discover(root: &Place) -> Result<Vec<ManagedEntry>> {
    let top = root.store.list_with_delimiter(Some(&root.path)).await?;
    let names = top.common_prefixes.iter().filter_map(visible_name);
    let looked: Vec<Vec<ManagedEntry>> = stream::iter(names)
        .map(|name| look(root, name))
        .buffer_unordered(CONCURRENT)
        .collect()
        .await;
    let mut found: Vec<ManagedEntry> = looked.into_iter().flatten().collect();
    found.sort_by(|a, b| (&a.schema, &a.name).cmp(&(&b.schema, &b.name)));
    Ok(found)
}

/// The folder `name` of a root: a table, or a schema of tables.
async fn look(root: &Place, name: String) -> Vec<ManagedEntry> {
    let place = within(root, &name);
    let listed = match place.store.list_with_delimiter(Some(&place.path)).await {
        Ok(listed) => listed,
        Err(error) => {
            tracing::warn!(path = %place.path, %error, "left out a folder that cannot be listed");
            return Vec::new();
        }
    };
    if listed
        .objects
        .iter()
        .any(|file| file.location.filename() == Some(MANIFEST_FILE))
    {
        return open(place, None, name).await.into_iter().collect();
    }
    let tables = listed.common_prefixes.iter().filter_map(visible_name);
    let tables = tables.map(|table| open(within(&place, &table), Some(name.clone()), table));
    let opened = stream::iter(tables.collect::<Vec<_>>()).buffer_unordered(CONCURRENT);
    opened.filter_map(std::future::ready).collect().await
}

async fn open(place: Place, schema: Option<String>, name: String) -> Option<ManagedEntry> {
    let path = place.path.clone();
    match ManagedTable::open(place).await {
        Ok(table) => table.map(|table| ManagedEntry { schema, name, table }),
        Err(error) => {
            tracing::warn!(%path, %error, "left out a managed table that cannot be opened");
            None
        }
    }
}

/// The folder `name` of a place.
pub(crate) fn within(place: &Place, name: &str) -> Place {
    Place {
        path: place.path.clone().join(name),
        local: place.local.as_ref().map(|folder| folder.join(name)),
        ..place.clone()
    }
}

fn visible_name(path: &Path) -> Option<String> {
    path.filename()
        .filter(|name| !name.starts_with(['.', '_']) && part_folder(name).is_none())
        .map(str::to_owned)
}
