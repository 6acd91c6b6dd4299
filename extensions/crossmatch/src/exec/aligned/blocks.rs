//! The right side of an aligned match, one block for each unit of the sky, read when first asked for and kept while it
//! may be asked for again.
//!
//! A unit is matched against its own block and the rim of those around it. So that no row is decoded twice, blocks are
//! shared by all partitions. When memory is wanted for others, those whose own unit is done are cut down to what lies in the
//! rims of units still to be matched, and if that is not enough, let go.
//!
//! ```text
//!   curve  ──►  │ done │ done │ here │ next │ later …        rim of `here` lies in blocks near and far along the curve:
//!                 ▕▏     ▕▏                                  kept, in part or whole, or to be read soon anyway
//!                                                            no room for it: only the rim, by ranges
//! ```

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use datafusion::common::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryReservation};
use datafusion::physical_plan::ExecutionPlan;
use dreyer_sphere::CellRanges;
use dreyer_tiling::TilingSources;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};

use super::super::Side;
use super::block::Block;
use super::rows_within;

type Loading = Shared<BoxFuture<'static, Result<Arc<Block>, Arc<DataFusionError>>>>;

/// Bytes of blocks that are kept for later, at most.
const KEPT_BYTES: usize = 192 << 20;

/// The share of the memory limit that they may take.
const KEPT_SHARE: usize = 8;

/// The blocks of one execution.
pub(crate) struct Blocks {
    plan: Arc<dyn ExecutionPlan>,
    side: Side,
    sources: Arc<TilingSources>,
    context: Arc<TaskContext>,
    units: Arc<[CellRanges]>,
    /// Ranges of all units along the curve, with the number of the unit.
    along: Vec<(Range<u64>, usize)>,
    /// How far around a unit right rows matter.
    reach_deg: f64,
    reservation: MemoryReservation,
    kept_bytes: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    slots: HashMap<usize, Slot>,
    /// When each unit was matched, counted in units; `None`: it is still to be.
    matched: Vec<Option<usize>>,
    count: usize,
    /// Blocks cut down since somebody asked.
    cut: usize,
    /// Units around those under way or matched, as long as one of them still is to be.
    around: HashMap<usize, Vec<usize>>,
}

/// A block that is kept.
#[derive(Clone)]
enum Slot {
    Whole(Loading),
    /// The rows in some ranges, once the unit is done.
    Part(Arc<Block>, CellRanges),
}

/// Where the rows around a unit come from.
pub(super) struct Around {
    /// The unit's own block; with its rim if the side has no stored index to tell them apart by.
    pub(super) own: Arc<Block>,
    /// Blocks with rows of the rim, and the part of the rim that lies in each.
    pub(super) rim: Vec<(Arc<Block>, CellRanges)>,
}

impl std::fmt::Debug for Blocks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Blocks")
            .field("units", &self.units.len())
            .finish_non_exhaustive()
    }
}

impl Blocks {
    pub(super) fn new(
        plan: Arc<dyn ExecutionPlan>,
        side: Side,
        units: Arc<[CellRanges]>,
        reach_deg: f64,
        context: Arc<TaskContext>,
    ) -> Self {
        let mut along: Vec<(Range<u64>, usize)> = Vec::new();
        for (number, unit) in units.iter().enumerate() {
            along.extend(unit.iter().map(|range| (range, number)));
        }
        along.sort_unstable_by_key(|(range, _)| range.start);
        let reservation = MemoryConsumer::new("CrossMatchExec[blocks]").register(context.memory_pool());
        let kept_bytes = match context.memory_pool().memory_limit() {
            MemoryLimit::Finite(bytes) => KEPT_BYTES.min(bytes / KEPT_SHARE),
            _ => KEPT_BYTES,
        };
        Self {
            sources: TilingSources::of(context.session_config()),
            plan,
            side,
            context,
            along,
            reach_deg,
            reservation,
            kept_bytes,
            state: Mutex::new(State {
                matched: vec![None; units.len()],
                ..State::default()
            }),
            units,
        }
    }

    /// The ranges of a unit with those around it where right rows matter.
    pub(super) fn reach(&self, unit: usize) -> CellRanges {
        self.units[unit].grow(self.reach_deg)
    }

