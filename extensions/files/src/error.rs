//! What can go wrong with plain files: the only error type of this crate. Every fault of a file names the file.

use std::fmt::Display;

use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;

/// A fault of a file, of its storage, or of what was asked of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilesError {
    /// A file whose name or kind cannot be read.
    #[error("{name}: {fault}")]
    Unknown {
        /// The file, or the word that should name a format.
        name: String,
        /// Why, and what can be done.
        fault: String,
    },

    /// Nothing where files were expected.
    #[error("{place}: {fault}")]
    Nothing {
        /// The path or pattern that was looked at.
        place: String,
        /// What was looked for.
        fault: String,
    },

    /// A file that cannot be understood.
    #[error("{file}: {fault}")]
    Malformed {
        /// The file within its store.
        file: String,
        /// What is wrong, where, and where possible what to do.
        fault: String,
    },

    /// An option that is unknown or out of its range.
    #[error("option {option}: {fault}")]
    Option {
        /// Name of the option.
        option: String,
        /// What it must be, and what it was.
        fault: String,
    },

    /// The object store failed, or a file is no longer the one that was planned.
    #[error(transparent)]
    Store(#[from] object_store::Error),

    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] DataFusionError),
}

impl FilesError {
    pub(crate) fn malformed(file: impl Display, fault: impl Display) -> Self {
        Self::Malformed {
            file: file.to_string(),
            fault: fault.to_string(),
        }
    }

    pub(crate) fn option(option: impl Display, fault: impl Display) -> Self {
        Self::Option {
            option: option.to_string(),
            fault: fault.to_string(),
        }
    }

    pub(crate) fn unknown(name: impl Display, fault: impl Display) -> Self {
        Self::Unknown {
            name: name.to_string(),
            fault: fault.to_string(),
        }
    }

    pub(crate) fn nothing(place: impl Display, fault: impl Display) -> Self {
        Self::Nothing {
            place: place.to_string(),
            fault: fault.to_string(),
        }
    }
}

impl From<FilesError> for DataFusionError {
    fn from(error: FilesError) -> Self {
        match error {
            FilesError::Engine(inner) => inner,
            FilesError::Store(inner) => Self::ObjectStore(Box::new(inner)),
            other => Self::External(Box::new(other)),
        }
    }
}

/// `error` with the file's name before it, if it is one of decoding or of the store that does not name the file itself.
/// Others say nothing of the file: want of memory, a cancelled query, an expression that fails on a value.
pub(crate) fn named(file: &str, error: DataFusionError) -> DataFusionError {
    let of_the_file = match error.find_root() {
        DataFusionError::ParquetError(_) | DataFusionError::ObjectStore(_) => true,
        DataFusionError::ArrowError(error, _) => matches!(
            **error,
            ArrowError::ParquetError(_)
                | ArrowError::IoError(_, _)
                | ArrowError::ExternalError(_)
                | ArrowError::ParseError(_)
                | ArrowError::InvalidArgumentError(_)
        ),
        _ => false,
    };
    let text = error.strip_backtrace();
    if of_the_file && !text.contains(file) {
        FilesError::malformed(file, text).into()
    } else {
        error
    }
}

/// The result of this crate's own functions.
pub(crate) type Result<T, E = FilesError> = std::result::Result<T, E>;
