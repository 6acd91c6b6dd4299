//! Comma-separated values after RFC 4180, with a header. NULL is an empty field, an empty text is `""`.

use std::io::Write;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;

use super::RowWriter;
use super::cell::Cells;
use crate::Result;

pub(super) struct CsvWriter<'a> {
    schema: SchemaRef,
    out: &'a mut dyn Write,
    header: bool,
}

impl<'a> CsvWriter<'a> {
    pub(super) fn new(schema: SchemaRef, out: &'a mut dyn Write) -> Self {
        Self {
            schema,
            out,
            header: false,
        }
    }

    fn header(&mut self) -> Result<()> {
        if !self.header {
            let names: Vec<String> = self.schema.fields().iter().map(|field| quote(field.name())).collect();
            writeln!(self.out, "{}", names.join(","))?;
            self.header = true;
        }
        Ok(())
    }
}

impl RowWriter for CsvWriter<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.header()?;
        let columns = batch.columns().iter().map(Cells::new).collect::<Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            for (index, cells) in columns.iter().enumerate() {
                let comma = if index > 0 { "," } else { "" };
                let text = cells.text(row).map_or_else(String::new, |text| quote(&text));
                write!(self.out, "{comma}{text}")?;
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
fn quote(text: &str) -> String {
    if text.is_empty() || text.contains([',', '"', '\n', '\r']) {
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
