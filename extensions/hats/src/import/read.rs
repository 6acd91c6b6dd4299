//! The inputs of an import: which files, which columns, and how the engine reads them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, Int64Array};
use datafusion::arrow::datatypes::{DataType, Field, Float64Type, Schema, SchemaRef};
use datafusion::common::Column;
use datafusion::dataframe::DataFrame;
use datafusion::error::DataFusionError;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarUDF, Volatility, cast, create_udf};
use datafusion::prelude::{CsvReadOptions, ParquetReadOptions, SessionConfig, SessionContext};
use dreyer_sphere::index29;

use super::ImportOptions;
use crate::error::{HatsError, Result};
use crate::layout;
use crate::prune::signed;

/// Rows of a batch. A sort must hold at least one batch a stream, and rows with light curves are large.
const BATCH_ROWS: usize = 2048;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Parquet,
    /// Values separated by this byte, with a header line.
    Csv(u8),
}

/// Inputs that have been looked at and agree about their columns.
pub(crate) struct Inputs {
    context: SessionContext,
    format: Format,
    files: Vec<PathBuf>,
    /// What the files hold.
    schema: SchemaRef,
    lon_column: String,
    lat_column: String,
    inference_rows: usize,
}

impl Inputs {
    /// Looks at every file's columns. `spill` is where sorting may put what memory cannot hold.
    pub(crate) async fn open(options: &ImportOptions, spill: &Path) -> Result<Self> {
        let mut inputs = Self {
            context: context(options.memory_bytes, spill)?,
            format: format(&options.inputs)?,
            files: options.inputs.clone(),
            schema: Arc::new(Schema::empty()),
            lon_column: options.lon_column.clone(),
            lat_column: options.lat_column.clone(),
            inference_rows: options.csv_inference_rows,
        };
        let mut merged: Option<Schema> = None;
        for file in &options.inputs {
            let frame = inputs.open_files(std::slice::from_ref(file), None).await?;
            let schema = frame.schema().as_arrow().clone();
            merged = Some(match merged {
                None => schema,
                Some(before) => merge(&before, &schema, file, inputs.format)?,
            });
        }
        let schema = merged.unwrap_or_else(Schema::empty);
        for column in [&inputs.lon_column, &inputs.lat_column] {
            check_position_column(&schema, column, &options.inputs)?;
        }
        inputs.schema = Arc::new(schema);
        Ok(inputs)
    }

    /// All files, for error messages.
    pub(crate) fn describe(&self) -> String {
        match self.files.as_slice() {
            [file] => file.display().to_string(),
            files => format!("{} files", files.len()),
        }
    }

    pub(crate) fn files(&self) -> &[PathBuf] {
        &self.files
    }

    pub(crate) fn position_columns(&self) -> (&str, &str) {
        (&self.lon_column, &self.lat_column)
    }

    /// The index of every row of one file, in a column of `Int64`, NULL where the position is unusable.
    pub(crate) async fn indexes(&self, file: &PathBuf) -> Result<DataFrame> {
        let frame = self.open_files(std::slice::from_ref(file), Some(&self.schema)).await?;
        Ok(frame.select([self.index_expr()])?)
    }

    /// The rows of all files in the columns of [`Self::output_schema`], in no order.
    pub(crate) async fn rows(&self) -> Result<DataFrame> {
        let frame = self.open_files(&self.files, Some(&self.schema)).await?;
        let columns = self.carried().map(|field| {
            let expr = column(field.name());
            let stored = stored_type(field.data_type());
            if stored == *field.data_type() {
                expr
            } else {
                cast(expr, stored).alias(field.name())
            }
        });
        Ok(frame.select(std::iter::once(self.index_expr()).chain(columns))?)
    }

    /// The columns of the leaves: the index, then those of the inputs with their metadata.
    pub(crate) fn output_schema(&self) -> SchemaRef {
        let description = [
            ("ucd".to_owned(), "pos.healpix".to_owned()),
            ("description".to_owned(), "HEALPix cell of order 29, nested".to_owned()),
        ];
        let index = Field::new(layout::INDEX_COLUMN, DataType::Int64, false).with_metadata(description.into());
        let carried = self
            .carried()
            .map(|field| field.clone().with_data_type(stored_type(field.data_type())));
        Arc::new(Schema::new(std::iter::once(index).chain(carried).collect::<Vec<_>>()))
    }

