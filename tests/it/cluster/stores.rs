//! Workers over catalogues that lie elsewhere, and over ones that change: the rows are those of one process.

use std::path::Path;
use std::sync::Arc;

use dreyer::{Config, Database, Session, Worker};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::WORK;
use crate::support::seaweed::{S3Server, config};
use crate::{table, value};

/// A session that deals all to workers in this process, and what stops these.
pub(super) async fn dealing(mut config: Config, number: usize) -> (Session, Vec<Arc<Worker>>, DropGuard) {
    let stop = CancellationToken::new();
    let (mut addresses, mut workers) = (Vec::new(), Vec::new());
    for _ in 0..number {
        let worker = Worker::new(Database::open(config.clone()).await.unwrap()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        addresses.push(listener.local_addr().unwrap().to_string());
        tokio::spawn(Arc::clone(&worker).serve(listener, stop.clone()));
        workers.push(worker);
    }
    config.cluster.workers = (number > 0).then(|| addresses.join(","));
    let session = Database::open(config).await.unwrap().session();
    crate::done(&session, "SET dreyer.compute = 'distributed'").await;
    (session, workers, stop.drop_guard())
}

#[tokio::test(flavor = "multi_thread")]
async fn catalogues_in_s3_give_the_same_rows() {
    let server = S3Server::start().await;
    server.upload_sample("sky", "catalogues").await;
    let config = config(&server.endpoint(), "sky", "catalogues");
    let here = Database::open(config.clone()).await.unwrap().session();
    for number in [1, 2, 3, 7] {
        let (session, _workers, _stop) = dealing(config.clone(), number).await;
        for sql in [
            WORK,
            "SELECT floor(hpmag) AS m, count(*), min(hip) FROM hipparcos GROUP BY m ORDER BY m",
            "SELECT h.hip, g.source_id FROM hipparcos h JOIN gaia_bright g \
             ON DISTANCE(h.ra, h.dec, g.ra, g.dec) < 0.001 ORDER BY 1, 2 LIMIT 500",
        ] {
            assert_eq!(
                table(&session, sql).await,
                table(&here, sql).await,
                "{number} workers: {sql}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalogue_that_is_rewritten_is_planned_again() {
    let folder = tempfile::tempdir().unwrap();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/sample");
    let stars = folder.path().join("stars");
    crate::rewritten::publish(&sample.join("gaia_bright"), &stars);
    let config = Config {
        roots: vec![folder.path().to_string_lossy().into_owned()],
        ..Config::default()
    };
    let (session, _workers, _stop) = dealing(config, 2).await;
    let sql = "SELECT count(ra) FROM stars WHERE ra >= 0";
    assert_eq!(value(&session, sql).await, "56483");
    let statement = session.parse(sql).unwrap().remove(0);
    let plan = session.plan(&statement).await.unwrap();
    crate::rewritten::publish(&sample.join("gaia_bright"), &stars);
    let dreyer::Outcome::Rows(rows) = session.execute(plan).await.unwrap() else {
        panic!("a query gives rows")
    };
    let batches: Vec<_> = futures::TryStreamExt::try_collect(rows).await.unwrap();
    let shown = datafusion::arrow::util::pretty::pretty_format_batches(&batches).unwrap();
    assert!(shown.to_string().contains("56483"), "{shown}");
}
