//! What the options of a COPY mean. The rules, and the words of their errors, are those of PostgreSQL 15.

use crate::{Error, ErrorKind, Result};

/// How rows are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pg) enum Format {
    Text,
    Csv,
    Binary,
}

/// What the first line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pg) enum Header {
    /// A row as any other.
    None,
    /// The names of the columns, which nobody looks at.
    Line,
    /// The names of the columns, which must be right.
    Match,
}

/// Which columns an option is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pg) enum Force {
    None,
    All,
    Columns(Vec<String>),
}

/// The options of a COPY, with their defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pg) struct Options {
    pub(in crate::pg) format: Format,
    pub(in crate::pg) header: Header,
    pub(in crate::pg) delimiter: u8,
    /// How NULL is written.
    pub(in crate::pg) null: String,
    pub(in crate::pg) quote: u8,
    pub(in crate::pg) escape: u8,
    pub(in crate::pg) force_quote: Force,
    pub(in crate::pg) force_not_null: Force,
    pub(in crate::pg) force_null: Force,
}

/// An option as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) name: String,
    pub(super) argument: Argument,
}

/// What stands behind the name of an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Argument {
    None,
    Text(String),
    /// `*`.
    All,
    Columns(Vec<String>),
}

impl Given {
    pub(super) fn new(name: &str, argument: Argument) -> Self {
        let name = name.to_owned();
        Self { name, argument }
    }

    fn text(&self) -> Result<&str> {
        match &self.argument {
            Argument::Text(text) => Ok(text),
            _ => Err(syntax(format!("{} requires a parameter", self.name))),
        }
    }

    fn boolean(&self) -> Result<bool> {
        let text = match &self.argument {
            Argument::None => return Ok(true),
            Argument::Text(text) => text.to_ascii_lowercase(),
            Argument::All | Argument::Columns(_) => String::new(),
        };
        match text.as_str() {
            "true" | "on" | "1" => Ok(true),
            "false" | "off" | "0" => Ok(false),
            _ => Err(syntax(format!("{} requires a Boolean value", self.name))),
        }
    }

    fn columns(&self, all: bool) -> Result<Force> {
        match &self.argument {
            Argument::Columns(names) => Ok(Force::Columns(names.clone())),
            Argument::All if all => Ok(Force::All),
            _ => {
                let message = format!("argument to option \"{}\" must be a list of column names", self.name);
                Err(Error::new(ErrorKind::InvalidParameter, message))
            }
        }
    }
}

/// The options that were given, each at most once.
#[derive(Default)]
struct Read<'a> {
    format: Option<Format>,
    header: Option<Header>,
    delimiter: Option<&'a str>,
    null: Option<&'a str>,
    quote: Option<&'a str>,
    escape: Option<&'a str>,
    force_quote: Option<Force>,
    force_not_null: Option<Force>,
    force_null: Option<Force>,
    freeze: Option<bool>,
    encoding: Option<()>,
}

impl Options {
    /// Reads the options of a COPY to the client (`out`) or from it.
    pub(super) fn read(given: &[Given], out: bool) -> Result<Self> {
        let mut read = Read::default();
        for option in given {
            read.take(option)?;
        }
        read.check_format(out)?;
        let csv = read.format == Some(Format::Csv);
        let quote = one_byte(read.quote, "quote", b'"')?;
        let options = Self {
            format: read.format.unwrap_or(Format::Text),
            header: read.header.unwrap_or(Header::None),
            delimiter: one_byte(read.delimiter, "delimiter", if csv { b',' } else { b'\t' })?,
            null: read.null.unwrap_or(if csv { "" } else { "\\N" }).to_owned(),
            quote,
            escape: one_byte(read.escape, "escape", quote)?,
            force_quote: read.force_quote.unwrap_or(Force::None),
            force_not_null: read.force_not_null.unwrap_or(Force::None),
            force_null: read.force_null.unwrap_or(Force::None),
        };
        options.check_characters()?;
        if out && options.header == Header::Match {
            return Err(unsupported("cannot use \"match\" with HEADER in COPY TO"));
        }
        Ok(options)
    }

