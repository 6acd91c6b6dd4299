//! The entries of an index: rows of a key and the cell each points to.

use std::ops::Range;

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch};
use datafusion::error::DataFusionError;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use dreyer_sphere::{Cell, CellRanges};
use futures::TryStreamExt;
use object_store::ObjectMeta;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;

use super::Found;
use super::keys::{Key, Keys};
use super::parts::{Selected, is_cell_column};
use crate::error::{HatsError, Result};
use crate::layout;
use crate::listing::Tile;
use crate::reader::PinnedReaderFactory;

/// Columns that name a row's tile.
const TILE_COLUMNS: [&str; 2] = ["Norder", "Npix"];

/// Reads the selected rows and keeps those with a key. Where the index tells cells of order 29, these are all that is
/// read beside the key.
pub(super) async fn read(
    selected: Selected,
    column: &str,
    keys: &Keys,
    tiles: &[Tile],
    readers: &PinnedReaderFactory,
    metrics: &ExecutionPlanMetricsSet,
) -> Result<Found> {
    let file = selected.file;
    let metadata = ArrowReaderMetadata::try_new(selected.footer, ArrowReaderOptions::new())?;
    let by_cell = is_cell_column(metadata.schema(), layout::INDEX_COLUMN);
    let places: &[&str] = if by_cell {
        &[layout::INDEX_COLUMN]
    } else {
        &TILE_COLUMNS
    };
    let wanted = places.iter().copied().chain([column]);
    let roots = wanted
        .map(|name| metadata.schema().index_of(name).map_err(|_| lacks(&file, name)))
        .collect::<Result<Vec<_>>>()?;
    let mask = ProjectionMask::roots(metadata.parquet_schema(), roots);
    let reader = readers.open(&file, None, 0, metrics);
    let mut rows = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, metadata)
        .with_projection(mask)
        .with_row_groups(selected.row_groups)
        .with_row_selection(selected.rows)
        .build()?;
    let (mut cells, mut count) = (Vec::new(), 0);
    while let Some(batch) = rows.try_next().await? {
        let entries = Entries::of(&batch, column, by_cell, &file)?;
        for row in entries.matching(keys) {
            cells.push(entries.range(row, tiles, &file)?);
            count += 1;
        }
    }
    Ok(Found {
        ranges: CellRanges::from_ranges(cells),
        rows: count,
    })
}

struct Entries {
    keys: Vec<Option<Key>>,
    /// Order-29 cells, or orders and indexes of tiles.
    places: Vec<Vec<Option<Key>>>,
}

impl Entries {
    fn of(batch: &RecordBatch, column: &str, by_cell: bool, file: &ObjectMeta) -> Result<Self> {
        let values = |name: &str| {
            let array: &ArrayRef = batch.column_by_name(name).ok_or_else(|| lacks(file, name))?;
            let known = array.data_type().is_integer() || name == column;
            if !known {
                return Err(HatsError::malformed(
                    &file.location,
                    format!("{name} holds no whole numbers"),
                ));
            }
            Ok(Key::all(array)?)
        };
        let names: &[&str] = if by_cell {
            &[layout::INDEX_COLUMN]
        } else {
            &TILE_COLUMNS
        };
        Ok(Self {
            keys: values(column)?,
            places: names.iter().map(|name| values(name)).collect::<Result<_>>()?,
        })
    }

    fn matching<'a>(&'a self, keys: &'a Keys) -> impl Iterator<Item = usize> + 'a {
        let found = |key: &Option<Key>| key.as_ref().is_some_and(|key| keys.contains(key));
        self.keys
            .iter()
            .enumerate()
            .filter_map(move |(row, key)| found(key).then_some(row))
    }

    /// The cells in which the row of an entry lies. They belong to a tile of the table, or the index is of another.
    fn range(&self, row: usize, tiles: &[Tile], file: &ObjectMeta) -> Result<Range<u64>> {
        let number = |column: &Vec<Option<Key>>| match column.get(row) {
            Some(Some(Key::Integer(value))) => u64::try_from(*value).ok(),
            _ => None,
        };
        let range = match self.places.as_slice() {
            [cells] => number(cells).map(|cell| cell..cell.saturating_add(1)),
            [orders, indexes] => number(orders)
                .and_then(|order| u8::try_from(order).ok())
                .zip(number(indexes))
                .and_then(|(order, index)| Cell::new(order, index).ok())
                .map(|cell| cell.range()),
            _ => None,
        };
        let holds = |range: &Range<u64>| {
            let at = tiles.partition_point(|tile| tile.cell.range().end <= range.start);
            let tile = tiles.get(at).map(|tile| tile.cell.range());
            match self.places.len() {
                1 => tile.is_some_and(|tile| tile.start <= range.start && range.end <= tile.end),
                _ => tile.is_some_and(|tile| tile == *range),
            }
        };
        range
            .filter(holds)
            .ok_or_else(|| HatsError::malformed(&file.location, "points to a place where its catalogue has no tile"))
    }
}

fn lacks(file: &ObjectMeta, name: &str) -> HatsError {
    HatsError::malformed(&file.location, format!("has no column {name}"))
}

impl From<datafusion::arrow::error::ArrowError> for HatsError {
    fn from(error: datafusion::arrow::error::ArrowError) -> Self {
        DataFusionError::from(error).into()
    }
}
