//! A VOTable as a stream of batches: header, rows, what follows them. Not the serialisations themselves.

use std::fmt;
use std::io::BufRead;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Schema, SchemaRef};

use super::binary::Binary;
use super::field::Column;
use super::header::{self, Form};
use super::tabledata::TableData;
use super::xml::Document;
use crate::{BATCH_ROWS, Result};

/// Reads the first table of a document that has data.
pub struct VotableReader<R> {
    document: Document<R>,
    columns: Vec<Column>,
    /// The columns to give, by their place in the document.
    wanted: Vec<usize>,
    schema: SchemaRef,
    form: Form,
    resource: usize,
    rows: Option<Rows>,
    batch_rows: usize,
    ended: bool,
}

#[derive(Debug)]
enum Rows {
    Text(TableData),
    Binary(Binary),
}

impl<R: BufRead> VotableReader<R> {
    /// Reads up to the first row. A service's error report (`QUERY_STATUS` = `ERROR`) is an error with its message,
    /// here or, where the service failed later, behind the last row.
    pub fn open(input: R) -> Result<Self> {
        let mut document = Document::new(input);
        let header = header::read(&mut document)?;
        let fields: Vec<_> = header.columns.iter().map(|column| column.field.clone()).collect();
        Ok(Self {
            document,
            wanted: (0..fields.len()).collect(),
            schema: Arc::new(Schema::new(fields)),
            columns: header.columns,
            form: header.form,
            resource: header.resource,
            rows: None,
            batch_rows: BATCH_ROWS,
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

    /// The next batch; `None` at the end.
    fn batch(&mut self) -> Result<Option<RecordBatch>> {
        let rows = self.rows.get_or_insert_with(|| match self.form {
            Form::TableData | Form::Nothing => Rows::Text(TableData::new(&self.columns, &self.wanted)),
            Form::Binary => Rows::Binary(Binary::new(&self.columns, &self.wanted, false)),
            Form::Binary2 => Rows::Binary(Binary::new(&self.columns, &self.wanted, true)),
        });
        let (arrays, count, ended) = match rows {
            _ if self.form == Form::Nothing => (Vec::new(), 0, true),
            Rows::Text(rows) => rows.batch(&mut self.document, self.batch_rows)?,
            Rows::Binary(rows) => rows.batch(&mut self.document, self.batch_rows)?,
        };
        if ended {
            if self.resource > 0 {
                header::read_rest(&mut self.document, self.resource)?;
            }
            self.ended = true;
        }
        if count == 0 {
            return Ok(None);
        }
        let pick = |index: &usize| arrays.get(*index).cloned().flatten();
        let arrays: Vec<ArrayRef> = self.wanted.iter().filter_map(pick).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        Ok(Some(RecordBatch::try_new_with_options(
            self.schema(),
            arrays,
            &options,
        )?))
    }
}

impl<R: BufRead> Iterator for VotableReader<R> {
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

impl<R> fmt::Debug for VotableReader<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("VotableReader");
        debug.field("schema", &self.schema).field("form", &self.form);
        debug.finish_non_exhaustive()
    }
}
