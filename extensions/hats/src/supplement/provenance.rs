//! The properties that every catalogue beside a primary one has, and how they are written.

use chrono::Utc;
use dreyer_sphere::{Cell, CellRanges};

use crate::Place;
use crate::error::Result;
use crate::layout;
use crate::properties::Properties;

/// Order-29 cells of the sky.
const SKY_CELLS: f64 = 3_458_764_513_820_540_928.0;

/// Who wrote a catalogue or collection, when, and by which version of the format.
pub(crate) fn stamp(properties: &mut Properties) {
    properties.set("hats_builder", concat!("dreyer v", env!("CARGO_PKG_VERSION")));
    properties.set("hats_creation_date", Utc::now().format("%Y-%m-%dT%H:%MUTC"));
    properties.set("hats_release_date", "2025-08-22");
    properties.set("hats_version", "v1.0");
}

/// The properties of a catalogue of `kind` that belongs to the one in the folder `primary`.
pub(crate) fn of_supplement(place: &Place, kind: &str, primary: &str, rows: u64, bytes: u64) -> Properties {
    let mut properties = Properties::default();
    properties.set("obs_collection", place.path.filename().unwrap_or_default());
    properties.set("dataproduct_type", kind);
    properties.set("hats_nrows", rows);
    properties.set("hats_primary_table_url", primary);
    properties.set("hats_estsize", bytes.div_ceil(1024));
    stamp(&mut properties);
    properties
}

/// `moc_sky_fraction` of disjoint cells.
pub(crate) fn sky_fraction(cells: impl IntoIterator<Item = Cell>) -> String {
    let covered: f64 = cells
        .into_iter()
        .collect::<CellRanges>()
        .iter()
        .map(|range| (range.end - range.start) as f64)
        .sum();
    format!("{:.5}", covered / SKY_CELLS)
}

/// Writes the properties under both of their names. A folder is a catalogue from then on.
pub(crate) async fn put(place: &Place, properties: &Properties) -> Result<()> {
    for name in layout::PROPERTIES_FILES {
        place.write(name, properties.render()).await?;
    }
    Ok(())
}
