//! `dreyer serve`: the PostgreSQL door, until told to stop.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::Failure;
use crate::{Config, DEFAULT_CATALOG, Database, Error, ErrorKind, Result, pg};

/// Runs the command: reads the configuration, opens the roots, listens, and returns after a clean drain.
///
/// `roots` and `listen`, where given, take the place of the configuration's.
///
/// # Errors
/// The configuration cannot be read, a root cannot be opened, the address is taken.
pub async fn serve(roots: Vec<String>, listen: Option<SocketAddr>, config: Option<&Path>) -> Result<(), Failure> {
    let mut config = config.map(Config::read).transpose()?.unwrap_or_default();
    if !roots.is_empty() {
        config.roots = roots;
    }
    if let Some(listen) = listen {
        config.pg.listen = listen;
    }
    let address = config.pg.listen;
    let database = Database::open(config).await?;
    let listener = TcpListener::bind(address).await.map_err(|error| {
        Error::new(ErrorKind::Io, format!("cannot listen on {address}: {error}"))
            .with_hint("Choose another address with --pg ADDR, for example --pg 127.0.0.1:0 for any free port.")
    })?;
    let address = listener.local_addr().map_err(Error::from)?;
    let stop = stop_on_signal()?;
    writeln!(
        io::stdout(),
        "listening on {address}; connect with:  {}",
        psql_line(address)
    )
    .map_err(Error::from)?;
    pg::serve(database, listener, stop).await?;
    Ok(())
}

/// What to type to get in.
pub(crate) fn psql_line(address: SocketAddr) -> String {
    let host = if address.ip().is_unspecified() {
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    } else {
        address.ip()
    };
    format!(
        "psql -h {host} -p {} -U {DEFAULT_CATALOG} {DEFAULT_CATALOG}",
        address.port()
    )
}

/// A token that SIGTERM or SIGINT cancels.
fn stop_on_signal() -> Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let token = CancellationToken::new();
    let cancel = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        cancel.cancel();
    });
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_can_be_typed_as_it_stands() {
        assert_eq!(
            psql_line(([127, 0, 0, 1], 5433).into()),
            "psql -h 127.0.0.1 -p 5433 -U dreyer dreyer"
        );
        assert_eq!(
            psql_line(([0, 0, 0, 0], 1).into()),
            "psql -h 127.0.0.1 -p 1 -U dreyer dreyer"
        );
    }
}
