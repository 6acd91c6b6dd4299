//! What can be said on the command line of `dreyer import`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};

/// What `dreyer import` is asked to do.
#[derive(Debug, Clone, Args)]
pub struct ImportArgs {
    /// Files, folders, patterns ('data/*.csv.gz') or addresses (s3://bucket/prefix/): Parquet, CSV, TSV, FITS, VOTable,
    /// ECSV or Arrow, text also as .gz or .zst. All of one format; columns are merged by name.
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<String>,
    /// Where to put the catalogue: a directory or s3://bucket/prefix; a root, later.
    #[arg(long, value_name = "ROOT")]
    pub into: String,
    /// Name of the catalogue and its folder; the table will be called so.
    #[arg(long)]
    pub name: String,
    /// Column of right ascension in degrees [default: by UCD pos.eq.ra or a usual name].
    #[arg(long, value_name = "COL")]
    pub ra: Option<String>,
    /// Column of declination in degrees [default: by UCD pos.eq.dec or a usual name].
    #[arg(long, value_name = "COL")]
    pub dec: Option<String>,
    /// What kind of rows these are: one for each object, or one for each detection.
    #[arg(long, value_enum, default_value_t = Kind::Object)]
    pub kind: Kind,
    /// Memory for the rows and all that is made of them, at least 128MiB; what does not fit is sorted on disk. The program
    /// itself and a row group of a Parquet input for each core come on top: some 200 MB with usual files.
    #[arg(long, value_name = "BYTES", default_value = "2GB", value_parser = memory)]
    pub memory: Bytes,
    /// Folder for what memory cannot hold [default: beside the catalogue, or the system's temporary folder].
    #[arg(long, value_name = "DIR")]
    pub spill_dir: Option<PathBuf>,
    /// Most rows of a tile [default: 1000000].
    #[arg(long, value_name = "ROWS", conflicts_with = "tile_bytes")]
    pub tile_rows: Option<u64>,
    /// Most bytes of a tile as its rows take in memory, in place of --tile-rows: for rows with light curves.
    #[arg(long, value_name = "BYTES")]
    pub tile_bytes: Option<Bytes>,
    /// Put rows without a usable position into this file, .csv or .parquet; without it they fail the import.
    #[arg(long, value_name = "FILE")]
    pub bad_rows: Option<PathBuf>,
    /// Write a margin catalogue of this width too, in arcseconds, for readers that need one (LSDB).
    #[arg(long, value_name = "ARCSEC")]
    pub margin: Option<f64>,
    /// Write an index of this column, so that a row is found by it; can be repeated.
    #[arg(long, value_name = "COL")]
    pub index: Vec<String>,
    /// Take the place of an import of the same name into an object store that was broken off on another machine. (One of this
    /// machine is known to be dead, and so is any that has been silent for ten minutes.)
    #[arg(long)]
    pub restart: bool,
    /// Make each tile a folder of files in place of one file.
    #[arg(long)]
    pub leaf_folders: bool,
    /// Units, UCDs and descriptions of columns: a TOML file with a table for each column, or a CSV file with the columns
    /// name, unit, ucd, description.
    #[arg(long, value_name = "FILE")]
    pub columns: Option<PathBuf>,
    /// How files are read, such as delimiter=';' header=false null_words=NA,-- comment='#' format=csv table=2; can be
    /// repeated.
    #[arg(long = "option", value_name = "NAME=VALUE", value_parser = pair)]
    pub options: Vec<(String, String)>,
    /// Level of ZSTD compression, from 1 to 22 [default: 3].
    #[arg(long, value_name = "LEVEL")]
    pub zstd_level: Option<i32>,
}

/// What rows of a catalogue are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Things on the sky.
    Object,
    /// Detections of them.
    Source,
}

impl Kind {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Source => "source",
        }
    }
}

/// A number of bytes: `500MB`, `2GiB`, `4096`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes(pub u64);

/// Units of bytes, in lower case.
const UNITS: &[(&str, u64)] = &[
    ("", 1),
    ("b", 1),
    ("k", 1000),
    ("kb", 1000),
    ("kib", 1 << 10),
    ("m", 1_000_000),
    ("mb", 1_000_000),
    ("mib", 1 << 20),
    ("g", 1_000_000_000),
    ("gb", 1_000_000_000),
    ("gib", 1 << 30),
    ("t", 1_000_000_000_000),
    ("tb", 1_000_000_000_000),
    ("tib", 1 << 40),
];

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim().to_ascii_lowercase();
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let unit = UNITS.iter().find(|(name, _)| *name == unit.trim());
        let bytes = number.parse::<u64>().ok().zip(unit);
        bytes
            .and_then(|(number, (_, unit))| number.checked_mul(*unit))
            .map(Self)
            .ok_or_else(|| "must be a number of bytes such as 500MB or 2GiB".to_owned())
    }
}

/// Least memory of an import: with less, an honest bound could not be kept.
const LEAST_MEMORY: u64 = 128 << 20;

fn memory(text: &str) -> Result<Bytes, String> {
    let bytes: Bytes = text.parse()?;
    match bytes.0 < LEAST_MEMORY {
        true => Err("must be at least 128MiB".to_owned()),
        false => Ok(bytes),
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    pair.map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "must be NAME=VALUE".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_units() {
        let bytes = |text: &str| text.parse::<Bytes>().map(|bytes| bytes.0);
        assert_eq!(bytes("4096"), Ok(4096));
        assert_eq!(bytes("2GB"), Ok(2_000_000_000));
        assert_eq!(bytes(" 3 MiB "), Ok(3 << 20));
        for wrong in ["", "GB", "-1", "1.5GB", "2XB", "99999999999TB"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }
}
