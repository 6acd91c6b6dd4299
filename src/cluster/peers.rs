//! Other servers over the same workers: whoever is asked to cancel a query, or to show what runs, asks them too.
//!
//! ```text
//!  cancel, dreyer.queries ──► this server: is it one of mine? ──► no ──► every other server, at once
//!                                                                           │ token, certificates: as for workers
//!                                                                           ▼
//!                                                          desk: the connections and queries of that server
//! ```
//!
//! Nobody keeps a list of what the others run: they are asked when somebody wants to know. A question is not handed on.

use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, Weak, mpsc};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body as Bytes, to_bytes};
use futures::future::{BoxFuture, join_all};
use http::header::AUTHORIZATION;
use http::{Request, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::runtime::{Handle, RuntimeFlavor};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::server::NamedService;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use url::Url;

use super::address::Address;
use super::channel::Channels;
use super::configuration;
use super::members::Members;
use super::secrets::Secrets;
use crate::config::ClusterConfig;
use crate::session::Running;
use crate::{Error, ErrorKind, Result, RunningQuery};

/// Longest question or answer.
const MOST_BYTES: usize = 1 << 20;

const CANCEL: &str = "/dreyer.Coordinator/Cancel";
const QUERIES: &str = "/dreyer.Coordinator/Queries";

/// Who keeps the connections of this process.
pub(crate) trait Desk: Send + Sync {
    /// Stops what a connection runs, if the secret is its own; `None` is for those who have the right anyway. False if
    /// there is no such connection.
    fn cancel(&self, pid: i32, secret: Option<&[u8]>) -> bool;
}

#[derive(Debug, Serialize, Deserialize)]
struct Cancel {
    pid: i32,
    secret: Option<Vec<u8>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Queries {
    /// Who says so.
    server: u64,
    queries: Vec<RunningQuery>,
}

/// The other servers, and what this one tells them.
pub(crate) struct Peers {
    /// Drawn at the start: a list of servers may name this one.
    own: u64,
    others: Option<(Arc<Members>, Arc<Channels>)>,
    secrets: Secrets,
    /// For how long an answer is waited for.
    patience: Duration,
    keep_alive: Duration,
    desk: RwLock<Option<Weak<dyn Desk>>>,
    running: Arc<Running>,
    io: Handle,
}

impl Peers {
    /// Gets ready to speak with the servers that the configuration names, if it names any, on the threads of `io`.
    ///
    /// # Errors
    /// The addresses cannot be read, or the secrets to speak with them.
    pub(crate) fn new(config: &ClusterConfig, running: Arc<Running>, io: Handle) -> Result<Arc<Self>> {
        let secrets = Secrets::read(config)?;
        let others = match &config.coordinators {
            Some(servers) => {
                let address = Address::parse(servers, secrets.has_tls())
                    .map_err(|error| configuration(error.message.replacen("workers", "coordinators", 1)))?;
                let members = Arc::new(Members::new(address, config.eject()));
                let channels = Channels::new(config, secrets.clone(), Arc::clone(&members), io.clone())?;
                Some((members, channels))
            }
            None => None,
        };
        Ok(Arc::new(Self {
            own: rand::random(),
            others,
            secrets,
            patience: config.connect_timeout(),
            keep_alive: config.keep_alive(),
            desk: RwLock::default(),
            running,
            io,
        }))
    }

    /// Says who keeps the connections.
    pub(crate) fn sits(&self, desk: Weak<dyn Desk>) {
        *self.desk.write().unwrap_or_else(PoisonError::into_inner) = Some(desk);
    }

    /// Has the other servers stop what the connection runs, if it is one of theirs.
    pub(crate) async fn cancel(&self, pid: i32, secret: Option<Vec<u8>>) -> bool {
        let answers: Vec<(Url, bool)> = self.ask_all(CANCEL, &Cancel { pid, secret }).await;
        answers.into_iter().any(|(_, hit)| hit)
    }

    /// The same for one who cannot wait but by standing still.
    pub(crate) fn cancel_and_wait(self: &Arc<Self>, pid: i32) -> bool {
        if self.others.is_none() {
            return false;
        }
        let (sender, receiver) = mpsc::channel();
        let peers = Arc::clone(self);
        self.io.spawn(async move {
            // Who asked may have gone.
            let _ = sender.send(peers.cancel(pid, None).await);
        });
        let wait = || receiver.recv_timeout(self.patience * 2).unwrap_or(false);
        match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
            Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(wait),
            _ => wait(),
        }
    }

    /// What the other servers run. Those that do not answer are left out.
    pub(crate) async fn queries(&self) -> Vec<(Url, RunningQuery)> {
        let answers: Vec<(Url, Queries)> = self.ask_all(QUERIES, &()).await;
        let others = answers.into_iter().filter(|(_, answer)| answer.server != self.own);
        let told = |(url, answer): (Url, Queries)| answer.queries.into_iter().map(move |query| (url.clone(), query));
        others.flat_map(told).collect()
    }

    /// The answers of all who give one.
    async fn ask_all<A: DeserializeOwned>(&self, path: &'static str, question: &impl Serialize) -> Vec<(Url, A)> {
        let (Some((members, channels)), Ok(question)) = (&self.others, serde_json::to_vec(question)) else {
            return Vec::new();
        };
        let urls = match tokio::time::timeout(self.patience, members.address().resolve()).await {
            Ok(Ok(urls)) => urls,
            Ok(Err(error)) => {
                tracing::warn!(address = %members.address(), %error, "cannot look up the other servers");
                return Vec::new();
            }
            Err(_) => return Vec::new(),
        };
        let asked = urls.into_iter().map(|url| {
            let question = question.clone();
            async move {
                let asked = ask(channels, &url, path, question);
                let answer = match tokio::time::timeout(self.patience, asked).await {
                    Ok(answer) => answer,
                    Err(_) => Err("no answer in time".to_owned()),
                };
                match answer {
                    Ok(answer) => Some((url, answer)),
                    Err(error) => {
                        tracing::warn!(%url, %error, "another server did not answer");
                        None
                    }
                }
            }
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    /// Answers the other servers until it is dropped.
    ///
    /// # Errors
    /// The certificates cannot be used, or the listener fails.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener) -> Result<()> {
        let mut server = Server::builder()
            .tcp_nodelay(true)
            .http2_keepalive_interval(Some(self.keep_alive))
            .http2_keepalive_timeout(Some(self.keep_alive));
        if let Some(tls) = self.secrets.server() {
            let fault = |error| configuration(format!("cluster.tls_*: {error}"));
            server = server.tls_config(tls).map_err(fault)?;
        }
        let served = server
            .add_service(Answers(self))
            .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)));
        let fault = |error| Error::new(ErrorKind::Io, format!("the door for other servers failed: {error}"));
        served.await.map_err(fault)
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        if !self.secrets.admits(request.headers().get(AUTHORIZATION)) {
            return Status::unauthenticated("the token is missing or not that of this cluster").into_http();
        }
        let path = request.uri().path().to_owned();
        let Ok(question) = to_bytes(Bytes::new(request.into_body()), MOST_BYTES).await else {
            return failed(StatusCode::BAD_REQUEST);
        };
        let answer = match path.as_str() {
            CANCEL => match serde_json::from_slice(&question) {
                Ok(cancel) => serde_json::to_vec(&self.cancel_here(&cancel)),
                Err(_) => return failed(StatusCode::BAD_REQUEST),
            },
            QUERIES => serde_json::to_vec(&Queries {
                server: self.own,
                queries: [self.running.last(), self.running.all()].concat(),
            }),
            _ => return failed(StatusCode::NOT_FOUND),
        };
        match answer {
            Ok(answer) => Response::new(Body::new(Bytes::from(answer))),
            Err(_) => failed(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    fn cancel_here(&self, cancel: &Cancel) -> bool {
        let desk = self.desk.read().unwrap_or_else(PoisonError::into_inner);
        let desk = desk.as_ref().and_then(Weak::upgrade);
        desk.is_some_and(|desk| desk.cancel(cancel.pid, cancel.secret.as_deref()))
    }
}

impl fmt::Debug for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peers")
            .field("others", &self.others.as_ref().map(|(members, _)| members))
            .finish_non_exhaustive()
    }
}

async fn ask<A: DeserializeOwned>(
    channels: &Channels,
    url: &Url,
    path: &'static str,
    question: Vec<u8>,
) -> std::result::Result<A, String> {
    let mut line = channels.line(url, None).map_err(|error| error.to_string())?;
    let request = Request::post(path).body(Body::new(Bytes::from(question)));
    let request = request.map_err(|error| error.to_string())?;
    let response = line.call(request).await.map_err(|error| error.to_string())?;
    if let Some(status) = Status::from_header_map(response.headers()) {
        return Err(status.message().to_owned());
    }
    if response.status() != StatusCode::OK {
        return Err(response.status().to_string());
    }
    let answer = to_bytes(Bytes::new(response.into_body()), MOST_BYTES).await;
    let answer = answer.map_err(|error| error.to_string())?;
    serde_json::from_slice(&answer).map_err(|error| error.to_string())
}

fn failed(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// The service behind the door for other servers.
#[derive(Clone)]
struct Answers(Arc<Peers>);

impl NamedService for Answers {
    const NAME: &'static str = "dreyer.Coordinator";
}

impl Service<Request<Body>> for Answers {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, std::result::Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let peers = Arc::clone(&self.0);
        Box::pin(async move { Ok(peers.answer(request).await) })
    }
}
