//! What a scan is going to read, told without reading: bytes and requests.
//!
//! Footers that are at hand say it for their files: the columns of the row groups and pages that hold the part of the
//! sky. Of other files, it is what the footers say on average, else what the widths of the columns do.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::FileGroup;
use datafusion::datasource::physical_plan::FileSource;
use datafusion::datasource::physical_plan::parquet::RowGroupAccess;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_plan::ExecutionPlan;
use dreyer_sphere::{Cell, CellRanges};
use object_store::path::Path;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};

use crate::access::access;
use crate::reader::{FOOTER_HINT, requests};
use crate::source::HatsSource;

/// Width that a value without a fixed one is taken to have.
const TEXT_BYTES: usize = 16;

/// Bytes of one request to a file of which nothing is known.
const REQUEST_BYTES: u64 = 8 << 20;

/// What a scan will read, at most: limits, and filters other than the part of the sky, may make it less.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reading {
    /// Stored bytes.
    pub bytes: u64,
    /// Requests to the store, those for footers that are not at hand included.
    pub requests: u64,
    /// Whether the store is reached over a network.
    pub network: bool,
}

/// What the HATS scan that `plan` is will read; `None` if it is none.
pub fn reading(plan: &Arc<dyn ExecutionPlan>) -> Option<Reading> {
    let (config, source) = HatsSource::of(plan)?;
    let columns = columns(source);
    let cells: HashMap<&Path, Cell> = source
        .tiles
        .iter()
        .flat_map(|tile| tile.files.iter().map(|file| (&file.location, tile.cell)))
        .collect();
    let mut reading = Reading {
        network: source.readers.is_network(),
        ..Reading::default()
    };
    let (mut known, mut unknown) = (Share::default(), Vec::new());
    for file in config.file_groups.iter().flat_map(FileGroup::iter) {
        let cell = cells.get(&file.object_meta.location).copied();
        let Some(footer) = source.readers.footer_at_hand(&file.object_meta) else {
            unknown.push((file, cell));
            continue;
        };
        let wanted = source.ranges.as_ref().zip(cell);
        let wanted = wanted.map(|(ranges, cell)| ranges.intersection(&CellRanges::of_cell(cell)));
        let parts = InFile {
            footer: &footer,
            file,
            columns: &columns,
        };
        let (bytes, requests) = parts.read(source.origin.index.as_deref(), wanted.as_ref(), &mut known);
        reading.bytes += bytes;
        reading.requests += requests;
    }
    let share = known
        .columns()
        .unwrap_or_else(|| width_share(source.parquet.table_schema().table_schema(), &columns));
    let hint = source.parquet.table_parquet_options().global.metadata_size_hint;
    let hint = hint.unwrap_or(FOOTER_HINT) as u64;
    let mut footers: HashSet<&Path> = HashSet::new();
    for (file, cell) in unknown {
        if footers.insert(&file.object_meta.location) {
            reading.bytes += hint.min(file.object_meta.size);
            reading.requests += 1;
        }
        let sky = source
            .ranges
            .as_ref()
            .zip(cell)
            .map_or(1.0, |(ranges, cell)| part_of(cell, ranges));
        let bytes = scaled(file.effective_size(), share * sky);
        reading.bytes += bytes;
        reading.requests += bytes.div_ceil(REQUEST_BYTES);
    }
    Some(reading)
}

/// Names of the table's columns that are read.
fn columns(source: &HatsSource) -> HashSet<String> {
    match source.projection() {
        Some(projection) => projection
            .iter()
            .flat_map(|projected| collect_columns(&projected.expr))
            .map(|column| column.name().to_owned())
            .collect(),
        None => {
            let schema = source.parquet.table_schema().table_schema();
            schema.fields().iter().map(|field| field.name().clone()).collect()
        }
    }
}

/// Stored bytes of the columns that are read, and of all.
#[derive(Default)]
struct Share {
    read: u64,
    all: u64,
}

impl Share {
    fn columns(&self) -> Option<f64> {
        (self.all > 0).then(|| self.read as f64 / self.all as f64)
    }
}

/// A file whose footer is at hand.
struct InFile<'a> {
    footer: &'a Arc<ParquetMetaData>,
    file: &'a PartitionedFile,
    columns: &'a HashSet<String>,
}

impl InFile<'_> {
    /// Bytes and requests.
    fn read(&self, index: Option<&str>, wanted: Option<&CellRanges>, known: &mut Share) -> (u64, u64) {
        let plan = index
            .zip(wanted)
            .map(|(index, wanted)| access(self.footer, index, wanted).plan);
        let (mut bytes, mut number) = (0, 0);
        for (place, group) in self.footer.row_groups().iter().enumerate() {
            if !self.holds(group) {
                continue;
            }
            let chunks = self.chunks(group);
            let stored: u64 = chunks.iter().map(|chunk| chunk.end - chunk.start).sum();
            known.read += stored;
            known.all += u64::try_from(group.compressed_size()).unwrap_or(0);
            let part = match plan.as_ref().and_then(|plan| plan.inner().get(place)) {
                Some(RowGroupAccess::Skip) => continue,
                Some(RowGroupAccess::Selection(rows)) => {
                    rows.row_count() as f64 / u64::try_from(group.num_rows()).unwrap_or(0).max(1) as f64
                }
                Some(RowGroupAccess::Scan) | None => 1.0,
            };
            if part == 0.0 {
                continue;
            }
            bytes += scaled(stored, part);
            let chunks = if part < 1.0 {
                &chunks[..chunks.len().min(1)]
            } else {
                &chunks[..]
            };
            number += requests(chunks).len() as u64;
        }
        (bytes, number)
    }

    /// Whether the row group belongs to the part of the file that is scanned.
    fn holds(&self, group: &RowGroupMetaData) -> bool {
        let Some(range) = &self.file.range else { return true };
        let start = group.columns().first().map_or(0, |column| {
            let dictionary = column.dictionary_page_offset();
            dictionary.unwrap_or_else(|| column.data_page_offset())
        });
        (range.start..range.end).contains(&start)
    }

    fn chunks(&self, group: &RowGroupMetaData) -> Vec<Range<u64>> {
        let columns = group.columns().iter().filter(|column| {
            let name = column.column_path().parts().first();
            name.is_some_and(|name| self.columns.contains(name))
        });
        columns
            .map(|column| {
                let (start, length) = column.byte_range();
                start..start + length
            })
            .collect()
    }
}

/// Which part of a row is in those columns, by the widths of their types.
fn width_share(schema: &Schema, columns: &HashSet<String>) -> f64 {
    let width = |data_type: &DataType| data_type.primitive_width().unwrap_or(TEXT_BYTES) as f64;
    let sum = |read: &dyn Fn(&str) -> bool| -> f64 {
        let fields = schema.fields().iter().filter(|field| read(field.name()));
        fields.map(|field| width(field.data_type())).sum()
    };
    sum(&|name| columns.contains(name)) / sum(&|_| true).max(1.0)
}

/// Which part of a cell lies in `ranges`.
pub(crate) fn part_of(cell: Cell, ranges: &CellRanges) -> f64 {
    let whole = CellRanges::of_cell(cell);
    ranges.intersection(&whole).cell_count() as f64 / whole.cell_count().max(1) as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a part of a number of bytes"
)]
fn scaled(bytes: u64, part: f64) -> u64 {
    (bytes as f64 * part).ceil() as u64
}
