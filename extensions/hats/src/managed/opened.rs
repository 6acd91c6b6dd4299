//! From a manifest to what queries read: columns from the snapshot's schema file, tiles from the list of leaves. No
//! folder is listed and no leaf is opened.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{Schema, SchemaRef};
use dreyer_sphere::Cell;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt};

use crate::catalog::{HatsCatalog, INDEX_IS_OF_PROPERTY};
use crate::error::{HatsError, Result};
use crate::layout;
use crate::listing::Tile;
use crate::managed::ledger::Site;
use crate::managed::manifest::{Leaf, Manifest, Part};
use crate::properties::Properties;
use crate::schema;

/// The metadata key of a column's description.
const DESCRIPTION: &str = "description";

/// The columns of the table as its snapshot has them, by one GET; and whether the snapshot's files are the ones that
/// were committed. They are not where a whole table was copied, which gives every file another ETag.
pub(crate) async fn stored_schema(site: &Site, manifest: &Manifest) -> Result<(SchemaRef, bool)> {
    let snapshot = snapshot(site, manifest)?;
    let expected = snapshot.schema.meta(&site.file(&snapshot.folder));
    let found = site.place.store.get(&expected.location).await?;
    let unchanged = found.meta.e_tag == expected.e_tag && found.meta.size == expected.size;
    let schema = schema::of_bytes(&found.bytes().await?);
    let schema = schema.map_err(|error| HatsError::malformed(&expected.location, error.to_string()))?;
    Ok((schema, unchanged))
}

pub(crate) fn snapshot<'a>(site: &Site, manifest: &'a Manifest) -> Result<&'a Part> {
    let absent = || HatsError::malformed(site.file(layout::MANIFEST_FILE), "names no snapshot");
    manifest.snapshot.as_ref().ok_or_else(absent)
}

/// The columns with the comments of the manifest as their descriptions.
pub(crate) fn commented(stored: &SchemaRef, comments: &BTreeMap<String, Option<String>>) -> SchemaRef {
    if comments.is_empty() {
        return Arc::clone(stored);
    }
    let fields = stored.fields().iter().map(|field| {
        let Some(comment) = comments.get(field.name()) else {
            return Arc::clone(field);
        };
        let mut metadata = field.metadata().clone();
        match comment {
            Some(comment) => metadata.insert(DESCRIPTION.to_owned(), comment.clone()),
            None => metadata.remove(DESCRIPTION),
        };
        Arc::new(field.as_ref().clone().with_metadata(metadata))
    });
    Arc::new(Schema::new_with_metadata(
        fields.collect::<Vec<_>>(),
        stored.metadata().clone(),
    ))
}

/// The catalogue of snapshot and increments.
pub(crate) fn catalog(site: &Site, manifest: &Manifest, schema: SchemaRef) -> Result<HatsCatalog> {
    let mut properties = Properties::default();
    for (key, value) in &snapshot(site, manifest)?.properties {
        properties.set(key, value);
    }
    // A promise about every row is the table's only if each part makes it.
    let promise = properties.get(INDEX_IS_OF_PROPERTY).map(str::to_owned);
    let vouches = |part: &Part| part.properties.get(INDEX_IS_OF_PROPERTY) == promise.as_ref();
    if !manifest.parts().all(vouches) {
        properties.set(INDEX_IS_OF_PROPERTY, "");
    }
    let rows: u64 = manifest.parts().map(|part| part.rows).sum();
    properties.set("hats_nrows", rows);
    properties.set("obs_collection", site.name());
    let parts = manifest
        .parts()
        .map(|part| (site.file(&part.folder), part.leaves.as_slice()));
    let tiles = tiles(parts);
    Ok(HatsCatalog::of_tiles(&site.place, properties, schema, tiles))
}

/// All files of a table without tiles, and their rows.
pub(crate) fn files(site: &Site, manifest: &Manifest) -> Vec<(ObjectMeta, u64)> {
    let parts = manifest.parts();
    parts
        .flat_map(|part| {
            let folder = site.file(&part.folder);
            part.leaves.iter().map(move |leaf| (leaf.meta(&folder), leaf.rows))
        })
        .collect()
}

