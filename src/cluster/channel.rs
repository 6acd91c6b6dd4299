//! Lines to workers: made within a time, kept alive, and hung up on who does not answer.
//!
//! ```text
//!  request ──► token ──► HTTP/2, one connection a worker: connect ≤ 2 s, a ping after 5 s of silence, 5 s to answer
//!                                │ fails at whatever point
//!                                ▼
//!            the member is ejected, and the error says "lost worker URL: why" wherever it ends up
//! ```

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::common::{DataFusionError, Result};
use datafusion_distributed::{ChannelResolver, GetWorkerInfoRequest, WorkerChannel, grpc};
use futures::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::runtime::Handle;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::transport::{Channel, Endpoint, Error as TransportError};
use url::Url;

use super::lost::{LOST, lost_worker};
use super::members::Members;
use super::secrets::Secrets;
use crate::config::ClusterConfig;
use crate::{Error, ErrorKind};

/// Bytes that may be under way in one stream, and in one connection, before their receiver asks for more.
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// The lines that this process has open.
pub(super) struct Channels {
    secrets: Secrets,
    connect: Duration,
    keep_alive: Duration,
    members: Arc<Members>,
    /// Where connections live: threads on which nothing computes, so that a ping is always answered.
    io: Handle,
    open: Mutex<HashMap<Url, Channel>>,
}

impl Channels {
    pub(super) fn new(
        config: &ClusterConfig,
        secrets: Secrets,
        members: Arc<Members>,
        io: Handle,
    ) -> crate::Result<Arc<Self>> {
        let channels = Self {
            secrets,
            connect: config.connect_timeout(),
            keep_alive: config.keep_alive(),
            members,
            io,
            open: Mutex::default(),
        };
        // What is wrong with the certificates is said at once.
        channels
            .endpoint(
                &Url::parse("http://localhost:1")
                    .map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))?,
            )
            .map_err(|error| Error::new(ErrorKind::Configuration, format!("cluster.tls_*: {error}")))?;
        Ok(Arc::new(channels))
    }

    /// Which build a worker is of, or why it does not say.
    pub(super) async fn build_of(&self, url: &Url) -> std::result::Result<String, String> {
        // What is asked only in order to know is no loss to a query.
        let mut worker = self.worker(url, None).map_err(|error| error.to_string())?;
        let asked = worker.get_worker_info(GetWorkerInfoRequest {});
        match tokio::time::timeout(self.connect, asked).await {
            Ok(Ok(info)) => Ok(info.version),
            Ok(Err(error)) => Err(lost_worker(&error, false).message),
            Err(_) => Err(format!("it did not answer within {} s", self.connect.as_secs_f64())),
        }
    }

    fn worker(&self, url: &Url, members: Option<&Arc<Members>>) -> Result<Box<dyn WorkerChannel>> {
        let line = self.line(url, members)?;
        Ok(grpc::create_worker_client(grpc::BoxCloneSyncChannel::new(line)))
    }

    /// The line to one of the cluster; if it fails, `members` are told.
    pub(super) fn line(&self, url: &Url, members: Option<&Arc<Members>>) -> Result<Line> {
        Ok(Line {
            channel: self.channel(url)?,
            url: url.clone(),
            token: self.secrets.token().cloned(),
            members: members.cloned(),
        })
    }

    /// The connection to a worker: made when it is first used, and again after it broke.
    fn channel(&self, url: &Url) -> Result<Channel> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = open.get(url) {
            return Ok(channel.clone());
        }
        let endpoint = self
            .endpoint(url)
            .map_err(|error| DataFusionError::External(Box::new(error)))?;
        let _here = self.io.enter();
        let channel = endpoint.connect_lazy();
        open.insert(url.clone(), channel.clone());
        Ok(channel)
    }

    fn endpoint(&self, url: &Url) -> std::result::Result<Endpoint, TransportError> {
        let endpoint = Endpoint::from_shared(url.to_string())?
            .connect_timeout(self.connect)
            .tcp_keepalive(Some(self.keep_alive))
            .tcp_nodelay(true)
            .http2_keep_alive_interval(self.keep_alive)
            .keep_alive_timeout(self.keep_alive)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        match self.secrets.client(self.members.address().name()) {
            Some(tls) => endpoint.tls_config(tls),
            None => Ok(endpoint),
        }
    }
}

#[async_trait]
impl ChannelResolver for Channels {
    async fn get_worker_client_for_url(&self, url: &Url) -> Result<Box<dyn WorkerChannel>> {
        self.worker(url, Some(&self.members))
    }
}

/// A connection that knows whose it is.
#[derive(Clone)]
pub(super) struct Line {
    channel: Channel,
    url: Url,
    token: Option<http::HeaderValue>,
    /// Those to be told when it fails.
    members: Option<Arc<Members>>,
}

impl Line {
    /// The member failed; what is to be said of it.
    fn lost(&self, why: &str) -> Status {
        if let Some(members) = &self.members {
            members.lose(&self.url, why);
        }
        Status::unavailable(format!("{LOST} {}: {why}", self.url))
    }
}

impl Service<Request<Body>> for Line {
    type Response = Response<Body>;
    type Error = TransportError;
    type Future = BoxFuture<'static, std::result::Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), Self::Error>> {
        // The call waits for the channel itself, and so learns of its errors.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if let Some(token) = &self.token {
            request.headers_mut().insert(AUTHORIZATION, token.clone());
        }
        let line = self.clone();
        Box::pin(async move {
            let mut channel = line.channel.clone();
            let ready = std::future::poll_fn(|context| channel.poll_ready(context)).await;
            let answered = match ready {
                Ok(()) => channel.call(request).await,
                Err(error) => Err(error),
            };
            Ok(match answered {
                Ok(response) => response.map(|body| Body::new(Watched { body, line })),
                Err(error) => line.lost(&in_full(&error)).into_http(),
            })
        })
    }
}

/// An answer that may break off.
struct Watched {
    body: Body,
    line: Line,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Status>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        frame.map_err(|status| self.line.lost(status.message()))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An error and its causes: the transport's own words say nothing of them.
fn in_full(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_words = cause.to_string();
        if !words.contains(&cause_words) {
            words = format!("{words}: {cause_words}");
        }
        next = cause.source();
    }
    words
}
