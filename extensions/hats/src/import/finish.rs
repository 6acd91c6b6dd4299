//! What makes leaves a catalogue: schema files, list of tiles, and last the properties.

use std::sync::Arc;

use chrono::Utc;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use parquet::arrow::ArrowWriter;

use super::leaves::LeafFile;
use super::{ImportOptions, Place, TileLimit, encoding};
use crate::catalog::{INDEX_IS_OF_PROPERTY, SORTED_PROPERTY, are_doubles, index_is_of};
use crate::error::Result;
use crate::footers;
use crate::layout::{self, PartitionInfo};
use crate::properties::Properties;

/// Most column chunks that `_metadata` describes: readers need not have that file, and all footers of a large and wide
/// catalogue would take more memory than its import.
const MOST_CHUNKS: usize = 400_000;

/// Writes everything but the leaves and the properties; gives the latter.
pub(crate) async fn write_metadata(
    place: &Place,
    options: &ImportOptions,
    schema: &SchemaRef,
    leaves: &[LeafFile],
) -> Result<Properties> {
    let mut empty = ArrowWriter::try_new(
        Vec::new(),
        Arc::clone(schema),
        Some(encoding::properties(schema, options)?),
    )?;
    let common = empty.finish()?;
    let at = |name: &str| format!("{}/{name}", layout::DATASET_DIR);
    place
        .write(&at("_common_metadata"), std::mem::take(empty.inner_mut()))
        .await?;
    let row_groups: usize = leaves.iter().map(|leaf| leaf.row_groups).sum();
    if row_groups * common.file_metadata().schema_descr().num_columns() <= MOST_CHUNKS {
        let suffix = layout::suffix(options.leaf_folders);
        let paths: Vec<_> = leaves.iter().map(|leaf| layout::leaf_file(leaf.cell, suffix)).collect();
        let files = paths.iter().map(String::as_str);
        let files = files.zip(leaves.iter().map(|leaf| leaf.footer.as_ref()));
        place
            .write(&at(layout::METADATA_FILE), footers::together(&common, files)?)
            .await?;
    }
    let tiles: Vec<_> = leaves
        .iter()
        .map(|leaf| PartitionInfo {
            cell: leaf.cell,
            rows: Some(leaf.rows),
        })
        .collect();
    place
        .write(layout::PARTITION_INFO_FILE, layout::render_partition_info(&tiles))
        .await?;
    place.sync_folders().await?;
    Ok(properties(place, options, schema, leaves))
}

/// Makes the place a catalogue.
pub(crate) async fn publish(place: &Place, properties: &Properties) -> Result<()> {
    let text = properties.render();
    for name in layout::PROPERTIES_FILES {
        place.write(name, text.clone()).await?;
    }
    place.sync_folders().await
}

fn properties(place: &Place, options: &ImportOptions, schema: &Schema, leaves: &[LeafFile]) -> Properties {
    let rows: u64 = leaves.iter().map(|leaf| leaf.rows).sum();
    let bytes: u64 = leaves.iter().map(|leaf| leaf.meta.size).sum();
    let deepest = leaves.iter().map(|leaf| leaf.cell.order()).max().unwrap_or(0);
    let fraction: f64 = leaves
        .iter()
        .map(|leaf| 0.25_f64.powi(leaf.cell.order().into()) / 12.0)
        .sum();
    let mut properties = Properties::default();
    properties.set("obs_collection", options.name(place));
    properties.set("dataproduct_type", &options.kind);
    properties.set("hats_nrows", rows);
    properties.set("hats_col_ra", &options.lon_column);
    properties.set("hats_col_dec", &options.lat_column);
    properties.set("hats_col_healpix", layout::INDEX_COLUMN);
    properties.set("hats_col_healpix_order", 29);
    properties.set("hats_npix_suffix", layout::suffix(options.leaf_folders));
    properties.set("hats_order", deepest);
    match options.tile {
        TileLimit::Rows(rows) => properties.set("hats_max_rows", rows),
        TileLimit::Bytes(bytes) => properties.set("hats_max_bytes", bytes),
    }
    properties.set("hats_estsize", bytes.div_ceil(1024));
    properties.set("moc_sky_fraction", format!("{fraction:.5}"));
    properties.set("hats_builder", concat!("dreyer v", env!("CARGO_PKG_VERSION")));
    properties.set("hats_creation_date", Utc::now().format("%Y-%m-%dT%H:%MUTC"));
    properties.set("hats_version", "v1.0");
    properties.set("hats_frame", "icrs");
    properties.set(SORTED_PROPERTY, layout::INDEX_COLUMN);
    let (lon, lat) = (&options.lon_column, &options.lat_column);
    if are_doubles(schema, lon, lat) {
        properties.set(INDEX_IS_OF_PROPERTY, index_is_of(lon, lat));
    }
    properties
}
