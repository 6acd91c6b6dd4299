//! How the sky is cut into the units of an aligned match: by how much work lies where, finer towards the end of the curve.
//!
//! Partitions take units as they become free, so the last ones decide how evenly they end. Each unit is at most a share
//! of the work that is left, which also bounds what a single one can upset if its estimate is wrong:
//!
//! ```text
//!   curve ──►  │           │         │       │      │     │    │   │   │  │  │
//! ```

use dreyer_sphere::{Cell, CellRanges, MAX_ORDER, finest_order_wider_than};
use dreyer_tiling::{Density, TileStats, Tiling};

use crate::deal::dealt;
use crate::exec::Estimate;

/// Units that each partition could still get of what is left, if all were as large as the next one.
const UNITS_LEFT: u64 = 2;

/// Work, in rows, below which a unit is not worth its own reads. Pages of a catalogue hold a thousand rows.
const LEAST_WORK: u64 = 16_384;

/// Orders by which a unit is coarser than the cells that a circle just fits in: finer ones would read more rim than rows.
const COARSER_ORDERS: u8 = 4;

/// Tiles that are looked into for crowds, and to how many orders finer, when all work is summed up.
const MOST_LOOKED_INTO: usize = 256;
const LOOKS: u8 = 4;

/// How the sky is cut into units.
pub(super) struct Cut<'a> {
    /// How each side is cut, and where its rows lie.
    pub(super) left: (&'a Tiling, &'a Density),
    pub(super) right: (&'a Tiling, &'a Density),
    pub(super) radius_deg: f64,
    /// Rows of both sides that a unit should hold at most.
    pub(super) unit_rows: u64,
    /// Whether rows without a partner come out too, wherever they are.
    pub(super) all_of_left: bool,
    /// Whether parts of tiles can be told apart.
    pub(super) splittable: bool,
}

/// What lies in a cell, by what is known of the tiles.
#[derive(Debug, Clone, Copy)]
struct Content {
    cell: Cell,
    left_rows: u64,
    right_rows: u64,
}

/// Units along the curve, as they are found.
struct Units {
    partitions: u64,
    /// Work behind the last unit.
    left: u64,
    found: Vec<(Vec<Cell>, u64)>,
}

impl Cut<'_> {
    /// The units that each partition owns, along the curve; at least one partition, perhaps of no unit.
    pub(super) fn units(&self, partitions: usize) -> (Vec<Vec<CellRanges>>, Estimate) {
        let reach = |tiles: &[TileStats]| {
            CellRanges::from_ranges(tiles.iter().map(|tile| tile.cell.range())).grow(self.radius_deg.max(0.0))
        };
        let (left_reach, right_reach) = (reach(&self.left.0.tiles), reach(&self.right.0.tiles));
        let left_tiles = self.left.0.tiles.iter();
        let left_tiles: Vec<&TileStats> = left_tiles
            .filter(|tile| self.all_of_left || right_reach.overlaps(&tile.cell.range()))
            .collect();
        let right_tiles = self.right.0.tiles.iter();
        let right_tiles = right_tiles.filter(|tile| left_reach.overlaps(&tile.cell.range()));
        let mut estimate = Estimate::default();
        for tile in &left_tiles {
            estimate.left_rows += tile.rows.unwrap_or(0);
            estimate.file_bytes += tile.bytes;
        }
        for tile in right_tiles {
            estimate.right_rows += tile.rows.unwrap_or(0);
            estimate.file_bytes += tile.bytes;
        }
        let contents: Vec<Content> = left_tiles.iter().map(|tile| self.content(tile.cell)).collect();
        let looks = if contents.len() <= MOST_LOOKED_INTO { LOOKS } else { 0 };
        let mut units = Units {
            partitions: partitions.max(1) as u64,
            left: contents.iter().map(|content| self.all_work(*content, looks)).sum(),
            found: Vec::new(),
        };
        for content in contents {
            self.split(content, &mut units);
        }
        let found: Vec<(CellRanges, u64)> = units
            .found
            .into_iter()
            .map(|(cells, work)| (CellRanges::from_ranges(cells.iter().map(|cell| cell.range())), work))
            .collect();
        let partitions = partitions.clamp(1, found.len().max(1));
        (dealt(found, partitions), estimate)
    }

    /// The work in a cell, where it is cut so many orders finer: crowds have more pairs than rows spread evenly.
    fn all_work(&self, content: Content, looks: u8) -> u64 {
        let cell = content.cell;
        if looks == 0 || !self.splittable || cell.order() >= MAX_ORDER || content.left_rows <= LEAST_WORK {
            return self.work(content);
        }
        let children = cell.children(cell.order() + 1);
        children
            .map(|child| self.all_work(self.content(child), looks - 1))
            .sum()
    }

    /// Cuts a cell finer until a piece is little enough work, and few enough rows.
    fn split(&self, content: Content, units: &mut Units) {
        let Content {
            cell,
            left_rows,
            right_rows,
        } = content;
        let work = self.work(content);
        let wide = finest_order_wider_than(self.radius_deg.max(0.0)).unwrap_or(0);
        let worth = cell.order() < wide.saturating_sub(COARSER_ORDERS) && work > self.most_work(units);
        if self.splittable && cell.order() < MAX_ORDER && (worth || left_rows + right_rows > self.unit_rows) {
            for child in cell.children(cell.order() + 1) {
                self.split(self.content(child), units);
            }
            return;
        }
        let most = self.most_work(units).min(self.unit_rows);
        units.left = units.left.saturating_sub(work);
        match units.found.last_mut() {
            Some((cells, unit)) if *unit + work <= most => {
                cells.push(cell);
                *unit += work + 1;
            }
            _ => units.found.push((vec![cell], work + 1)),
        }
    }

    /// How much work the next unit should be.
    fn most_work(&self, units: &Units) -> u64 {
        let share = units.left / (UNITS_LEFT * units.partitions);
        share.max(LEAST_WORK.min(self.unit_rows))
    }

    fn content(&self, cell: Cell) -> Content {
        Content {
            cell,
            left_rows: self.left.1.rows_in(&cell.range()),
            right_rows: self.right.1.rows_in(&cell.range()),
        }
    }

    /// Rows to read and pairs to look at, as if rows were spread evenly over it.
    fn work(&self, content: Content) -> u64 {
        let rows = content.left_rows + content.right_rows;
        // A circle covers about two of the cells that it just fits in.
        let wide = finest_order_wider_than(self.radius_deg.max(0.0)).unwrap_or(0);
        let finer = 2 * u32::from(wide.saturating_sub(content.cell.order()));
        let pairs = (2 * u128::from(content.left_rows) * u128::from(content.right_rows)) >> finer;
        rows.saturating_add(u64::try_from(pairs).unwrap_or(u64::MAX).min(u64::MAX >> 24))
    }
}

