//! `dreyer import`: tables of stars into a catalogue that every session can open.

mod args;
mod bar;
mod inputs;
mod sidecar;
mod target;

use std::io::Write;
use std::time::Instant;

use dreyer_sky::hats::import::{BadRows, ImportOptions, ImportSummary, TileLimit, clear_unfinished, import as run};

pub use args::ImportArgs;

use super::{Failure, seconds};
use crate::{Error, ErrorKind, Result};

/// Runs the command; says on `out` what was written. Progress goes to the standard error, and only to a terminal.
///
/// # Errors
/// A file cannot be read, a column is missing, a row has no position, a catalogue of that name exists already.
pub async fn import(args: ImportArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let target = target::open(&args.into, folder_name(&args.name)?).await?;
    let mut options = options(&args)?;
    let start = Instant::now();
    let opened = inputs::open(&args).await?;
    let (lon, lat) = inputs::positions(&opened.input, args.ra.as_deref(), args.dec.as_deref())?;
    (options.lon_column, options.lat_column) = (lon, lat);
    let bar = bar::Bar::new(opened.expected);
    let work = run(opened.input, &target.place, &options, &bar);
    let summary = tokio::select! {
        done = work => done.map_err(Error::from),
        _ = tokio::signal::ctrl_c() => Err(Error::new(ErrorKind::Cancelled, "the import was interrupted")),
    };
    bar.finish();
    if summary.as_ref().is_err_and(|error| error.kind == ErrorKind::Cancelled) {
        clear_unfinished(&target.place).await.map_err(Error::from)?;
    }
    let summary = summary?;
    let text = text(&summary, &options, &seconds(start.elapsed()));
    writeln!(out, "{text}").map_err(Error::from)?;
    Ok(out.flush().map_err(Error::from)?)
}

fn options(args: &ImportArgs) -> Result<ImportOptions> {
    let default = ImportOptions::default();
    Ok(ImportOptions {
        name: Some(args.name.clone()),
        tile: match (args.tile_rows, args.tile_bytes) {
            (Some(rows), _) => TileLimit::Rows(rows),
            (None, Some(bytes)) => TileLimit::Bytes(bytes.0),
            (None, None) => default.tile,
        },
        memory_bytes: usize::try_from(args.memory.0).unwrap_or(usize::MAX),
        spill_dir: args.spill_dir.clone(),
        bad_rows: args.bad_rows.clone().map_or(BadRows::Refuse, BadRows::Aside),
        kind: args.kind.word().to_owned(),
        leaf_folders: args.leaf_folders,
        zstd_level: args.zstd_level.unwrap_or(default.zstd_level),
        margin_arcsec: args.margin,
        index_columns: args.index.clone(),
        restart: args.restart,
        columns: args
            .columns
            .as_deref()
            .map(sidecar::read)
            .transpose()?
            .unwrap_or_default(),
        ..default
    })
}

fn text(summary: &ImportSummary, options: &ImportOptions, time: &str) -> String {
    let mut text = format!(
        "{}: {} rows in {} tiles, {:.1} MB, {time}",
        summary.place,
        summary.rows,
        summary.tiles,
        summary.bytes as f64 / 1e6,
    );
    if let BadRows::Aside(file) = &options.bad_rows {
        text.push_str(&format!(
            "; {} rows without a usable position in {}",
            summary.bad_rows,
            file.display()
        ));
    }
    text
}

/// A name is one folder, and one that discovery does not take for hidden.
fn folder_name(name: &str) -> Result<&str> {
    if name.is_empty() || name.contains(['/', '\\']) || name.starts_with(['.', '_']) {
        return Err(Error::new(
            ErrorKind::InvalidParameter,
            format!("{name:?} cannot be the name of a catalogue"),
        )
        .with_hint("Use letters, digits and underscores, a letter first. A schema is a folder: --into DIR/SCHEMA."));
    }
    Ok(name)
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
