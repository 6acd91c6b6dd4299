//! A client that says exactly what it is told to, message by message.

use bytes::{Bytes, BytesMut};
use pgwire::messages::extendedquery::{Bind, Close, Describe, Execute, Flush, Parse, Sync};
use pgwire::messages::response::TransactionStatus;
use pgwire::messages::simplequery::Query;
use pgwire::messages::startup::Startup;
use pgwire::messages::{
    DecodeContext, PgWireBackendMessage as Answer, PgWireFrontendMessage as Message, ProtocolVersion,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Server;

pub(crate) struct Client {
    pub(super) socket: TcpStream,
    inbox: BytesMut,
    context: DecodeContext,
}

impl Client {
    /// A client whose session has started.
    pub(super) async fn connect(server: &Server) -> Self {
        Self::to(&server.address.to_string()).await
    }

    /// The same of a server elsewhere.
    pub(crate) async fn to(address: &str) -> Self {
        let mut client = Self::over(TcpStream::connect(address).await.unwrap());
        let mut startup = Startup::new();
        startup.protocol_number_minor = 0;
        startup.parameters.insert("user".to_owned(), "dreyer".to_owned());
        startup.parameters.insert("database".to_owned(), "dreyer".to_owned());
        client.send(&[Message::Startup(startup)]).await;
        client.until_ready().await;
        client
    }

    /// A client of a session that has started, or is about to.
    pub(super) fn over(socket: TcpStream) -> Self {
        let mut context = DecodeContext::new(ProtocolVersion::PROTOCOL3_0);
        (context.awaiting_frontend_ssl, context.awaiting_frontend_startup) = (false, false);
        Self {
            socket,
            inbox: BytesMut::new(),
            context,
        }
    }

    /// Sends messages in one write.
    pub(crate) async fn send(&mut self, messages: &[Message]) {
        let mut out = BytesMut::new();
        for message in messages {
            message.encode(&mut out).unwrap();
        }
        self.socket.write_all(&out).await.unwrap();
    }

    /// The next answer; `None` once the server has hung up.
    pub(crate) async fn next(&mut self) -> Option<Answer> {
        loop {
            if let Some(answer) = Answer::decode(&mut self.inbox, &self.context).unwrap() {
                return Some(answer);
            }
            if self.socket.read_buf(&mut self.inbox).await.unwrap() == 0 {
                return None;
            }
        }
    }

    /// The answers up to and with ReadyForQuery, each in a word.
    pub(crate) async fn until_ready(&mut self) -> Vec<String> {
        let mut words = Vec::new();
        while let Some(answer) = self.next().await {
            words.push(word(&answer));
            if matches!(answer, Answer::ReadyForQuery(_)) {
                break;
            }
        }
        words
    }

    /// Sends messages and a Sync, and collects the answers.
    pub(super) async fn say(&mut self, mut messages: Vec<Message>) -> Vec<String> {
        messages.push(Message::Sync(Sync::new()));
        self.send(&messages).await;
        self.until_ready().await
    }
}

/// An answer in a word, with what matters of it.
pub(crate) fn word(answer: &Answer) -> String {
    match answer {
        Answer::DataRow(_) => "row".to_owned(),
        Answer::CommandComplete(done) => done.tag.clone(),
        Answer::PortalSuspended(_) => "suspended".to_owned(),
        Answer::ParseComplete(_) => "parsed".to_owned(),
        Answer::BindComplete(_) => "bound".to_owned(),
        Answer::CloseComplete(_) => "closed".to_owned(),
        Answer::NoData(_) => "no data".to_owned(),
        Answer::EmptyQueryResponse(_) => "empty".to_owned(),
        Answer::RowDescription(rows) => format!("{} columns", rows.fields.len()),
        Answer::ParameterDescription(parameters) => format!("{} parameters", parameters.types.len()),
        Answer::ErrorResponse(error) => {
            let field = |key| {
                error
                    .fields
                    .iter()
                    .find(|(code, _)| *code == key)
                    .map_or("", |(_, text)| text)
            };
            format!("{} {}", field(b'S'), field(b'C'))
        }
        Answer::ReadyForQuery(ready) => match ready.status {
            TransactionStatus::Idle => "ready".to_owned(),
            TransactionStatus::Transaction => "ready in block".to_owned(),
            TransactionStatus::Error => "ready in failed block".to_owned(),
        },
        other => format!("{other:?}")
            .split(['(', ' '])
            .next()
            .unwrap_or_default()
            .to_owned(),
    }
}

pub(crate) fn query(text: &str) -> Message {
    Message::Query(Query::new(text.to_owned()))
}

pub(super) fn parse(name: &str, text: &str) -> Message {
    Message::Parse(Parse::new(Some(name.to_owned()), text.to_owned(), vec![]))
}

pub(super) fn bind(portal: &str, statement: &str, values: &[&str]) -> Message {
    let values = values
        .iter()
        .map(|value| Some(Bytes::copy_from_slice(value.as_bytes())))
        .collect();
    Message::Bind(Bind::new(
        Some(portal.to_owned()),
        Some(statement.to_owned()),
        vec![],
        values,
        vec![],
    ))
}

pub(super) fn execute(portal: &str, rows: i32) -> Message {
    Message::Execute(Execute::new(Some(portal.to_owned()), rows))
}

pub(super) fn describe(kind: u8, name: &str) -> Message {
    Message::Describe(Describe::new(kind, Some(name.to_owned())))
}

pub(super) fn close(kind: u8, name: &str) -> Message {
    Message::Close(Close::new(kind, Some(name.to_owned())))
}

pub(super) fn flush() -> Message {
    Message::Flush(Flush::new())
}
