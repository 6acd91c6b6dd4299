//! The kinds of file that are tables, and how a name tells them. Contents are not looked at here.

use std::fmt;

use crate::error::{FilesError, Result};

/// A kind of file that is a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FileFormat {
    /// Apache Parquet.
    Parquet,
    /// Arrow IPC, as a file or as a stream.
    Arrow,
    /// FITS: a binary table of it.
    Fits,
    /// VOTable.
    Votable,
    /// Astropy's enhanced CSV.
    Ecsv,
    /// Values between commas.
    Csv,
    /// Values between tabulators.
    Tsv,
}

/// What a whole file is wrapped in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Compression {
    /// Nothing.
    #[default]
    None,
    /// gzip, also of several members.
    Gzip,
    /// Zstandard, also of several frames.
    Zstd,
}

/// A format, the word for it, its endings, and other words that `STORED AS` may use.
struct Row(
    FileFormat,
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

const ROWS: &[Row] = &[
    Row(FileFormat::Parquet, "parquet", &["parquet", "parq", "pq"], &["pq"]),
    Row(
        FileFormat::Arrow,
        "arrow",
        &["arrow", "feather", "ipc", "arrows"],
        &["ipc", "feather"],
    ),
    Row(FileFormat::Fits, "fits", &["fits", "fit"], &[]),
    Row(
        FileFormat::Votable,
        "votable",
        &["vot", "votable", "xml"],
        &["vot", "xml"],
    ),
    Row(FileFormat::Ecsv, "ecsv", &["ecsv"], &[]),
    Row(FileFormat::Csv, "csv", &["csv"], &[]),
    Row(FileFormat::Tsv, "tsv", &["tsv", "tab"], &[]),
];

impl FileFormat {
    /// Format and compression that a file's name tells by its endings, whatever their case: `x.csv.gz`. Formats that
    /// compress their own columns (Parquet, Arrow) have no compressed form.
    pub fn of_name(name: &str) -> Option<(Self, Compression)> {
        let name = name.rsplit('/').next()?.to_ascii_lowercase();
        let (inner, compression) = Compression::strip(&name);
        let (stem, ending) = inner.rsplit_once('.')?;
        let row = ROWS.iter().find(|row| row.2.contains(&ending))?;
        let whole = compression == Compression::None || row.0.can_be_compressed();
        (whole && !stem.is_empty()).then_some((row.0, compression))
    }

    /// The format that a word after `STORED AS` names.
    pub fn stored_as(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase();
        let row = ROWS
            .iter()
            .find(|row| row.1 == word || row.3.contains(&word.as_str()))?;
        Some(row.0)
    }

    /// All formats, in the order in which one is preferred if several files have the same name.
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.iter().map(|row| row.0)
    }

    /// The word for the format: `parquet`.
    pub fn word(self) -> &'static str {
        ROWS.iter().find(|row| row.0 == self).map_or("", |row| row.1)
    }

    /// Whether a part of a file can be read without what stands before it. Where a record begins is known only from the
    /// beginning of its file, except for FITS, whose rows are of one size, and where a footer tells.
    pub fn can_be_cut(self) -> bool {
        matches!(self, Self::Parquet | Self::Arrow | Self::Fits)
    }

    fn can_be_compressed(self) -> bool {
        !matches!(self, Self::Parquet | Self::Arrow)
    }

    /// The format of a file by its name.
    ///
    /// # Errors
    /// Its ending is not known; the error says what is.
    pub(crate) fn expect(name: &str) -> Result<(Self, Compression)> {
        Self::of_name(name).ok_or_else(|| FilesError::unknown(name, why_unknown(name)))
    }
}

impl fmt::Display for FileFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

fn why_unknown(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    let endings = || {
        let all: Vec<&str> = ROWS.iter().flat_map(|row| row.2).copied().collect();
        format!("known are .{}, text and FITS also with .gz or .zst", all.join(" ."))
    };
    if name.ends_with(".fz") {
        return "FITS tables with compressed tiles (.fz) cannot be read: unpack them with `funpack` first".to_owned();
    }
    if matches!(Compression::strip(&name), (_, Compression::Gzip | Compression::Zstd)) {
        return format!("nothing of this kind is read compressed; {}", endings());
    }
    format!("its ending does not tell what kind of table it is; {}", endings())
}

impl Compression {
    /// `name`, in lower case, without the ending of a compression.
    pub(crate) fn strip(name: &str) -> (&str, Self) {
        let endings = [(".gz", Self::Gzip), (".zst", Self::Zstd), (".zstd", Self::Zstd)];
        endings
            .into_iter()
            .find_map(|(ending, kind)| Some((name.strip_suffix(ending)?, kind)))
            .unwrap_or((name, Self::None))
    }

    /// The compression that the ending of any name tells.
    pub(crate) fn of_name(name: &str) -> Self {
        Self::strip(&name.to_ascii_lowercase()).1
    }

    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// The compression that a word names: `gzip`, `zstd`, `none`.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "gzip" | "gz" => Self::Gzip,
            "zstd" | "zst" => Self::Zstd,
            "none" | "uncompressed" => Self::None,
            _ => return None,
        })
    }
}

/// The table's name that a file's name gives: without the endings, `x` of `a/x.csv.gz`.
pub fn table_name(file_name: &str) -> &str {
    let lower = file_name.to_ascii_lowercase();
    let (inner, _) = Compression::strip(&lower);
    let stem = inner.rsplit_once('.').map_or(inner, |(stem, _)| stem);
    // Lower case of ASCII keeps lengths.
    file_name.get(..stem.len()).unwrap_or(file_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_tell_format_and_compression() {
        let of = |name| FileFormat::of_name(name);
        assert_eq!(of("a.parquet"), Some((FileFormat::Parquet, Compression::None)));
        assert_eq!(of("dir.x/A.CSV.GZ"), Some((FileFormat::Csv, Compression::Gzip)));
        assert_eq!(of("a.fits.gz"), Some((FileFormat::Fits, Compression::Gzip)));
        assert_eq!(of("a.vot.zst"), Some((FileFormat::Votable, Compression::Zstd)));
        for none in [
            "a.fits.fz",
            "a.txt",
            "csv",
            ".csv",
            "a.parquet.gz",
            "a.csv.bz2",
            "a.gz",
            "",
        ] {
            assert_eq!(of(none), None, "{none}");
        }
        assert!(
            FileFormat::expect("a.fits.fz")
                .unwrap_err()
                .to_string()
                .contains("funpack")
        );
    }

    #[test]
    fn words_name_formats() {
        for format in FileFormat::all() {
            assert_eq!(FileFormat::stored_as(&format.word().to_ascii_uppercase()), Some(format));
        }
        assert_eq!(FileFormat::stored_as("HATS"), None);
    }

    #[test]
    fn names_lose_their_endings() {
        assert_eq!(table_name("Gaia.DR3.csv.gz"), "Gaia.DR3");
        assert_eq!(table_name("é.fits"), "é");
    }
}