    pub(in crate::pg) fn is_binary(&self) -> bool {
        self.format == Format::Binary
    }

    /// Characters that would make a text ambiguous.
    fn check_characters(&self) -> Result<()> {
        let invalid = |message: String| Err(Error::new(ErrorKind::InvalidParameter, message));
        if self.is_binary() {
            return Ok(());
        }
        if matches!(self.delimiter, b'\n' | b'\r') {
            return invalid("COPY delimiter cannot be newline or carriage return".to_owned());
        }
        if self.null.contains(['\n', '\r']) {
            return invalid("COPY null representation cannot use newline or carriage return".to_owned());
        }
        let delimiter = char::from(self.delimiter);
        let csv = self.format == Format::Csv;
        if !csv && (delimiter.is_ascii_lowercase() || delimiter.is_ascii_digit() || matches!(delimiter, '\\' | '.')) {
            return invalid(format!("COPY delimiter cannot be \"{delimiter}\""));
        }
        if csv && self.delimiter == self.quote {
            return invalid("COPY delimiter and quote must be different".to_owned());
        }
        if self.null.contains(delimiter) {
            return Err(unsupported("COPY delimiter must not appear in the NULL specification"));
        }
        if csv && self.null.contains(char::from(self.quote)) {
            return Err(unsupported(
                "CSV quote character must not appear in the NULL specification",
            ));
        }
        Ok(())
    }
}

impl<'a> Read<'a> {
    fn take(&mut self, option: &'a Given) -> Result<()> {
        match option.name.as_str() {
            "format" => once(&mut self.format, format(option.text()?)?),
            "header" => once(&mut self.header, header(option)?),
            "delimiter" => once(&mut self.delimiter, option.text()?),
            "null" => once(&mut self.null, option.text()?),
            "quote" => once(&mut self.quote, option.text()?),
            "escape" => once(&mut self.escape, option.text()?),
            "force_quote" => once(&mut self.force_quote, option.columns(true)?),
            "force_not_null" => once(&mut self.force_not_null, option.columns(false)?),
            "force_null" => once(&mut self.force_null, option.columns(false)?),
            "freeze" => once(&mut self.freeze, option.boolean()?),
            "encoding" => once(&mut self.encoding, encoding(option.text()?)?),
            other => Err(syntax(format!("option \"{other}\" not recognized"))),
        }
    }

    /// Options that do not go with the format or the direction.
    fn check_format(&self, out: bool) -> Result<()> {
        let format = self.format.unwrap_or(Format::Text);
        if format == Format::Binary {
            for (given, name) in [(self.delimiter, "DELIMITER"), (self.null, "NULL")] {
                if given.is_some() {
                    return Err(syntax(format!("cannot specify {name} in BINARY mode")));
                }
            }
            if matches!(self.header, Some(Header::Line | Header::Match)) {
                return Err(unsupported("cannot specify HEADER in BINARY mode"));
            }
        }
        if format != Format::Csv {
            for (given, name) in [
                (self.quote.is_some(), "quote"),
                (self.escape.is_some(), "escape"),
                (self.force_quote.is_some(), "force quote"),
                (self.force_not_null.is_some(), "force not null"),
                (self.force_null.is_some(), "force null"),
            ] {
                if given {
                    return Err(unsupported(format!("COPY {name} available only in CSV mode")));
                }
            }
        }
        for (given, name, wrong, direction) in [
            (self.force_quote.is_some(), "force quote", !out, "TO"),
            (self.force_not_null.is_some(), "force not null", out, "FROM"),
            (self.force_null.is_some(), "force null", out, "FROM"),
        ] {
            if given && wrong {
                return Err(unsupported(format!(
                    "COPY {name} only available using COPY {direction}"
                )));
            }
        }
        Ok(())
    }
}

fn once<T>(slot: &mut Option<T>, value: T) -> Result<()> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(syntax("conflicting or redundant options".to_owned())),
    }
}

