//! `dreyer import`: tables of stars into a catalogue that every session can open.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use datafusion::prelude::{CsvReadOptions, ParquetReadOptions, SessionConfig, SessionContext};
use dreyer_sky::hats::import::{self, ImportOptions, Input, Place};

use super::{Failure, seconds};
use crate::{Error, ErrorKind};

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

/// Runs the command; says on `out` what was written. Progress goes to the standard error, and only to a terminal.
///
/// # Errors
/// A file cannot be read, a column is missing, a row has no position, a catalogue of that name exists already.
pub async fn import(args: ImportArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let name = folder_name(&args.name)?;
    let target = Place::local(args.into.join(name)).map_err(Error::from)?;
    let mut options = ImportOptions::new(&args.name);
    options.lon_column = args.ra;
    options.lat_column = args.dec;
    let start = Instant::now();
    let input = input(&args.input).await.map_err(Error::from)?;
    let summary = with_clock(import::import(input, &target, &options, &()), start)
        .await
        .map_err(Error::from)?;
    writeln!(
        out,
        "{}: {} rows in {} tiles, {:.1} MB, {}",
        summary.place,
        summary.rows,
        summary.tiles,
        summary.bytes as f64 / 1e6,
        seconds(start.elapsed()),
    )
    .map_err(Error::from)?;
    Ok(out.flush().map_err(Error::from)?)
}

/// The rows of files of one kind.
async fn input(files: &[PathBuf]) -> datafusion::error::Result<Input> {
    let config = SessionConfig::new().set_bool("datafusion.execution.parquet.schema_force_view_types", false);
    let context = SessionContext::new_with_config(config);
    let paths: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let description = match paths.as_slice() {
        [path] => path.clone(),
        paths => format!("{} files", paths.len()),
    };
    let is_csv = |path: &String| path.ends_with(".csv");
    let frame = if paths.iter().all(is_csv) {
        context.read_csv(paths, CsvReadOptions::new()).await?
    } else {
        let options = ParquetReadOptions::default().skip_metadata(false);
        context.read_parquet(paths, options).await?
    };
    Ok(Input {
        task: Arc::new(frame.task_ctx()),
        plan: frame.create_physical_plan().await?,
        description,
    })
}

/// A name is one folder, and one that discovery does not take for hidden.
fn folder_name(name: &str) -> crate::Result<&str> {
    if name.is_empty() || name.contains(['/', '\\']) || name.starts_with(['.', '_']) {
        return Err(Error::new(
            ErrorKind::InvalidParameter,
            format!("{name:?} cannot be the name of a catalogue"),
        )
        .with_hint("Use letters, digits and underscores, a letter first. A schema is a folder: --into DIR/SCHEMA."));
    }
    Ok(name)
}

/// Waits for the work; on a terminal, shows that it goes on.
async fn with_clock<T>(work: impl Future<Output = T>, start: Instant) -> T {
    let mut work = pin!(work);
    if !io::stderr().is_terminal() {
        return work.await;
    }
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            done = &mut work => {
                let _ = write!(io::stderr(), "\r\x1b[K");
                return done;
            }
            _ = ticks.tick() => {
                let _ = write!(io::stderr(), "\rimporting ... {} s", start.elapsed().as_secs());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_lie_elsewhere_or_be_hidden_are_refused() {
        assert!(folder_name("gaia_dr3").is_ok());
        for name in ["", "a/b", "..", ".hidden", "_x", "a\\b"] {
            assert_eq!(folder_name(name).unwrap_err().sqlstate(), "22023", "{name}");
        }
    }
}
