//! A document from its first tag to the data of its first table, and from the end of the data to that of the resource.
//! Not the data.

use std::io::BufRead;

use super::field::{Column, Declared};
use super::xml::{Document, Mark, Tag};
use crate::metadata::unique_names;
use crate::{FormatError, Result};

const MAX_FIELDS: usize = 16_384;
/// Characters of a description or of a message; what is longer is cut.
const MAX_NOTE: usize = 1 << 16;

/// How the rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    TableData,
    Binary,
    /// With a bit for each value that is NULL.
    Binary2,
    /// A table without rows.
    Nothing,
}

/// What stands before the rows.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) columns: Vec<Column>,
    pub(super) form: Form,
    /// How many elements are open within the table's resource, itself included; 0 when the document has ended.
    pub(super) resource: usize,
}

/// What is gathered on the way.
#[derive(Debug, Default)]
struct Walk {
    /// Elements that are open, outermost first.
    open: Vec<Vec<u8>>,
    fields: Vec<Declared>,
    /// The fields of the first table that had no data.
    without_data: Option<Vec<Declared>>,
    /// The message of a service that failed.
    failure: Option<String>,
}

/// Reads up to the rows; the tag that opens them has been read.
pub(super) fn read<R: BufRead>(document: &mut Document<R>) -> Result<Header> {
    let mut walk = Walk::default();
    let form = loop {
        match document.next()? {
            Mark::Open(tag) => {
                let name = tag.name().to_vec();
                if let Some(form) = walk.tag(&tag)? {
                    break form;
                }
                walk.open.push(name);
            }
            Mark::Empty(tag) => {
                if walk.tag(&tag)?.is_some() {
                    break Form::Nothing;
                }
                walk.close(tag.name())?;
            }
            Mark::Close => {
                if let Some(name) = walk.open.pop() {
                    walk.close(&name)?;
                }
            }
            Mark::Text(text) => walk.text(&text),
            Mark::Nothing => {}
            Mark::End => break walk.end(document)?,
        }
    };
    let resource = walk.open.iter().rposition(|name| name == b"TABLE").unwrap_or_default();
    let fields = walk.fields;
    let names = unique_names(fields.iter().map(|field| field.name.clone()));
    let columns: Result<Vec<_>> = fields
        .into_iter()
        .zip(&names)
        .map(|(field, name)| field.column(name))
        .collect();
    Ok(Header {
        columns: columns?,
        form,
        resource,
    })
}

impl Walk {
    /// What a tag tells; the form of the rows, if they begin here.
    fn tag(&mut self, tag: &Tag<'_>) -> Result<Option<Form>> {
        let parent = self.open.last().map(Vec::as_slice).unwrap_or_default();
        match (parent, tag.name()) {
            ([], name) if name != b"VOTABLE" => {
                return Err(FormatError::byte(
                    tag.byte(),
                    "this is no VOTable: its first element is not VOTABLE",
                ));
            }
            (b"TABLE", b"FIELD") => {
                self.fields.push(Declared::new(tag.attributes()?));
                if self.fields.len() > MAX_FIELDS {
                    return Err(FormatError::byte(
                        tag.byte(),
                        format!("a table of more than {MAX_FIELDS} fields"),
                    ));
                }
            }
            (b"FIELD", b"VALUES") => {
                let null = tag.attributes()?.into_iter().find(|(key, _)| key == "null");
                if let (Some(field), Some((_, null))) = (self.fields.last_mut(), null) {
                    field.null = Some(null);
                }
            }
            (_, b"INFO") => self.failure = failure(&tag.attributes()?),
            (b"DATA", b"TABLEDATA") => return Ok(Some(Form::TableData)),
            (b"BINARY" | b"BINARY2", b"STREAM") => {
                let form = if parent == b"BINARY" {
                    Form::Binary
                } else {
                    Form::Binary2
                };
                stream(tag)?;
                return Ok(Some(form));
            }
            (b"DATA", b"FITS") => {
                return Err(FormatError::unsupported(
                    "the rows are FITS data within the VOTable, which is not supported: read the FITS file itself",
                ));
            }
            _ => {}
        }
        Ok(None)
    }

