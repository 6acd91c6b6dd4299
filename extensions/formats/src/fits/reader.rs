//! Finding the table in a file and streaming its rows. Not their decoding.

use std::fmt;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Schema, SchemaRef};

use super::column::{Cell, Column, columns};
use super::form::HeapCode;
use super::header::Header;
use super::heap::{Extent, Heap};
use super::values::Block;
use crate::{BATCH_BYTES, BATCH_ROWS, FormatError, Result};

/// Which table of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Table {
    /// The first binary table.
    First,
    /// The first unit of this `EXTNAME`, without regard to case.
    Named(String),
    /// The unit of this number; 0 is the primary one, which is never a table.
    Hdu(usize),
}

/// Reads a binary table in batches.
pub struct FitsReader<R> {
    input: R,
    columns: Vec<Column>,
    schema: SchemaRef,
    /// Bytes of the file before the rows.
    data: u64,
    row_bytes: usize,
    table_rows: u64,
    /// What is still to be read.
    rows: Range<u64>,
    heap: Heap,
    batch_rows: usize,
    failed: bool,
}

impl<R: Read + Seek> FitsReader<R> {
    /// Reads headers up to the table's. The file must hold all the rows that its header claims.
    pub fn open(mut input: R, table: Table) -> Result<Self> {
        let file_bytes = input.seek(SeekFrom::End(0))?;
        let header = find(&mut input, &table, file_bytes)?;
        let (columns, row_bytes) = columns(&header)?;
        let table_rows = header.size("NAXIS2", None)?;
        let heap = extent_of(&header, row_bytes, table_rows, file_bytes)?;
        let schema = schema_of(&columns);
        Ok(Self {
            input,
            columns,
            schema,
            data: header.data,
            row_bytes,
            table_rows,
            rows: 0..table_rows,
            heap,
            batch_rows: BATCH_ROWS,
            failed: false,
        })
    }

    /// The columns, with their metadata; after [`Self::with_projection`] those chosen.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Rows of the whole table.
    pub fn rows(&self) -> u64 {
        self.table_rows
    }

    /// At most so many rows a batch (at least one); wide rows make smaller batches anyway.
    #[must_use]
    pub fn with_batch_rows(mut self, rows: usize) -> Self {
        self.batch_rows = rows.max(1);
        self
    }

    /// Only these columns, in this order, by their place in the schema.
    pub fn with_projection(mut self, columns: Vec<usize>) -> Result<Self> {
        self.schema = Arc::new(self.schema.project(&columns)?);
        self.columns = columns
            .iter()
            .filter_map(|index| self.columns.get(*index).cloned())
            .collect();
        Ok(self)
    }

    /// Only the rows of this range, counted from 0; what lies behind the last row is ignored.
    #[must_use]
    pub fn with_rows(mut self, rows: Range<u64>) -> Self {
        let end = rows.end.min(self.table_rows);
        self.rows = rows.start.min(end)..end;
        self
    }

    fn batch(&mut self) -> Result<RecordBatch> {
        let count = self.rows_at_once();
        let mut bytes = vec![0; count * self.row_bytes];
        // In bounds of the file, as `open` found.
        let start = self.data + self.rows.start * self.row_bytes as u64;
        self.input.seek(SeekFrom::Start(start))?;
        self.input.read_exact(&mut bytes)?;
        let mut block = Block {
            bytes: &bytes,
            row_bytes: self.row_bytes,
            rows: count,
            first_row: self.rows.start,
        };
        let extents = self.extents(&block)?;
        let fitting = self.heap.fitting(&extents, block.first_row, BATCH_BYTES as u64)?;
        if fitting < block.rows && !extents.is_empty() {
            block.bytes = &bytes[..fitting * self.row_bytes];
            block.rows = fitting;
        }
        let arrays = self.arrays(&block, &extents)?;
        self.rows.start += block.rows as u64;
        let options = RecordBatchOptions::new().with_row_count(Some(block.rows));
        Ok(RecordBatch::try_new_with_options(self.schema(), arrays, &options)?)
    }

    fn rows_at_once(&self) -> usize {
        let left = usize::try_from(self.rows.end - self.rows.start).unwrap_or(usize::MAX);
        let by_bytes = BATCH_BYTES.checked_div(self.row_bytes).unwrap_or(usize::MAX).max(1);
        left.min(self.batch_rows).min(by_bytes)
    }

    /// For each row the extents of its arrays, column by column; empty where no column has any.
    fn extents(&self, block: &Block<'_>) -> Result<Vec<Vec<Extent>>> {
        let heaped: Vec<_> = self
            .columns
            .iter()
            .filter_map(|column| Some((column, heaped(column)?)))
            .collect();
        if heaped.is_empty() {
            return Ok(Vec::new());
        }
        let mut rows = vec![Vec::with_capacity(heaped.len()); block.rows];
        for (column, element) in heaped {
            for (index, cell) in block.cells(column).enumerate() {
                let extent = self.heap.extent(cell, element).map_err(|fault| {
                    FormatError::cell(block.first_row + index as u64 + 1, column.field.name(), fault)
                })?;
                rows[index].push(extent);
            }
        }
        Ok(rows)
    }

