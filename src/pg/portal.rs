//! Prepared statements, and portals: a statement with its parameters bound, and how far its rows have been sent.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::LogicalPlan;
use futures::TryStreamExt;
use pgwire::api::Type;

use super::control::Control;
use super::describe::{self, Column};
use super::encode::{EncodedBatch, RowEncoder, Style, WireFormat};
use super::report::Failure;

use super::statement::Planned;
use super::utility::Utility;
use super::wire::Wire;
use crate::Error;

/// Rows that are encoded between two looks at whether to go on.
const SLICE: usize = 256;

/// What Parse leaves behind.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) text: String,
    pub(super) work: Work,
}

/// What there is to do.
#[derive(Debug)]
pub(super) enum Work {
    /// A text without a statement.
    Nothing,
    Utility(Utility),
    Query(Box<Planned>),
}

impl Prepared {
    pub(super) fn parameters(&self) -> &[Type] {
        match &self.work {
            Work::Query(planned) => &planned.parameters,
            Work::Nothing | Work::Utility(_) => &[],
        }
    }

    /// The columns of the rows, if there will be rows.
    pub(super) fn columns(&self) -> Option<Arc<[Column]>> {
        match &self.work {
            Work::Query(planned) => planned.columns.clone(),
            Work::Utility(utility) => Some(utility.columns()?.into_iter().map(Column::text).collect()),
            Work::Nothing => None,
        }
    }
}

/// What Bind leaves behind.
pub(super) struct Portal {
    pub(super) prepared: Arc<Prepared>,
    /// The plan with its parameters' values; `None` for what is not a query.
    pub(super) plan: Option<LogicalPlan>,
    pub(super) formats: Vec<WireFormat>,
    pub(super) progress: Progress,
}

/// How far a portal has come.
pub(super) enum Progress {
    Bound,
    Sending(Box<Sending>),
    /// All has been sent, or it has failed.
    Done,
}

/// A result on its way.
pub(super) struct Sending {
    rows: SendableRecordBatchStream,
    encoder: RowEncoder,
    batch: Option<Slice>,
}

/// A batch, and its rows that are still to be sent.
struct Slice {
    batch: EncodedBatch,
    next: usize,
    end: usize,
}

/// How an Execute ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// Everything there is.
    All { rows: usize },
    /// As many rows as were asked for; there may be more.
    Some,
}

impl Portal {
    /// A portal for a statement without parameters, all of whose columns are sent as text.
    pub(super) fn simple(prepared: Arc<Prepared>, plan: Option<LogicalPlan>) -> Self {
        Self {
            prepared,
            plan,
            formats: Vec::new(),
            progress: Progress::Bound,
        }
    }

    /// Ready to send rows in the formats that were asked for.
    pub(super) fn sending(&self, rows: SendableRecordBatchStream, columns: &[Column], style: Style) -> Box<Sending> {
        let columns = columns.iter().enumerate();
        let columns = columns.map(|(at, column)| (column.kind.clone(), describe::format_of(&self.formats, at)));
        Box::new(Sending {
            rows,
            encoder: RowEncoder::new(columns, style),
            batch: None,
        })
    }
}

impl Sending {
    /// Sends rows as they come, at most `limit` unless that is 0.
    pub(super) async fn send(&mut self, limit: usize, wire: &mut Wire, control: &Control) -> Result<Sent, Failure> {
        let mut sent = 0;
        loop {
            let slice = match &mut self.batch {
                Some(slice) => slice,
                empty @ None => {
                    if wire.is_full() {
                        control.flush(wire).await?;
                    }
                    let Some(batch) = control.watch(wire, next(&mut self.rows)).await? else {
                        return Ok(Sent::All { rows: sent });
                    };
                    empty.insert(Slice {
                        end: batch.num_rows(),
                        batch: self.encoder.open(&batch).map_err(arrow)?,
                        next: 0,
                    })
                }
            };
            let mut count = SLICE.min(slice.end - slice.next);
            if limit > 0 {
                count = count.min(limit - sent);
            }
            slice.batch.write(slice.next..slice.next + count, wire.outbox());
            slice.next += count;
            sent += count;
            if slice.next == slice.end {
                self.batch = None;
            }
            if wire.is_full() {
                control.flush(wire).await?;
            }
            if limit > 0 && sent == limit {
                return Ok(Sent::Some);
            }
        }
    }
}

async fn next(rows: &mut SendableRecordBatchStream) -> Result<Option<RecordBatch>, Error> {
    Ok(rows.try_next().await?)
}

fn arrow(error: datafusion::arrow::error::ArrowError) -> Failure {
    Failure::Error(datafusion::error::DataFusionError::from(error).into())
}
