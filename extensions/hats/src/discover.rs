//! Which catalogues lie under a root: a matter of listing folders, in which nothing is opened.
//!
//! `ROOT` may be a catalogue itself; else `ROOT/NAME` is table `NAME` and `ROOT/FOLDER/NAME` is `FOLDER.NAME`. Folders
//! whose names start with `.` or `_` are hidden, and so are the parts of [managed](crate::managed) tables.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{ListResult, ObjectMeta, ObjectStore};

use crate::error::{HatsError, Result};
use crate::layout;
use crate::managed::part_folder;

/// Folders looked at together.
const CONCURRENT: usize = 16;

/// A catalogue that was found under a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundTable {
    /// The folder between root and catalogue.
    pub schema: Option<String>,
    /// Name of the catalogue's, collection's or table's folder.
    pub name: String,
    /// That folder, within the store.
    pub path: Path,
    /// Whether it is a table with a manifest, which SQL may write.
    pub managed: bool,
    /// Changes when one of the files that say what the catalogue is made of changes: their names, versions and sizes.
    pub fingerprint: String,
}

/// All catalogues under `root` of `store`, in the order of their names.
///
/// # Errors
/// A folder cannot be listed.
pub async fn discover(store: &Arc<dyn ObjectStore>, root: &Path) -> Result<Vec<FoundTable>> {
    let top = look(store, root).await?;
    let name = root.filename().unwrap_or("catalog").to_owned();
    let mut found = match catalog_in(&top) {
        Some((managed, fingerprint)) => vec![FoundTable {
            schema: None,
            name,
            path: root.clone(),
            managed,
            fingerprint,
        }],
        None => below(store, folders(&top, None)).await?,
    };
    found.sort_by(|a, b| (&a.schema, &a.name).cmp(&(&b.schema, &b.name)));
    Ok(found)
}

/// A folder to look at: the folder above it, if that is not the root, and its own name.
type Place = (Option<String>, String, Path);

/// The catalogues among `places` and, one floor further down, within those that are none.
async fn below(store: &Arc<dyn ObjectStore>, places: Vec<Place>) -> Result<Vec<FoundTable>> {
    let mut found = Vec::new();
    let mut inner = Vec::new();
    for ((schema, name, path), listed) in look_at(store, places).await? {
        match catalog_in(&listed) {
            Some((managed, fingerprint)) => found.push(FoundTable {
                schema,
                name,
                path,
                managed,
                fingerprint,
            }),
            None => inner.extend(folders(&listed, Some(&name))),
        }
    }
    for ((schema, name, path), listed) in look_at(store, inner).await? {
        if let Some((managed, fingerprint)) = catalog_in(&listed) {
            found.push(FoundTable {
                schema,
                name,
                path,
                managed,
                fingerprint,
            });
        }
    }
    Ok(found)
}

async fn look_at(store: &Arc<dyn ObjectStore>, places: Vec<Place>) -> Result<Vec<(Place, ListResult)>> {
    let looked = stream::iter(places).map(|place| {
        let store = Arc::clone(store);
        async move {
            let listed = look(&store, &place.2).await?;
            Ok::<_, HatsError>((place, listed))
        }
    });
    looked.buffered(CONCURRENT).try_collect().await
}

async fn look(store: &Arc<dyn ObjectStore>, path: &Path) -> Result<ListResult> {
    Ok(store.list_with_delimiter(Some(path)).await?)
}

/// The visible folders of a listing.
fn folders(listed: &ListResult, schema: Option<&str>) -> Vec<Place> {
    let visible = |path: &Path| {
        let shown = |name: &&str| !name.starts_with(['.', '_']) && part_folder(name).is_none();
        let name = path.filename().filter(shown)?;
        Some((schema.map(str::to_owned), name.to_owned(), path.clone()))
    };
    listed.common_prefixes.iter().filter_map(visible).collect()
}

/// Whether a folder is a catalogue: if it has a manifest, and its fingerprint.
fn catalog_in(listed: &ListResult) -> Option<(bool, String)> {
    let mut telling: Vec<&ObjectMeta> = listed.objects.iter().filter(|object| tells(object)).collect();
    telling.sort_by(|a, b| a.location.cmp(&b.location));
    let has = |wanted: &[&str]| {
        telling
            .iter()
            .filter_map(|object| object.location.filename())
            .any(|name| wanted.contains(&name))
    };
    let managed = has(&[layout::MANIFEST_FILE]);
    let catalog = managed || has(&layout::PROPERTIES_FILES) || has(&[layout::COLLECTION_FILE]);
    catalog.then(|| (managed, telling.into_iter().map(version).collect()))
}

fn tells(object: &ObjectMeta) -> bool {
    let files = [
        layout::MANIFEST_FILE,
        layout::COLLECTION_FILE,
        layout::PARTITION_INFO_FILE,
    ];
    object
        .location
        .filename()
        .is_some_and(|name| layout::PROPERTIES_FILES.contains(&name) || files.contains(&name))
}

fn version(object: &ObjectMeta) -> String {
    let name = object.location.filename().unwrap_or_default();
    let tag = object.e_tag.as_deref().unwrap_or_default();
    format!(
        "{name} {} {tag} {}\n",
        object.size,
        object.last_modified.timestamp_micros()
    )
}
