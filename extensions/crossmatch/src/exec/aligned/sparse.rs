//! Units of which little matters: few rows of one side, or few pairs. Of each side only those pages are read that may matter.
//!
//! ```text
//!   few right rows held    left:  ▒▒░░░░▒░░░░░░▒▒    ▒ pages read, ░ passed over
//!   few left rows seen     right: ░░░▒▒░░░░▒░░░░░
//!   few pairs of indexes   both:  ░░░░▒░░░░▒░░░░░    after the indexes of all rows
//! ```
//!
//! Planning cannot know it: what a filter leaves and where two catalogues overlap is told by the rows. Right rows come first,
//! so few of them are noticed at once. For left rows and pairs, the unit before speaks; one that turns out to hold many is
//! matched as any other.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use dreyer_sphere::{CellRanges, PairTest, Verdict};
use futures::{StreamExt, stream};

use super::super::output::index_of;
use super::super::{CrossMatchExec, IndexRole, Side, footprint};
use super::around::Held;
use super::count::AT_ONCE;
use super::sweep::Sweep;
use super::{Aligned, rows_within};
use crate::spec::Pick;

/// Rows, or pairs, that are few. Each costs a page of the other side, and a unit has some hundreds of pages.
const FEW: usize = 128;

/// What the next unit is like, by the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Many,
    FewLeft,
    FewPairs,
}

/// What is known of units of which little matters.
pub(super) struct Sparse {
    expected: Expected,
    /// Whether a part of the right side can be read, and is enough for left rows that lie there.
    right_in_parts: bool,
    /// Scans of the left and the right side that read nothing but the index, where that decides.
    indexes: Option<[Arc<dyn ExecutionPlan>; 2]>,
}

/// What is to be read of a unit; `None`: as ever.
#[derive(Default)]
pub(super) struct Found {
    pub(super) left: Option<SendableRecordBatchStream>,
    pub(super) right: Option<CellRanges>,
}

impl Sparse {
    pub(super) fn new(exec: &CrossMatchExec, role: IndexRole) -> Result<Self> {
        let right_in_parts = exec.right_side.index_column.is_some() && exec.terms.spec.pick != Pick::Mutual;
        let mut indexes = None;
        if right_in_parts && matches!(role, IndexRole::Decides { .. }) {
            let left = index_of(&exec.left, &exec.left_side)?;
            indexes = left.zip(index_of(&exec.right, &exec.right_side)?).map(<[_; 2]>::from);
        }
        Ok(Self {
            expected: Expected::Many,
            right_in_parts,
            indexes,
        })
    }

    /// Takes a unit that was matched as the pattern of the next.
    pub(super) fn learn(&mut self, sweep: &Sweep) {
        let (left, held) = (sweep.streamed, sweep.held.index().len());
        let few_pairs = sweep.candidates <= FEW;
        self.expected = match self.expected {
            Expected::FewLeft if left <= FEW => Expected::FewLeft,
            Expected::FewPairs if few_pairs => Expected::FewPairs,
            _ if held <= FEW || !self.right_in_parts => Expected::Many,
            _ if left <= FEW => Expected::FewLeft,
            _ if few_pairs && self.indexes.is_some() => Expected::FewPairs,
            _ => Expected::Many,
        };
    }
}

impl Aligned {
    /// What is to be read of a unit that is expected to hold little.
    pub(super) async fn look(&mut self, unit: &CellRanges, reach: &CellRanges) -> Result<Found> {
        let found = match (self.sparse.expected, self.sparse.indexes.clone()) {
            (Expected::FewLeft, _) => self.around_left(unit, reach).await?,
            (Expected::FewPairs, Some(indexes)) => self.around_pairs(indexes, unit, reach).await?,
            _ => Found::default(),
        };
        if found.right.is_some() {
            self.metrics.sparse_units.add(1);
        }
        Ok(found)
    }

    /// Looks at the left rows: if they are few, right ones matter only around them.
    async fn around_left(&mut self, unit: &CellRanges, reach: &CellRanges) -> Result<Found> {
        let mut input = self.left(unit)?;
        let (mut seen, mut indexes) = (Vec::new(), Vec::new());
        while indexes.len() <= FEW
            && let Some(batch) = input.next().await.transpose()?
        {
            let mut found = self.left_side.position.indexes(&batch, self.left_side.index_column)?;
            found.confine(unit);
            indexes.extend_from_slice(&found.index);
            seen.push(Ok(batch));
        }
        let few = indexes.len() <= FEW;
        indexes.sort_unstable();
        let right = few.then(|| self.footprint(&indexes).intersection(reach));
        let left = RecordBatchStreamAdapter::new(input.schema(), stream::iter(seen).chain(input));
        Ok(Found {
            left: Some(Box::pin(left)),
            right,
        })
    }

    /// Looks at the indexes: if few pairs may match, nothing else matters of right rows, nor of left ones that come out only
    /// with a partner.
    async fn around_pairs(
        &mut self,
        [left, right]: [Arc<dyn ExecutionPlan>; 2],
        unit: &CellRanges,
        reach: &CellRanges,
    ) -> Result<Found> {
        let side = Side::of_index();
        let around = self.turn.shared().of(&right, &side, reach).await?;
        let held = Held::new(&around, unit, self.reach_deg);
        let test = PairTest::new(self.reach_deg);
        let mut pairs: Vec<(u64, u64)> = Vec::new();
        let mut input = rows_within(&self.sources, &left, unit, &self.context)?;
        while let Some(batch) = input.next().await.transpose()? {
            let mut found = side.position.indexes(&batch, side.index_column)?;
            found.confine(unit);
            for some in found.index.chunks(AT_ONCE) {
                held.search.near_each(held.index(), some, |place, entry, within| {
                    let (left, right) = (some[place], held.index()[entry]);
                    if pairs.len() <= FEW && (within || test.verdict(left, right) != Verdict::Beyond) {
                        pairs.push((left, right));
                    }
                });
                if pairs.len() > FEW {
                    return Ok(Found::default());
                }
                tokio::task::consume_budget().await;
            }
        }
        let cells =
            |of: fn(&(u64, u64)) -> u64| CellRanges::from_ranges(pairs.iter().map(of).map(|cell| cell..cell + 1));
        let left = match self.terms.spec.join.keeps_unmatched() {
            true => None,
            false => Some(self.left(&cells(|pair| pair.0))?),
        };
        Ok(Found {
            left,
            right: Some(cells(|pair| pair.1)),
        })
    }

    /// The left rows of a unit; around the right rows only, if these are few and no others come out.
    pub(super) fn around_few(&self, unit: &CellRanges, held: &Held) -> Result<SendableRecordBatchStream> {
        let spec = self.terms.spec;
        if held.index().len() > FEW
            || spec.join.keeps_unmatched()
            || spec.pick == Pick::Mutual
            || self.left_side.index_column.is_none()
        {
            return self.left(unit);
        }
        self.metrics.sparse_units.add(1);
        self.left(&unit.intersection(&self.footprint(held.index())))
    }

    fn footprint(&self, indexes: &[u64]) -> CellRanges {
        footprint::parts(indexes, self.reach_deg, 1).pop().unwrap_or_default()
    }
}
