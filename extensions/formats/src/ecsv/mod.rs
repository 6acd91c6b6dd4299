//! ECSV, the texts that astropy writes, as Arrow batches. Not plain CSV.
//!
//! The types, units and descriptions of the header are used, columns of arrays (`subtype`) too. An empty value is NULL,
//! of texts as well: the format cannot tell them apart. NaN stays NaN. Columns of objects (`subtype: json`) stay text.

mod array;
mod header;
mod reader;
#[cfg(test)]
mod reading;
mod record;
mod yaml;

pub use reader::EcsvReader;
