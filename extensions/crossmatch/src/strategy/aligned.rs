//! Both sides are tiled scans, joined on the columns that tile them: cut the sky into units and match each alone.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{CastExpr, Column};
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use dreyer_sphere::{Cell, CellRanges, MAX_ORDER};
use dreyer_tiling::{IndexTrust, TileStats, Tiling, TilingSources};

use crate::exec::{CrossMatchExec, Estimate, IndexRole, Mode, Position, Side};
use crate::planner::MatchPlan;
use crate::spec::Pick;

pub(crate) fn aligned(plan: &MatchPlan) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let spec = plan.terms.spec;
    let Some(radius_deg) = plan.terms.radius.constant() else {
        return Ok(None);
    };
    if radius_deg.is_nan() || radius_deg > plan.options.crossmatch_aligned_max_radius_deg {
        return Ok(None);
    }
    let Some(left) = TiledInput::of(&plan.sources, &plan.left, &plan.left_at)? else {
        return Ok(None);
    };
    let Some(right) = TiledInput::of(&plan.sources, &plan.right, &plan.right_at)? else {
        return Ok(None);
    };
    // What lies around a unit can be told from what lies in it by a stored index only.
    if spec.pick == Pick::Mutual && (left.index_column.is_none() || right.index_column.is_none()) {
        return Ok(None);
    }
    let cut = Cut {
        left: &left.tiling,
        right: &right.tiling,
        radius_deg,
        unit_rows: plan.options.crossmatch_unit_rows as u64,
        all_of_left: spec.join.keeps_unmatched(),
    };
    let (units, estimate) = cut.units(plan.target_partitions, left.index_column.is_some());
    let role = role(plan, radius_deg, [&left, &right]);
    let side = |input: &TiledInput, position: &Position| Side {
        position: position.clone(),
        index_column: input.index_column,
        width: input.width,
    };
    let sides = [side(&left, &plan.left_at), side(&right, &plan.right_at)];
    let mode = Mode::Aligned {
        units: units.into(),
        estimate,
        role,
    };
    let exec = CrossMatchExec::new([left.plan, right.plan], sides, plan.terms.clone(), mode);
    Ok(Some(Arc::new(exec)))
}

/// What the stored indexes are good for: they decide if both are exact, and the condition bounds the separation of just
/// the positions that they were made of.
fn role(plan: &MatchPlan, radius_deg: f64, sides: [&TiledInput; 2]) -> IndexRole {
    let exact = sides.iter().all(|side| {
        let tiling = &side.tiling;
        let trusted = match plan.options.crossmatch_index_trust {
            IndexTrust::Recorded => tiling.index_exact,
            IndexTrust::All => side.in_double_precision,
            IndexTrust::Nothing => false,
        };
        trusted && tiling.sorted && side.index_column.is_some()
    });
    if !exact || !plan.terms.condition.bounds_just_the_separation(radius_deg) {
        return IndexRole::Proposes;
    }
    IndexRole::Decides {
        // How many rows choose each other cannot be told from how many partners each has.
        may_suffice: plan.terms.condition.residual.is_none()
            && plan.terms.measured.is_none()
            && plan.terms.spec.pick != Pick::Mutual,
    }
}

/// Units that a partition has at least, tiles permitting: the last ones even out what the others misjudged.
const UNITS_PER_PARTITION: u64 = 8;

/// Stretches of the curve that a partition goes along, at most.
const STRETCHES_PER_PARTITION: usize = 6;

/// A tiled scan under operators that treat each row alone, with the index column added behind its own columns.
pub(super) struct TiledInput {
    pub(super) plan: Arc<dyn ExecutionPlan>,
    tiling: Tiling,
    pub(super) index_column: Option<usize>,
    width: usize,
    /// Whether the coordinates are stored as the numbers that an index is made of.
    in_double_precision: bool,
}

