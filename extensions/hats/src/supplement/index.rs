//! Index catalogues: the tile of every value of a column, so that a row is found by its id without reading the sky.
//!
//! The rows are key, `Norder`, `Npix` and `_healpix_29`, sorted by key, in files of a bounded number of rows. Small
//! pages and the footers gathered in `_metadata` let a reader fetch the few of them that it needs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::arrow::array::{ArrayRef, RecordBatch, UInt8Array, UInt64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use dreyer_sphere::{Cell, CellRanges};
use futures::TryStreamExt;

use super::dataset::{self, DatasetWriter};
use super::provenance;
use super::tiles::{self, Derive};
use crate::Place;
use crate::catalog::HatsCatalog;
use crate::error::{HatsError, Result};
use crate::layout;
use crate::schema;

/// Rows of a file.
const PART_ROWS: u64 = 1 << 25;
/// Bytes of a page, before compression: what a lookup must read at least.
const PAGE_BYTES: usize = 16 * 1024;

/// Rows of a row group of a part. The columns of one are read in one request, gaps included, so a large one costs bytes:
/// with four times as many rows a look-up in ten million rows read 2.3 MB.
const ROW_GROUP_ROWS: usize = 32_768;

/// Writes the index of a column of `catalog` into the empty folder `place`. Gives the number of rows: as many as the
/// catalogue has, those without a value last, so that a reader can tell an index that misses rows.
///
/// Reads the column and the HEALPix index once. Sorting takes memory and disk of `task`.
///
/// # Errors
/// A column that does not exist or cannot be sorted, or a fault of reading or writing.
pub async fn write_index(
    catalog: &Arc<HatsCatalog>,
    task: &Arc<TaskContext>,
    place: &Place,
    column: &str,
) -> Result<u64> {
    let wrong = |fault: String| HatsError::Option {
        option: "index_columns",
        fault,
    };
    let (at, field) = catalog
        .schema()
        .column_with_name(column)
        .ok_or_else(|| wrong(format!("names {column}, which is no column of {}", catalog.name())))?;
    if field.data_type().is_nested() || Some(column) == catalog.index_column() || reserved(column) {
        return Err(wrong(format!(
            "names {column}, of type {}, which cannot be indexed",
            field.data_type()
        )));
    }
    let cell = catalog
        .index_column()
        .and_then(|index| catalog.schema().column_with_name(index));
    let stored = schema::stored(&task.runtime_env().object_store(catalog.store_url())?, catalog).await?;
    let key = stored.field_with_name(column).map_err(DataFusionError::from)?;
    let rows = Arc::new(IndexRows::new(key, cell.is_some()));
    let projection = [at].into_iter().chain(cell.map(|(at, _)| at)).collect();
    let keys: Vec<&str> = rows.schema.fields().iter().map(|field| field.name().as_str()).collect();
    let derive = Arc::clone(&rows) as Arc<dyn Derive>;
    let mut sorted = tiles::sorted(catalog, task, Some(projection), derive, &keys).await?;
    let properties = dataset::properties(&rows.schema, Some(column))?
        .set_data_page_size_limit(PAGE_BYTES)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_write_batch_size(1024)
        .build();
    let mut dataset = DatasetWriter::new(place, &rows.schema, properties);
    dataset.begin("index/part.0.parquet".to_owned()).await?;
    let mut part = 0;
    while let Some(batch) = sorted.try_next().await? {
        if dataset.open_rows() >= PART_ROWS {
            part += 1;
            dataset.begin(format!("index/part.{part}.parquet")).await?;
        }
        dataset.write(&batch).await?;
    }
    let files = dataset.finish().await?;
    let written: u64 = files.iter().map(|file| file.rows).sum();
    let read = rows.read.load(Ordering::Relaxed);
    if written != read || catalog.rows().is_some_and(|rows| rows != read) {
        let stated = catalog.rows().unwrap_or(read);
        let fault = format!("holds {written} rows of {read}, of {stated} in the catalogue; did it change meanwhile?");
        return Err(HatsError::malformed(&place.path, fault));
    }
    let bytes = files.iter().map(|file| file.bytes).sum();
    let primary = catalog.path().filename().unwrap_or_default();
    let mut properties = provenance::of_supplement(place, "index", primary, written, bytes);
    properties.set("hats_index_column", column);
    provenance::put(place, &properties).await?;
    Ok(written)
}

fn reserved(column: &str) -> bool {
    column == layout::INDEX_COLUMN || layout::HIVE_COLUMNS.contains(&column)
}

/// The rows of an index, unsorted.
#[derive(Debug)]
struct IndexRows {
    schema: SchemaRef,
    read: AtomicU64,
}

impl IndexRows {
    fn new(key: &Field, has_cell: bool) -> Self {
        let mut fields = vec![
            key.clone(),
            Field::new("Norder", DataType::UInt8, false),
            Field::new("Npix", DataType::UInt64, false),
        ];
        if has_cell {
            fields.push(Field::new(layout::INDEX_COLUMN, DataType::Int64, true));
        }
        Self {
            schema: Arc::new(Schema::new(fields)),
            read: AtomicU64::new(0),
        }
    }
}

impl Derive for IndexRows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn wanted(&self, tile: Cell) -> CellRanges {
        CellRanges::of_cell(tile)
    }

    fn derive(&self, tile: Cell, rows: &RecordBatch) -> Result<Vec<RecordBatch>, DataFusionError> {
        self.read.fetch_add(rows.num_rows() as u64, Ordering::Relaxed);
        let mut columns: Vec<ArrayRef> = vec![
            cast(rows.column(0), self.schema.field(0).data_type())?,
            Arc::new(UInt8Array::from(vec![tile.order(); rows.num_rows()])),
            Arc::new(UInt64Array::from(vec![tile.index(); rows.num_rows()])),
        ];
        columns.extend(rows.columns().get(1).cloned());
        Ok(vec![RecordBatch::try_new(Arc::clone(&self.schema), columns)?])
    }
}
