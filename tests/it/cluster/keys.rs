//! Who may use a worker: those with the token, of the same build, with certificates where there are some.

use std::fs;
use std::path::Path;

use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use super::process::Process;
use super::{coordinator, coordinator_with, ready, worker};
use crate::support::certificates::certificates;

pub(super) async fn with_token(folder: &Path, token: &str) -> String {
    let (file, config) = (
        folder.join(format!("{token}.token")),
        folder.join(format!("{token}.toml")),
    );
    fs::write(&file, format!("{token}\n")).unwrap();
    fs::write(&config, format!("[cluster]\ntoken_file = '{}'\n", file.display())).unwrap();
    config.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_holders_of_the_token_get_in() {
    let folder = tempfile::tempdir().unwrap();
    let (right, wrong) = (
        with_token(folder.path(), "Halley").await,
        with_token(folder.path(), "Encke").await,
    );
    let worker = Process::start(&["worker", "--listen", "127.0.0.1:0", "--config", &right]).await;
    let workers = [worker.said("working on ")];
    let sql = "SELECT count(hip) FROM hipparcos";
    let (serve, psql) = coordinator_with(&workers, &["--config", &right]).await;
    ready(&serve, 1).await;
    assert_eq!(psql.dealt(sql).await.rows, "117955\n");
    let (_other, psql) = coordinator_with(&workers, &["--config", &wrong]).await;
    let refused = psql.dealt(sql).await;
    assert!(
        refused
            .errors
            .contains("the token is missing or not that of this cluster"),
        "{refused:?}"
    );
    assert!(!refused.errors.contains("Encke") && !refused.errors.contains("Halley"));
    let (_none, psql) = coordinator(&workers).await;
    assert!(psql.dealt(sql).await.errors.contains("58000"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_of_another_build_gets_no_work() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stranger = listener.local_addr().unwrap().to_string();
    let service = datafusion_distributed::Worker::default()
        .with_version("another")
        .into_worker_server();
    let incoming = TcpIncoming::from(listener);
    tokio::spawn(Server::builder().add_service(service).serve_with_incoming(incoming));
    let own = worker().await;
    let (serve, psql) = coordinator(&[stranger, own.said("working on ")]).await;
    ready(&serve, 1).await;
    assert_eq!(serve.metric("dreyer_workers{state=\"other_build\"}").await, 1);
    assert_eq!(psql.dealt("SELECT count(hip) FROM hipparcos").await.rows, "117955\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_certificates_both_sides_prove_themselves() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let at = |name: &str| folder.path().join(name).display().to_string();
    let config = at("tls.toml");
    let (cert, key, ca) = (at("pod.pem"), at("pod.key"), at("ca.pem"));
    let text = format!("[cluster]\ntls_cert = '{cert}'\ntls_key = '{key}'\ntls_ca = '{ca}'\n");
    fs::write(&config, text).unwrap();
    let mut workers = Vec::new();
    for _ in 0..2 {
        workers.push(Process::start(&["worker", "--listen", "127.0.0.1:0", "--config", &config]).await);
    }
    let addresses = super::addresses(&workers);
    let (serve, psql) = coordinator_with(&addresses, &["--config", &config]).await;
    ready(&serve, 2).await;
    let sql = "SELECT count(*), min(hip) FROM hipparcos GROUP BY hip % 2 ORDER BY 2";
    assert_eq!(psql.dealt(sql).await, psql.with("local", sql).await);
    // Who has no certificate of the authority gets no answer.
    let plain: Vec<String> = addresses.iter().map(|address| format!("http://{address}")).collect();
    let (_serve, psql) = coordinator(&plain).await;
    assert!(psql.dealt(sql).await.errors.contains("58000"));
}