    /// The columns that are taken over: an index of old is computed anew, and paths say what hive columns say.
    fn carried(&self) -> impl Iterator<Item = &Field> {
        let replaced = |name: &str| name == layout::INDEX_COLUMN || layout::HIVE_COLUMNS.contains(&name);
        self.schema
            .fields()
            .iter()
            .map(AsRef::as_ref)
            .filter(move |field: &&Field| !replaced(field.name()))
    }

    fn index_expr(&self) -> Expr {
        let number = |name: &str| cast(column(name), DataType::Float64);
        index_function()
            .call(vec![number(&self.lon_column), number(&self.lat_column)])
            .alias(layout::INDEX_COLUMN)
    }

    async fn open_files(&self, files: &[PathBuf], schema: Option<&Schema>) -> Result<DataFrame> {
        let urls = files.iter().map(|file| url(file)).collect::<Result<Vec<_>>>()?;
        let opened = match self.format {
            Format::Parquet => {
                let mut options = ParquetReadOptions {
                    schema,
                    ..Default::default()
                }
                .skip_metadata(false);
                options.file_extension = "";
                self.context.read_parquet(urls, options).await
            }
            Format::Csv(delimiter) => {
                let mut options = CsvReadOptions::new()
                    .has_header(true)
                    .delimiter(delimiter)
                    .schema_infer_max_records(self.inference_rows)
                    .file_extension("");
                options.schema = schema;
                self.context.read_csv(urls, options).await
            }
        };
        opened.map_err(|error| input_error(files, &error))
    }
}

/// An error of the engine, with the file that it is about.
pub(crate) fn input_error(files: &[PathBuf], error: &DataFusionError) -> HatsError {
    let input = files.first().map(|file| file.display().to_string()).unwrap_or_default();
    HatsError::Input {
        input,
        fault: error.strip_backtrace(),
    }
}

fn context(memory_bytes: usize, spill: &Path) -> Result<SessionContext> {
    std::fs::create_dir_all(spill).map_err(|error| HatsError::io(spill, error))?;
    let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Directories(vec![spill.to_owned()]));
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(memory_bytes)))
        .with_disk_manager_builder(disk)
        .build_arc()?;
    let config = SessionConfig::new()
        .with_batch_size(BATCH_ROWS)
        .with_sort_spill_reservation_bytes(memory_bytes / 16)
        // One sort that may have all the memory: of several, each keeps its share while the merge over them starves.
        .with_repartition_sorts(false)
        // Views of strings are the engine's, not for files: not every reader knows them.
        .set_bool("datafusion.execution.parquet.schema_force_view_types", false);
    Ok(SessionContext::new_with_config_rt(config, runtime))
}

fn format(files: &[PathBuf]) -> Result<Format> {
    let mut formats = files.iter().map(|file| {
        let name = file.to_string_lossy().to_ascii_lowercase();
        match name.rsplit('.').next() {
            Some("parquet" | "parq" | "pq") => Ok(Format::Parquet),
            Some("csv") => Ok(Format::Csv(b',')),
            Some("tsv") => Ok(Format::Csv(b'\t')),
            _ => Err(HatsError::Input {
                input: file.display().to_string(),
                fault: "its name must end in .parquet, .csv or .tsv".to_owned(),
            }),
        }
    });
    let first = formats.next().unwrap_or(Ok(Format::Parquet))?;
    for (format, file) in formats.zip(files.iter().skip(1)) {
        if format? != first {
            let fault = "the files of one import must be of one kind".to_owned();
            return Err(HatsError::Input {
                input: file.display().to_string(),
                fault,
            });
        }
    }
    Ok(first)
}