impl TiledInput {
    pub(super) fn of(sources: &TilingSources, input: &Arc<dyn ExecutionPlan>, at: &Position) -> Result<Option<Self>> {
        let Position::LonLat { lon, lat } = at else {
            return Ok(None);
        };
        let (Some(lon), Some(lat)) = (plain_column(lon), plain_column(lat)) else {
            return Ok(None);
        };
        let Some(traced) = trace(sources, input, lon, lat) else {
            return Ok(None);
        };
        let tiling = traced.tiling;
        if [&tiling.lon_column, &tiling.lat_column] != [&traced.lon, &traced.lat] {
            return Ok(None);
        }
        // A cast on the way hides how far a stored index may be off.
        let in_double_precision = is_double(input, lon) && is_double(input, lat);
        if in_double_precision && !traced.in_double_precision {
            return Ok(None);
        }
        let width = input.schema().fields().len();
        let (plan, index_column) = match add_index(sources, input)? {
            Some((plan, column)) => (plan, Some(column)),
            None => (Arc::clone(input), None),
        };
        Ok(Some(Self {
            plan,
            tiling,
            index_column,
            width,
            in_double_precision,
        }))
    }
}

/// The column that `expr` hands on. A cast to double precision keeps its value; any other may move the row.
fn plain_column(expr: &Arc<dyn PhysicalExpr>) -> Option<usize> {
    if let Some(cast) = expr
        .downcast_ref::<CastExpr>()
        .filter(|cast| *cast.cast_type() == DataType::Float64)
    {
        return plain_column(cast.expr());
    }
    expr.downcast_ref::<Column>().map(Column::index)
}

fn is_double(plan: &Arc<dyn ExecutionPlan>, column: usize) -> bool {
    *plan.schema().field(column).data_type() == DataType::Float64
}

/// A tiled scan, and what two columns of a plan above are there.
struct Traced {
    tiling: Tiling,
    lon: String,
    lat: String,
    in_double_precision: bool,
}

/// Follows two columns down to a tiled scan.
fn trace(sources: &TilingSources, plan: &Arc<dyn ExecutionPlan>, lon: usize, lat: usize) -> Option<Traced> {
    if let Some((_, tiling)) = sources.tiling(plan) {
        let schema = plan.schema();
        return Some(Traced {
            tiling,
            lon: schema.field(lon).name().clone(),
            lat: schema.field(lat).name().clone(),
            in_double_precision: is_double(plan, lon) && is_double(plan, lat),
        });
    }
    if let Some(exec) = plan.downcast_ref::<CrossMatchExec>() {
        return trace(
            sources,
            exec.cut_as_left()?,
            exec.left_column(lon)?,
            exec.left_column(lat)?,
        );
    }
    // Right rows at the rims of several units are read once for each: a volatile value would differ between them.
    if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        let plain = filter.projection().is_none() && filter.fetch().is_none() && !is_volatile(filter.predicate());
        return plain.then(|| trace(sources, filter.input(), lon, lat))?;
    }
    let projection = plan.downcast_ref::<ProjectionExec>()?;
    if projection.expr().iter().any(|column| is_volatile(&column.expr)) {
        return None;
    }
    let below = |column: usize| plain_column(&projection.expr().get(column)?.expr);
    trace(sources, projection.input(), below(lon)?, below(lat)?)
}

/// The same rows with the scan's index column added last, and its position.
fn add_index(
    sources: &TilingSources,
    plan: &Arc<dyn ExecutionPlan>,
) -> Result<Option<(Arc<dyn ExecutionPlan>, usize)>> {
    if let Some((source, _)) = sources.tiling(plan) {
        return source.with_index(plan);
    }
    if let Some(exec) = plan.downcast_ref::<CrossMatchExec>() {
        return Ok(exec
            .with_left_index()
            .map(|(exec, column)| (Arc::new(exec) as Arc<dyn ExecutionPlan>, column)));
    }
    if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        let Some((input, column)) = add_index(sources, filter.input())? else {
            return Ok(None);
        };
        let filter = FilterExec::try_new(Arc::clone(filter.predicate()), input)?;
        return Ok(Some((Arc::new(filter), column)));
    }
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let Some((input, column)) = add_index(sources, projection.input())? else {
            return Ok(None);
        };
        let name = input.schema().field(column).name().clone();
        let mut exprs: Vec<ProjectionExpr> = projection.expr().to_vec();
        exprs.push(ProjectionExpr {
            expr: Arc::new(Column::new(&name, column)),
            alias: name,
        });
        let last = exprs.len() - 1;
        return Ok(Some((Arc::new(ProjectionExec::try_new(exprs, input)?), last)));
    }
    Ok(None)
}

/// How the sky is cut into units.
struct Cut<'a> {
    left: &'a Tiling,
    right: &'a Tiling,
    radius_deg: f64,
    unit_rows: u64,
    /// Whether rows without a partner come out too, wherever they are.
    all_of_left: bool,
}

