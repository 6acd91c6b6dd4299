//! Kinds of cross-matches against brute force: joins and picks, by every strategy, driven by either side.

use std::collections::BTreeMap;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::Int64Type;
use dreyer::Session;
use dreyer_sphere::{index29, separation_deg};

use crate::crossmatch::{explain, open, run};
use crate::skies::{Object, Sky, write_catalogue};

/// A pair of ids, or one side of it.
type Row = (Option<i64>, Option<i64>);

/// Two tables with some rows that lie nowhere, and their brute-force matches.
pub(crate) struct Tables {
    pub(crate) left: Vec<Object>,
    pub(crate) right: Vec<Object>,
    radius_deg: f64,
}

/// `table` with every 17th row nowhere, in three ways.
fn lost(table: &str) -> String {
    format!(
        "(SELECT id, band, CASE WHEN id % 17 = 3 THEN NULL WHEN id % 17 = 5 THEN CAST('NaN' AS double) ELSE ra END \
         AS ra, CASE WHEN id % 17 = 7 THEN 95.0 ELSE dec END AS dec FROM {table})"
    )
}

fn lies(object: &Object) -> bool {
    !matches!(object.id % 17, 3 | 5 | 7)
}

impl Tables {
    pub(crate) fn new(sky: Sky, left: usize, right: usize, radius_deg: f64) -> Self {
        Self {
            left: sky.objects(left, 1, radius_deg),
            right: sky.objects(right, 2, radius_deg),
            radius_deg,
        }
    }

    pub(crate) async fn write(&self, folder: &std::path::Path) -> Session {
        write_catalogue(folder, "a", &self.left, 60).await;
        write_catalogue(folder, "b", &self.right, 60).await;
        open(folder).await
    }

    pub(crate) fn apart(a: &Object, b: &Object) -> f64 {
        separation_deg(a.ra.unwrap(), a.dec, b.ra.unwrap(), b.dec)
    }

    /// Pairs within the radius for which `also` holds: of each left row, nearest first.
    fn pairs(&self, also: impl Fn(&Object, &Object) -> bool) -> Vec<(&Object, Vec<&Object>)> {
        let of = |a| {
            let near = |b: &&Object| lies(a) && lies(b) && Self::apart(a, b) < self.radius_deg && also(a, b);
            let mut partners: Vec<&Object> = self.right.iter().filter(near).collect();
            partners.sort_by(|b, c| {
                let index = |object: &Object| index29(object.ra.unwrap(), object.dec).unwrap();
                let order = Self::apart(a, b).total_cmp(&Self::apart(a, c));
                order.then(index(b).cmp(&index(c)))
            });
            (a, partners)
        };
        self.left.iter().map(of).collect()
    }
}

/// Rows of two ids as a sorted list; duplicates stay.
pub(crate) async fn rows(session: &Session, sql: &str) -> Vec<Row> {
    let mut found = Vec::new();
    for batch in run(session, sql).await {
        let ids = |column: usize| {
            let column = batch.columns().get(column)?;
            Some(column.as_primitive::<Int64Type>().clone())
        };
        let (left, right) = (ids(0).unwrap(), ids(1));
        for row in 0..batch.num_rows() {
            let at = |ids: &datafusion::arrow::array::Int64Array| ids.is_valid(row).then(|| ids.value(row));
            found.push((at(&left), right.as_ref().and_then(at)));
        }
    }
    found.sort_unstable();
    found
}

/// What a join of a kind gives for these pairs.
fn joined(kind: &str, pairs: &[(&Object, Vec<&Object>)], right: &[Object]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut taken: BTreeMap<i64, usize> = BTreeMap::new();
    for (a, partners) in pairs {
        for b in partners {
            *taken.entry(b.id).or_default() += 1;
            if !matches!(kind, "EXISTS" | "NOT EXISTS") {
                rows.push((Some(a.id), Some(b.id)));
            }
        }
        let alone = match kind {
            "LEFT" | "FULL" | "NOT EXISTS" => partners.is_empty(),
            "EXISTS" => !partners.is_empty(),
            _ => false,
        };
        if alone {
            rows.push((Some(a.id), None));
        }
    }
    if matches!(kind, "RIGHT" | "FULL") {
        let alone = right.iter().filter(|b| !taken.contains_key(&b.id));
        rows.extend(alone.map(|b| (None, Some(b.id))));
    }
    rows.sort_unstable();
    rows
}

