//! The sqllogictest files in `tests/slt`, each a test of its own, against a session in this process.
//!
//! Sessions read the sample sky and may create what they like: every file starts afresh. What those in `ddl*.slt`
//! create lasts, in `$FOLDER/tables` and `$FOLDER/state`; to others it is the session's.
//!
//! Each runs in one process, and again with several workers, to which all is dealt that can be: the rows are the same.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::ExitCode;

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use dreyer::{Access, Config, Database, Error, Outcome, Session, Worker};
use futures::{FutureExt, TryStreamExt};
use libtest_mimic::{Arguments, Failed, Trial};
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Numbers of workers that every file is run with.
const WORKERS: [usize; 5] = [0, 1, 2, 3, 7];

struct Sky(Session);

#[async_trait]
impl AsyncDB for Sky {
    type Error = Error;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Error> {
        let mut output = DBOutput::StatementComplete(0);
        for statement in self.0.parse(sql)? {
            let plan = self.0.plan(&statement).await?;
            let explain = |error: Error| self.0.explain(error, &statement);
            output = match self.0.execute(plan).await.map_err(explain)? {
                Outcome::Done { .. } => DBOutput::StatementComplete(0),
                Outcome::Rows(stream) => {
                    let schema = stream.schema();
                    let batches: Vec<RecordBatch> = stream
                        .try_collect()
                        .await
                        .map_err(|error| explain(Error::from(error)))?;
                    DBOutput::Rows {
                        types: types(&schema),
                        rows: batches.iter().flat_map(rows).collect(),
                    }
                }
            };
        }
        Ok(output)
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &str {
        "dreyer"
    }

    fn error_sql_state(error: &Error) -> Option<String> {
        Some(error.sqlstate().to_owned())
    }
}

fn types(schema: &SchemaRef) -> Vec<DefaultColumnType> {
    let letter = |data_type: &DataType| match data_type {
        data_type if data_type.is_integer() => DefaultColumnType::Integer,
        data_type if data_type.is_numeric() => DefaultColumnType::FloatingPoint,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DefaultColumnType::Text,
        _ => DefaultColumnType::Any,
    };
    schema.fields().iter().map(|field| letter(field.data_type())).collect()
}

fn rows(batch: &RecordBatch) -> Vec<Vec<String>> {
    let options = FormatOptions::new().with_null("NULL");
    let columns: Vec<_> = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column, &options).unwrap())
        .collect();
    let cell = |text: String| if text.is_empty() { "(empty)".to_owned() } else { text };
    (0..batch.num_rows())
        .map(|row| {
            columns
                .iter()
                .map(|column| cell(column.value(row).to_string()))
                .collect()
        })
        .collect()
}

/// Workers over the catalogues of `config`: their addresses, and what stops them.
async fn start_workers(config: &Config, number: usize) -> Result<(Vec<String>, DropGuard), Error> {
    let stop = CancellationToken::new();
    let mut addresses = Vec::new();
    for _ in 0..number {
        let worker = Worker::new(Database::open(config.clone()).await?)?;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        addresses.push(listener.local_addr().unwrap().to_string());
        tokio::spawn(worker.serve(listener, stop.clone()));
    }
    Ok((addresses, stop.drop_guard()))
}

fn run(path: &Path, workers: usize) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(Box::pin(async {
        let folder = tempfile::tempdir()?;
        let lasting = path
            .file_stem()
            .is_some_and(|name| name.to_string_lossy().starts_with("ddl"));
        let within = |name: &str| lasting.then(|| folder.path().join(name).to_string_lossy().into_owned());
        let mut config = Config {
            access: Access::Full,
            writable: within("tables"),
            state: within("state"),
            ..Config::default()
        };
        let failed = |error: Error| Failed::from(error.message);
        let (addresses, _stop) = start_workers(&config, workers).boxed().await.map_err(failed)?;
        config.cluster.workers = (workers > 0).then(|| addresses.join(","));
        let database = Database::open(config).boxed().await.map_err(failed)?;
        assert_eq!(database.workers().len(), workers);
        let mut runner = sqllogictest::Runner::new(|| async {
            let session = database.session();
            if workers > 0 {
                session.query("SET dreyer.compute = 'distributed'").boxed().await.err();
            }
            Ok(Sky(session))
        });
        runner.set_var("FOLDER".to_owned(), folder.path().to_string_lossy().into_owned());
        runner.with_column_validator(sqllogictest::strict_column_validator);
        runner
            .run_file_async(path)
            .await
            .map_err(|error| Failed::from(error.display(false).to_string()))
    }))
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt");
    let mut files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "slt"));
    files.sort();
    let trial = |path: &std::path::PathBuf, workers: usize| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let path = path.clone();
        Trial::test(format!("{name}_with_{workers}_workers"), move || run(&path, workers))
    };
    let trials = files
        .iter()
        .flat_map(|path| WORKERS.map(|workers| trial(path, workers)));
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
