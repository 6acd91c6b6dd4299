//! How an import cuts the sky: cells are split until each tile is small enough, and tiles into row groups of whole cells.

use dreyer_sphere::Cell;

use super::histogram::{Census, Crowd};
use super::{ImportOptions, TileLimit};

/// A tile to be written, if rows lie in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlannedTile {
    pub(crate) cell: Cell,
    /// Where each row group ends: one past its last index. The last is the end of the tile.
    pub(crate) row_group_ends: Vec<u64>,
}

/// The share of memory that the count of the sky may take.
const CENSUS_SHARE: u64 = 8;

/// A count of the sky that is fine enough for `options`: what is not known of a cell is small beside their limits.
pub(crate) fn census(options: &ImportOptions) -> Census {
    let (tile, row_group) = limits(options);
    let weighted = matches!(options.tile, TileLimit::Bytes(_));
    let memory = options.memory_bytes as u64 / CENSUS_SHARE;
    Census::new((tile / 64).min(row_group / 16), weighted, memory)
}

/// Most weight of a tile and of a row group.
fn limits(options: &ImportOptions) -> (u64, u64) {
    match options.tile {
        TileLimit::Rows(rows) => (rows, options.row_group_rows),
        TileLimit::Bytes(bytes) => (bytes, options.held_row_group_bytes().min(bytes)),
    }
}

/// Cuts the sky into the largest cells within the limit of a tile, and each of them into row groups of whole cells.
/// Tiles are disjoint, in order along the curve, and hold all rows; some may turn out empty where rows crowd.
pub(crate) fn plan(census: &Census, options: &ImportOptions) -> Vec<PlannedTile> {
    let (tile_limit, row_group_limit) = limits(options);
    let counts = Counts::new(census);
    let mut tiles = Vec::new();
    let mut kept = options.existing_tiles.to_vec();
    kept.sort_by_key(|cell| cell.range().start);
    for base in (0..12).filter_map(|index| Cell::new(0, index).ok()) {
        counts.split(counts.part(base), tile_limit, &kept, &mut tiles);
    }
    let planned = |tile: Part<'_>| {
        let cell = tile.cell;
        let mut parts = Vec::new();
        counts.split(tile, row_group_limit, &[], &mut parts);
        PlannedTile {
            cell,
            row_group_ends: joined(&parts, cell, row_group_limit),
        }
    };
    tiles.into_iter().map(planned).collect()
}

/// Joins neighbouring parts while they stay within `limit` together.
fn joined(parts: &[Part<'_>], tile: Cell, limit: u64) -> Vec<u64> {
    let mut ends = Vec::new();
    let mut sum = 0;
    for part in parts {
        if sum > 0 && sum + part.most() > limit {
            ends.push(part.cell.range().start);
            sum = 0;
        }
        sum += part.most();
    }
    ends.push(tile.range().end);
    ends
}

/// A cell and what is known of its weight.
#[derive(Debug, Clone, Copy)]
struct Part<'a> {
    cell: Cell,
    known: u64,
    /// What lies in it or in a cell beside it.
    uncertain: u64,
    count: Count<'a>,
}

/// How its own parts are counted.
#[derive(Debug, Clone, Copy)]
enum Count<'a> {
    /// In cells of the base order.
    Base,
    /// In the parts of a crowd that it lies in.
    Crowd(&'a Crowd),
    /// Not at all: it is finer than any count.
    Unknown,
}

impl Part<'_> {
    fn most(&self) -> u64 {
        self.known + self.uncertain
    }
}

/// The census, summed up along the curve.
struct Counts<'a> {
    census: &'a Census,
    cells: Vec<u64>,
    /// Weight of all cells before each, and at the end of all cells.
    before: Vec<u64>,
}

impl<'a> Counts<'a> {
    fn new(census: &'a Census) -> Self {
        let mut counts = Self {
            census,
            cells: Vec::new(),
            before: vec![0],
        };
        let mut sum = 0;
        for (cell, weight) in census.cells() {
            sum += weight;
            counts.cells.push(cell);
            counts.before.push(sum);
        }
        counts
    }

