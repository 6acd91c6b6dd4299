//! Table formats of astronomy as Arrow batches: FITS binary tables, VOTable, ECSV.
//!
//! Each reader streams: a schema first, then batches of a bounded size, from any `Read`. Units, UCDs, utypes and
//! descriptions travel as Arrow field metadata under the keys of [`metadata`]. Not here: where files lie, how they are
//! compressed as a whole, and anything of a query engine.
//!
//! What comes in is foreign. A malformed file gives a [`FormatError`] that says where, never a panic; a size that a
//! header claims is never allocated before the file has shown that many bytes.

#[cfg(test)]
mod corruption;
pub mod ecsv;
mod elements;
mod error;
pub mod fits;
mod layout;
pub mod metadata;
pub mod votable;
mod wire;

pub use error::{FormatError, Result};

/// Rows of a batch, unless said otherwise.
pub const BATCH_ROWS: usize = 8192;

/// Bytes after which a batch ends, whatever its rows: a wide row must not make a batch of thousands of them.
const BATCH_BYTES: usize = 32 << 20;
