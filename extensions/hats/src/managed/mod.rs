//! Managed tables: tables that are written by SQL, whole at every moment.
//!
//! ```text
//! <table>/dreyer.manifest.json    the truth: which files are the table. One commit replaces it
//! <table>/collection.properties   for foreign readers: the published snapshot, a HATS collection
//! <table>/s-<id>/                 a snapshot: a whole HATS catalogue, or plain Parquet files where rows have no position
//! <table>/i-<id>/                 an increment: the rows of one INSERT, cut along the tiles that are there
//! .<table>.dreyer-lock            on the local disk, beside the folder: the lock under which it is committed
//! ```
//!
//! Every write is: data into a folder that nobody knows, made durable; then the manifest, on condition that it is
//! still the one that was read; then what foreign readers see. A crash leaves the old table or the new one, and
//! folders that no manifest names, which [`sweep`] removes. Folders are never changed once they are written, so a
//! query reads the version that it was planned for until the folder is deleted, a grace period after it was retired.
//!
//! **Of two writers one wins.** The other gets [`Conflict`](crate::HatsError::Conflict), its files are removed and
//! the table has nothing of it; it is for the caller to run the statement again. Only a compaction gives way: rows
//! that were appended meanwhile stay increments beside the new snapshot.
//!
//! **Foreign readers** (LSDB) see the published snapshot, whole; increments reach them with the next
//! [`vacuum`](ManagedTable::vacuum). Engine readers see both at once. While a tile has increments the table does not
//! count as sorted along the curve.
//!
//! Not here: names, schemas and rights of tables, and SQL.

mod append;
mod conform;
mod create;
mod durable;
mod ledger;
mod lock;
mod manifest;
pub(crate) mod opened;
mod plain;
mod publish;
mod relocate;
mod retire;
mod settings;
mod steps;
mod sweep;
mod table;
mod tree;
mod vacuum;

pub use manifest::Kind;
pub use sweep::{SweepReport, sweep};
pub use table::ManagedTable;
pub use vacuum::VacuumReport;

#[cfg(test)]
pub(crate) use ledger::Site;
pub(crate) use manifest::part_folder;
#[cfg(test)]
pub(crate) use steps::Steps;
