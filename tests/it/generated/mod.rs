//! Ten thousand questions: generated skies, radii from 0.01 arcseconds to 180 degrees, kinds of joins and picks, put to
//! every strategy, against brute force. What fails is shrunk to the least sky that still does.

mod question;
mod sky;

use std::collections::{BTreeMap, BTreeSet};

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{Float64Type, Int64Type};
use dreyer::Session;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRng, TestRunner};

use crate::crossmatch::{explain, open, run};
use question::{Question, Row, question};
use sky::{Tables, tables, write};

/// How the tables are stored, and how the session works.
#[derive(Debug, Clone)]
struct Layout {
    tile_rows: (u64, u64),
    unit_rows: usize,
    batch_size: usize,
    partitions: usize,
    /// Whether matches of degrees are aligned as well.
    wide: bool,
}

#[derive(Debug, Clone)]
struct Case {
    tables: Tables,
    layout: Layout,
    questions: Vec<Question>,
}

fn layout() -> impl Strategy<Value = Layout> {
    let rows = || 3..40_u64;
    let sizes = (1..30_usize, prop_oneof![1..9_usize, Just(8192)], 1..4_usize);
    (rows(), rows(), sizes, any::<bool>()).prop_map(|(left, right, (unit_rows, batch_size, partitions), wide)| Layout {
        tile_rows: (left, right),
        unit_rows,
        batch_size,
        partitions,
        wide,
    })
}

fn case() -> impl Strategy<Value = Case> {
    let questions = prop::collection::vec(question(), 1..=4);
    (tables(), layout(), questions).prop_map(|(tables, layout, questions)| Case {
        tables,
        layout,
        questions,
    })
}

/// How often each strategy was shown, and how many questions were asked.
#[derive(Debug, Default)]
struct Asked {
    questions: usize,
    rows: usize,
    /// Of how many questions and strategies the plan was looked at.
    explained: usize,
    shown: BTreeMap<String, usize>,
}

const STRATEGIES: [&str; 5] = ["auto", "aligned", "indexed", "retiled", "nested_loop"];

/// Asks until there were so many questions.
fn ask(questions: usize, rng: Option<TestRng>) -> Asked {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let config = Config {
        cases: u32::MAX,
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..Config::default()
    };
    let mut runner = match rng {
        Some(rng) => TestRunner::new_with_rng(config, rng),
        None => TestRunner::new(config),
    };
    let mut asked = Asked::default();
    while asked.questions < questions {
        let tree = case().new_tree(&mut runner).unwrap();
        let seen = std::cell::RefCell::new(Asked::default());
        let found = runner.run_one(tree, |case| {
            let mut now = Asked::default();
            runtime.block_on(check(&case, &mut now)).map_err(TestCaseError::fail)?;
            seen.replace(now);
            Ok(())
        });
        if let Err(TestError::Fail(why, case)) = found {
            panic!("after {} questions: {why}\n{case:#?}", asked.questions);
        }
        asked.add(seen.into_inner());
    }
    asked
}

impl Asked {
    fn add(&mut self, other: Self) {
        self.questions += other.questions;
        self.rows += other.rows;
        self.explained += other.explained;
        for (strategy, times) in other.shown {
            *self.shown.entry(strategy).or_default() += times;
        }
    }

    /// Takes note of the strategies in a plan.
    fn note(&mut self, plan: &str) {
        let words = plan.split([' ', ',', '|', ':']).map(str::trim);
        let told =
            |word: &&str| word.starts_with("strategy=") || word.starts_with("index=") || *word == "NestedLoopJoinExec";
        let mut told: BTreeSet<String> = words.filter(told).map(str::to_owned).collect();
        if plan.contains("pruned=by footprint") {
            told.insert("pruned".to_owned());
        }
        for strategy in told {
            *self.shown.entry(strategy).or_default() += 1;
        }
    }
}