    /// The rows of a unit and of a rim around it, `reach` being both.
    pub(super) async fn around(&self, unit: usize, reach: &CellRanges) -> Result<Around> {
        if self.side.index_column.is_none() {
            // Tiles can then only be read whole, and may be larger than a unit: a row would lie in the blocks of several.
            return self.only(reach).await;
        }
        let own = self.block(unit);
        let rim = reach.difference(&self.units[unit]);
        let (near, rest) = self.dealt(&rim);
        let numbers = near.iter().map(|(number, _)| *number).collect();
        self.state().around.insert(unit, numbers);
        // Its own block first: the others may be under way elsewhere.
        let own = own.await?;
        let mut around = Around { own, rim: Vec::new() };
        let mut apart = rest;
        for (number, part) in near {
            match self.kept(number) {
                Some(Slot::Whole(loading)) => around.rim.push((loaded(loading).await?, part)),
                Some(Slot::Part(block, known)) if part.difference(&known).is_empty() => around.rim.push((block, part)),
                None if self.has_room() => around.rim.push((self.block(number).await?, part)),
                _ => apart = apart.union(&part),
            }
        }
        if !apart.is_empty() {
            around.rim.push((self.only(&apart).await?.own, apart));
        }
        Ok(around)
    }

    /// The rows in `ranges` alone, for one who needs no others.
    pub(super) async fn only(&self, ranges: &CellRanges) -> Result<Around> {
        self.of(&self.plan, &self.side, ranges).await
    }

    /// The rows in `ranges` of another scan of the same table.
    pub(super) async fn of(&self, plan: &Arc<dyn ExecutionPlan>, side: &Side, ranges: &CellRanges) -> Result<Around> {
        let rows = rows_within(&self.sources, plan, ranges, &self.context)?;
        let block = Block::read(rows, side, ranges, self.reservation.new_empty()).await?;
        Ok(Around {
            own: Arc::new(block),
            rim: Vec::new(),
        })
    }

    /// Bytes that all blocks take, those in use and those kept.
    pub(super) fn reserved(&self) -> usize {
        self.state().bytes()
    }

    /// How many blocks were cut down since this was asked last.
    pub(super) fn take_cut(&self) -> usize {
        std::mem::take(&mut self.state().cut)
    }

    /// A unit is matched: blocks are kept no longer than units around them are still to be, nor than memory lasts.
    pub(super) fn done(&self, unit: usize) {
        self.state().done(unit);
    }

    /// The part of `rim` that lies in each unit, and what lies in none.
    fn dealt(&self, rim: &CellRanges) -> (Vec<(usize, CellRanges)>, CellRanges) {
        let mut parts: HashMap<usize, Vec<Range<u64>>> = HashMap::new();
        let mut rest = Vec::new();
        for range in rim.iter() {
            let mut from = range.start;
            let first = self.along.partition_point(|(own, _)| own.end <= range.start);
            for (own, number) in &self.along[first..] {
                if own.start >= range.end {
                    break;
                }
                rest.push(from..own.start);
                parts
                    .entry(*number)
                    .or_default()
                    .push(own.start.max(range.start)..own.end.min(range.end));
                from = own.end;
            }
            rest.push(from..range.end);
        }
        let mut near: Vec<_> = parts
            .into_iter()
            .map(|(number, ranges)| (number, CellRanges::from_ranges(ranges)))
            .collect();
        near.sort_unstable_by_key(|(number, _)| *number);
        let rest = rest.into_iter().filter(|range| range.start < range.end);
        (near, CellRanges::from_ranges(rest))
    }

    /// The block of a unit, read now if nobody did before.
    fn block(&self, unit: usize) -> impl Future<Output = Result<Arc<Block>>> + use<> {
        let kept = match self.kept(unit) {
            Some(Slot::Whole(loading)) => Some(loading),
            Some(Slot::Part(..)) | None => None,
        };
        loaded(kept.unwrap_or_else(|| self.load(unit)))
    }

    fn load(&self, unit: usize) -> Loading {
        self.make_room();
        let ranges = self.units[unit].clone();
        let rows = rows_within(&self.sources, &self.plan, &ranges, &self.context);
        let (side, reservation) = (self.side.clone(), self.reservation.new_empty());
        let loading = async move { Block::read(rows?, &side, &ranges, reservation).await.map(Arc::new) };
        let loading = loading.map(|block| block.map_err(Arc::new)).boxed().shared();
        let mut state = self.state();
        // Another partition may have been first.
        match state.slots.get(&unit) {
            Some(Slot::Whole(first)) => first.clone(),
            Some(Slot::Part(..)) | None => {
                state.slots.insert(unit, Slot::Whole(loading.clone()));
                loading
            }
        }
    }

    fn kept(&self, unit: usize) -> Option<Slot> {
        self.state().slots.get(&unit).cloned()
    }

