//! COPY FROM STDIN: the client's rows on their way into a table.
//!
//! ```text
//!  socket ──► CopyData ──► a few pieces ──► records, on the engine's threads ──► the table's writer
//! ```
//!
//! The table gets all rows or none: whatever ends the copy before CopyDone drops the writer.

use std::sync::Arc;

use pgwire::messages::PgWireBackendMessage as Answer;
use pgwire::messages::PgWireFrontendMessage as Message;
use pgwire::messages::copy::CopyInResponse;
use tokio::sync::mpsc;

use super::super::connection::Connection;
use super::super::control::Control;
use super::super::copy::{self, Piece};
use super::super::report::Failure;
use super::super::statement::CopyIn;
use super::execute::{Task, joined};
use crate::{Error, ErrorKind, Result};

/// Messages of the client that wait to be read.
const PIECES: usize = 8;

/// What happens next to a copy.
enum Event {
    /// The writer has ended, which before the last row can only be an error.
    Ended(Result<u64>),
    Message(Option<Message>),
}

impl Connection {
    /// Takes rows from the client until it says that these were all; gives their number.
    pub(super) async fn copy_in(&mut self, copy: &CopyIn, control: &Control) -> Result<u64, Failure> {
        self.transaction.check()?;
        if !copy.intake.is_own() && self.door.settings().get("transaction_read_only") == Some("on") {
            let message = "cannot execute COPY FROM in a read-only transaction";
            return Err(Error::new(ErrorKind::ReadOnly, message).into());
        }
        let (to, from) = mpsc::channel(PIECES);
        let rows = copy::records(&copy.intake, &copy.options, from)?;
        let (session, intake) = (self.session.clone(), Arc::clone(&copy.intake));
        let mut writer = self.on_engine(async move { session.take_in(&intake, rows).await });

        self.invite(copy);
        control.flush(&mut self.wire).await?;
        if let Some(failure) = self.feed(copy, &to, &mut writer, control).await? {
            return Err(failure);
        }
        let rows = control.watch(&mut self.wire, joined(writer)).await?;
        self.transaction.wrote(true);
        Ok(rows)
    }

    #[expect(clippy::cast_possible_truncation, reason = "as many columns as a table has")]
    fn invite(&mut self, copy: &CopyIn) {
        let code = i16::from(copy.options.is_binary());
        let formats = vec![code; copy.intake.schema().fields().len()];
        let response = CopyInResponse::new(code as i8, formats.len() as i16, formats);
        self.wire.queue(&Answer::CopyInResponse(response));
    }

    /// Hands the client's rows to the writer until the last. An error of the copy is given back as a value.
    async fn feed(
        &mut self,
        copy: &CopyIn,
        to: &mpsc::Sender<Piece>,
        writer: &mut Task<u64>,
        control: &Control,
    ) -> Result<Option<Failure>, Failure> {
        loop {
            let event = tokio::select! {
                biased;
                failure = control.stopped() => return Err(failure),
                ended = &mut *writer => Event::Ended(ended_early(ended)),
                message = self.wire.read() => Event::Message(message?),
            };
            let piece = match event {
                Event::Ended(result) => return Ok(Some(early(result))),
                Event::Message(Some(Message::CopyData(data))) => Piece::Data(data.data),
                Event::Message(Some(Message::CopyDone(_))) => Piece::End,
                Event::Message(Some(Message::CopyFail(fail))) => {
                    let message = format!("COPY from stdin failed: {}", fail.message);
                    let error = Error::new(ErrorKind::Cancelled, message);
                    return Ok(Some(error.with_context(format!("COPY {}", copy.intake.table())).into()));
                }
                // Drivers send them blindly; in a copy they mean nothing.
                Event::Message(Some(Message::Flush(_) | Message::Sync(_))) => continue,
                Event::Message(Some(Message::Terminate(_)) | None) => return Err(Failure::Gone),
                Event::Message(Some(_)) => {
                    let message = "unexpected message type during COPY from stdin";
                    return Err(Failure::Fatal(Error::new(ErrorKind::ProtocolViolation, message)));
                }
            };
            let last = matches!(piece, Piece::End);
            let handed = tokio::select! {
                biased;
                failure = control.stopped() => return Err(failure),
                ended = &mut *writer => Err(ended_early(ended)),
                sent = to.send(piece) => Ok(sent),
            };
            match handed {
                Err(result) => return Ok(Some(early(result))),
                // Nobody reads any more: the writer is about to say why.
                Ok(Err(_)) => continue,
                Ok(Ok(())) if last => return Ok(None),
                Ok(Ok(())) => {}
            }
        }
    }
}

fn ended_early(ended: Result<Result<u64>, tokio::task::JoinError>) -> Result<u64> {
    ended.unwrap_or_else(|error| {
        let message = format!("a task of the statement ended: {error}");
        Err(Error::new(ErrorKind::Internal, message))
    })
}

/// Why a copy ended that was not to end yet.
fn early(result: Result<u64>) -> Failure {
    match result {
        Err(error) => error.into(),
        Ok(_) => Error::new(ErrorKind::Internal, "the writer ended before the rows did").into(),
    }
}
