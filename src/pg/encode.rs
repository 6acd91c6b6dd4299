//! Arrow to PostgreSQL values: record batches become `DataRow` messages, in text or binary, column by column.
//!
//! Each column gets one writer a batch (the type is looked at once, not once a cell); a row is then a walk over the
//! writers. Nothing here waits or knows of sockets.
//!
//! | Arrow | PostgreSQL |
//! |---|---|
//! | Boolean | bool |
//! | Int8, UInt8, Int16 · UInt16, Int32 · UInt32, Int64 · UInt64 | int2 · int4 · int8 · numeric |
//! | Float16, Float32 · Float64 | float4 · float8 |
//! | Decimal, any width | numeric |
//! | Utf8, any layout, and Null | text |
//! | Binary, any layout | bytea |
//! | Date · Time · Timestamp without and with zone · Interval and Duration | date · time · timestamp, timestamptz · interval |
//! | List, any layout, of one of the above | its array type |
//! | Struct, Map, Union, list of lists | json |
//! | Dictionary, run-end | as their values |

mod cell;
mod datetime;
mod float;
mod interval;
mod json;
mod list;
mod number;
mod pgtype;

use std::ops::Range;
use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::array::{Array, ArrayRef, RecordBatch};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::error::ArrowError;
use pgwire::api::Type;

pub(crate) use datetime::{POSTGRES_EPOCH_DAYS, POSTGRES_EPOCH_MICROS};
pub(crate) use pgtype::{PG_TYPE, arrow_type, element_of, pg_type, type_length, type_modifier};

/// How a column goes over the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WireFormat {
    Text,
    Binary,
}

impl WireFormat {
    /// The format code of the protocol; anything but 1 counts as text, as in PostgreSQL's RowDescription.
    pub(crate) fn from_code(code: i16) -> Self {
        if code == 1 { Self::Binary } else { Self::Text }
    }

    pub(crate) fn code(self) -> i16 {
        i16::from(self == Self::Binary)
    }
}

/// What a session may choose about the look of values.
#[derive(Debug, Clone)]
pub(crate) struct Style {
    /// `TimeZone`: of every timestamptz printed; UTC if there is none.
    pub(crate) time_zone: Option<Tz>,
    /// `extra_float_digits`: above 0 the shortest text that reads back alike, else 15 (or 6) significant digits.
    pub(crate) extra_float_digits: i32,
}

/// Encodes the rows of one result. Made once a statement or portal, as its `RowDescription` promises.
#[derive(Debug, Clone)]
pub(crate) struct RowEncoder {
    columns: Arc<[(Type, WireFormat)]>,
    style: Style,
}

impl RowEncoder {
    pub(crate) fn new(columns: impl IntoIterator<Item = (Type, WireFormat)>, style: Style) -> Self {
        Self {
            columns: columns.into_iter().collect(),
            style,
        }
    }

    /// Prepares one batch.
    pub(crate) fn open(&self, batch: &RecordBatch) -> Result<EncodedBatch, ArrowError> {
        Ok(EncodedBatch {
            columns: self.columns(batch)?,
        })
    }

    /// The writers of one batch, column by column.
    pub(crate) fn columns(&self, batch: &RecordBatch) -> Result<Vec<Column>, ArrowError> {
        batch
            .columns()
            .iter()
            .zip(batch.schema_ref().fields())
            .zip(self.columns.iter())
            .map(|((array, field), (target, format))| {
                let array = pgtype::conform(array, &pg_type(field), target)?;
                Column::new(&array, target, *format, &self.style)
            })
            .collect()
    }
}

/// A batch whose types have been looked at: rows can be written.
pub(crate) struct EncodedBatch {
    columns: Vec<Column>,
}

impl EncodedBatch {
    /// Appends a `DataRow` message for each row of the range.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the row description, which came first, counts in 16 bits too"
    )]
    pub(crate) fn write(&self, rows: Range<usize>, out: &mut BytesMut) {
        for row in rows {
            out.put_u8(b'D');
            framed(out, Counts::Itself, |out| {
                out.put_u16(self.columns.len() as u16);
                for column in &self.columns {
                    column.write(row, out);
                }
            });
        }
    }
}

type Writer = Box<dyn Fn(usize, &mut BytesMut) + Send + Sync>;

/// One column of one batch.
pub(crate) struct Column {
    nulls: Option<NullBuffer>,
    writer: Writer,
}

impl Column {
    fn new(array: &ArrayRef, target: &Type, format: WireFormat, style: &Style) -> Result<Self, ArrowError> {
        let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
        Ok(Self {
            nulls,
            writer: cell::writer(array, target, format, style)?,
        })
    }

    pub(crate) fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// Appends the value, which must not be NULL.
    pub(crate) fn put(&self, row: usize, out: &mut BytesMut) {
        (self.writer)(row, out);
    }

    /// Appends the value with its length, or the length -1 for NULL.
    pub(crate) fn write(&self, row: usize, out: &mut BytesMut) {
        if self.is_null(row) {
            out.put_i32(-1);
        } else {
            framed(out, Counts::Rest, |out| (self.writer)(row, out));
        }
    }
}

/// Whether a length counts its own four bytes.
#[derive(Clone, Copy)]
pub(crate) enum Counts {
    Itself,
    Rest,
}

/// Writes a four-byte length before what `body` appends.
#[expect(
    clippy::cast_possible_truncation,
    reason = "no value of the engine is as long as 4 GiB"
)]
pub(crate) fn framed(out: &mut BytesMut, counts: Counts, body: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_i32(0);
    body(out);
    let length = out.len() - start - if matches!(counts, Counts::Rest) { 4 } else { 0 };
    if let Some(place) = out.get_mut(start..start + 4) {
        place.copy_from_slice(&(length as u32).to_be_bytes());
    }
}