    fn text(&mut self, text: &str) {
        let within = |index: usize| self.open.len().checked_sub(index).and_then(|at| self.open.get(at));
        let description = match (within(2).map(Vec::as_slice), within(1).map(Vec::as_slice)) {
            (Some(b"FIELD"), Some(b"DESCRIPTION")) => self.fields.last_mut().map(|field| &mut field.description),
            (_, Some(b"INFO")) => self.failure.as_mut(),
            _ => None,
        };
        if let Some(description) = description.filter(|description| description.len() + text.len() <= MAX_NOTE) {
            description.push_str(text);
        }
    }

    fn close(&mut self, name: &[u8]) -> Result<()> {
        match name {
            b"INFO" => match self.failure.take() {
                Some(message) => return Err(FormatError::Reported(message.trim().to_owned())),
                None => return Ok(()),
            },
            // The rows of another table may still come.
            b"TABLE" if self.fields.is_empty() => {}
            b"TABLE" => {
                let fields = std::mem::take(&mut self.fields);
                self.without_data.get_or_insert(fields);
            }
            _ => {}
        }
        Ok(())
    }

    /// A document without data may still be one: the metadata of a table without rows.
    fn end<R: BufRead>(&mut self, document: &Document<R>) -> Result<Form> {
        if document.depth() > 0 {
            return Err(FormatError::byte(
                document.byte(),
                "the document ends before the rows of a table",
            ));
        }
        match self.without_data.take() {
            Some(fields) => self.fields = fields,
            None => return Err(FormatError::Absent("the document has no TABLE with FIELDs".to_owned())),
        }
        Ok(Form::Nothing)
    }
}

/// The message of `INFO name="QUERY_STATUS" value="ERROR"`, empty at first; `None` for any other.
fn failure(attributes: &[(String, String)]) -> Option<String> {
    let is = |key: &str, value: &str| {
        let found = attributes.iter().find(|(name, _)| name == key);
        found.is_some_and(|(_, found)| found.eq_ignore_ascii_case(value))
    };
    (is("name", "QUERY_STATUS") && is("value", "ERROR")).then(String::new)
}

fn stream(tag: &Tag<'_>) -> Result<()> {
    for (key, value) in tag.attributes()? {
        match (key.as_str(), value.as_str()) {
            ("href", address) => {
                return Err(FormatError::unsupported(format!(
                    "the rows are elsewhere (STREAM href {address:?}), which is not supported: fetch the whole table in one file"
                )));
            }
            ("encoding", encoding) if encoding != "base64" => {
                return Err(FormatError::unsupported(format!(
                    "a STREAM of the encoding {encoding:?}, not base64"
                )));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Reads from the end of the rows to that of their resource: a service that fails on the way says so there.
pub(super) fn read_rest<R: BufRead>(document: &mut Document<R>, resource: usize) -> Result<()> {
    let mut failure_at: Option<(usize, String)> = None;
    loop {
        let depth = document.depth();
        let mut stream_opens = false;
        match document.next()? {
            Mark::Open(tag) if tag.name() == b"INFO" => {
                failure_at = failure(&tag.attributes()?).map(|message| (depth + 1, message));
            }
            Mark::Empty(tag) if tag.name() == b"INFO" => {
                if failure(&tag.attributes()?).is_some() {
                    return Err(FormatError::Reported(String::new()));
                }
            }
            Mark::Open(tag) => stream_opens = tag.name() == b"STREAM",
            Mark::Text(text) => {
                if let Some((_, message)) = failure_at.as_mut().filter(|(_, message)| message.len() <= MAX_NOTE) {
                    message.push_str(&text);
                }
            }
            Mark::Close => {
                if let Some((_, message)) = failure_at.take_if(|(at, _)| *at == depth) {
                    return Err(FormatError::Reported(message.trim().to_owned()));
                }
                if depth <= resource {
                    return Ok(());
                }
            }
            Mark::End => return Err(FormatError::byte(document.byte(), "the document ends within a table")),
            Mark::Empty(_) | Mark::Nothing => {}
        }
        if stream_opens {
            skip(document)?;
        }
    }
}

/// Passes over the text that comes next, whatever its length.
fn skip<R: BufRead>(document: &mut Document<R>) -> Result<()> {
    let mut text = document.raw_text();
    loop {
        let length = text.some()?.len();
        if length == 0 {
            return Ok(());
        }
        text.consume(length);
    }
}
