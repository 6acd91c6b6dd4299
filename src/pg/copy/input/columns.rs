//! Values to arrays, of exactly the types that the table has.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayBuilder, ArrayRef, BooleanBuilder, Float32Builder, Float64Builder, Int16Builder, Int32Builder, Int64Builder,
    LargeStringBuilder, RecordBatch, StringBuilder, StringViewBuilder,
};
use datafusion::arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::common::{DataFusionError, ScalarValue};
use pgwire::api::Type;

use super::super::super::decode;
use super::super::super::encode::{pg_type, type_length};
use crate::{Error, ErrorKind, Result};

/// A batch is full with so many rows, or bytes of values.
const ROWS: usize = 8192;
const BYTES: usize = 8 << 20;

/// The rows that have been read and are no batch yet.
pub(super) struct Columns {
    pub(super) table: String,
    schema: SchemaRef,
    columns: Vec<Column>,
    rows: usize,
    bytes: usize,
}

struct Column {
    name: String,
    kind: Type,
    data_type: DataType,
    nullable: bool,
    values: Values,
}

/// The values of a column: those of common types as they are, others one by one.
enum Values {
    Bool(BooleanBuilder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Utf8(StringBuilder),
    LargeUtf8(LargeStringBuilder),
    Utf8View(StringViewBuilder),
    Other(Vec<ScalarValue>),
}

impl Columns {
    pub(super) fn new(table: &str, schema: &SchemaRef) -> Result<Self> {
        let columns = schema.fields().iter().map(|field| Column::new(field));
        Ok(Self {
            table: table.to_owned(),
            schema: Arc::clone(schema),
            columns: columns.collect::<Result<_>>()?,
            rows: 0,
            bytes: 0,
        })
    }

    /// How many columns there are.
    pub(super) fn len(&self) -> usize {
        self.columns.len()
    }

    pub(super) fn name(&self, at: usize) -> &str {
        self.columns.get(at).map_or("", |column| column.name.as_str())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows >= ROWS || self.bytes >= BYTES
    }

    /// Adds a value that is spelt so.
    pub(super) fn text(&mut self, at: usize, value: Option<&str>) -> Result<()> {
        let Some(column) = self.columns.get_mut(at) else {
            return Ok(());
        };
        self.bytes += value.map_or(1, str::len);
        match value {
            None => column.null(),
            Some(text) => column.text(text),
        }
    }

    /// Adds a value in PostgreSQL's binary format.
    pub(super) fn binary(&mut self, at: usize, value: Option<&[u8]>) -> Result<()> {
        let Some(column) = self.columns.get_mut(at) else {
            return Ok(());
        };
        self.bytes += value.map_or(1, <[u8]>::len);
        match value {
            None => column.null(),
            Some(bytes) => column.binary(bytes),
        }
    }

    pub(super) fn end_row(&mut self) {
        self.rows += 1;
    }

    /// NULL in a column that has none.
    pub(super) fn null_fault(&self, at: usize) -> Option<Error> {
        let column = self.columns.get(at).filter(|column| !column.nullable)?;
        let message = format!(
            "null value in column \"{}\" of relation \"{}\" violates not-null constraint",
            column.name, self.table
        );
        Some(Error::new(ErrorKind::NotNull, message))
    }

    /// The batch.
    pub(super) fn take(&mut self) -> Result<RecordBatch> {
        (self.rows, self.bytes) = (0, 0);
        let arrays = self.columns.iter_mut().map(|column| column.values.finish());
        let arrays = arrays.collect::<Result<_>>()?;
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), arrays).map_err(DataFusionError::from)?)
    }
}

impl Column {
    fn new(field: &Field) -> Result<Self> {
        let data_type = field.data_type().clone();
        let kind = pg_type(field);
        if kind == Type::JSON && data_type.is_nested() {
            let message = format!("cannot copy into column \"{}\" of type {data_type}", field.name());
            return Err(Error::new(ErrorKind::NotSupported, message)
                .with_hint("Name the columns to be copied, and leave this one out."));
        }
        Ok(Self {
            name: field.name().clone(),
            kind,
            values: Values::of(&data_type),
            data_type,
            nullable: field.is_nullable(),
        })
    }

