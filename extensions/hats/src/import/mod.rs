//! Import: files of rows in, a HATS catalogue out.
//!
//! ```text
//!  inputs ──pass 1: positions only──► rows per HEALPix cell ──► tiles, row groups
//!     └─────pass 2: all columns──► external sort by _healpix_29 ──► one leaf per tile ──► rename into place
//! ```
//!
//! Two passes over the inputs and one sort, however many tiles: leaves are written in the order of the curve, each once.
//! The catalogue grows in a hidden folder beside its target and appears under its name only when it is whole. Rows are
//! never dropped: a row without a usable position fails the import, and rows out are counted against rows in.
//!
//! Not here: margins, index catalogues and sky maps.

mod publish;
mod read;
mod sort;
mod tile;
mod write;

use std::path::{Path, PathBuf};

use futures::StreamExt;

use crate::error::{HatsError, Result};

/// What to import, and how to cut it.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// Parquet or CSV files, all of one kind (told by the ending of their names).
    pub inputs: Vec<PathBuf>,
    /// The folder to create; it must not exist yet.
    pub target: PathBuf,
    /// Name of the catalogue; the name of the target folder where absent.
    pub name: Option<String>,
    /// Column of right ascension, ICRS degrees.
    pub lon_column: String,
    /// Column of declination, ICRS degrees.
    pub lat_column: String,
    /// Most rows of a tile; a cell with more is split.
    pub tile_rows: u64,
    /// Most rows of a row group; a tile with more gets several, each of whole HEALPix cells.
    pub row_group_rows: u64,
    /// Memory that sorting may take before it spills to disk, in bytes.
    pub memory_bytes: usize,
    /// Rows of a CSV file that are looked at to tell the types of its columns.
    pub csv_inference_rows: usize,
}

impl ImportOptions {
    /// The options for `inputs` with columns `ra` and `dec`, a million rows a tile and 1 GiB of memory.
    pub fn new(inputs: impl IntoIterator<Item = impl Into<PathBuf>>, target: impl Into<PathBuf>) -> Self {
        Self {
            inputs: inputs.into_iter().map(Into::into).collect(),
            target: target.into(),
            name: None,
            lon_column: "ra".to_owned(),
            lat_column: "dec".to_owned(),
            tile_rows: 1_000_000,
            row_group_rows: 131_072,
            memory_bytes: 1 << 30,
            csv_inference_rows: 100_000,
        }
    }

    fn check(&self) -> Result<()> {
        let fault = |option, fault: &str| {
            Err(HatsError::Option {
                option,
                fault: fault.to_owned(),
            })
        };
        if self.inputs.is_empty() {
            return fault("inputs", "must name at least one file");
        }
        if self.tile_rows == 0 {
            return fault("tile_rows", "must be at least 1, got 0");
        }
        if self.row_group_rows == 0 {
            return fault("row_group_rows", "must be at least 1, got 0");
        }
        if self.target.file_name().is_none() {
            return fault("target", "must name a folder to create");
        }
        if self.target.symlink_metadata().is_ok() {
            let exists = format!("must not exist yet: {}", self.target.display());
            return Err(HatsError::Option {
                option: "target",
                fault: exists,
            });
        }
        Ok(())
    }

    fn catalog_name(&self) -> String {
        let folder = || self.target.file_name().map(|name| name.to_string_lossy().into_owned());
        self.name.clone().or_else(folder).unwrap_or_default()
    }
}

/// What an import wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportSummary {
    /// The folder of the catalogue.
    pub path: PathBuf,
    /// Rows read and written.
    pub rows: u64,
    /// Tiles, which are leaf files.
    pub tiles: usize,
    /// Row groups in all leaves.
    pub row_groups: usize,
    /// Bytes of all leaves.
    pub bytes: u64,
    /// Bytes that sorting put on disk, for want of memory.
    pub spilled_bytes: u64,
}

/// Writes the catalogue that `options` describe. On error nothing is left behind under the target's name.
///
/// # Errors
/// Options out of range, inputs that cannot be read or that disagree about their columns, rows without a usable
/// position, a full disk.
pub async fn import(options: &ImportOptions) -> Result<ImportSummary> {
    options.check()?;
    let folder = publish::HiddenFolder::beside(&options.target)?;
    let spill = folder.path().join(".spill");
    let inputs = read::Inputs::open(options, &spill).await?;
    let counts = tile::count(&inputs, options.tile_rows).await?;
    let plan = tile::plan(&counts, options.tile_rows, options.row_group_rows);
    let (leaves, spilled_bytes) = write_leaves(&inputs, plan, folder.path()).await?;
    let written: u64 = leaves.iter().map(|leaf| leaf.rows).sum();
    if written != counts.rows() {
        let fault = format!(
            "{} rows were counted but {written} written; did it change meanwhile?",
            counts.rows()
        );
        return Err(HatsError::Input {
            input: inputs.describe(),
            fault,
        });
    }
    let summary = ImportSummary {
        path: options.target.clone(),
        rows: written,
        tiles: leaves.len(),
        row_groups: leaves.iter().map(|leaf| leaf.footer.num_row_groups()).sum(),
        bytes: leaves.iter().map(|leaf| leaf.bytes).sum(),
        spilled_bytes,
    };
    publish::write_metadata(folder.path(), options, &inputs.output_schema(), &leaves)?;
    remove_spill(&spill)?;
    folder.rename_to(&options.target)?;
    Ok(summary)
}

/// Sorts on the engine's threads and writes on one of its own, with a few batches between them. Gives the leaves and the
/// bytes that were spilled.
async fn write_leaves(
    inputs: &read::Inputs,
    plan: Vec<tile::PlannedTile>,
    folder: &Path,
) -> Result<(Vec<write::Leaf>, u64)> {
    let mut sorted = sort::sorted(inputs).await?;
    let (sender, mut receiver) = tokio::sync::mpsc::channel(4);
    let mut writer = write::LeafWriter::new(folder, inputs.output_schema(), plan);
    let writing = tokio::task::spawn_blocking(move || {
        while let Some(batch) = receiver.blocking_recv() {
            writer.write(&batch)?;
        }
        writer.finish()
    });
    let mut fault = None;
    while let Some(batch) = sorted.rows.next().await {
        match batch {
            Ok(batch) => {
                // A closed channel means that the writer failed: its own error is the one to tell.
                if sender.send(batch).await.is_err() {
                    break;
                }
            }
            Err(error) => {
                fault = Some(error);
                break;
            }
        }
    }
    drop(sender);
    let written = writing
        .await
        .map_err(|join| HatsError::io(folder, std::io::Error::other(join)))?;
    match fault {
        Some(fault) => Err(fault.into()),
        None => Ok((written?, sorted.spilled_bytes())),
    }
}

fn remove_spill(spill: &Path) -> Result<()> {
    match std::fs::remove_dir_all(spill) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(HatsError::io(spill, error)),
        _ => Ok(()),
    }
}
