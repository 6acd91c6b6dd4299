//! `skymap.fits` and `point_map.fits`: how many rows lie in each HEALPix cell of one order. Readers draw catalogues from
//! the first and tell their coverage from the second.

use dreyer_formats::fits::write_healpix_map;

use crate::Place;
use crate::error::{HatsError, Result};

/// Most cells of a map that hold a row; of each, the files keep 16 bytes.
const MOST_CELLS: usize = 1 << 20;
const FILES: [&str; 2] = ["skymap.fits", "point_map.fits"];

/// Rows per HEALPix cell of one order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SkyHistogram {
    /// The order of the cells.
    pub order: u8,
    /// Nested index of each cell that holds rows, ascending, and their number.
    pub counts: Vec<(u64, u64)>,
}

impl SkyHistogram {
    /// The same rows in coarser cells; an order that is not coarser changes nothing.
    #[must_use]
    pub fn at_order(&self, order: u8) -> Self {
        let order = order.min(self.order);
        let shift = 2 * u32::from(self.order - order);
        let mut counts: Vec<(u64, u64)> = Vec::new();
        for (cell, rows) in &self.counts {
            match counts.last_mut() {
                Some((last, sum)) if *last == cell >> shift => *sum += rows,
                _ => counts.push((cell >> shift, *rows)),
            }
        }
        Self { order, counts }
    }

    /// The histogram as maps show it: so coarse that at most a million cells hold rows. Its order is what the property
    /// `hats_skymap_order` must say.
    #[must_use]
    pub fn for_maps(&self) -> Self {
        let mut map = self.clone();
        while map.counts.len() > MOST_CELLS && map.order > 0 {
            map = map.at_order(map.order - 1);
        }
        map
    }
}

/// Writes the maps of a catalogue into its folder `place`, at the order of [`SkyHistogram::for_maps`], which it gives.
///
/// # Errors
/// Cells that are not ascending or not of their order, or a fault of the store.
pub async fn write_sky_maps(place: &Place, histogram: &SkyHistogram) -> Result<u8> {
    let map = histogram.for_maps();
    let counts: Vec<(u64, i64)> = map
        .counts
        .iter()
        .map(|(cell, rows)| (*cell, i64::try_from(*rows).unwrap_or(i64::MAX)))
        .collect();
    let mut content = Vec::new();
    write_healpix_map(&mut content, map.order, &counts, "VALUE")
        .map_err(|error| HatsError::malformed(place.object(FILES[0]), error.to_string()))?;
    let content = bytes::Bytes::from(content);
    for name in FILES {
        place.write(name, content.clone()).await?;
    }
    Ok(map.order)
}
