//! Margins: for each tile a file of the rows that lie outside it and near its border, for readers that join tile by
//! tile. Empty sky beside a tile has such files too.
//!
//! One pass reads the rims of all tiles, gives each row the number of every target that it borders on (see
//! [`super::border`]), and sorts the rows by it. Memory is the engine's to bound: the sort spills.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch, UInt32Array};
use datafusion::arrow::compute::{partition, take_record_batch};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, UInt32Type};
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use dreyer_sphere::{Cell, CellRanges};
use futures::TryStreamExt;

use super::border::{Borders, Memory};
use super::dataset::{self, DatasetWriter, WrittenFile};
use super::provenance;
use super::tiles::{self, Derive};
use crate::Place;
use crate::catalog::{HatsCatalog, INDEX_IS_OF_PROPERTY, SORTED_PROPERTY};
use crate::error::{HatsError, Result};
use crate::layout::{self, PartitionInfo};
use crate::properties::Properties;
use crate::schema;

/// Writes the margin of `catalog` into the empty folder `place`: a catalogue that holds, under the cell of each tile and
/// of each largest empty cell, all rows outside that cell within `threshold_arcsec` of it, and some beyond. Cells without
/// such rows have no file. Gives the number of rows; one that lies near several tiles counts several times.
///
/// Reads the rims of tiles only, as far as their row groups and pages allow. Sorting takes memory and disk of `task`.
///
/// # Errors
/// A catalogue without a HEALPix index of order 29, a threshold out of its range, or a fault of reading or writing.
pub async fn write_margin(
    catalog: &Arc<HatsCatalog>,
    task: &Arc<TaskContext>,
    place: &Place,
    threshold_arcsec: f64,
) -> Result<u64> {
    let index = catalog.index_column().ok_or_else(|| {
        HatsError::malformed(
            catalog.path(),
            "has no HEALPix index of order 29, from which a margin is told; import it anew",
        )
    })?;
    let borders = Borders::new(catalog.tiles().iter().map(|tile| tile.cell), threshold_arcsec)?;
    let schema = schema::stored(&task.runtime_env().object_store(catalog.store_url())?, catalog).await?;
    let rows = Arc::new(MarginRows::new(&schema, index, borders));
    let files = write_files(catalog, task, place, &rows, index).await?;
    let written: u64 = files.iter().map(|(_, file)| file.rows).sum();
    if written != rows.found.load(Ordering::Relaxed) {
        return Err(wrong_count(place));
    }
    let tiles: Vec<_> = files
        .iter()
        .map(|(cell, file)| PartitionInfo {
            cell: *cell,
            rows: Some(file.rows),
        })
        .collect();
    place
        .write(layout::PARTITION_INFO_FILE, layout::render_partition_info(&tiles))
        .await?;
    let mut properties = properties(catalog, place, &files);
    properties.set("hats_margin_threshold", threshold_arcsec);
    properties.set("hats_col_healpix", index);
    properties.set(SORTED_PROPERTY, index);
    if catalog.index_exact() {
        let promise = catalog.properties().get(INDEX_IS_OF_PROPERTY).unwrap_or_default();
        properties.set(INDEX_IS_OF_PROPERTY, promise);
    }
    provenance::put(place, &properties).await?;
    Ok(written)
}

/// One file for each target that rows border on, in the order of the targets.
async fn write_files(
    catalog: &Arc<HatsCatalog>,
    task: &Arc<TaskContext>,
    place: &Place,
    rows: &Arc<MarginRows>,
    index: &str,
) -> Result<Vec<(Cell, WrittenFile)>> {
    let derive = Arc::clone(rows) as Arc<dyn Derive>;
    let mut sorted = tiles::sorted(catalog, task, None, derive, &[&rows.target, index]).await?;
    let properties = dataset::properties(&rows.columns, Some(index))?.build();
    let mut dataset = DatasetWriter::new(place, &rows.columns, properties);
    let mut cells: Vec<Cell> = Vec::new();
    let mut last = None;
    while let Some(batch) = sorted.try_next().await? {
        let targets = batch.column(batch.num_columns() - 1);
        let runs = partition(&[ArrayRef::clone(targets)]).map_err(DataFusionError::from)?;
        for run in runs.ranges() {
            let target = targets.as_primitive::<UInt32Type>().value(run.start);
            if last != Some(target) {
                last = Some(target);
                let cell = rows.borders.target(target).ok_or_else(|| wrong_count(place))?;
                dataset.begin(layout::leaf_path(cell, layout::DEFAULT_SUFFIX)).await?;
                cells.push(cell);
            }
            dataset.write(&batch.slice(run.start, run.len())).await?;
        }
    }
    Ok(cells.into_iter().zip(dataset.finish().await?).collect())
}

