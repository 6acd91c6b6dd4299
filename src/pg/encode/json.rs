//! Structs, maps and nested lists as JSON text, which Arrow's own writer makes. NaN and infinities become null there,
//! as JSON has no word for them.

use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::arrow::datatypes::{Field, FieldRef};
use datafusion::arrow::error::ArrowError;

use super::Writer;
use arrow::json::writer::{EncoderOptions, make_encoder};

/// The writer of a json column, the same in text and binary. The texts of the whole batch are made here, at once.
pub(super) fn writer(array: &ArrayRef) -> Result<Writer, ArrowError> {
    let field: FieldRef = Arc::new(Field::new("item", array.data_type().clone(), true));
    let options = EncoderOptions::default().with_explicit_nulls(true);
    let mut encoder = make_encoder(&field, array.as_ref(), &options)?;
    let mut texts = Vec::new();
    let mut ends = Vec::with_capacity(array.len() + 1);
    ends.push(0);
    for row in 0..array.len() {
        if !encoder.is_null(row) {
            encoder.encode(row, &mut texts);
        }
        ends.push(texts.len());
    }
    Ok(Box::new(move |row, out: &mut BytesMut| {
        out.put_slice(&texts[ends[row]..ends[row + 1]])
    }))
}
