//! Bytes to lines. What ends a line is told by the first that ends; a line of csv may hold others in quotes.

use std::ops::Range;

use super::super::options::{Format, Options};
use crate::{Error, ErrorKind, Result};

/// Longest line, in bytes: what a quote that does not close may gather.
const LONGEST: usize = 256 << 20;

/// How lines end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Unknown,
    Newline,
    Return,
    Both,
}

/// What there is of the next line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Line(Range<usize>),
    /// Not all of it has come.
    More,
    /// There is none.
    End,
}

/// Cuts lines out of what comes.
#[derive(Debug)]
pub(super) struct Lines {
    bytes: Vec<u8>,
    /// Where the line that is being read begins, and how far it has been read.
    start: usize,
    at: usize,
    ending: Ending,
    csv: bool,
    quote: u8,
    escape: u8,
    in_quotes: bool,
    escaped: bool,
    begun: bool,
    /// Number of the line, from 1.
    number: u64,
    /// No more bytes will come.
    ended: bool,
    /// The mark of the end has been read: what comes behind it does not count.
    over: bool,
}

impl Lines {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            bytes: Vec::new(),
            start: 0,
            at: 0,
            ending: Ending::Unknown,
            csv: options.format == Format::Csv,
            quote: options.quote,
            // One character for both needs no care: it toggles.
            escape: if options.escape == options.quote {
                0
            } else {
                options.escape
            },
            in_quotes: false,
            escaped: false,
            begun: false,
            number: 0,
            ended: false,
            over: false,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<()> {
        if self.over {
            return Ok(());
        }
        self.bytes.drain(..self.start);
        self.at -= self.start;
        self.start = 0;
        if self.bytes.len() + bytes.len() > LONGEST {
            let message = format!("a line is longer than {LONGEST} bytes");
            return Err(Error::new(ErrorKind::LimitExceeded, message).with_hint("A quote may not close."));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// No more bytes will come.
    pub(super) fn finish(&mut self) {
        self.ended = true;
    }

    /// The bytes of a line that [`Lines::next`] gave last.
    pub(super) fn line(&self, range: &Range<usize>) -> &[u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }

    /// The number of that line, from 1; of one with lines in quotes, that of the last of them.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The next line.
    pub(super) fn next(&mut self) -> Result<Next> {
        if self.over {
            return Ok(Next::End);
        }
        if !self.begun {
            self.begun = true;
            self.number += 1;
        }
        while let Some(&byte) = self.bytes.get(self.at) {
            if !self.special(byte) {
                self.at += 1;
                continue;
            }
            // Enough to see what stands behind it: a newline, or the mark of the end and how its line ends.
            if !self.ended && self.bytes.len() - self.at < 4 && matches!(byte, b'\r' | b'\\') {
                return Ok(Next::More);
            }
            if self.csv {
                self.see_quotes(byte);
            }
            match byte {
                b'\r' | b'\n' if self.csv && self.in_quotes => {
                    let counts = if self.ending == Ending::Newline { b'\n' } else { b'\r' };
                    self.number += u64::from(byte == counts);
                    self.at += 1;
                }
                b'\r' => return self.at_return(),
                b'\n' => return self.at_newline(),
                b'\\' if !self.csv || self.at == self.start => {
                    if let Some(next) = self.at_backslash()? {
                        return Ok(next);
                    }
                }
                _ => self.at += 1,
            }
        }
        if !self.ended {
            return Ok(Next::More);
        }
        self.over = true;
        Ok(if self.start < self.at {
            Next::Line(self.start..self.at)
        } else {
            Next::End
        })
    }

    fn special(&self, byte: u8) -> bool {
        matches!(byte, b'\n' | b'\r' | b'\\')
            || (self.csv && (byte == self.quote || byte == self.escape || self.escaped))
    }

    /// Follows quotes as PostgreSQL does: where quote and escape are one character, it toggles; else an escape only
    /// counts within quotes.
    fn see_quotes(&mut self, byte: u8) {
        if self.in_quotes && byte == self.escape {
            self.escaped = !self.escaped;
        }
        if byte == self.quote && !self.escaped {
            self.in_quotes = !self.in_quotes;
        }
        if byte != self.escape {
            self.escaped = false;
        }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    /// The line ends here, with so many bytes.
    fn cut(&mut self, width: usize) -> Next {
        let line = self.start..self.at;
        self.at += width;
        self.start = self.at;
        self.begun = false;
        Next::Line(line)
    }

    fn at_return(&mut self) -> Result<Next> {
        let both = self.peek(1) == Some(b'\n');
        let found = match self.ending {
            Ending::Unknown | Ending::Both if both => Ending::Both,
            Ending::Unknown | Ending::Return => Ending::Return,
            Ending::Newline | Ending::Both => {
                return Err(if self.csv {
                    odd("unquoted carriage return found in data")
                        .with_hint("Use quoted CSV field to represent carriage return.")
                } else {
                    odd("literal carriage return found in data").with_hint("Use \"\\r\" to represent carriage return.")
                });
            }
        };
        self.ending = found;
        Ok(self.cut(if found == Ending::Both { 2 } else { 1 }))
    }

    fn at_newline(&mut self) -> Result<Next> {
        match self.ending {
            Ending::Unknown | Ending::Newline => {
                self.ending = Ending::Newline;
                Ok(self.cut(1))
            }
            Ending::Return | Ending::Both => Err(if self.csv {
                odd("unquoted newline found in data").with_hint("Use quoted CSV field to represent newline.")
            } else {
                odd("literal newline found in data").with_hint("Use \"\\n\" to represent newline.")
            }),
        }
    }

    /// A backslash: it keeps the next byte from meaning anything, or with a point it is the mark of the end.
    fn at_backslash(&mut self) -> Result<Option<Next>> {
        if self.peek(1) != Some(b'.') {
            // Bytes in quotes have been followed one by one.
            self.at += if self.csv { 1 } else { 2.min(self.bytes.len() - self.at) };
            return Ok(None);
        }
        let corrupt = || odd("end-of-copy marker corrupt");
        let mismatch = || odd("end-of-copy marker does not match previous newline style");
        let mut behind = 2;
        if self.ending == Ending::Both && self.peek(behind).is_some() {
            match self.peek(behind) {
                Some(b'\r') => behind += 1,
                _ if self.csv => {
                    self.at += 1;
                    return Ok(None);
                }
                Some(b'\n') => return Err(mismatch()),
                _ => return Err(corrupt()),
            }
        }
        match (self.peek(behind), self.ending) {
            (None, _) => {}
            (Some(b'\n'), Ending::Return) | (Some(b'\r'), Ending::Newline | Ending::Both) => return Err(mismatch()),
            (Some(b'\n' | b'\r'), _) => {}
            _ if self.csv => {
                self.at += 1;
                return Ok(None);
            }
            _ => return Err(corrupt()),
        }
        self.over = true;
        Ok(Some(if self.start < self.at {
            Next::Line(self.start..self.at)
        } else {
            Next::End
        }))
    }
}

fn odd(message: &str) -> Error {
    Error::new(ErrorKind::BadCopy, message)
}

#[cfg(test)]
mod tests {
    use super::super::super::options::{Argument, Given};
    use super::*;

    fn options(csv: bool) -> Options {
        let format = Argument::Text(if csv { "csv" } else { "text" }.to_owned());
        Options::read(&[Given::new("format", format)], false).unwrap()
    }

    /// The lines of a text that comes in pieces of some length.
    fn lines(text: &str, csv: bool, piece: usize) -> Result<Vec<(u64, String)>> {
        let mut lines = Lines::new(&options(csv));
        let mut found = Vec::new();
        let mut pieces = text.as_bytes().chunks(piece);
        loop {
            match lines.next()? {
                Next::Line(range) => {
                    let line = String::from_utf8(lines.line(&range).to_vec()).unwrap();
                    found.push((lines.number(), line));
                }
                Next::End => return Ok(found),
                Next::More => match pieces.next() {
                    Some(piece) => lines.push(piece)?,
                    None => lines.finish(),
                },
            }
        }
    }

    #[test]
    fn lines_are_cut_wherever_the_pieces_end() {
        for (text, csv, expected) in [
            ("a\nb\n", false, &[(1, "a"), (2, "b")][..]),
            ("a\r\nb", false, &[(1, "a"), (2, "b")]),
            ("a\rb\r", false, &[(1, "a"), (2, "b")]),
            ("a\\\nb\nc\n", false, &[(1, "a\\\nb"), (2, "c")]),
            ("a\n\\.\nb\n", false, &[(1, "a")]),
            ("a\n\\.", false, &[(1, "a")]),
            ("a\r\n\\.\r\nb", true, &[(1, "a")]),
            ("a\\.\n", true, &[(1, "a\\.")]),
            ("\\.x\n", true, &[(1, "\\.x")]),
            ("x\n\"a\nb\",c\nd\n", true, &[(1, "x"), (3, "\"a\nb\",c"), (4, "d")]),
            ("\"a\"\"\nb\"\nc", true, &[(1, "\"a\"\"\nb\""), (2, "c")]),
            ("\n\n", false, &[(1, ""), (2, "")]),
            ("", false, &[]),
        ] {
            for piece in 1..=text.len().max(1) {
                let found = lines(text, csv, piece).unwrap();
                let found: Vec<_> = found.iter().map(|(number, line)| (*number, line.as_str())).collect();
                assert_eq!(found, expected, "{text:?} by {piece}");
            }
        }
    }

    #[test]
    fn mixed_endings_are_faults() {
        for (text, csv, message) in [
            ("a\nb\rc\n", false, "literal carriage return found in data"),
            ("a\rb\n", false, "literal newline found in data"),
            ("a\nb\rc\n", true, "unquoted carriage return found in data"),
            ("a\r\nb\n", true, "unquoted newline found in data"),
            ("a\n\\.b\n", false, "end-of-copy marker corrupt"),
            (
                "a\n\\.\r\n",
                false,
                "end-of-copy marker does not match previous newline style",
            ),
        ] {
            let error = lines(text, csv, 3).unwrap_err();
            assert_eq!(
                (error.sqlstate(), error.message.as_str()),
                ("22P04", message),
                "{text:?}"
            );
        }
    }
}
