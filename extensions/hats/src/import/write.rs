//! Leaves: sorted rows cut into one Parquet file per tile and one row group per planned part of it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::{Int64Type, SchemaRef};
use datafusion::error::DataFusionError;
use dreyer_sphere::Cell;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::{ParquetMetaData, SortingColumn};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

use super::tile::PlannedTile;
use crate::error::{HatsError, Result};
use crate::layout;
use crate::prune::signed;

/// A leaf that has been written.
pub(crate) struct Leaf {
    pub(crate) cell: Cell,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) footer: Arc<ParquetMetaData>,
}

/// How every Parquet file of a catalogue is written: ZSTD, and the index, which is sorted, as small differences.
pub(crate) fn properties() -> WriterPropertiesBuilder {
    let index = || ColumnPath::from(layout::INDEX_COLUMN);
    WriterProperties::builder()
        .set_created_by(concat!("dreyer version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3).unwrap_or_default()))
        .set_column_dictionary_enabled(index(), false)
        .set_column_encoding(index(), Encoding::DELTA_BINARY_PACKED)
        // Where row groups end is planned, not counted.
        .set_max_row_group_row_count(None)
        .set_sorting_columns(Some(vec![SortingColumn { column_idx: 0, descending: false, nulls_first: false }]))
}

/// Writes sorted rows to the planned leaves. One leaf is open at a time.
pub(crate) struct LeafWriter {
    dataset: PathBuf,
    schema: SchemaRef,
    /// Tiles still to be written, the next one last.
    plan: Vec<PlannedTile>,
    open: Option<OpenLeaf>,
    leaves: Vec<Leaf>,
}

struct OpenLeaf {
    tile: PlannedTile,
    path: PathBuf,
    writer: ArrowWriter<File>,
    rows: u64,
    row_groups: usize,
}

impl LeafWriter {
    pub(crate) fn new(folder: &Path, schema: SchemaRef, mut plan: Vec<PlannedTile>) -> Self {
        plan.reverse();
        Self {
            dataset: folder.join(layout::DATASET_DIR),
            schema,
            plan,
            open: None,
            leaves: Vec::new(),
        }
    }

    /// Takes the next rows, the index in the first column.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = batch.columns().to_vec();
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(DataFusionError::from)?;
        let indexes = batch.column(0).as_primitive::<Int64Type>().values();
        let mut at = 0;
        while let Some(index) = indexes.get(at) {
            let leaf = self.leaf_for(*index)?;
            let end = leaf.row_group_end();
            let rows = indexes[at..].partition_point(|index| *index < end);
            leaf.writer.write(&batch.slice(at, rows))?;
            leaf.rows += rows as u64;
            at += rows;
        }
        Ok(())
    }

    /// Closes the last leaf and tells what was written.
    pub(crate) fn finish(mut self) -> Result<Vec<Leaf>> {
        self.close()?;
        Ok(self.leaves)
    }

    /// The leaf and row group that `index` belongs to, open for writing.
    fn leaf_for(&mut self, index: i64) -> Result<&mut OpenLeaf> {
        let beyond = self
            .open
            .as_ref()
            .is_some_and(|leaf| index >= signed(leaf.tile.cell.range().end));
        if beyond {
            self.close()?;
        }
        let mut leaf = match self.open.take() {
            Some(leaf) => leaf,
            None => self.open_next(index)?,
        };
        if index >= leaf.row_group_end() {
            leaf.writer.flush()?;
            leaf.row_groups = leaf.tile.row_group_ends.partition_point(|end| signed(*end) <= index);
        }
        Ok(self.open.insert(leaf))
    }

    fn open_next(&mut self, index: i64) -> Result<OpenLeaf> {
        let holds =
            |tile: &PlannedTile| (signed(tile.cell.range().start)..signed(tile.cell.range().end)).contains(&index);
        let Some(tile) = self.plan.pop().filter(holds) else {
            let fault = format!("a row with index {index} was not there when rows were counted");
            return Err(HatsError::Input {
                input: "the inputs".to_owned(),
                fault,
            });
        };
        let path = self.dataset.join(layout::leaf_path(tile.cell, layout::DEFAULT_SUFFIX));
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| HatsError::io(folder, error))?;
        }
        let file = File::create_new(&path).map_err(|error| HatsError::io(&path, error))?;
        let writer = ArrowWriter::try_new(file, Arc::clone(&self.schema), Some(properties().build()))?;
        Ok(OpenLeaf {
            tile,
            path,
            writer,
            rows: 0,
            row_groups: 0,
        })
    }

    fn close(&mut self) -> Result<()> {
        let Some(mut leaf) = self.open.take() else {
            return Ok(());
        };
        let footer = leaf.writer.finish()?;
        let file = leaf.writer.inner();
        file.sync_all().map_err(|error| HatsError::io(&leaf.path, error))?;
        let bytes = file.metadata().map_err(|error| HatsError::io(&leaf.path, error))?.len();
        self.leaves.push(Leaf {
            cell: leaf.tile.cell,
            rows: leaf.rows,
            bytes,
            footer: Arc::new(footer),
        });
        Ok(())
    }
}

impl OpenLeaf {
    /// One past the last index of the current row group.
    fn row_group_end(&self) -> i64 {
        let end = self.tile.row_group_ends.get(self.row_groups).copied();
        signed(end.unwrap_or(self.tile.cell.range().end))
    }
}
