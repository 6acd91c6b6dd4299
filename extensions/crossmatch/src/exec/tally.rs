//! A match in which what comes out of a row is known only when all rows of the other side have streamed past: one
//! that the held rows drive, or a mutual one.
//!
//! Each partition keeps its own tally of the held rows: which were matched, or the nearest partners of each. At the end
//! of its input a partition adds it to the others'; the last one to do so gives the rows.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use datafusion::arrow::array::{Float64Array, RecordBatch, UInt32Array};
use datafusion::arrow::compute::take_record_batch;
use datafusion::common::{JoinSide, Result, internal_err};
use datafusion::execution::memory_pool::MemoryReservation;

use super::emit::{Emit, NO_ROW, Rows};
use super::index::SkyIndex;
use super::judge::{Accepted, gather};
use super::pick::{Partner, nearest};
use super::position::Places;
use super::stream::too_large;
use crate::spec::{Join, MatchSpec, Pick};

/// Streamed rows that are kept although no held row has chosen them any more, before they are cleared away.
const LITTER: usize = 65_536;

/// Bytes of a held row's list of partners.
const LIST_BYTES: usize = 96;

/// What one partition, or all of them, found out about the held rows.
#[derive(Debug)]
pub(crate) struct Tally {
    spec: MatchSpec,
    emit: Emit,
    held_side: JoinSide,
    /// Whether a held row has a partner, for matches that pick nothing.
    matched: Vec<bool>,
    /// The nearest partners of held rows, by entry, for matches that do; places are those of `kept`.
    best: HashMap<usize, Vec<Choice>>,
    /// Streamed rows that are or were some held row's partner.
    kept: Vec<RecordBatch>,
    kept_rows: usize,
    /// Accepted pairs of streamed rows that may have more.
    waiting: Vec<Pair>,
    reservation: MemoryReservation,
}

#[derive(Debug, Clone, Copy)]
struct Pair {
    row: u32,
    entry: usize,
    separation_deg: f64,
}

/// A streamed row chosen by a held one.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Choice {
    partner: Partner,
    /// Whether the streamed row's own nearest is the held one.
    returned: bool,
}

impl Tally {
    pub(crate) fn new(
        spec: MatchSpec,
        emit: Emit,
        held_side: JoinSide,
        held: &SkyIndex,
        reservation: MemoryReservation,
    ) -> Result<Self> {
        let flags = if spec.pick == Pick::All { held.len() } else { 0 };
        reservation.try_grow(flags).map_err(too_large)?;
        Ok(Self {
            spec,
            emit,
            held_side,
            matched: vec![false; flags],
            best: HashMap::new(),
            kept: Vec::new(),
            kept_rows: 0,
            waiting: Vec::new(),
            reservation,
        })
    }

    /// Forgets the batch before.
    pub(crate) fn begin(&mut self) {
        self.waiting.clear();
    }

    /// Counts accepted pairs, and gives those that come out at once. All pairs of the rows before `complete` are seen.
    pub(crate) fn take(
        &mut self,
        streamed: &RecordBatch,
        places: &Places,
        held: &SkyIndex,
        accepted: Option<Accepted>,
        complete: u32,
    ) -> Result<Option<RecordBatch>> {
        if self.spec.pick == Pick::All {
            let Some(accepted) = accepted else { return Ok(None) };
            for &entry in &accepted.pairs.held {
                self.matched[entry] = true;
            }
            if self.spec.join.has_right() {
                return self.emit.pairs(streamed, held, self.held_side, accepted).map(Some);
            }
            return Ok(None);
        }
        if let Some(accepted) = accepted {
            let Some(separation) = &accepted.separation else {
                return internal_err!("a match that picks must know the separation");
            };
            let pairs = accepted.pairs.streamed.iter().zip(&accepted.pairs.held);
            let pairs = pairs.zip(separation.values());
            self.waiting.extend(pairs.map(|((&row, &entry), &separation_deg)| Pair {
                row,
                entry,
                separation_deg,
            }));
        }
        let ready = self.waiting.partition_point(|pair| pair.row < complete);
        let later = self.waiting.split_off(ready);
        let ready = std::mem::replace(&mut self.waiting, later);
        self.choose(streamed, places, held, &ready)?;
        Ok(None)
    }

