//! What a leaf of an execution plan can say about how it is cut on the sky.

use std::fmt::Debug;
use std::sync::Arc;

use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionConfig;
use dreyer_sphere::{Cell, CellRanges};

use crate::{Density, Run, SkyOptions};

/// One tile of a table: a HEALPix cell and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TileStats {
    /// The cell, disjoint from those of the other tiles.
    pub cell: Cell,
    /// Rows in the tile, where known.
    pub rows: Option<u64>,
    /// Stored bytes of the tile.
    pub bytes: u64,
}

/// How a table is cut: tiles in order along the HEALPix curve, and the columns that place a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Tiling {
    /// The tiles that the scan reads, in order along the curve.
    pub tiles: Arc<[TileStats]>,
    /// Name of the longitude column (degrees) that the tiling was made from.
    pub lon_column: String,
    /// Name of the latitude column (degrees) that the tiling was made from.
    pub lat_column: String,
    /// Name of the HEALPix index column of order 29, if the files hold one.
    pub index_column: Option<String>,
    /// Whether every tile's rows are stored in the order of the index.
    pub sorted: bool,
    /// Whether the index column holds, in every row, exactly the cell of order 29 that the longitude and latitude columns
    /// of that row, both `Float64`, lie in. Else it may be another program's, or of positions before they were rounded.
    pub index_exact: bool,
}

/// A kind of table that is cut on the sky. Each method answers `None` for a plan that is not its own.
pub trait TilingSource: Debug + Send + Sync {
    /// How the scan `plan` is cut.
    fn tiling(&self, plan: &Arc<dyn ExecutionPlan>) -> Option<Tiling>;

    /// Where the rows lie that the scan `plan` reads, as far as that is known without asking a store.
    fn runs(&self, plan: &Arc<dyn ExecutionPlan>) -> Option<Vec<Run>>;

    /// The same scan with the HEALPix index of order 29 (non-null `Int64`) readable, and its position in the
    /// new schema. The columns that `plan` already had keep their positions.
    fn with_index(&self, plan: &Arc<dyn ExecutionPlan>) -> Result<Option<(Arc<dyn ExecutionPlan>, usize)>>;

    /// The same scan with the table's column `name` readable, and its position in the new schema. The columns that
    /// `plan` already had keep their positions. `None` too if the table has no such column.
    fn with_column(&self, plan: &Arc<dyn ExecutionPlan>, name: &str)
    -> Result<Option<(Arc<dyn ExecutionPlan>, usize)>>;

    /// The same scan in one partition and in tile order, reading no more than it must for rows whose index lies in
    /// `ranges`. Rows outside may still come, in whole row groups or pages; the caller filters.
    fn restrict(&self, plan: &Arc<dyn ExecutionPlan>, ranges: &CellRanges) -> Result<Option<Arc<dyn ExecutionPlan>>>;

    /// The rows of that restricted scan, without a plan for it.
    fn read(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
        ranges: &CellRanges,
        context: &Arc<TaskContext>,
    ) -> Result<Option<SendableRecordBatchStream>>;
}

/// The tiling sources of a session, kept as an extension of its [`SessionConfig`].
#[derive(Debug, Default, Clone)]
pub struct TilingSources(pub Vec<Arc<dyn TilingSource>>);

impl TilingSources {
    /// The sources that a session was built with.
    pub fn of(config: &SessionConfig) -> Arc<Self> {
        config.get_extension::<Self>().unwrap_or_default()
    }

    /// The first source that knows `plan`, with its answer.
    pub fn tiling(&self, plan: &Arc<dyn ExecutionPlan>) -> Option<(Arc<dyn TilingSource>, Tiling)> {
        self.0
            .iter()
            .find_map(|source| Some((Arc::clone(source), source.tiling(plan)?)))
    }

    /// How many rows lie where in the scan `plan`, if a source knows it.
    pub fn density(&self, plan: &Arc<dyn ExecutionPlan>) -> Option<Density> {
        self.0.iter().find_map(|source| Some(Density::new(&source.runs(plan)?)))
    }
}

/// How many bytes each query of a session may hold, where that is less than what all together may; kept as
/// [`TilingSources`] are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryMemory(pub usize);

/// The astronomical options of a session, or their defaults where none were registered.
pub fn sky_options(config: &SessionConfig) -> SkyOptions {
    config
        .options()
        .extensions
        .get::<SkyOptions>()
        .cloned()
        .unwrap_or_default()
}
