//! Where on the sky the partners of held rows can lie: what is read of the other side.

use dreyer_sphere::{Cell, CellRanges, MAX_ORDER, finest_order_wider_than};

/// Cells that a footprint is made of, at most; of more rows it is coarser.
const MOST_CELLS: usize = 8192;

/// No finer than this: pages of a catalogue are wider.
const FINEST_ORDER: u8 = 14;

/// How far a position may lie outside the cell that its index names, or the tile that it is stored in: coordinates in single
/// precision are rounded by up to 0.06 arcseconds on both axes after these were made of them.
const INDEX_ERROR_DEG: f64 = 5e-5;

/// The cells within a radius of rows with these indexes, which must be sorted, in `parts` parts along the curve with about
/// equally many rows. Together they hold every cell of the footprint once.
pub(crate) fn parts(indexes: &[u64], radius_deg: f64, parts: usize) -> Vec<CellRanges> {
    let finest = finest_order_wider_than(radius_deg.max(0.0))
        .unwrap_or(0)
        .min(FINEST_ORDER);
    let cells_of = |order: u8| {
        let shift = 2 * (MAX_ORDER - order);
        let mut cells: Vec<u64> = indexes.iter().map(|index| index >> shift).collect();
        cells.dedup();
        cells
    };
    let (mut order, mut cells) = (finest, cells_of(finest));
    while cells.len() > MOST_CELLS && order > 0 {
        order -= 1;
        cells = cells_of(order);
    }
    let held: CellRanges = cells.iter().filter_map(|cell| Cell::new(order, *cell).ok()).collect();
    let reach = if radius_deg >= 0.0 {
        held.grow(radius_deg + INDEX_ERROR_DEG)
    } else {
        CellRanges::default()
    };
    let shift = 2 * (MAX_ORDER - order);
    let bound = |part: usize| match part {
        0 => 0,
        part if part == parts => u64::MAX,
        part => indexes
            .get(part * indexes.len() / parts)
            .map_or(u64::MAX, |index| index >> shift << shift),
    };
    (0..parts)
        .map(|part| reach.intersection(&CellRanges::of_range(bound(part)..bound(part + 1))))
        .collect()
}

#[cfg(test)]
mod tests {
    use dreyer_sphere::{LonLat, destination, index29};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_partner_lies_in_one_part(
            places in prop::collection::vec((0.0..360.0, -90.0..=90.0), 0..40),
            radius_deg in prop_oneof![Just(0.0), Just(1.0 / 3600.0), Just(0.5), Just(20.0), Just(100.0)],
            number in 1..5_usize, turn in 0.0..360.0,
        ) {
            let index = |at: LonLat| index29(at.lon_deg(), at.lat_deg()).unwrap();
            let places: Vec<LonLat> = places.into_iter().map(|(lon, lat)| LonLat::new(lon, lat).unwrap()).collect();
            let mut indexes: Vec<u64> = places.iter().copied().map(index).collect();
            indexes.sort_unstable();
            let parts = parts(&indexes, radius_deg, number);
            prop_assert_eq!(parts.len(), number);
            for place in &places {
                for share in [0.0, 0.5, 1.0] {
                    let partner = index(destination(*place, turn, share * radius_deg));
                    prop_assert_eq!(parts.iter().filter(|part| part.contains(partner)).count(), 1);
                }
            }
        }
    }

    #[test]
    fn a_footprint_is_small() {
        let indexes: Vec<u64> = (0..600).map(|number| (number * 7_919 + 13) << 46).collect();
        let parts = parts(&indexes, 1.0 / 3600.0, 2);
        let cells: u128 = parts.iter().map(CellRanges::cell_count).sum();
        assert!(cells < (12_u128 << 58) / 20_000, "{cells}");
        assert!(parts[0].len() > 100 && parts[1].len() > 100);
    }
}
