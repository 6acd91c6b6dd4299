//! A match as work that can be dealt.
//!
//! An aligned one: units of the sky, each with what of both sides is read for it. Units are disjoint, and the rim of each is
//! read by whoever matches it; so shares need nothing of each other. One of a few rows with a scan that is read only where
//! they can have partners: parts of the scan, each with all of the few rows, which everybody reads.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, internal_err};
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use dreyer_sphere::CellRanges;
use dreyer_tiling::{Divisible, Piece, TileStats, Tiling, TilingSources};

use crate::deal::dealt;
use crate::exec::{CrossMatchExec, Mode, restricted};
use crate::spec::Pick;

/// What a unit costs beside its rows.
const UNIT_ROWS: u64 = 1;

/// Room around a unit beyond the radius: a stored index may be off by less.
const SLACK_DEG: f64 = 1e-3;

/// Operators that give the same rows whenever they are asked, if what is under them does.
const REPEATABLE: &[&str] = &[
    "CoalesceBatchesExec",
    "CoalescePartitionsExec",
    "CooperativeExec",
    "DataSourceExec",
    "EmptyExec",
    "FilterExec",
    "PlaceholderRowExec",
    "ProjectionExec",
    "RepartitionExec",
];

/// How a scan or a match under a match can be dealt, if it can.
type Dividing<'a> = &'a dyn Fn(&Arc<dyn ExecutionPlan>) -> Option<Arc<dyn Divisible>>;

/// The match that `plan` is, if it is one that can be dealt; `input` divides what is under it.
pub fn divide(
    plan: &Arc<dyn ExecutionPlan>,
    sources: &TilingSources,
    input: Dividing<'_>,
) -> Option<Arc<dyn Divisible>> {
    let exec = plan.downcast_ref::<CrossMatchExec>()?;
    let Mode::Aligned { units, .. } = exec.mode() else {
        return divide_read(plan, exec, input);
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

/// A match of held rows with a side that is read only around them.
fn divide_read(
    plan: &Arc<dyn ExecutionPlan>,
    exec: &CrossMatchExec,
    input: Dividing<'_>,
) -> Option<Arc<dyn Divisible>> {
    let held = exec.held_for_rows_alone().filter(|_| exec.reads_around().is_some())?;
    let inputs = exec.children();
    // Everybody reads the held rows anew.
    if !is_repeatable(inputs[held]) {
        return None;
    }
    let (scan, work) = only_scan(inputs[1 - held], input)?;
    Some(Arc::new(DividedReading {
        exec: Arc::clone(plan),
        read: 1 - held,
        scan,
        work,
    }))
}

/// A scan, and how it can be dealt.
type Scan = (Arc<dyn ExecutionPlan>, Arc<dyn Divisible>);

fn only_scan(plan: &Arc<dyn ExecutionPlan>, input: Dividing<'_>) -> Option<Scan> {
    if let Some(work) = input(plan) {
        return Some((Arc::clone(plan), work));
    }
    match plan.children().as_slice() {
        [below] => only_scan(below, input),
        _ => None,
    }
}

/// Whether a plan gives the same rows to all who run it: no `random()`, no ten rows whichever they are.
fn is_repeatable(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let mut volatile = false;
    let looked = plan.apply_expressions(&mut |expr| {
        volatile |= is_volatile(expr);
        Ok(TreeNodeRecursion::Continue)
    });
    looked.is_ok()
        && !volatile
        && plan.fetch().is_none()
        && REPEATABLE.contains(&plan.name())
        && plan.children().into_iter().all(is_repeatable)
}

#[derive(Debug)]
struct DividedReading {
    exec: Arc<dyn ExecutionPlan>,
    /// Which input is read in parts.
    read: usize,
    /// The scan in it.
    scan: Arc<dyn ExecutionPlan>,
    work: Arc<dyn Divisible>,
}

impl Divisible for DividedReading {
    fn pieces(&self) -> &[Piece] {
        self.work.pieces()
    }

    /// The match has as many partitions as it is read in, whatever the scan has.
    fn share(&self, taken: &dyn Fn(usize) -> bool, _partitions: usize) -> Result<Arc<dyn ExecutionPlan>> {
        let part = self.work.share(taken, 1)?;
        let mut inputs: Vec<Arc<dyn ExecutionPlan>> = self.exec.children().into_iter().cloned().collect();
        let read = Arc::clone(&inputs[self.read]).transform_down(|node| {
            Ok(if Arc::ptr_eq(&node, &self.scan) {
                Transformed::new(Arc::clone(&part), true, TreeNodeRecursion::Jump)
            } else {
                Transformed::no(node)
            })
        })?;
        inputs[self.read] = read.data;
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        Arc::clone(&self.exec).replace_children(inputs, options)
    }
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
