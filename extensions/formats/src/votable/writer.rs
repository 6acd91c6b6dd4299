//! Batches to a VOTable of version 1.4. Not the form of single values.

use std::fmt;
use std::io::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, StringBuilder};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, SchemaRef};
use arrow::json::EncoderOptions;
use arrow::json::writer::make_encoder;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::cell::Values;
use super::declare::{Via, Written, attribute, escaped};
use crate::{FormatError, Result};

/// How the rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serialization {
    /// As XML that people can read.
    TableData,
    /// As base64: smaller, and NULL is kept apart from empty.
    Binary2,
}

/// Bytes that are gathered before they are written.
const BUFFER: usize = 1 << 16;
/// Bytes of a line of base64.
const LINE: usize = 57;

/// Writes one table. Without [`Self::finish`] the document has no end, and readers refuse it.
///
/// Types without a VOTable data type are widened (Int8, unsigned integers, Decimal), or written as text: times as ISO
/// 8601, structures, maps and lists of anything but numbers as JSON. Text is `char` as long as the first batch is
/// ASCII (or the metadata say `unicodeChar`), later characters beyond it are written as UTF-8; what XML cannot hold
/// (control characters) becomes U+FFFD in TABLEDATA.
pub struct VotableWriter<W> {
    out: W,
    schema: SchemaRef,
    columns: Vec<Written>,
    serialization: Serialization,
    name: Option<String>,
    description: Option<String>,
    begun: bool,
    rows: u64,
    text: String,
    bytes: Vec<u8>,
}

impl<W: Write> VotableWriter<W> {
    /// A table of these columns, whose metadata (unit, UCD, …) are written along. Nothing is written before the first
    /// batch, or the end.
    pub fn new(
        out: W,
        schema: SchemaRef,
        serialization: Serialization,
        name: Option<&str>,
        description: Option<&str>,
    ) -> Self {
        Self {
            out,
            columns: schema.fields().iter().map(|field| Written::new(field)).collect(),
            schema,
            serialization,
            name: name.map(str::to_owned),
            description: description.map(str::to_owned),
            begun: false,
            rows: 0,
            text: String::new(),
            bytes: Vec::new(),
        }
    }

    /// Writes the rows of a batch, whose columns must be of the types of the schema.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_columns() != self.columns.len() {
            let (found, wanted) = (batch.num_columns(), self.columns.len());
            return Err(FormatError::unsupported(format!(
                "a batch of {found} columns for a table of {wanted}"
            )));
        }
        let mut arrays = Vec::with_capacity(self.columns.len());
        for ((column, array), field) in self.columns.iter().zip(batch.columns()).zip(self.schema.fields()) {
            arrays.push(canonical(column, field, array)?);
        }
        if !self.begun {
            for (column, array) in self.columns.iter_mut().zip(&arrays) {
                column.wide |= Values::has_wide_text(array);
            }
            self.begin()?;
        }
        let values = self
            .columns
            .iter()
            .zip(&arrays)
            .map(|(column, array)| Values::new(array, column.wide));
        let values: Vec<Values> = values.collect::<Result<_>>()?;
        for row in 0..batch.num_rows() {
            self.rows += 1;
            match self.serialization {
                Serialization::TableData => self.write_text(&values, row)?,
                Serialization::Binary2 => self.write_bytes(&values, row)?,
            }
        }
        Ok(())
    }

    /// Writes what is left, and the end of the document.
    pub fn finish(mut self) -> Result<W> {
        if !self.begun {
            self.begin()?;
        }
        match self.serialization {
            Serialization::TableData => self.text.push_str("</TABLEDATA>\n"),
            Serialization::Binary2 => {
                self.encode(0);
                self.text.push_str("</STREAM></BINARY2>\n");
            }
        }
        self.text.push_str("</DATA>\n</TABLE>\n</RESOURCE>\n</VOTABLE>\n");
        self.flush(0)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn begin(&mut self) -> Result<()> {
        self.begun = true;
        self.text.push_str(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <VOTABLE version=\"1.4\" xmlns=\"http://www.ivoa.net/xml/VOTable/v1.3\">\n<RESOURCE type=\"results\">\n<TABLE",
        );
        if let Some(name) = &self.name {
            attribute(&mut self.text, "name", name);
        }
        self.text.push_str(">\n");
        if let Some(description) = &self.description {
            self.text.push_str("<DESCRIPTION>");
            escaped(&mut self.text, description);
            self.text.push_str("</DESCRIPTION>\n");
        }
        for column in &self.columns {
            self.text.push_str(&column.xml());
        }
        self.text.push_str(match self.serialization {
            Serialization::TableData => "<DATA><TABLEDATA>\n",
            Serialization::Binary2 => "<DATA><BINARY2><STREAM encoding=\"base64\">\n",
        });
        self.flush(BUFFER)
    }

    fn write_text(&mut self, values: &[Values], row: usize) -> Result<()> {
        self.text.push_str("<TR>");
        for (column, values) in self.columns.iter().zip(values) {
            match (values.is_null(row), values) {
                (true, Values::Boolean(_)) => self.text.push_str("<TD>?</TD>"),
                (true, _) => self.text.push_str("<TD/>"),
                (false, _) => {
                    self.text.push_str("<TD>");
                    let fault = |fault| FormatError::cell(self.rows, column.name(), fault);
                    values.write_text(row, &mut self.text).map_err(fault)?;
                    self.text.push_str("</TD>");
                }
            }
        }
        self.text.push_str("</TR>\n");
        self.flush(BUFFER)
    }

    fn write_bytes(&mut self, values: &[Values], row: usize) -> Result<()> {
        for values in values.chunks(8) {
            let flag = |(bit, values): (usize, &Values)| if values.is_null(row) { 0x80 >> bit } else { 0_u8 };
            self.bytes.push(values.iter().enumerate().map(flag).sum());
        }
        for (column, values) in self.columns.iter().zip(values) {
            let fault = |fault| FormatError::cell(self.rows, column.name(), fault);
            values.write_bytes(row, &mut self.bytes).map_err(fault)?;
        }
        if self.bytes.len() >= BUFFER {
            self.encode(LINE);
            self.flush(BUFFER)?;
        }
        Ok(())
    }

    /// Turns whole lines of bytes into base64, or all with `whole` = 0.
    fn encode(&mut self, whole: usize) {
        let length = match whole {
            0 => self.bytes.len(),
            line => self.bytes.len() / line * line,
        };
        for line in self.bytes[..length].chunks(LINE) {
            STANDARD.encode_string(line, &mut self.text);
            self.text.push('\n');
        }
        self.bytes.drain(..length);
    }

    fn flush(&mut self, from: usize) -> Result<()> {
        if self.text.len() > from {
            self.out.write_all(self.text.as_bytes())?;
            self.text.clear();
        }
        Ok(())
    }
}