    /// Whether one more block of average size fits.
    fn has_room(&self) -> bool {
        self.make_room();
        let state = self.state();
        let bytes = state.bytes();
        bytes + bytes / state.slots.len().max(1) <= self.kept_bytes
    }

    /// Cuts down blocks whose unit is done, those done first before others, then lets go of them, until the rest fits.
    fn make_room(&self) {
        let limit = self.kept_bytes / 2;
        let whole = self.state().whole_and_done(limit);
        for (unit, block) in whole {
            let near = self.state().still_around(unit);
            let rims = near
                .iter()
                .map(|near| self.reach(*near).intersection(&self.units[unit]));
            let known = rims.reduce(|all, rim| all.union(&rim)).unwrap_or_default();
            // Without memory for it, the block is let go below.
            if let Ok(part) = block.part(&known) {
                let mut state = self.state();
                if let Some(slot) = state.slots.get_mut(&unit) {
                    *slot = Slot::Part(Arc::new(part), known);
                    state.cut += 1;
                }
                if state.bytes() <= limit {
                    return;
                }
            }
        }
        self.state().shrink(limit);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No lock is held over a panic that could leave it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn bytes(&self) -> usize {
        self.slots.values().map(Slot::bytes).sum()
    }

    fn done(&mut self, unit: usize) {
        self.matched[unit] = Some(self.count);
        self.count += 1;
        // One of which little was read asked for none of those around; they may have asked for it.
        let asked_for = || {
            let by = self.around.iter().filter(|(_, around)| around.contains(&unit));
            by.map(|(by, _)| *by).collect()
        };
        let near: Vec<usize> = self.around.get(&unit).cloned().unwrap_or_else(asked_for);
        let matched = |unit: &usize| self.matched[*unit].is_some();
        let over = |near: &usize| {
            let around = self.around.get(near).map_or(&[][..], Vec::as_slice);
            matched(near) && around.iter().all(matched)
        };
        let mut perhaps_over: Vec<usize> = near.iter().copied().filter(over).collect();
        if near.iter().all(matched) {
            perhaps_over.push(unit);
        }
        for over in perhaps_over {
            self.slots.remove(&over);
            self.around.remove(&over);
        }
    }

    /// Units whose blocks are kept, in the order in which they were done.
    fn done_and_kept(&self) -> Vec<usize> {
        let done = self.slots.keys().filter_map(|unit| Some((self.matched[*unit]?, *unit)));
        let mut done: Vec<_> = done.collect();
        done.sort_unstable();
        done.into_iter().map(|(_, unit)| unit).collect()
    }

    /// Those whose blocks are still whole, if all take more than `limit`.
    fn whole_and_done(&self, limit: usize) -> Vec<(usize, Arc<Block>)> {
        if self.bytes() <= limit {
            return Vec::new();
        }
        let whole = |unit: usize| match self.slots.get(&unit) {
            Some(Slot::Whole(loading)) => Some((unit, Arc::clone(loading.peek()?.as_ref().ok()?))),
            _ => None,
        };
        self.done_and_kept().into_iter().filter_map(whole).collect()
    }

    /// The units around one that are still to be matched.
    fn still_around(&self, unit: usize) -> Vec<usize> {
        let around = self.around.get(&unit).map_or(&[][..], Vec::as_slice);
        around
            .iter()
            .copied()
            .filter(|near| self.matched[*near].is_none())
            .collect()
    }

    fn shrink(&mut self, limit: usize) {
        let mut left = self.bytes();
        for unit in self.done_and_kept() {
            if left <= limit {
                break;
            }
            if let Some(slot) = self.slots.remove(&unit) {
                // What was still being read may be there meanwhile.
                left = left.saturating_sub(slot.bytes());
            }
        }
    }
}

/// The block, once it is read.
async fn loaded(loading: Loading) -> Result<Arc<Block>> {
    let was_there = loading.peek().is_some();
    let block = loading.await.map_err(DataFusionError::Shared)?;
    if !was_there {
        // Another partition that waited for it was woken on this thread, where no other thread takes up what was woken
        // last: it would stand behind the whole unit.
        give_way().await;
    }
    Ok(block)
}

/// Goes to the end of the queue, from where any thread may take it. `yield_now` would wait until this thread has nothing
/// else to do.
async fn give_way() {
    let mut gave = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut gave, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Slot {
    /// What the block takes once it is read.
    fn bytes(&self) -> usize {
        match self {
            Self::Whole(loading) => match loading.peek() {
                Some(Ok(block)) => block.bytes(),
                _ => 0,
            },
            Self::Part(block, _) => block.bytes(),
        }
    }
}
