//! The rows that a client sends, in text, csv or binary, as record batches.
//!
//! ```text
//!  lines       bytes → lines       columns   values → arrays, typed as the table is
//!  attributes  line → values       binary    bytes → values
//! ```
//!
//! Errors say in which line, and in which column of it, as PostgreSQL's do.

mod attributes;
mod binary;
mod columns;
mod lines;
mod rows;

use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::array::RecordBatch;
use datafusion::common::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream;
use tokio::sync::mpsc;

use self::binary::BinaryReader;
use self::columns::Columns;
use self::rows::TextReader;
use super::options::Options;
use crate::session::Intake;
use crate::{Error, ErrorKind, Result};

/// Bytes that are read between two looks at how many rows there are.
const SLICE: usize = 256 << 10;

/// A piece of what the client sends.
#[derive(Debug)]
pub(in crate::pg) enum Piece {
    Data(Bytes),
    /// That was all. Without it nothing of what came before counts.
    End,
}

/// The rows for a table that come as such pieces.
///
/// # Errors
/// A column of the table is of a type that no client can spell.
pub(in crate::pg) fn records(
    intake: &Intake,
    options: &Arc<Options>,
    from: mpsc::Receiver<Piece>,
) -> Result<SendableRecordBatchStream> {
    let columns = Columns::new(intake.table(), &intake.schema())?;
    let reader = if options.is_binary() {
        Reader::Binary(BinaryReader::new(columns))
    } else {
        Reader::Text(Box::new(TextReader::new(columns, options)))
    };
    let source = Source {
        reader,
        from,
        rest: Bytes::new(),
        ended: false,
    };
    let batches = stream::try_unfold(source, |mut source| async move {
        let batch = source.next().await.map_err(DataFusionError::from)?;
        Ok(batch.map(|batch| (batch, source)))
    });
    Ok(Box::pin(RecordBatchStreamAdapter::new(intake.schema(), batches)))
}

enum Reader {
    Text(Box<TextReader>),
    Binary(BinaryReader),
}

impl Reader {
    fn push(&mut self, bytes: &[u8]) -> Result<()> {
        match self {
            Self::Text(reader) => reader.push(bytes),
            Self::Binary(reader) => reader.push(bytes),
        }
    }

    fn finish(&mut self) -> Result<()> {
        match self {
            Self::Text(reader) => reader.finish(),
            Self::Binary(reader) => reader.finish(),
        }
    }

    fn columns(&mut self) -> &mut Columns {
        match self {
            Self::Text(reader) => reader.columns(),
            Self::Binary(reader) => reader.columns(),
        }
    }
}

struct Source {
    reader: Reader,
    from: mpsc::Receiver<Piece>,
    /// Of the last piece, what has not been read.
    rest: Bytes,
    ended: bool,
}

impl Source {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        while !self.ended {
            if self.reader.columns().is_full() {
                return self.reader.columns().take().map(Some);
            }
            if !self.rest.is_empty() {
                let slice = self.rest.split_to(SLICE.min(self.rest.len()));
                self.reader.push(&slice)?;
                continue;
            }
            match self.from.recv().await {
                Some(Piece::Data(bytes)) => self.rest = bytes,
                Some(Piece::End) => {
                    self.reader.finish()?;
                    self.ended = true;
                }
                None => return Err(Error::new(ErrorKind::Closed, "the rows of the client broke off")),
            }
        }
        if self.reader.columns().is_empty() {
            return Ok(None);
        }
        self.reader.columns().take().map(Some)
    }
}