    /// A cell no finer than the base order.
    fn part(&self, cell: Cell) -> Part<'a> {
        let shift = 2 * u32::from(self.census.base_order() - cell.order());
        let at = |edge: u64| self.before[self.cells.partition_point(|counted| *counted < edge << shift)];
        Part {
            cell,
            known: at(cell.index() + 1) - at(cell.index()),
            uncertain: 0,
            count: Count::Base,
        }
    }

    /// Splits `part` until no part weighs more than `limit`, as far as the count is fine enough. The sorted cells
    /// `kept` become parts as they are.
    fn split(&self, part: Part<'a>, limit: u64, kept: &[Cell], parts: &mut Vec<Part<'a>>) {
        if part.most() == 0 {
            return;
        }
        let range = part.cell.range();
        let first = kept.partition_point(|cell| cell.range().end <= range.start);
        let inside = kept.get(first).filter(|cell| cell.range().start < range.end);
        if inside.is_some_and(|cell| cell.order() <= part.cell.order()) {
            parts.push(part);
            return;
        }
        let children = match part.most() > limit || inside.is_some() {
            true => self.children(part).or_else(|| inside.map(|_| unknown_children(part))),
            false => None,
        };
        let Some(children) = children else {
            parts.push(part);
            return;
        };
        for child in children {
            self.split(child, limit, kept, parts);
        }
    }

    /// The four cells within, if they are counted.
    fn children(&self, part: Part<'a>) -> Option<Vec<Part<'a>>> {
        let order = part.cell.order();
        let cells = part.cell.children(order + 1);
        let (crowd, before) = match part.count {
            Count::Base if order < self.census.base_order() => {
                return Some(cells.map(|cell| self.part(cell)).collect());
            }
            Count::Base => self
                .census
                .crowd(part.cell.index())
                .map(|crowd| (crowd, crowd.before))?,
            Count::Crowd(crowd) if crowd.parts_order() > order => (crowd, 0),
            Count::Crowd(crowd) => crowd.part(part.cell).map(|crowd| (crowd, crowd.before))?,
            Count::Unknown => return None,
        };
        let child = |cell| Part {
            cell,
            known: crowd.within(cell),
            // Of what was counted before the crowd was one, only the cell is known.
            uncertain: part.uncertain + before,
            count: Count::Crowd(crowd),
        };
        Some(cells.map(child).collect())
    }
}

