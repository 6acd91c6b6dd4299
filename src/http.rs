//! The door for machines that watch over us: is it alive, is it ready, how is it doing.
//!
//! `/healthz` answers as long as the process does; `/readyz` says 503 as soon as it is told to stop, so that nothing new
//! comes; `/metrics` is in the text format of Prometheus.

mod metrics;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::cluster::Worker;
use crate::{Database, Result};

/// What there is to tell of.
pub(crate) struct Watched {
    pub(crate) database: Arc<Database>,
    pub(crate) worker: Option<Arc<Worker>>,
    /// Cancelled when the process is told to stop.
    pub(crate) stop: CancellationToken,
}

/// Answers until it is dropped.
///
/// # Errors
/// The listener fails.
pub(crate) async fn serve(listener: TcpListener, watched: Watched) -> Result<()> {
    let router = Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(watched));
    axum::serve(listener, router).await?;
    Ok(())
}

async fn ready(State(watched): State<Arc<Watched>>) -> impl IntoResponse {
    if watched.stop.is_cancelled() {
        (StatusCode::SERVICE_UNAVAILABLE, "shutting down\n")
    } else {
        (StatusCode::OK, "ready\n")
    }
}

async fn metrics(State(watched): State<Arc<Watched>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], metrics::text(&watched))
}
