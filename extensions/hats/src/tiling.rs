//! How a HATS scan is cut, and how to read a part of it: what the cross-match asks of a table.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig, FileScanConfigBuilder, FileSource};
use datafusion::datasource::source::{DataSource, DataSourceExec};
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::projection::{ProjectionExpr, ProjectionExprs};
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::{EmptyRecordBatchStream, ExecutionPlan};
use dreyer_sphere::CellRanges;
use dreyer_tiling::{Run, TileStats, Tiling, TilingSource};
use object_store::path::Path;

use crate::access::runs;
use crate::index_column;
use crate::listing::Tile;
use crate::source::HatsSource;

/// Tiles whose footers are looked at for where their rows lie. Those of a catalogue of more are small.
const MOST_LOOKED_AT: usize = 4096;

/// And those that are looked at page by page.
const MOST_BY_PAGE: usize = 64;

/// Tells how HATS scans are cut. It knows a scan by its file source, before and after optimisation and on both
/// sides of a codec.
///
/// A scan with a limit, or one whose row groups the engine has reordered, has no tiling: its parts would not add
/// up to the whole.
#[derive(Debug, Clone, Copy, Default)]
pub struct HatsTilingSource;

impl TilingSource for HatsTilingSource {
    fn tiling(&self, plan: &Arc<dyn ExecutionPlan>) -> Option<Tiling> {
        let (config, source) = tiled(plan)?;
        let (lon, lat) = source.origin.position.clone()?;
        let index = source.origin.index.clone();
        let names = [Some(&lon), Some(&lat), index.as_ref()];
        // An output column of such a name that is something else would be taken for the position.
        if !names.into_iter().flatten().all(|name| passes_through(config, name)) {
            return None;
        }
        let stats = |tile: &Tile| TileStats {
            cell: tile.cell,
            rows: tile.rows,
            bytes: tile.bytes(),
        };
        Some(Tiling {
            tiles: source.tiles.iter().map(stats).collect(),
            lon_column: lon,
            lat_column: lat,
            index_column: index,
            sorted: source.origin.sorted,
            index_exact: source.origin.index_exact,
        })
    }

    /// By the footers that are at hand; of other tiles, by their cells.
    fn runs(&self, plan: &Arc<dyn ExecutionPlan>) -> Option<Vec<Run>> {
        let (_, source) = tiled(plan)?;
        let by_page = source.tiles.len() <= MOST_BY_PAGE;
        let in_tile = |tile: &Tile| -> Vec<Run> {
            let whole = || {
                vec![Run {
                    cells: tile.cell.range(),
                    rows: tile.rows.unwrap_or(0),
                }]
            };
            let Some(index) = source
                .origin
                .index
                .as_deref()
                .filter(|_| source.tiles.len() <= MOST_LOOKED_AT)
            else {
                return whole();
            };
            let in_file = |file| {
                let footer = source.readers.footer_at_hand(file)?;
                Some(runs(&footer, index, tile.cell, by_page))
            };
            let files: Option<Vec<Vec<Run>>> = tile.files.iter().map(in_file).collect();
            files.map_or_else(whole, |files| files.concat())
        };
        let all = source.tiles.iter().flat_map(in_tile);
        Some(match &source.ranges {
            None => all.collect(),
            Some(ranges) => all.flat_map(|run| within(&run, ranges)).collect(),
        })
    }

    fn with_index(&self, plan: &Arc<dyn ExecutionPlan>) -> Result<Option<(Arc<dyn ExecutionPlan>, usize)>> {
        match tiled(plan).and_then(|(_, source)| source.origin.index.clone()) {
            Some(index) => self.with_column(plan, &index),
            None => Ok(None),
        }
    }

    fn with_column(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
        name: &str,
    ) -> Result<Option<(Arc<dyn ExecutionPlan>, usize)>> {
        let Some((config, source)) = tiled(plan) else {
            return Ok(None);
        };
        let schema = source.table_schema().table_schema();
        let Ok(wanted) = Column::new_with_schema(name, schema) else {
            return Ok(None);
        };
        let mut projection: Vec<ProjectionExpr> = match source.projection() {
            Some(projection) => projection.iter().cloned().collect(),
            None => ProjectionExprs::from_indices(&(0..schema.fields().len()).collect::<Vec<_>>(), schema)
                .iter()
                .cloned()
                .collect(),
        };
        let is_wanted = |expr: &ProjectionExpr| column_named(&expr.expr, name);
        if let Some(position) = projection.iter().position(is_wanted) {
            return Ok(Some((Arc::clone(plan), position)));
        }
        // The projections compose, so a wider one cannot be laid over a narrower: the scan is built anew.
        let position = projection.len();
        let alias = free_name(&projection, name);
        projection.push(ProjectionExpr {
            expr: Arc::new(wanted),
            alias,
        });
        let wider = source.projected(projection)?;
        let config = FileScanConfigBuilder::from(config.clone())
            .with_source(Arc::new(wider))
            .build();
        Ok(Some((DataSourceExec::from_data_source(config), position)))
    }

