//! How an import cuts the sky: rows are counted per cell, then cells split until each tile is small enough.

use std::collections::HashMap;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::Int64Type;
use dreyer_sphere::{Cell, MAX_ORDER};
use futures::StreamExt;

use super::read::{Inputs, input_error};
use crate::error::{HatsError, Result};

/// Order of the first count: 12.6 million cells of 3.4 arcmin.
const FIRST_ORDER: u8 = 10;
/// How much finer the cells are counted that hold too many rows for one tile.
const STEP: u8 = 6;

/// Rows per cell. The cells are disjoint, non-empty and in order along the curve, of one order but where rows crowd.
pub(crate) struct SkyCounts {
    cells: Vec<(Cell, u64)>,
    /// Rows in all cells before each, and at the end all rows.
    before: Vec<u64>,
}

impl SkyCounts {
    pub(crate) fn new(cells: Vec<(Cell, u64)>) -> Self {
        let mut before = vec![0];
        before.extend(cells.iter().scan(0, |sum, (_, rows)| {
            *sum += rows;
            Some(*sum)
        }));
        Self { cells, before }
    }

    pub(crate) fn rows(&self) -> u64 {
        self.before.last().copied().unwrap_or(0)
    }

    /// Rows in a cell that is no finer than the counted ones, and whether it was counted as such.
    fn within(&self, cell: Cell) -> (u64, bool) {
        let range = cell.range();
        let at = |edge: u64| self.cells.partition_point(|(counted, _)| counted.range().start < edge);
        let (first, last) = (at(range.start), at(range.end));
        let is_counted = self.cells.get(first).is_some_and(|(counted, _)| *counted == cell);
        (self.before[last] - self.before[first], is_counted)
    }

    /// Splits `cell` until no part has more than `limit` rows, as far as the count is fine enough.
    fn split(&self, cell: Cell, limit: u64, parts: &mut Vec<(Cell, u64)>) {
        let (rows, is_counted) = self.within(cell);
        if rows == 0 {
            return;
        }
        if rows <= limit || is_counted {
            parts.push((cell, rows));
            return;
        }
        for child in cell.children(cell.order() + 1) {
            self.split(child, limit, parts);
        }
    }
}

/// A tile to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlannedTile {
    pub(crate) cell: Cell,
    pub(crate) rows: u64,
    /// Where each row group ends: one past its last index. The last is the end of the tile.
    pub(crate) row_group_ends: Vec<u64>,
}

/// Cuts the sky: the largest cells with at most `tile_rows` rows, and in each of them row groups of whole cells with
/// about `row_group_rows`.
pub(crate) fn plan(counts: &SkyCounts, tile_rows: u64, row_group_rows: u64) -> Vec<PlannedTile> {
    let mut tiles = Vec::new();
    for base in (0..12).filter_map(|index| Cell::new(0, index).ok()) {
        counts.split(base, tile_rows, &mut tiles);
    }
    let row_groups = |(cell, rows): (Cell, u64)| {
        let mut parts = Vec::new();
        counts.split(cell, row_group_rows, &mut parts);
        PlannedTile {
            cell,
            rows,
            row_group_ends: joined(&parts, cell, row_group_rows),
        }
    };
    tiles.into_iter().map(row_groups).collect()
}

/// Joins neighbouring parts while they stay within `limit` rows together.
fn joined(parts: &[(Cell, u64)], tile: Cell, limit: u64) -> Vec<u64> {
    let mut ends = Vec::new();
    let mut rows = 0;
    for (part, more) in parts {
        if rows > 0 && rows + more > limit {
            ends.push(part.range().start);
            rows = 0;
        }
        rows += more;
    }
    ends.push(tile.range().end);
    ends
}

/// Rows per cell of [`FIRST_ORDER`], in pages of 256 cells that exist once they hold a row: a small patch of sky takes
/// little memory, the whole sky 100 MB.
#[derive(Default)]
struct Pages(Vec<Option<Box<[u64; 256]>>>);

impl Pages {
    fn add(&mut self, cell: u64) {
        let Ok(page) = usize::try_from(cell >> 8) else { return };
        if page >= self.0.len() {
            self.0.resize_with(page + 1, || None);
        }
        let rows = self.0[page].get_or_insert_with(|| Box::new([0; 256]));
        rows[(cell & 0xFF) as usize] += 1;
    }

    fn into_cells(self) -> Vec<(Cell, u64)> {
        let pages = self
            .0
            .into_iter()
            .enumerate()
            .filter_map(|(at, page)| Some((at as u64, page?)));
        let cells = pages.flat_map(|(at, page)| (at << 8..).zip(*page).filter(|(_, rows)| *rows > 0));
        cells
            .filter_map(|(index, rows)| Some((Cell::new(FIRST_ORDER, index).ok()?, rows)))
            .collect()
    }
}

/// Counts the rows of all inputs, finer where a cell holds more than `tile_rows`.
pub(crate) async fn count(inputs: &Inputs, tile_rows: u64) -> Result<SkyCounts> {
    let mut first = Pages::default();
    let shift = 2 * u32::from(MAX_ORDER - FIRST_ORDER);
    each_index(inputs, |index| first.add(index >> shift)).await?;
    let mut cells = first.into_cells();
    let mut order = FIRST_ORDER;
    while order < MAX_ORDER
        && cells
            .iter()
            .any(|(cell, rows)| cell.order() == order && *rows > tile_rows)
    {
        let finer = (order + STEP).min(MAX_ORDER);
        cells = refined(inputs, cells, order, finer, tile_rows).await?;
        order = finer;
    }
    Ok(SkyCounts::new(cells))
}