/// Disjoint tiles from leaves that may lie within one another. The coarsest leaf makes the tile; the leaves within it,
/// which are increments' as a rule, are its further files.
fn tiles<'a>(parts: impl Iterator<Item = (Path, &'a [Leaf])>) -> Vec<Tile> {
    let mut leaves: Vec<(Cell, usize, u64, ObjectMeta)> = Vec::new();
    for (age, (folder, part)) in parts.enumerate() {
        let of_tiles = part.iter().filter_map(|leaf| Some((leaf.cell?, leaf)));
        leaves.extend(of_tiles.map(|(cell, leaf)| (cell, age, leaf.rows, leaf.meta(&folder))));
    }
    leaves.sort_by_key(|(cell, age, ..)| (cell.range().start, cell.order(), *age));
    let mut tiles: Vec<Tile> = Vec::new();
    for (cell, _, rows, file) in leaves {
        match tiles.last_mut() {
            Some(tile) if cell.range().start < tile.cell.range().end => {
                tile.rows = tile.rows.map(|before| before + rows);
                tile.files.push(file);
            }
            _ => tiles.push(Tile {
                cell,
                rows: Some(rows),
                files: vec![file],
            }),
        }
    }
    tiles
}

/// The manifest with the identities that its files have now, where the whole table was copied or restored from a
/// backup. Leaves are never changed in place, so names and sizes tell whether these are the files that were committed.
pub(crate) async fn relisted(site: &Site, manifest: &Manifest) -> Result<Manifest> {
    let mut manifest = manifest.clone();
    for part in manifest.snapshot.iter_mut().chain(&mut manifest.increments) {
        let folder = site.file(&part.folder);
        let found: BTreeMap<Path, ObjectMeta> = site
            .place
            .store
            .list(Some(&folder))
            .map_ok(|meta| (meta.location.clone(), meta))
            .try_collect()
            .await?;
        for leaf in part.leaves.iter_mut().chain([&mut part.schema]) {
            let expected = leaf.meta(&folder).location;
            match found.get(&expected) {
                Some(meta) if meta.size == leaf.bytes => {
                    leaf.etag.clone_from(&meta.e_tag);
                    leaf.modified = meta.last_modified.timestamp_micros();
                }
                Some(meta) => {
                    let fault = format!("has {} bytes; the manifest says {}", meta.size, leaf.bytes);
                    return Err(HatsError::malformed(expected, fault));
                }
                None => return Err(HatsError::malformed(expected, "is missing; the manifest names it")),
            }
        }
    }
    Ok(manifest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(order: u8, index: u64, rows: u64) -> Leaf {
        Leaf {
            cell: Some(Cell::new(order, index).unwrap()),
            rows,
            bytes: 1,
            etag: None,
            modified: 0,
            path: None,
        }
    }

    #[test]
    fn leaves_within_leaves_are_further_files_of_one_tile() {
        let snapshot = [leaf(1, 0, 10), leaf(1, 1, 20), leaf(2, 9, 5)];
        let first = [leaf(1, 1, 1), leaf(3, 0, 2), leaf(0, 11, 3)];
        let second = [leaf(1, 2, 7)];
        let parts = [("s", &snapshot[..]), ("i", &first[..]), ("j", &second[..])];
        let made = tiles(parts.into_iter().map(|(name, leaves)| (Path::from(name), leaves)));
        let told: Vec<_> = made
            .iter()
            .map(|tile| {
                (
                    tile.cell.order(),
                    tile.cell.index(),
                    tile.rows.unwrap(),
                    tile.files.len(),
                )
            })
            .collect();
        assert_eq!(told, [(1, 0, 12, 2), (1, 1, 21, 2), (1, 2, 12, 2), (0, 11, 3, 1)]);
        assert!(
            made[0].files[0].location.as_ref().starts_with("s/"),
            "the snapshot comes first"
        );
    }
}