/// The four cells within a part of which nothing finer is known: each may hold it all.
fn unknown_children(part: Part<'_>) -> Vec<Part<'_>> {
    let child = |cell| Part {
        cell,
        known: 0,
        uncertain: part.most(),
        count: Count::Unknown,
    };
    part.cell.children(part.cell.order() + 1).map(child).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn options(tile_rows: u64, row_group_rows: u64) -> ImportOptions {
        ImportOptions {
            tile: TileLimit::Rows(tile_rows),
            row_group_rows,
            ..ImportOptions::new("sky")
        }
    }

    fn census(options: &ImportOptions, indexes: &[i64]) -> Census {
        let mut census = super::census(options);
        census.add(indexes, None);
        census
    }

    #[test]
    fn a_small_sky_is_one_tile_a_base_cell() {
        let options = options(10, 10);
        let plan = plan(&census(&options, &[5 << 38, 5 << 38, 9 << 38, 1 << 58]), &options);
        let cells: Vec<_> = plan.iter().map(|tile| (tile.cell.order(), tile.cell.index())).collect();
        assert_eq!(cells, [(0, 0), (0, 1)]);
        assert_eq!(plan[0].row_group_ends, [1 << 58]);
    }

    #[test]
    fn a_spot_too_full_to_split_stays_whole() {
        let options = options(10, 10);
        let plan = plan(&census(&options, &[77; 100]), &options);
        let full: Vec<_> = plan.iter().filter(|tile| tile.cell.range().contains(&77)).collect();
        assert_eq!(full.len(), 1);
        assert_eq!((full[0].cell.order(), full[0].cell.index()), (29, 77));
    }

    #[test]
    fn existing_tiles_are_kept_at_any_order() {
        let options = ImportOptions {
            existing_tiles: [(1, 0), (13, 1 << 24), (29, 5 << 56)]
                .map(|(order, index)| Cell::new(order, index).unwrap())
                .into(),
            ..options(1000, 1000)
        };
        let indexes = [
            7,
            1 << 55,
            (1 << 56) + 1,
            (1 << 56) + (1 << 40),
            5 << 56,
            (5 << 56) + 1,
            11 << 58,
        ];
        let plan = plan(&census(&options, &indexes), &options);
        for pair in plan.windows(2) {
            assert!(pair[0].cell.range().end <= pair[1].cell.range().start);
        }
        for index in indexes {
            let index = index.unsigned_abs();
            let tile = plan
                .iter()
                .find(|tile| tile.cell.range().contains(&index))
                .unwrap()
                .cell;
            let kept = options.existing_tiles.iter().find(|cell| cell.range().contains(&index));
            match kept {
                Some(cell) => assert_eq!(tile, *cell),
                None => {
                    let overlaps =
                        |cell: &&Cell| cell.range().start < tile.range().end && tile.range().start < cell.range().end;
                    assert_eq!(options.existing_tiles.iter().find(overlaps), None, "{tile:?}");
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// Whatever tiles there are, those of other rows fit between them.
        #[test]
        fn tiles_fit_those_that_exist(
            before in indexes(),
            indexes in indexes(),
            tile_rows in 64_u64..300,
            finest in 0_usize..2000,
        ) {
            let mut options = options(tile_rows, 100);
            let mut existing: Vec<Cell> = Vec::new();
            for (at, tile) in plan(&census(&options, &before), &options).into_iter().enumerate() {
                match at % 3 {
                    0 => existing.push(tile.cell),
                    // Much finer than anything that is counted, and a gap around it.
                    1 => existing.extend(tile.cell.children((tile.cell.order() + 9).min(29)).nth(finest)),
                    _ => {}
                }
            }
            options.existing_tiles = existing.clone().into();
            let plan = plan(&census(&options, &indexes), &options);
            for pair in plan.windows(2) {
                prop_assert!(pair[0].cell.range().end <= pair[1].cell.range().start);
            }
            let holder = |cells: &[Cell], index: u64| cells.iter().copied().find(|cell| cell.range().contains(&index));
            let planned: Vec<Cell> = plan.iter().map(|tile| tile.cell).collect();
            for index in indexes.iter().map(|index| index.unsigned_abs()) {
                let tile = holder(&planned, index);
                prop_assert!(tile.is_some());
                if let Some(there) = holder(&existing, index) {
                    prop_assert_eq!(tile, Some(there));
                }
            }
            for tile in &planned {
                let meets = |cell: &&Cell| cell.range().start < tile.range().end && tile.range().start < cell.range().end;
                prop_assert!(existing.iter().filter(meets).all(|cell| cell == tile), "{:?}", tile);
            }
        }
    }

    fn indexes() -> impl Strategy<Value = Vec<i64>> {
        let anywhere = (0_i64..12 << 58).boxed();
        let crowded = (0_i64..4096, 0_i64..64)
            .prop_map(|(near, far)| (3 << 57) + (far << 30) + near)
            .boxed();
        let spot = Just(123_456_789_i64).boxed();
        prop::collection::vec(prop_oneof![anywhere, crowded.clone(), crowded, spot], 0..1500)
    }

    proptest! {
        #[test]
        fn tiles_hold_all_rows_and_no_more_than_allowed(
            indexes in indexes(),
            tile_rows in 64_u64..300,
            row_group_rows in 16_u64..100,
        ) {
            let options = options(tile_rows, row_group_rows);
            let plan = plan(&census(&options, &indexes), &options);
            let inside = |range: std::ops::Range<u64>| {
                let inside = indexes.iter().filter(move |index| range.contains(&index.unsigned_abs()));
                inside.copied().collect::<Vec<i64>>()
            };
            let one_spot = |rows: &[i64]| rows.iter().min() == rows.iter().max();
            let mut sum = 0;
            for pair in plan.windows(2) {
                prop_assert!(pair[0].cell.range().end <= pair[1].cell.range().start);
            }
            for tile in &plan {
                let rows = inside(tile.cell.range());
                sum += rows.len();
                prop_assert!(rows.len() as u64 <= tile_rows || tile.cell.order() == 29);
                prop_assert!(tile.row_group_ends.is_sorted());
                prop_assert_eq!(tile.row_group_ends.last().copied(), Some(tile.cell.range().end));
                let mut start = tile.cell.range().start;
                for end in &tile.row_group_ends {
                    let rows = inside(start..*end);
                    prop_assert!(rows.len() as u64 <= row_group_rows || one_spot(&rows));
                    start = *end;
                }
            }
            prop_assert_eq!(sum, indexes.len());
        }
    }
}
