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
struct Tables {
    left: Vec<Object>,
    right: Vec<Object>,
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
    fn new(sky: Sky, left: usize, right: usize, radius_deg: f64) -> Self {
        Self {
            left: sky.objects(left, 1, radius_deg),
            right: sky.objects(right, 2, radius_deg),
            radius_deg,
        }
    }

    async fn write(&self, folder: &std::path::Path) -> Session {
        write_catalogue(folder, "a", &self.left, 60).await;
        write_catalogue(folder, "b", &self.right, 60).await;
        open(folder).await
    }

    fn apart(a: &Object, b: &Object) -> f64 {
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
            for strategy in ["auto", "indexed", "nested_loop"] {
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
