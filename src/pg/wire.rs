//! A client's socket with a buffer each way. Reading and writing can be given up at any `await` without losing bytes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::BytesMut;
use pgwire::messages::{DecodeContext, PgWireBackendMessage, PgWireFrontendMessage, ProtocolVersion};
use pgwire::tokio::server::MaybeTls;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::report::Failure;
use super::shape;
use crate::{Error, ErrorKind};

/// Bytes that are gathered before a write.
const FLUSH_AT: usize = 64 << 10;

/// Room for one read.
const READ_AT_ONCE: usize = 64 << 10;

/// Bytes that a client may send ahead while a statement of its runs.
const READ_AHEAD: usize = 1 << 20;

/// Longest message a client may send, in bytes: room for a large array as a parameter.
const MESSAGE_LIMIT: usize = 256 << 20;

/// The same of one that has not logged in, in bytes: PostgreSQL's bound.
const STRANGER_LIMIT: usize = 64 << 10;

/// One client's end of the line.
pub(super) struct Wire {
    io: MaybeTls,
    /// Longest message that is taken.
    limit: usize,
    inbox: BytesMut,
    outbox: BytesMut,
    context: DecodeContext,
}

impl Wire {
    /// The line of a stranger. `inbox` is what was read before.
    pub(super) fn new(io: MaybeTls, inbox: BytesMut, version: ProtocolVersion) -> Self {
        let mut context = DecodeContext::new(version);
        context.awaiting_frontend_ssl = false;
        context.awaiting_frontend_startup = false;
        Self {
            io,
            limit: STRANGER_LIMIT,
            inbox,
            outbox: BytesMut::with_capacity(FLUSH_AT + 4096),
            context,
        }
    }

    /// From now on messages may be long: it is known who is there.
    pub(super) fn trust(&mut self) {
        self.limit = MESSAGE_LIMIT;
    }

    /// From now on messages are those of that version.
    pub(super) fn speak(&mut self, version: ProtocolVersion) {
        self.context.protocol_version = version;
    }

    /// The next message, or `None` once the client has closed its end.
    pub(super) async fn read(&mut self) -> Result<Option<PgWireFrontendMessage>, Failure> {
        loop {
            if let Some(frame) = self.frame()? {
                return decode(frame, &self.context).map(Some);
            }
            self.inbox.reserve(READ_AT_ONCE);
            if self.io.read_buf(&mut self.inbox).await.map_err(|_| Failure::Gone)? == 0 {
                return Ok(None);
            }
        }
    }

    /// Cuts one whole message off the inbox.
    fn frame(&mut self) -> Result<Option<BytesMut>, Failure> {
        let Some(&[_, a, b, c, d]) = self.inbox.first_chunk::<5>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if !(4..=self.limit).contains(&length) {
            return Err(violation(format!("invalid message length {length}")));
        }
        Ok((self.inbox.len() > length).then(|| self.inbox.split_to(length + 1)))
    }

    /// Puts a message into the outbox.
    pub(super) fn queue(&mut self, message: &PgWireBackendMessage) {
        // Encoding fails for messages longer than a client would take; those are cut short before they get here.
        if let Err(error) = message.encode(&mut self.outbox) {
            tracing::error!(%error, "a message could not be sent");
        }
    }

    /// What will be sent with the next flush; for messages that are written in place.
    pub(super) fn outbox(&mut self) -> &mut BytesMut {
        &mut self.outbox
    }

    /// Puts messages that have been encoded elsewhere behind what is queued.
    pub(super) fn append(&mut self, bytes: BytesMut) {
        if self.outbox.is_empty() {
            self.outbox = bytes;
        } else {
            self.outbox.extend_from_slice(&bytes);
        }
    }

    /// Whether nothing is queued.
    pub(super) fn is_empty(&self) -> bool {
        self.outbox.is_empty()
    }

    /// Whether so much has gathered that it is time to send it.
    pub(super) fn is_full(&self) -> bool {
        self.outbox.len() >= FLUSH_AT
    }

    /// Sends everything queued. Given up halfway, the rest stays queued.
    pub(super) async fn flush(&mut self) -> Result<(), Failure> {
        while !self.outbox.is_empty() {
            self.io.write_buf(&mut self.outbox).await.map_err(|_| Failure::Gone)?;
        }
        self.io.flush().await.map_err(|_| Failure::Gone)
    }

    /// Completes when the client has hung up. Meanwhile reads ahead what it sends, up to a bound.
    pub(super) async fn hung_up(&mut self) {
        while self.inbox.len() < READ_AHEAD {
            match self.io.read_buf(&mut self.inbox).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        std::future::pending().await
    }

    /// Closes our end, after what is queued.
    pub(super) async fn close(&mut self) {
        if self.flush().await.is_ok() {
            let _ = self.io.shutdown().await;
        }
    }
}

/// Reads one message. The decoders of the protocol crate trust what a message says of itself, so that is looked at before;
/// should they stumble all the same, this message is an error, and nothing else.
fn decode(mut frame: BytesMut, context: &DecodeContext) -> Result<PgWireFrontendMessage, Failure> {
    let kind = frame.first().copied().unwrap_or_default();
    let malformed = || violation(format!("invalid message of type {}", kind.escape_ascii()));
    if !shape::fits(&frame) {
        return Err(malformed());
    }
    let decoded = catch_unwind(AssertUnwindSafe(|| PgWireFrontendMessage::decode(&mut frame, context)));
    match decoded {
        Ok(Ok(Some(message))) => Ok(message),
        Ok(Err(error)) => Err(violation(error.to_string())),
        Ok(Ok(None)) | Err(_) => Err(malformed()),
    }
}

fn violation(message: String) -> Failure {
    Failure::Fatal(Error::new(ErrorKind::ProtocolViolation, message))
}