    fn arrays(&mut self, block: &Block<'_>, extents: &[Vec<Extent>]) -> Result<Vec<ArrayRef>> {
        let mut arrays = Vec::with_capacity(self.columns.len());
        let mut number = 0;
        for column in &self.columns {
            let Some(element) = heaped(column) else {
                arrays.push(block.fixed(column)?);
                continue;
            };
            let rows = extents.iter().take(block.rows);
            let extents: Vec<_> = rows.filter_map(|row| row.get(number).cloned()).collect();
            number += 1;
            let bytes = self.heap.read(&mut self.input, &extents)?;
            arrays.push(block.variable(column, element, &extents, &bytes)?);
        }
        Ok(arrays)
    }
}

fn heaped(column: &Column) -> Option<HeapCode> {
    match column.cell {
        Cell::Heap { element, .. } => Some(element),
        _ => None,
    }
}

fn schema_of(columns: &[Column]) -> SchemaRef {
    let fields: Vec<_> = columns.iter().map(|column| column.field.clone()).collect();
    Arc::new(Schema::new(fields))
}

/// Goes from header to header until one is asked for.
fn find<R: Read + Seek>(input: &mut R, table: &Table, file_bytes: u64) -> Result<Header> {
    let (mut start, mut seen) = (0, Vec::new());
    while let Some(header) = Header::read(input, start, file_bytes)? {
        let number = seen.len();
        let wanted = match table {
            Table::First => is_plain_table(&header),
            Table::Named(name) => header
                .name()
                .is_some_and(|found| found.eq_ignore_ascii_case(name.trim())),
            Table::Hdu(wanted) => *wanted == number,
        };
        if wanted {
            readable(&header, number)?;
            return Ok(header);
        }
        seen.push(
            format!("{number}: {} {}", header.kind(), header.name().unwrap_or_default())
                .trim()
                .to_owned(),
        );
        start = header.next()?;
    }
    let wanted = match table {
        Table::First => "no binary table".to_owned(),
        Table::Named(name) => format!("no unit of the name {name:?}"),
        Table::Hdu(number) => format!("no unit of the number {number}"),
    };
    if *table == Table::First && seen.iter().any(|unit| unit.contains(": TABLE")) {
        return Err(ascii_table());
    }
    Err(FormatError::Absent(format!(
        "the file has {wanted}; it holds {}",
        listed(&seen)
    )))
}

/// Files of thousands of images are no help in an error.
fn listed(units: &[String]) -> String {
    match units.get(..20) {
        Some(some) if units.len() > 20 => format!("{}, … {} units", some.join(", "), units.len()),
        _ => units.join(", "),
    }
}

/// Compressed images are binary tables too, but not for people.
fn is_plain_table(header: &Header) -> bool {
    header.kind() == "BINTABLE" && !header.is_true("ZIMAGE")
}

fn ascii_table() -> FormatError {
    FormatError::unsupported(
        "ASCII tables (XTENSION = 'TABLE') are not supported: convert it to a binary table first, with STILTS or astropy",
    )
}

fn readable(header: &Header, number: usize) -> Result<()> {
    match header.kind() {
        "TABLE" => Err(ascii_table()),
        "BINTABLE" if header.is_true("ZTABLE") => Err(FormatError::unsupported(
            "tile-compressed tables (ZTABLE) are not supported: uncompress it first, with funpack",
        )),
        "BINTABLE" if header.is_true("ZIMAGE") => Err(FormatError::unsupported(format!(
            "unit {number} is a compressed image, not a table"
        ))),
        "BINTABLE" => Ok(()),
        other => Err(FormatError::unsupported(format!(
            "unit {number} is of the kind {other}, not a binary table"
        ))),
    }
}

/// Where the heap lies, once rows and heap are known to lie within the file.
fn extent_of(header: &Header, row_bytes: usize, rows: u64, file_bytes: u64) -> Result<Heap> {
    let data_end = header.data.checked_add(header.data_bytes()?);
    let there = file_bytes.saturating_sub(header.data);
    if row_bytes == 0 && rows > 0 {
        return Err(FormatError::byte(
            header.start,
            format!("{rows} rows of no bytes (NAXIS1 = 0)"),
        ));
    }
    let table = (row_bytes as u64).saturating_mul(rows);
    if table > there {
        let whole = there / row_bytes as u64;
        let fault = format!(
            "row {} of {rows} is cut off: the header claims rows of {row_bytes} bytes up to byte {}, the file ends at {file_bytes}",
            whole + 1,
            header.data.saturating_add(table),
        );
        return Err(FormatError::byte(header.data + whole * row_bytes as u64, fault));
    }
    let gap = header.size("THEAP", Some(table))?;
    let behind = header.size("PCOUNT", Some(0))?;
    let end = table.saturating_add(behind);
    if data_end.is_none_or(|end| end > file_bytes) {
        let fault = format!("the heap of {behind} bytes behind the rows is cut off: the file ends at {file_bytes}");
        return Err(FormatError::byte(header.data + table, fault));
    }
    if gap < table || gap > end {
        let fault = format!("THEAP = {gap} lies outside the data, {table} bytes of rows and {behind} behind them");
        return Err(FormatError::byte(header.start, fault));
    }
    Ok(Heap {
        start: header.data + gap,
        bytes: end - gap,
    })
}

impl<R: Read + Seek> Iterator for FitsReader<R> {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.rows.is_empty() {
            return None;
        }
        let batch = self.batch();
        self.failed = batch.is_err();
        Some(batch)
    }
}

impl<R> fmt::Debug for FitsReader<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("FitsReader");
        debug.field("schema", &self.schema).field("rows", &self.table_rows);
        debug.finish_non_exhaustive()
    }
}
