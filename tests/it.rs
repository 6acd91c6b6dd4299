//! The integration tests, in one binary: each binary that links the engine costs a minute.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]
#![expect(clippy::cast_possible_truncation, reason = "generated skies are small")]

#[path = "it/astropy.rs"]
mod astropy;
#[path = "it/broken_files.rs"]
mod broken_files;
#[path = "it/cli.rs"]
mod cli;
#[path = "it/clients/mod.rs"]
mod clients;
#[path = "it/cluster/mod.rs"]
mod cluster;
#[path = "it/codec.rs"]
mod codec;
#[path = "it/cost.rs"]
mod cost;
#[path = "it/crash.rs"]
mod crash;
#[path = "it/crossmatch.rs"]
mod crossmatch;
#[path = "it/crossmatch_aligned.rs"]
mod crossmatch_aligned;
#[path = "it/crossmatch_chains.rs"]
mod crossmatch_chains;
#[path = "it/crossmatch_kinds.rs"]
mod crossmatch_kinds;
#[path = "it/crossmatch_retiled.rs"]
mod crossmatch_retiled;
#[path = "it/crossmatch_units.rs"]
mod crossmatch_units;
#[path = "it/crossmatch_words.rs"]
mod crossmatch_words;
#[path = "it/ddl.rs"]
mod ddl;
#[path = "it/errors.rs"]
mod errors;
#[path = "it/examples.rs"]
mod examples;
#[path = "it/formats.rs"]
mod formats;
#[path = "it/functions.rs"]
mod functions;
#[path = "it/generated/mod.rs"]
mod generated;
#[path = "it/import.rs"]
mod import;
#[path = "it/killed.rs"]
mod killed;
#[path = "it/lsdb.rs"]
mod lsdb;
#[path = "it/memory.rs"]
mod memory;
#[path = "it/named_files.rs"]
mod named_files;
#[path = "it/rewritten.rs"]
mod rewritten;
#[path = "it/session.rs"]
mod session;
#[path = "it/skies.rs"]
mod skies;
#[path = "it/storage/mod.rs"]
mod storage;
#[path = "it/support/mod.rs"]
mod support;

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::pretty::pretty_format_batches;
use dreyer::{Access, Config, Database, Outcome, Session};
use futures::TryStreamExt;

/// The sample sky, open for reading only.
async fn server() -> Arc<Database> {
    Database::open(Config::default()).await.unwrap()
}

/// A session as the shell has it.
async fn local() -> Session {
    let config = Config {
        access: Access::Full,
        ..Config::default()
    };
    Database::open(config).await.unwrap().session()
}

async fn batches(session: &Session, sql: &str) -> Vec<RecordBatch> {
    let rows = session
        .query(sql)
        .await
        .unwrap_or_else(|error| panic!("{}", error.render(sql)));
    rows.try_collect()
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// The rows of a query, drawn.
async fn table(session: &Session, sql: &str) -> String {
    pretty_format_batches(&batches(session, sql).await).unwrap().to_string()
}

/// The only value of a query, as text.
async fn value(session: &Session, sql: &str) -> String {
    let batches = batches(session, sql).await;
    let batch = batches
        .iter()
        .find(|batch| batch.num_rows() > 0)
        .unwrap_or_else(|| panic!("no row: {sql}"));
    assert_eq!((batch.num_rows(), batch.num_columns()), (1, 1), "{sql}");
    datafusion::arrow::util::display::array_value_to_string(batch.column(0), 0).unwrap()
}

/// Runs one statement that gives no rows, and its tag.
async fn done(session: &Session, sql: &str) -> String {
    match outcome(session, sql)
        .await
        .unwrap_or_else(|error| panic!("{}", error.render(sql)))
    {
        Outcome::Done { tag, .. } => tag,
        Outcome::Rows(_) => panic!("{sql} gives rows"),
    }
}

async fn outcome(session: &Session, sql: &str) -> dreyer::Result<Outcome> {
    let statement = session.parse(sql)?.remove(0);
    let plan = session.plan(&statement).await?;
    session
        .execute(plan)
        .await
        .map_err(|error| session.explain(error, &statement))
}

/// The error of a text, wherever it comes up, with its place.
async fn error(session: &Session, sql: &str) -> dreyer::Error {
    let statements = match session.parse(sql) {
        Ok(statements) => statements,
        Err(error) => return error,
    };
    for statement in &statements {
        let run = async {
            let plan = session.plan(statement).await?;
            match session.execute(plan).await? {
                Outcome::Rows(rows) => rows.try_collect::<Vec<_>>().await.map(drop)?,
                Outcome::Done { .. } => {}
            }
            Ok::<(), dreyer::Error>(())
        };
        if let Err(error) = run.await {
            return session.explain(error, statement);
        }
    }
    panic!("no error: {sql}")
}
