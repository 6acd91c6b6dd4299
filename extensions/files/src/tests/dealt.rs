//! Scans dealt in pieces and sent elsewhere give the rows of the whole, in the version that was planned.

use std::collections::HashMap;

use datafusion::physical_plan::{ExecutionPlan, collect, displayable};
use datafusion_proto::bytes::{
    physical_plan_from_bytes_with_extension_codec, physical_plan_to_bytes_with_extension_codec,
};

use super::*;
use crate::share::Source;
use crate::{FileOptions, FilesCodec, divide, open_location, undivided};

fn scan(plan: &Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    plan.children()
        .first()
        .map_or_else(|| Arc::clone(plan), |child| scan(child))
}

async fn planned(context: &SessionContext, sql: &str) -> Arc<dyn ExecutionPlan> {
    let state = context.state();
    let plan = state.create_logical_plan(sql).await.unwrap();
    state.create_physical_plan(&plan).await.unwrap()
}

fn sent(plan: &Arc<dyn ExecutionPlan>, there: &SessionContext) -> Arc<dyn ExecutionPlan> {
    let bytes = physical_plan_to_bytes_with_extension_codec(Arc::clone(plan), &FilesCodec).unwrap();
    physical_plan_from_bytes_with_extension_codec(&bytes, &there.task_ctx(), &FilesCodec).unwrap()
}

async fn sorted(plan: Arc<dyn ExecutionPlan>, context: &SessionContext) -> Vec<String> {
    let batches = collect(plan, context.task_ctx()).await.unwrap();
    let text = pretty_format_batches(&batches).unwrap().to_string();
    let rows = text.lines().filter(|line| line.starts_with('|'));
    let mut lines: Vec<String> = rows
        .map(|line| line.split('|').map(str::trim).collect::<Vec<_>>().join("|"))
        .collect();
    lines.sort();
    lines.dedup();
    lines
}

fn files(stars: &RecordBatch) -> Vec<(&'static str, Vec<u8>, bool)> {
    let text = csv(stars, b',');
    vec![
        ("x.parquet", parquet(stars, 200), true),
        ("x.arrow", arrow_file(stars), true),
        ("x.arrows", arrow_stream(stars), true),
        ("x.fits", fits(stars), true),
        ("x.fits.gz", gzip(&fits(stars)), false),
        ("x.csv", text.clone(), false),
        ("x.csv.zst", zstd(&text), false),
        ("x.tsv", csv(stars, b'\t'), false),
        ("x.vot", votable(stars, Serialization::TableData), false),
        ("x.ecsv", ecsv(stars), false),
    ]
}

