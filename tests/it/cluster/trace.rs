//! One trace for a query, whichever processes take part in it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use super::process::Process;
use super::{WORK, addresses, coordinator_with, ready, until};

/// The spans of a file: what each is called, its own number, that of its parent, and that of its trace.
fn spans(file: &Path) -> Vec<[String; 4]> {
    let text = std::fs::read_to_string(file).unwrap();
    let word = |span: &str, key: &str| {
        let start = span.find(&format!("\"{key}\":\"")).map(|start| start + key.len() + 4);
        start.map_or_else(String::new, |start| span[start..].split('"').next().unwrap().to_owned())
    };
    let span = |line: &str| {
        let span = line.split("\"spans\":").nth(1).unwrap();
        ["name", "spanId", "parentSpanId", "traceId"].map(|key| word(span, key))
    };
    text.lines().map(span).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_over_three_processes_is_one_trace() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(format!("{name}.jsonl"));
    let config = |name: &str| {
        let path = folder.path().join(format!("{name}.toml"));
        std::fs::write(&path, format!("[trace]\nfile = '{}'\n", file(name).display())).unwrap();
        path.display().to_string()
    };
    let mut workers = Vec::new();
    for name in ["one", "two"] {
        workers.push(Process::start(&["worker", "--listen", "127.0.0.1:0", "--config", &config(name)]).await);
    }
    let (serve, psql) = coordinator_with(&addresses(&workers), &["--config", &config("server")]).await;
    ready(&serve, 2).await;
    let expected = psql.with("local", WORK).await.rows;
    assert_eq!(psql.dealt(WORK).await.rows, expected);
    let tasks = async || {
        let of = |name| file(name).exists() && spans(&file(name)).iter().any(|[name, ..]| name == "task");
        of("one") && of("two")
    };
    until("the tasks have ended", Duration::from_secs(10), tasks).await;
    let own = spans(&file("server"));
    let of_tasks: Vec<_> = ["one", "two"].iter().flat_map(|name| spans(&file(name))).collect();
    let traces: BTreeSet<&String> = of_tasks.iter().map(|[.., trace]| trace).collect();
    assert_eq!(traces.len(), 1, "{of_tasks:?}");
    let trace = traces.first().unwrap();
    let [_, query, of_statement, _] = own
        .iter()
        .find(|[name, .., of]| name == "query" && of == *trace)
        .unwrap();
    assert!(
        of_tasks.iter().all(|[_, _, parent, _]| parent == query),
        "{of_tasks:?} of {query}"
    );
    let statement = own
        .iter()
        .find(|[name, .., of]| name == "statement" && of == *trace)
        .unwrap();
    assert_eq!(&statement[1], of_statement);
    let all: BTreeSet<&String> = own.iter().map(|[.., trace]| trace).collect();
    assert!(all.len() > 1, "another statement is another trace");
    let text = std::fs::read_to_string(file("server")).unwrap();
    assert!(!text.contains("SELECT"), "no text of a statement");
}
