//! FITS binary tables as Arrow batches, and HEALPix maps as FITS. Not images, not ASCII tables, not compressed ones.
//!
//! | `TFORM` | Arrow |
//! |---|---|
//! | `L`, `X` | Boolean |
//! | `B` `I` `J` `K` | UInt8, Int16, Int32, Int64; with the `TZERO` of the convention Int8, UInt16, UInt32, UInt64 |
//! | `E` `D` | Float32, Float64 |
//! | `C` `M` | a fixed-size list of two Float32, Float64 |
//! | `A` | Utf8: up to the first NUL, without trailing blanks |
//! | any other `TSCAL`, `TZERO` | Float64 |
//! | a repeat count, `TDIM` | fixed-size lists, the slowest dimension outermost |
//! | `P` `Q` | a list, of text Utf8 |
//!
//! NULL are: `TNULL`; NaN, as the standard says; a truth value of NUL; a text that begins with NUL (one of blanks is
//! empty); every row of a column without bytes.

mod column;
#[cfg(test)]
pub(crate) mod fixture;
mod form;
mod header;
mod healpix;
mod heap;
mod reader;
#[cfg(test)]
mod reading;
mod values;

pub use healpix::write_healpix_map;
pub use reader::{FitsReader, Table};
