//! `dreyer worker`: takes part in the queries of others, until told to stop.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::Failure;
use super::serve::{configured, listen, start, stop_on_signal, watch_over};
use crate::cluster::Worker;
use crate::http::Watched;
use crate::{Database, Error, ErrorKind, Result};

/// The port of workers.
const PORT: u16 = 50051;

/// What `dreyer worker` is asked to do. What is given takes the place of the configuration's.
#[derive(Debug, Clone, Default, Args)]
pub struct WorkerArgs {
    /// Directories with HATS catalogues, or addresses: the roots of the servers that deal out the work. Without one: the
    /// sample sky.
    pub roots: Vec<String>,
    /// Address to listen on for servers and other workers [default: 127.0.0.1:50051].
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Address for those who watch over the process: /healthz, /readyz and /metrics over HTTP.
    #[arg(long, value_name = "ADDR")]
    pub http: Option<SocketAddr>,
    /// Configuration file (TOML); the command line takes precedence.
    #[arg(long)]
    pub config: Option<PathBuf>,
}

/// Runs the command: opens the roots, listens, and returns after a clean drain.
///
/// # Errors
/// The configuration cannot be read, a root cannot be opened, the address is taken.
pub async fn worker(args: WorkerArgs) -> Result<(), Failure> {
    let mut config = configured(args.config.as_deref(), args.roots)?;
    let address = args.listen.or(config.cluster.listen);
    let address = address.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    // Work that is dealt to us is not dealt on.
    config.cluster.workers = None;
    let watch = args.http.or(config.http.listen);
    let database = Database::open(config).await?;
    let listener = listen(address, "--listen").await?;
    let stop = stop_on_signal()?;
    let worker = Worker::new(Arc::clone(&database))?;
    let watched = Watched {
        database,
        worker: Some(Arc::clone(&worker)),
        stop: stop.clone(),
    };
    let _watching = watch_over(watch, watched).await?;
    start(worker, listener, stop)?
        .await
        .map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))??;
    Ok(())
}
