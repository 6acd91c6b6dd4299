//! Import: rows in, a HATS catalogue out.
//!
//! ```text
//!  rows of any plan ──► index, histogram of the sky ──► external sort by _healpix_29 ──► one leaf per tile ──► properties
//!     read once          bad rows aside                  spills to disk                   tiles planned from the
//!                                                                                         histogram
//! ```
//!
//! Rows are read once. When the sort gives its first row it has seen the last one, so the histogram is complete and the
//! tiles can be planned; leaves are then written in the order of the curve, each once. Memory is bounded by
//! [`ImportOptions::memory_bytes`], whatever the number of rows and tiles: five eighths are the sort's, an eighth is the
//! count of the sky, the rest for batches on their way and the row group that is being encoded.
//!
//! - [`write_catalog`] fills an empty [`Place`]; its properties come last, so nothing unfinished opens as a catalogue.
//! - [`import`](fn@import) does what a command needs around it: on a local disk the catalogue grows in a hidden folder and
//!   appears by a rename; leftovers of a dead run are removed, a live one is refused; margin and indexes on request.
//!
//! Rows are never dropped in silence: one without a usable position fails the import or goes to a file of its own, and
//! the rows of the written footers are counted against the rows that came in.
//!
//! Not here: which files are read and how, which is the caller's plan.

mod columns;
pub(crate) mod encoding;
mod finish;
mod histogram;
mod indexing;
mod leaves;
mod marked;
mod nested;
mod options;
mod owner;
mod progress;
mod refused;
mod run;
mod sorting;
mod supplements;
mod tile;
mod weight;

pub use encoding::{by_type, judged};
pub use leaves::LeafFile;
pub(crate) use marked::clear;
pub use marked::clear_unfinished;
pub use options::{BadRows, ImportOptions, Input, TileLimit};
pub use progress::{Progress, Stage};
pub(crate) use run::is_live;
pub use run::{ImportSummary, import};

pub use crate::place::Place;
pub use crate::supplement::SkyHistogram;

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;

use crate::error::{HatsError, Result};
use crate::properties::Properties;

/// What [`write_catalog`] wrote.
#[derive(Debug)]
pub struct Written {
    /// Rows in the leaves.
    pub rows: u64,
    /// Rows without a usable position, put aside.
    pub bad_rows: u64,
    /// The columns of the leaves, the index first.
    pub schema: SchemaRef,
    /// The leaves in order along the curve.
    pub leaves: Vec<LeafFile>,
    /// Where the rows lie.
    pub histogram: SkyHistogram,
    /// Bytes that sorting put on disk, for want of memory.
    pub spilled_bytes: u64,
}

/// Writes a whole HATS catalogue of the rows of `input` into `place`, which must be empty. The properties come last.
///
/// On error what has been written stays where it is, without properties: the caller removes it.
///
/// # Errors
/// Options out of range, a place that is not empty, an input that fails, position columns that are absent or no
/// numbers, rows without a usable position (unless they are put aside), a full disk, a store that fails.
pub async fn write_catalog(
    input: Input,
    place: &Place,
    options: &ImportOptions,
    progress: &dyn Progress,
) -> Result<Written> {
    let (written, properties) = write_unpublished(input, place, options, progress).await?;
    finish::publish(place, &properties).await?;
    Ok(written)
}

/// Writes everything but the properties, which it returns.
pub(crate) async fn write_unpublished(
    input: Input,
    place: &Place,
    options: &ImportOptions,
    progress: &dyn Progress,
) -> Result<(Written, Properties)> {
    options.check()?;
    place.claim_empty().await?;
    let columns = columns::Columns::new(&input.plan.schema(), options, &input.description)?;
    let schema = columns.stored_schema();
    let task = Arc::clone(&input.task);
    let description = input.description.clone();
    let rows = indexing::indexed(input, columns, options)?;
    let mut sorted = sorting::start(&rows, &task, place, options)?;
    progress.stage(Stage::Read, None);
    let first = sorting::first_batch(&mut sorted, &rows, progress).await?;
    let read = rows.finish().await?;
    progress.stage(Stage::Write, Some(read.good_rows));
    let plan = tile::plan(&read.census, options);
    let leaves = leaves::write(first, &mut sorted, plan, &schema, place, options, progress).await?;
    let spilled_bytes = sorted.spilled_bytes();
    let written = leaves.iter().map(|leaf| leaf.rows).sum::<u64>();
    if written + read.bad_rows != read.rows {
        let fault = format!(
            "{} rows came in, but {written} were written and {} put aside; report this",
            read.rows, read.bad_rows
        );
        return Err(HatsError::Input {
            input: description,
            fault,
        });
    }
    let properties = finish::write_metadata(place, options, &schema, &leaves).await?;
    let written = Written {
        rows: written,
        bad_rows: read.bad_rows,
        schema,
        leaves,
        histogram: read.census.into_histogram(),
        spilled_bytes,
    };
    Ok((written, properties))
}
