//! `dreyer serve`: the PostgreSQL door, until told to stop.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::Failure;
use crate::{Config, DEFAULT_CATALOG, Database, Error, ErrorKind, Result, pg};

/// What `dreyer serve` is asked to do. What is given takes the place of the configuration's.
#[derive(Debug, Clone, Default)]
pub struct ServeOptions {
    /// Places with catalogues.
    pub roots: Vec<String>,
    /// The address to listen on.
    pub listen: Option<SocketAddr>,
    /// The configuration file.
    pub config: Option<PathBuf>,
    /// Where SQL may write tables.
    pub writable: Option<String>,
    /// Where views and comments are kept.
    pub state: Option<String>,
}

/// Runs the command: reads the configuration, opens the roots, listens, and returns after a clean drain.
///
/// # Errors
/// The configuration cannot be read, a root cannot be opened, the address is taken.
pub async fn serve(options: ServeOptions) -> Result<(), Failure> {
    let mut config = options
        .config
        .as_deref()
        .map(Config::read)
        .transpose()?
        .unwrap_or_default();
    if !options.roots.is_empty() {
        config.roots = options.roots;
    }
    if let Some(listen) = options.listen {
        config.pg.listen = listen;
    }
    config.writable = options.writable.or(config.writable);
    config.state = options.state.or(config.state);
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
