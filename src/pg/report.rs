//! Errors and notices as PostgreSQL sends them: severity, SQLSTATE, message, detail, hint, position.

use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::response::{ErrorResponse, NoticeResponse};

use crate::{Error, ErrorKind};

/// Longest text of one field, in bytes. libpq takes no error of more than 30,000.
const FIELD_LIMIT: usize = 6000;

/// Why a statement, or the whole conversation, did not go on.
#[derive(Debug)]
pub(super) enum Failure {
    /// The statement failed; the session goes on.
    Error(Error),
    /// The session ends, and the client is told why.
    Fatal(Error),
    /// There is nobody left to tell.
    Gone,
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

/// `ErrorResponse` of an error.
pub(super) fn error(error: &Error, severity: &str) -> PgWireBackendMessage {
    PgWireBackendMessage::ErrorResponse(ErrorResponse::new(fields(error, severity)))
}

/// `NoticeResponse` with a warning.
pub(super) fn warning(kind: ErrorKind, message: &str) -> PgWireBackendMessage {
    PgWireBackendMessage::NoticeResponse(NoticeResponse::new(fields(&Error::new(kind, message), "WARNING")))
}

/// `NoticeResponse` with something worth knowing of a statement that went well.
pub(super) fn notice(message: &str) -> PgWireBackendMessage {
    let mut fields = fields(&Error::new(ErrorKind::Internal, message), "NOTICE");
    for (key, value) in &mut fields {
        if *key == b'C' {
            "00000".clone_into(value);
        }
    }
    PgWireBackendMessage::NoticeResponse(NoticeResponse::new(fields))
}

fn fields(error: &Error, severity: &str) -> Vec<(u8, String)> {
    let mut fields = vec![
        (b'S', severity.to_owned()),
        (b'V', severity.to_owned()),
        (b'C', error.sqlstate().to_owned()),
        (b'M', clean(&error.message)),
    ];
    fields.extend(error.detail.as_deref().map(|detail| (b'D', clean(detail))));
    fields.extend(error.hint.as_deref().map(|hint| (b'H', clean(hint))));
    fields.extend(error.context().map(|context| (b'W', clean(context))));
    fields.extend(error.position.map(|position| (b'P', position.to_string())));
    fields
}

/// Text that fits a field: no NUL, which would end it, and not too long.
fn clean(text: &str) -> String {
    let mut end = text.len().min(FIELD_LIMIT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let cut = if end < text.len() { " …" } else { "" };
    format!("{}{cut}", text[..end].replace('\0', "\u{fffd}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_strange_texts_fit() {
        assert_eq!(clean("a\0b"), "a\u{fffd}b");
        let long = clean(&"é".repeat(10_000));
        assert!(long.len() < FIELD_LIMIT + 10 && long.ends_with('…'));
    }

    #[test]
    fn position_and_hint_are_sent() {
        let mut fault = Error::new(ErrorKind::Syntax, "bad").with_hint("good");
        fault.position = Some(7);
        let fields = fields(&fault, "ERROR");
        assert!(fields.contains(&(b'C', "42601".to_owned())));
        assert!(fields.contains(&(b'P', "7".to_owned())));
        assert!(fields.contains(&(b'H', "good".to_owned())));
    }
}
