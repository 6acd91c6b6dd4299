//! Accepting clients, and seeing them out.

use std::sync::Arc;
use std::time::Duration;

use pgwire::api::RandomPidSecretKeyGenerator;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::catalog::System;
use super::protocol::{self, Started};
use super::registry::Registry;

use crate::{Database, Result};

/// Time that clients get to take their farewell once the time to finish is over.
const FAREWELL: Duration = Duration::from_secs(2);

/// Clients that may be on their way in at one time, beyond the sessions that may be open.
const ARRIVING: usize = 200;

/// What all connections share.
pub(super) struct Shared {
    pub(super) database: Arc<Database>,
    pub(super) registry: Arc<Registry>,
    /// pg_catalog and information_schema.
    pub(super) system: Arc<System>,

    pub(super) keys: RandomPidSecretKeyGenerator,
    /// One permit for each session that may be open.
    pub(super) places: Arc<Semaphore>,
    /// The server is to stop: nobody comes in, and who runs nothing goes.
    pub(super) shutdown: CancellationToken,
    /// The time to finish is over: statements that still run are stopped.
    pub(super) over: CancellationToken,
}

/// Serves PostgreSQL clients until `shutdown`. Then nobody is let in any more, idle sessions end, and statements that
/// run have the time of `limits.drain_s` to finish before they are stopped with 57P01.
///
/// # Errors
/// The system catalogue cannot be built, which would be a fault of the program.
pub async fn serve(database: Arc<Database>, listener: TcpListener, shutdown: CancellationToken) -> Result<()> {
    let drain = database.config().limits.drain();
    let most = database.config().limits.max_connections;
    let shared = Arc::new(Shared {
        system: System::new(&database)?,
        database,

        registry: Arc::default(),
        keys: RandomPidSecretKeyGenerator::default(),
        places: Arc::new(Semaphore::new(most)),
        shutdown: shutdown.clone(),
        over: CancellationToken::new(),
    });
    let desk = Arc::downgrade(&shared.registry);
    shared.database.peers().sits(desk);
    let clients = TaskTracker::new();
    let arriving = Arc::new(Semaphore::new(
        most.saturating_add(ARRIVING).min(Semaphore::MAX_PERMITS),
    ));
    loop {
        let socket = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            socket = accept(&listener) => socket,
        };
        // More than can be dealt with: the line is dropped before it costs anything.
        let Ok(permit) = Arc::clone(&arriving).try_acquire_owned() else {
            continue;
        };
        let shared = Arc::clone(&shared);
        clients.spawn(async move {
            attend(socket, &shared).await;
            drop(permit);
        });
    }
    drop(listener);
    clients.close();
    if tokio::time::timeout(drain, clients.wait()).await.is_err() {
        shared.over.cancel();
        let _ = tokio::time::timeout(FAREWELL, clients.wait()).await;
    }
    Ok(())
}

/// The next client. Errors of accepting (no file descriptors left, say) pass: the server must not end over them.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => return socket,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a client");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn attend(socket: TcpStream, shared: &Arc<Shared>) {
    let started = tokio::select! {
        biased;
        () = shared.shutdown.cancelled() => None,
        started = protocol::start(socket, shared) => started,
    };
    if let Some(Started { connection, permit }) = started {
        connection.run().await;
        drop(permit);
    }
}
