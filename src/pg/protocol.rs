//! The messages of a conversation and what answers them.

mod copy_in;
mod execute;
mod extended;
mod simple;
mod startup;

use pgwire::messages::PgWireFrontendMessage as Message;

use super::connection::{Connection, Next};
use super::report::Failure;
use crate::{Error, ErrorKind};

pub(super) use execute::joined;
pub(super) use startup::{Started, start};

impl Connection {
    /// Answers one message.
    pub(super) async fn answer(&mut self, message: Message) -> Result<Next, Failure> {
        if self.skipping && !matches!(message, Message::Sync(_) | Message::Terminate(_)) {
            // Who asks for answers before the Sync, as asyncpg does, waits for the error.
            if matches!(message, Message::Flush(_)) {
                self.wire.flush().await?;
            }
            return Ok(Next::Go);
        }
        match message {
            Message::Query(query) => self.query(&query.query).await?,
            Message::Parse(parse) => self.parse(parse).await?,
            Message::Bind(bind) => self.bind(&bind)?,
            Message::Describe(describe) => self.describe(&describe)?,
            Message::Execute(execute) => self.execute(&execute).await?,
            Message::Close(close) => self.close(&close),
            Message::Flush(_) => self.wire.flush().await?,
            Message::Sync(_) => {
                self.skipping = false;
                self.ready().await?;
            }
            Message::Terminate(_) => return Ok(Next::Leave),
            // A client that meant to send data learns from the error of its COPY; what it has sent is dropped.
            Message::CopyData(_) | Message::CopyDone(_) | Message::CopyFail(_) => {}
            _ => {
                let error = Error::new(ErrorKind::ProtocolViolation, "a message that does not belong here");
                return Err(Failure::Fatal(error));
            }
        }
        Ok(Next::Go)
    }
}
