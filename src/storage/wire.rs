//! One HTTP exchange, on threads of its own: work that computes for seconds never keeps a connection waiting.
//!
//! Here, where the bytes enter, are the bounds and the counters: how long a silence may last, how many exchanges go on
//! at once, how many bytes run ahead of their reader. What a status means, and whether to try again, is decided above.
//!
//! An exchange that waits for its reader gives its place among those going on at once to others, so readers that wait
//! for each other's streams cannot hold up one another.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body::{Body, Frame};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
    ReqwestConnector,
};
use object_store::{ClientOptions, HeaderMap};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::counters::{Count, Counters};
use super::fault::innermost;
use super::stretch::MIN_RATE;
use crate::StorageConfig;

/// Bytes of a refusal that are read for its reason.
const REFUSAL_BYTES: usize = 64 << 10;

/// Bytes per second that an upload is given time for before its answer is missed.
const UPLOAD_RATE: u64 = 256 << 10;

/// Where a cloud's machines are given their keys. Elsewhere nobody answers there, and asking again changes nothing.
const MACHINE: &str = "169.254.169.254";

/// Why a body ended early, told to whoever asked for the object with this among the request's extensions. The body then
/// ends without an error, and it is the asker's part to notice that bytes are missing.
#[derive(Debug, Clone, Default)]
pub(super) struct Broken(Arc<Mutex<Option<String>>>);

impl Broken {
    fn tell(&self, why: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }

    pub(super) fn why(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Makes the clients of one store.
#[derive(Clone)]
pub(super) struct Wire {
    io: Handle,
    counters: Arc<Counters>,
    at_once: Arc<Semaphore>,
    silence: Duration,
    ahead: usize,
}

impl Wire {
    pub(super) fn new(io: Handle, counters: Arc<Counters>, config: &StorageConfig) -> Self {
        Self {
            io,
            counters,
            at_once: Arc::new(Semaphore::new(config.max_requests)),
            silence: config.read_timeout(),
            ahead: config.read_ahead_bytes.min(Semaphore::MAX_PERMITS),
        }
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

impl HttpConnector for Wire {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let inner = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Service {
            inner,
            wire: self.clone(),
        }))
    }
}

#[derive(Debug)]
struct Service {
    inner: HttpClient,
    wire: Wire,
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (head, told) = oneshot::channel();
        let (frames, receiver) = mpsc::unbounded_channel();
        let window = Arc::new(Semaphore::new(self.wire.ahead));
        let exchange = Exchange {
            wire: self.wire.clone(),
            broken: request.extensions().get::<Broken>().cloned(),
            frames,
            window: Arc::clone(&window),
            permit: None,
        };
        let task = AbortOnDropHandle::new(self.wire.io.spawn(exchange.run(self.inner.clone(), request, head)));
        let parts = told
            .await
            .map_err(|_| fault(HttpErrorKind::Interrupted, "the I/O threads are gone"))??;
        let body = Incoming {
            receiver,
            window,
            ahead: self.wire.ahead,
            _task: task,
        };
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(body)))
    }
}

type Received = Result<Frame<Bytes>, HttpError>;

/// An exchange that is going on.
struct Exchange {
    wire: Wire,
    broken: Option<Broken>,
    frames: mpsc::UnboundedSender<Received>,
    /// Bytes that may still run ahead of the reader.
    window: Arc<Semaphore>,
    /// The place among those going on at once.
    permit: Option<OwnedSemaphorePermit>,
}

impl Exchange {
    async fn run(
        mut self,
        client: HttpClient,
        request: HttpRequest,
        head: oneshot::Sender<Result<http::response::Parts, HttpError>>,
    ) {
        self.take_place().await;
        let sent = request.body().content_length();
        self.wire.counters.add(count(&request), 1);
        self.wire.counters.add(Count::BytesWritten, sent);
        let asks_the_machine = request.uri().host() == Some(MACHINE);
        let upload = Duration::from_secs(u64::try_from(sent).unwrap_or(u64::MAX) / UPLOAD_RATE);
        let patience = self.wire.silence.saturating_add(upload);
        let answer = match tokio::time::timeout(patience, client.execute(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(fault(
                HttpErrorKind::Timeout,
                format!("no answer came within {patience:?}"),
            )),
        };
        let (parts, body) = match answer {
            Ok(answer) => answer.into_parts(),
            Err(error) => {
                self.wire.counters.add(Count::Failure, 1);
                let error = if asks_the_machine { final_fault(&error) } else { error };
                // Whoever asked may have gone away.
                let _ = head.send(Err(error));
                return;
            }
        };
        let refused = !parts.status.is_success();
        if parts.status.is_server_error() || parts.status == http::StatusCode::TOO_MANY_REQUESTS {
            self.wire.counters.add(Count::Failure, 1);
        }
        let expected = length(&parts.headers);
        if head.send(Ok(parts)).is_ok()
            && let Err(error) = self.pump(body, expected, refused).await
        {
            self.wire.counters.add(Count::Failure, 1);
            match &self.broken {
                Some(broken) => broken.tell(innermost(&error)),
                // The same: nobody may be listening.
                None => drop(self.frames.send(Err(error))),
            }
        }
    }

    /// Passes the body on, frame by frame.
    async fn pump(&mut self, body: HttpResponseBody, expected: Option<u64>, refused: bool) -> Result<(), HttpError> {
        let mut body = body;
        let mut left = expected.unwrap_or(u64::MAX);
        let mut total = 0;
        let mut slow = Slow::new(self.wire.silence);
        loop {
            let next = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context));
            let frame = match tokio::time::timeout_at(slow.until, next).await {
                Ok(Some(frame)) => frame?,
                Ok(None) => return Ok(()),
                Err(_) => return Err(slow.fault()),
            };
            let length = frame.data_ref().map_or(0, Bytes::len);
            left = left.saturating_sub(u64::try_from(length).unwrap_or(u64::MAX));
            total += length;
            self.wire.counters.add(Count::BytesRead, length);
            let waited = self.make_room(length).await;
            if self.frames.send(Ok(frame)).is_err() || (refused && total > REFUSAL_BYTES) {
                return Ok(());
            }
            slow.received(length, left, waited);
        }
    }

    async fn take_place(&mut self) {
        // The semaphore is never closed.
        self.permit = Arc::clone(&self.wire.at_once).acquire_owned().await.ok();
    }

    /// Waits until `bytes` fit between network and reader; how long that took.
    async fn make_room(&mut self, bytes: usize) -> Duration {
        let wanted = u32::try_from(bytes.min(self.wire.ahead)).unwrap_or(u32::MAX);
        if let Ok(room) = self.window.try_acquire_many(wanted) {
            room.forget();
            return Duration::ZERO;
        }
        let from = Instant::now();
        self.permit = None;
        if let Ok(room) = self.window.acquire_many(wanted).await {
            room.forget();
        }
        self.take_place().await;
        from.elapsed()
    }
}

