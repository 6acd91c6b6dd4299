//! The sample sky's cross-match against astropy, pair by pair: as catalogued, and carried to Gaia's epoch.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;

use crate::{batches, local};

const CATALOGUED: &str = "SELECT CAST(h.hip AS bigint), g.source_id FROM hipparcos h JOIN gaia_bright g \
    ON DISTANCE(h.ra, h.dec, g.ra, g.dec) < {radius} / 3600.";
const EPOCH: &str = "SELECT CAST(h.hip AS bigint), g.source_id FROM hipparcos h JOIN gaia_bright g \
    ON 1 = CONTAINS(POINT(g.ra, g.dec), CIRCLE(ivo_epoch_prop_pos( \
    h.ra, h.dec, h.parallax, h.pmra, h.pmdec, 0, 1991.25, 2016.0), {radius} / 3600.))";

const PICKED: &str = "SELECT CAST(h.hip AS bigint), g.source_id FROM hipparcos h JOIN gaia_bright g \
    ON XMATCH(h.ra, h.dec, g.ra, g.dec, radius_arcsec => {radius}, {mode})";
const ALONE: &str = "SELECT CAST(h.hip AS bigint), CAST(0 AS bigint) FROM hipparcos h WHERE NOT EXISTS \
    (SELECT 1 FROM gaia_bright g WHERE DISTANCE(h.ra, h.dec, g.ra, g.dec) < {radius} / 3600.)";

fn astropy(radius_arcsec: u32, when: &str) -> BTreeSet<(i64, i64)> {
    let python = std::env::var("DREYER_TEST_PYTHON")
        .expect("DREYER_TEST_PYTHON must name a Python with astropy and pyarrow; tests/run makes one");
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(python)
        .arg(here.join("tests/it/astropy_pairs.py"))
        .args([
            here.join("sql/sample").display().to_string(),
            radius_arcsec.to_string(),
            when.to_owned(),
        ])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let pair = |line: &str| {
        let (hip, source) = line.split_once(' ').unwrap();
        (hip.parse().unwrap(), source.parse().unwrap())
    };
    text.lines().map(pair).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn astropy_finds_the_same_pairs() {
    let session = local().await;
    let picked = |mode: &str| PICKED.replace("{mode}", mode);
    for (sql, when, radii) in [
        (CATALOGUED.to_owned(), "catalogued", [1, 5]),
        (EPOCH.to_owned(), "epoch", [1, 5]),
        (picked("mode => 'nearest'"), "nearest", [2, 600]),
        (picked("k => 2"), "two", [60, 1200]),
        (picked("mode => 'best'"), "best", [2, 600]),
        (ALONE.to_owned(), "alone", [2, 60]),
    ] {
        for radius in radii {
            let mut found = BTreeSet::new();
            for batch in batches(&session, &sql.replace("{radius}", &radius.to_string())).await {
                let column = |number: usize| batch.column(number).as_primitive::<Int64Type>();
                found.extend(
                    column(0)
                        .values()
                        .iter()
                        .copied()
                        .zip(column(1).values().iter().copied()),
                );
            }
            let truth = astropy(radius, when);
            assert!(truth.len() > 20_000, "{} pairs", truth.len());
            let (missing, extra) = (truth.difference(&found).count(), found.difference(&truth).count());
            assert_eq!(
                (missing, extra),
                (0, 0),
                "{when}, {radius} arcsec, of {} pairs",
                truth.len()
            );
        }
    }
}
