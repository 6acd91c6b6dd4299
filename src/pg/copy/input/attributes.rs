//! A line to values: escapes and quotes taken away, NULL told from text.

use super::super::options::{Format, Options};
use crate::{Error, ErrorKind, Result};

/// The values of one line.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    bytes: Vec<u8>,
    /// Where each value ends, and whether it is NULL.
    ends: Vec<(usize, bool)>,
}

impl Attributes {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// One of them; `None` is NULL.
    ///
    /// # Errors
    /// It is not UTF-8.
    pub(super) fn get(&self, at: usize) -> Result<Option<&str>> {
        let start = match at {
            0 => 0,
            at => self.ends.get(at - 1).map_or(0, |(end, _)| *end),
        };
        match self.ends.get(at) {
            None | Some((_, true)) => Ok(None),
            Some((end, false)) => valid(self.bytes.get(start..*end).unwrap_or_default()).map(Some),
        }
    }

    /// Takes a line apart.
    ///
    /// # Errors
    /// A quote does not close.
    pub(super) fn read(&mut self, line: &[u8], options: &Options) -> Result<()> {
        self.bytes.clear();
        self.ends.clear();
        match options.format {
            Format::Csv => self.read_csv(line, options),
            Format::Text | Format::Binary => {
                self.read_text(line, options);
                Ok(())
            }
        }
    }

    fn end(&mut self, null: bool) {
        self.ends.push((self.bytes.len(), null));
    }

    fn read_text(&mut self, line: &[u8], options: &Options) {
        let (mut start, mut at) = (0, 0);
        loop {
            match line.get(at) {
                Some(b'\\') => at = self.unescape(line, at + 1),
                Some(byte) if *byte != options.delimiter => {
                    self.bytes.push(*byte);
                    at += 1;
                }
                end => {
                    // What NULL is, is told before escapes are.
                    self.end(line.get(start..at) == Some(options.null.as_bytes()));
                    if end.is_none() {
                        return;
                    }
                    at += 1;
                    start = at;
                }
            }
        }
    }

    /// What stands behind a backslash; gives the place behind that.
    fn unescape(&mut self, line: &[u8], at: usize) -> usize {
        let Some(&byte) = line.get(at) else {
            // A backslash at the very end stands for itself.
            self.bytes.push(b'\\');
            return at;
        };
        let digits = |from: usize, most: usize, radix: u32| {
            let digits = line.get(from..).unwrap_or_default().iter().take(most);
            let digits: Vec<u32> = digits.map_while(|digit| char::from(*digit).to_digit(radix)).collect();
            let value = digits.iter().fold(0, |value, digit| value * radix + digit);
            (digits.len(), value.to_le_bytes()[0])
        };
        let (value, width) = match byte {
            b'0'..=b'7' => {
                let (width, value) = digits(at, 3, 8);
                (value, width)
            }
            b'x' => match digits(at + 1, 2, 16) {
                (0, _) => (b'x', 1),
                (width, value) => (value, width + 1),
            },
            b'b' => (0x08, 1),
            b'f' => (0x0c, 1),
            b'n' => (b'\n', 1),
            b'r' => (b'\r', 1),
            b't' => (b'\t', 1),
            b'v' => (0x0b, 1),
            other => (other, 1),
        };
        self.bytes.push(value);
        at + width
    }

    fn read_csv(&mut self, line: &[u8], options: &Options) -> Result<()> {
        let (mut start, mut at, mut quoted) = (0, 0, false);
        loop {
            match line.get(at) {
                Some(byte) if *byte == options.quote && *byte != options.delimiter => {
                    quoted = true;
                    at = self.read_quoted(line, at + 1, options)?;
                }
                Some(byte) if *byte != options.delimiter => {
                    self.bytes.push(*byte);
                    at += 1;
                }
                end => {
                    self.end(!quoted && line.get(start..at) == Some(options.null.as_bytes()));
                    if end.is_none() {
                        return Ok(());
                    }
                    at += 1;
                    (start, quoted) = (at, false);
                }
            }
        }
    }

