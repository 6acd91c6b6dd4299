//! Prepared statements, and portals: a statement with its parameters bound, and how far its rows have been sent.
//!
//! ```text
//!  rows ──► pump, on the engine's threads: encodes slices of a batch ──► at most two chunks ──► socket
//! ```
//!
//! A client that does not read stops the pump, and with it the rows, a few hundred kilobytes ahead.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::BytesMut;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::error::ArrowError;
use datafusion::logical_expr::LogicalPlan;
use pgwire::api::Type;
use tokio::sync::{Mutex, mpsc};
use tokio_util::task::AbortOnDropHandle;

use super::control::Control;
use super::copy::{CopyBatch, CopyEncoder};
use super::describe::{self, Column};
use super::encode::{EncodedBatch, RowEncoder, Style, WireFormat};
use super::report::Failure;
use super::rows::Rows;
use super::statement::{CopyIn, ExecuteNamed, Planned, PrepareNamed, Purpose};
use super::utility::Utility;
use super::wire::Wire;
use crate::{Database, Error, ErrorKind, Result};

/// Rows that are encoded between two looks at how much there is.
const SLICE: usize = 256;

/// Bytes of encoded rows that go to the socket at once.
const CHUNK: usize = 128 << 10;

/// Chunks that wait for the socket.
const CHUNKS: usize = 2;

/// Time after which rows that are there are sent, be they ever so few.
const QUIET: Duration = Duration::from_millis(5);

/// What Parse leaves behind.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) text: String,
    pub(super) work: Work,
    pub(super) since: SystemTime,
    /// Whether PREPARE made it.
    pub(super) from_sql: bool,
}

/// What there is to do.
#[derive(Debug)]
pub(super) enum Work {
    /// A text without a statement.
    Nothing,
    Utility(Utility),
    Query(Box<Planned>),
    CopyIn(Box<CopyIn>),
    Prepare(Box<PrepareNamed>),
    Execute(Box<ExecuteNamed>),
}

impl Prepared {
    pub(super) fn new(text: String, work: Work) -> Self {
        Self {
            text,
            work,
            since: SystemTime::now(),
            from_sql: false,
        }
    }

    pub(super) fn parameters(&self) -> &[Type] {
        match &self.work {
            Work::Query(planned) => &planned.parameters,
            _ => &[],
        }
    }

    /// The columns of the rows, if there will be rows.
    pub(super) fn columns(&self) -> Option<Arc<[Column]>> {
        match &self.work {
            Work::Query(planned) => match planned.purpose() {
                Purpose::Rows => planned.columns.clone(),
                Purpose::CopyOut(_) | Purpose::Declare(_) => None,
            },
            Work::Utility(utility) => Some(utility.columns()?.into_iter().map(Column::text).collect()),
            Work::Nothing | Work::CopyIn(_) | Work::Prepare(_) | Work::Execute(_) => None,
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
    pub(super) cursor: Cursor,
}

/// What a portal is as a cursor of SQL.
#[derive(Debug, Clone)]
pub(super) struct Cursor {
    /// Whether DECLARE made it.
    pub(super) declared: bool,
    pub(super) holdable: bool,
    pub(super) binary: bool,
    pub(super) scrolls: bool,
    pub(super) since: SystemTime,
    /// When it was made, as [`super::transaction::Transaction`] counts.
    pub(super) born: u64,
}

impl Cursor {
    /// That of a portal of the protocol.
    pub(super) fn of_protocol(born: u64) -> Self {
        Self {
            declared: false,
            holdable: false,
            binary: false,
            scrolls: false,
            since: SystemTime::now(),
            born,
        }
    }
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
    rows: Arc<Mutex<Rows>>,
    encoder: Arc<Encoder>,
    /// Bytes that have been sent.
    bytes: u64,
}

/// How rows are written down.
pub(super) enum Encoder {
    Rows(RowEncoder),
    Copy(CopyEncoder),
}

/// A batch that is ready to be written down.
enum Opened {
    Rows(EncodedBatch),
    Copy(CopyBatch),
}

/// What the pump gives.
enum Part {
    Bytes {
        bytes: BytesMut,
        rows: usize,
    },
    /// There are no more rows, or as many have been sent as were asked for.
    End {
        more: bool,
    },
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
            cursor: Cursor::of_protocol(0),
        }
    }

    /// The columns of the rows, if there will be rows. Those of a statement that names a cursor are the cursor's.
    pub(super) fn columns(&self) -> Option<Arc<[Column]>> {
        match &self.prepared.work {
            Work::Query(planned) if self.cursor.declared => planned.columns.clone(),
            _ => self.prepared.columns(),
        }
    }