/// Watches for a body that stalls: no bytes, or hardly any, for as long as a silence may last.
struct Slow {
    silence: Duration,
    until: Instant,
    received: u64,
}

impl Slow {
    fn new(silence: Duration) -> Self {
        Self {
            silence,
            until: Instant::now() + silence,
            received: 0,
        }
    }

    /// `left` bytes are still to come; `waited` is time for which the network was not asked.
    fn received(&mut self, bytes: usize, left: u64, waited: Duration) {
        self.until += waited;
        self.received += u64::try_from(bytes).unwrap_or(u64::MAX);
        // Bytes of a trickle do not start the clock again; enough of them do, and so does a body about to end.
        let enough = MIN_RATE.saturating_mul(self.silence.as_secs().max(1));
        if self.received >= enough || left == 0 {
            self.until = Instant::now() + self.silence;
            self.received = 0;
        }
    }

    fn fault(&self) -> HttpError {
        let words = format!("the body stalled: {} bytes came in {:?}", self.received, self.silence);
        fault(HttpErrorKind::Timeout, words)
    }
}

/// The body as the reader sees it. Dropping it ends the exchange.
struct Incoming {
    receiver: mpsc::UnboundedReceiver<Received>,
    window: Arc<Semaphore>,
    ahead: usize,
    _task: AbortOnDropHandle<()>,
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Received>> {
        let polled = self.receiver.poll_recv(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(bytes) = frame.data_ref()
        {
            self.window.add_permits(bytes.len().min(self.ahead));
        }
        polled
    }
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(http::header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// What a request is counted as.
fn count(request: &HttpRequest) -> Count {
    let query = request.uri().query().unwrap_or_default();
    match request.method().as_str() {
        "GET"
            if ["list-type=", "comp=list", "prefix="]
                .iter()
                .any(|word| query.contains(word)) =>
        {
            Count::List
        }
        "GET" => Count::Get,
        "HEAD" => Count::Head,
        "DELETE" => Count::Delete,
        "POST" if query.split('&').any(|word| word == "delete" || word == "delete=") => Count::Delete,
        _ => Count::Put,
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Words(String);

/// The same, of a kind that is not tried again.
fn final_fault(error: &HttpError) -> HttpError {
    fault(HttpErrorKind::Unknown, innermost(error))
}

fn fault(kind: HttpErrorKind, words: impl Into<String>) -> HttpError {
    HttpError::new(kind, Words(words.into()))
}

#[cfg(test)]
mod tests {
    use object_store::client::HttpRequestBody;

    use super::*;

    #[test]
    fn requests_are_counted_for_what_they_do() {
        for (method, uri, counted) in [
            ("GET", "http://h/bucket?list-type=2&prefix=a", Count::List),
            ("GET", "http://h/bucket/a", Count::Get),
            ("HEAD", "http://h/bucket/a", Count::Head),
            ("POST", "http://h/bucket?delete", Count::Delete),
            ("POST", "http://h/bucket/a?uploads", Count::Put),
            ("PUT", "http://h/bucket/a", Count::Put),
        ] {
            let request = http::Request::builder()
                .method(method)
                .uri(uri)
                .body(HttpRequestBody::empty())
                .unwrap();
            assert_eq!(count(&request), counted, "{method} {uri}");
        }
    }

    #[tokio::test]
    async fn a_trickle_is_a_stall_and_a_slow_reader_is_not() {
        let silence = Duration::from_secs(10);
        let mut slow = Slow::new(silence);
        let begun = slow.until;
        slow.received(1, 1000, Duration::ZERO);
        assert_eq!(slow.until, begun, "a byte does not start the clock again");
        slow.received(1, 1000, Duration::from_secs(50));
        assert_eq!(slow.until, begun + Duration::from_secs(50));
        slow.received(1 << 20, 1000, Duration::ZERO);
        assert!(slow.until <= Instant::now() + silence);
        assert!(slow.fault().to_string().contains("stalled"));
    }
}
