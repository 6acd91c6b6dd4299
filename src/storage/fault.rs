//! What goes wrong in a store, in plain words: where, what the store said, how often it was tried.
//!
//! The words are made anew from what is known to be harmless. Those of the libraries below hold whole requests and
//! answers, and with them signatures and the identifiers of keys.

use object_store::Error;
use object_store::path::Path;

/// Words of a store's answer that are repeated.
const ANSWER_CHARS: usize = 200;

/// A failure of a store, as messages show it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub(crate) struct StoreFault {
    /// The object, with the store that it lies in.
    pub(crate) place: String,
    /// What went wrong.
    pub(crate) what: String,
}

impl StoreFault {
    pub(super) fn new(store: &str, location: &Path, what: impl Into<String>) -> Self {
        let place = if location.as_ref().is_empty() {
            store.to_owned()
        } else {
            format!("{}/{location}", store.trim_end_matches('/'))
        };
        Self {
            place,
            what: what.into(),
        }
    }

    /// As the error of an object that is not the one that was being read.
    pub(super) fn rewritten(store: &str, location: &Path) -> Error {
        Error::Precondition {
            path: location.to_string(),
            source: Box::new(Self::new(store, location, "was rewritten while it was read")),
        }
    }

    /// As an error without a class of its own.
    pub(super) fn failed(store: &str, location: &Path, what: impl Into<String>) -> Error {
        Error::Generic {
            store: "remote",
            source: Box::new(Self::new(store, location, what)),
        }
    }

    /// As the refusal of what a session may not reach.
    pub(super) fn denied(store: &str, location: &Path, what: impl Into<String>) -> Error {
        Error::PermissionDenied {
            path: location.to_string(),
            source: Box::new(Self::new(store, location, what)),
        }
    }
}

/// `error` of `location` in plain words; its class stays.
pub(super) fn plain(error: Error, store: &str, location: &Path) -> Error {
    if std::error::Error::source(&error).is_some_and(<dyn std::error::Error>::is::<StoreFault>) {
        return error;
    }
    // A class hidden within: a resumed body whose condition failed.
    let class = buried_class(&error);
    let path = location.to_string();
    let text = error.to_string();
    let source = Box::new(StoreFault::new(store, location, words(&error)));
    // Listings come without a class.
    match status(&text).map(|status| status.get(..3).unwrap_or_default()) {
        Some("401") => return Error::Unauthenticated { path, source },
        Some("403") => return Error::PermissionDenied { path, source },
        Some("404") => return Error::NotFound { path, source },
        _ => {}
    }
    match class.unwrap_or(&error) {
        Error::NotFound { .. } => Error::NotFound { path, source },
        Error::AlreadyExists { .. } => Error::AlreadyExists { path, source },
        Error::Precondition { .. } => Error::Precondition { path, source },
        Error::NotModified { .. } => Error::NotModified { path, source },
        Error::PermissionDenied { .. } => Error::PermissionDenied { path, source },
        Error::Unauthenticated { .. } => Error::Unauthenticated { path, source },
        Error::NotSupported { .. } | Error::NotImplemented { .. } => Error::NotSupported { source },
        _ => Error::Generic {
            store: "remote",
            source,
        },
    }
}

fn buried_class(error: &Error) -> Option<&Error> {
    let Error::Generic { source, .. } = error else {
        return None;
    };
    source.downcast_ref::<Error>()
}

/// What is said of an error.
fn words(error: &Error) -> String {
    if let Error::NotImplemented { operation, .. } = error {
        return format!("the store does not do this: {operation}");
    }
    let text = error.to_string();
    let what = match status(&text) {
        Some(status) => answer(&text, status),
        None if text.contains("169.254.169.254") || text.contains("MetadataService") => {
            "no credentials were found in the environment, nor those of the machine".to_owned()
        }
        None => innermost(error),
    };
    match between(&text, ", after ", " retries") {
        Some(retries) if retries != "0" => format!("{what} (tried again {retries} times)"),
        _ => what,
    }
}

/// The words of the error at the bottom: those above repeat it, with addresses in them.
pub(super) fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(inner) = last.source() {
        last = inner;
    }
    last.to_string()
}

/// `503 Service Unavailable` of the library's sentence.
fn status(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("status code: ")?;
    Some(rest.split(':').next().unwrap_or(rest).trim())
}

/// The status with the code and the message that S3 and its kin add to it.
fn answer(text: &str, status: &str) -> String {
    let code = between(text, "<Code>", "</Code>");
    let message = between(text, "<Message>", "</Message>");
    match (code, message) {
        (Some(code), Some(message)) => {
            let message: String = message.chars().take(ANSWER_CHARS).collect();
            format!("{status}, {code}: {}", message.trim_end_matches('.'))
        }
        (Some(code), None) => format!("{status}, {code}"),
        _ => status.to_owned(),
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once(after).map(|(found, _)| found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(text: &str) -> Error {
        Error::Generic {
            store: "S3",
            source: text.to_owned().into(),
        }
    }

    #[test]
    fn what_the_store_said_is_kept_and_keys_are_not() {
        let text = "Error performing GET http://h/b/k?X-Amz-Signature=abc in 1ms, after 3 retries, max_retries: 3, \
                    retry_timeout: 10s  - Server returned non-2xx status code: 403 Forbidden: <Error>\
                    <Code>SignatureDoesNotMatch</Code><Message>Check your key and signing method.</Message>\
                    <AWSAccessKeyId>AKIAEXAMPLE</AWSAccessKeyId><StringToSign>AWS4</StringToSign></Error>";
        let denied = Error::PermissionDenied {
            path: "k".to_owned(),
            source: text.into(),
        };
        let told = plain(denied, "s3://b", &Path::from("k"));
        assert!(matches!(told, Error::PermissionDenied { .. }));
        let words = std::error::Error::source(&told).unwrap().to_string();
        assert_eq!(
            words,
            "s3://b/k: 403 Forbidden, SignatureDoesNotMatch: Check your key and signing method (tried again 3 times)"
        );
        assert!(!format!("{told:?}").contains("AKIA"));
        // Told once is told.
        assert_eq!(
            plain(told, "s3://b", &Path::from("k"))
                .to_string()
                .matches("403")
                .count(),
            1
        );
    }

    #[test]
    fn a_class_within_comes_out() {
        let inner = Error::Precondition {
            path: "k".to_owned(),
            source: "412".into(),
        };
        let outer = Error::Generic {
            store: "S3",
            source: Box::new(inner),
        };
        assert!(matches!(
            plain(outer, "s3://b", &Path::from("k")),
            Error::Precondition { .. }
        ));
    }

    #[test]
    fn without_a_status_the_cause_speaks() {
        let told = plain(generic("connection refused"), "s3://b", &Path::default());
        assert_eq!(
            std::error::Error::source(&told).unwrap().to_string(),
            "s3://b: connection refused"
        );
        let told = plain(
            generic("Error performing PUT http://169.254.169.254/latest/api/token in 1s"),
            "s3://b",
            &Path::default(),
        );
        assert!(told.to_string().contains("no credentials"), "{told}");
    }
}
