//! Comma-separated values after RFC 4180, with a header. NULL is an empty field, an empty text is `""`.

use std::io::Write;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;

use super::RowWriter;
use super::cell::Cells;
use crate::Result;

pub(crate) struct CsvWriter<W> {
    schema: SchemaRef,
    out: W,
    separator: char,
    header: bool,
}

impl<W: Write> CsvWriter<W> {
    /// Commas between the values.
    pub(crate) fn new(schema: SchemaRef, out: W) -> Self {
        Self {
            schema,
            out,
            separator: ',',
            header: false,
        }
    }

    /// The same with another character between the values.
    pub(crate) fn with_separator(mut self, separator: char) -> Self {
        self.separator = separator;
        self
    }

    /// The same without the line of names.
    pub(crate) fn without_header(mut self) -> Self {
        self.header = true;
        self
    }

    fn header(&mut self) -> Result<()> {
        if !self.header {
            let fields = self.schema.fields().iter();
            let names: Vec<String> = fields.map(|field| quote(field.name(), self.separator)).collect();
            writeln!(self.out, "{}", names.join(&self.separator.to_string()))?;
            self.header = true;
        }
        Ok(())
    }
}

impl<W: Write> RowWriter for CsvWriter<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.header()?;
        let columns = batch.columns().iter().map(Cells::new).collect::<Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            for (index, cells) in columns.iter().enumerate() {
                if index > 0 {
                    write!(self.out, "{}", self.separator)?;
                }
                if let Some(text) = cells.text(row) {
                    write!(self.out, "{}", quote(&text, self.separator))?;
                }
            }
            writeln!(self.out)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.header()?;
        self.out.flush()?;
        Ok(())
    }
}

/// Quotes what could be read as something else: separators, quotes, line ends, the empty text.
fn quote(text: &str, separator: char) -> String {
    if text.is_empty() || text.contains([separator, '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, StringArray};

    use super::*;

    #[test]
    fn what_could_be_misread_is_quoted() {
        let texts = StringArray::from(vec![
            Some("a,b"),
            Some("say \"hi\""),
            Some(""),
            None,
            Some("two\nlines"),
            Some("é"),
        ]);
        let batch = RecordBatch::try_from_iter([("a \"name\"", Arc::new(texts) as ArrayRef)]).unwrap();
        let mut out = Vec::new();
        let mut writer = Box::new(CsvWriter::new(batch.schema(), &mut out));
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text,
            "\"a \"\"name\"\"\"\n\"a,b\"\n\"say \"\"hi\"\"\"\n\"\"\n\n\"two\nlines\"\né\n"
        );
    }
}
