//! The errors of object stores: their class, and the words that the storage layers gave them.

use std::error::Error as StdError;

use object_store::Error as Store;

use super::{Error, ErrorKind};
use crate::storage::StoreFault;

/// The classes of a store's errors, with what to do next.
fn class(error: &Store) -> (ErrorKind, Option<&'static str>) {
    match error {
        Store::PermissionDenied { source, .. } if source.to_string().contains("root") => (
            ErrorKind::Denied,
            Some("Only what lies under the roots named when the program was started can be reached."),
        ),
        Store::PermissionDenied { .. } | Store::Unauthenticated { .. } => (
            ErrorKind::Denied,
            Some(
                "Check the keys (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, or [storage.credentials]); a public bucket \
                 is opened with ?anonymous=true.",
            ),
        ),
        Store::Precondition { .. } => (ErrorKind::Conflict, Some("Run the statement again.")),
        Store::NotSupported { .. } | Store::NotImplemented { .. } => (ErrorKind::NotSupported, None),
        Store::Generic { source, .. } if source.to_string().contains("no credentials") => (
            ErrorKind::Denied,
            Some("Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; a public bucket is opened with ?anonymous=true."),
        ),
        _ => (ErrorKind::Io, None),
    }
}

/// Phrases by which the class of a store's error is known where the engine has kept no more of it than its words.
const PHRASES: &[(&str, ErrorKind)] = &[
    ("Request precondition failure for path", ErrorKind::Conflict),
    ("lacked the necessary privileges", ErrorKind::Denied),
    ("lacked valid authentication credentials", ErrorKind::Denied),
];

/// An error of reading Parquet of which only words are left. The engine does this to faults under the reading of footers.
pub(super) fn from_words(text: &str) -> Error {
    let Some((_, words)) = text.split_once("Object Store error: ") else {
        return Error::new(ErrorKind::Io, text);
    };
    let kind = PHRASES.iter().find(|(phrase, _)| words.contains(phrase));
    let kind = kind.map_or(ErrorKind::Io, |(_, kind)| *kind);
    // What the storage layers said begins with the address of the object.
    let scheme = words.split_once("://").map_or("", |(before, _)| {
        before
            .rsplit(|c: char| !c.is_ascii_alphanumeric())
            .next()
            .unwrap_or_default()
    });
    let said = words.find(&format!("{scheme}://")).and_then(|at| words.get(at..));
    Error::new(kind, said.unwrap_or(words))
}

/// A store's error as ours.
pub(super) fn translate(error: &Store) -> Error {
    let (kind, hint) = class(error);
    let fault = error.source().and_then(|source| source.downcast_ref::<StoreFault>());
    let told = match fault {
        Some(fault) => Error::new(kind, fault.to_string()),
        None => Error::new(kind, error.to_string()),
    };
    match hint {
        Some(hint) => told.with_hint(hint),
        None => told,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::common::DataFusionError;

    use super::*;

    fn denied(source: &str) -> Store {
        Store::PermissionDenied {
            path: "a".to_owned(),
            source: source.into(),
        }
    }

    #[test]
    fn classes_are_kept_through_any_wrapping() {
        for (store, sqlstate) in [
            (denied("lies under no root"), "42501"),
            (denied("403"), "42501"),
            (
                Store::Precondition {
                    path: "a".to_owned(),
                    source: "412".into(),
                },
                "40001",
            ),
            (
                Store::Generic {
                    store: "S3",
                    source: "refused".into(),
                },
                "58030",
            ),
        ] {
            let parquet = parquet::errors::ParquetError::External(Box::new(store));
            let wrapped = DataFusionError::ParquetError(Box::new(parquet)).context("reading");
            assert_eq!(Error::from(wrapped).sqlstate(), sqlstate);
        }
    }

    #[test]
    fn classes_are_known_by_their_words() {
        let source = Box::new(std::io::Error::other("s3://b/a: was rewritten while it was read"));
        let store = Store::Precondition {
            path: "a".to_owned(),
            source,
        };
        let text = format!("Failed to fetch metadata for file a: Object Store error: {store}");
        let parquet = parquet::errors::ParquetError::General(text);
        let error = Error::from(DataFusionError::ParquetError(Box::new(parquet)));
        assert_eq!(error.sqlstate(), "40001");
        assert_eq!(error.message, "s3://b/a: was rewritten while it was read");
        let other = parquet::errors::ParquetError::General("EOF".to_owned());
        let error = Error::from(DataFusionError::ParquetError(Box::new(other)));
        assert_eq!(
            (error.sqlstate(), error.message.as_str()),
            ("58030", "Parquet error: EOF")
        );
    }
}
