//! The columns of one table over several files: merged by name, with the metadata of the first file that has them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, new_null_array};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::record_batch::{RecordBatch, RecordBatchOptions};

use crate::error::{FilesError, Result};

/// The schema of a table over files with the given schemas: columns in the order in which they first come, nullable
/// where a file lacks them. Numbers of different types meet in one that is wide enough; an integer and a float meet in
/// `Float64`.
///
/// # Errors
/// A column has types in two files that do not meet, or two columns of a file have one name. The error names the file.
pub(crate) fn merged<'a>(files: impl IntoIterator<Item = (&'a str, &'a Schema)>) -> Result<SchemaRef> {
    let mut fields: Vec<Field> = Vec::new();
    let mut places: HashMap<String, (usize, usize)> = HashMap::new();
    let mut count = 0;
    for (file, schema) in files {
        count += 1;
        for field in schema.fields() {
            let field = viewed(field);
            match places.entry(field.name().clone()) {
                Entry::Vacant(free) => {
                    free.insert((fields.len(), count));
                    fields.push(field.with_nullable_if(count > 1));
                }
                Entry::Occupied(mut taken) => {
                    let (place, last) = taken.get_mut();
                    if *last == count {
                        let fault = format!("two columns have the name '{}'", field.name());
                        return Err(FilesError::malformed(file, fault));
                    }
                    *last = count;
                    meet(file, &mut fields[*place], &field)?;
                }
            }
        }
        // What an earlier file has and this one lacks.
        for (place, last) in places.values() {
            if *last != count {
                fields[*place].set_nullable(true);
            }
        }
    }
    Ok(Arc::new(Schema::new(fields)))
}

trait Nullable {
    fn with_nullable_if(self, nullable: bool) -> Self;
}

impl Nullable for Field {
    fn with_nullable_if(mut self, nullable: bool) -> Self {
        self.set_nullable(self.is_nullable() || nullable);
        self
    }
}

fn meet(file: &str, before: &mut Field, now: &Field) -> Result<()> {
    let Some(wide) = wider(before.data_type(), now.data_type()) else {
        let fault = format!(
            "column '{}' is {} here and {} in files before; read them as tables of their own, or give one type",
            now.name(),
            now.data_type(),
            before.data_type(),
        );
        return Err(FilesError::malformed(file, fault));
    };
    let mut metadata = now.metadata().clone();
    metadata.extend(before.metadata().clone());
    *before = Field::new(before.name(), wide, before.is_nullable() || now.is_nullable()).with_metadata(metadata);
    Ok(())
}

/// The type that holds the values of both, if there is one. An integer beyond 2^53 is rounded where its column meets
/// floats.
fn wider(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType::{Float16, Float32, Float64, Int8, Int16, Int32, Int64, Null, UInt8, UInt16, UInt32, UInt64};
    /// Signed, bits.
    fn integer(of: &DataType) -> Option<(bool, u8)> {
        Some(match of {
            Int8 => (true, 8),
            Int16 => (true, 16),
            Int32 => (true, 32),
            Int64 => (true, 64),
            UInt8 => (false, 8),
            UInt16 => (false, 16),
            UInt32 => (false, 32),
            UInt64 => (false, 64),
            _ => return None,
        })
    }
    let float = |of: &DataType| matches!(of, Float16 | Float32 | Float64);
    match (a, b) {
        _ if a.equals_datatype(b) => Some(a.clone()),
        (Null, other) | (other, Null) => Some(other.clone()),
        (Float16, Float32) | (Float32, Float16) => Some(Float32),
        _ if float(a) && float(b) => Some(Float64),
        _ if (float(a) && integer(b).is_some()) || (integer(a).is_some() && float(b)) => Some(Float64),
        _ => match (integer(a)?, integer(b)?) {
            ((true, x), (true, y)) => signed(x.max(y)),
            ((false, x), (false, y)) => Some(match x.max(y) {
                8 => UInt8,
                16 => UInt16,
                32 => UInt32,
                _ => UInt64,
            }),
            // An unsigned number needs one bit more among signed ones.
            ((true, s), (false, u)) | ((false, u), (true, s)) => signed(s.max(u.saturating_mul(2))),
        },
    }
}

