//! What can go wrong with plain files: the only error type of this crate. Every fault of a file names the file.

use std::fmt::Display;

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

/// The error for a file and its fault, as the guard makes it.
pub(crate) fn malformed(file: &str, fault: String) -> DataFusionError {
    FilesError::malformed(file, fault).into()
}

/// `error` with the file's name before it, if it is the file's and does not name it itself.
pub(crate) fn named(file: &str, error: DataFusionError) -> DataFusionError {
    dreyer_guard::named(file, error, malformed)
}

/// The result of this crate's own functions.
pub(crate) type Result<T, E = FilesError> = std::result::Result<T, E>;
