//! The search with a radius of each row's own: rows of similar radius search alike.
//!
//! Radii are sorted into classes by powers of two, one [`Search`] each, so that a single row with a radius of degrees
//! does not widen the search of all others.

use std::collections::HashMap;

use datafusion::arrow::array::RecordBatch;
use datafusion::common::{JoinSide, Result};
use std::sync::Arc;

use super::condition::{PairExpr, doubles};
use super::index::{Search, SkyIndex};
use super::interval::{Interval, extremes, upper};
use crate::spec::Radius;

/// Radii below this power of two, in degrees, search alike: 0.4 milliarcseconds, a cell of order 29.
const LEAST_CLASS: i32 = -23;

/// Finds the candidates of streamed rows among held ones.
#[derive(Debug)]
pub(crate) enum Finder {
    /// All rows search with the same radius.
    One(Search),
    /// Each row searches with its own.
    PerRow(PerRow),
}

#[derive(Debug)]
pub(crate) struct PerRow {
    radius: PairExpr,
    held: JoinSide,
    /// Extremes of the held side's columns in the radius.
    extremes: Vec<Option<Interval>>,
    classes: HashMap<i32, Search>,
}

impl Finder {
    /// A finder of candidates in `held`, the side that `held_side` says.
    pub(crate) fn new(held: &SkyIndex, held_side: JoinSide, radius: &Radius<PairExpr>) -> Result<Self> {
        Ok(match radius {
            Radius::Constant(radius_deg) => Self::One(Search::new(held, *radius_deg)),
            Radius::PerRow(radius) => Self::PerRow(PerRow {
                radius: radius.clone(),
                held: held_side,
                extremes: extremes(radius, held_side, &held.batches)?,
                classes: HashMap::new(),
            }),
        })
    }

    /// The radius of each row of a streamed batch in degrees, NaN for rows without; `None` if all have the same.
    pub(crate) fn radii_deg(&self, streamed: &RecordBatch) -> Result<Option<Vec<f64>>> {
        let Self::PerRow(each) = self else { return Ok(None) };
        if each.radius.reads(each.held) {
            return upper(&each.radius, &each.extremes, streamed).map(Some);
        }
        let values = each.radius.evaluate(streamed.num_rows(), |column| {
            Ok(Arc::clone(streamed.column(column.index)))
        })?;
        let values = doubles(&values)?;
        Ok(Some(values.iter().map(|radius| radius.unwrap_or(f64::NAN)).collect()))
    }

    /// Calls `found` with every entry of `held` that may lie within the radius of a row at `index`, `vector`.
    #[inline]
    pub(crate) fn candidates(
        &mut self,
        held: &SkyIndex,
        radius_deg: Option<f64>,
        index: u64,
        vector: [f64; 3],
        found: impl FnMut(usize),
    ) {
        match self {
            Self::One(search) => search.candidates(held, index, vector, found),
            Self::PerRow(each) => {
                let radius_deg = radius_deg.unwrap_or(f64::NAN);
                if radius_deg >= 0.0 {
                    each.search(held, radius_deg).candidates(held, index, vector, found);
                }
            }
        }
    }
}

impl PerRow {
    fn search(&mut self, held: &SkyIndex, radius_deg: f64) -> &mut Search {
        // The least power of two that is not below the radius.
        let radius_deg = radius_deg.min(180.0);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the logarithm of a radius up to 180 is a small number"
        )]
        let class = (radius_deg.log2().ceil() as i32).max(LEAST_CLASS);
        self.classes
            .entry(class)
            .or_insert_with(|| Search::new(held, f64::from(class).exp2().max(radius_deg).min(180.0)))
    }
}
