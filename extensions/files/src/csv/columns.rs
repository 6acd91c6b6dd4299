//! From fields of text to a column of a type. Parsing only; which type is decided elsewhere.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, ArrowPrimitiveType, BooleanBuilder, PrimitiveBuilder, StringArray, StringViewBuilder,
};
use datafusion::arrow::compute::kernels::cast_utils::{Parser, string_to_datetime};
use datafusion::arrow::compute::{CastOptions, cast, cast_with_options};
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit,
    TimestampMicrosecondType, TimestampNanosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};

use super::evidence::{chrono_utc, is_nan, truth};
use super::records::Records;
use super::{Dialect, LineFault};

/// One column of the records as an array of type `data_type`.
pub(crate) fn column(
    records: &Records<'_>,
    column: usize,
    name: &str,
    data_type: &DataType,
    dialect: &Dialect,
) -> Result<ArrayRef, LineFault> {
    let fields = Fields {
        records,
        column,
        name,
        data_type,
        dialect,
    };
    match data_type {
        DataType::Int8 => fields.parsed::<Int8Type>(|value| value.parse().ok()),
        DataType::Int16 => fields.parsed::<Int16Type>(|value| value.parse().ok()),
        DataType::Int32 => fields.parsed::<Int32Type>(|value| value.parse().ok()),
        DataType::Int64 => fields.parsed::<Int64Type>(|value| value.parse().ok()),
        DataType::UInt8 => fields.parsed::<UInt8Type>(|value| value.parse().ok()),
        DataType::UInt16 => fields.parsed::<UInt16Type>(|value| value.parse().ok()),
        DataType::UInt32 => fields.parsed::<UInt32Type>(|value| value.parse().ok()),
        DataType::UInt64 => fields.parsed::<UInt64Type>(|value| value.parse().ok()),
        DataType::Float32 => fields.parsed::<Float32Type>(|value| value.parse().ok()),
        DataType::Float64 => fields.parsed::<Float64Type>(|value| value.parse().ok()),
        DataType::Date32 => fields.parsed::<Date32Type>(Date32Type::parse),
        DataType::Timestamp(TimeUnit::Microsecond, _) => fields.parsed::<TimestampMicrosecondType>(|value| {
            let when = string_to_datetime(&chrono_utc(), value).ok()?;
            Some(when.timestamp_micros())
        }),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => fields.parsed::<TimestampNanosecondType>(|value| {
            let when = string_to_datetime(&chrono_utc(), value).ok()?;
            when.timestamp_nanos_opt()
        }),
        DataType::Boolean => fields.truths(),
        DataType::Utf8View => Ok(fields.texts()),
        DataType::Utf8 | DataType::LargeUtf8 => {
            cast(&fields.texts(), data_type).map_err(|error| records.fault(0, error.to_string()))
        }
        _ => fields.cast(),
    }
}

struct Fields<'a> {
    records: &'a Records<'a>,
    column: usize,
    name: &'a str,
    data_type: &'a DataType,
    dialect: &'a Dialect,
}

impl Fields<'_> {
    /// Values as they stand in the text; `None` where they mean NULL.
    fn values(&self) -> impl Iterator<Item = Option<&str>> {
        (0..self.records.len()).map(|record| {
            let value = self.records.field(record, self.column);
            (!self.dialect.is_null(value.trim())).then_some(value)
        })
    }

    fn parsed<T: ArrowPrimitiveType>(&self, parse: impl Fn(&str) -> Option<T::Native>) -> Result<ArrayRef, LineFault> {
        let mut built = PrimitiveBuilder::<T>::with_capacity(self.records.len()).with_data_type(self.data_type.clone());
        let floats = self.data_type.is_floating();
        for (record, value) in self.values().enumerate() {
            let parsed = match value.map(str::trim) {
                None => None,
                Some(value) => match parse(value) {
                    Some(parsed) => Some(parsed),
                    None if !floats && is_nan(value) => None,
                    None => return Err(self.misfit(record, value)),
                },
            };
            built.append_option(parsed);
        }
        Ok(Arc::new(built.finish()))
    }

    fn truths(&self) -> Result<ArrayRef, LineFault> {
        let mut built = BooleanBuilder::with_capacity(self.records.len());
        for (record, value) in self.values().enumerate() {
            let parsed = match value.map(str::trim) {
                None => None,
                Some(value) if is_nan(value) => None,
                Some(value) => Some(truth(value).ok_or_else(|| self.misfit(record, value))?),
            };
            built.append_option(parsed);
        }
        Ok(Arc::new(built.finish()))
    }

    fn texts(&self) -> ArrayRef {
        let mut built = StringViewBuilder::with_capacity(self.records.len());
        self.values().for_each(|value| built.append_option(value));
        Arc::new(built.finish())
    }

    /// By way of the engine's casts, for types that only a declaration asks for.
    fn cast(&self) -> Result<ArrayRef, LineFault> {
        let texts: ArrayRef = Arc::new(self.values().map(|value| value.map(str::trim)).collect::<StringArray>());
        let strict = CastOptions {
            safe: false,
            ..CastOptions::default()
        };
        cast_with_options(&texts, self.data_type, &strict).map_err(|error| {
            let alone = |record: &usize| cast_with_options(&texts.slice(*record, 1), self.data_type, &strict).is_err();
            let record = (0..self.records.len()).find(alone).unwrap_or(0);
            self.records.fault(record, format!("column '{}': {error}", self.name))
        })
    }

    fn misfit(&self, record: usize, value: &str) -> LineFault {
        let shown: String = value.chars().take(40).collect();
        let fault = format!(
            "column '{}' holds '{shown}', which is no {}; look at more rows for its type (inference_rows), or declare it",
            self.name, self.data_type
        );
        self.records.fault(record, fault)
    }
}