fn signed(bits: u8) -> Option<DataType> {
    Some(match bits {
        8 => DataType::Int8,
        16 => DataType::Int16,
        32 => DataType::Int32,
        64 => DataType::Int64,
        _ => return None,
    })
}

/// Strings and bytes as views, which the engine reads without a copy.
fn viewed(field: &Field) -> Field {
    let view = match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
        other => other.clone(),
    };
    field.clone().with_data_type(view)
}

/// How the batches of one file become those of the table: for each wanted column its place in the file's batches.
#[derive(Debug, Clone)]
pub(crate) struct Fitting {
    wanted: SchemaRef,
    places: Vec<Option<usize>>,
}

impl Fitting {
    /// From batches of the columns `read` to batches of `wanted`, by name; what is not read is NULL.
    pub(crate) fn new(read: &Schema, wanted: SchemaRef) -> Self {
        let places = wanted
            .fields()
            .iter()
            .map(|field| read.index_of(field.name()).ok())
            .collect();
        Self { wanted, places }
    }

    /// The batch as one of the table.
    ///
    /// # Errors
    /// A value does not fit the type of its column in the table.
    pub(crate) fn fit(&self, file: &str, batch: &RecordBatch) -> Result<RecordBatch> {
        let columns = self.wanted.fields().iter().zip(&self.places);
        let columns = columns.map(|(field, place)| match place {
            Some(place) => converted(file, batch.column(*place), field),
            None => Ok(new_null_array(field.data_type(), batch.num_rows())),
        });
        let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.wanted), columns, &options)
            .map_err(|error| FilesError::malformed(file, error))
    }
}

fn converted(file: &str, array: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    if array.data_type() == field.data_type() {
        return Ok(Arc::clone(array));
    }
    let strict = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(array, field.data_type(), &strict)
        .map_err(|error| FilesError::malformed(file, format!("column '{}': {error}", field.name())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(fields: &[(&str, DataType)]) -> Schema {
        let fields: Vec<Field> = fields
            .iter()
            .map(|(name, kind)| Field::new(*name, kind.clone(), false))
            .collect();
        Schema::new(fields)
    }

    #[test]
    fn columns_merge_by_name() {
        let a = schema(&[("id", DataType::Int32), ("ra", DataType::Float32)]);
        let b = schema(&[
            ("ra", DataType::Int64),
            ("name", DataType::Utf8),
            ("id", DataType::UInt32),
        ]);
        let table = merged([("a", &a), ("b", &b)]).unwrap();
        let kinds: Vec<_> = table
            .fields()
            .iter()
            .map(|field| (field.name().as_str(), field.data_type().clone(), field.is_nullable()))
            .collect();
        assert_eq!(
            kinds,
            [
                ("id", DataType::Int64, false),
                ("ra", DataType::Float64, false),
                ("name", DataType::Utf8View, true)
            ]
        );
    }

    #[test]
    fn a_column_that_a_later_file_lacks_is_nullable() {
        let (a, b) = (
            schema(&[("id", DataType::Int32), ("x", DataType::Int8)]),
            schema(&[("id", DataType::Int32)]),
        );
        let table = merged([("a", &a), ("b", &b)]).unwrap();
        assert!(table.field(1).is_nullable() && !table.field(0).is_nullable());
    }

    #[test]
    fn types_that_do_not_meet_name_the_file() {
        for (a, b) in [
            (DataType::Utf8, DataType::Int64),
            (DataType::UInt64, DataType::Int64),
            (DataType::Boolean, DataType::Int8),
        ] {
            let (a, b) = (schema(&[("x", a)]), schema(&[("x", b)]));
            let error = merged([("a.parquet", &a), ("b.parquet", &b)]).unwrap_err().to_string();
            assert!(error.starts_with("b.parquet: column 'x'"), "{error}");
        }
    }

    #[test]
    fn the_first_metadata_stays() {
        let with = |unit: &str| {
            let field =
                Field::new("x", DataType::Int8, true).with_metadata([("unit".to_owned(), unit.to_owned())].into());
            Schema::new(vec![field])
        };
        let table = merged([("a", &with("mag")), ("b", &with("deg"))]).unwrap();
        assert_eq!(table.field(0).metadata()["unit"], "mag");
    }
}