    /// Offers streamed rows to the held rows that they matched.
    fn choose(&mut self, streamed: &RecordBatch, places: &Places, held: &SkyIndex, pairs: &[Pair]) -> Result<()> {
        let (k, batch) = (self.most(), self.kept.len());
        let (mut rows, mut touched) = (Vec::<u32>::new(), Vec::new());
        for pairs in pairs.chunk_by(|a, b| a.row == b.row) {
            let own = match self.spec.pick {
                Pick::Mutual => own_nearest(held, pairs, self.emit.telling(self.held_side))?,
                _ => None,
            };
            for pair in pairs {
                let partner = Partner {
                    separation_deg: pair.separation_deg,
                    index: index_of(places, pair.row),
                    place: (batch, rows.len()),
                };
                let choices = self.best.entry(pair.entry).or_default();
                if choices.len() >= k && choices.iter().all(|choice| choice.partner.order(&partner).is_lt()) {
                    continue;
                }
                rows.push(pair.row);
                touched.push(pair.entry);
                choices.push(Choice {
                    partner,
                    returned: own == Some(held.place(pair.entry)),
                });
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        let new = take_record_batch(streamed, &UInt32Array::from(rows))?;
        let bytes = new.get_array_memory_size() + touched.len() * LIST_BYTES;
        self.reservation.try_grow(bytes).map_err(too_large)?;
        self.kept_rows += new.num_rows();
        self.kept.push(new);
        touched.sort_unstable();
        touched.dedup();
        for entry in touched {
            self.settle(entry)?;
        }
        if self.kept_rows > 2 * k * self.best.len() + LITTER {
            self.clear_away()?;
        }
        Ok(())
    }

    /// How many partners a held row can have.
    fn most(&self) -> usize {
        match self.spec.pick {
            Pick::Nearest(k) => k.get() as usize,
            _ => 1,
        }
    }

    /// Leaves a held row only its nearest partners.
    fn settle(&mut self, entry: usize) -> Result<()> {
        let k = self.most();
        let Some(choices) = self.best.get_mut(&entry).filter(|choices| choices.len() > 1) else {
            return Ok(());
        };
        let mut partners: Vec<Partner> = choices.iter().map(|choice| choice.partner).collect();
        nearest(&mut partners, k, &self.kept, self.emit.telling(self.held_side.negate()))?;
        let choice = |partner: Partner| {
            choices
                .iter()
                .find(|choice| choice.partner.place == partner.place)
                .copied()
        };
        let settled: Vec<Choice> = partners.into_iter().filter_map(choice).collect();
        *choices = settled;
        Ok(())
    }

    /// Forgets the streamed rows that are nobody's partner any more.
    fn clear_away(&mut self) -> Result<()> {
        let before: usize = self.kept.iter().map(RecordBatch::get_array_memory_size).sum();
        let mut places = Vec::new();
        for choice in self.best.values_mut().flatten() {
            places.push(choice.partner.place);
            choice.partner.place = (0, places.len() - 1);
        }
        let Some(first) = self.kept.first() else { return Ok(()) };
        let schema = first.schema();
        let columns = (0..schema.fields().len()).map(|column| gather(&self.kept, column, &places));
        let options = datafusion::arrow::array::RecordBatchOptions::new().with_row_count(Some(places.len()));
        let live = RecordBatch::try_new_with_options(schema, columns.collect::<Result<_>>()?, &options)?;
        self.kept_rows = live.num_rows();
        self.reservation.shrink(
            before
                .saturating_sub(live.get_array_memory_size())
                .min(self.reservation.size()),
        );
        self.kept = vec![live];
        Ok(())
    }

    /// Adds another partition's tally.
    fn add(&mut self, mut other: Self) -> Result<()> {
        for (mine, its) in self.matched.iter_mut().zip(&other.matched) {
            *mine |= its;
        }
        let shift = self.kept.len();
        self.kept.append(&mut other.kept);
        self.kept_rows += other.kept_rows;
        let bytes = other.reservation.free();
        self.reservation.try_grow(bytes).map_err(too_large)?;
        for (entry, choices) in other.best {
            let moved = choices.into_iter().map(|mut choice| {
                choice.partner.place.0 += shift;
                choice
            });
            self.best.entry(entry).or_default().extend(moved);
            self.settle(entry)?;
        }
        Ok(())
    }
}

/// Rows of the held side, batch by batch, once all of the other side has streamed past.
#[derive(Debug)]
pub(crate) struct Ending {
    tally: Tally,
    held: Arc<SkyIndex>,
    /// The entry of each row of each batch; [`NO_ENTRY`] for rows that lie nowhere.
    entries: Vec<Vec<usize>>,
    next: usize,
}

const NO_ENTRY: usize = usize::MAX;

impl Ending {
    fn new(mut tally: Tally, held: Arc<SkyIndex>) -> Self {
        if tally.spec.pick == Pick::Mutual {
            tally
                .best
                .retain(|_, choices| choices.iter().any(|choice| choice.returned));
        }
        let rows = held.batches.iter().map(|batch| vec![NO_ENTRY; batch.num_rows()]);
        let mut entries: Vec<_> = rows.collect();
        for entry in 0..held.len() {
            let (batch, row) = held.place(entry);
            entries[batch][row] = entry;
        }
        Self {
            tally,
            held,
            entries,
            next: 0,
        }
    }

    /// What comes of the next held batch that gives anything.
    pub(crate) fn next(&mut self) -> Result<Option<RecordBatch>> {
        while self.next < self.entries.len() {
            let batch = self.next;
            self.next += 1;
            let output = self.of_batch(batch)?;
            if output.num_rows() > 0 {
                return Ok(Some(output));
            }
        }
        Ok(None)
    }

    fn of_batch(&self, batch: usize) -> Result<RecordBatch> {
        let Tally {
            best, matched, spec, ..
        } = &self.tally;
        let (mut held, mut partners): (Vec<_>, Vec<Option<Partner>>) = (Vec::new(), Vec::new());
        for (row, entry) in self.entries[batch].iter().enumerate() {
            let choices = best.get(entry);
            let is_matched = choices.is_some() || matched.get(*entry).is_some_and(|&yes| yes);
            match (spec.join, is_matched) {
                (Join::Inner | Join::Left, true) => {
                    for choice in choices.into_iter().flatten() {
                        held.push((batch, row));
                        partners.push(Some(choice.partner));
                    }
                }
                (Join::Semi, true) | (Join::Left | Join::Anti, false) => {
                    held.push((batch, row));
                    partners.push(None);
                }
                (Join::Inner | Join::Semi, false) | (Join::Anti, true) => {}
            }
        }
        let separation = partners
            .iter()
            .map(|partner| partner.map(|partner| partner.separation_deg));
        let separation = self.tally.emit.measured.then(|| Float64Array::from_iter(separation));
        let places = partners
            .iter()
            .map(|partner| partner.map_or(NO_ROW, |partner| partner.place));
        let held = Rows::Among(&self.held.batches, held);
        let streamed = Rows::Among(&self.tally.kept, places.collect());
        match self.tally.held_side {
            JoinSide::Left => self.tally.emit.rows(&held, &streamed, separation),
            _ => self.tally.emit.rows(&streamed, &held, separation),
        }
    }
}

/// The tallies of all partitions.
#[derive(Debug)]
pub(crate) struct Shared {
    partitions: usize,
    state: Mutex<(usize, Option<Tally>)>,
}

impl Shared {
    pub(crate) fn new(partitions: usize) -> Self {
        Self {
            partitions,
            state: Mutex::new((0, None)),
        }
    }

    /// Adds the tally of a partition whose input has ended. The last one is given what is left to come out.
    pub(crate) fn end(&self, tally: Tally, held: &Arc<SkyIndex>) -> Result<Option<Ending>> {
        let Ok(mut state) = self.state.lock() else {
            return internal_err!("the tally of a cross-match was lost to a panic in another partition");
        };
        let (ended, sum) = &mut *state;
        match sum {
            Some(sum) => sum.add(tally)?,
            None => *sum = Some(tally),
        }
        *ended += 1;
        if *ended < self.partitions {
            return Ok(None);
        }
        *ended = 0;
        Ok(sum.take().map(|sum| Ending::new(sum, Arc::clone(held))))
    }
}

/// Where the held row lies that is nearest to the streamed row of these pairs.
fn own_nearest(held: &SkyIndex, pairs: &[Pair], telling: &[usize]) -> Result<Option<(usize, usize)>> {
    let partner = |pair: &Pair| Partner {
        separation_deg: pair.separation_deg,
        index: held.index_of(pair.entry),
        place: held.place(pair.entry),
    };
    let mut partners: Vec<Partner> = pairs.iter().map(partner).collect();
    nearest(&mut partners, 1, &held.batches, telling)?;
    Ok(partners.first().map(|partner| partner.place))
}

/// The HEALPix index of a row that lies somewhere.
fn index_of(places: &Places, row: u32) -> u64 {
    places.row.binary_search(&row).map_or(0, |place| places.index[place])
}
