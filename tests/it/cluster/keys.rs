//! Who may use a worker: those with the token, of the same build, with certificates where there are some.

use std::fs;
use std::time::Duration;

use super::process::Process;
use super::{coordinator, coordinator_with, until, worker};

async fn with_token(folder: &std::path::Path, token: &str) -> String {
    let (file, config) = (folder.join(format!("{token}.token")), folder.join(format!("{token}.toml")));
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
    let (_one, psql) = coordinator_with(&workers, &["--config", &right]).await;
    assert_eq!(psql.dealt(sql).await.rows, "117955\n");
    let (_other, psql) = coordinator_with(&workers, &["--config", &wrong]).await;
    let refused = psql.dealt(sql).await;
    assert!(refused.errors.contains("the token is missing or not that of this cluster"), "{refused:?}");
    assert!(!refused.errors.contains("Encke") && !refused.errors.contains("Halley"));
    let (_none, psql) = coordinator(&workers).await;
    assert!(psql.dealt(sql).await.errors.contains("58000"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_of_another_build_gets_no_work() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("dreyer");
    let mut program = fs::read(env!("CARGO_BIN_EXE_dreyer")).unwrap();
    program.push(0);
    fs::write(&other, program).unwrap();
    fs::set_permissions(&other, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let stranger = Process::of(other.to_str().unwrap(), &["worker", "--listen", "127.0.0.1:0"]).await;
    let own = worker().await;
    let workers = [stranger.said("working on "), own.said("working on ")];
    let (serve, psql) = coordinator(&workers).await;
    let seen = async || serve.metric("dreyer_workers{state=\"other_build\"}").await == 1;
    until("it is told apart", Duration::from_secs(5), seen).await;
    assert_eq!(serve.metric("dreyer_workers{state=\"ready\"}").await, 1);
    assert_eq!(psql.dealt("SELECT count(hip) FROM hipparcos").await.rows, "117955\n");
}