pub(crate) fn join_sql(kind: &str, left: &str, right: &str, condition: &str) -> String {
    if kind.ends_with("EXISTS") {
        format!("SELECT x.id FROM {left} x WHERE {kind} (SELECT 1 FROM {right} y WHERE {condition})")
    } else {
        format!("SELECT x.id, y.id FROM {left} x {kind} JOIN {right} y ON {condition}")
    }
}

pub(crate) const KINDS: [&str; 6] = ["INNER", "LEFT", "RIGHT", "FULL", "EXISTS", "NOT EXISTS"];

async fn every_kind(sky: Sky, left: usize, right: usize, radius_deg: f64) {
    let tables = Tables::new(sky, left, right, radius_deg);
    let folder = tempfile::tempdir().unwrap();
    let session = tables.write(folder.path()).await;
    let near = format!("DISTANCE(x.ra, x.dec, y.ra, y.dec) < {radius_deg:?}");
    let plain = tables.pairs(|_, _| true);
    let banded = tables.pairs(|a, b| a.band == b.band && a.band > 0);
    assert!(banded.iter().filter(|(_, partners)| !partners.is_empty()).count() > 5);
    for (condition, pairs) in [
        (near.clone(), &plain),
        (format!("{near} AND x.band = y.band AND x.band > 0"), &banded),
    ] {
        for kind in KINDS {
            let truth = joined(kind, pairs, &tables.right);
            let sql = join_sql(kind, &lost("a"), &lost("b"), &condition);
            for strategy in ["auto", "indexed", "retiled", "nested_loop"] {
                run(&session, &format!("SET dreyer.crossmatch_strategy = '{strategy}'")).await;
                let plan = explain(&session, &sql).await;
                assert!(plan.contains("CrossMatch: join="), "{sql}\n{plan}");
                let found = rows(&session, &sql).await;
                assert!(
                    found == truth,
                    "{sky:?} {strategy}, {} rows, not {}: {sql}\n{plan}",
                    found.len(),
                    truth.len()
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kinds_agree_in_clusters() {
    every_kind(Sky::Clustered, 300, 200, 0.2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kinds_agree_at_the_poles_with_a_small_left_side() {
    every_kind(Sky::Poles, 60, 700, 0.4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kinds_agree_with_a_small_right_side() {
    every_kind(Sky::Wrap, 800, 90, 1.5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kinds_of_joins_have_their_place_in_the_plan() {
    let folder = tempfile::tempdir().unwrap();
    let tables = Tables::new(Sky::Clustered, 40, 600, 0.2);
    let session = tables.write(folder.path()).await;
    run(&session, "SET dreyer.crossmatch_strategy = 'indexed'").await;
    let near = "DISTANCE(x.ra, x.dec, y.ra, y.dec) < 0.2";
    for (kind, logical, physical) in [
        ("INNER", "join=inner, pick=all, radius=0.2°", "held=left, join=inner"),
        ("LEFT", "join=left", "held=left, join=left"),
        // The mirror image: the larger side drives.
        ("RIGHT", "join=left", "held=right, join=left"),
        ("EXISTS", "join=semi", "held=left, join=semi"),
        ("NOT EXISTS", "join=anti", "held=left, join=anti"),
    ] {
        let plan = explain(&session, &join_sql(kind, "a", "b", near)).await;
        assert!(plan.contains(logical) && plan.contains(physical), "{kind}: {plan}");
    }
    let full = explain(&session, &join_sql("FULL", "a", "b", near)).await;
    assert!(
        full.contains("join=left") && full.contains("join=anti") && full.contains("Union"),
        "{full}"
    );
    // What may not come out the same twice is not read twice.
    let once = explain(&session, &join_sql("FULL", "(SELECT * FROM a LIMIT 20)", "b", near)).await;
    assert!(once.contains("NestedLoopJoinExec"), "{once}");
}

/// Of each left row the nearest `k` right rows.
fn nearest<'a>(pairs: &[(&'a Object, Vec<&'a Object>)], k: usize) -> Vec<(&'a Object, Vec<&'a Object>)> {
    let few = |partners: &Vec<&'a Object>| partners.iter().take(k).copied().collect();
    pairs.iter().map(|(a, partners)| (*a, few(partners))).collect()
}

/// Pairs of which each is the nearest of the other.
fn mutual<'a>(
    pairs: &[(&'a Object, Vec<&'a Object>)],
    back: &[(&'a Object, Vec<&'a Object>)],
) -> Vec<(&'a Object, Vec<&'a Object>)> {
    let chosen: BTreeMap<i64, i64> = back
        .iter()
        .filter_map(|(b, partners)| Some((b.id, partners.first()?.id)))
        .collect();
    nearest(pairs, 1)
        .into_iter()
        .map(|(a, mut partners)| {
            partners.retain(|b| chosen.get(&b.id) == Some(&a.id));
            (a, partners)
        })
        .collect()
}

async fn every_pick(sky: Sky, left: usize, right: usize, radius_deg: f64) {
    let tables = Tables::new(sky, left, right, radius_deg);
    let mirrored = Tables {
        left: tables.right.clone(),
        right: tables.left.clone(),
        radius_deg,
    };
    let folder = tempfile::tempdir().unwrap();
    let session = tables.write(folder.path()).await;
    let radius_arcsec = radius_deg * 3600.0;
    for (beside, also) in [("", 0), (" AND x.band = y.band", 1)] {
        let pairs = tables.pairs(|a, b| also == 0 || a.band == b.band);
        let back = mirrored.pairs(|b, a| also == 0 || a.band == b.band);
        let one = nearest(&pairs, 1);
        assert!(one.iter().filter(|(_, partners)| !partners.is_empty()).count() > 5);
        let three = nearest(&pairs, 3);
        assert!(joined("INNER", &three, &tables.right).len() > joined("INNER", &one, &tables.right).len());
        let best = mutual(&pairs, &back);
        for (asked, pairs, kinds) in [
            ("mode => 'nearest'", &one, ["INNER", "LEFT"].as_slice()),
            ("k => 3", &three, &["INNER", "LEFT"]),
            ("mode => 'best'", &best, &["INNER", "LEFT", "RIGHT", "FULL"]),
        ] {
            for kind in kinds {
                let on =
                    format!("XMATCH(x.ra, x.dec, y.ra, y.dec, radius_arcsec => {radius_arcsec:?}, {asked}){beside}");
                let sql = join_sql(kind, &lost("a"), &lost("b"), &on);
                let truth = joined(kind, pairs, &tables.right);
                for strategy in ["auto", "indexed", "retiled", "nested_loop"] {
                    run(&session, &format!("SET dreyer.crossmatch_strategy = '{strategy}'")).await;
                    let plan = explain(&session, &sql).await;
                    let found = rows(&session, &sql).await;
                    assert!(
                        found == truth && plan.contains("CrossMatchExec"),
                        "{sky:?} {strategy}, {} rows, not {}: {sql}\n{plan}",
                        found.len(),
                        truth.len()
                    );
                }
            }
        }
    }
    // The mirror image of a LEFT JOIN: the nearest of each right row.
    run(&session, "SET dreyer.crossmatch_strategy = 'auto'").await;
    let on = format!("XMATCH(radius_arcsec => {radius_arcsec:?}, mode => 'nearest')");
    let mut turned = joined("LEFT", &nearest(&mirrored.pairs(|_, _| true), 1), &tables.left);
    turned.iter_mut().for_each(|row| *row = (row.1, row.0));
    turned.sort_unstable();
    assert_eq!(
        rows(&session, &join_sql("RIGHT", &lost("a"), &lost("b"), &on)).await,
        turned
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn picks_agree_in_clusters() {
    every_pick(Sky::Clustered, 250, 200, 0.3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn picks_agree_at_the_poles_with_a_small_left_side() {
    every_pick(Sky::Poles, 60, 700, 0.4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_comes_after_the_pick_and_on_before() {
    let folder = tempfile::tempdir().unwrap();
    let tables = Tables::new(Sky::Clustered, 300, 300, 0.2);
    let session = tables.write(folder.path()).await;
    let pairs: Vec<_> = tables
        .left
        .iter()
        .map(|a| {
            let mut partners: Vec<&Object> = tables.right.iter().filter(|b| Tables::apart(a, b) < 0.2).collect();
            partners.sort_by(|b, c| Tables::apart(a, b).total_cmp(&Tables::apart(a, c)));
            (a, partners)
        })
        .collect();
    let on = "XMATCH(a.ra, a.dec, b.ra, b.dec, radius_arcsec => 720, mode => 'nearest')";
    let select = format!("SELECT a.id, b.id FROM a JOIN b ON {on}");

    // In WHERE: the nearest, if it has the band.
    let mut after = nearest(&pairs, 1);
    after
        .iter_mut()
        .for_each(|(_, partners)| partners.retain(|b| b.band == 1));
    let after = joined("INNER", &after, &tables.right);
    assert_eq!(rows(&session, &format!("{select} WHERE b.band = 1")).await, after);
    // In ON: the nearest of those that have it.
    let before: Vec<_> = pairs
        .iter()
        .map(|(a, partners)| (*a, partners.iter().copied().filter(|b| b.band == 1).collect()))
        .collect();
    let before = joined("INNER", &nearest(&before, 1), &tables.right);
    assert_eq!(rows(&session, &format!("{select} AND b.band = 1")).await, before);
    assert!(before.len() > after.len() && !after.is_empty());
    // A filter on the driving side goes below the match, into the scan.
    let narrowed = format!("{select} WHERE a.band = 2 AND b.band = 1");
    let plan = explain(&session, &narrowed).await;
    let (above, below) = plan.split_once("CrossMatch: ").unwrap();
    assert!(above.contains("b.band = ") && !above.contains("a.band = "), "{plan}");
    assert!(below.contains("a.band = "), "{plan}");
    let mut narrow = after.clone();
    narrow.retain(|(id, _)| tables.left[id.unwrap() as usize].band == 2);
    assert_eq!(rows(&session, &narrowed).await, narrow);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn radii_may_differ_by_row() {
    let folder = tempfile::tempdir().unwrap();
    let tables = Tables::new(Sky::Wrap, 250, 220, 0.3);
    let session = tables.write(folder.path()).await;
    // Radii of 0 to 0.6 degrees, some unknown, one of the whole sky.
    let with_error = |table: &str| {
        format!(
            "(SELECT *, CASE WHEN id = 7 THEN 400.0 WHEN id % 13 = 1 THEN NULL WHEN id % 13 = 2 THEN \
             CAST('NaN' AS double) ELSE 0.2 * band + 0.1 END AS e FROM {table})"
        )
    };
    let error = |object: &Object| match object.id {
        7 => 400.0,
        id if matches!(id % 13, 1 | 2) => f64::NAN,
        _ => 0.2 * object.band as f64 + 0.1,
    };
    type Within = fn(f64, f64, f64) -> bool;
    let cases: [(&str, Within); 7] = [
        ("DISTANCE(x.ra, x.dec, y.ra, y.dec) < x.e", |s, a, _| s < a),
        ("DISTANCE(x.ra, x.dec, y.ra, y.dec) <= y.e", |s, _, b| s <= b),
        ("DISTANCE(x.ra, x.dec, y.ra, y.dec) * 3600 < 1800 * x.e", |s, a, _| {
            s * 3600.0 < 1800.0 * a
        }),
        ("XMATCH(x.ra, x.dec, y.ra, y.dec, 3600 * y.e)", |s, _, b| s < b),
        (
            "DISTANCE(x.ra, x.dec, y.ra, y.dec) < 0.5 * SQRT(x.e * x.e + y.e * y.e)",
            |s, a, b| s < 0.5 * (a * a + b * b).sqrt(),
        ),
        (
            "DISTANCE(x.ra, x.dec, y.ra, y.dec) / SQRT(x.e * x.e + y.e * y.e) < 0.5",
            |s, a, b| s / (a * a + b * b).sqrt() < 0.5,
        ),
        // A CASE is nothing that can be bounded before the pair is known.
        (
            "DISTANCE(x.ra, x.dec, y.ra, y.dec) < CASE WHEN x.band = y.band THEN x.e ELSE y.e END * 1.0",
            |_, _, _| false,
        ),
    ];
    for (number, (condition, within)) in cases.into_iter().enumerate() {
        let mut truth: Vec<Row> = Vec::new();
        for a in &tables.left {
            for b in &tables.right {
                let (s, e, f) = (Tables::apart(a, b), error(a), error(b));
                let holds = if number == 6 {
                    s < if a.band == b.band { e } else { f }
                } else {
                    within(s, e, f)
                };
                if holds {
                    truth.push((Some(a.id), Some(b.id)));
                }
            }
        }
        truth.sort_unstable();
        assert!(truth.len() > 100, "{condition}");
        let sql = join_sql("INNER", &with_error("a"), &with_error("b"), condition);
        for strategy in ["auto", "nested_loop"] {
            run(&session, &format!("SET dreyer.crossmatch_strategy = '{strategy}'")).await;
            let plan = explain(&session, &sql).await;
            let indexed = strategy == "auto" && number != 6;
            assert_eq!(plan.contains("strategy=indexed"), indexed, "{plan}");
            let found = rows(&session, &sql).await;
            assert!(
                found == truth,
                "{strategy}: {} rows, not {}: {sql}",
                found.len(),
                truth.len()
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ellipses_and_epochs_are_searched() {
    let folder = tempfile::tempdir().unwrap();
    let tables = Tables::new(Sky::Poles, 250, 220, 0.3);
    let session = tables.write(folder.path()).await;
    for condition in [
        "q3c_ellipse_join(x.ra, x.dec, y.ra, y.dec, 0.1 * x.band + 0.2, 0.3, 40)",
        "in_ellipse(y.ra, y.dec, x.ra, x.dec, 0.3, 0.1, 10 * x.band)",
        "DISTANCE(ivo_epoch_prop_pos(x.ra, x.dec, 0, 5000, -3000, 0, 2000, 2020), POINT(y.ra, y.dec)) < 0.2",
        "DISTANCE(POINT(x.ra, x.dec), ivo_epoch_prop_pos(y.ra, y.dec, 0, 5000, 0, 0, 2000, 2020)) < 0.2",
    ] {
        let sql = join_sql("LEFT", "a", "b", condition);
        run(&session, "SET dreyer.crossmatch_strategy = 'indexed'").await;
        let plan = explain(&session, &sql).await;
        assert!(plan.contains("strategy=indexed"), "{plan}");
        let found = rows(&session, &sql).await;
        // The oracle knows nothing of matches.
        run(&session, "SET dreyer.crossmatch_strategy = 'nested_loop'").await;
        let asked = format!("CASE WHEN {condition} THEN 1 ELSE 0 END = 1");
        let oracle = join_sql("LEFT", "a", "b", &asked);
        assert!(!explain(&session, &oracle).await.contains("CrossMatch"));
        let truth = rows(&session, &oracle).await;
        assert!(found == truth, "{} rows, not {}: {sql}", found.len(), truth.len());
        assert!(truth.iter().filter(|row| row.1.is_some()).count() > 20, "{condition}");
    }
}
