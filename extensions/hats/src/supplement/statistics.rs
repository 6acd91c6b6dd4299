//! `per_partition_statistics.parquet`: least and greatest values, NULLs and sizes of every column of every row group, as
//! the footers of the leaves have them.
//!
//! A row is a row group. Its columns are `Norder`, `Npix` and `row_group_index`, then six for each stored column, called
//! `NAME::min_value`, `max_value`, `null_count`, `row_count`, `disk_bytes` and `memory_bytes`. A nested column is stored
//! as several, called `OUTER.INNER`.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, UInt64Array,
};
use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::arrow::error::ArrowError;
use datafusion::execution::TaskContext;
use dreyer_sphere::Cell;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::ObjectMeta;
use parquet::basic::{ConvertedType, LogicalType, Type};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnDescriptor;

use super::dataset::{self, ParquetFile};
use crate::Place;
use crate::catalog::HatsCatalog;
use crate::error::{HatsError, Result};
use crate::schema;

const FILE: &str = "per_partition_statistics.parquet";
/// Footers read together.
const CONCURRENT: usize = 16;
/// Row groups that are turned into rows together.
const BATCH_ROWS: usize = 1024;

/// Writes the statistics of `catalog` into its folder `place`. Gives the number of rows, which are row groups. Reads the
/// footer of each leaf, from the cache if it is there. A catalogue without leaves has none.
///
/// # Errors
/// Leaves that disagree about their columns, or a fault of reading or writing.
pub async fn write_statistics(catalog: &HatsCatalog, task: &TaskContext, place: &Place) -> Result<u64> {
    let store = task.runtime_env().object_store(catalog.store_url())?;
    let leaves: Vec<(Cell, ObjectMeta)> = catalog
        .tiles()
        .iter()
        .flat_map(|tile| tile.files.iter().map(|file| (tile.cell, file.clone())))
        .collect();
    let footers = stream::iter(leaves).map(|(cell, leaf)| {
        let store = Arc::clone(&store);
        async move { Ok::<_, HatsError>((cell, schema::footer(&store, &leaf).await?, leaf)) }
    });
    let mut footers = footers.buffered(CONCURRENT);
    let mut table: Option<Table> = None;
    let mut file: Option<ParquetFile> = None;
    while let Some((cell, footer, leaf)) = footers.try_next().await? {
        let table = table.get_or_insert_with(|| Table::new(&footer));
        table.add(cell, &footer, &leaf)?;
        if table.norder.len() >= BATCH_ROWS {
            append(&mut file, table, place).await?;
        }
    }
    if let Some(table) = table.as_mut().filter(|table| !table.norder.is_empty()) {
        append(&mut file, table, place).await?;
    }
    match file {
        Some(file) => Ok(file.finish(place).await?.rows),
        None => Ok(0),
    }
}

async fn append(file: &mut Option<ParquetFile>, table: &mut Table, place: &Place) -> Result<()> {
    let batch = table.take().map_err(datafusion::error::DataFusionError::from)?;
    let file = match file {
        Some(file) => file,
        None => {
            let properties = dataset::properties(&batch.schema(), None)?.build();
            file.insert(ParquetFile::create(
                place,
                FILE.to_owned(),
                &batch.schema(),
                &properties,
            )?)
        }
    };
    file.write(&batch).await
}

/// Rows of statistics in the making.
struct Table {
    norder: Vec<i64>,
    npix: Vec<i64>,
    row_group: Vec<i64>,
    columns: Vec<Column>,
}

struct Column {
    name: String,
    min: Values,
    max: Values,
    nulls: Vec<i64>,
    rows: Vec<i64>,
    disk: Vec<i64>,
    memory: Vec<i64>,
}

impl Table {
    fn new(footer: &ParquetMetaData) -> Self {
        let column = |column: &Arc<ColumnDescriptor>| Column {
            name: name(column),
            min: Values::of(column),
            max: Values::of(column),
            nulls: Vec::new(),
            rows: Vec::new(),
            disk: Vec::new(),
            memory: Vec::new(),
        };
        let columns = footer
            .file_metadata()
            .schema_descr()
            .columns()
            .iter()
            .map(column)
            .collect();
        Self {
            norder: Vec::new(),
            npix: Vec::new(),
            row_group: Vec::new(),
            columns,
        }
    }

    fn add(&mut self, cell: Cell, footer: &ParquetMetaData, leaf: &ObjectMeta) -> Result<()> {
        let columns = footer.file_metadata().schema_descr().columns();
        if !columns
            .iter()
            .map(|column| name(column))
            .eq(self.columns.iter().map(|column| column.name.clone()))
        {
            return Err(HatsError::malformed(
                &leaf.location,
                "has other columns than the leaves before it",
            ));
        }
        for (number, group) in (0..).zip(footer.row_groups()) {
            self.norder.push(cell.order().into());
            self.npix.push(signed(cell.index()));
            self.row_group.push(number);
            for (column, chunk) in self.columns.iter_mut().zip(group.columns()) {
                column.add(chunk);
            }
        }
        Ok(())
    }

    fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        let mut columns: Vec<(String, ArrayRef)> = vec![
            ("Norder".to_owned(), integers(&mut self.norder)),
            ("Npix".to_owned(), integers(&mut self.npix)),
            ("row_group_index".to_owned(), integers(&mut self.row_group)),
        ];
        for column in &mut self.columns {
            let six = [
                ("min_value", column.min.take()),
                ("max_value", column.max.take()),
                ("null_count", integers(&mut column.nulls)),
                ("row_count", integers(&mut column.rows)),
                ("disk_bytes", integers(&mut column.disk)),
                ("memory_bytes", integers(&mut column.memory)),
            ];
            columns.extend(six.map(|(statistic, values)| (format!("{}::{statistic}", column.name), values)));
        }
        let fields: Vec<_> = columns
            .iter()
            .map(|(name, values)| Field::new(name, values.data_type().clone(), true))
            .collect();
        RecordBatch::try_new(
            Arc::new(Schema::new(fields)),
            columns.into_iter().map(|(_, values)| values).collect(),
        )
    }
}

impl Column {
    fn add(&mut self, chunk: &ColumnChunkMetaData) {
        let statistics = chunk.statistics();
        self.min.push(statistics, End::Least);
        self.max.push(statistics, End::Greatest);
        self.nulls
            .push(signed(statistics.and_then(Statistics::null_count_opt).unwrap_or(0)));
        self.rows.push(chunk.num_values());
        self.disk.push(chunk.compressed_size());
        self.memory.push(chunk.uncompressed_size());
    }
}

/// Which end of a column's values.
#[derive(Clone, Copy)]
enum End {
    Least,
    Greatest,
}

/// Least or greatest values of a column, row group by row group.
enum Values {
    Flags(Vec<Option<bool>>),
    Integers(Vec<Option<i64>>),
    Unsigned(Vec<Option<u64>>),
    Floats(Vec<Option<f64>>),
    Texts(Vec<Option<String>>),
    Bytes(Vec<Option<Vec<u8>>>),
}

impl Values {
    fn of(column: &ColumnDescriptor) -> Self {
        let unsigned = matches!(
            column.converted_type(),
            ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64
        );
        let text = matches!(column.converted_type(), ConvertedType::UTF8)
            || matches!(column.logical_type_ref(), Some(LogicalType::String));
        match column.physical_type() {
            Type::BOOLEAN => Self::Flags(Vec::new()),
            Type::INT32 | Type::INT64 if unsigned => Self::Unsigned(Vec::new()),
            Type::INT32 | Type::INT64 => Self::Integers(Vec::new()),
            Type::FLOAT | Type::DOUBLE => Self::Floats(Vec::new()),
            Type::BYTE_ARRAY if text => Self::Texts(Vec::new()),
            Type::BYTE_ARRAY | Type::INT96 | Type::FIXED_LEN_BYTE_ARRAY => Self::Bytes(Vec::new()),
        }
    }

    fn push(&mut self, from: Option<&Statistics>, end: End) {
        macro_rules! pick {
            ($typed:expr) => {
                match end {
                    End::Least => $typed.min_opt(),
                    End::Greatest => $typed.max_opt(),
                }
            };
        }
        let bytes = from.and_then(|from| match end {
            End::Least => from.min_bytes_opt(),
            End::Greatest => from.max_bytes_opt(),
        });
        match self {
            Self::Flags(values) => values.push(match from {
                Some(Statistics::Boolean(typed)) => pick!(typed).copied(),
                _ => None,
            }),
            Self::Integers(values) => values.push(match from {
                Some(Statistics::Int32(typed)) => pick!(typed).map(|value| i64::from(*value)),
                Some(Statistics::Int64(typed)) => pick!(typed).copied(),
                _ => None,
            }),
            Self::Unsigned(values) => values.push(match from {
                Some(Statistics::Int32(typed)) => pick!(typed).map(|value| u64::from(value.cast_unsigned())),
                Some(Statistics::Int64(typed)) => pick!(typed).map(|value| value.cast_unsigned()),
                _ => None,
            }),
            Self::Floats(values) => values.push(match from {
                Some(Statistics::Float(typed)) => pick!(typed).map(|value| f64::from(*value)),
                Some(Statistics::Double(typed)) => pick!(typed).copied(),
                _ => None,
            }),
            Self::Texts(values) => {
                values.push(bytes.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok()));
            }
            Self::Bytes(values) => values.push(bytes.map(<[u8]>::to_vec)),
        }
    }

    fn take(&mut self) -> ArrayRef {
        match self {
            Self::Flags(values) => Arc::new(BooleanArray::from(std::mem::take(values))),
            Self::Integers(values) => Arc::new(Int64Array::from(std::mem::take(values))),
            Self::Unsigned(values) => Arc::new(UInt64Array::from(std::mem::take(values))),
            Self::Floats(values) => Arc::new(Float64Array::from(std::mem::take(values))),
            Self::Texts(values) => Arc::new(StringArray::from(std::mem::take(values))),
            Self::Bytes(values) => Arc::new(BinaryArray::from_iter(std::mem::take(values))),
        }
    }
}

/// The path of a stored column, without the level that every list adds.
fn name(column: &ColumnDescriptor) -> String {
    let path = column.path().string();
    ["list.element", "list.item"]
        .iter()
        .find_map(|level| path.strip_suffix(level)?.strip_suffix('.'))
        .map_or(path.clone(), str::to_owned)
}

fn integers(values: &mut Vec<i64>) -> ArrayRef {
    Arc::new(Int64Array::from(std::mem::take(values)))
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
