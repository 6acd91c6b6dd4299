//! dreyer: an astronomical catalogue database. SQL and ADQL over HATS Parquet, read in place.
//!
//! This package assembles; it owns no algorithm. The sky itself lives in `extensions/`, each of which also works in
//! any DataFusion session of its own.
//!
//! ```text
//!  shell, psql, Rust ──► Session::parse ──► Session::plan ──────────► Session::execute ──► RecordBatch stream
//!                        text → AST         AST lowered, names         optimise, run         │
//!                        with spans         resolved, planned,                               ├─► pg      rows on the wire
//!                                           statement allow-list                             └─► encode  table, CSV, JSON
//! ```
//!
//! # Example: Hipparcos stars within a degree of Alcyone
//!
//! ```
//! use dreyer::{Config, Database};
//! use futures::TryStreamExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let database = Database::open(Config::default()).await?; // no root: the sample sky inside the library
//! let session = database.session();
//! let rows = session.query("SELECT hip, hpmag FROM hipparcos WHERE DISTANCE(ra, dec, 56.871, 24.105) < 1").await?;
//! let batches: Vec<_> = rows.try_collect().await?;
//! assert!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>() > 10);
//! # Ok(())
//! # }
//! ```

mod catalog;
mod cluster;
pub mod command;
mod config;
mod database;
mod demo;
mod encode;
mod engine;
mod error;
mod examples;
mod http;
pub mod pg;
mod principal;
mod queue;
mod session;
mod shell;
mod state;
mod storage;
mod trace;
mod users;

pub use catalog::{DEFAULT_CATALOG, DEFAULT_SCHEMA};
pub use cluster::{Member, Standing, Worker};
pub use config::{
    Access, AuditConfig, ClusterConfig, Config, Credentials, Limits, PgConfig, PriceConfig, StorageConfig, TlsMode,
    TraceConfig, UserConfig, WriteConfig,
};
pub use database::Database;
pub use encode::Format;
pub use error::{Error, ErrorKind};
pub use examples::{Example, Expect, examples};
pub use principal::{DEFAULT_USER, Principal, Rights};
pub use session::{Outcome, QueryEnd, QueryState, RunningQuery, Session, Statement, Usage, WaveCount};
pub use storage::StoreMetrics;

/// Result with this package's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
