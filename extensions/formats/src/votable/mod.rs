//! VOTable documents as Arrow batches, and the reverse. Not the other parts of a document: parameters, groups, links.
//!
//! The reader takes TABLEDATA, BINARY and BINARY2 of any version; the writer writes TABLEDATA and BINARY2 of
//! version 1.4. NULL are: NaN; the value that `VALUES null=".."` names; an empty cell of TABLEDATA, of texts too, since
//! the format cannot tell them apart; what the flags of BINARY2 say. Text stays text, times included: `xtype` in the
//! metadata tells what it stands for.

mod base64;
mod binary;
mod cell;
mod declare;
mod field;
mod header;
mod reader;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod round_trip;
mod tabledata;
mod writer;
mod xml;

pub use reader::VotableReader;
pub use writer::{Serialization, VotableWriter};
