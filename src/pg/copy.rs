//! COPY to and from the client: `COPY (query) TO STDOUT`, `COPY table FROM STDIN`, in PostgreSQL's three formats.
//!
//! ```text
//!  grammar   text → source, direction, options        output   rows → messages of a copy
//!  options   what the options mean, and their rules   input/   messages of a copy → rows
//! ```
//!
//! Files are the engine's business: a COPY that names one is left to it.

mod grammar;
mod input;
mod options;
mod output;

pub(super) use grammar::{Copy, parse};
pub(super) use input::{Piece, records};
pub(super) use options::Options;
pub(super) use output::{CopyBatch, CopyEncoder};
