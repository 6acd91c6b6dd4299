//! Matches of several catalogues in one plan, mutual ones, and the order of the rows: all unit by unit.

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;
use dreyer::Session;
use dreyer_sphere::separation_deg;

use crate::crossmatch::{explain, open, run};
use crate::crossmatch_kinds::{KINDS, join_sql, rows};
use crate::skies::{Object, Sky, write_catalogue};

const RADIUS_DEG: f64 = 0.2;

/// Catalogues a, b and c around the same places, open with small units and three partitions.
async fn three(folder: &std::path::Path, sky: Sky) -> (Session, [Vec<Object>; 3]) {
    let objects = [(200, 1), (180, 2), (160, 3)].map(|(count, seed)| sky.objects(count, seed, RADIUS_DEG));
    for (name, objects) in ["a", "b", "c"].into_iter().zip(&objects) {
        write_catalogue(folder, name, objects, 50).await;
    }
    let session = open(folder).await;
    run(&session, "SET datafusion.execution.target_partitions = 3").await;
    (session, objects)
}

fn near(one: &str, other: &str) -> String {
    format!("DISTANCE({one}.ra, {one}.dec, {other}.ra, {other}.dec) < {RADIUS_DEG:?}")
}

/// Whole numbers of all columns, sorted.
async fn numbers(session: &Session, sql: &str) -> Vec<Vec<Option<i64>>> {
    let mut found = Vec::new();
    for batch in run(session, sql).await {
        for row in 0..batch.num_rows() {
            let columns = batch.columns().iter().map(|column| column.as_primitive::<Int64Type>());
            found.push(columns.map(|column| column.iter().nth(row).flatten()).collect());
        }
    }
    found.sort_unstable();
    found
}

/// Chained on the first, and all mutual: against three loops.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_catalogues_match_as_three_loops_do() {
    for sky in [Sky::Corners, Sky::Poles, Sky::Wrap] {
        let folder = tempfile::tempdir().unwrap();
        let (session, [a, b, c]) = three(folder.path(), sky).await;
        let close = |x: &Object, y: &Object| separation_deg(x.ra.unwrap(), x.dec, y.ra.unwrap(), y.dec) < RADIUS_DEG;
        let (mut chained, mut mutual) = (Vec::new(), Vec::new());
        for x in &a {
            for y in b.iter().filter(|y| close(x, y)) {
                for z in c.iter().filter(|z| close(x, z)) {
                    let row = vec![Some(x.id), Some(y.id), Some(z.id)];
                    if close(y, z) {
                        mutual.push(row.clone());
                    }
                    chained.push(row);
                }
            }
        }
        chained.sort_unstable();
        mutual.sort_unstable();
        assert!(mutual.len() > 50 && mutual.len() < chained.len(), "{}", mutual.len());
        let joined = format!("FROM a x JOIN b y ON {} JOIN c z ON {}", near("x", "y"), near("x", "z"));
        let comma = format!("FROM a x, b y, c z WHERE {} AND {}", near("x", "y"), near("x", "z"));
        for (from, truth) in [
            (joined.clone(), &chained),
            (comma, &chained),
            (format!("{joined} AND {}", near("y", "z")), &mutual),
        ] {
            let sql = format!("SELECT x.id, y.id, z.id {from}");
            for unit_rows in [30, 500_000] {
                run(&session, &format!("SET dreyer.crossmatch_unit_rows = {unit_rows}")).await;
                run(&session, "SET dreyer.crossmatch_strategy = 'aligned'").await;
                let plan = explain(&session, &sql).await;
                assert_eq!(plan.matches("strategy=aligned").count(), 2, "{plan}");
                assert_eq!(numbers(&session, &sql).await, *truth, "{sky:?}, {unit_rows}: {sql}");
                let count = numbers(&session, &format!("SELECT COUNT(*) {from}")).await;
                assert_eq!(count[0][0], Some(truth.len() as i64), "{sky:?}, {unit_rows}: {from}");
            }
        }
    }
}

