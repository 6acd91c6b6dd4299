//! The program: reads the command line and hands over to the library.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use dreyer::Format;
use dreyer::command::{
    self, DoctorArgs, Failure, ImportArgs, Input, ServeArgs, SqlOptions, UserArgs, VacuumArgs, WorkerArgs,
};
use tracing_subscriber::EnvFilter;

/// An astronomical catalogue database: SQL and ADQL over HATS Parquet.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The sample sky, a cross-match of two real catalogues, and how to connect.
    Demo,
    /// Run SQL on this machine. Without -c or -f: interactive.
    Sql(SqlArgs),
    /// Serve catalogues to PostgreSQL clients, read-only unless there is a writable root.
    Serve(ServeArgs),
    /// Work for servers that deal out large queries.
    Worker(WorkerArgs),
    /// Make a catalogue from Parquet or CSV files.
    Import(ImportArgs),
    /// Look at configuration, roots, addresses and workers, and say what to mend.
    Doctor(DoctorArgs),
    /// Give users passwords, list them, take them away. A running server sees it at once.
    User(UserArgs),
    /// Merge what inserts added to tables made by SQL, and remove what crashes left.
    Vacuum(VacuumArgs),
}

#[derive(Debug, Args)]
struct SqlArgs {
    /// Directories with HATS catalogues, or addresses: s3://bucket/prefix?region=…, https://host/catalogue. Without one:
    /// the sample sky.
    roots: Vec<String>,
    /// Directory or address where CREATE TABLE writes tables that last. Without it, tables end with the session.
    #[arg(long, value_name = "DIR")]
    writable: Option<String>,
    /// Directory or address that keeps views and comments. Without it, they end with the session.
    #[arg(long, value_name = "DIR")]
    state: Option<String>,
    /// Run these statements and leave.
    #[arg(short, long = "command", value_name = "SQL", conflicts_with = "file")]
    command: Option<String>,
    /// Run the statements of this file and leave; - is the standard input.
    #[arg(short, long)]
    file: Option<PathBuf>,
    /// How rows are written.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Whose meaning words have where PostgreSQL and ADQL differ (LOG, say).
    #[arg(long, value_enum, default_value_t = Dialect::Postgres)]
    dialect: Dialect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Dialect {
    Postgres,
    Adql,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_env("DREYER_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .init();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        // Planning recurses over the syntax tree, as deep as the parser lets it grow.
        .thread_stack_size(8 << 20)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("ERROR:  cannot start: {error}")),
    };
    match runtime.block_on(run(cli.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_closed_output() => ExitCode::SUCCESS,
        Err(failure) => fail(&failure.to_string()),
    }
}

async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Demo => command::demo(&mut BufWriter::new(io::stdout().lock())).await,
        Command::Sql(args) => command::sql(args.into()).await,
        Command::Serve(args) => command::serve(args).await,
        Command::Worker(args) => command::worker(args).await,
        Command::Import(args) => command::import(args, &mut io::stdout()).await,
        Command::Doctor(args) => command::doctor(args, &mut io::stdout()).await,
        Command::User(args) => command::user(args, &mut io::stdout()).await,
        Command::Vacuum(args) => command::vacuum(args, &mut io::stdout()).await,
    }
}

impl From<SqlArgs> for SqlOptions {
    fn from(args: SqlArgs) -> Self {
        let input = match (args.command, args.file) {
            (Some(text), _) => Input::Text(text),
            (None, Some(file)) => Input::File(file),
            (None, None) => Input::Terminal,
        };
        Self {
            roots: args.roots,
            writable: args.writable,
            state: args.state,
            input,
            format: args.format,
            adql: args.dialect == Dialect::Adql,
        }
    }
}

fn fail(message: &str) -> ExitCode {
    // A terminal that is gone cannot be told anything.
    let _ = writeln!(io::stderr(), "{message}");
    ExitCode::FAILURE
}
