//! A stand-in for the writer of catalogues: all rows in memory. Replaced by `import::write_catalog`.
#![allow(
    dead_code,
    missing_docs,
    missing_debug_implementations,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason
)]

use std::path::PathBuf;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use datafusion::arrow::compute::{cast, concat_batches, sort_to_indices, take_record_batch};
use datafusion::arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema, SchemaRef};
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::physical_plan::{ExecutionPlan, collect};
use dreyer_sphere::Cell;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use parquet::arrow::ArrowWriter;

use crate::catalog::SORTED_PROPERTY;
use crate::error::{HatsError, Result};
use crate::layout::{self, PartitionInfo};
use crate::properties::Properties;

#[derive(Clone)]
pub struct Input {
    pub plan: Arc<dyn ExecutionPlan>,
    pub task: Arc<TaskContext>,
    pub description: String,
}

#[derive(Clone, Debug)]
pub struct Place {
    pub store: Arc<dyn ObjectStore>,
    pub url: ObjectStoreUrl,
    pub path: Path,
    pub local: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug)]
pub enum TileLimit {
    Rows(u64),
    Bytes(u64),
}

#[derive(Clone, Debug)]
pub struct ImportOptions {
    pub name: Option<String>,
    pub lon_column: String,
    pub lat_column: String,
    pub tile: TileLimit,
    pub row_group_rows: u64,
    pub memory_bytes: usize,
    pub spill_dir: Option<PathBuf>,
    pub kind: String,
    pub leaf_folders: bool,
    pub zstd_level: i32,
    /// Rows that fall into one of these disjoint cells make up leaves of exactly that cell.
    pub existing_tiles: Arc<[Cell]>,
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self {
            name: None,
            lon_column: "ra".into(),
            lat_column: "dec".into(),
            tile: TileLimit::Rows(1_000_000),
            row_group_rows: 131_072,
            memory_bytes: 1 << 30,
            spill_dir: None,
            kind: "object".into(),
            leaf_folders: false,
            zstd_level: 3,
            existing_tiles: Arc::new([]),
        }
    }
}

pub struct LeafFile {
    pub cell: Cell,
    pub rows: u64,
    pub meta: ObjectMeta,
}

pub struct Written {
    pub rows: u64,
    pub schema: SchemaRef,
    pub leaves: Vec<LeafFile>,
}

async fn put(place: &Place, name: &str, bytes: Vec<u8>) -> Result<ObjectMeta> {
    let path = Path::from(format!("{}/{name}", place.path));
    place.store.put(&path, bytes.into()).await?;
    Ok(place.store.head(&path).await?)
}

fn parquet_bytes(schema: &SchemaRef, batch: Option<&RecordBatch>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, Arc::clone(schema), None)?;
    if let Some(batch) = batch {
        writer.write(batch)?;
    }
    writer.close()?;
    Ok(bytes)
}

pub async fn write_catalog(input: Input, place: &Place, options: &ImportOptions, _: &()) -> Result<Written> {
    let batches = collect(Arc::clone(&input.plan), Arc::clone(&input.task)).await?;
    let all = concat_batches(&input.plan.schema(), &batches).map_err(DataFusionError::from)?;
    let column = |name: &str| -> Result<ArrayRef> {
        let found = all.column_by_name(name).ok_or_else(|| HatsError::Input {
            input: input.description.clone(),
            fault: format!("no column {name}"),
        })?;
        Ok(cast(found, &DataType::Float64).map_err(DataFusionError::from)?)
    };
    let (lon, lat) = (column(&options.lon_column)?, column(&options.lat_column)?);
    let pairs = lon
        .as_primitive::<Float64Type>()
        .iter()
        .zip(lat.as_primitive::<Float64Type>().iter());
    let index = pairs
        .map(|(lon, lat)| dreyer_sphere::index29(lon?, lat?).map(|i| i as i64))
        .collect::<Option<Vec<i64>>>()
        .ok_or_else(|| HatsError::Input {
            input: input.description.clone(),
            fault: "rows without a position".into(),
        })?;
    let mut fields = vec![Arc::new(Field::new(layout::INDEX_COLUMN, DataType::Int64, true))];
    fields.extend(all.schema().fields().iter().cloned());
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let mut columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(index))];
    columns.extend(all.columns().iter().cloned());
    let all = RecordBatch::try_new(Arc::clone(&schema), columns).map_err(DataFusionError::from)?;
    let order = sort_to_indices(all.column(0), None, None).map_err(DataFusionError::from)?;
    let all = take_record_batch(&all, &order).map_err(DataFusionError::from)?;
    let indexes = all.column(0).as_primitive::<Int64Type>().values().to_vec();
    let mut leaves: Vec<LeafFile> = Vec::new();
    let mut at = 0;
    while at < indexes.len() {
        let here = indexes[at] as u64;
        let cell = options
            .existing_tiles
            .iter()
            .copied()
            .find(|cell| cell.range().contains(&here));
        let (cell, end) = match cell {
            Some(cell) => (cell, indexes.partition_point(|i| (*i as u64) < cell.range().end)),
            None => (0..=29)
                .filter_map(|order| Cell::new(order, here >> (2 * (29 - order))).ok())
                .map(|cell| (cell, indexes.partition_point(|i| (*i as u64) < cell.range().end)))
                .find(|(cell, end)| {
                    let max = match options.tile {
                        TileLimit::Rows(n) => n,
                        TileLimit::Bytes(n) => n / 100,
                    };
                    let touches = options
                        .existing_tiles
                        .iter()
                        .any(|e| e.range().start < cell.range().end && cell.range().start < e.range().end);
                    let before = leaves
                        .last()
                        .is_some_and(|leaf: &LeafFile| leaf.cell.range().end > cell.range().start);
                    !touches && !before && (*end - at) as u64 <= max
                })
                .ok_or_else(|| HatsError::malformed("stand-in", "no tile"))?,
        };
        let bytes = parquet_bytes(&schema, Some(&all.slice(at, end - at)))?;
        let name = format!("dataset/{}", layout::leaf_path(cell, ".parquet"));
        let meta = put(place, &name, bytes).await?;
        leaves.push(LeafFile {
            cell,
            rows: (end - at) as u64,
            meta,
        });
        at = end;
    }
    put(place, "dataset/_common_metadata", parquet_bytes(&schema, None)?).await?;
    let info: Vec<_> = leaves
        .iter()
        .map(|leaf| PartitionInfo {
            cell: leaf.cell,
            rows: Some(leaf.rows),
        })
        .collect();
    put(
        place,
        layout::PARTITION_INFO_FILE,
        layout::render_partition_info(&info).into_bytes(),
    )
    .await?;
    let mut properties = Properties::default();
    properties.set("obs_collection", options.name.clone().unwrap_or_default());
    properties.set("dataproduct_type", &options.kind);
    properties.set("hats_nrows", indexes.len());
    properties.set("hats_col_ra", &options.lon_column);
    properties.set("hats_col_dec", &options.lat_column);
    properties.set("hats_col_healpix", layout::INDEX_COLUMN);
    properties.set(SORTED_PROPERTY, layout::INDEX_COLUMN);
    put(place, "hats.properties", properties.render().into_bytes()).await?;
    Ok(Written {
        rows: indexes.len() as u64,
        schema,
        leaves,
    })
}
