//! Plain files as tables: Parquet, CSV and TSV, Arrow IPC, FITS, VOTable, ECSV.
//!
//! ```text
//! path, folder or pattern ─► list_inputs ─► files ─► FileTable ─► DataSourceExec ┬─ ParquetSource, guarded
//! root ─► discover ─────────────────────────┘        columns merged by name      └─ PlainSource: all other formats
//! ```
//!
//! A file is read where it lies, in the version that was planned: one that is rewritten meanwhile fails the query. Units,
//! UCDs and descriptions stay with the columns. Parquet is pruned by the part of the sky that filters ask for; every
//! filter stays above the scan and judges each row. A malformed file gives an error that names it, never a panic.
//!
//! Not here: catalogues of many tiles, writing, and the formats themselves, which know no files.

mod blocking;
mod codec;
mod columns;
mod csv;
mod decode;
mod discover;
mod error;
mod factory;
mod footers;
mod format;
mod guard;
mod ipc;
mod listing;
mod object;
mod options;
mod position;
mod share;
mod sky;
mod source;
mod table;
#[cfg(test)]
mod tests;
mod unpack;

pub use codec::FilesCodec;
pub use discover::{DiscoveredFile, discover, open_discovered};
pub use error::FilesError;
pub use factory::{FileTableFactory, open_location, open_path, open_table};
pub use format::{Compression, FileFormat, table_name};
pub use guard::GuardedSource;
pub use listing::list_inputs;
pub use options::FileOptions;
pub use position::positions;
pub use share::{divide, undivided};
pub use source::PlainSource;
pub use table::FileTable;
