//! Text with a delimiter: CSV, TSV and their like.
//!
//! ```text
//! bytes ─► Chunks, cut between records ─► Records: fields of one chunk ─► columns of the types that inference found
//!              one thread, in order            several chunks at a time, their order kept
//! ```
//!
//! A record with another number of fields, and a value that does not fit its column, are errors that name the line.
//! Nothing becomes NULL but the words that mean it.

mod chunks;
mod columns;
mod evidence;
mod head;
mod infer;
mod records;
mod stream;

pub(crate) use chunks::ReadFault;
pub(crate) use infer::{Effort, Sample, column_types, sample};
pub(crate) use stream::{batches, told};

use crate::format::FileFormat;
use crate::options::FileOptions;

/// How the text is written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dialect {
    pub(crate) delimiter: u8,
    pub(crate) quote: u8,
    pub(crate) comment: Option<u8>,
    pub(crate) header: bool,
    pub(crate) null_words: Vec<String>,
}

impl Dialect {
    pub(crate) fn of(format: FileFormat, options: &FileOptions) -> Self {
        let usual = if format == FileFormat::Tsv { b'\t' } else { b',' };
        Self {
            delimiter: options.delimiter.unwrap_or(usual),
            quote: options.quote,
            comment: options.comment,
            header: options.header,
            null_words: options.null_words.clone(),
        }
    }

    /// Whether a value, without blanks around it, means NULL in any column.
    pub(crate) fn is_null(&self, value: &str) -> bool {
        self.null_words.iter().any(|word| word.eq_ignore_ascii_case(value))
    }
}

/// A fault on a line of a text, counted from 1.
#[derive(Debug, PartialEq)]
pub(crate) struct LineFault {
    pub(crate) line: u64,
    pub(crate) fault: String,
}

impl std::fmt::Display for LineFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.fault)
    }
}
