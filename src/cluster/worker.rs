//! Working for others: tasks come in, rows go out, and nothing stays but caches.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use datafusion::common::Result as EngineResult;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion_distributed::{DistributedConfig, DistributedExt, Worker as TaskWorker, WorkerQueryContext};
use dreyer_sky::tiling::TilingSources;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use super::address::Address;
use super::channel::Channels;
use super::gate::{Attendance, Gate};
use super::members::Members;
use super::secrets::Secrets;
use super::shielded::{self, Traced};
use super::{build, configuration, equip, settings};
use crate::session::allowed;
use crate::trace::{Parent, TRACEPARENT};
use crate::{Database, Error, ErrorKind, Result};

/// Bytes that may be under way in one stream, and in one connection, before their receiver asks for more.
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// Time in which lines are closed once all tasks are done.
const FAREWELL: Duration = Duration::from_secs(1);

/// A database that works for others: it does the tasks that they deal to it.
pub struct Worker {
    database: Arc<Database>,
    attendance: Arc<Attendance>,
    channels: Arc<Channels>,
}

impl Worker {
    /// Gets ready to work. Lines to other workers live on the runtime that this is called on.
    ///
    /// # Errors
    /// The secrets of the configuration cannot be read.
    pub fn new(database: Arc<Database>) -> Result<Arc<Self>> {
        let config = &database.config().cluster;
        let secrets = Secrets::read(config)?;
        // Whom a task has to ask stands in the task.
        let nobody = Arc::new(Members::new(Address::Listed(Vec::new()), config.eject()));
        let channels = Channels::new(config, secrets.clone(), nobody, Handle::current())?;
        let attendance = Attendance::new(secrets, database.engine().clone(), config.max_tasks);
        Ok(Arc::new(Self {
            database,
            attendance,
            channels,
        }))
    }

    /// Tasks that are here now.
    pub fn tasks(&self) -> usize {
        self.attendance.tasks()
    }

    /// Works until `shutdown`, then takes no more tasks, and ends when those that are here are done, at the latest after
    /// `limits.drain_s`.
    ///
    /// # Errors
    /// The certificates cannot be used, or the listener fails.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, shutdown: CancellationToken) -> Result<()> {
        let config = &self.database.config().cluster;
        let mut server = Server::builder()
            .tcp_nodelay(true)
            .http2_keepalive_interval(Some(config.keep_alive()))
            .http2_keepalive_timeout(Some(config.keep_alive()))
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        if let Some(tls) = self.attendance.secrets.server() {
            let fault = |error| configuration(format!("cluster.tls_*: {error}"));
            server = server.tls_config(tls).map_err(fault)?;
        }
        let gate = Gate {
            inner: self.tasks_service(),
            attendance: Arc::clone(&self.attendance),
        };
        let drain = self.database.config().limits.drain();
        let drained = async {
            shutdown.cancelled().await;
            if tokio::time::timeout(drain, self.attendance.drain()).await.is_err() {
                tracing::warn!(tasks = self.tasks(), "the time to finish is over: tasks are dropped");
            }
        };
        // What is done may still be on its way out.
        let late = async {
            shutdown.cancelled().await;
            tokio::time::sleep(drain + FAREWELL).await;
        };
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let served = server.add_service(gate).serve_with_incoming_shutdown(incoming, drained);
        tokio::select! {
            served = served => served.map_err(|error| Error::new(ErrorKind::Io, format!("the worker's door failed: {error}"))),
            () = late => Ok(()),
        }
    }

    fn tasks_service(
        &self,
    ) -> impl tonic::codegen::Service<
        http::Request<tonic::body::Body>,
        Response = http::Response<tonic::body::Body>,
        Error = std::convert::Infallible,
        Future: Send,
    > + tonic::server::NamedService
    + Clone
    + Send
    + Sync
    + 'static {
        let template = self.database.template().clone();
        let runtime = Arc::clone(template.runtime_env());
        let channels = Arc::clone(&self.channels);
        let limit = self.database.config().limits.query_memory_bytes;
        let tracer = self.database.tracer().cloned();
        let session = move |context: WorkerQueryContext| {
            let parent = context.headers.get(&TRACEPARENT).and_then(Parent::read);
            let traced = tracer
                .clone()
                .zip(parent)
                .map(|(tracer, parent)| Traced { tracer, parent });
            let state = session(&template, &channels, limit, context, traced);
            async move { state }
        };
        TaskWorker::from_session_builder(session)
            .with_runtime_env(runtime)
            .with_version(build::ID)
            .into_worker_server()
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("tasks", &self.tasks())
            .finish_non_exhaustive()
    }
}

/// The session of one task: what every session here starts from, with the settings of the session that asks.
fn session(
    template: &SessionState,
    channels: &Arc<Channels>,
    limit: usize,
    mut context: WorkerQueryContext,
    traced: Option<Traced>,
) -> EngineResult<SessionState> {
    let mut config = context.builder.config().take().unwrap_or_default();
    let travelled = DistributedConfig::from_config_options(config.options())?.clone();
    let own = template.config();
    let options = config.options_mut();
    *options = own.options().as_ref().clone();
    options.extensions.insert(travelled);
    settings::unpack(&context.headers, options)?;
    let mut config = config.with_extension(TilingSources::of(own));
    if let Some(traced) = traced {
        config.set_extension(Arc::new(traced));
    }
    let config = equip(config, channels).with_distributed_worker_plan_rewrite_handler(shielded::shield);
    Ok(SessionStateBuilder::new_from_existing(template.clone())
        .with_config(config)
        .with_runtime_env(allowed(template.runtime_env(), limit))
        .build())
}