impl Cut<'_> {
    /// Units per partition, in sky order, of about equal weight; at least one partition, perhaps of no unit.
    fn units(&self, partitions: usize, splittable: bool) -> (Vec<Vec<CellRanges>>, Estimate) {
        let reach = |tiles: &[TileStats]| {
            CellRanges::from_ranges(tiles.iter().map(|tile| tile.cell.range())).grow(self.radius_deg.max(0.0))
        };
        let right_reach = reach(&self.right.tiles);
        let mut pieces = Vec::new();
        let mut estimate = Estimate::default();
        for tile in self
            .left
            .tiles
            .iter()
            .filter(|tile| self.all_of_left || right_reach.overlaps(&tile.cell.range()))
        {
            estimate.left_rows += tile.rows.unwrap_or(0);
            estimate.file_bytes += tile.bytes;
            self.split(tile.cell, tile.rows.unwrap_or(0), splittable, &mut pieces);
        }
        let left_reach = reach(&self.left.tiles);
        for tile in self
            .right
            .tiles
            .iter()
            .filter(|tile| left_reach.overlaps(&tile.cell.range()))
        {
            estimate.right_rows += tile.rows.unwrap_or(0);
            estimate.file_bytes += tile.bytes;
        }
        (self.group(pieces, partitions), estimate)
    }

    /// Cuts a tile finer until a piece holds few enough rows of both sides.
    fn split(&self, cell: Cell, left_rows: u64, splittable: bool, pieces: &mut Vec<(Cell, u64)>) {
        let rows = left_rows + self.right_rows_in(cell);
        if !splittable || rows <= self.unit_rows || cell.order() >= MAX_ORDER {
            pieces.push((cell, rows));
            return;
        }
        for child in cell.children(cell.order() + 1) {
            self.split(child, left_rows / 4, splittable, pieces);
        }
    }

    /// Right rows in a cell, as if each tile's rows were spread evenly over it.
    fn right_rows_in(&self, cell: Cell) -> u64 {
        let range = cell.range();
        let first = self
            .right
            .tiles
            .partition_point(|tile| tile.cell.range().end <= range.start);
        let overlapping = self.right.tiles[first..]
            .iter()
            .take_while(|tile| tile.cell.range().start < range.end);
        overlapping
            .map(|tile| {
                let rows = tile.rows.unwrap_or(0);
                let finer = cell.order().saturating_sub(tile.cell.order());
                rows >> (2 * u32::from(finer)).min(63)
            })
            .sum()
    }

    /// Joins small neighbouring pieces into units, and deals these to partitions, each to the one with the least work so
    /// far: all stay busy to the end, whatever the sky, and each goes along the curve.
    fn group(&self, pieces: Vec<(Cell, u64)>, partitions: usize) -> Vec<Vec<CellRanges>> {
        let total: u64 = pieces.iter().map(|(_, rows)| rows + 1).sum();
        let share = total.div_ceil(partitions.max(1) as u64).max(1);
        let limit = self.unit_rows.min(share.div_ceil(UNITS_PER_PARTITION));
        let mut units: Vec<(Vec<Cell>, u64)> = Vec::new();
        for (cell, rows) in pieces {
            match units.last_mut() {
                Some((cells, unit_rows)) if *unit_rows + rows <= limit => {
                    cells.push(cell);
                    *unit_rows += rows + 1;
                }
                _ => units.push((vec![cell], rows + 1)),
            }
        }
        let mut groups: Vec<(u64, Vec<CellRanges>)> = vec![(0, Vec::new()); partitions.clamp(1, units.len().max(1))];
        // Neighbours on the sky share blocks: dealt one by one, partitions would wait for each other.
        let together = units.len().div_ceil(groups.len() * STRETCHES_PER_PARTITION).max(1);
        for stretch in units.chunks(together) {
            if let Some((work, group)) = groups.iter_mut().min_by_key(|(work, _)| *work) {
                *work += stretch.iter().map(|(_, rows)| rows).sum::<u64>();
                let unit =
                    |(cells, _): &(Vec<Cell>, u64)| CellRanges::from_ranges(cells.iter().map(|cell| cell.range()));
                group.extend(stretch.iter().map(unit));
            }
        }
        groups.into_iter().map(|(_, group)| group).collect()
    }
}
