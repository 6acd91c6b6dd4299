//! `dreyer serve`: the PostgreSQL door, until told to stop.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::Failure;
use crate::cluster::Worker;
use crate::http::Watched;
use crate::{Config, DEFAULT_CATALOG, Database, Error, ErrorKind, Result, http, pg};

/// What `dreyer serve` is asked to do. What is given takes the place of the configuration's.
#[derive(Debug, Clone, Default, Args)]
pub struct ServeArgs {
    /// Directories with HATS catalogues, or addresses: s3://bucket/prefix?region=…, https://host/catalogue. Without one:
    /// the sample sky.
    pub roots: Vec<String>,
    /// Directory or address where users may write tables. Without it, the server only reads.
    #[arg(long, value_name = "DIR")]
    pub writable: Option<String>,
    /// Directory or address that keeps views and comments. Without it, they end with the process.
    #[arg(long, value_name = "DIR")]
    pub state: Option<String>,
    /// Address to listen on for PostgreSQL clients [default: 127.0.0.1:5433].
    #[arg(long, value_name = "ADDR")]
    pub pg: Option<SocketAddr>,
    /// Workers that large queries are dealt to: URL[,URL…], or dns:HOST:PORT for all that a name resolves to.
    #[arg(long, value_name = "WORKERS")]
    pub workers: Option<String>,
    /// Other servers over the same workers, in the same form: what is asked of one about running queries, or to cancel
    /// one, reaches all.
    #[arg(long, value_name = "SERVERS")]
    pub coordinators: Option<String>,
    /// Address on which this server answers the others.
    #[arg(long, value_name = "ADDR")]
    pub coordinator: Option<SocketAddr>,
    /// Address on which this process works for others as well.
    #[arg(long, value_name = "ADDR")]
    pub worker: Option<SocketAddr>,
    /// Address for those who watch over the process: /healthz, /readyz and /metrics over HTTP.
    #[arg(long, value_name = "ADDR")]
    pub http: Option<SocketAddr>,
    /// Configuration file (TOML); the command line takes precedence.
    #[arg(long)]
    pub config: Option<PathBuf>,
}

/// Runs the command: reads the configuration, opens the roots, listens, and returns after a clean drain.
///
/// # Errors
/// The configuration cannot be read, a root cannot be opened, the address is taken.
pub async fn serve(args: ServeArgs) -> Result<(), Failure> {
    let mut config = configured(args.config.as_deref(), args.roots)?;
    config.pg.listen = args.pg.unwrap_or(config.pg.listen);
    config.writable = args.writable.or(config.writable);
    config.state = args.state.or(config.state);
    config.cluster.workers = args.workers.or(config.cluster.workers);
    config.cluster.coordinators = args.coordinators.or(config.cluster.coordinators);
    config.cluster.coordinator_listen = args.coordinator.or(config.cluster.coordinator_listen);
    config.cluster.listen = args.worker.or(config.cluster.listen);
    config.http.listen = args.http.or(config.http.listen);
    let (address, work, watch) = (config.pg.listen, config.cluster.listen, config.http.listen);
    let database = Database::open(config).await?;
    let listener = listen(address, "--pg").await?;
    let address = listener.local_addr().map_err(Error::from)?;
    let stop = stop_on_signal()?;
    let worker = match work {
        Some(address) => Some(Worker::new(Arc::clone(&database))?).zip(Some(listen(address, "--worker").await?)),
        None => None,
    };
    let watched = Watched {
        database: Arc::clone(&database),
        worker: worker.as_ref().map(|(worker, _)| Arc::clone(worker)),
        stop: stop.clone(),
    };
    let _watching = watch_over(watch, watched).await?;
    let _answering = answer_servers(&database).await?;
    let working = worker
        .map(|(worker, listener)| start(worker, listener, stop.clone()))
        .transpose()?;
    if !address.ip().is_loopback() && !database.asks_for_passwords() {
        say("only this machine is let in, since there are no users; dreyer user add makes one")?;
    }
    let server = pg::Server::new(database, listener, stop)?;
    say(&format!(
        "listening on {address}; connect with:  {}",
        psql_line(address)
    ))?;
    server.run().await;
    if let Some(working) = working {
        working
            .await
            .map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))??;
    }
    Ok(())
}

/// The configuration of a file, over these roots if there are any.
pub(super) fn configured(file: Option<&Path>, roots: Vec<String>) -> Result<Config> {
    let mut config = file.map(Config::read).transpose()?.unwrap_or_default();
    if !roots.is_empty() {
        config.roots = roots;
    }
    Ok(config)
}

/// Listens; `option` is what to give for another address.
pub(super) async fn listen(address: SocketAddr, option: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        Error::new(ErrorKind::Io, format!("cannot listen on {address}: {error}")).with_hint(format!(
            "Choose another address with {option} ADDR, for example {option} 127.0.0.1:0 for any free port."
        ))
    })
}

/// Works for others until `stop`.
pub(super) fn start(
    worker: Arc<Worker>,
    listener: TcpListener,
    stop: CancellationToken,
) -> Result<JoinHandle<Result<()>>> {
    say(&format!("working on {}", listener.local_addr()?))?;
    Ok(tokio::spawn(worker.serve(listener, stop)))
}

/// Answers those who watch over us, on `address` if there is one, as long as what is returned lives.
pub(super) async fn watch_over(
    address: Option<SocketAddr>,
    watched: Watched,
) -> Result<Option<AbortOnDropHandle<Result<()>>>> {
    let Some(address) = address else { return Ok(None) };
    let listener = listen(address, "--http").await?;
    say(&format!("watched on {}", listener.local_addr()?))?;
    Ok(Some(AbortOnDropHandle::new(tokio::spawn(http::serve(
        listener, watched,
    )))))
}

/// Answers the other servers, if it is told where, as long as what is returned lives.
async fn answer_servers(database: &Arc<Database>) -> Result<Option<AbortOnDropHandle<Result<()>>>> {
    let Some(address) = database.config().cluster.coordinator_listen else {
        return Ok(None);
    };
    let listener = listen(address, "--coordinator").await?;
    say(&format!("answering servers on {}", listener.local_addr()?))?;
    let peers = Arc::clone(database.peers());
    Ok(Some(AbortOnDropHandle::new(tokio::spawn(peers.serve(listener)))))
}

/// A line for whoever started us.
fn say(line: &str) -> Result<()> {
    writeln!(io::stdout(), "{line}").map_err(Error::from)
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
pub(super) fn stop_on_signal() -> Result<CancellationToken> {
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
