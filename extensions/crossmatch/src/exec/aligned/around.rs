//! What a unit's left rows are held against: its own right rows and those around, as one sorted index.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use dreyer_sphere::{CellRanges, IndexSearch};

use super::super::index::SkyIndex;
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
        let mut runs = vec![(Arc::clone(&around.own), 0..around.own.index.len())];
        for (block, part) in &around.rim {
            for range in part.iter() {
                let start = block.index.partition_point(|index| *index < range.start);
                let end = start + block.index[start..].partition_point(|index| *index < range.end);
                if start < end {
                    runs.push((Arc::clone(block), start..end));
                }
            }
        }
        runs.sort_by_key(|(block, rows)| block.index.get(rows.start).copied());
        let mut blocks: Vec<Arc<Block>> = Vec::new();
        let (mut index, mut at) = (Vec::new(), Vec::new());
        for (block, rows) in runs {
            let known = blocks.iter().position(|other| Arc::ptr_eq(other, &block));
            let number = known.unwrap_or(blocks.len());
            index.extend_from_slice(&block.index[rows.clone()]);
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            at.extend(rows.map(|row| (number, u32::try_from(row).unwrap_or(u32::MAX))));
            if known.is_none() {
                blocks.push(block);
            }
        }
        // A unit without a stored index may hold rows that lie outside its tile, among those of the rim.
        let (index, at) = sorted(index, at);
        let own =
            unit.iter().next().map_or(0, |range| range.start)..unit.iter().next_back().map_or(0, |range| range.end);
        let batches: Vec<RecordBatch> = blocks.iter().map(|block| block.rows.clone()).collect();
        Self {
            search: IndexSearch::new(&index, own, radius_deg),
            sky: SkyIndex::of_blocks(batches, index, at),
            _blocks: blocks,
        }
    }
}

type Places = Vec<(u32, u32)>;

fn sorted(index: Vec<u64>, at: Places) -> (Vec<u64>, Places) {
    if index.is_sorted() {
        return (index, at);
    }
    let mut both: Vec<_> = index.into_iter().zip(at).collect();
    both.sort_unstable();
    both.into_iter().unzip()
}
