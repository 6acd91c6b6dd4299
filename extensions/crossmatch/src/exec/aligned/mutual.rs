//! Pairs of which each row is the nearest of the other, unit by unit.
//!
//! ```text
//!  unit + 2 radii   left rows: whoever might take a right row away from a left row of the unit
//!  unit + radius    right rows
//!  unit             left rows that come out, with their partner, without, or not at all
//! ```
//!
//! Whether a row of the unit is chosen back is known when all these left rows have passed, so the unit's rows wait for
//! its end. Of the pairs only those wait of which one row is the nearest so far of the other.

use std::collections::HashMap;

use datafusion::arrow::array::{Float64Array, RecordBatch, UInt32Array};
use datafusion::common::{JoinSide, Result, internal_err};
use datafusion::execution::memory_pool::MemoryReservation;
use dreyer_sphere::CellRanges;

use super::super::emit::{Emit, NO_ROW, Rows};
use super::super::index::SkyIndex;
use super::super::indexes::Indexes;
use super::super::judge::Accepted;
use super::super::pick::{Partner, nearest};
use super::super::stream::too_large;
use crate::spec::{Join, MatchSpec};

/// Pairs that may wait although they are out of the question, before they are cleared away.
const LITTER: usize = 65_536;

/// Batch and row of a left row.
type Place = (usize, usize);

/// One unit's rows, waiting for its end.
#[derive(Debug)]
pub(super) struct Mutual {
    spec: MatchSpec,
    emit: Emit,
    unit: CellRanges,
    left: Vec<RecordBatch>,
    /// Of each batch the rows that lie in the unit, in order.
    own: Vec<Vec<u32>>,
    pairs: Vec<Pair>,
    /// So many pairs were left when they were last looked through.
    settled: usize,
    /// At the end: the partner of each left row that has one.
    partners: Option<HashMap<Place, Partner>>,
    next: usize,
    reservation: MemoryReservation,
}

#[derive(Debug, Clone, Copy)]
struct Pair {
    left: Place,
    left_index: u64,
    entry: usize,
    separation_deg: f64,
}

impl Pair {
    /// The left row as its partner sees it.
    fn left(&self) -> Partner {
        Partner {
            separation_deg: self.separation_deg,
            index: self.left_index,
            place: self.left,
        }
    }

    /// The right row likewise.
    fn right(&self, held: &SkyIndex) -> Partner {
        Partner {
            separation_deg: self.separation_deg,
            index: held.index_of(self.entry),
            place: held.place(self.entry),
        }
    }
}

impl Mutual {
    pub(super) fn new(spec: MatchSpec, emit: Emit, unit: CellRanges, reservation: MemoryReservation) -> Self {
        Self {
            spec,
            emit,
            unit,
            left: Vec::new(),
            own: Vec::new(),
            pairs: Vec::new(),
            settled: 0,
            partners: None,
            next: 0,
            reservation,
        }
    }

    /// A batch of left rows, in the unit or around it, whose pairs are to follow.
    pub(super) fn begin(&mut self, batch: &RecordBatch, indexes: &Indexes) -> Result<()> {
        let inside = (0..indexes.index.len()).filter(|place| self.unit.contains(indexes.index[*place]));
        self.own.push(inside.map(|place| indexes.row(place)).collect());
        let bytes = batch.get_array_memory_size() + batch.num_rows() * size_of::<u32>();
        self.reservation.try_grow(bytes).map_err(too_large)?;
        self.left.push(batch.clone());
        Ok(())
    }

    /// Accepted pairs of the last batch.
    pub(super) fn take(&mut self, indexes: &Indexes, held: &SkyIndex, accepted: &Accepted) -> Result<()> {
        let (Some(separation), Some(batch)) = (&accepted.separation, self.left.len().checked_sub(1)) else {
            return internal_err!("a match that picks must know the separation");
        };
        let pairs = accepted.pairs.streamed.iter().zip(&accepted.pairs.held);
        for ((&row, &entry), &separation_deg) in pairs.zip(separation.values()) {
            self.pairs.push(Pair {
                left: (batch, row as usize),
                left_index: indexes.of_row(row),
                entry,
                separation_deg,
            });
        }
        if self.pairs.len() > 2 * self.settled + LITTER {
            self.clear_away(held)?;
        }
        Ok(())
    }