    fn null(&mut self) -> Result<()> {
        match &mut self.values {
            Values::Bool(builder) => builder.append_null(),
            Values::Int16(builder) => builder.append_null(),
            Values::Int32(builder) => builder.append_null(),
            Values::Int64(builder) => builder.append_null(),
            Values::Float32(builder) => builder.append_null(),
            Values::Float64(builder) => builder.append_null(),
            Values::Utf8(builder) => builder.append_null(),
            Values::LargeUtf8(builder) => builder.append_null(),
            Values::Utf8View(builder) => builder.append_null(),
            Values::Other(values) => values.push(ScalarValue::try_from(&self.data_type)?),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<()> {
        match &mut self.values {
            Values::Int32(builder) if let Ok(value) = text.parse() => builder.append_value(value),
            Values::Int64(builder) if let Ok(value) = text.parse() => builder.append_value(value),
            Values::Utf8(builder) => builder.append_value(text),
            Values::LargeUtf8(builder) => builder.append_value(text),
            Values::Utf8View(builder) => builder.append_value(text),
            // The slow way also knows what is wrong.
            _ => return self.value(decode::from_text(text, &self.kind)?),
        }
        Ok(())
    }

    fn binary(&mut self, bytes: &[u8]) -> Result<()> {
        if let Ok(needed @ 1..=16) = usize::try_from(type_length(&self.kind))
            && bytes.len() < needed
        {
            let message = "insufficient data left in message";
            return Err(Error::new(ErrorKind::ProtocolViolation, message));
        }
        match decode::from_binary(bytes, &self.kind) {
            Some(value) => self.value(value),
            None => Err(Error::new(ErrorKind::InvalidBinary, "incorrect binary data format")),
        }
    }

    fn value(&mut self, value: ScalarValue) -> Result<()> {
        match (&mut self.values, value) {
            (Values::Bool(builder), ScalarValue::Boolean(value)) => builder.append_option(value),
            (Values::Int16(builder), ScalarValue::Int16(value)) => builder.append_option(value),
            (Values::Int32(builder), ScalarValue::Int32(value)) => builder.append_option(value),
            (Values::Int64(builder), ScalarValue::Int64(value)) => builder.append_option(value),
            (Values::Float32(builder), ScalarValue::Float32(value)) => builder.append_option(value),
            (Values::Float64(builder), ScalarValue::Float64(value)) => builder.append_option(value),
            (Values::Utf8(builder), ScalarValue::Utf8(value)) => builder.append_option(value),
            (Values::LargeUtf8(builder), ScalarValue::Utf8(value)) => builder.append_option(value),
            (Values::Utf8View(builder), ScalarValue::Utf8(value)) => builder.append_option(value),
            (Values::Other(values), value) => {
                let fitted = value.cast_to(&self.data_type);
                let fitted = fitted.ok().filter(|fitted| fitted.is_null() == value.is_null());
                values.push(fitted.ok_or_else(|| {
                    let name = super::super::super::catalog::type_name(self.kind.oid());
                    Error::new(
                        ErrorKind::OutOfRange,
                        format!("value \"{value}\" is out of range for type {name}"),
                    )
                    .with_detail(format!("The column is of type {}.", self.data_type))
                })?);
            }
            (_, value) => {
                let message = format!(
                    "a value of type {} for a column of {}",
                    value.data_type(),
                    self.data_type
                );
                return Err(Error::new(ErrorKind::Internal, message));
            }
        }
        Ok(())
    }
}

impl Values {
    fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Boolean => Self::Bool(BooleanBuilder::new()),
            DataType::Int16 => Self::Int16(Int16Builder::new()),
            DataType::Int32 => Self::Int32(Int32Builder::new()),
            DataType::Int64 => Self::Int64(Int64Builder::new()),
            DataType::Float32 => Self::Float32(Float32Builder::new()),
            DataType::Float64 => Self::Float64(Float64Builder::new()),
            DataType::Utf8 => Self::Utf8(StringBuilder::new()),
            DataType::LargeUtf8 => Self::LargeUtf8(LargeStringBuilder::new()),
            DataType::Utf8View => Self::Utf8View(StringViewBuilder::new()),
            _ => Self::Other(Vec::new()),
        }
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        Ok(match self {
            Self::Bool(builder) => ArrayBuilder::finish(builder),
            Self::Int16(builder) => ArrayBuilder::finish(builder),
            Self::Int32(builder) => ArrayBuilder::finish(builder),
            Self::Int64(builder) => ArrayBuilder::finish(builder),
            Self::Float32(builder) => ArrayBuilder::finish(builder),
            Self::Float64(builder) => ArrayBuilder::finish(builder),
            Self::Utf8(builder) => ArrayBuilder::finish(builder),
            Self::LargeUtf8(builder) => ArrayBuilder::finish(builder),
            Self::Utf8View(builder) => ArrayBuilder::finish(builder),
            Self::Other(values) => ScalarValue::iter_to_array(std::mem::take(values))?,
        })
    }
}
