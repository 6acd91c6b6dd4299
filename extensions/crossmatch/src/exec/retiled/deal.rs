//! Dealing the rows of one side into buckets, each a temporary file.
//!
//! Rows wait in memory until there are many, then each bucket's are written together. What waits is reserved; where memory
//! is short, less waits.

use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, UInt32Array};
use datafusion::arrow::compute::{concat_batches, take_record_batch};
use datafusion::common::utils::memory::get_record_batch_memory_size;
use datafusion::common::{Result, internal_err};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_plan::SpillManager;
use datafusion::physical_plan::spill::spill_pool::{SpillPoolSink, spsc_channel};
use futures::StreamExt;

use super::super::position::{Places, Position};
use super::buckets::Buckets;

/// Bytes of rows that wait to be written, at most.
const WAITING_BYTES: usize = 16 << 20;

/// Which buckets a row goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whither {
    /// The one in which it lies; rows that lie nowhere to the first one, or to none.
    Own { nowhere: bool },
    /// All in which it can have a partner.
    Reached,
}

/// One side, as it is dealt.
#[derive(Clone)]
pub(super) struct Side {
    pub(super) position: Position,
    pub(super) whither: Whither,
    pub(super) spill: Arc<SpillManager>,
    pub(super) batch_size: usize,
}

/// A bucket's rows of one side. Their file ends with them.
pub(super) struct Rows {
    pub(super) stream: SendableRecordBatchStream,
    pub(super) number: usize,
    /// Bytes that they take in memory.
    pub(super) bytes: usize,
}

/// Rows of a batch that go to a bucket, in stretches.
type Stretches = Vec<(usize, Range<usize>)>;

struct Dealer<'a> {
    side: &'a Side,
    files: Vec<Option<(SpillPoolSink, Rows)>>,
    /// Batches in the order of their buckets, and which rows each bucket has.
    waiting: Vec<(RecordBatch, Stretches)>,
    waiting_bytes: usize,
    reservation: MemoryReservation,
}

/// Deals all rows of `input`.
pub(super) async fn deal(
    mut input: SendableRecordBatchStream,
    side: &Side,
    buckets: &Buckets,
    reservation: MemoryReservation,
) -> Result<Vec<Option<Rows>>> {
    let mut dealer = Dealer {
        side,
        files: (0..buckets.len()).map(|_| None).collect(),
        waiting: Vec::new(),
        waiting_bytes: 0,
        reservation,
    };
    while let Some(batch) = input.next().await.transpose()? {
        dealer.take(&batch, buckets)?;
        tokio::task::consume_budget().await;
    }
    dealer.finish()
}

impl Dealer<'_> {
    fn take(&mut self, batch: &RecordBatch, buckets: &Buckets) -> Result<()> {
        let mut dealt = whither(self.side, batch, buckets)?;
        dealt.sort_unstable();
        let rows: UInt32Array = dealt.iter().map(|(_, row)| *row).collect();
        let rows = take_record_batch(batch, &rows)?;
        let mut parts = Vec::new();
        let mut start = 0;
        for part in dealt.chunk_by(|(a, _), (b, _)| a == b) {
            parts.extend(part.first().map(|(bucket, _)| (*bucket, start..start + part.len())));
            start += part.len();
        }
        if parts.is_empty() {
            return Ok(());
        }
        let bytes = get_record_batch_memory_size(&rows);
        if self.waiting_bytes + bytes > WAITING_BYTES || self.reservation.try_grow(bytes).is_err() {
            self.write()?;
            if self.reservation.try_grow(bytes).is_err() {
                // No room even for this one: it does not wait.
                self.waiting.push((rows, parts));
                return self.write();
            }
        }
        self.waiting_bytes += bytes;
        self.waiting.push((rows, parts));
        Ok(())
    }

    /// Writes all that waits.
    fn write(&mut self) -> Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        let mut slices: Vec<Vec<RecordBatch>> = vec![Vec::new(); self.files.len()];
        for (batch, parts) in &waiting {
            for (bucket, rows) in parts {
                slices[*bucket].push(batch.slice(rows.start, rows.len()));
            }
        }
        for (bucket, slices) in slices.into_iter().enumerate() {
            if slices.is_empty() {
                continue;
            }
            let rows = concat_batches(self.side.spill.schema(), &slices)?;
            let (sink, dealt) = self.files[bucket].get_or_insert_with(|| {
                let (sink, stream) = spsc_channel(usize::MAX, Arc::clone(&self.side.spill));
                let (number, bytes) = (0, 0);
                (sink, Rows { stream, number, bytes })
            });
            dealt.number += rows.num_rows();
            dealt.bytes += get_record_batch_memory_size(&rows);
            for start in (0..rows.num_rows()).step_by(self.side.batch_size.max(1)) {
                let length = self.side.batch_size.max(1).min(rows.num_rows() - start);
                sink.push_batch(&rows.slice(start, length))?;
            }
        }
        self.waiting_bytes = 0;
        self.reservation.free();
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<Option<Rows>>> {
        self.write()?;
        // A file is whole when its writer is gone.
        let rows = |file: Option<(SpillPoolSink, Rows)>| file.map(|(_, rows)| rows);
        Ok(self.files.into_iter().map(rows).collect())
    }
}

/// The buckets of a batch's rows.
fn whither(side: &Side, batch: &RecordBatch, buckets: &Buckets) -> Result<Vec<(usize, u32)>> {
    let places: Places = side.position.locate(batch, None)?;
    let mut dealt = Vec::with_capacity(places.len());
    match side.whither {
        Whither::Reached => {
            for (&index, &row) in places.index.iter().zip(&places.row) {
                buckets.reached(index, |bucket| dealt.push((bucket, row)));
            }
        }
        Whither::Own { nowhere } => {
            for (&index, &row) in places.index.iter().zip(&places.row) {
                let Some(bucket) = buckets.own(index) else {
                    return internal_err!("a row of a cross-match lies in no bucket");
                };
                dealt.push((bucket, row));
            }
            if nowhere && places.len() < batch.num_rows() {
                let rows = u32::try_from(batch.num_rows()).unwrap_or(u32::MAX);
                let mut somewhere = places.row.iter().peekable();
                for row in 0..rows {
                    if somewhere.next_if(|place| **place == row).is_none() {
                        dealt.push((0, row));
                    }
                }
            }
        }
    }
    Ok(dealt)
}
