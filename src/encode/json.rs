//! One JSON array of objects, a line for each row. NULL, NaN and infinities are `null`, which is all that JSON has.

use std::io::{self, Write};

use arrow::json::WriterBuilder;
use arrow::json::writer::{JsonFormat, Writer};
use datafusion::arrow::array::RecordBatch;
use datafusion::error::DataFusionError;

use super::RowWriter;
use crate::{Error, Result};

/// An array with each object on a line of its own.
#[derive(Debug, Default)]
struct Lines;

impl JsonFormat for Lines {
    fn start_stream<W: Write>(&self, writer: &mut W) -> Result<(), arrow::error::ArrowError> {
        Ok(writer.write_all(b"[")?)
    }

    fn start_row<W: Write>(&self, writer: &mut W, is_first_row: bool) -> Result<(), arrow::error::ArrowError> {
        Ok(writer.write_all(if is_first_row { b"\n" } else { b",\n" })?)
    }

    fn end_stream<W: Write>(&self, writer: &mut W) -> Result<(), arrow::error::ArrowError> {
        Ok(writer.write_all(b"\n]\n")?)
    }
}

/// The library's writer wants a sized one.
struct Out<'a>(&'a mut dyn Write);

impl Write for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

pub(super) struct JsonWriter<'a> {
    inner: Writer<Out<'a>, Lines>,
}

impl<'a> JsonWriter<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self {
            inner: WriterBuilder::new().with_explicit_nulls(true).build(Out(out)),
        }
    }
}

impl RowWriter for JsonWriter<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.inner.write(batch).map_err(arrow_error)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.inner.finish().map_err(arrow_error)?;
        Ok(self.inner.into_inner().flush()?)
    }
}

fn arrow_error(error: arrow::error::ArrowError) -> Error {
    Error::from(DataFusionError::from(error))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array};

    use super::*;

    fn print(batches: &[RecordBatch]) -> String {
        let mut out = Vec::new();
        let mut writer = Box::new(JsonWriter::new(&mut out));
        for batch in batches {
            writer.write(batch).unwrap();
        }
        writer.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_for_each_row_and_null_for_what_json_lacks() {
        let ids = Arc::new(Int64Array::from(vec![Some(1), None, Some(9_007_199_254_740_993)])) as ArrayRef;
        let values = Arc::new(Float64Array::from(vec![0.1, f64::NAN, f64::INFINITY])) as ArrayRef;
        let batch = RecordBatch::try_from_iter([("id", ids), ("x", values)]).unwrap();
        insta::assert_snapshot!(print(&[batch.slice(0, 1), batch.slice(1, 2)]), @r#"
        [
        {"id":1,"x":0.1},
        {"id":null,"x":null},
        {"id":9007199254740993,"x":null}
        ]
        "#);
    }

    #[test]
    fn no_rows_are_an_empty_array() {
        let parsed: serde_json::Value = serde_json::from_str(&print(&[])).unwrap();
        assert_eq!(parsed, serde_json::json!([]));
    }
}
