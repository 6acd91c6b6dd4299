//! How the parts of a managed table are written: chosen when it is created, kept in its manifest, and used again for
//! each increment and compaction. What belongs to a machine (memory, spill folder) is not kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use dreyer_sphere::Cell;
use serde::{Deserialize, Serialize};

use crate::import::{ImportOptions, TileLimit};

/// The part of [`ImportOptions`] that a table keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    pub(crate) lon_column: String,
    pub(crate) lat_column: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tile_rows: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tile_bytes: Option<u64>,
    row_group_rows: u64,
    row_group_bytes: u64,
    zstd_level: i32,
    leaf_folders: bool,
    product: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self::of(&ImportOptions::default())
    }
}

impl Settings {
    pub(crate) fn of(options: &ImportOptions) -> Self {
        let (tile_rows, tile_bytes) = match options.tile {
            TileLimit::Rows(rows) => (Some(rows), None),
            TileLimit::Bytes(bytes) => (None, Some(bytes)),
        };
        Self {
            lon_column: options.lon_column.clone(),
            lat_column: options.lat_column.clone(),
            tile_rows,
            tile_bytes,
            row_group_rows: options.row_group_rows,
            row_group_bytes: options.row_group_bytes,
            zstd_level: options.zstd_level,
            leaf_folders: options.leaf_folders,
            product: options.kind.clone(),
        }
    }

    /// The options for another part of the table, with the `machine`'s memory and spill folder, named `name`, whose
    /// tiles fit `existing`.
    pub(crate) fn options(&self, machine: &ImportOptions, name: &str, existing: Arc<[Cell]>) -> ImportOptions {
        let tile = match (self.tile_rows, self.tile_bytes) {
            (_, Some(bytes)) => TileLimit::Bytes(bytes),
            (Some(rows), None) => TileLimit::Rows(rows),
            (None, None) => machine.tile,
        };
        ImportOptions {
            name: Some(name.to_owned()),
            lon_column: self.lon_column.clone(),
            lat_column: self.lat_column.clone(),
            tile,
            row_group_rows: self.row_group_rows,
            row_group_bytes: self.row_group_bytes,
            zstd_level: self.zstd_level,
            leaf_folders: self.leaf_folders,
            kind: self.product.clone(),
            existing_tiles: existing,
            columns: BTreeMap::new(),
            ..machine.clone()
        }
    }
}
