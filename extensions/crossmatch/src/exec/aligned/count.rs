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
    /// The left row before, and how many came before it with the same index.
    last: Option<Row>,
}

impl Count {
    pub(super) fn new(spec: MatchSpec, test: PairTest, schema: SchemaRef, doubt: Doubt) -> Self {
        Self {
            spec,
            test,
            schema,
            doubt,
            open: Vec::new(),
            pairs: Vec::new(),
            last: None,
        }
    }

    /// Counts a batch of left rows with these indexes, one each. Gives the rows that come out, and how many pairs were
    /// looked at.
    pub(super) fn take(
        &mut self,
        batch: &RecordBatch,
        indexes: &[u64],
        held: &Held,
    ) -> Result<(Option<RecordBatch>, usize)> {
        // Rows that lie nowhere have no index, and no partner.
        let mut rows = (batch.num_rows() - indexes.len()) * self.output(0);
        let mut candidates = 0;
        for &index in indexes {
            let left = Row::after(self.last, index);
            self.last = Some(left);
            let (mut sure, before) = (0, self.pairs.len());
            let (test, pairs) = (&self.test, &mut self.pairs);
            held.search.near(held.index(), index, |entry| {
                candidates += 1;
                match test.verdict(index, held.index()[entry]) {
                    Verdict::Within => sure += 1,
                    Verdict::Beyond => {}
                    Verdict::Unsure => pairs.push(Pair {
                        left,
                        right: Row::at(held.index(), entry),
                    }),
                }
            });
            if self.pairs.len() > before {
                self.open.push((sure, self.pairs.len()));
            } else {
                rows += self.output(sure);
            }
        }
        Ok((self.batch(rows)?, candidates))
    }

    /// What the open pairs of the unit add. The next unit starts anew.
    pub(super) async fn finish(&mut self) -> Result<Option<RecordBatch>> {
        if self.open.is_empty() {
            return Ok(None);
        }
        let accepted = self.doubt.settle(&self.pairs).await?;
        let mut rows = 0;
        let mut from = 0;
        for (sure, to) in self.open.drain(..) {
            let settled = accepted[from..to].iter().filter(|accepted| **accepted).count();
            rows += output(self.spec, sure + settled);
            from = to;
        }
        self.pairs.clear();
        self.batch(rows)
    }

    fn output(&self, partners: usize) -> usize {
        output(self.spec, partners)
    }

    fn batch(&self, rows: usize) -> Result<Option<RecordBatch>> {
        if rows == 0 {
            return Ok(None);
        }
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