#[cfg(test)]
mod tests {
    use dreyer_tiling::Run;

    use super::*;

    fn tiling(tiles: &[(u8, u64)], rows: u64) -> Tiling {
        let tile = |(order, index): &(u8, u64)| TileStats {
            cell: Cell::new(*order, *index).unwrap(),
            rows: Some(rows),
            bytes: rows,
        };
        Tiling {
            tiles: tiles.iter().map(tile).collect(),
            lon_column: "ra".to_owned(),
            lat_column: "dec".to_owned(),
            index_column: Some("_healpix_29".to_owned()),
            sorted: true,
            index_exact: true,
        }
    }

    /// The units of all partitions along the curve, with how many rows of both sides each has.
    fn units(cut: &Cut<'_>, partitions: usize) -> Vec<(CellRanges, u64)> {
        let (owned, _) = cut.units(partitions);
        assert_eq!(owned.len(), partitions);
        assert!(owned.iter().all(|own| !own.is_empty()));
        let mut units = owned.concat();
        units.sort_by_key(|unit| unit.iter().next().unwrap().start);
        let rows = |unit: &CellRanges| -> u64 {
            unit.iter()
                .map(|range| cut.left.1.rows_in(&range) + cut.right.1.rows_in(&range))
                .sum()
        };
        units.into_iter().map(|unit| (unit.clone(), rows(&unit))).collect()
    }

    #[test]
    fn units_hold_all_tiles_and_taper() {
        let (left, right) = (
            tiling(&[(1, 3), (1, 4), (1, 7)], 900_000),
            tiling(&[(0, 0), (0, 1)], 400_000),
        );
        let densities = [&left, &right].map(|side| Density::of_tiles(&side.tiles));
        let cut = Cut {
            left: (&left, &densities[0]),
            right: (&right, &densities[1]),
            radius_deg: 1.0 / 3600.0,
            unit_rows: 500_000,
            all_of_left: false,
            splittable: true,
        };
        let units = units(&cut, 2);
        let together = units
            .iter()
            .fold(CellRanges::default(), |all, (unit, _)| all.union(unit));
        assert_eq!(
            together,
            CellRanges::from_ranges(left.tiles.iter().map(|tile| tile.cell.range()))
        );
        let cells: u128 = units.iter().map(|(unit, _)| unit.cell_count()).sum();
        assert_eq!(cells, together.cell_count(), "units overlap");
        assert!(units.iter().all(|(_, rows)| *rows <= 500_000), "{units:?}");
        let (first, last) = (units.first().unwrap().1, units.last().unwrap().1);
        assert!(first > 5 * last && last < 3 * LEAST_WORK, "{first} and {last} rows");
        // Tiles that can only be read whole stay whole.
        let whole = Cut {
            splittable: false,
            ..cut
        };
        assert_eq!(self::units(&whole, 2).len(), 3);
    }

    #[test]
    fn crowds_are_cut_finer() {
        let sky = tiling(&[(0, 0), (0, 1)], 1_000_000);
        let crowd = Cell::new(9, 77_777).unwrap().range();
        let runs = [(Cell::new(0, 0).unwrap().range(), 1000), (crowd.clone(), 1_999_000)];
        let density = Density::new(&runs.map(|(cells, rows)| Run { cells, rows }));
        let cut = Cut {
            left: (&sky, &density),
            right: (&sky, &density),
            radius_deg: 1.0 / 3600.0,
            unit_rows: 5_000_000,
            all_of_left: true,
            splittable: true,
        };
        let units = units(&cut, 2);
        let in_crowd = units.iter().filter(|(unit, _)| unit.overlaps(&crowd)).count();
        assert!(in_crowd > 10, "{in_crowd}");
        assert!(units.iter().all(|(_, rows)| *rows < 1_000_000), "{units:?}");
    }
}
