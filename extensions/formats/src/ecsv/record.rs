//! Lines to the values of one row: delimiters, quotes, line breaks within quotes. Not what the values are.

use std::io::{BufRead, Read};

use crate::{FormatError, Result};

/// Bytes of a line, and of a row.
const MAX_BYTES: usize = 32 << 20;

/// Reads rows.
#[derive(Debug)]
pub(super) struct Records<R> {
    input: R,
    delimiter: u8,
    line: Vec<u8>,
    /// Lines read so far.
    lines: u64,
    /// The values of the row, one after the other, and where each ends.
    text: Vec<u8>,
    ends: Vec<usize>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before a value.
    Start,
    Bare,
    Quoted,
    /// Behind a quote within quotes: one of two, or the end.
    QuoteSeen,
}

impl<R: BufRead> Records<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            delimiter: b' ',
            line: Vec::new(),
            lines: 0,
            text: Vec::new(),
            ends: Vec::new(),
            state: State::Start,
        }
    }

    pub(super) fn set_delimiter(&mut self, delimiter: u8) {
        self.delimiter = delimiter;
    }

    /// Lines read so far.
    pub(super) fn lines(&self) -> u64 {
        self.lines
    }

    /// The next line with its break, or `None` at the end.
    pub(super) fn line(&mut self) -> Result<Option<&str>> {
        self.line.clear();
        let mut limited = self.input.by_ref().take(MAX_BYTES as u64);
        if limited.read_until(b'\n', &mut self.line)? == 0 {
            return Ok(None);
        }
        self.lines += 1;
        if self.line.len() >= MAX_BYTES {
            return Err(FormatError::line(
                self.lines,
                format!("a line of more than {MAX_BYTES} bytes"),
            ));
        }
        match std::str::from_utf8(&self.line) {
            Ok(line) => Ok(Some(line)),
            Err(_) => Err(FormatError::line(self.lines, "the line is not UTF-8")),
        }
    }

    /// The line read last once more, then those after it, as a row. `false` at the end.
    pub(super) fn row_of_line(&mut self) -> Result<bool> {
        self.text.clear();
        self.ends.clear();
        self.state = State::Start;
        let first = self.lines;
        loop {
            if self.take_line() {
                return Ok(true);
            }
            if self.text.len() > MAX_BYTES {
                return Err(FormatError::line(
                    first,
                    format!("a row of more than {MAX_BYTES} bytes"),
                ));
            }
            if self.line()?.is_none() {
                return Err(FormatError::line(
                    first,
                    "the file ends within quotes that were opened here",
                ));
            }
        }
    }

    /// The next row, or `false` at the end. Blank lines and comments are none.
    pub(super) fn row(&mut self) -> Result<bool> {
        loop {
            match self.line()? {
                None => return Ok(false),
                Some(line) if line.trim().is_empty() || line.starts_with('#') => {}
                Some(_) => return self.row_of_line(),
            }
        }
    }

    /// Values of the row.
    pub(super) fn values(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        // Cut at ASCII, so still UTF-8.
        starts
            .zip(&self.ends)
            .map(|(start, end)| std::str::from_utf8(&self.text[start..*end]).unwrap_or_default())
    }

    pub(super) fn count(&self) -> usize {
        self.ends.len()
    }

    /// Goes through a line; `true` where the row ends with it.
    fn take_line(&mut self) -> bool {
        let line = std::mem::take(&mut self.line);
        let whole = line
            .strip_suffix(b"\n")
            .map_or(line.as_slice(), |rest| rest.strip_suffix(b"\r").unwrap_or(rest));
        for byte in whole {
            self.take(*byte);
        }
        self.line = line;
        match self.state {
            State::Quoted => {
                self.text.push(b'\n');
                return false;
            }
            // Blanks at the end of a line delimit nothing.
            State::Start if self.delimiter == b' ' => {}
            _ => self.end_value(),
        }
        true
    }

    fn take(&mut self, byte: u8) {
        match (self.state, byte) {
            (State::Quoted, b'"') => self.state = State::QuoteSeen,
            (State::QuoteSeen, b'"') => {
                self.text.push(b'"');
                self.state = State::Quoted;
            }
            (State::Quoted, byte) => self.text.push(byte),
            (State::Start, b' ') => {}
            (State::Start, b'"') => self.state = State::Quoted,
            (_, byte) if byte == self.delimiter => self.end_value(),
            (State::QuoteSeen, b' ') => {}
            (_, byte) => {
                self.text.push(byte);
                self.state = State::Bare;
            }
        }
    }

    fn end_value(&mut self) {
        if self.state == State::Bare {
            let start = self.ends.last().copied().unwrap_or_default();
            let trimmed = self.text[start..].trim_ascii_end().len();
            self.text.truncate(start + trimmed);
        }
        self.ends.push(self.text.len());
        self.state = State::Start;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str, delimiter: u8) -> Result<Vec<Vec<String>>> {
        let mut records = Records::new(text.as_bytes());
        records.set_delimiter(delimiter);
        let mut rows = Vec::new();
        while records.row()? {
            rows.push(records.values().map(str::to_owned).collect());
        }
        Ok(rows)
    }

    #[test]
    fn rows_are_cut_at_delimiters() {
        assert_eq!(
            rows("a  b \"\"\n\n# c\n d \"e f\"\n", b' ').unwrap(),
            [vec!["a", "b", ""], vec!["d", "e f"]]
        );
        assert_eq!(
            rows("a,,b , \"c\" ,\r\n,\n", b',').unwrap(),
            [vec!["a", "", "b", "c", ""], vec!["", ""]]
        );
        assert_eq!(
            rows("\"a\"\"b\",\"two\nlines\",\"#\"", b',').unwrap(),
            [vec!["a\"b", "two\nlines", "#"]]
        );
        assert_eq!(rows("", b' ').unwrap(), Vec::<Vec<String>>::new());
        let error = rows("a\n\"b\nc\n", b' ').unwrap_err();
        assert_eq!(
            error.to_string(),
            "line 2: the file ends within quotes that were opened here"
        );
    }
}
