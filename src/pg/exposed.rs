//! Whether a server may listen where it was told to: beyond this machine only behind log-in and encryption.

use std::net::SocketAddr;

use crate::config::TlsMode;
use crate::{Database, Error, ErrorKind, Result};

/// Refuses to serve users' passwords and rows in clear text to a network, unless the configuration says so itself.
///
/// # Errors
/// What to configure.
pub(super) fn check(database: &Database, address: SocketAddr) -> Result<()> {
    let config = &database.config().pg;
    if address.ip().to_canonical().is_loopback() || !database.asks_for_passwords() {
        // Without users nobody but this machine is let in, wherever we listen.
        return Ok(());
    }
    if config.tls.is_some() || config.tls_mode() != TlsMode::Off {
        return Ok(());
    }
    let message =
        format!("refused to listen on {address} without TLS: what users ask and get could be read on the way");
    Err(Error::new(ErrorKind::Configuration, message).with_hint(
        "Give pg.tls_cert and pg.tls_key, listen on 127.0.0.1, or say pg.tls = \"off\" where something else encrypts the \
         line.",
    ))
}
