//! A root on a plain web server: one catalogue, read by name.

use dreyer::{Config, Database};

use super::{all_rows, right_rows, rows};
use crate::support::web::{WebServer, sample_files};

fn config(server: &WebServer, path: &str) -> Config {
    Config {
        roots: vec![format!("http://{}/{path}", server.address)],
        ..Config::default()
    }
}

#[tokio::test]
async fn a_catalogue_on_a_web_server_is_read_by_name() {
    let server = WebServer::start(sample_files(), true).await;
    let database = Database::open(config(&server, "hipparcos/")).await.unwrap();
    assert_eq!(all_rows(&database.session()).await, right_rows().await);
    let metrics = database.storage_metrics();
    assert_eq!((metrics.len(), metrics[0].lists), (1, 0), "{metrics:?}");
    assert!(metrics[0].gets > 12 && metrics[0].heads > 12 && metrics[0].bytes_read > 100_000);
    assert_eq!(metrics[0].failures, 0, "{metrics:?}");
    // Two catalogues of one server are two roots and one store.
    let mut both = config(&server, "hipparcos");
    both.roots.push(format!("http://{}/gaia_bright", server.address));
    let database = Database::open(both).await.unwrap();
    let count = rows(&database.session(), "SELECT count(*) AS n FROM gaia_bright")
        .await
        .unwrap();
    assert!(count.contains(" 56483 "), "{count}");
    assert_eq!(database.storage_metrics().len(), 1);
}

#[tokio::test]
async fn a_server_without_etags_is_read_too() {
    let server = WebServer::start(sample_files(), false).await;
    let database = Database::open(config(&server, "hipparcos")).await.unwrap();
    assert_eq!(all_rows(&database.session()).await, right_rows().await);
}

#[tokio::test]
async fn where_there_is_no_catalogue_the_error_says_what_a_root_is() {
    let server = WebServer::start(sample_files(), true).await;
    let error = Database::open(config(&server, "")).await.unwrap_err();
    assert!(
        error.message.starts_with("no HATS catalogue under http://"),
        "{error:?}"
    );
    assert!(error.hint.unwrap().contains("web server"));
    drop(server);
    let gone = Config {
        roots: vec!["http://127.0.0.1:1/x".to_owned()],
        ..Config::default()
    };
    let mut gone = gone;
    gone.storage.timeout_s = 0.5;
    let error = Database::open(gone).await.unwrap_err();
    assert_eq!(error.sqlstate(), "58030", "{error:?}");
    assert!(error.message.contains("http://127.0.0.1:1/x/"), "{error:?}");
    assert!(error.message.contains("refused"), "{error:?}");
}
