//! The document of one schema, and its text.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Result};

/// The form of the documents. A later form gets a later number, and this program refuses it.
const FORM: u32 = 1;

/// Everything kept about one schema.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SchemaState {
    /// Views by name.
    pub(crate) views: BTreeMap<String, View>,
    /// Comments by name of the table or view.
    pub(crate) comments: BTreeMap<String, Comments>,
}

/// A view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct View {
    /// The query, in PostgreSQL's meaning and with a schema before the name of each table: it reads the same in any
    /// session.
    pub(crate) query: String,
    /// The user who made it.
    pub(crate) owner: String,
}

/// What was said about a table and its columns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Comments {
    pub(crate) table: Option<String>,
    /// By name of the column.
    pub(crate) columns: BTreeMap<String, String>,
}

impl Comments {
    /// Sets the comment of the table or of one column; no text takes it away.
    pub(crate) fn set(&mut self, column: Option<&str>, text: Option<String>) {
        match (column, text) {
            (None, text) => self.table = text,
            (Some(column), Some(text)) => drop(self.columns.insert(column.to_owned(), text)),
            (Some(column), None) => drop(self.columns.remove(column)),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_none() && self.columns.is_empty()
    }
}

/// A document as it is written: its form, then its content.
#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    dreyer_state: u32,
    #[serde(flatten)]
    content: T,
}

#[derive(Deserialize)]
struct Form {
    dreyer_state: u32,
}

impl SchemaState {
    /// Reads a document. `place` is named in errors.
    pub(super) fn parse(bytes: &[u8], place: &str) -> Result<Self> {
        let fault = |error: serde_json::Error| {
            Error::new(
                ErrorKind::Io,
                format!("{place}: not a document of the state store: {error}"),
            )
        };
        let form: Form = serde_json::from_slice(bytes).map_err(fault)?;
        if form.dreyer_state != FORM {
            let found = form.dreyer_state;
            let message =
                format!("{place}: written in form {found} of the state store; this program knows form {FORM}");
            return Err(Error::new(ErrorKind::Io, message)
                .with_hint("Use the version of dreyer that wrote it, or a later one."));
        }
        let envelope: Envelope<Self> = serde_json::from_slice(bytes).map_err(fault)?;
        Ok(envelope.content)
    }

    /// The text of a document, for people too.
    pub(super) fn write(&self) -> Result<Vec<u8>> {
        let envelope = Envelope {
            dreyer_state: FORM,
            content: self,
        };
        serde_json::to_vec_pretty(&envelope).map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_read_as_it_was_written() {
        let mut state = SchemaState::default();
        let view = View {
            query: "SELECT \"psfFlux\" FROM public.t".to_owned(),
            owner: "ada".to_owned(),
        };
        state.views.insert("v".to_owned(), view);
        let comments = state.comments.entry("t".to_owned()).or_default();
        comments.set(None, Some("a table".to_owned()));
        comments.set(Some("ra"), Some("where".to_owned()));
        let text = state.write().unwrap();
        assert_eq!(SchemaState::parse(&text, "x").unwrap(), state);
    }

    #[test]
    fn what_is_no_document_says_where_it_lies() {
        for (text, words) in [
            ("", "s.json: not a document"),
            ("[]", "s.json: not a document"),
            ("{\"dreyer_state\": 2, \"views\": 7}", "s.json: written in form 2"),
            ("{\"dreyer_state\": 1, \"views\": 7}", "s.json: not a document"),
        ] {
            let error = SchemaState::parse(text.as_bytes(), "s.json").unwrap_err();
            assert!(error.message.starts_with(words), "{}", error.message);
        }
    }

    #[test]
    fn a_comment_can_be_taken_away() {
        let mut comments = Comments::default();
        comments.set(Some("ra"), Some("x".to_owned()));
        comments.set(None, Some("y".to_owned()));
        comments.set(Some("ra"), None);
        comments.set(None, None);
        assert!(comments.is_empty());
    }
}