/// Kinds and picks in chains of three and four, against every pair put to the condition.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chains_of_every_kind_are_matched_unit_by_unit() {
    let folder = tempfile::tempdir().unwrap();
    let (session, _) = three(folder.path(), Sky::Corners).await;
    run(&session, "SET dreyer.crossmatch_unit_rows = 40").await;
    let (xy, xz) = (near("x", "y"), near("x", "z"));
    let pick = |other: &str, mode: &str| {
        format!("XMATCH(x.ra, x.dec, {other}.ra, {other}.dec, radius_arcsec => 720, mode => '{mode}')")
    };
    let three = "SELECT x.id, y.id, z.id FROM a x";
    for (sql, matches) in [
        (format!("{three} LEFT JOIN b y ON {xy} LEFT JOIN c z ON {xz}"), 2),
        (
            format!("{three} LEFT JOIN b y ON {xy} JOIN c z ON {xz} AND y.band = z.band"),
            2,
        ),
        (
            format!(
                "{three} JOIN b y ON {} JOIN c z ON {}",
                pick("y", "nearest"),
                pick("z", "nearest")
            ),
            2,
        ),
        (
            format!(
                "{three} JOIN b y ON {} LEFT JOIN c z ON {}",
                pick("y", "best"),
                pick("z", "best")
            ),
            2,
        ),
        (
            format!("{three} JOIN b y ON {xy} JOIN c z ON {xz} WHERE y.band > 0 AND x.band <> z.band"),
            2,
        ),
        (
            format!("SELECT x.id, y.id FROM a x JOIN b y ON {xy} WHERE EXISTS (SELECT 1 FROM c z WHERE {xz})"),
            2,
        ),
        (
            format!(
                "SELECT x.id FROM a x WHERE NOT EXISTS (SELECT 1 FROM b y WHERE {xy}) AND NOT EXISTS \
                  (SELECT 1 FROM c z WHERE {xz})"
            ),
            2,
        ),
        (
            format!(
                "SELECT x.id, y.id, z.id, w.id FROM a x JOIN b y ON {xy} JOIN c z ON {xz} JOIN a w ON {} \
                  AND w.id <> x.id",
                near("x", "w")
            ),
            3,
        ),
        // The pairs of two stand on the right.
        (
            format!(
                "SELECT z.id, p.one, p.other FROM c z JOIN (SELECT x.id AS one, y.id AS other, x.ra, x.dec FROM a x \
                  JOIN b y ON {xy}) p ON {}",
                near("z", "p")
            ),
            2,
        ),
    ] {
        run(&session, "SET dreyer.crossmatch_strategy = 'nested_loop'").await;
        let truth = numbers(&session, &sql).await;
        assert!(truth.len() > 10, "{}: {sql}", truth.len());
        run(&session, "SET dreyer.crossmatch_strategy = 'aligned'").await;
        let plan = explain(&session, &sql).await;
        assert_eq!(plan.matches("strategy=aligned").count(), matches, "{sql}\n{plan}");
        assert_eq!(numbers(&session, &sql).await, truth, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mutual_pairs_are_matched_unit_by_unit() {
    for sky in [Sky::Clustered, Sky::Poles, Sky::Corners] {
        let folder = tempfile::tempdir().unwrap();
        let (session, _) = three(folder.path(), sky).await;
        for kind in ["INNER", "LEFT", "RIGHT", "FULL"] {
            let on = "XMATCH(x.ra, x.dec, y.ra, y.dec, radius_arcsec => 720, mode => 'best') AND x.band <= y.band";
            let sql = join_sql(kind, "a", "b", on);
            run(&session, "SET dreyer.crossmatch_strategy = 'nested_loop'").await;
            let truth = rows(&session, &sql).await;
            run(&session, "SET dreyer.crossmatch_strategy = 'aligned'").await;
            for unit_rows in [25, 500_000] {
                run(&session, &format!("SET dreyer.crossmatch_unit_rows = {unit_rows}")).await;
                let plan = explain(&session, &sql).await;
                assert!(
                    plan.contains("strategy=aligned") && plan.contains("pick=mutual"),
                    "{plan}"
                );
                assert!(!plan.contains("strategy=indexed"), "{plan}");
                assert_eq!(rows(&session, &sql).await, truth, "{sky:?}, {unit_rows}: {sql}");
            }
        }
    }
}

/// The rows of an aligned match come in the order of the left side's index, which spares a query its sort.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_come_in_the_order_of_the_left_side() {
    let folder = tempfile::tempdir().unwrap();
    let (session, _) = three(folder.path(), Sky::Wrap).await;
    run(&session, "SET dreyer.crossmatch_strategy = 'aligned'").await;
    run(&session, "SET datafusion.execution.batch_size = 7").await;
    let by = |kind: &str, on: &str, side: &str| {
        let sql = join_sql(kind, "a", "b", on);
        format!(
            "{} ORDER BY {side}._healpix_29",
            sql.replacen("SELECT ", &format!("SELECT {side}._healpix_29, "), 1)
        )
    };
    let xy = near("x", "y");
    let mut asked: Vec<String> = KINDS
        .into_iter()
        .filter(|kind| *kind != "FULL")
        .map(|kind| by(kind, &xy, if kind == "RIGHT" { "y" } else { "x" }))
        .collect();
    for pick in ["k => 2", "mode => 'best'"] {
        let on = format!("XMATCH(x.ra, x.dec, y.ra, y.dec, radius_arcsec => 720, {pick})");
        asked.extend(["INNER", "LEFT"].map(|kind| by(kind, &on, "x")));
    }
    let from = format!("FROM a x JOIN b y ON {xy} JOIN c z ON {}", near("x", "z"));
    asked.push(format!(
        "SELECT x._healpix_29, y.id, z.id {from} ORDER BY x._healpix_29"
    ));
    asked.push(format!(
        "SELECT h, id, s FROM (SELECT x._healpix_29 AS h, y.id, y.ra + x.ra AS s {from}) ORDER BY h"
    ));
    for sql in &asked {
        for (unit_rows, partitions) in [(20, 3), (20, 1), (500_000, 3)] {
            run(&session, &format!("SET dreyer.crossmatch_unit_rows = {unit_rows}")).await;
            run(
                &session,
                &format!("SET datafusion.execution.target_partitions = {partitions}"),
            )
            .await;
            let plan = explain(&session, sql).await;
            assert!(
                plan.contains("strategy=aligned") && !plan.contains("SortExec"),
                "{sql}\n{plan}"
            );
            let mut last = None;
            let mut seen = 0;
            for batch in run(&session, sql).await {
                for index in batch.column(0).as_primitive::<Int64Type>() {
                    assert!(index.is_some() && index >= last, "{sql}: {index:?} after {last:?}");
                    last = index;
                    seen += 1;
                }
            }
            let unordered = sql.split(" ORDER BY").next().unwrap();
            assert_eq!(seen, numbers_of_rows(&session, unordered).await, "{sql}");
            assert!(seen > 30, "{seen}: {sql}");
        }
    }
    // What is not in that order is sorted.
    for sql in [
        format!("SELECT x._healpix_29, y.id FROM a x JOIN b y ON {xy} ORDER BY x._healpix_29 DESC"),
        format!("SELECT y._healpix_29, y.id FROM a x JOIN b y ON {xy} ORDER BY y._healpix_29"),
        "SELECT x._healpix_29 FROM a x JOIN b y ON DISTANCE(x.ra + 0.0, x.dec, y.ra, y.dec) < 0.2 \
         ORDER BY x._healpix_29"
            .to_owned(),
    ] {
        let plan = explain(&session, &sql).await;
        assert!(plan.contains("SortExec"), "{sql}\n{plan}");
    }
}

async fn numbers_of_rows(session: &Session, sql: &str) -> usize {
    run(session, sql).await.iter().map(|batch| batch.num_rows()).sum()
}