const QUERIES: [&str; 3] = [
    "SELECT id FROM t",
    "SELECT id, ra + 1 AS east, dec FROM t WHERE dec > -40",
    "SELECT id FROM t WHERE q3c_radial_query(ra, dec, 180, 0, 30)",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_row_is_in_one_share_and_arrives() {
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (session(), session());
    for count in [0, 1, 3000] {
        for (name, bytes, can_be_cut) in files(&stars(count)) {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            register(&here, "t", &path).await.unwrap();
            // Of no rows a text does not tell the types of its columns.
            let untyped = count == 0 && (name.contains("csv") || name.contains("tsv"));
            for sql in if untyped { &QUERIES[..1] } else { &QUERIES[..] } {
                let plan = planned(&here, sql).await;
                let leaf = scan(&plan);
                let whole = sorted(Arc::clone(&leaf), &here).await;
                let work = divide(&leaf, 12).unwrap();
                let pieces = work.pieces().len();
                assert_eq!(pieces > 4, can_be_cut, "{name}: {pieces} pieces of {count} rows");
                assert_eq!(
                    undivided(&planned(&there_with(&path).await, "SELECT id FROM t").await)
                        .is_some_and(|why| why.contains("only be read from its beginning")),
                    !can_be_cut,
                    "{name}"
                );
                let mut rows = Vec::new();
                for task in 0..3 {
                    let share = work.share(&|piece| piece % 3 == task, 2).unwrap();
                    assert_eq!(share.properties().partitioning.partition_count(), 2);
                    let arrived = sent(&share, &there);
                    let drawn = |plan: &Arc<dyn ExecutionPlan>| displayable(plan.as_ref()).indent(true).to_string();
                    assert_eq!(drawn(&arrived), drawn(&share));
                    let (config, _) = Source::of(&arrived).unwrap();
                    let mut versions = config.file_groups.iter().flat_map(|group| group.iter());
                    assert!(versions.all(|file| file.object_meta.e_tag.is_some()), "versions travel");
                    rows.extend(sorted(Arc::clone(&arrived), &there).await);
                }
                rows.sort();
                // Each share has a head of its own.
                rows.dedup();
                assert_eq!(rows, whole, "{name}: {sql}");
            }
        }
    }
}

async fn there_with(path: &Path) -> SessionContext {
    let config = SessionConfig::new().with_target_partitions(1);
    let context = SessionContext::new_with_config(config);
    register(&context, "t", path).await.unwrap();
    context
}

/// No row twice: what `sorted` would not see.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_row_is_in_two_shares() {
    let folder = tempfile::tempdir().unwrap();
    let here = session();
    for (name, bytes, _) in files(&stars(2500)) {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        register(&here, "t", &path).await.unwrap();
        let leaf = scan(&planned(&here, "SELECT id FROM t").await);
        let work = divide(&leaf, 9).unwrap();
        let mut rows = 0;
        for task in 0..2 {
            let share = work.share(&|piece| piece % 2 == task, 3).unwrap();
            let batches = collect(share, here.task_ctx()).await.unwrap();
            rows += batches.iter().map(RecordBatch::num_rows).sum::<usize>();
        }
        assert_eq!(rows, 2500, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_files_are_read_travels() {
    let folder = tempfile::tempdir().unwrap();
    let text = "# a note\n1;'x;y';none\n2;'z';3\n# another\n4;none;5\n";
    let path = folder.path().join("stars.dat");
    std::fs::write(&path, text).unwrap();
    let words = [
        ("format", "csv"),
        ("delimiter", ";"),
        ("quote", "'"),
        ("header", "false"),
        ("comment", "#"),
        ("null_words", "none"),
        ("compression", "none"),
    ];
    let words: HashMap<String, String> = words.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let options = FileOptions::from_words(&words).unwrap();
    let (here, there) = (session(), session());
    let table = open_location(&here.state(), path.to_str().unwrap(), &options)
        .await
        .unwrap();
    here.register_table("t", table).unwrap();
    let leaf = scan(&planned(&here, "SELECT * FROM t").await);
    let whole = sorted(Arc::clone(&leaf), &here).await;
    assert!(whole.concat().contains("x;y"), "{whole:?}");
    assert_eq!(sorted(sent(&leaf, &there), &there).await, whole);
}

/// Sent before the file is rewritten, read afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_version_is_not_read_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (session(), session());
    let (before, after) = (files(&stars(900)), files(&stars(700)));
    for ((name, old, _), (_, new, _)) in before.into_iter().zip(after) {
        let path = folder.path().join(name);
        std::fs::write(&path, old).unwrap();
        register(&here, "t", &path).await.unwrap();
        let leaf = scan(&planned(&here, "SELECT id FROM t").await);
        // A plan runs once.
        let [arrived, later] = [sent(&leaf, &there), sent(&leaf, &there)];
        let again = folder.path().join("new");
        std::fs::write(&again, new).unwrap();
        std::fs::rename(&again, &path).unwrap();
        let read = collect(arrived, there.task_ctx()).await;
        let error = read.map(|rows| rows.len()).unwrap_err().to_string();
        assert!(
            error.contains(name) && error.contains("rewritten after the query was planned"),
            "{error}"
        );
        std::fs::remove_file(&path).unwrap();
        let read = collect(later, there.task_ctx()).await;
        let error = read.map(|rows| rows.len()).unwrap_err().to_string();
        assert!(
            error.contains("rewritten after the query was planned"),
            "{name}, gone: {error}"
        );
    }
}

#[tokio::test]
async fn other_plans_and_garbage_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.csv");
    std::fs::write(&path, csv(&stars(10), b',')).unwrap();
    let context = session();
    register(&context, "t", &path).await.unwrap();
    let leaf = scan(&planned(&context, "SELECT id FROM t").await);
    let bytes = physical_plan_to_bytes_with_extension_codec(leaf, &FilesCodec).unwrap();
    for cut in [0, 1, bytes.len() / 2, bytes.len() - 1] {
        let read = physical_plan_from_bytes_with_extension_codec(&bytes[..cut], &context.task_ctx(), &FilesCodec);
        assert!(read.is_err(), "{cut} bytes");
    }
    let other = planned(&context, "SELECT 1").await;
    assert!(divide(&other, 3).is_none() && undivided(&other).is_none());
}
