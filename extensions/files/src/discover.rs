//! Finding plain files: those at a root's first two levels that belong to no catalogue are tables.
//!
//! `root/x.parquet` is table `x`, `root/folder/x.csv` is `folder.x`; deeper ones are not looked for. Files of a
//! catalogue (its leaves, `point_map.fits`, `partition_info.csv`) and hidden ones are no tables.

use std::sync::Arc;

use datafusion::catalog::Session;
use datafusion::execution::object_store::ObjectStoreUrl;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

use crate::error::Result;
use crate::format::{Compression, FileFormat, table_name};
use crate::listing::hidden_name;
use crate::options::FileOptions;
use crate::table::FileTable;

/// Folders listed, and files opened, together.
const CONCURRENT: usize = 16;

/// Files that make a folder a catalogue, a collection or a managed table.
const CATALOG_FILES: &[&str] = &[
    "properties",
    "hats.properties",
    "collection.properties",
    "dreyer.manifest.json",
];

/// Bytes of an XML file in which its root element is looked for.
const XML_HEAD: u64 = 4096;

/// A file under a root that is a table by its name.
#[derive(Debug, Clone, PartialEq)]
pub struct DiscoveredFile {
    /// The folder between root and file.
    pub schema: Option<String>,
    /// The file's name without its endings.
    pub name: String,
    /// The file.
    pub file: ObjectMeta,
    /// Its format, by its ending.
    pub format: FileFormat,
    /// What the whole file is compressed with, by its ending.
    pub compression: Compression,
}

/// The plain files under `root`, in the order of their names. Of several files with the same table name one is taken,
/// by the order of [`FileFormat::all`]; a warning in the log names the others. Files are not opened.
///
/// # Errors
/// The root cannot be listed.
pub async fn discover(store: Arc<dyn ObjectStore>, root: Path) -> Result<Vec<DiscoveredFile>> {
    let top = store.list_with_delimiter(prefix(&root)).await?;
    if is_catalog(&top.objects) {
        return Ok(Vec::new());
    }
    let folders = top.common_prefixes.into_iter().filter_map(|folder| {
        let name = folder.filename()?.to_owned();
        (!hidden_name(&name)).then_some((name, folder))
    });
    let listed = stream::iter(folders).map(|(name, folder)| {
        let store = Arc::clone(&store);
        async move {
            match store.list_with_delimiter(Some(&folder)).await {
                Ok(inside) if is_catalog(&inside.objects) => Vec::new(),
                Ok(inside) => found(Some(&name), inside.objects),
                Err(error) => {
                    tracing::warn!(%folder, %error, "left out a folder that cannot be listed");
                    Vec::new()
                }
            }
        }
    });
    let inside: Vec<Vec<DiscoveredFile>> = listed.buffered(CONCURRENT).collect().await;
    let mut files = found(None, top.objects);
    files.extend(inside.into_iter().flatten());
    let files = without_other_xml(&store, files).await?;
    Ok(one_of_each_name(files))
}

/// The files as tables, opened. One that cannot be opened is left out with a warning in the log that names it: a broken
/// file must not close the rest.
pub async fn open_discovered(
    state: &dyn Session,
    store: Arc<dyn ObjectStore>,
    url: ObjectStoreUrl,
    files: Vec<DiscoveredFile>,
) -> Vec<(DiscoveredFile, Arc<FileTable>)> {
    let opened = stream::iter(files).map(|found| {
        let (store, url) = (Arc::clone(&store), url.clone());
        async move {
            let files = vec![found.file.clone()];
            match FileTable::open(state, store, url, files, &FileOptions::default()).await {
                Ok(table) => Some((found, Arc::new(table))),
                Err(error) => {
                    tracing::warn!(file = %found.file.location, %error, "left out a file that cannot be read");
                    None
                }
            }
        }
    });
    opened
        .buffered(CONCURRENT)
        .filter_map(std::future::ready)
        .collect()
        .await
}

fn prefix(root: &Path) -> Option<&Path> {
    (!root.as_ref().is_empty()).then_some(root)
}

fn is_catalog(objects: &[ObjectMeta]) -> bool {
    objects
        .iter()
        .filter_map(|object| object.location.filename())
        .any(|name| CATALOG_FILES.contains(&name))
}

fn found(schema: Option<&str>, objects: Vec<ObjectMeta>) -> Vec<DiscoveredFile> {
    let file = |file: ObjectMeta| {
        let name = file.location.filename().filter(|name| !hidden_name(name))?;
        let (format, compression) = FileFormat::of_name(name)?;
        Some(DiscoveredFile {
            schema: schema.map(str::to_owned),
            name: table_name(name).to_owned(),
            format,
            compression,
            file,
        })
    };
    objects.into_iter().filter_map(file).collect()
}

/// Many kinds of file end in `.xml`: only those that say they are VOTables stay.
async fn without_other_xml(store: &Arc<dyn ObjectStore>, files: Vec<DiscoveredFile>) -> Result<Vec<DiscoveredFile>> {
    let judged = stream::iter(files).map(|found| async {
        let name = found.file.location.filename().unwrap_or_default().to_ascii_lowercase();
        if !name.ends_with(".xml") {
            return Ok::<_, crate::FilesError>(Some(found));
        }
        let head = store
            .get_range(&found.file.location, 0..XML_HEAD.min(found.file.size))
            .await?;
        let says_so = head.windows(8).any(|word| word.eq_ignore_ascii_case(b"<VOTABLE"))
            || head.windows(9).any(|word| word.eq_ignore_ascii_case(b":VOTABLE "));
        Ok(says_so.then_some(found))
    });
    judged
        .buffered(CONCURRENT)
        .try_filter_map(|found| std::future::ready(Ok(found)))
        .try_collect()
        .await
}

fn one_of_each_name(mut files: Vec<DiscoveredFile>) -> Vec<DiscoveredFile> {
    files.sort_by(|a, b| {
        let key = |found: &DiscoveredFile| (found.schema.clone(), found.name.clone(), found.format);
        key(a).cmp(&key(b)).then_with(|| a.file.location.cmp(&b.file.location))
    });
    files.dedup_by(|later, kept| {
        let same = (&later.schema, &later.name) == (&kept.schema, &kept.name);
        if same {
            let (file, table) = (&later.file.location, &kept.file.location);
            tracing::warn!(%file, %table, "left out a file: another one has its table's name");
        }
        same
    });
    files
}
