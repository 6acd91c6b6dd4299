//! What reading costs of a store far away: requests, bytes, and whether anybody waits for them.

use std::time::Duration;

use datafusion::prelude::SessionConfig;
use dreyer_tiling::SkyOptions;

use super::sky::{Session, Sky, Star};

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values[values.len() / 2]
}

#[tokio::test]
async fn a_cone_takes_few_requests_once_footers_are_known() {
    let sky = Sky::new(60_000, 20_000, 4000).await;
    let session = sky.session().await;
    session.ids("SELECT id FROM sky WHERE name <> ''").await;
    let (mut requests, mut bytes) = (Vec::new(), Vec::new());
    for star in sky.stars.iter().step_by(601) {
        let (ra, dec) = (star.ra, star.dec);
        session.reads.take();
        let sql = format!("SELECT ra, dec, id FROM sky WHERE q3c_radial_query(ra, dec, {ra}, {dec}, 0.0166667)");
        let found: usize = session
            .query(&sql)
            .await
            .unwrap()
            .iter()
            .map(|batch| batch.num_rows())
            .sum();
        let near = |other: &&Star| dreyer_sphere::separation_deg(ra, dec, other.ra, other.dec) < 0.016_666_7;
        assert_eq!(found, sky.stars.iter().filter(near).count(), "{ra} {dec}");
        let (read, asked) = session.reads.take();
        bytes.push(read);
        requests.push(asked);
    }
    assert_eq!(requests.len(), 100);
    let (requests, bytes) = (median(requests), median(bytes));
    assert!(requests <= 2 && bytes < 500_000, "{requests} requests, {bytes} bytes");
}

#[tokio::test]
async fn a_known_footer_costs_nothing_and_an_unknown_one_a_single_request() {
    let sky = Sky::new(3000, 5000, 500).await;
    let config = SessionConfig::new().with_target_partitions(1);
    let session = Session::with_config(&sky.path(), config).await;
    session.reads.take();
    let tiles = session.catalog.tiles().len() as u64;
    session.ids("SELECT id FROM sky WHERE id < 0").await;
    let (_, cold) = session.reads.take();
    assert!(
        cold <= tiles,
        "the page index comes with the footer: {cold} for {tiles} files"
    );
    session.ids("SELECT id FROM sky WHERE id < 0").await;
    assert_eq!(session.reads.take(), (0, 0), "statistics suffice");
    let told = session.text("EXPLAIN ANALYZE SELECT id FROM sky WHERE id < 0").await;
    for metric in [format!("footer_cache_hits={tiles}"), "file_reads=0".to_owned()] {
        assert!(told.contains(&metric), "{metric} is not in {told}");
    }
}

/// A session whose store takes its time.
async fn slow(sky: &Sky, read_ahead_bytes: usize) -> Session {
    let mut config = SessionConfig::new().with_target_partitions(1).with_batch_size(512);
    let options = SkyOptions {
        read_ahead_bytes,
        ..SkyOptions::default()
    };
    config.options_mut().extensions.insert(options);
    config.options_mut().execution.parquet.metadata_size_hint = Some(4096);
    let session = Session::with_config(&sky.path(), config).await;
    session.reads.answer_after(Duration::from_millis(3));
    session
}

#[tokio::test]
async fn a_whole_scan_is_read_ahead_and_nothing_twice() {
    for (tile_rows, row_group_rows) in [(4000, 200), (300, 10_000), (10_000, 10_000)] {
        let sky = Sky::new(8000, tile_rows, row_group_rows).await;
        for sql in [
            "SELECT id FROM sky",
            "SELECT id, name FROM sky WHERE dec > -91 AND name <> ''",
        ] {
            let (ahead, plain) = (slow(&sky, 1 << 20).await, slow(&sky, 0).await);
            let mut cost = Vec::new();
            for session in [&plain, &ahead] {
                session.reads.take();
                assert_eq!(session.ids(sql).await.len(), 8000);
                cost.push((session.reads.take(), session.reads.most_at_once()));
            }
            let ((plain_read, one), (ahead_read, many)) = (cost[0], cost[1]);
            assert_eq!(
                plain_read, ahead_read,
                "{sql} {tile_rows}: nothing is read twice or for nothing"
            );
            assert!(one <= 2 && many >= 4, "{sql} {tile_rows}: {one} at once, {many} ahead");
        }
    }
}

#[tokio::test]
async fn a_scan_that_skips_or_stops_reads_little_for_nothing() {
    let sky = Sky::new(8000, 4000, 200).await;
    let ahead = slow(&sky, 1 << 20).await;
    let plain = slow(&sky, 0).await;
    for sql in [
        "SELECT id FROM sky LIMIT 3",
        "SELECT id FROM sky WHERE q3c_radial_query(ra, dec, 83.62, -5.38, 0.002)",
        "SELECT id FROM sky WHERE id = 77",
        "SELECT id FROM sky ORDER BY id LIMIT 3",
    ] {
        for session in [&plain, &ahead] {
            session.ids(sql).await;
            session.reads.take();
        }
        assert_eq!(
            ahead.query(sql).await.unwrap().len(),
            plain.query(sql).await.unwrap().len()
        );
        let ((more, _), (fewer, _)) = (ahead.reads.take(), plain.reads.take());
        assert!(more <= 2 * fewer + 100_000, "{sql}: {more} bytes for {fewer}");
    }
}

#[tokio::test]
async fn a_dropped_scan_stops_reading_ahead() {
    use datafusion::physical_plan::execute_stream;
    use futures::StreamExt;
    let sky = Sky::new(8000, 8000, 100).await;
    let session = slow(&sky, 1 << 20).await;
    let plan = session.plan("SELECT id FROM sky").await.unwrap();
    let mut rows = execute_stream(plan, session.context.task_ctx()).unwrap();
    rows.next().await.unwrap().unwrap();
    drop(rows);
    tokio::time::sleep(Duration::from_millis(20)).await;
    session.reads.take();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(session.reads.take(), (0, 0));
}

/// The bar for a large catalogue: 4 requests and 2 MB, as the median of 100 cones of one arc minute.
#[tokio::test]
#[ignore = "needs a catalogue of ten million rows, named by DREYER_TEST_CATALOG"]
async fn a_cone_of_ten_million_rows_keeps_to_its_budget() {
    let folder = std::env::var("DREYER_TEST_CATALOG").unwrap();
    let config = SessionConfig::new().with_target_partitions(2);
    let session = Session::with_config(std::path::Path::new(&folder), config).await;
    session
        .query("SELECT id FROM sky WHERE _healpix_29 % 2 = 2")
        .await
        .unwrap();
    let (mut requests, mut bytes) = (Vec::new(), Vec::new());
    for star in super::sky::stars(100) {
        session.reads.take();
        let sql = format!(
            "SELECT ra, dec, id FROM sky WHERE q3c_radial_query(ra, dec, {}, {}, 0.0166667)",
            star.ra, star.dec
        );
        session.query(&sql).await.unwrap();
        let (read, asked) = session.reads.take();
        bytes.push(read);
        requests.push(asked);
    }
    let most = (*requests.iter().max().unwrap(), *bytes.iter().max().unwrap());
    let (requests, bytes) = (median(requests), median(bytes));
    assert!(
        requests <= 4 && bytes <= 2_000_000,
        "{requests} requests, {bytes} bytes; most {most:?}"
    );
    assert!(most.0 <= 16 && most.1 <= 8_000_000, "{most:?}");
}
