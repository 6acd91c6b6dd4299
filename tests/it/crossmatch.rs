//! The cross-match against brute force: every strategy, hard skies, radii from 0.01 arcseconds to 30 degrees.

use std::collections::BTreeSet;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;
use dreyer::{Access, Config, Database, Outcome, Session};
use dreyer_sphere::separation_deg;
use futures::TryStreamExt;

use crate::skies::{Object, Sky, write_catalogue};

const RADII_DEG: [f64; 7] = [0.01 / 3600.0, 1.0 / 3600.0, 30.0 / 3600.0, 0.2, 0.9, 5.0, 30.0];

pub(crate) async fn open(root: &std::path::Path) -> Session {
    let roots = vec![root.display().to_string()];
    Database::open(Config {
        roots,
        access: Access::Full,
        ..Config::default()
    })
    .await
    .unwrap()
    .session()
}

pub(crate) async fn run(session: &Session, sql: &str) -> Vec<datafusion::arrow::array::RecordBatch> {
    let mut rows = Vec::new();
    for statement in session.parse(sql).unwrap() {
        let plan = session
            .plan(&statement)
            .await
            .unwrap_or_else(|error| panic!("{}", error.render(sql)));
        match session.execute(plan).await.unwrap() {
            Outcome::Rows(stream) => {
                rows = stream
                    .try_collect()
                    .await
                    .unwrap_or_else(|error| panic!("{sql}: {error}"))
            }
            Outcome::Done { .. } => rows.clear(),
        }
    }
    rows
}

/// The two id columns of a result; a pair that comes twice fails.
async fn pairs(session: &Session, sql: &str) -> BTreeSet<(i64, i64)> {
    let mut pairs = BTreeSet::new();
    for batch in run(session, sql).await {
        let (left, right) = (
            batch.column(0).as_primitive::<Int64Type>(),
            batch.column(1).as_primitive::<Int64Type>(),
        );
        for row in 0..batch.num_rows() {
            assert!(
                pairs.insert((left.value(row), right.value(row))),
                "a pair came twice: {sql}"
            );
        }
    }
    pairs
}

pub(crate) async fn explain(session: &Session, sql: &str) -> String {
    let batches = run(session, &format!("EXPLAIN {sql}")).await;
    datafusion::arrow::util::pretty::pretty_format_batches(&batches)
        .unwrap()
        .to_string()
}

fn brute_force(
    left: &[Object],
    right: &[Object],
    keep: impl Fn(f64, &Object, &Object) -> bool,
) -> BTreeSet<(i64, i64)> {
    let mut pairs = BTreeSet::new();
    for a in left {
        for b in right {
            let (Some(ra1), Some(ra2)) = (a.ra, b.ra) else { continue };
            if keep(separation_deg(ra1, a.dec, ra2, b.dec), a, b) {
                pairs.insert((a.id, b.id));
            }
        }
    }
    pairs
}

/// Sets that agree but for pairs that lie within rounding of the radius.
fn assert_same(found: &BTreeSet<(i64, i64)>, truth: &BTreeSet<(i64, i64)>, what: &str) {
    let missing: Vec<_> = truth.difference(found).take(5).collect();
    let extra: Vec<_> = found.difference(truth).take(5).collect();
    assert!(
        missing.is_empty() && extra.is_empty(),
        "{what}: missing {missing:?}, extra {extra:?} of {}",
        truth.len()
    );
}

