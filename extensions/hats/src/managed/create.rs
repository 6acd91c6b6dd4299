//! Making a table: a snapshot, then the first manifest.

use std::sync::Arc;

use object_store::ObjectStoreExt;

use crate::error::{HatsError, Result};
use crate::import::{ImportOptions, Input, LeafFile, Place, write_catalog};
use crate::layout;
use crate::managed::conform;
use crate::managed::durable::{self, blocking, is_staged};
use crate::managed::ledger::{Committed, Site, Standing};
use crate::managed::manifest::{Kind, Leaf, Manifest, Part, State, fresh_id, part_folder};
use crate::managed::publish::publish;
use crate::managed::steps::Steps;
use crate::managed::table::ManagedTable;
use crate::managed::{plain, relocate, retire};
use crate::properties::Properties;

impl ManagedTable {
    /// Makes the table `place` of the rows of `input`: a HATS catalogue if the columns of position that `options` name
    /// are there and are numbers, else plain Parquet files. All columns may be NULL later on.
    ///
    /// # Errors
    /// `Exists` if something lies there, `Conflict` if somebody else made it at the same time; rows without a usable
    /// position; whatever fails in `input` or in the store. Nothing is left of the table then.
    pub async fn create(place: Place, input: Input, options: &ImportOptions) -> Result<Self> {
        let schema = input.plan.schema();
        let is_number =
            |name: &str| matches!(schema.field_with_name(name), Ok(field) if field.data_type().is_numeric());
        let positions = is_number(&options.lon_column) && is_number(&options.lat_column);
        let kind = if positions { Kind::Hats } else { Kind::Parquet };
        Self::create_as(Site::new(place, Steps::default()), input, options, kind).await
    }

    /// The same, as plain Parquet files, whatever its columns.
    ///
    /// # Errors
    /// As [`create`](Self::create), but for positions.
    pub async fn create_plain(place: Place, input: Input, options: &ImportOptions) -> Result<Self> {
        Self::create_as(Site::new(place, Steps::default()), input, options, Kind::Parquet).await
    }

    pub(crate) async fn create_as(site: Site, input: Input, options: &ImportOptions, kind: Kind) -> Result<Self> {
        let before = vacant(&site).await?;
        let columns = conform::new_columns(&input)?;
        let input = conform::conform(&input, &columns)?;
        let options = ImportOptions {
            name: Some(site.name().to_owned()),
            ..options.clone()
        };
        let snapshot = write_part(&site, 's', input, &options, kind).await?;
        let folder = snapshot.folder.clone();
        let mut first = Manifest::new(kind, super::settings::Settings::of(&options), snapshot);
        if let Some(before) = &before {
            first.version = before.manifest.version + 1;
            first.retired.clone_from(&before.manifest.retired);
        }
        let committed = match site.commit(before.as_ref(), first).await {
            Ok(committed) => committed,
            Err(error) => return Err(discarded(&site, &folder, error).await),
        };
        site.steps.reached("manifest committed").await;
        publish(&site).await?;
        site.steps.reached("published").await;
        let table = Self::of(site, committed, None).await?;
        Ok(table.with_resources(&options))
    }
}

/// The tombstone at a place where a table may be made, if there is one.
pub(crate) async fn vacant(site: &Site) -> Result<Option<Committed>> {
    let exists = || HatsError::Exists {
        table: site.place.path.to_string(),
    };
    match site.standing().await? {
        Standing::Live(_) => Err(exists()),
        Standing::Pending(_) => Err(site.conflict(
            "another table is being renamed to it; try again, or sweep its root if the rename was broken off",
        )),
        Standing::Dropped(tombstone) => {
            if let State::Dropped { moved_to: Some(to) } = &tombstone.manifest.state {
                relocate::finish(site, to).await?;
            }
            Ok(Some(tombstone))
        }
        Standing::Absent if holds_strangers(site).await? => Err(exists()),
        Standing::Absent => Ok(None),
    }
}

/// Whether the folder holds anything but what a broken-off creation leaves.
pub(crate) async fn holds_strangers(site: &Site) -> Result<bool> {
    let listed = site.place.store.list_with_delimiter(Some(&site.place.path)).await?;
    let ours = |name: &str| {
        part_folder(name).is_some()
            || is_staged(name)
            || [layout::MANIFEST_FILE, layout::COLLECTION_FILE].contains(&name)
    };
    let folders = listed.common_prefixes.iter().map(object_store::path::Path::filename);
    let files = listed.objects.iter().map(|file| file.location.filename());
    Ok(folders.chain(files).flatten().any(|name| !ours(name)))
}

/// Writes a part of the table, durably. Nothing is left of it after an error.
pub(crate) async fn write_part(
    site: &Site,
    prefix: char,
    input: Input,
    options: &ImportOptions,
    kind: Kind,
) -> Result<Part> {
    let folder = format!("{prefix}-{}", fresh_id());
    let written = async {
        let place = site.part(&folder);
        if let Some(table) = site.place.local.clone() {
            blocking(move || durable::create_folder(&table)).await?;
        }
        let part = match kind {
            Kind::Hats => write_hats(input, &place, &folder, options).await?,
            Kind::Parquet => plain::write(input, &place, &folder, options).await?,
        };
        site.steps.reached("data written").await;
        site.sync(&folder, kind).await?;
        site.steps.reached("data synced").await;
        Ok(part)
    };
    match written.await {
        Ok(part) => Ok(part),
        Err(error) => Err(discarded(site, &folder, error).await),
    }
}

async fn write_hats(input: Input, place: &Place, folder: &str, options: &ImportOptions) -> Result<Part> {
    let written = write_catalog(input, place, options, &()).await?;
    let leaf = |leaf: &LeafFile| Leaf::new(Some(leaf.cell), leaf.rows, &leaf.meta, &place.path);
    let leaves = written.leaves.iter().map(leaf).collect::<Result<Vec<_>>>()?;
    let schema = place
        .path
        .clone()
        .join(layout::DATASET_DIR)
        .join(layout::SCHEMA_FILES[0]);
    let schema = place.store.head(&schema).await?;
    let properties = place.path.clone().join(layout::PROPERTIES_FILES[0]);
    let text = place.store.get(&properties).await?.bytes().await?;
    let properties = Properties::parse(&String::from_utf8_lossy(&text));
    let entries = properties.iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
    Ok(Part {
        folder: folder.to_owned(),
        rows: written.rows,
        properties: entries.collect(),
        schema: Leaf::new(None, 0, &schema, &place.path)?,
        leaves,
    })
}

/// Removes a part that was not committed because of `error`, and hands that on.
pub(crate) async fn discarded(site: &Site, folder: &str, error: HatsError) -> HatsError {
    discard(site, folder).await;
    error
}

/// Removes a part unless the manifest names it: after some errors of a store nobody knows whether it was committed. If
/// the manifest cannot be read, the part stays for a sweep.
pub(crate) async fn discard(site: &Site, folder: &str) {
    let named = match site.read().await {
        Ok(Some(found)) => found.manifest.folders().any(|known| known == folder),
        Ok(None) => false,
        Err(_) => true,
    };
    if !named && let Err(fault) = retire::delete_folder(site, folder).await {
        tracing::warn!(%folder, %fault, "left a folder of a table that was not written; a sweep will remove it");
    }
}

/// Puts the tiles of an opened table into a form that its next part can be cut along.
pub(crate) fn tiling(table: &ManagedTable) -> Arc<[dreyer_sphere::Cell]> {
    let tiles = table
        .catalog()
        .map(|catalog| catalog.tiles().iter().map(|tile| tile.cell));
    tiles.into_iter().flatten().collect()
}
