//! A root on a plain web server: one catalogue, read by name.

use std::time::{Duration, Instant};

use datafusion::execution::object_store::ObjectStoreUrl;
use dreyer::{Config, Database};
use futures::StreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;

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

/// A leaf, longer than what may run ahead of its readers in these tests.
const LEAF: &str = "hipparcos/dataset/Norder=0/Dir=0/Npix=4.parquet";

/// The reader's only thread is held up; the bytes come nevertheless, as many as may.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_come_while_the_reader_computes() {
    let files = sample_files();
    let size = files[LEAF].len() as u64;
    let server = WebServer::start(files, true).await;
    let mut config = config(&server, "hipparcos");
    config.limits.refresh_s = 0;
    let url = ObjectStoreUrl::parse(format!("http://{}", server.address)).unwrap();
    let busy = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let database = Database::open(config).await.unwrap();
            let store = database.session().context().runtime_env().object_store(url).unwrap();
            let before = database.storage_metrics()[0].bytes_read;
            let leaf = store.get(&Path::from(LEAF)).await.unwrap();
            let until = Instant::now() + Duration::from_secs(1);
            while Instant::now() < until {
                std::hint::spin_loop();
            }
            let came = database.storage_metrics()[0].bytes_read - before;
            assert_eq!(leaf.bytes().await.unwrap().len() as u64, size);
            came
        })
    });
    let came = tokio::task::spawn_blocking(|| busy.join().unwrap()).await.unwrap();
    assert_eq!(came, size);
}

/// One request at once, and readers that take turns: each waits for what another one holds up.
#[tokio::test]
async fn readers_that_wait_for_each_other_do_not_wait_for_ever() {
    let files = sample_files();
    let whole = files[LEAF].clone();
    let server = WebServer::start(files, true).await;
    let mut config = config(&server, "hipparcos");
    (config.storage.max_requests, config.storage.read_ahead_bytes) = (1, 1 << 16);
    assert!(whole.len() > 2 << 16, "{} bytes fit ahead of the reader", whole.len());
    let database = Database::open(config).await.unwrap();
    let url = ObjectStoreUrl::parse(format!("http://{}", server.address)).unwrap();
    let store = database.session().context().runtime_env().object_store(url).unwrap();
    let read = async {
        let mut bodies = Vec::new();
        for _ in 0..4 {
            bodies.push((store.get(&Path::from(LEAF)).await.unwrap().into_stream(), Vec::new()));
        }
        while !bodies.iter().all(|(_, read)| read.len() == whole.len()) {
            for (body, read) in &mut bodies {
                if let Some(bytes) = body.next().await {
                    read.extend_from_slice(&bytes.unwrap());
                }
            }
        }
        assert!(bodies.iter().all(|(_, read)| *read == whole));
    };
    tokio::time::timeout(Duration::from_secs(20), read).await.unwrap();
}

#[tokio::test]
async fn where_there_is_no_catalogue_the_error_says_what_a_root_is() {
    let server = WebServer::start(sample_files(), true).await;
    let error = Database::open(config(&server, "")).await.unwrap_err();
    assert!(
        error
            .message
            .starts_with("no HATS catalogue and no table file under http://"),
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