async fn check(case: &Case, asked: &mut Asked) -> Result<(), String> {
    let (tables, layout) = (&case.tables, &case.layout);
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a", &tables.left, layout.tile_rows.0).await;
    write(folder.path(), "b", &tables.right, layout.tile_rows.1).await;
    let session = open(folder.path()).await;
    let most = if layout.wide { 180.0 } else { 1.0 };
    for (setting, value) in [
        ("dreyer.crossmatch_unit_rows", layout.unit_rows.to_string()),
        ("dreyer.crossmatch_aligned_max_radius_deg", format!("{most:?}")),
        ("datafusion.execution.batch_size", layout.batch_size.to_string()),
        ("datafusion.execution.target_partitions", layout.partitions.to_string()),
    ] {
        run(&session, &format!("SET {setting} = {value}")).await;
    }
    for question in &case.questions {
        asked.questions += 1;
        let oracle = oracle(&session, question, tables).await;
        let truth = question.truth(tables, &oracle);
        asked.rows += truth.len();
        let sql = question.sql(tables);
        let counting = format!("SELECT COUNT(*) {}", question.from(tables));
        for strategy in STRATEGIES {
            run(&session, &format!("SET dreyer.crossmatch_strategy = '{strategy}'")).await;
            let found = rows(&run(&session, &sql).await, question.measured);
            if found != truth {
                let plan = explain(&session, &sql).await;
                return Err(format!("{strategy}: {sql}\nfound {found:?}\nnot   {truth:?}\n{plan}"));
            }
            // The others have no shorter way to a number than by the rows.
            if matches!(strategy, "auto" | "aligned") {
                let count = run(&session, &counting).await;
                let count = count[0].column(0).as_primitive::<Int64Type>().value(0);
                if count != truth.len() as i64 {
                    let plan = explain(&session, &counting).await;
                    return Err(format!(
                        "{strategy}: {counting}\ncounted {count}, not {}\n{plan}",
                        truth.len()
                    ));
                }
            }
            // Planning takes most of the time.
            if asked.questions == 1 {
                asked.explained += 1;
                asked.note(&explain(&session, &sql).await);
                asked.note(&explain(&session, &counting).await);
            }
        }
    }
    Ok(())
}

/// The pairs for which a condition holds that arithmetic in this file cannot decide: by a join that knows nothing of
/// matches.
async fn oracle(session: &Session, question: &Question, tables: &Tables) -> BTreeSet<(i64, i64)> {
    if !question.by_oracle() {
        return BTreeSet::new();
    }
    let right = if question.own == question::Own::No { "b" } else { "a" };
    let sql = format!(
        "SELECT x.id, y.id FROM a x CROSS JOIN {right} y WHERE CASE WHEN {} THEN 1 ELSE 0 END = 1",
        question.condition(tables)
    );
    assert!(!explain(session, &sql).await.contains("CrossMatch"), "{sql}");
    let found = rows(&run(session, &sql).await, false);
    found.into_iter().map(|row| (row.0.unwrap(), row.1.unwrap())).collect()
}

/// The rows of an answer, sorted; what comes twice stays twice.
fn rows(batches: &[RecordBatch], measured: bool) -> Vec<Row> {
    let mut rows = Vec::new();
    for batch in batches {
        let ids = |column: usize| batch.columns().get(column).map(|ids| ids.as_primitive::<Int64Type>());
        let apart = measured.then(|| batch.column(2).as_primitive::<Float64Type>());
        for row in 0..batch.num_rows() {
            let id = |column| ids(column).and_then(|ids| ids.is_valid(row).then(|| ids.value(row)));
            let apart = apart.and_then(|apart| apart.is_valid(row).then(|| apart.value(row).to_bits()));
            rows.push((id(0), id(1), apart));
        }
    }
    rows.sort_unstable();
    rows
}

/// The same questions on every run.
#[test]
fn every_strategy_answers_as_brute_force_does() {
    let rng = TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha);
    let asked = ask(24, Some(rng));
    assert!(asked.rows > 5 * asked.questions, "{asked:?}");
    for strategy in ["strategy=aligned", "strategy=retiled"] {
        assert!(asked.shown.contains_key(strategy), "{asked:?}");
    }
}

/// Other questions on every run.
#[test]
#[ignore = "ten thousand questions take many minutes, even in a release build"]
fn ten_thousand_questions_are_answered_as_brute_force_does() {
    let from = std::time::Instant::now();
    let number = std::env::var("DREYER_TEST_QUESTIONS").map_or(10_000, |number| number.parse().unwrap());
    let asked = ask(number, None);
    println!("{asked:?} in {:.0} s", from.elapsed().as_secs_f64());
    assert!(asked.rows > 5 * asked.questions, "{asked:?}");
    for strategy in [
        "strategy=aligned",
        "strategy=indexed",
        "strategy=retiled",
        "strategy=nested_loop",
        "NestedLoopJoinExec",
        "index=proposes",
        "index=decides",
        "index=suffices",
        "pruned",
    ] {
        let times = asked.shown.get(strategy).copied().unwrap_or(0);
        assert!(times * 200 > asked.explained, "{strategy}: {asked:?}");
    }
}