/// The column in the type that is written. What does not fit is an error, never NULL.
fn canonical(column: &Written, field: &Field, array: &ArrayRef) -> Result<ArrayRef> {
    let fault = |error: arrow::error::ArrowError| {
        let hint = if field.data_type() == &DataType::UInt64 {
            ": cast it to text in the query"
        } else {
            ""
        };
        FormatError::column(column.name(), format!("{error}{hint}"))
    };
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    match column.via {
        Via::Cast => {
            // Instants are written in universal time and without saying so, as astronomers do.
            let array = match array.data_type() {
                DataType::Timestamp(unit, Some(_)) => {
                    cast_with_options(array, &DataType::Timestamp(*unit, None), &options).map_err(fault)?
                }
                _ => Arc::clone(array),
            };
            cast_with_options(&array, &column.data_type, &options).map_err(fault)
        }
        Via::Display => {
            let options = FormatOptions::default();
            let formatter = ArrayFormatter::try_new(array, &options).map_err(fault)?;
            texts(array, |row, text| {
                formatter
                    .value(row)
                    .write(text)
                    .map_err(|error| FormatError::column(column.name(), error.to_string()))
            })
        }
        Via::Json => {
            let field = Arc::new(field.clone());
            let options = EncoderOptions::default();
            let mut encoder = make_encoder(&field, array.as_ref(), &options).map_err(fault)?;
            let mut bytes = Vec::new();
            texts(array, |row, text| {
                bytes.clear();
                encoder.encode(row, &mut bytes);
                text.push_str(&String::from_utf8_lossy(&bytes));
                Ok(())
            })
        }
    }
}

fn texts(array: &ArrayRef, mut write: impl FnMut(usize, &mut String) -> Result<()>) -> Result<ArrayRef> {
    let mut builder = StringBuilder::new();
    let mut text = String::new();
    for row in 0..array.len() {
        if array.is_null(row) || array.data_type() == &DataType::Null {
            builder.append_null();
            continue;
        }
        text.clear();
        write(row, &mut text)?;
        builder.append_value(&text);
    }
    Ok(Arc::new(builder.finish()))
}

impl<W> fmt::Debug for VotableWriter<W> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("VotableWriter");
        debug
            .field("schema", &self.schema)
            .field("serialization", &self.serialization);
        debug.finish_non_exhaustive()
    }
}
