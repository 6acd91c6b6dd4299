//! Matches of which only the number is asked for: by the indexes alone, and by coordinates where these leave a doubt.
//!
//! Coordinates are not read with the index. The few pairs about as far apart as the radius wait for the end of the unit;
//! then the rows in question are read once more, with their coordinates, and judged by the condition as written.

use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use dreyer_sphere::{PairTest, Verdict};

use super::around::Held;
use super::doubt::{Doubt, Pair, Row};
use crate::spec::{Join, MatchSpec, Pick};

/// Counts what comes out of a unit.
pub(super) struct Count {
    spec: MatchSpec,
    test: PairTest,
    schema: SchemaRef,
    /// Settles pairs that the indexes leave open.
    doubt: Doubt,
    /// Left rows with open pairs: how many sure ones each has, and where its open ones end in `pairs`.
    open: Vec<(usize, usize)>,
    pairs: Vec<Pair>,
    /// How many sure partners each of the rows that are counted together has.
    sure: Vec<u32>,
    /// The last left row that was counted.
    last: Option<Row>,
    /// Rows that are still to come out.
    owed: usize,
}

/// Marks a row that waits for its open pairs.
const WAITS: u32 = u32::MAX;

/// Rows that are counted together, after which others may want the thread: each may have very many partners.
pub(super) const AT_ONCE: usize = 1024;

/// Rows of a batch that comes out.
pub(super) const ROWS_OUT: usize = 1 << 16;

impl Count {
    pub(super) fn new(spec: MatchSpec, test: PairTest, schema: SchemaRef, doubt: Doubt) -> Self {
        Self {
            spec,
            test,
            schema,
            doubt,
            open: Vec::new(),
            pairs: Vec::new(),
            sure: Vec::new(),
            last: None,
            owed: 0,
        }
    }

    /// Counts left rows that lie nowhere: they have no index, and no partner.
    pub(super) fn take_nowhere(&mut self, rows: usize) {
        self.owed += rows * output(self.spec, 0);
    }

    /// Counts left rows with these indexes, one each. Gives how many pairs were looked at.
    pub(super) fn take(&mut self, indexes: &[u64], held: &Held) -> usize {
        self.sure.clear();
        self.sure.resize(indexes.len(), 0);
        let (mut candidates, mut doubts) = (0, Vec::new());
        let (test, sure) = (&self.test, &mut self.sure);
        held.search.near_each(held.index(), indexes, |place, entry, within| {
            candidates += 1;
            let verdict = if within {
                Verdict::Within
            } else {
                test.verdict(indexes[place], held.index()[entry])
            };
            match verdict {
                Verdict::Within => sure[place] += 1,
                Verdict::Beyond => {}
                Verdict::Unsure => doubts.push((place, entry)),
            }
        });
        for row in doubts.chunk_by(|(a, _), (b, _)| a == b) {
            let Some(&(place, _)) = row.first() else { continue };
            let left = Row::among(indexes, place, self.last);
            let right = |entry| Row::among(held.index(), entry, None);
            let pairs = row.iter().map(|(_, entry)| Pair {
                left,
                right: right(*entry),
            });
            self.pairs.extend(pairs);
            let sure = std::mem::replace(&mut self.sure[place], WAITS);
            self.open.push((sure as usize, self.pairs.len()));
        }
        if let Some(end) = indexes.len().checked_sub(1) {
            self.last = Some(Row::among(indexes, end, self.last));
        }
        let known = self.sure.iter().filter(|sure| **sure != WAITS);
        self.owed += known.map(|sure| output(self.spec, *sure as usize)).sum::<usize>();
        candidates
    }

    /// Adds what the open pairs of the unit do. The next unit starts anew.
    pub(super) async fn finish(&mut self) -> Result<()> {
        if self.open.is_empty() {
            return Ok(());
        }
        let accepted = self.doubt.settle(&self.pairs).await?;
        let mut from = 0;
        for (sure, to) in self.open.drain(..) {
            let settled = accepted[from..to].iter().filter(|accepted| **accepted).count();
            self.owed += output(self.spec, sure + settled);
            from = to;
        }
        self.pairs.clear();
        Ok(())
    }

    /// Some of the rows that come out, if there are `least` of them. Whoever counts them holds a value for each of a batch.
    pub(super) fn rows(&mut self, least: usize) -> Result<Option<RecordBatch>> {
        if self.owed < least {
            return Ok(None);
        }
        let rows = self.owed.min(ROWS_OUT);
        self.owed -= rows;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), Vec::new(), &options)?;
        Ok(Some(batch))
    }
}

/// How many rows come out of a left row with so many partners.
fn output(spec: MatchSpec, partners: usize) -> usize {
    let picked = match spec.pick {
        Pick::Nearest(k) => partners.min(k.get() as usize),
        Pick::All | Pick::Mutual => partners,
    };
    match spec.join {
        Join::Inner => picked,
        Join::Left => picked.max(1),
        Join::Semi => picked.min(1),
        Join::Anti => usize::from(picked == 0),
    }
}