/// Every strategy finds what brute force finds, at every radius.
async fn strategies_agree(sky: Sky) {
    for radius in RADII_DEG {
        let folder = tempfile::tempdir().unwrap();
        let left = sky.objects(300, 1, radius);
        let right = sky.objects(200, 2, radius);
        write_catalogue(folder.path(), "a", &left, 60).await;
        write_catalogue(folder.path(), "b", &right, 40).await;
        let truth = brute_force(&left, &right, |apart, _, _| apart < radius);
        if radius > 0.5 / 3600.0 {
            assert!(
                truth.len() > 10,
                "{sky:?} at {radius} deg must have pairs to find, has {}",
                truth.len()
            );
        }
        let session = open(folder.path()).await;
        let sql = format!("SELECT a.id, b.id FROM a JOIN b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < {radius:?}");
        for (strategy, unit_rows, shown) in [
            ("auto", 500_000, "CrossMatchExec"),
            ("aligned", 50, "CrossMatchExec"),
            ("indexed", 500_000, "strategy=indexed"),
            (
                "retiled",
                500_000,
                if radius < 20.0 {
                    "strategy=retiled"
                } else {
                    "strategy=indexed"
                },
            ),
            ("nested_loop", 500_000, "NestedLoopJoinExec"),
        ] {
            run(&session, &format!("SET dreyer.crossmatch_strategy = '{strategy}'")).await;
            run(&session, &format!("SET dreyer.crossmatch_unit_rows = {unit_rows}")).await;
            let plan = explain(&session, &sql).await;
            assert!(plan.contains(shown), "{strategy}: {plan}");
            if radius < 1.0 && strategy == "aligned" {
                assert!(plan.contains("strategy=aligned"), "{plan}");
            }
            assert_same(
                &pairs(&session, &sql).await,
                &truth,
                &format!("{sky:?}, {radius} deg, {strategy}"),
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strategies_agree_on_a_uniform_sky() {
    strategies_agree(Sky::Uniform).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strategies_agree_in_clusters() {
    strategies_agree(Sky::Clustered).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strategies_agree_at_the_poles() {
    strategies_agree(Sky::Poles).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strategies_agree_at_ra_zero() {
    strategies_agree(Sky::Wrap).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strategies_agree_at_tile_corners() {
    strategies_agree(Sky::Corners).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_spelling_gives_the_same_pairs() {
    let folder = tempfile::tempdir().unwrap();
    let radius = 0.05;
    let left = Sky::Clustered.objects(600, 1, radius);
    let right = Sky::Clustered.objects(600, 2, radius);
    write_catalogue(folder.path(), "a", &left, 100).await;
    write_catalogue(folder.path(), "b", &right, 100).await;
    let truth = brute_force(&left, &right, |apart, _, _| apart < radius);
    let same_band = brute_force(&left, &right, |apart, a, b| apart < radius && a.band == b.band);
    let further = brute_force(&left, &right, |apart, a, b| {
        apart < radius && a.band + b.band == 2 && apart > 0.01
    });
    assert!(same_band.len() > 10 && further.len() > 10 && truth.len() > same_band.len());
    let session = open(folder.path()).await;
    let on = |condition: &str| format!("SELECT a.id, b.id FROM a JOIN b ON {condition}");
    for (sql, truth) in [
        (on("DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.05"), &truth),
        (on("DISTANCE(b.ra, b.dec, a.ra, a.dec) < 0.05"), &truth),
        (on("0.05 > DISTANCE(POINT(a.ra, a.dec), POINT(b.ra, b.dec))"), &truth),
        (on("DISTANCE(a.ra, a.dec, b.ra, b.dec) * 3600 < 180"), &truth),
        (
            on("1 = CONTAINS(POINT(a.ra, a.dec), CIRCLE(b.ra, b.dec, 0.05))"),
            &truth,
        ),
        (
            on("CONTAINS(POINT('ICRS', b.ra, b.dec), CIRCLE('ICRS', a.ra, a.dec, 0.05)) = 1"),
            &truth,
        ),
        (
            on("INTERSECTS(CIRCLE(a.ra, a.dec, 0.05), POINT(b.ra, b.dec)) = 1"),
            &truth,
        ),
        (on("q3c_join(a.ra, a.dec, b.ra, b.dec, 0.05)"), &truth),
        (
            on("DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.05 AND a.band = b.band"),
            &same_band,
        ),
        (
            on("a.band + b.band = 2 AND DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.05 \
                AND DISTANCE(a.ra, a.dec, b.ra, b.dec) > 0.01"),
            &further,
        ),
        (
            "SELECT a.id, b.id FROM a, b WHERE DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.05".to_owned(),
            &truth,
        ),
        (
            "SELECT p.id, q.id FROM (SELECT id, ra, dec FROM a WHERE band >= 0) p, b AS q \
             WHERE DISTANCE(p.ra, p.dec, q.ra, q.dec) < 0.05"
                .to_owned(),
            &truth,
        ),
    ] {
        let plan = explain(&session, &sql).await;
        assert!(plan.contains("CrossMatchExec: strategy=aligned"), "{sql}\n{plan}");
        assert_same(&pairs(&session, &sql).await, truth, &sql);
    }
    // Moved coordinates do not follow the tiles: one side is held in memory instead.
    let moved = on("DISTANCE(a.ra + 0.0, a.dec, b.ra, b.dec) < 0.05");
    assert!(explain(&session, &moved).await.contains("strategy=indexed"));
    assert_same(&pairs(&session, &moved).await, &truth, &moved);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn self_matches_filters_and_aggregates_compose() {
    let folder = tempfile::tempdir().unwrap();
    let objects = Sky::Wrap.objects(800, 1, 0.02);
    write_catalogue(folder.path(), "a", &objects, 100).await;
    let session = open(folder.path()).await;
    let truth = brute_force(&objects, &objects, |apart, a, b| apart < 0.5 && a.id < b.id);
    let sql = "SELECT x.id, y.id FROM a x JOIN a y ON DISTANCE(x.ra, x.dec, y.ra, y.dec) < 0.5 AND x.id < y.id";
    assert_same(&pairs(&session, sql).await, &truth, sql);

    let in_cone = brute_force(&objects, &objects, |apart, a, _| {
        apart < 0.5 && separation_deg(a.ra.unwrap(), a.dec, 0.0, 0.0) < 5.0
    });
    let sql = "SELECT x.id, y.id FROM a x JOIN a y ON DISTANCE(x.ra, x.dec, y.ra, y.dec) < 0.5 \
               WHERE DISTANCE(x.ra, x.dec, 0, 0) < 5";
    assert_same(&pairs(&session, sql).await, &in_cone, sql);

    let counted = run(
        &session,
        "SELECT count(*) FROM a x JOIN a y ON DISTANCE(x.ra, x.dec, y.ra, y.dec) < 0.5 AND x.id < y.id",
    )
    .await;
    assert_eq!(
        counted[0].column(0).as_primitive::<Int64Type>().value(0),
        truth.len() as i64
    );

    let none = "SELECT x.id, y.id FROM a x JOIN a y ON DISTANCE(x.ra, x.dec, y.ra, y.dec) < -1";
    assert!(pairs(&session, none).await.is_empty());
    let empty = "SELECT x.id, y.id FROM (SELECT * FROM a WHERE id < 0) x JOIN a y \
                 ON DISTANCE(x.ra, x.dec, y.ra, y.dec) < 1";
    assert!(pairs(&session, empty).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_lie_nowhere_match_nothing() {
    let session = Database::open(Config {
        access: Access::Full,
        ..Config::default()
    })
    .await
    .unwrap()
    .session();
    let sky = "(VALUES (1, 10.0, 10.0), (2, NULL, 10.0), (3, CAST('NaN' AS double), 10.0), (4, 10.0, 95.0), \
               (5, 370.0, 10.0), (6, CAST('Infinity' AS double), 1.0))";
    let sql = format!(
        "SELECT CAST(a.id AS bigint), CAST(b.id AS bigint) FROM {sky} AS a(id, ra, dec) JOIN {sky} AS b(id, ra, dec) \
         ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1"
    );
    for strategy in ["indexed", "retiled", "nested_loop"] {
        run(&session, &format!("SET dreyer.crossmatch_strategy = '{strategy}'")).await;
        let truth = BTreeSet::from([(1, 1), (1, 5), (5, 1), (5, 5)]);
        assert_same(&pairs(&session, &sql).await, &truth, strategy);
    }
}
