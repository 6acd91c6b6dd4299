//! What a unit's left rows are held against: its own right rows and those around, as one sorted index.

use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use dreyer_sphere::{CellRanges, IndexSearch};

use super::super::index::{Run, SkyIndex};
use super::super::indexes::rows_in;
use super::block::Block;
use super::blocks::Around;

/// The right rows of a unit and its rim, ready to be searched.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) sky: SkyIndex,
    pub(super) search: IndexSearch,
    /// Their blocks, which keep their memory reserved.
    _blocks: Vec<Arc<Block>>,
}

impl Held {
    /// Their indexes, ascending.
    pub(super) fn index(&self) -> &[u64] {
        self.sky.indexes()
    }

    /// Puts a unit's block and the rows of its rim together. `radius_deg` is the one to search with.
    pub(super) fn new(around: &Around, unit: &CellRanges, radius_deg: f64) -> Self {
        let mut runs = runs_in(&around.own, unit);
        if runs.iter().map(|(_, rows)| rows.len()).sum::<usize>() < around.own.index.len() {
            // Without a stored index the block holds the rim as well.
            runs = vec![(Arc::clone(&around.own), 0..around.own.index.len())];
        }
        runs.extend(around.rim.iter().flat_map(|(block, part)| runs_in(block, part)));
        runs.sort_by_key(|(block, rows)| block.index.get(rows.start).copied());
        let mut blocks: Vec<Arc<Block>> = Vec::new();
        let mut index = Vec::with_capacity(runs.iter().map(|(_, rows)| rows.len()).sum());
        let mut held = Vec::with_capacity(runs.len());
        for (block, rows) in runs {
            let known = blocks.iter().position(|other| Arc::ptr_eq(other, &block));
            held.push(Run {
                first: index.len(),
                batch: known.unwrap_or(blocks.len()),
                row: rows.start,
            });
            index.extend_from_slice(&block.index[rows]);
            if known.is_none() {
                blocks.push(block);
            }
        }
        // Blocks are sorted; parts of several may lie between one another.
        let in_turn = |run: &Run| run.first == 0 || index[run.first - 1] <= index[run.first];
        if !held.iter().all(in_turn) {
            (index, held) = sorted(&index, &held);
        }
        let own =
            unit.iter().next().map_or(0, |range| range.start)..unit.iter().next_back().map_or(0, |range| range.end);
        let batches: Vec<RecordBatch> = blocks.iter().map(|block| block.rows.clone()).collect();
        Self {
            search: IndexSearch::new(&index, own, radius_deg),
            sky: SkyIndex::of_blocks(batches, index, held),
            _blocks: blocks,
        }
    }
}

/// The rows of a block that lie in some ranges.
fn runs_in(block: &Arc<Block>, ranges: &CellRanges) -> Vec<(Arc<Block>, Range<usize>)> {
    rows_in(&block.index, ranges)
        .map(|rows| (Arc::clone(block), rows))
        .collect()
}

/// Rows of several runs in the order of their index, each a run of its own.
fn sorted(index: &[u64], runs: &[Run]) -> (Vec<u64>, Vec<Run>) {
    let mut rows: Vec<(u64, usize, usize)> = Vec::with_capacity(index.len());
    for (number, run) in runs.iter().enumerate() {
        let end = runs.get(number + 1).map_or(index.len(), |next| next.first);
        rows.extend((run.first..end).map(|entry| (index[entry], run.batch, run.row + entry - run.first)));
    }
    rows.sort_unstable();
    let run = |(first, &(_, batch, row)): (usize, &(u64, usize, usize))| Run { first, batch, row };
    (
        rows.iter().map(|(index, ..)| *index).collect(),
        rows.iter().enumerate().map(run).collect(),
    )
}
