//! From the columns of an input to those of the leaves: the index first, then what is carried over, in types that every
//! reader of Parquet knows.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Field, Float64Type, Schema, SchemaRef};
use datafusion::error::DataFusionError;

use super::nested;
use super::options::{ImportOptions, fault};
use crate::error::{HatsError, Result};
use crate::layout;

/// Units of angles that are not degrees, in lower case.
const OTHER_UNITS: &[&str] = &[
    "rad",
    "radian",
    "radians",
    "h",
    "hr",
    "hour",
    "hours",
    "hourangle",
    "arcmin",
    "arcsec",
    "mas",
    "uas",
];

/// The columns of an input, and what becomes of them.
#[derive(Debug)]
pub(crate) struct Columns {
    stored: SchemaRef,
    /// Where the carried columns lie in the input, in the order of the leaves.
    carried: Vec<usize>,
    lon: usize,
    lat: usize,
}

impl Columns {
    /// # Errors
    /// Position columns that are absent or no numbers; metadata of columns that are absent.
    pub(crate) fn new(given: &Schema, options: &ImportOptions, input: &str) -> Result<Self> {
        let lon = position_column(given, &options.lon_column, input)?;
        let lat = position_column(given, &options.lat_column, input)?;
        for name in options.columns.keys() {
            if given.field_with_name(name).is_err() {
                let told = format!(
                    "describes {name}, which the input does not have; it has {}",
                    names(given)
                );
                return Err(fault("columns", told));
            }
        }
        // An index of old is computed anew, and paths say what hive columns say.
        let replaced = |name: &str| name == layout::INDEX_COLUMN || layout::HIVE_COLUMNS.contains(&name);
        let fields = given.fields().iter().enumerate();
        let carried: Vec<usize> = fields
            .filter(|(_, field)| !replaced(field.name()))
            .map(|(at, _)| at)
            .collect();
        let stored = carried.iter().map(|at| {
            let field = nested::stored_field(given.field(*at));
            let mut metadata = field.metadata().clone();
            metadata.extend(options.columns.get(field.name()).cloned().unwrap_or_default());
            field.with_metadata(metadata)
        });
        let stored = std::iter::once(index_field()).chain(stored).collect::<Vec<_>>();
        Ok(Self {
            stored: Arc::new(Schema::new(stored)),
            carried,
            lon,
            lat,
        })
    }

    pub(crate) fn stored_schema(&self) -> SchemaRef {
        Arc::clone(&self.stored)
    }

    /// Longitude and latitude of every row, in degrees; NULL where they are no numbers.
    pub(crate) fn positions(&self, batch: &RecordBatch) -> Result<(Float64Array, Float64Array), DataFusionError> {
        let number = |at: usize| -> Result<Float64Array, DataFusionError> {
            let cast = cast_with_options(batch.column(at), &DataType::Float64, &CastOptions::default())?;
            Ok(cast.as_primitive::<Float64Type>().clone())
        };
        Ok((number(self.lon)?, number(self.lat)?))
    }

    /// The position columns of the input.
    pub(crate) fn position_columns(&self) -> (usize, usize) {
        (self.lon, self.lat)
    }

    /// The rows as the leaves hold them.
    pub(crate) fn stored(&self, batch: &RecordBatch, index: Int64Array) -> Result<RecordBatch, DataFusionError> {
        let mut columns: Vec<ArrayRef> = vec![Arc::new(index)];
        for (at, field) in self.carried.iter().zip(self.stored.fields().iter().skip(1)) {
            columns.push(nested::stored_column(batch.column(*at), field)?);
        }
        Ok(RecordBatch::try_new(Arc::clone(&self.stored), columns)?)
    }
}

fn index_field() -> Field {
    let description = [
        ("ucd".to_owned(), "pos.healpix".to_owned()),
        ("description".to_owned(), "HEALPix cell of order 29, nested".to_owned()),
    ];
    Field::new(layout::INDEX_COLUMN, DataType::Int64, false).with_metadata(description.into())
}

fn position_column(given: &Schema, name: &str, input: &str) -> Result<usize> {
    let unit = |at: usize| {
        given
            .field(at)
            .metadata()
            .get("unit")
            .map(|unit| unit.trim().to_lowercase())
    };
    let fault = match given.index_of(name) {
        Ok(at) if unit(at).is_some_and(|unit| OTHER_UNITS.contains(&unit.as_str())) => format!(
            "its column {name} must hold degrees, but its unit is {}; convert it first",
            unit(at).unwrap_or_default()
        ),
        Ok(at) if given.field(at).data_type().is_numeric() => return Ok(at),
        Ok(at) => format!(
            "its column {name} must hold degrees as numbers, not {}",
            given.field(at).data_type()
        ),
        Err(_) => format!("it has no column {name}; it has {}", names(given)),
    };
    Err(HatsError::Input {
        input: input.to_owned(),
        fault,
    })
}

fn names(schema: &Schema) -> String {
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    names.join(", ")
}