    /// What stands within quotes; gives the place behind the one that closes.
    fn read_quoted(&mut self, line: &[u8], mut at: usize, options: &Options) -> Result<usize> {
        loop {
            let Some(&byte) = line.get(at) else {
                return Err(Error::new(ErrorKind::BadCopy, "unterminated CSV quoted field"));
            };
            at += 1;
            if byte == options.escape
                && let Some(&next) = line.get(at)
                && (next == options.escape || next == options.quote)
            {
                self.bytes.push(next);
                at += 1;
                continue;
            }
            if byte == options.quote {
                return Ok(at);
            }
            self.bytes.push(byte);
        }
    }
}

/// Text that the database can keep.
fn valid(bytes: &[u8]) -> Result<&str> {
    let at = match std::str::from_utf8(bytes) {
        Ok(text) => match text.bytes().position(|byte| byte == 0) {
            None => return Ok(text),
            Some(zero) => zero,
        },
        Err(error) => error.valid_up_to(),
    };
    let rest = bytes.get(at..).unwrap_or_default();
    let width = match rest.first() {
        Some(0xc0..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf7) => 4,
        _ => 1,
    };
    let shown: Vec<_> = rest.iter().take(width).map(|byte| format!("0x{byte:02x}")).collect();
    Err(Error::new(
        ErrorKind::InvalidEncoding,
        format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" ")),
    ))
}

#[cfg(test)]
mod tests {
    use super::super::super::options::{Argument, Given};
    use super::*;

    fn read(line: &[u8], given: &[(&str, &str)]) -> Result<Vec<Option<String>>> {
        let given: Vec<_> = given
            .iter()
            .map(|(name, text)| Given::new(name, Argument::Text((*text).to_owned())))
            .collect();
        let options = Options::read(&given, false).unwrap();
        let mut attributes = Attributes::default();
        attributes.read(line, &options)?;
        (0..attributes.len())
            .map(|at| Ok(attributes.get(at)?.map(str::to_owned)))
            .collect()
    }

    fn values(line: &str, given: &[(&str, &str)], expected: &[Option<&str>]) {
        let found = read(line.as_bytes(), given).unwrap();
        let found: Vec<_> = found.iter().map(Option::as_deref).collect();
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn text() {
        values("a\tb\t\\N", &[], &[Some("a"), Some("b"), None]);
        values("", &[], &[Some("")]);
        values("\t", &[], &[Some(""), Some("")]);
        values("\\\\N\\tx\\n\\\t", &[], &[Some("\\N\tx\n\t")]);
        values("\\101\\x42\\xc3\\xa9\\xzq\\8", &[], &[Some("ABéxzq8")]);
        values("a\\", &[], &[Some("a\\")]);
        values(
            "a|x|NULL",
            &[("delimiter", "|"), ("null", "x")],
            &[Some("a"), None, Some("NULL")],
        );
    }

    #[test]
    fn csv() {
        let csv = &[("format", "csv")][..];
        values(
            "a,,\"\",\"b,\"\"c\nd\"",
            csv,
            &[Some("a"), None, Some(""), Some("b,\"c\nd")],
        );
        values("a\"b\"c,\\N", csv, &[Some("abc"), Some("\\N")]);
        let odd = &[
            ("format", "csv"),
            ("quote", "'"),
            ("escape", "\\"),
            ("null", "-"),
            ("delimiter", ";"),
        ][..];
        values("-;'-';'a\\'b\\\\c\\d'", odd, &[None, Some("-"), Some("a'b\\c\\d")]);
        assert_eq!(read(b"\"a", csv).unwrap_err().message, "unterminated CSV quoted field");
    }

    #[test]
    fn bytes_that_are_no_text() {
        for (line, shown) in [
            (&b"a\xff"[..], "0xff"),
            (b"\xc3\x28", "0xc3 0x28"),
            (b"\\xff", "0xff"),
            (b"a\\000", "0x00"),
        ] {
            let error = read(line, &[]).unwrap_err();
            assert_eq!(
                error.message,
                format!("invalid byte sequence for encoding \"UTF8\": {shown}")
            );
            assert_eq!(error.sqlstate(), "22021");
        }
    }
}
