//! The `key=value` files of HATS: `hats.properties`, `properties` and `collection.properties`.
//!
//! Java properties in UTF-8: `#` and `!` open comments, `=`, `:` or white space ends a key, a backslash
//! escapes the next character, and at the end of a line continues it. Keys nobody knows are kept.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::error::{HatsError, Result};

/// Keys and values of one properties file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Properties {
    entries: BTreeMap<String, String>,
}

impl Properties {
    /// Reads the text of a properties file. Every text is one; a line without a separator is a key
    /// with an empty value. Of equal keys the last counts.
    pub fn parse(text: &str) -> Self {
        let mut entries = BTreeMap::new();
        for line in logical_lines(text) {
            let (key, value) = split_entry(&line);
            if !key.is_empty() {
                entries.insert(key, value);
            }
        }
        Self { entries }
    }

    /// The value of `key`; `None` if absent or blank.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entries
            .get(key)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// The value of `key` as an unsigned number. `file` names the file in the error.
    pub fn number(&self, key: &str, file: &str) -> Result<Option<u64>> {
        let Some(text) = self.get(key) else { return Ok(None) };
        match text.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(HatsError::malformed(
                file,
                format!("{key} must be a whole number, got '{text}'"),
            )),
        }
    }

    /// The words of a list value; `;`, `,`, blanks and line ends all separate.
    pub fn list(&self, key: &str) -> Vec<&str> {
        let separator = |c: char| matches!(c, ';' | ',') || c.is_whitespace();
        let value = self.get(key).unwrap_or_default();
        value.split(separator).filter(|word| !word.is_empty()).collect()
    }

    /// Sets `key`; later values replace earlier ones.
    pub fn set(&mut self, key: &str, value: impl ToString) {
        self.entries.insert(key.to_owned(), value.to_string());
    }

    /// All entries in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The text of the file, keys in order. Reading it back gives the same entries.
    pub fn render(&self) -> String {
        let mut text = String::from("#HATS catalog\n");
        for (key, value) in &self.entries {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}={}", escape(key, true), escape(value, false));
        }
        text
    }
}

/// Lines joined over trailing backslashes, without comments and blank lines.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut pending: Option<String> = None;
    for raw in text.lines() {
        let line = raw.trim_start();
        let mut joined = match pending.take() {
            Some(start) => start + line,
            None if line.is_empty() || line.starts_with(['#', '!']) => continue,
            None => line.to_owned(),
        };
        let backslashes = joined.len() - joined.trim_end_matches('\\').len();
        if backslashes % 2 == 1 {
            joined.pop();
            pending = Some(joined);
        } else {
            lines.push(joined);
        }
    }
    lines.extend(pending);
    lines
}

fn split_entry(line: &str) -> (String, String) {
    let mut escaped = false;
    let end = line.char_indices().find(|&(_, c)| {
        let ends = !escaped && (matches!(c, '=' | ':') || c.is_whitespace());
        escaped = c == '\\' && !escaped;
        ends
    });
    let Some((end, _)) = end else {
        return (unescape(line), String::new());
    };
    let rest = line[end..].trim_start();
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim();
    (unescape(&line[..end]), unescape(value))
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => plain.push('\n'),
            Some('t') => plain.push('\t'),
            Some('r') => plain.push('\r'),
            Some('u') => {
                let digits: String = chars.by_ref().take(4).collect();
                let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                plain.push(code.unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            Some(other) => plain.push(other),
            None => {}
        }
    }
    plain
}

fn escape(text: &str, key: bool) -> String {
    let mut quoted = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        match c {
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '=' | ':' | ' ' | '#' | '!' if key => quoted.extend(['\\', c]),
            // Blanks at the ends would be trimmed, and in a key end it, were they not written as numbers.
            c if c.is_whitespace() && (key || at == 0 || at + c.len_utf8() == text.len()) => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            _ => quoted.push(c),
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn java_properties_are_read_as_java_reads_them() {
        let text = "#HATS catalog\n\
                    obs_collection=small_sky\r\n\
                    hats_nrows = 131\n\
                    ! also a comment\n\
                    hats_creation_date=2025-10-06T14\\:36UTC\n\
                    hats_cols_default=ra dec, \\\n   id;mag\n\
                    creator_did : ivo://x/y\n\
                    lonely\n\
                    hats_nrows=132\n";
        let read = Properties::parse(text);
        assert_eq!(read.get("obs_collection"), Some("small_sky"));
        assert_eq!(read.number("hats_nrows", "f").unwrap(), Some(132));
        assert_eq!(read.get("hats_creation_date"), Some("2025-10-06T14:36UTC"));
        assert_eq!(read.list("hats_cols_default"), ["ra", "dec", "id", "mag"]);
        assert_eq!(read.get("creator_did"), Some("ivo://x/y"));
        assert_eq!(read.get("lonely"), None);
        assert_eq!(read.get("absent"), None);
    }

    #[test]
    fn a_number_that_is_none_names_its_file_and_key() {
        let read = Properties::parse("hats_nrows=many");
        let fault = read.number("hats_nrows", "a/hats.properties").unwrap_err().to_string();
        assert_eq!(
            fault,
            "a/hats.properties: hats_nrows must be a whole number, got 'many'"
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(entries in prop::collection::btree_map("[a-z_ :=#!\\\\é]{1,9}", "\\PC{0,12}", 0..6)) {
            let mut written = Properties::default();
            for (key, value) in &entries {
                written.set(key, value.trim());
            }
            let read = Properties::parse(&written.render());
            let values: Vec<_> = read.iter().map(|(k, v)| (k.to_owned(), v.trim().to_owned())).collect();
            let expected: Vec<_> = written.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
            prop_assert_eq!(values, expected);
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,200}") {
            let _ = Properties::parse(&text);
        }
    }
}
