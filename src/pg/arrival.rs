//! A client arrives: whether to encrypt, then the first packet, which says who it is or what it cancels.
//!
//! Every packet is read to its last byte and no further. So nothing that was sent in clear text before the encryption
//! began can pass for something that was said inside it.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::BytesMut;
use pgwire::messages::cancel::CancelRequest;
use pgwire::messages::startup::Startup;
use pgwire::messages::{DecodeContext, PgWireFrontendMessage, ProtocolVersion};
use pgwire::tokio::server::MaybeTls;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::tls::{Loaded, Tls, asked_for_postgres};
use crate::{Error, ErrorKind};

/// Longest first packet, in bytes: PostgreSQL's bound.
const PACKET_LIMIT: usize = 10_000;

/// What stands where a protocol version would, in the two questions about encryption.
const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;

/// How TLS without a question before it begins.
const TLS_HANDSHAKE: u8 = 0x16;

/// Who knocks.
pub(super) enum Arrival {
    Client(Box<Client>),
    /// Somebody on a line of their own, who wants a statement of another one stopped.
    Cancel(MaybeTls, CancelRequest),
    /// It cannot come in, and is to be told why.
    Refused(MaybeTls, Error),
    /// There is nobody left to tell.
    Gone,
}

/// A client that has said who it is.
pub(super) struct Client {
    pub(super) io: MaybeTls,
    pub(super) peer: SocketAddr,
    /// The certificate that the line is encrypted with, if it is.
    pub(super) tls: Option<Arc<Loaded>>,
    pub(super) startup: Startup,
}

/// Hears a client out to its first packet.
pub(super) async fn receive(socket: TcpStream, tls: Option<&Tls>) -> Arrival {
    hear(socket, tls).await.unwrap_or(Arrival::Gone)
}

async fn hear(socket: TcpStream, tls: Option<&Tls>) -> Option<Arrival> {
    let peer = socket.peer_addr().ok()?;
    socket.set_nodelay(true).ok()?;
    let mut first = [0];
    socket.peek(&mut first).await.ok()?;
    if first == [TLS_HANDSHAKE] {
        let loaded = tls?.now();
        let stream = loaded.acceptor.accept(socket).await.ok()?;
        if !asked_for_postgres(&stream) {
            return None;
        }
        return encrypted(MaybeTls::Tls(Box::new(stream)), peer, loaded).await;
    }
    let mut socket = socket;
    let (mut ssl, mut gss) = (false, false);
    loop {
        let mut packet = match packet(&mut socket).await? {
            Ok(packet) => packet,
            Err(error) => return Some(Arrival::Refused(MaybeTls::Plain(socket), error)),
        };
        match (code(&packet), tls) {
            (SSL_REQUEST, Some(tls)) if !ssl => {
                let loaded = tls.now();
                socket.write_all(b"S").await.ok()?;
                let stream = loaded.acceptor.accept(socket).await.ok()?;
                return encrypted(MaybeTls::Tls(Box::new(stream)), peer, loaded).await;
            }
            (SSL_REQUEST, None) if !ssl => {
                ssl = true;
                socket.write_all(b"N").await.ok()?;
            }
            (GSS_REQUEST, _) if !gss => {
                gss = true;
                socket.write_all(b"N").await.ok()?;
            }
            _ => return Some(first_packet(MaybeTls::Plain(socket), peer, None, &mut packet)),
        }
    }
}

/// The first packet inside the encryption.
async fn encrypted(mut io: MaybeTls, peer: SocketAddr, loaded: Arc<Loaded>) -> Option<Arrival> {
    match packet(&mut io).await? {
        Ok(mut packet) => Some(first_packet(io, peer, Some(loaded), &mut packet)),
        Err(error) => Some(Arrival::Refused(io, error)),
    }
}

/// Reads one packet that has no letter before its length; `None` once the client has hung up.
async fn packet<T: AsyncReadExt + Unpin>(io: &mut T) -> Option<Result<BytesMut, Error>> {
    let length = io.read_u32().await.ok()?;
    let size = length as usize;
    if !(8..=PACKET_LIMIT).contains(&size) {
        return Some(Err(violation("invalid length of startup packet")));
    }
    let mut bytes = BytesMut::zeroed(size);
    let (head, body) = bytes.split_at_mut(4);
    head.copy_from_slice(&length.to_be_bytes());
    io.read_exact(body).await.ok()?;
    Some(Ok(bytes))
}

fn code(packet: &[u8]) -> u32 {
    let bytes = packet.get(4..8).and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u32::from_be_bytes)
}

fn first_packet(io: MaybeTls, peer: SocketAddr, tls: Option<Arc<Loaded>>, packet: &mut BytesMut) -> Arrival {
    let mut context = DecodeContext::new(ProtocolVersion::PROTOCOL3_2);
    context.awaiting_frontend_ssl = false;
    context.awaiting_frontend_startup = true;
    // What lies about its own lengths makes this packet an error, not the process.
    let decoded = catch_unwind(AssertUnwindSafe(|| PgWireFrontendMessage::decode(packet, &context)));
    match decoded {
        Ok(Ok(Some(PgWireFrontendMessage::Startup(startup)))) => {
            Arrival::Client(Box::new(Client { io, peer, tls, startup }))
        }
        Ok(Ok(Some(PgWireFrontendMessage::CancelRequest(cancel)))) => Arrival::Cancel(io, cancel),
        Ok(Err(error)) => Arrival::Refused(io, violation(&error.to_string())),
        Ok(Ok(_)) | Err(_) => Arrival::Refused(io, violation("invalid startup packet layout")),
    }
}

fn violation(message: &str) -> Error {
    Error::new(ErrorKind::ProtocolViolation, message)
}