/// The cells, with those of `order` that hold more than `tile_rows` counted again at the order `finer`.
async fn refined(
    inputs: &Inputs,
    cells: Vec<(Cell, u64)>,
    order: u8,
    finer: u8,
    tile_rows: u64,
) -> Result<Vec<(Cell, u64)>> {
    let (crowded, mut kept): (Vec<_>, Vec<_>) = cells
        .into_iter()
        .partition(|(cell, rows)| cell.order() == order && *rows > tile_rows);
    let (shift, finer_shift) = (2 * u32::from(MAX_ORDER - order), 2 * u32::from(MAX_ORDER - finer));
    let crowded: Vec<u64> = crowded.into_iter().map(|(cell, _)| cell.index()).collect();
    let mut counted: HashMap<u64, u64> = HashMap::new();
    each_index(inputs, |index| {
        if crowded.binary_search(&(index >> shift)).is_ok() {
            *counted.entry(index >> finer_shift).or_default() += 1;
        }
    })
    .await?;
    kept.extend(
        counted
            .into_iter()
            .filter_map(|(index, rows)| Some((Cell::new(finer, index).ok()?, rows))),
    );
    kept.sort_by_key(|(cell, _)| cell.range().start);
    Ok(kept)
}

/// Calls `f` with the index of every row. A file with rows that have none is refused.
async fn each_index(inputs: &Inputs, mut f: impl FnMut(u64)) -> Result<()> {
    for file in inputs.files() {
        let fault = |error| input_error(std::slice::from_ref(file), &error);
        let mut batches = inputs.indexes(file).await?.execute_stream().await.map_err(fault)?;
        let (mut rows, mut unusable) = (0, 0);
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(fault)?;
            let indexes = batch.column(0).as_primitive::<Int64Type>();
            rows += indexes.len();
            unusable += indexes.null_count();
            indexes
                .iter()
                .flatten()
                .filter_map(|index| u64::try_from(index).ok())
                .for_each(&mut f);
        }
        if unusable > 0 {
            let (lon, lat) = inputs.position_columns();
            let fault = format!(
                "{unusable} of its {rows} rows have no usable position ({lon} or {lat} is NULL, not finite, or {lat} \
                 lies outside [-90, 90] degrees); remove or repair them first"
            );
            return Err(HatsError::Input {
                input: file.display().to_string(),
                fault,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counts(order: u8, cells: &[(u64, u64)]) -> SkyCounts {
        SkyCounts::new(
            cells
                .iter()
                .map(|(index, rows)| (Cell::new(order, *index).unwrap(), *rows))
                .collect(),
        )
    }

    #[test]
    fn a_small_sky_is_one_tile_a_base_cell() {
        let plan = plan(&counts(10, &[(5, 3), (9, 4), (1 << 20, 1)]), 10, 10);
        let cells: Vec<_> = plan
            .iter()
            .map(|tile| (tile.cell.order(), tile.cell.index(), tile.rows))
            .collect();
        assert_eq!(cells, [(0, 0, 7), (0, 1, 1)]);
        assert_eq!(plan[0].row_group_ends, [1 << 58]);
    }

    #[test]
    fn a_cell_too_full_to_split_stays_whole() {
        let plan = plan(&counts(2, &[(7, 100)]), 10, 10);
        assert_eq!(plan.len(), 1);
        assert_eq!((plan[0].cell.order(), plan[0].cell.index(), plan[0].rows), (2, 7, 100));
    }

    proptest! {
        #[test]
        fn tiles_hold_all_rows_and_no_more_than_allowed(
            cells in prop::collection::btree_map(0_u64..12 * 4096, 1_u64..50, 0..200),
            tile_rows in 1_u64..300,
            row_group_rows in 1_u64..100,
        ) {
            let cells: Vec<_> = cells.into_iter().collect();
            let counts = counts(6, &cells);
            let plan = plan(&counts, tile_rows, row_group_rows);
            prop_assert_eq!(plan.iter().map(|tile| tile.rows).sum::<u64>(), counts.rows());
            for pair in plan.windows(2) {
                prop_assert!(pair[0].cell.range().end <= pair[1].cell.range().start);
            }
            for tile in &plan {
                prop_assert!(tile.rows <= tile_rows || tile.cell.order() == 6);
                prop_assert!(tile.row_group_ends.is_sorted());
                prop_assert_eq!(tile.row_group_ends.last().copied(), Some(tile.cell.range().end));
                let mut start = tile.cell.range().start;
                for end in &tile.row_group_ends {
                    let rows = |(index, rows): &(u64, u64)| {
                        let cell = Cell::new(6, *index).unwrap().range();
                        if cell.start >= start && cell.end <= *end { *rows } else { 0 }
                    };
                    let rows: Vec<u64> = cells.iter().map(rows).filter(|rows| *rows > 0).collect();
                    prop_assert!(!rows.is_empty());
                    prop_assert!(rows.iter().sum::<u64>() <= row_group_rows || rows.len() == 1);
                    start = *end;
                }
            }
        }
    }
}
