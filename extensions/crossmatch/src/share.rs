//! An aligned match as work that can be dealt: units of the sky, each with what of both sides is read for it.
//!
//! Units are disjoint, and the rim of each is read by whoever matches it; so shares need nothing of each other.

use std::sync::Arc;

use datafusion::common::{Result, internal_err};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use dreyer_sphere::CellRanges;
use dreyer_tiling::{Divisible, Piece, TileStats, Tiling, TilingSources};

use crate::deal::dealt;
use crate::exec::{CrossMatchExec, Mode, restricted};
use crate::spec::Pick;

/// What a unit costs beside its rows.
const UNIT_ROWS: u64 = 1;

/// Room around a unit beyond the radius: a stored index may be off by less.
const SLACK_DEG: f64 = 1e-3;

/// The aligned match that `plan` is, if it is one.
pub fn divide(plan: &Arc<dyn ExecutionPlan>, sources: &TilingSources) -> Option<Arc<dyn Divisible>> {
    let exec = plan.downcast_ref::<CrossMatchExec>()?;
    let Mode::Aligned { units, .. } = exec.mode() else {
        return None;
    };
    let tilings: Vec<Tiling> = exec
        .children()
        .into_iter()
        .filter_map(|input| tiling_of(sources, input))
        .collect();
    let mut units: Vec<CellRanges> = units.iter().flatten().cloned().collect();
    let start = |unit: &CellRanges| unit.iter().next().map_or(0, |range| range.start);
    units.sort_by_key(start);
    let piece = |unit: &CellRanges| {
        // A unit is matched where the tile lies at hand in which it begins.
        let first = start(unit);
        let tile = tilings.first().and_then(|tiling| tile_at(&tiling.tiles, first));
        Piece {
            key: tile.map_or(first, |tile| tile.cell.range().start),
            weight: tilings.iter().map(|tiling| rows_in(tiling, unit)).sum::<u64>() + UNIT_ROWS,
        }
    };
    Some(Arc::new(DividedMatch {
        pieces: units.iter().map(piece).collect(),
        exec: Arc::clone(plan),
        units,
        sources: sources.clone(),
    }))
}

#[derive(Debug)]
struct DividedMatch {
    exec: Arc<dyn ExecutionPlan>,
    /// Along the curve.
    units: Vec<CellRanges>,
    pieces: Vec<Piece>,
    sources: TilingSources,
}

impl Divisible for DividedMatch {
    fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    fn share(&self, taken: &dyn Fn(usize) -> bool, partitions: usize) -> Result<Arc<dyn ExecutionPlan>> {
        let Some((exec, Mode::Aligned { estimate, role, .. })) = self
            .exec
            .downcast_ref::<CrossMatchExec>()
            .map(|exec| (exec, exec.mode()))
        else {
            return internal_err!("only an aligned match has units to share");
        };
        let own: Vec<usize> = (0..self.units.len()).filter(|unit| taken(*unit)).collect();
        // All partitions of a share run in one process, and even out among themselves what the weights misjudge.
        let weighed = own
            .iter()
            .map(|unit| (self.units[*unit].clone(), self.pieces[*unit].weight));
        let units = dealt(weighed.collect(), partitions);
        let within = CellRanges::from_ranges(own.iter().flat_map(|unit| self.units[*unit].iter()));
        let reach_deg = exec.terms().radius.constant().unwrap_or(0.0).max(0.0) + SLACK_DEG;
        let around = within.grow(reach_deg);
        // Left rows around a unit have a say in who is whose nearest.
        let left = match exec.terms().spec.pick {
            Pick::Mutual => around.grow(reach_deg),
            _ => within,
        };
        let inputs = [(0, &left), (1, &around)].map(|(side, part)| self.confined(exec.children()[side], part));
        let [left, right] = inputs;
        let mode = Mode::Aligned {
            units: units.into(),
            estimate: *estimate,
            role: *role,
        };
        let sides = exec.sides().map(Clone::clone);
        let share = CrossMatchExec::new([left?, right?], sides, exec.terms().clone(), mode);
        Ok(Arc::new(share.with_output(exec.output().map(<[usize]>::to_vec))))
    }
}

impl DividedMatch {
    /// An input that reads no more than it must: the plan that leaves names no tile that is of no use to it.
    fn confined(&self, input: &Arc<dyn ExecutionPlan>, part: &CellRanges) -> Result<Arc<dyn ExecutionPlan>> {
        let confined = restricted(&self.sources, input, part)?;
        // A scan of nothing has no columns to add when pairs are in doubt.
        Ok(if is_empty(&confined) {
            Arc::clone(input)
        } else {
            confined
        })
    }
}

fn is_empty(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.is::<EmptyExec>() || plan.children().into_iter().any(is_empty)
}

/// How the scan under operators that treat each row alone is cut.
fn tiling_of(sources: &TilingSources, plan: &Arc<dyn ExecutionPlan>) -> Option<Tiling> {
    if let Some((_, tiling)) = sources.tiling(plan) {
        return Some(tiling);
    }
    if let Some(exec) = plan.downcast_ref::<CrossMatchExec>() {
        return tiling_of(sources, exec.cut_as_left()?);
    }
    match plan.children().as_slice() {
        [input] => tiling_of(sources, input),
        _ => None,
    }
}

fn tile_at(tiles: &[TileStats], cell: u64) -> Option<&TileStats> {
    let place = tiles.partition_point(|tile| tile.cell.range().end <= cell);
    tiles.get(place).filter(|tile| tile.cell.range().start <= cell)
}

/// Rows of a table in a unit, as if each tile's rows were spread evenly over it.
fn rows_in(tiling: &Tiling, unit: &CellRanges) -> u64 {
    let in_range = |range: std::ops::Range<u64>| {
        let first = tiling
            .tiles
            .partition_point(|tile| tile.cell.range().end <= range.start);
        let overlapping = tiling.tiles[first..]
            .iter()
            .take_while(move |tile| tile.cell.range().start < range.end);
        overlapping.map(move |tile| {
            let cell = tile.cell.range();
            let common = range.end.min(cell.end) - range.start.max(cell.start);
            let rows = u128::from(tile.rows.unwrap_or(0)) * u128::from(common) / u128::from(cell.end - cell.start);
            u64::try_from(rows).unwrap_or(u64::MAX)
        })
    };
    unit.iter().flat_map(in_range).sum()
}
