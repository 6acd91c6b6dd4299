//! `dreyer import`: tables of stars into a catalogue that every session can open.

use std::path::PathBuf;

use clap::Args;

use super::Failure;

/// What `dreyer import` is asked to do.
#[derive(Debug, Clone, Args)]
pub struct ImportArgs {
    /// Parquet or CSV files, by their ending.
    #[arg(required = true)]
    pub input: Vec<PathBuf>,
    /// Directory to put the catalogue into: a root, later.
    #[arg(long, value_name = "DIR")]
    pub into: PathBuf,
    /// Name of the catalogue and its folder; the table will be called so.
    #[arg(long)]
    pub name: String,
    /// Column of the longitude: right ascension in degrees.
    #[arg(long, value_name = "COL")]
    pub ra: String,
    /// Column of the latitude: declination in degrees.
    #[arg(long, value_name = "COL")]
    pub dec: String,
}

/// Runs the command.
///
/// # Errors
/// A file cannot be read, a column is missing, a catalogue of that name exists already.
pub async fn import(args: ImportArgs) -> Result<(), Failure> {
    let _ = args;
    Ok(())
}
