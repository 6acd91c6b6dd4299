//! What can be wrong with a file, and where. The file's name is the caller's to add.

use std::io;

use arrow::error::ArrowError;

/// The result of reading or writing a format.
pub type Result<T, E = FormatError> = std::result::Result<T, E>;

/// A fault of a file, of what was asked of it, or of the way to it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// A fault at a place in the file.
    #[error("byte {byte}: {fault}")]
    Byte {
        /// Bytes before the fault.
        byte: u64,
        /// What is wrong.
        fault: String,
    },
    /// A fault on a line of a text.
    #[error("line {line}: {fault}")]
    Line {
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        fault: String,
    },
    /// A value that its column cannot hold.
    #[error("row {row}, column {column:?}: {fault}")]
    Cell {
        /// The row, from 1.
        row: u64,
        /// The column's name.
        column: String,
        /// What is wrong.
        fault: String,
    },
    /// A fault of a column as declared.
    #[error("column {column:?}: {fault}")]
    Column {
        /// The column's name.
        column: String,
        /// What is wrong.
        fault: String,
    },
    /// Well-formed perhaps, but not what is read or written here; the text says what to do instead.
    #[error("{0}")]
    Unsupported(String),
    /// The file holds no such table, or the caller asked for a column that is not there.
    #[error("{0}")]
    Absent(String),
    /// The file is an error message: what a service answered instead of a table.
    #[error("the file is an error report, not a table: {0}")]
    Reported(String),
    /// Reading or writing failed below the format.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Arrow would not build or convert an array.
    #[error(transparent)]
    Arrow(#[from] ArrowError),
}

impl FormatError {
    pub(crate) fn byte(byte: u64, fault: impl Into<String>) -> Self {
        let fault = fault.into();
        Self::Byte { byte, fault }
    }

    pub(crate) fn line(line: u64, fault: impl Into<String>) -> Self {
        let fault = fault.into();
        Self::Line { line, fault }
    }

    pub(crate) fn cell(row: u64, column: impl Into<String>, fault: impl Into<String>) -> Self {
        let (column, fault) = (column.into(), fault.into());
        Self::Cell { row, column, fault }
    }

    pub(crate) fn column(column: impl Into<String>, fault: impl Into<String>) -> Self {
        let (column, fault) = (column.into(), fault.into());
        Self::Column { column, fault }
    }

    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported(what.into())
    }
}