fn url(file: &Path) -> Result<String> {
    let full = file.canonicalize().map_err(|error| HatsError::io(file, error))?;
    match url::Url::from_file_path(&full) {
        Ok(url) => Ok(url.into()),
        Err(()) => Err(HatsError::io(full, std::io::Error::other("cannot be written as a URL"))),
    }
}

/// The columns of two inputs. Parquet columns may come in any order and be absent, as NULL; those of CSV are told by
/// position, so they must agree.
fn merge(before: &Schema, next: &Schema, file: &Path, format: Format) -> Result<Schema> {
    let fault = |fault: String| HatsError::Input {
        input: file.display().to_string(),
        fault,
    };
    if format != Format::Parquet {
        let names = |schema: &Schema| schema.fields().iter().map(|f| f.name().clone()).collect::<Vec<_>>();
        if names(before) != names(next) {
            return Err(fault("its header differs from that of the first file".to_owned()));
        }
    }
    let mut fields: Vec<Field> = Vec::new();
    for field in before.fields() {
        let Ok(other) = next.field_with_name(field.name()) else {
            fields.push(field.as_ref().clone().with_nullable(true));
            continue;
        };
        let kind = common_type(field.data_type(), other.data_type()).ok_or_else(|| {
            let (name, a, b) = (field.name(), other.data_type(), field.data_type());
            fault(format!("its column {name} is {a}, but {b} in the files before"))
        })?;
        let nullable = field.is_nullable() || other.is_nullable();
        fields.push(field.as_ref().clone().with_data_type(kind).with_nullable(nullable));
    }
    let new = next
        .fields()
        .iter()
        .filter(|field| before.field_with_name(field.name()).is_err());
    fields.extend(new.map(|field| field.as_ref().clone().with_nullable(true)));
    Ok(Schema::new(fields))
}

fn common_type(a: &DataType, b: &DataType) -> Option<DataType> {
    match (a, b) {
        (a, b) if a == b => Some(a.clone()),
        (DataType::Null, other) | (other, DataType::Null) => Some(other.clone()),
        (a, b) if a.is_numeric() && b.is_numeric() && (a.is_floating() || b.is_floating()) => Some(DataType::Float64),
        (a, b) if a.is_integer() && b.is_integer() => Some(DataType::Int64),
        _ => None,
    }
}

/// The type in which a column is stored.
fn stored_type(kind: &DataType) -> DataType {
    match kind {
        DataType::Utf8View | DataType::Null => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        other => other.clone(),
    }
}

fn check_position_column(schema: &Schema, name: &str, files: &[PathBuf]) -> Result<()> {
    let input = files.first().map(|file| file.display().to_string()).unwrap_or_default();
    let names = || {
        schema
            .fields()
            .iter()
            .map(|f| f.name().as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let fault = match schema.field_with_name(name) {
        Ok(field) if field.data_type().is_numeric() => return Ok(()),
        Ok(field) => format!(
            "its column {name} must hold degrees as numbers, not {}",
            field.data_type()
        ),
        Err(_) => format!("it has no column {name}; it has {}", names()),
    };
    Err(HatsError::Input { input, fault })
}

fn column(name: &str) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}

/// (longitude, latitude) in degrees → HEALPix index of order 29; NULL where there is none.
fn index_function() -> ScalarUDF {
    let kernel = |args: &[ColumnarValue]| {
        let arrays = ColumnarValue::values_to_arrays(args)?;
        let [lon, lat] = arrays.as_slice() else {
            return Err(DataFusionError::Internal(
                "the index takes a longitude and a latitude".to_owned(),
            ));
        };
        let (lon, lat) = (lon.as_primitive::<Float64Type>(), lat.as_primitive::<Float64Type>());
        let pairs = lon.iter().zip(lat.iter());
        let index: Int64Array = pairs.map(|(lon, lat)| index29(lon?, lat?).map(signed)).collect();
        Ok(ColumnarValue::Array(Arc::new(index)))
    };
    let degrees = vec![DataType::Float64, DataType::Float64];
    create_udf(
        "hats_index",
        degrees,
        DataType::Int64,
        Volatility::Immutable,
        Arc::new(kernel),
    )
}