    fn restrict(&self, plan: &Arc<dyn ExecutionPlan>, ranges: &CellRanges) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some((config, source)) = tiled(plan) else {
            return Ok(None);
        };
        Ok(Some(match part(config, source, ranges) {
            Some(part) => DataSourceExec::from_data_source(part),
            None => Arc::new(EmptyExec::new(plan.schema())),
        }))
    }

    fn read(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
        ranges: &CellRanges,
        context: &Arc<TaskContext>,
    ) -> Result<Option<SendableRecordBatchStream>> {
        let Some((config, source)) = tiled(plan) else {
            return Ok(None);
        };
        if let Some(indexes) = index_column::read(source, config, ranges) {
            return Ok(Some(indexes));
        }
        Ok(Some(match part(config, source, ranges) {
            Some(part) => part.open(0, Arc::clone(context))?,
            None => Box::pin(EmptyRecordBatchStream::new(plan.schema())),
        }))
    }
}

/// The scan of what may hold rows in `ranges`, in one partition; `None`: there is nothing.
fn part(config: &FileScanConfig, source: &HatsSource, ranges: &CellRanges) -> Option<FileScanConfig> {
    let narrow = source.narrowed(ranges);
    if narrow.tiles.is_empty() {
        return None;
    }
    let groups = own_parts(config, narrow.file_groups(1));
    let part = FileScanConfigBuilder::from(config.clone())
        .with_file_groups(groups)
        .with_source(Arc::new(narrow))
        .with_statistics(config.statistics().to_inexact())
        .with_preserve_order(true);
    Some(part.build())
}

/// `groups` of whole files, with no more of each than the scan has: to somebody else may belong the rest.
fn own_parts(config: &FileScanConfig, groups: Vec<FileGroup>) -> Vec<FileGroup> {
    let mut parts: HashMap<&Path, Vec<(i64, i64)>> = HashMap::new();
    for file in config.file_groups.iter().flat_map(FileGroup::iter) {
        if let Some(range) = &file.range {
            let of_file = parts.entry(&file.object_meta.location).or_default();
            of_file.push((range.start, range.end));
        }
    }
    if parts.is_empty() {
        return groups;
    }
    let own = |file: PartitionedFile| match parts.get(&file.object_meta.location) {
        Some(parts) => in_parts(&file, parts.clone()),
        None => vec![file],
    };
    let files = groups.into_iter().flat_map(FileGroup::into_inner).flat_map(own);
    vec![FileGroup::new(files.collect())]
}

/// The parts of a file, as few as possible.
fn in_parts(file: &PartitionedFile, mut parts: Vec<(i64, i64)>) -> Vec<PartitionedFile> {
    parts.sort_unstable();
    let mut joined: Vec<(i64, i64)> = Vec::new();
    for (from, to) in parts {
        match joined.last_mut() {
            Some((_, end)) if *end == from => *end = to,
            _ => joined.push((from, to)),
        }
    }
    let whole = (0, i64::try_from(file.object_meta.size).unwrap_or(i64::MAX));
    if joined == [whole] {
        return vec![file.clone()];
    }
    let part = |(from, to): (i64, i64)| file.clone().with_range(from, to);
    joined.into_iter().map(part).collect()
}

/// The part of a run that lies in some ranges.
fn within(run: &Run, ranges: &CellRanges) -> Vec<Run> {
    let part = ranges.intersection(&CellRanges::of_range(run.cells.clone()));
    let all = u128::from(run.cells.end - run.cells.start).max(1);
    let of = |cells: std::ops::Range<u64>| {
        let rows = u128::from(run.rows) * u128::from(cells.end - cells.start) / all;
        Run {
            rows: u64::try_from(rows).unwrap_or(u64::MAX),
            cells,
        }
    };
    part.iter().map(of).collect()
}

fn tiled(plan: &Arc<dyn ExecutionPlan>) -> Option<(&FileScanConfig, &HatsSource)> {
    let (config, source) = HatsSource::of(plan)?;
    (config.limit.is_none() && !source.reordered).then_some((config, source))
}

/// Whether an output column named `name`, if there is one, is the table's column of that name.
fn passes_through(config: &FileScanConfig, name: &str) -> bool {
    let Some(projection) = config.file_source.projection() else {
        return true;
    };
    projection
        .iter()
        .filter(|expr| expr.alias == name)
        .all(|expr| column_named(&expr.expr, name))
}

pub(crate) fn column_named(expr: &Arc<dyn PhysicalExpr>, name: &str) -> bool {
    expr.downcast_ref::<Column>()
        .is_some_and(|column| column.name() == name)
}

/// `name`, or where an output column is called so already, a longer one.
fn free_name(projection: &[ProjectionExpr], name: &str) -> String {
    let mut free = name.to_owned();
    while projection.iter().any(|expr| expr.alias == free) {
        free.push('_');
    }
    free
}
