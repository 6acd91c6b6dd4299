//! HATS catalogues: HEALPix-tiled Parquet, read in place, imported and pruned.
//!
//! ```text
//! folder ──HatsCatalog::open──► properties · columns · tiles ──HatsTable──► scan
//!                                                                            │ filters ► sky ranges ► tiles
//!                                                                            ▼
//!                                              DataSourceExec over HatsSource (stock Parquet inside)
//!                                                │ statistics of the index ► row groups ► pages
//! files ──import──► folder                       ▼
//!                                              rows, judged above by the filters themselves
//! ```
//!
//! - [`discover`] finds the catalogues under a root; [`HatsTable`] makes a table of each.
//! - [`HatsTilingSource`] tells a cross-match how a scan is cut and reads parts of it.
//! - [`HatsCodec`] sends scans to other processes; [`divide`] cuts them into what several can do.
//! - [`supplement`] writes margins, indexes and what else lies beside a catalogue.
//! - [`import`](mod@import) writes catalogues from Parquet and CSV files.
//! - [`managed`] keeps tables that are written by SQL: whole at every moment, for us and for foreign readers.
//!
//! It does no astronomy of its own: cells and regions are `dreyer-sphere`'s, and which predicates say where to look is
//! decided in `dreyer-tiling`.

mod access;
mod catalog;
mod codec;
mod collection;
mod discover;
mod error;
mod footers;
pub mod import;
mod index;
mod index_column;
mod layout;
mod listing;
pub mod managed;
mod opening;
mod place;
mod properties;
mod prune;
mod reader;
mod reading;
mod schema;
mod share;
mod source;
pub mod supplement;
mod table;
mod tiling;

pub use catalog::{HatsCatalog, INDEX_IS_OF_PROPERTY, SORTED_PROPERTY};
pub use codec::HatsCodec;
pub use collection::Collection;
pub use discover::{FoundTable, discover};
pub use error::HatsError;
pub use index::HatsIndex;
pub use listing::Tile;
pub use place::Place;
pub use properties::Properties;
pub use reading::{Reading, reading};
pub use share::divide;
pub use source::HatsSource;
pub use table::HatsTable;
pub use tiling::HatsTilingSource;

#[cfg(test)]
mod tests;
