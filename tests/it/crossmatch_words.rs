//! What is said of a cross-match: spellings with one plan, the separation read off, errors and notices.

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::Int64Type;
use dreyer::Session;

use crate::crossmatch::{explain, run};
use crate::crossmatch_kinds::Tables;
use crate::skies::Sky;

/// The plans of a statement, constants rounded: a bound may be another double in the last bit.
async fn logical(session: &Session, sql: &str) -> String {
    let plan = explain(session, sql).await;
    let plan = plan.split("physical_plan").next().unwrap();
    let lines = plan.lines().filter(|line| !line.starts_with('+')).map(str::trim);
    let text = lines.collect::<Vec<_>>().join("\n");
    let mut rounded = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find("Float64(") {
        let (before, number) = rest.split_at(at + "Float64(".len());
        let (number, after) = number.split_once(')').unwrap();
        rounded += &format!("{before}{:.9e})", number.parse::<f64>().unwrap());
        rest = after;
    }
    // The table is as wide as its widest cell.
    (rounded + rest).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spellings_of_the_same_have_the_same_plan() {
    let folder = tempfile::tempdir().unwrap();
    let tables = Tables::new(Sky::Clustered, 100, 100, 0.2);
    let session = tables.write(folder.path()).await;
    let on = |condition: &str| format!("SELECT a.id, b.id FROM a JOIN b ON {condition}");
    let below = logical(&session, &on("DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1/3600.")).await;
    assert!(below.contains("radius=1\""), "{below}");
    let mut same = vec![
        on("DISTANCE(b.ra, b.dec, a.ra, a.dec) < 1/3600."),
        on("DISTANCE(POINT(a.ra, a.dec), POINT(b.ra, b.dec)) < 1/3600."),
        on("1/3600. > DISTANCE(POINT('ICRS', b.ra, b.dec), POINT('ICRS', a.ra, a.dec))"),
        on("DISTANCE(a.ra, a.dec, b.ra, b.dec) * 3600 < 1"),
        on("3600 * DISTANCE(b.ra, b.dec, a.ra, a.dec) < 1"),
        on("DISTANCE(a.ra, a.dec, b.ra, b.dec) / (1/3600.) < 1"),
        on("separation_arcsec(a.ra, a.dec, b.ra, b.dec) < 1"),
        on("q3c_join(a.ra, a.dec, b.ra, b.dec, 1/3600.)"),
        on("q3c_dist(a.ra, a.dec, b.ra, b.dec) < 1/3600."),
        on("XMATCH(a.ra, a.dec, b.ra, b.dec, radius_arcsec => 1)"),
        on("XMATCH(POINT(a.ra, a.dec), POINT(b.ra, b.dec), radius_arcsec => 1, mode => 'all')"),
        on("XMATCH(radius_arcsec => 1)"),
        "SELECT a.id, b.id FROM a, b WHERE DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1/3600.".to_owned(),
        "SELECT a.id, b.id FROM a CROSS JOIN b WHERE XMATCH(a.ra, a.dec, b.ra, b.dec, 1)".to_owned(),
    ];
    for sql in same.drain(..) {
        assert_eq!(logical(&session, &sql).await, below, "{sql}");
    }
    let through = logical(&session, &on("DISTANCE(a.ra, a.dec, b.ra, b.dec) <= 1/3600.")).await;
    assert_eq!(through.replace("<= ", "< "), below);
    for sql in [
        on("DISTANCE(a.ra, a.dec, b.ra, b.dec) BETWEEN 0 AND 1/3600."),
        on("1 = CONTAINS(POINT(a.ra, a.dec), CIRCLE(b.ra, b.dec, 1/3600.))"),
        on("1 = CONTAINS(POINT(b.ra, b.dec), CIRCLE(POINT(a.ra, a.dec), 1/3600.))"),
        on("INTERSECTS(CIRCLE('ICRS', a.ra, a.dec, 1/3600.), POINT(b.ra, b.dec)) = 1"),
    ] {
        assert_eq!(logical(&session, &sql).await, through, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_separation_is_computed_once() {
    let folder = tempfile::tempdir().unwrap();
    let tables = Tables::new(Sky::Clustered, 200, 200, 0.2);
    let session = tables.write(folder.path()).await;
    let on = "DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.2";
    let sql = format!(
        "SELECT a.id, b.id, separation_arcsec(b.ra, b.dec, a.ra, a.dec) AS s, \
         ROUND(DISTANCE(POINT(a.ra, a.dec), POINT(b.ra, b.dec)), 3) FROM a LEFT JOIN b ON {on} ORDER BY 1, 2, 3"
    );
    for strategy in ["auto", "indexed", "retiled", "nested_loop"] {
        run(&session, &format!("SET dreyer.crossmatch_strategy = '{strategy}'")).await;
        let plan = explain(&session, &sql).await;
        assert!(plan.contains("separation=__separation"), "{plan}");
        assert!(!plan.contains("separation_arcsec("), "{plan}");
        let batches = run(&session, &sql).await;
        let mut seen = 0;
        for batch in &batches {
            assert_eq!(batch.schema().field(2).name(), "s");
            assert_eq!(batch.schema().field(2).metadata().get("unit").unwrap(), "arcsec");
            let (a, b) = (
                batch.column(0).as_primitive::<Int64Type>(),
                batch.column(1).as_primitive::<Int64Type>(),
            );
            let s = batch
                .column(2)
                .as_primitive::<datafusion::arrow::datatypes::Float64Type>();
            for row in 0..batch.num_rows() {
                assert_eq!(b.is_valid(row), s.is_valid(row));
                if b.is_valid(row) {
                    let (a, b) = (
                        &tables.left[a.value(row) as usize],
                        &tables.right[b.value(row) as usize],
                    );
                    assert!((s.value(row) - 3600.0 * Tables::apart(a, b)).abs() < 1e-9);
                    seen += 1;
                }
            }
        }
        assert!(seen > 50, "{strategy}: {seen}");
    }
    let sql = format!("SELECT a.band, MAX(DISTANCE(a.ra, a.dec, b.ra, b.dec)) FROM a JOIN b ON {on} GROUP BY a.band");
    assert!(
        explain(&session, &sql).await.contains("MAX(__separation)")
            || explain(&session, &sql).await.contains("max(__separation)")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_match_that_cannot_be_says_what_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let tables = Tables::new(Sky::Wrap, 60, 60, 0.3);
    let session = tables.write(folder.path()).await;
    for (sql, message) in [
        (
            "SELECT 1 FROM a, b WHERE XMATCH(a.ra, a.dec, b.ra, b.dec, 1, mode => 'nearest')",
            "only in the ON clause",
        ),
        ("SELECT XMATCH(radius_arcsec => 1) FROM a", "only in the ON clause"),
        (
            "SELECT 1 FROM a JOIN b ON XMATCH(1) JOIN a c ON XMATCH(1)",
            "several pairs of position columns on the left",
        ),
        (
            "SELECT 1 FROM a JOIN (SELECT id FROM b) b ON XMATCH(1)",
            "no position columns on the right",
        ),
        (
            "SELECT 1 FROM a FULL JOIN b ON XMATCH(1, mode => 'nearest')",
            "FULL JOIN has no side",
        ),
        (
            "SELECT 1 FROM a JOIN b ON XMATCH(1, mode => 'closest')",
            "no mode 'closest'",
        ),
        ("SELECT 1 FROM a JOIN b ON XMATCH(1, k => 0)", "a k from 1"),
        (
            "SELECT 1 FROM a JOIN b ON XMATCH(1, mode => 'best') OR a.id = 1",
            "only in the ON clause",
        ),
    ] {
        let error = match session.query(sql).await {
            Ok(_) => panic!("{sql} must not run"),
            Err(error) => error,
        };
        assert!(error.message.contains(message), "{sql}: {}", error.message);
        assert!(error.hint.is_some(), "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_match_without_end_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let tables = Tables::new(Sky::Wrap, 300, 300, 0.3);
    let session = tables.write(folder.path()).await;
    let count = |on: &str| format!("SELECT COUNT(*) FROM a JOIN b ON {on}");
    let unbounded = count("DISTANCE(a.ra, a.dec, b.ra, b.dec) > 0.1");
    let wide = count("DISTANCE(a.ra, a.dec, b.ra, b.dec) < 20");
    run(&session, &unbounded).await;
    assert!(session.take_notices().is_empty(), "small tables may be compared");
    run(&session, "SET dreyer.crossmatch_notice_pairs = 1000").await;
    run(&session, &unbounded).await;
    let notices = session.take_notices();
    assert!(
        notices.len() == 1 && notices[0].contains("no upper bound"),
        "{notices:?}"
    );
    run(&session, &wide).await;
    let notices = session.take_notices();
    assert!(
        notices.len() == 1 && notices[0].contains("within 20° has about 3e3 pairs"),
        "{notices:?}"
    );
    run(&session, &count("DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.01")).await;
    run(&session, "SELECT COUNT(*) FROM a JOIN b ON a.id < b.id").await;
    assert!(session.take_notices().is_empty());
}