/// The properties of the margin, but for what its making was told.
fn properties(catalog: &HatsCatalog, place: &Place, files: &[(Cell, WrittenFile)]) -> Properties {
    let rows = files.iter().map(|(_, file)| file.rows).sum();
    let bytes = files.iter().map(|(_, file)| file.bytes).sum();
    let primary = catalog.path().filename().unwrap_or_default();
    let mut properties = provenance::of_supplement(place, "margin", primary, rows, bytes);
    for key in ["hats_col_ra", "hats_col_dec", "hats_cols_default"] {
        if let Some(value) = catalog.properties().get(key) {
            properties.set(key, value);
        }
    }
    properties.set("hats_col_healpix_order", 29);
    properties.set("hats_npix_suffix", layout::DEFAULT_SUFFIX);
    let tiles = catalog.tiles().iter().map(|tile| tile.cell.order());
    let deepest = tiles.chain(files.iter().map(|(cell, _)| cell.order())).max();
    properties.set("hats_order", deepest.unwrap_or(0));
    properties.set(
        "moc_sky_fraction",
        provenance::sky_fraction(files.iter().map(|(cell, _)| *cell)),
    );
    properties
}

fn wrong_count(place: &Place) -> HatsError {
    HatsError::malformed(
        &place.path,
        "would not hold the rows that were found for it; nothing was published",
    )
}

/// Rows of the rims, each once for every target it borders on, and a last column with the number of the target.
#[derive(Debug)]
struct MarginRows {
    columns: SchemaRef,
    /// The columns and the number of the target.
    schema: SchemaRef,
    index: String,
    target: String,
    borders: Borders,
    found: AtomicU64,
}

impl MarginRows {
    fn new(columns: &SchemaRef, index: &str, borders: Borders) -> Self {
        let mut target = "target".to_owned();
        while columns.field_with_name(&target).is_ok() {
            target.push('_');
        }
        let number = Arc::new(Field::new(&target, DataType::UInt32, false));
        let fields: Vec<_> = columns.fields().iter().cloned().chain([number]).collect();
        Self {
            columns: Arc::clone(columns),
            schema: Arc::new(Schema::new(fields)),
            index: index.to_owned(),
            target,
            borders,
            found: AtomicU64::new(0),
        }
    }
}

impl Derive for MarginRows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn wanted(&self, tile: Cell) -> CellRanges {
        self.borders.rim(tile)
    }

    fn derive(&self, _: Cell, rows: &RecordBatch) -> Result<Vec<RecordBatch>, DataFusionError> {
        let index = rows
            .column_by_name(&self.index)
            .and_then(|column| column.as_primitive_opt::<Int64Type>());
        let index =
            index.ok_or_else(|| DataFusionError::Internal(format!("a scan without its column {}", self.index)))?;
        let (mut taken, mut targets) = (Vec::new(), Vec::new());
        let mut memory = Memory::default();
        for (row, index) in (0_u32..).zip(index.iter()) {
            // A row without a place on the sky is near no border.
            if let Some(index) = index.and_then(|index| u64::try_from(index).ok()) {
                self.borders.each_target(index, &mut memory, |target| {
                    taken.push(row);
                    targets.push(target);
                });
            }
        }
        self.found.fetch_add(taken.len() as u64, Ordering::Relaxed);
        let most = rows.num_rows().max(1);
        let parts = taken.chunks(most).zip(targets.chunks(most)).map(|(taken, targets)| {
            let rows = dataset::conform(
                &take_record_batch(rows, &UInt32Array::from(taken.to_vec()))?,
                &self.columns,
            )?;
            let mut columns = rows.columns().to_vec();
            columns.push(Arc::new(UInt32Array::from(targets.to_vec())));
            Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
        });
        parts.collect()
    }
}
