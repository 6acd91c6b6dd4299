//! What is imported, and how it is cut: the input, the options and their limits.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use dreyer_sphere::Cell;
use parquet::basic::ZstdLevel;

use crate::error::{HatsError, Result};
use crate::place::Place;

/// Rows to import: a plan, and what runs it. The plan runs under its own task, sorting under a pool of its own.
#[derive(Clone)]
pub struct Input {
    /// The rows, in any order and any number of partitions; each is read once.
    pub plan: Arc<dyn ExecutionPlan>,
    /// What the plan runs under.
    pub task: Arc<TaskContext>,
    /// What errors call the input: a file, or "3 files", or "the query".
    pub description: String,
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Input").field(&self.description).finish()
    }
}

/// When a tile is split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TileLimit {
    /// Most rows of a tile.
    Rows(u64),
    /// Most bytes of a tile, as its rows take in memory.
    Bytes(u64),
}

/// What becomes of rows without a usable position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadRows {
    /// They fail the import, once all have been counted.
    Refuse,
    /// They go to this file, with all columns: CSV if its name ends in `.csv`, else Parquet. An old file is replaced.
    Aside(PathBuf),
}

/// How an import is done.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// Name of the catalogue; that of its folder where absent.
    pub name: Option<String>,
    /// Column of right ascension, ICRS degrees.
    pub lon_column: String,
    /// Column of declination, ICRS degrees.
    pub lat_column: String,
    /// When a tile is split.
    pub tile: TileLimit,
    /// Most rows of a row group; a tile with more gets several, each of whole HEALPix cells.
    pub row_group_rows: u64,
    /// Most encoded bytes of a row group, whatever its rows; less where memory is short, since it is held until it is whole.
    pub row_group_bytes: u64,
    /// Memory that the import may take, in bytes; what does not fit is sorted on disk. At least 32 MiB. What the plan of
    /// its input takes, and the program around it, come on top.
    pub memory_bytes: usize,
    /// Where sorting puts what memory cannot hold; the place itself where that is a local folder, else the system's
    /// temporary folder.
    pub spill_dir: Option<PathBuf>,
    /// What becomes of rows without a usable position.
    pub bad_rows: BadRows,
    /// `object` or `source`.
    pub kind: String,
    /// Whether each tile is a folder of files (`hats_npix_suffix=/`) in place of one file.
    pub leaf_folders: bool,
    /// Compression level of ZSTD, from 1 to 22.
    pub zstd_level: i32,
    /// Width of the margin catalogue to write beside it, in arcseconds.
    pub margin_arcsec: Option<f64>,
    /// Tiles that are to be kept: rows in one of these disjoint cells make up a leaf of exactly that cell, whatever its
    /// size, and other tiles overlap none of them.
    pub existing_tiles: Arc<[Cell]>,
    /// Columns to write index catalogues of.
    pub index_columns: Vec<String>,
    /// Whether an import that is under way at the target, on an object store, is taken for dead: its user knows.
    pub restart: bool,
    /// Metadata of columns by name (`unit`, `ucd`, `description`, …), added to what the input says of them.
    pub columns: BTreeMap<String, HashMap<String, String>>,
}

/// Least memory of an import: below it a sort cannot hold its own batches.
const LEAST_MEMORY: usize = 32 << 20;

impl ImportOptions {
    /// The options for a catalogue `name` with columns `ra` and `dec`, a million rows a tile and 1 GiB of memory.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: Some(name.into()),
            ..Self::default()
        }
    }

    /// The name of the catalogue at `place`.
    pub(crate) fn name(&self, place: &Place) -> String {
        let folder = place.path.filename().map(str::to_owned);
        self.name.clone().or(folder).unwrap_or_else(|| "catalog".to_owned())
    }

    /// # Errors
    /// An option out of its range.
    pub(crate) fn check(&self) -> Result<()> {
        let (TileLimit::Rows(tile) | TileLimit::Bytes(tile)) = self.tile;
        let positive = [
            ("tile", tile),
            ("row_group_rows", self.row_group_rows),
            ("row_group_bytes", self.row_group_bytes),
        ];
        for (option, value) in positive {
            if value == 0 {
                return Err(fault(option, "must be at least 1, got 0"));
            }
        }
        if self.name.as_ref().is_some_and(String::is_empty) {
            return Err(fault("name", "must not be empty"));
        }
        if !["object", "source"].contains(&self.kind.as_str()) {
            return Err(fault("kind", format!("must be object or source, got {:?}", self.kind)));
        }
        if self.memory_bytes < LEAST_MEMORY {
            let told = format!("must be at least {LEAST_MEMORY} bytes, got {}", self.memory_bytes);
            return Err(fault("memory_bytes", told));
        }
        if self
            .margin_arcsec
            .is_some_and(|width| !(width > 0.0 && width <= 3600.0))
        {
            return Err(fault("margin_arcsec", "must lie above 0 and at most at 3600 arcsec"));
        }
        self.zstd().map(|_| ())
    }

    /// Most encoded bytes of a row group that memory allows.
    pub(crate) fn held_row_group_bytes(&self) -> u64 {
        self.row_group_bytes.min(self.memory_bytes as u64 / 8)
    }

    pub(crate) fn zstd(&self) -> Result<ZstdLevel> {
        ZstdLevel::try_new(self.zstd_level).map_err(|_| {
            fault(
                "zstd_level",
                format!("must lie between 1 and 22, got {}", self.zstd_level),
            )
        })
    }
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self {
            name: None,
            lon_column: "ra".to_owned(),
            lat_column: "dec".to_owned(),
            tile: TileLimit::Rows(1_000_000),
            row_group_rows: 131_072,
            row_group_bytes: 64 << 20,
            memory_bytes: 1 << 30,
            spill_dir: None,
            bad_rows: BadRows::Refuse,
            kind: "object".to_owned(),
            leaf_folders: false,
            zstd_level: 3,
            margin_arcsec: None,
            index_columns: Vec::new(),
            existing_tiles: Arc::new([]),
            restart: false,
            columns: BTreeMap::new(),
        }
    }
}

pub(crate) fn fault(option: &'static str, fault: impl Into<String>) -> HatsError {
    HatsError::Option {
        option,
        fault: fault.into(),
    }
}