fn format(name: &str) -> Result<Format> {
    match name {
        "text" => Ok(Format::Text),
        "csv" => Ok(Format::Csv),
        "binary" => Ok(Format::Binary),
        other => Err(Error::new(
            ErrorKind::InvalidParameter,
            format!("COPY format \"{other}\" not recognized"),
        )
        .with_hint("text, csv and binary go to clients; COPY … TO 'file' also writes parquet, arrow and votable.")),
    }
}

fn header(option: &Given) -> Result<Header> {
    if matches!(&option.argument, Argument::Text(text) if text.eq_ignore_ascii_case("match")) {
        return Ok(Header::Match);
    }
    match option.boolean() {
        Ok(true) => Ok(Header::Line),
        Ok(false) => Ok(Header::None),
        Err(_) => Err(syntax("header requires a Boolean value or \"match\"".to_owned())),
    }
}

fn encoding(name: &str) -> Result<()> {
    let bare: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    match bare.to_ascii_uppercase().as_str() {
        "UTF8" | "UNICODE" => Ok(()),
        _ => Err(Error::new(
            ErrorKind::InvalidParameter,
            "argument to option \"encoding\" must be a valid encoding name",
        )
        .with_hint("UTF8 is the one there is.")),
    }
}

fn one_byte(given: Option<&str>, name: &str, default: u8) -> Result<u8> {
    match given.map(str::as_bytes) {
        None => Ok(default),
        Some(&[byte]) => Ok(byte),
        Some(_) => Err(unsupported(format!("COPY {name} must be a single one-byte character"))),
    }
}

fn syntax(message: String) -> Error {
    Error::new(ErrorKind::Syntax, message)
}

fn unsupported(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::NotSupported, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(given: &[(&str, &str)], out: bool) -> Result<Options> {
        let given: Vec<_> = given
            .iter()
            .map(|(name, text)| Given::new(name, Argument::Text((*text).to_owned())))
            .collect();
        Options::read(&given, out)
    }

    /// SQLSTATEs and messages as a PostgreSQL 15 gives them.
    #[test]
    fn what_does_not_go_together_is_refused() {
        for (given, out, state, message) in [
            (
                &[("format", "xml")][..],
                true,
                "22023",
                "COPY format \"xml\" not recognized",
            ),
            (
                &[("nonsense", "1")],
                true,
                "42601",
                "option \"nonsense\" not recognized",
            ),
            (
                &[("null", "a"), ("null", "b")],
                true,
                "42601",
                "conflicting or redundant options",
            ),
            (
                &[("delimiter", "ab")],
                true,
                "0A000",
                "COPY delimiter must be a single one-byte character",
            ),
            (
                &[("delimiter", "é")],
                true,
                "0A000",
                "COPY delimiter must be a single one-byte character",
            ),
            (&[("delimiter", "a")], true, "22023", "COPY delimiter cannot be \"a\""),
            (
                &[("delimiter", "\n")],
                true,
                "22023",
                "COPY delimiter cannot be newline or carriage return",
            ),
            (
                &[("format", "binary"), ("null", "")],
                true,
                "42601",
                "cannot specify NULL in BINARY mode",
            ),
            (
                &[("format", "binary"), ("header", "on")],
                true,
                "0A000",
                "cannot specify HEADER in BINARY mode",
            ),
            (
                &[("quote", "'")],
                true,
                "0A000",
                "COPY quote available only in CSV mode",
            ),
            (
                &[("format", "csv"), ("quote", ",")],
                true,
                "22023",
                "COPY delimiter and quote must be different",
            ),
            (
                &[("format", "csv"), ("null", ",")],
                true,
                "0A000",
                "COPY delimiter must not appear in the NULL specification",
            ),
            (
                &[("header", "match")],
                true,
                "0A000",
                "cannot use \"match\" with HEADER in COPY TO",
            ),
            (
                &[("header", "2")],
                true,
                "42601",
                "header requires a Boolean value or \"match\"",
            ),
        ] {
            let error = read(given, out).unwrap_err();
            assert_eq!(
                (error.sqlstate(), error.message.as_str()),
                (state, message),
                "{given:?}"
            );
        }
        assert_eq!(read(&[("header", "match")], false).unwrap().header, Header::Match);
    }
}
