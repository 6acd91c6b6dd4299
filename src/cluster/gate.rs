//! The door of a worker: who may come in, how many, and until when.
//!
//! Handlers run on the engine's threads, so that the threads that keep connections alive never compute.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::runtime::Handle;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::server::NamedService;

use super::lost::REFUSED;
use super::secrets::Secrets;

/// The last part of the path of a request that brings a task.
const NEW_TASK: &str = "/CoordinatorChannel";

/// That of one which asks who we are.
const WHO: &str = "/GetWorkerInfo";

/// What the door knows.
pub(super) struct Attendance {
    pub(super) secrets: Secrets,
    pub(super) engine: Handle,
    pub(super) max_tasks: usize,
    draining: AtomicBool,
    /// A token for each task that is here.
    tasks: TaskTracker,
}

impl Attendance {
    pub(super) fn new(secrets: Secrets, engine: Handle, max_tasks: usize) -> Arc<Self> {
        Arc::new(Self {
            secrets,
            engine,
            max_tasks,
            draining: AtomicBool::new(false),
            tasks: TaskTracker::new(),
        })
    }

    /// Tasks that are here now.
    pub(super) fn tasks(&self) -> usize {
        self.tasks.len()
    }

    /// Takes no more work, and waits until all that is here has left.
    pub(super) async fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Whether a request may come in; what keeps count of it, if it is a task.
    fn admit<B>(&self, request: &Request<B>) -> Result<Option<TaskTrackerToken>, Status> {
        if !self.secrets.admits(request.headers().get(AUTHORIZATION)) {
            return Err(Status::unauthenticated(
                "the token is missing or not that of this cluster",
            ));
        }
        let path = request.uri().path();
        let new_task = path.ends_with(NEW_TASK);
        if (new_task || path.ends_with(WHO)) && self.draining.load(Ordering::SeqCst) {
            return Err(Status::unavailable(format!("{REFUSED}: it is shutting down")));
        }
        if !new_task {
            return Ok(None);
        }
        let token = self.tasks.token();
        if self.tasks.len() > self.max_tasks {
            let most = self.max_tasks;
            return Err(Status::unavailable(format!(
                "{REFUSED}: it has {most} tasks (cluster.max_tasks)"
            )));
        }
        Ok(Some(token))
    }
}

/// A service behind the door.
#[derive(Clone)]
pub(super) struct Gate<S> {
    pub(super) inner: S,
    pub(super) attendance: Arc<Attendance>,
}

impl<S: NamedService> NamedService for Gate<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Gate<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let token = match self.attendance.admit(&request) {
            Ok(token) => token,
            Err(status) => return Box::pin(async move { Ok(status.into_http()) }),
        };
        let mut inner = self.inner.clone();
        let handled = self.attendance.engine.spawn(async move { inner.call(request).await });
        let handled = AbortOnDropHandle::new(handled);
        Box::pin(async move {
            let response = match handled.await {
                Ok(Ok(response)) => response,
                Ok(Err(never)) => match never {},
                Err(error) => Status::internal(format!("a worker's handler ended: {error}")).into_http(),
            };
            Ok(response.map(|body| Body::new(Counted { body, _token: token })))
        })
    }
}

/// An answer that counts as a task until it has gone out or nobody wants it.
struct Counted {
    body: Body,
    _token: Option<TaskTrackerToken>,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ClusterConfig;

    fn attendance(max_tasks: usize) -> Arc<Attendance> {
        let secrets = Secrets::read(&ClusterConfig::default()).unwrap();
        Attendance::new(secrets, Handle::current(), max_tasks)
    }

    fn request(path: &str) -> Request<()> {
        Request::builder()
            .uri(format!("http://w:1/worker.WorkerService{path}"))
            .body(())
            .unwrap()
    }

    #[tokio::test]
    async fn tasks_are_counted_bounded_and_waited_for() {
        let door = attendance(1);
        let first = door.admit(&request(NEW_TASK)).unwrap();
        assert!(first.is_some());
        let refused = door.admit(&request(NEW_TASK)).unwrap_err();
        assert!(refused.message().contains("cluster.max_tasks"), "{refused}");
        assert!(
            door.admit(&request("/ExecuteTask")).unwrap().is_none(),
            "part of a task that is here"
        );
        let draining = tokio::spawn({
            let door = Arc::clone(&door);
            async move { door.drain().await }
        });
        tokio::task::yield_now().await;
        assert!(
            door.admit(&request(WHO))
                .unwrap_err()
                .message()
                .contains("shutting down")
        );
        assert!(!draining.is_finished());
        drop(first);
        draining.await.unwrap();
        assert_eq!(door.tasks(), 0);
    }
}
