//! Finding catalogues: every folder under a root that holds a catalogue or a collection is a table.
//!
//! `root/NAME` is table `NAME`, `root/FOLDER/NAME` is `FOLDER.NAME`; deeper folders are not looked at. A root that is
//! itself a catalogue is one table. Margins, indexes and associations belong to a catalogue and are no tables; hidden
//! folders (`.x`, `_x`) are skipped, and so are [managed](crate::managed) tables and their parts, which are found by
//! [`managed::discover`](crate::managed::discover).

use std::sync::Arc;

use datafusion::execution::object_store::ObjectStoreUrl;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::ObjectStore;
use object_store::path::Path;

use crate::catalog::HatsCatalog;
use crate::error::Result;
use crate::layout;
use crate::managed::{MANIFEST_FILE, part_folder};

/// Folders and catalogues looked at together.
const CONCURRENT: usize = 16;

/// A catalogue that was found under a root.
#[derive(Debug, Clone)]
pub struct DiscoveredTable {
    /// The folder between root and catalogue.
    pub schema: Option<String>,
    /// Name of the catalogue's or collection's folder.
    pub name: String,
    /// The catalogue, opened; of a collection, the primary one.
    pub catalog: Arc<HatsCatalog>,
}

/// All tables under `root` of `store`, which sessions know as `url`, in the order of their names.
///
/// A catalogue that cannot be opened is left out with a warning in the log: one broken folder must not close the rest.
///
/// # Errors
/// The root itself cannot be listed.
pub async fn discover(store: Arc<dyn ObjectStore>, url: ObjectStoreUrl, root: Path) -> Result<Vec<DiscoveredTable>> {
    let top = look(&store, &root).await?;
    let places = match top {
        Folder::Catalog => vec![(None, root.filename().unwrap_or("catalog").to_owned(), root)],
        Folder::Managed => Vec::new(),
        Folder::Plain(folders) => places_in(&store, folders).await?,
    };
    let opened = stream::iter(places).map(|(schema, name, path)| {
        let (store, url) = (Arc::clone(&store), url.clone());
        async move { open(store, url, schema, name, path).await }
    });
    let mut tables: Vec<_> = opened
        .buffer_unordered(CONCURRENT)
        .filter_map(std::future::ready)
        .collect()
        .await;
    tables.sort_by(|a, b| (&a.schema, &a.name).cmp(&(&b.schema, &b.name)));
    Ok(tables)
}

type Place = (Option<String>, String, Path);

async fn places_in(store: &Arc<dyn ObjectStore>, folders: Vec<Path>) -> Result<Vec<Place>> {
    let looked = stream::iter(folders).map(|path| {
        let store = Arc::clone(store);
        async move { Ok::<_, crate::HatsError>((look(&store, &path).await?, path)) }
    });
    let looked: Vec<(Folder, Path)> = looked.buffered(CONCURRENT).try_collect().await?;
    let mut places = Vec::new();
    for (folder, path) in looked {
        let Some(name) = visible_name(&path) else { continue };
        match folder {
            Folder::Catalog => places.push((None, name, path)),
            Folder::Managed => {}
            Folder::Plain(inner) => {
                let inside = inner
                    .into_iter()
                    .filter_map(|path| Some((Some(name.clone()), visible_name(&path)?, path)));
                places.extend(inside);
            }
        }
    }
    Ok(places)
}

enum Folder {
    /// A catalogue or a collection.
    Catalog,
    /// A managed table, or what is left of one.
    Managed,
    /// None of these; its folders.
    Plain(Vec<Path>),
}

async fn look(store: &Arc<dyn ObjectStore>, path: &Path) -> Result<Folder> {
    let listed = store.list_with_delimiter(Some(path)).await?;
    let holds = |wanted: fn(&str) -> bool| {
        let mut names = listed.objects.iter().filter_map(|object| object.location.filename());
        names.any(wanted)
    };
    Ok(if holds(|name| name == MANIFEST_FILE) {
        Folder::Managed
    } else if holds(is_properties_file) {
        Folder::Catalog
    } else {
        Folder::Plain(listed.common_prefixes)
    })
}

fn is_properties_file(name: &str) -> bool {
    layout::PROPERTIES_FILES.contains(&name) || name == layout::COLLECTION_FILE
}

fn visible_name(path: &Path) -> Option<String> {
    path.filename()
        .filter(|name| !name.starts_with(['.', '_']) && part_folder(name).is_none())
        .map(str::to_owned)
}

async fn open(
    store: Arc<dyn ObjectStore>,
    url: ObjectStoreUrl,
    schema: Option<String>,
    name: String,
    path: Path,
) -> Option<DiscoveredTable> {
    match HatsCatalog::open(store, url, path.clone()).await {
        Ok(catalog) if matches!(catalog.kind(), "margin" | "index" | "association") => None,
        Ok(catalog) => Some(DiscoveredTable {
            schema,
            name,
            catalog: Arc::new(catalog),
        }),
        // The second level is opened without having been looked at: most plain folders end here.
        Err(crate::HatsError::NotACatalog { .. }) => None,
        Err(error) => {
            tracing::warn!(%path, %error, "left out a catalogue that cannot be opened");
            None
        }
    }
}
