//! Accepting clients, and seeing them out.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use pgwire::api::RandomPidSecretKeyGenerator;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::audit::Audit;
use super::catalog::System;
use super::exposed;
use super::protocol::{self, Started};
use super::registry::Registry;
use super::report;
use super::throttle::Throttle;
use super::tls::Tls;

use crate::{Database, Error, ErrorKind, Result};

/// Time that clients get to take their farewell once the time to finish is over.
const FAREWELL: Duration = Duration::from_secs(2);

/// Clients that may be on their way in at one time, beyond the sessions that may be open.
const ARRIVING: usize = 1000;

/// A client of which nothing is heard for so long is asked, so often, whether it is still there.
const SILENCE: Duration = Duration::from_secs(60);
const ASK_AGAIN: Duration = Duration::from_secs(10);
const ASK: u32 = 3;

/// What all connections share.
pub(super) struct Shared {
    pub(super) database: Arc<Database>,
    pub(super) registry: Arc<Registry>,
    /// pg_catalog and information_schema.
    pub(super) system: Arc<System>,
    pub(super) tls: Option<Tls>,
    pub(super) throttle: Throttle,
    pub(super) audit: Option<Audit>,
    pub(super) keys: RandomPidSecretKeyGenerator,
    /// One permit for each session that may be open.
    pub(super) places: Arc<Semaphore>,
    /// The server is to stop: nobody comes in, and who runs nothing goes.
    pub(super) shutdown: CancellationToken,
    /// The time to finish is over: statements that still run are stopped.
    pub(super) over: CancellationToken,
}

/// A server that is ready to let clients in.
pub(crate) struct Server {
    listener: TcpListener,
    shared: Arc<Shared>,
}

/// Serves PostgreSQL clients until `shutdown`. Then nobody is let in any more, idle sessions end, and statements that
/// run have the time of `limits.drain_s` to finish before they are stopped with 57P01.
///
/// # Errors
/// The certificate cannot be read; the address is not one to serve users on in clear text.
pub async fn serve(database: Arc<Database>, listener: TcpListener, shutdown: CancellationToken) -> Result<()> {
    Server::new(database, listener, shutdown)?.run().await;
    Ok(())
}

impl Server {
    /// Everything but letting clients in.
    ///
    /// # Errors
    /// As for [`serve`].
    pub(crate) fn new(database: Arc<Database>, listener: TcpListener, shutdown: CancellationToken) -> Result<Self> {
        exposed::check(&database, listener.local_addr()?)?;
        let config = database.config();
        let delay = Duration::from_millis(config.pg.failed_login_delay_ms);
        let shared = Arc::new(Shared {
            tls: Tls::configured(&config.pg)?,
            throttle: Throttle::new(delay),
            audit: Audit::configured(&config.audit)?,
            system: System::new(&database)?,
            registry: Arc::default(),
            keys: RandomPidSecretKeyGenerator::default(),
            places: Arc::new(Semaphore::new(config.limits.max_connections)),
            shutdown,
            over: CancellationToken::new(),
            database,
        });
        let desk = Arc::downgrade(&shared.registry);
        shared.database.peers().sits(desk);
        Ok(Self { listener, shared })
    }

    /// Lets clients in, until the shutdown.
    pub(crate) async fn run(self) {
        admit(self.listener, &self.shared).await;
    }
}

/// Lets clients in until the shutdown, then sees them out.
async fn admit(listener: TcpListener, shared: &Arc<Shared>) {
    let limits = &shared.database.config().limits;
    let (most, drain) = (limits.max_connections, limits.drain());
    let clients = TaskTracker::new();
    let arriving = Arc::new(Semaphore::new(
        most.saturating_add(ARRIVING).min(Semaphore::MAX_PERMITS),
    ));
    loop {
        let socket = tokio::select! {
            biased;
            () = shared.shutdown.cancelled() => break,
            socket = accept(&listener) => socket,
        };
        let Ok(permit) = Arc::clone(&arriving).try_acquire_owned() else {
            turn_away(&socket, most);
            continue;
        };
        watch_over(&socket);
        let shared = Arc::clone(shared);
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

/// More than can be dealt with: the client is told so, if that costs nothing, and dropped.
fn turn_away(socket: &TcpStream, most: usize) {
    let error = Error::new(ErrorKind::TooManyConnections, "sorry, too many clients already").with_detail(format!(
        "{most} connections are open, as many as limits.max_connections allows, and {ARRIVING} wait."
    ));
    let mut bytes = BytesMut::new();
    if report::error(&error, "FATAL").encode(&mut bytes).is_ok() {
        let _ = socket.try_write(&bytes);
    }
}

/// A client whose machine is gone says nothing any more, not even that it hangs up: the system is to find out.
fn watch_over(socket: &TcpStream) {
    let keepalive = TcpKeepalive::new()
        .with_time(SILENCE)
        .with_interval(ASK_AGAIN)
        .with_retries(ASK);
    if let Err(error) = SockRef::from(socket).set_tcp_keepalive(&keepalive) {
        tracing::debug!(%error, "a connection is not watched over");
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
