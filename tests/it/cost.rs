//! What queries cost: what is estimated is near what is counted, and what is counted is what the store was asked for.

use dreyer::{Config, Database, PriceConfig, Session};

use crate::support::seaweed::{S3Server, config};
use crate::{table, value};

/// A number of a line of `EXPLAIN ANALYZE`'s cost: `estimated` or `spent`.
fn number(told: &str, line: &str, key: &str) -> f64 {
    let line = told
        .lines()
        .find_map(|text| Some(&text[text.find(&format!("{line}: "))?..]))
        .unwrap_or_else(|| panic!("no {line} in {told}"));
    let start = line
        .find(&format!("{key}="))
        .unwrap_or_else(|| panic!("no {key} in {line}"))
        + key.len()
        + 1;
    let digits = line[start..].split([',', ' ', '|']).next().unwrap();
    digits.parse().unwrap_or_else(|_| panic!("{digits} in {line}"))
}

async fn priced(mut config: Config) -> Session {
    config.prices = PriceConfig {
        core_hour: 3600.0,
        thousand_gets: 1000.0,
        ..PriceConfig::default()
    };
    Database::open(config).await.unwrap().session()
}

#[tokio::test]
async fn an_estimate_is_near_what_is_read() {
    let session = priced(Config::default()).await;
    // The footers are at hand from now on.
    value(&session, "SELECT count(ra) FROM gaia_bright WHERE ra > 0").await;
    for (sql, nearly) in [
        ("SELECT sum(phot_g_mean_mag) FROM gaia_bright", 0.02),
        ("SELECT sum(ra + dec) FROM gaia_bright", 0.02),
        (
            "SELECT sum(ra) FROM gaia_bright WHERE DISTANCE(ra, dec, 56.75, 24.12) < 3",
            0.7,
        ),
    ] {
        let told = table(&session, &format!("EXPLAIN ANALYZE {sql}")).await;
        let (estimated, spent) = (number(&told, "estimated", "bytes"), number(&told, "spent", "bytes"));
        assert!(
            spent > 0.0 && (estimated / spent - 1.0).abs() <= nearly,
            "{sql}: {told}"
        );
        assert_eq!(
            number(&told, "spent", "gets"),
            0.0,
            "the sample sky is within the program"
        );
        let (seconds, money) = (number(&told, "spent", "core_seconds"), number(&told, "spent", "money"));
        assert!((seconds - money).abs() < 0.001, "one second for one: {told}");
    }
    let before = table(&session, "EXPLAIN SELECT sum(ra) FROM gaia_bright").await;
    assert!(
        number(&before, "estimated", "money") > 0.0 && !before.contains("spent: "),
        "{before}"
    );
    let queries = session.database().last_queries();
    let last = queries.iter().rev().find(|query| query.spent.bytes > 0).unwrap();
    assert!(
        last.spent.core_seconds > 0.0 && last.progress() == Some(1.0),
        "{last:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_those_that_the_store_was_asked() {
    let server = S3Server::start().await;
    server.upload_sample("sky", "catalogues").await;
    let session = priced(config(&server.endpoint(), "sky", "catalogues")).await;
    value(&session, "SELECT count(ra) FROM hipparcos WHERE ra > 0").await;
    let asked = || session.database().storage_metrics().remove(0);
    let before = asked();
    let told = table(&session, "EXPLAIN ANALYZE SELECT sum(hpmag) FROM hipparcos").await;
    let after = asked();
    assert_eq!(
        number(&told, "spent", "gets"),
        (after.gets - before.gets) as f64,
        "{told}"
    );
    assert_eq!(
        number(&told, "spent", "bytes"),
        (after.bytes_read - before.bytes_read) as f64,
        "{told}"
    );
    assert!(after.gets > before.gets);
    let estimated = number(&told, "estimated", "gets");
    assert!(
        estimated > 0.0 && estimated <= 4.0 * number(&told, "spent", "gets"),
        "{told}"
    );
    assert!(
        number(&told, "spent", "money") >= number(&told, "spent", "gets"),
        "{told}"
    );
}
