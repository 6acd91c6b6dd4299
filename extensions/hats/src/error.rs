//! What can go wrong with a HATS catalogue: the only error type of this crate.

use std::path::PathBuf;

use datafusion::error::DataFusionError;

/// A fault in a catalogue, in its storage or in an import.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HatsError {
    /// No properties file where a catalogue was expected.
    #[error("{path} is not a HATS catalogue: it holds neither hats.properties, properties nor collection.properties")]
    NotACatalog {
        /// The folder that was looked at.
        path: String,
    },

    /// A file of the catalogue that cannot be understood.
    #[error("{file}: {fault}")]
    Malformed {
        /// The offending file or folder.
        file: String,
        /// What is wrong, and where possible what to do.
        fault: String,
    },

    /// Input of an import that cannot be used.
    #[error("cannot import {input}: {fault}")]
    Input {
        /// The input file.
        input: String,
        /// What is wrong, and where possible what to do.
        fault: String,
    },

    /// A place where something lies already.
    #[error("{table} exists already")]
    Exists {
        /// The folder within its store.
        table: String,
    },

    /// Another writer came first; the statement may be run again (SQLSTATE 40001).
    #[error("table {table} could not be written: {fault}")]
    Conflict {
        /// The folder within its store.
        table: String,
        /// What the other did, and what to do.
        fault: String,
    },

    /// An import option out of its range.
    #[error("import option {option} {fault}")]
    Option {
        /// Name of the option.
        option: &'static str,
        /// What it must be, and what it was.
        fault: String,
    },

    /// The object store failed.
    #[error(transparent)]
    Store(#[from] object_store::Error),

    /// A Parquet footer or file failed.
    #[error(transparent)]
    Parquet(#[from] parquet::errors::ParquetError),

    /// The file system failed under an import.
    #[error("{path}: {source}")]
    Io {
        /// The path that was worked on.
        path: PathBuf,
        /// The fault of the operating system.
        source: std::io::Error,
    },

    /// A file that a plan was made for is no longer there in that version. Planning anew and running again is right.
    #[error("{path}: {}; run the query again", Self::REWRITTEN)]
    Rewritten {
        /// The file within its store.
        path: String,
    },

    /// The engine failed under an import or a scan.
    #[error(transparent)]
    Engine(#[from] DataFusionError),
}

impl HatsError {
    /// What is said of a file whose version is gone. An error that came from another process has nothing but its words.
    pub const REWRITTEN: &'static str = "the file was rewritten after the query was planned";

    /// The file whose version was gone when `error` arose, if that is the cause of it: replaced, rewritten in place or
    /// deleted after the query was planned. Looks through all wrappers that the engine and its readers lay around.
    pub fn rewritten<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a str> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(Self::Rewritten { path }) = error.downcast_ref() {
                return Some(path);
            }
            cause = error.source();
        }
        None
    }

    pub(crate) fn malformed(file: impl ToString, fault: impl Into<String>) -> Self {
        Self::Malformed {
            file: file.to_string(),
            fault: fault.into(),
        }
    }

    pub(crate) fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io {
            path: path.into(),
            source,
        }
    }
}

impl From<HatsError> for DataFusionError {
    fn from(error: HatsError) -> Self {
        match error {
            HatsError::Engine(inner) => inner,
            HatsError::Store(inner) => Self::ObjectStore(Box::new(inner)),
            other => Self::External(Box::new(other)),
        }
    }
}

/// The result of this crate's own functions.
pub(crate) type Result<T, E = HatsError> = std::result::Result<T, E>;