    /// Forgets pairs that are nobody's nearest. Equally near ones stay.
    fn clear_away(&mut self, held: &SkyIndex) -> Result<()> {
        let (mut of_left, mut of_right) = (HashMap::new(), HashMap::new());
        for pair in &self.pairs {
            nearer(&mut of_left, pair.left, pair.right(held));
            nearer(&mut of_right, pair.entry, pair.left());
        }
        self.pairs.retain(|pair| {
            let first = |known: Option<&Partner>, own: Partner| known.is_some_and(|known| known.order(&own).is_eq());
            first(of_left.get(&pair.left), pair.right(held)) || first(of_right.get(&pair.entry), pair.left())
        });
        let grown = self.pairs.len().saturating_sub(self.settled) * size_of::<Pair>();
        self.reservation.try_grow(grown).map_err(too_large)?;
        self.settled = self.pairs.len().max(self.settled);
        Ok(())
    }

    /// After the last batch: what comes out of the next one that gives anything.
    pub(super) fn next(&mut self, held: &SkyIndex) -> Result<Option<RecordBatch>> {
        if self.partners.is_none() {
            self.partners = Some(self.choose(held)?);
        }
        while self.next < self.left.len() {
            let batch = self.next;
            self.next += 1;
            let output = self.of_batch(batch, held)?;
            if output.num_rows() > 0 {
                return Ok(Some(output));
            }
        }
        Ok(None)
    }

    /// The partner of each left row that its nearest right row chooses back.
    fn choose(&mut self, held: &SkyIndex) -> Result<HashMap<Place, Partner>> {
        let mut pairs = std::mem::take(&mut self.pairs);
        let mut chosen = HashMap::new();
        pairs.sort_by_key(|pair| pair.entry);
        for pairs in pairs.chunk_by(|a, b| a.entry == b.entry) {
            let mut partners: Vec<Partner> = pairs.iter().map(Pair::left).collect();
            nearest(&mut partners, 1, &self.left, self.emit.telling(JoinSide::Left))?;
            if let (Some(pair), Some(partner)) = (pairs.first(), partners.first()) {
                chosen.insert(held.place(pair.entry), partner.place);
            }
        }
        let mut mutual = HashMap::new();
        pairs.sort_by_key(|pair| pair.left);
        for pairs in pairs.chunk_by(|a, b| a.left == b.left) {
            let mut partners: Vec<Partner> = pairs.iter().map(|pair| pair.right(held)).collect();
            nearest(&mut partners, 1, &held.batches, self.emit.telling(JoinSide::Right))?;
            if let (Some(pair), Some(partner)) = (pairs.first(), partners.first())
                && chosen.get(&partner.place) == Some(&pair.left)
            {
                mutual.insert(pair.left, *partner);
            }
        }
        Ok(mutual)
    }

    fn of_batch(&self, batch: usize, held: &SkyIndex) -> Result<RecordBatch> {
        let (mut rows, mut partners) = (Vec::new(), Vec::new());
        for &row in &self.own[batch] {
            let place = (batch, row as usize);
            let partner = self
                .partners
                .as_ref()
                .and_then(|partners| partners.get(&place))
                .copied();
            let (comes, partner) = match (self.spec.join, partner) {
                (Join::Inner, partner) => (partner.is_some(), partner),
                (Join::Left, partner) => (true, partner),
                (Join::Semi, partner) => (partner.is_some(), None),
                (Join::Anti, partner) => (partner.is_none(), None),
            };
            if comes {
                rows.push(row);
                partners.push(partner);
            }
        }
        let separation = self.emit.measured.then(|| {
            let apart = partners
                .iter()
                .map(|partner| partner.map(|partner| partner.separation_deg));
            Float64Array::from_iter(apart)
        });
        let places = partners
            .iter()
            .map(|partner| partner.map_or(NO_ROW, |partner| partner.place));
        let left = Rows::Of(&self.left[batch], UInt32Array::from(rows));
        let right = Rows::Among(&held.batches, places.collect());
        self.emit.rows(&left, &right, separation)
    }
}

/// Remembers the nearest partner of a row.
fn nearer<K: Eq + std::hash::Hash>(known: &mut HashMap<K, Partner>, row: K, partner: Partner) {
    let nearest = known.entry(row).or_insert(partner);
    if partner.order(nearest).is_lt() {
        *nearest = partner;
    }
}
