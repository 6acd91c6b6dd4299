//! An ECSV file as a stream of batches. Not its header, nor the form of its rows.

use std::fmt;
use std::io::BufRead;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema, SchemaRef};

use super::array::Cells;
use super::header::{Column, Header};
use super::record::Records;
use crate::metadata::unique_names;
use crate::{BATCH_BYTES, BATCH_ROWS, FormatError, Result};

/// Bytes of all the comment lines at the top.
const MAX_HEADER_BYTES: usize = 16 << 20;

/// Reads a table in batches.
pub struct EcsvReader<R> {
    records: Records<R>,
    columns: Vec<Column>,
    /// The columns to give, by their place in the file.
    wanted: Vec<usize>,
    schema: SchemaRef,
    batch_rows: usize,
    rows: u64,
    ended: bool,
}

impl<R: BufRead> EcsvReader<R> {
    /// Reads the header and the line of names.
    pub fn open(input: R) -> Result<Self> {
        let mut records = Records::new(input);
        let header = read_header(&mut records)?;
        let names = unique_names(header.columns.iter().map(|column| column.field.name().clone()));
        let fields = header.columns.iter().zip(names);
        let fields: Vec<Field> = fields
            .map(|(column, name)| column.field.clone().with_name(name))
            .collect();
        Ok(Self {
            records,
            wanted: (0..fields.len()).collect(),
            schema: Arc::new(Schema::new(fields)),
            columns: header.columns,
            batch_rows: BATCH_ROWS,
            rows: 0,
            ended: false,
        })
    }

    /// The columns, with their metadata; after [`Self::with_projection`] those chosen.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
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
        self.wanted = columns
            .iter()
            .filter_map(|index| self.wanted.get(*index).copied())
            .collect();
        Ok(self)
    }

    fn batch(&mut self) -> Result<Option<RecordBatch>> {
        let cells = |(index, column)| self.wanted.contains(&index).then(|| Cells::new(column));
        let mut cells: Vec<Option<Cells>> = self.columns.iter().enumerate().map(cells).collect();
        let (mut count, mut bytes) = (0, 0_usize);
        while count < self.batch_rows && bytes < BATCH_BYTES {
            if !self.records.row()? {
                self.ended = true;
                break;
            }
            if self.records.count() != self.columns.len() {
                let fault = format!(
                    "the row has {} values, not {}",
                    self.records.count(),
                    self.columns.len()
                );
                return Err(FormatError::line(self.records.lines(), fault));
            }
            for (index, (value, cells)) in self.records.values().zip(&mut cells).enumerate() {
                bytes = bytes.saturating_add(value.len());
                if let Some(cells) = cells {
                    let column = || self.columns[index].field.name();
                    cells.push(value).map_err(|fault| {
                        let line = self.records.lines();
                        FormatError::cell(self.rows + 1, column(), format!("line {line}: {fault}"))
                    })?;
                }
            }
            let padding: usize = cells.iter().flatten().map(|cells| cells.padding).sum();
            bytes = bytes.max(padding);
            count += 1;
            self.rows += 1;
        }
        if count == 0 {
            return Ok(None);
        }
        let finish = |cells: Option<Cells>| cells.map(|mut cells| cells.finish()).transpose();
        let arrays: Vec<Option<ArrayRef>> = cells.into_iter().map(finish).collect::<Result<_>>()?;
        let arrays: Vec<_> = self
            .wanted
            .iter()
            .filter_map(|index| arrays.get(*index).cloned().flatten())
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        Ok(Some(RecordBatch::try_new_with_options(
            self.schema(),
            arrays,
            &options,
        )?))
    }
}

/// Comment lines up to the line of names, which must be those of the header.
fn read_header<R: BufRead>(records: &mut Records<R>) -> Result<Header> {
    match records.line()? {
        Some(line)
            if line
                .strip_prefix('#')
                .is_some_and(|line| line.trim_start().starts_with("%ECSV ")) => {}
        _ => {
            return Err(FormatError::line(
                1,
                "this is no ECSV file: its first line is not \"# %ECSV 1.0\"",
            ));
        }
    }
    let mut yaml = String::new();
    loop {
        let Some(line) = records.line()? else {
            return Err(FormatError::line(
                records.lines(),
                "the file ends before the names of the columns",
            ));
        };
        if let Some(comment) = line.strip_prefix('#') {
            // Documents begin with a line that is of no use here.
            yaml.push_str(comment.strip_prefix(' ').unwrap_or(comment));
            if yaml.len() > MAX_HEADER_BYTES {
                return Err(FormatError::line(records.lines(), "a header without end"));
            }
        } else if !line.trim().is_empty() {
            break;
        }
    }
    let header = Header::parse(&yaml, 2)?;
    records.set_delimiter(header.delimiter);
    records.row_of_line()?;
    let declared = header.columns.iter().map(|column| column.field.name().as_str());
    if !records.values().eq(declared) {
        let fault = "the names of the columns are not those of the header, in its order";
        return Err(FormatError::line(records.lines(), fault));
    }
    Ok(header)
}

impl<R: BufRead> Iterator for EcsvReader<R> {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let batch = self.batch();
        self.ended |= batch.is_err();
        batch.transpose()
    }
}

impl<R> fmt::Debug for EcsvReader<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("EcsvReader")
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}
