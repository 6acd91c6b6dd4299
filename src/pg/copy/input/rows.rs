//! Lines of text or csv to rows, and what is told of those that are none.

use std::ops::Range;
use std::sync::Arc;

use super::super::options::{Force, Header, Options};
use super::attributes::Attributes;
use super::columns::Columns;
use super::lines::{Lines, Next};
use crate::{Error, ErrorKind, Result};

/// Characters of a line or value that an error shows.
const SHOWN: usize = 100;

/// Reads text and csv.
pub(super) struct TextReader {
    lines: Lines,
    options: Arc<Options>,
    attributes: Attributes,
    columns: Columns,
    /// By column: whether NULL is never meant, and whether it is meant even in quotes.
    forced: Vec<(bool, bool)>,
    header: bool,
}

impl TextReader {
    pub(super) fn new(columns: Columns, options: &Arc<Options>) -> Self {
        let has = |force: &Force, name: &str| match force {
            Force::None => false,
            Force::All => true,
            Force::Columns(names) => names.iter().any(|known| known == name),
        };
        let forced = (0..columns.len()).map(|at| {
            let name = columns.name(at);
            (has(&options.force_not_null, name), has(&options.force_null, name))
        });
        Self {
            lines: Lines::new(options),
            attributes: Attributes::default(),
            forced: forced.collect(),
            header: options.header != Header::None,
            columns,
            options: Arc::clone(options),
        }
    }

    pub(super) fn columns(&mut self) -> &mut Columns {
        &mut self.columns
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.lines.push(bytes).map_err(|error| self.in_line(error))?;
        self.read()
    }

    pub(super) fn finish(&mut self) -> Result<()> {
        self.lines.finish();
        self.read()
    }

    /// Reads what lines there are.
    fn read(&mut self) -> Result<()> {
        loop {
            match self.lines.next().map_err(|error| self.in_line(error))? {
                Next::More | Next::End => return Ok(()),
                Next::Line(line) => self.row(&line)?,
            }
        }
    }

    fn row(&mut self, line: &Range<usize>) -> Result<()> {
        let read = self.attributes.read(self.lines.line(line), &self.options);
        read.map_err(|error| self.of_line(error, line))?;
        if self.header {
            self.header = false;
            return self.check_header(line);
        }
        let (given, needed) = (self.attributes.len(), self.columns.len());
        if given > needed {
            let error = Error::new(ErrorKind::BadCopy, "extra data after last expected column");
            return Err(self.of_line(error, line));
        }
        for at in 0..needed {
            // Only now: a fault in a value before it is told first.
            if at >= given {
                let message = format!("missing data for column \"{}\"", self.columns.name(at));
                return Err(self.of_line(Error::new(ErrorKind::BadCopy, message), line));
            }
            let value = match self.attributes.get(at) {
                Ok(value) => value,
                Err(error) => return Err(self.undecodable(error, line)),
            };
            let value = match (value, self.forced.get(at)) {
                (None, Some((true, _))) => Some(self.options.null.as_str()),
                (Some(text), Some((_, true))) if text == self.options.null => None,
                (value, _) => value,
            };
            if value.is_none()
                && let Some(fault) = self.columns.null_fault(at)
            {
                return Err(self.of_line(fault, line));
            }
            if let Err(error) = self.columns.text(at, value) {
                let context = format!(
                    "{}, column {}: \"{}\"",
                    self.place(),
                    self.columns.name(at),
                    shown(value.unwrap_or_default())
                );
                return Err(error.with_context(context));
            }
        }
        self.columns.end_row();
        Ok(())
    }

    fn check_header(&self, line: &Range<usize>) -> Result<()> {
        if self.options.header != Header::Match {
            return Ok(());
        }
        let fault = |message: String| Err(self.of_line(Error::new(ErrorKind::BadCopy, message), line));
        let (given, needed) = (self.attributes.len(), self.columns.len());
        if given != needed {
            return fault(format!(
                "wrong number of fields in header line: got {given}, expected {needed}"
            ));
        }
        for at in 0..needed {
            let expected = self.columns.name(at);
            match self.attributes.get(at).map_err(|error| self.undecodable(error, line))? {
                Some(found) if found == expected => {}
                found => {
                    let found = found.map_or_else(
                        || format!("null value (\"{}\")", self.options.null),
                        |found| format!("\"{found}\""),
                    );
                    return fault(format!(
                        "column name mismatch in header line field {}: got {found}, expected \"{expected}\"",
                        at + 1
                    ));
                }
            }
        }
        Ok(())
    }

    fn place(&self) -> String {
        format!("COPY {}, line {}", self.columns.table, self.lines.number())
    }

    /// An error of a line that has not been read to its end.
    fn in_line(&self, error: Error) -> Error {
        error.with_context(self.place())
    }

    /// An error of a value that is no text: because the line is none, or because of its escapes.
    fn undecodable(&self, error: Error, line: &Range<usize>) -> Error {
        let bytes = self.lines.line(line);
        if std::str::from_utf8(bytes).is_ok() && !bytes.contains(&0) {
            self.of_line(error, line)
        } else {
            self.in_line(error)
        }
    }

    /// An error of a line as a whole.
    fn of_line(&self, error: Error, line: &Range<usize>) -> Error {
        let text = String::from_utf8_lossy(self.lines.line(line));
        error.with_context(format!("{}: \"{}\"", self.place(), shown(&text)))
    }
}

/// Not more than fits an error.
fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}
