//! Rows as text: one table from a name to a writer. Each writer takes a batch at a time and holds no result whole.

mod cell;
mod csv;
mod json;
mod table;

use std::io::{self, Write};

use clap::ValueEnum;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;

pub(crate) use csv::CsvWriter;

use crate::Result;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned columns under their names, for people.
    Table,
    /// RFC 4180, with a header; NULL is an empty field, an empty text is `""`.
    Csv,
    /// One JSON array of objects, a line for each row.
    Json,
}

impl Format {
    /// A writer of rows with this schema.
    pub(crate) fn writer<'a>(self, schema: SchemaRef, out: &'a mut dyn Write) -> Box<dyn RowWriter + 'a> {
        match self {
            Self::Table => Box::new(table::TableWriter::new(schema, out)),
            Self::Csv => Box::new(CsvWriter::new(schema, out)),
            Self::Json => Box::new(json::JsonWriter::new(out)),
        }
    }
}

/// Writes the rows of one result.
pub(crate) trait RowWriter {
    /// The next rows.
    fn write(&mut self, batch: &RecordBatch) -> Result<()>;

    /// What comes after the last row. A result that was cut short does not get here.
    fn finish(self: Box<Self>) -> Result<()>;
}

impl From<io::Error> for crate::Error {
    fn from(error: io::Error) -> Self {
        let closed = error.kind() == io::ErrorKind::BrokenPipe;
        Self::new(
            if closed {
                crate::ErrorKind::Closed
            } else {
                crate::ErrorKind::Io
            },
            error.to_string(),
        )
    }
}
