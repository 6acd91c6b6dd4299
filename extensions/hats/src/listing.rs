//! The tiles of a catalogue and their files: one LIST per catalogue, matched with `partition_info.csv`.

use std::collections::HashMap;
use std::sync::Arc;

use dreyer_sphere::Cell;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

use crate::error::{HatsError, Result};
use crate::layout::{self, PartitionInfo};

/// Requests in flight where every leaf must be asked for on its own.
const CONCURRENT_HEADS: usize = 32;

/// One tile: a HEALPix cell and the files that hold its rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Tile {
    /// The cell; all rows of the tile lie in it.
    pub cell: Cell,
    /// Rows of the tile, where known.
    pub rows: Option<u64>,
    /// Its files, in the order of their names; several form one tile.
    pub files: Vec<ObjectMeta>,
}

impl Tile {
    /// Stored bytes of the tile.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }
}

/// What the store says about the dataset folder.
pub(crate) struct Listing {
    files: HashMap<Cell, Vec<ObjectMeta>>,
    /// Schema-only files by name.
    pub(crate) metadata: HashMap<&'static str, ObjectMeta>,
}

/// Lists the dataset folder. `None` where the store cannot list (a plain HTTP server).
pub(crate) async fn list(store: &dyn ObjectStore, dataset: &Path, suffix: &str) -> Result<Option<Listing>> {
    let mut found = Listing {
        files: HashMap::new(),
        metadata: HashMap::new(),
    };
    let mut objects = store.list(Some(dataset));
    loop {
        let object = match objects.try_next().await {
            Ok(Some(object)) => object,
            Ok(None) => break,
            Err(object_store::Error::NotSupported { .. } | object_store::Error::NotImplemented { .. }) => {
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let relative = object.location.as_ref().strip_prefix(dataset.as_ref());
        let Some(relative) = relative.map(|path| path.trim_start_matches('/')) else {
            continue;
        };
        if let Some(name) = layout::SCHEMA_FILES.into_iter().find(|name| *name == relative) {
            found.metadata.insert(name, object);
        } else if let Some(cell) = layout::cell_of_leaf(relative, suffix) {
            found.files.entry(cell).or_default().push(object);
        }
    }
    Ok(Some(found))
}

/// Joins the list of tiles with the files. Files of no listed tile are left out: they are not committed.
/// Without a list every file counts.
pub(crate) fn tiles(info: Option<Vec<PartitionInfo>>, mut listing: Listing, root: &Path) -> Result<Vec<Tile>> {
    let info = info.unwrap_or_else(|| {
        listing
            .files
            .keys()
            .map(|cell| PartitionInfo {
                cell: *cell,
                rows: None,
            })
            .collect()
    });
    let mut tiles = info
        .into_iter()
        .map(|PartitionInfo { cell, rows }| {
            let mut files = listing.files.remove(&cell).ok_or_else(|| missing(root, cell))?;
            files.sort_by(|a, b| a.location.cmp(&b.location));
            Ok(Tile { cell, rows, files })
        })
        .collect::<Result<Vec<_>>>()?;
    sort_and_check(&mut tiles, root)?;
    Ok(tiles)
}

/// The tiles where the store cannot list: every leaf is asked for by name.
pub(crate) async fn tiles_by_name(
    store: &Arc<dyn ObjectStore>,
    info: Vec<PartitionInfo>,
    root: &Path,
    suffix: &str,
) -> Result<Vec<Tile>> {
    if suffix == "/" {
        return Err(HatsError::malformed(
            root,
            "keeps tiles as folders, which need a store that can list",
        ));
    }
    let dataset = root.clone().join(layout::DATASET_DIR);
    let mut tiles: Vec<Tile> = stream::iter(info)
        .map(|PartitionInfo { cell, rows }| {
            let location = Path::from(format!("{dataset}/{}", layout::leaf_path(cell, suffix)));
            let store = Arc::clone(store);
            async move {
                Ok::<_, HatsError>(Tile {
                    cell,
                    rows,
                    files: vec![store.head(&location).await?],
                })
            }
        })
        .buffered(CONCURRENT_HEADS)
        .try_collect()
        .await?;
    sort_and_check(&mut tiles, root)?;
    Ok(tiles)
}

/// Sorts along the curve; tiles that overlap would give rows twice.
fn sort_and_check(tiles: &mut [Tile], root: &Path) -> Result<()> {
    tiles.sort_by_key(|tile| tile.cell.range().start);
    for pair in tiles.windows(2) {
        if let [a, b] = pair
            && b.cell.range().start < a.cell.range().end
        {
            let fault = format!("its tiles {} and {} overlap", name(a.cell), name(b.cell));
            return Err(HatsError::malformed(root, fault));
        }
    }
    Ok(())
}

fn missing(root: &Path, cell: Cell) -> HatsError {
    let fault = format!("lists tile {}, but the dataset folder has no such file", name(cell));
    HatsError::malformed(root.clone().join(layout::PARTITION_INFO_FILE), fault)
}

fn name(cell: Cell) -> String {
    format!("Norder={} Npix={}", cell.order(), cell.index())
}