    /// Ready to send rows in the formats that were asked for.
    pub(super) fn sending(&self, rows: Rows, columns: &[Column], style: Style) -> Box<Sending> {
        let columns = columns.iter().enumerate();
        let columns = columns.map(|(at, column)| (column.kind.clone(), describe::format_of(&self.formats, at)));
        Box::new(Sending::new(rows, Encoder::Rows(RowEncoder::new(columns, style))))
    }
}

impl Encoder {
    fn open(&self, batch: &RecordBatch) -> Result<Opened, ArrowError> {
        Ok(match self {
            Self::Rows(encoder) => Opened::Rows(encoder.open(batch)?),
            Self::Copy(encoder) => Opened::Copy(encoder.open(batch)?),
        })
    }
}

impl Opened {
    fn write(&self, rows: std::ops::Range<usize>, first: bool, out: &mut BytesMut) {
        match self {
            Self::Rows(batch) => batch.write(rows, out),
            Self::Copy(batch) => batch.write(rows, first, out),
        }
    }
}

impl Sending {
    pub(super) fn new(rows: Rows, encoder: Encoder) -> Self {
        Self {
            rows: Arc::new(Mutex::new(rows)),
            encoder: Arc::new(encoder),
            bytes: 0,
        }
    }

    /// The rows themselves.
    pub(super) fn rows(&self) -> Arc<Mutex<Rows>> {
        Arc::clone(&self.rows)
    }

    pub(super) fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// Sends rows as they come, at most `limit` unless that is 0.
    pub(super) async fn send(
        &mut self,
        limit: usize,
        wire: &mut Wire,
        control: &Control,
        database: &Database,
    ) -> Result<Sent, Failure> {
        let (to, mut from) = mpsc::channel(CHUNKS);
        let pump = pump(Arc::clone(&self.rows), Arc::clone(&self.encoder), limit, to);
        let _pump = AbortOnDropHandle::new(database.engine().spawn(pump));
        let most = database.config().limits.max_result_bytes;
        let mut sent = 0;
        loop {
            let quiet = wire.is_empty();
            let step = async {
                tokio::select! {
                    biased;
                    part = from.recv() => Ok::<_, Failure>(Some(part)),
                    () = tokio::time::sleep(QUIET), if !quiet => Ok(None),
                }
            };
            match control.watch(wire, step).await? {
                None => control.flush(wire).await?,
                Some(Some(Ok(Part::Bytes { bytes, rows }))) => {
                    sent += rows;
                    self.bytes += bytes.len() as u64;
                    if most > 0 && self.bytes > most {
                        return Err(too_large(most).into());
                    }
                    wire.append(bytes);
                    if wire.is_full() {
                        control.flush(wire).await?;
                    }
                }
                Some(Some(Ok(Part::End { more: true }))) => return Ok(Sent::Some),
                Some(Some(Ok(Part::End { more: false }))) => return Ok(Sent::All { rows: sent }),
                Some(Some(Err(error))) => return Err(error.into()),
                Some(None) => {
                    let message = "the rows ended without saying so";
                    return Err(Error::new(ErrorKind::Internal, message).into());
                }
            }
        }
    }
}

fn too_large(most: u64) -> Error {
    let message = format!("the result is larger than the {most} bytes that limits.max_result_bytes allows");
    Error::new(ErrorKind::LimitExceeded, message).with_hint("Ask for fewer rows or columns, or CREATE TABLE … AS.")
}

/// Encodes rows until there are no more, or as many as were asked for, or nobody takes them.
async fn pump(rows: Arc<Mutex<Rows>>, encoder: Arc<Encoder>, limit: usize, to: mpsc::Sender<Result<Part>>) {
    let mut rows = rows.lock().await;
    let mut left = if limit == 0 { usize::MAX } else { limit };
    let mut first = true;
    while left > 0 {
        let batch = match rows.next(left).await {
            Ok(Some(batch)) => batch,
            Ok(None) => return drop(to.send(Ok(Part::End { more: false })).await),
            Err(error) => return drop(to.send(Err(error)).await),
        };
        let opened = match encoder.open(&batch) {
            Ok(opened) => opened,
            Err(error) => {
                let error = datafusion::error::DataFusionError::from(error).into();
                return drop(to.send(Err(error)).await);
            }
        };
        let (mut next, end) = (0, batch.num_rows());
        left -= end;
        while next < end {
            let start = next;
            let mut bytes = BytesMut::with_capacity(CHUNK + CHUNK / 4);
            while next < end && bytes.len() < CHUNK {
                let stop = end.min(next + SLICE);
                opened.write(next..stop, first, &mut bytes);
                (next, first) = (stop, false);
            }
            let part = Part::Bytes {
                bytes,
                rows: next - start,
            };
            if to.send(Ok(part)).await.is_err() {
                return;
            }
        }
    }
    drop(to.send(Ok(Part::End { more: true })).await);
}
