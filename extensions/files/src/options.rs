//! How files are to be read: what `OPTIONS (..)` says, with defaults that fit most files.

use std::collections::HashMap;

use datafusion::arrow::datatypes::DataType;

use crate::error::{FilesError, Result};
use crate::format::{Compression, FileFormat};

/// How files are to be read. The default asks the files themselves.
#[derive(Debug, Clone, PartialEq)]
pub struct FileOptions {
    /// The format; `None`: by the ending of each name.
    pub format: Option<FileFormat>,
    /// The compression of the whole file; `None`: by the ending of each name.
    pub compression: Option<Compression>,
    /// Rows of a text file that are looked at to find the types of its columns; at least 1.
    pub inference_rows: usize,
    /// Types by column name, for text files, instead of what their rows suggest.
    pub types: HashMap<String, DataType>,
    /// Words that mean NULL in text files, compared without regard to case. In columns of integers, truth values and
    /// times `NaN` is always among them; in columns of floats it is a number.
    pub null_words: Vec<String>,
    /// What stands between the values of a text file; `None`: a comma, or the tabulator of TSV.
    pub delimiter: Option<u8>,
    /// What stands around values of a text file that hold delimiters or line breaks.
    pub quote: u8,
    /// Whether a text file's first line names its columns. Without it they are `column_1`, `column_2`, …
    pub header: bool,
    /// The first byte of lines that are skipped in text files.
    pub comment: Option<u8>,
    /// Which table of a FITS file: its name or the number of its extension; `None`: the first.
    pub table: Option<String>,
}

impl Default for FileOptions {
    fn default() -> Self {
        Self {
            format: None,
            compression: None,
            inference_rows: 20_000,
            types: HashMap::new(),
            null_words: vec![String::new(), "null".to_owned()],
            delimiter: None,
            quote: b'"',
            header: true,
            comment: None,
            table: None,
        }
    }
}

/// Options by their names, and what each takes, for the error about a name that is none of them.
const NAMES: &[&str] = &[
    "comment",
    "compression",
    "delimiter",
    "format",
    "header",
    "inference_rows",
    "null_words",
    "quote",
    "table",
];

impl FileOptions {
    /// Options from words, as `OPTIONS ('delimiter' ';', 'header' 'false')` gives them. A format's name before the
    /// option's (`format.delimiter`, `csv.delimiter`), which DataFusion adds, is ignored.
    ///
    /// # Errors
    /// An unknown name, or a value that the option does not take.
    pub fn from_words(words: &HashMap<String, String>) -> Result<Self> {
        let mut options = Self::default();
        for (name, value) in words {
            let name = name.to_ascii_lowercase();
            let name = name.rsplit('.').next().unwrap_or_default();
            options.set(name, value)?;
        }
        Ok(options)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let must_be = |what: &str| FilesError::option(name, format!("must be {what}, got '{value}'"));
        match name {
            "format" => {
                let format = FileFormat::stored_as(value).ok_or_else(|| must_be("the name of a format"))?;
                self.format = Some(format);
            }
            "compression" => {
                let kind = Compression::of_word(value).ok_or_else(|| must_be("gzip, zstd or none"))?;
                self.compression = Some(kind);
            }
            "inference_rows" => {
                let rows = value.parse().ok().filter(|rows| *rows > 0);
                self.inference_rows = rows.ok_or_else(|| must_be("a number of rows, at least 1"))?;
            }
            // The empty word is always one: nothing else can stand for NULL without it.
            "null_words" => {
                let given = value.split(',').map(|word| word.trim().to_owned());
                self.null_words = std::iter::once(String::new()).chain(given).collect();
            }
            "header" | "has_header" => {
                self.header = value.parse().map_err(|_| must_be("true or false"))?;
            }
            "delimiter" => self.delimiter = Some(byte(value).ok_or_else(|| must_be("one ASCII character"))?),
            "quote" => self.quote = byte(value).ok_or_else(|| must_be("one ASCII character"))?,
            "comment" => self.comment = Some(byte(value).ok_or_else(|| must_be("one ASCII character"))?),
            "table" => self.table = Some(value.to_owned()),
            _ => {
                let fault = format!("there is none of this name; there are {}", NAMES.join(", "));
                return Err(FilesError::option(name, fault));
            }
        }
        Ok(())
    }

    /// Format and compression of a file, by these options and its name.
    ///
    /// # Errors
    /// The options do not say, and neither does the name.
    pub(crate) fn format_of(&self, name: &str) -> Result<(FileFormat, Compression)> {
        let (format, compression) = match self.format {
            Some(format) => (format, Compression::of_name(name)),
            None => FileFormat::expect(name)?,
        };
        Ok((format, self.compression.unwrap_or(compression)))
    }
}

fn byte(word: &str) -> Option<u8> {
    match word {
        "\\t" => Some(b'\t'),
        _ => match word.as_bytes() {
            [byte] if byte.is_ascii() => Some(*byte),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[(&str, &str)]) -> Result<FileOptions> {
        FileOptions::from_words(&words.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn words_become_options() {
        let options = of(&[
            ("format.delimiter", "\\t"),
            ("HEADER", "false"),
            ("null_words", "NA, --"),
        ])
        .unwrap();
        assert_eq!(options.delimiter, Some(b'\t'));
        assert!(!options.header);
        assert_eq!(options.null_words, ["", "NA", "--"]);
    }

    #[test]
    fn unknown_names_and_values_are_told() {
        for (name, value) in [
            ("delimeter", ","),
            ("delimiter", ",,"),
            ("inference_rows", "0"),
            ("header", "ja"),
        ] {
            let error = of(&[(name, value)]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("option {name}")), "{error}");
        }
    }
}
