//! Rows as a file: encoded as they come, and put in parts that become an object only when the last is there.

mod row_groups;

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::ipc::writer::FileWriter;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use dreyer_formats::FormatError;
use dreyer_formats::votable::{Serialization, VotableWriter};
use futures::TryStreamExt;
use object_store::buffered::BufWriter;
use tokio::io::AsyncWriteExt;

use super::location::Location;
use crate::encode::{CsvWriter, RowWriter};
use crate::{Error, ErrorKind, Result};

/// What a file holds, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum FileFormat {
    Parquet,
    /// Values with this character between them, and whether the first line is their names.
    Text {
        separator: char,
        header: bool,
    },
    Arrow,
    Votable,
}

/// Names of the formats, as `FORMAT` and `STORED AS` have them and as names of files end.
const FORMATS: &[(&[&str], FileFormat)] = &[
    (&["parquet", "parq", "pq"], FileFormat::Parquet),
    (
        &["csv"],
        FileFormat::Text {
            separator: ',',
            header: true,
        },
    ),
    (
        &["tsv", "text"],
        FileFormat::Text {
            separator: '\t',
            header: true,
        },
    ),
    (&["arrow", "feather", "ipc"], FileFormat::Arrow),
    (&["votable", "vot"], FileFormat::Votable),
];

impl FileFormat {
    /// The format of that name, in any case.
    pub(super) fn named(name: &str) -> Option<Self> {
        let name = name.to_lowercase();
        FORMATS
            .iter()
            .find(|(names, _)| names.contains(&name.as_str()))
            .map(|(_, format)| *format)
    }

    /// The format that the ending of a file's name tells.
    pub(super) fn of_file(name: &str) -> Option<Self> {
        Self::named(name.rsplit_once('.')?.1)
    }

    /// The names that [`FileFormat::named`] knows, for messages.
    pub(super) fn names() -> String {
        let names: Vec<&str> = FORMATS.iter().filter_map(|(names, _)| names.first().copied()).collect();
        names.join(", ")
    }

    /// What encodes batches one after another; `None` for Parquet, of which row groups are encoded side by side.
    fn encoder(self, schema: &SchemaRef, out: Outbox) -> Result<Option<Box<dyn Encoder>>> {
        Ok(Some(match self {
            Self::Parquet => return Ok(None),
            Self::Text { separator, header } => {
                let writer = CsvWriter::new(Arc::clone(schema), out).with_separator(separator);
                Box::new(if header { writer } else { writer.without_header() })
            }
            // Keeps NULL apart from the empty text, and floats bit by bit.
            Self::Votable => Box::new(VotableWriter::new(
                out,
                Arc::clone(schema),
                Serialization::Binary2,
                None,
                None,
            )),
            Self::Arrow => Box::new(FileWriter::try_new(out, schema).map_err(DataFusionError::from)?),
        }))
    }
}

/// Encodes batches.
trait Encoder: Send {
    fn encode(&mut self, batch: &RecordBatch) -> Result<()>;
    fn finish(self: Box<Self>) -> Result<()>;
}

impl Encoder for CsvWriter<Outbox> {
    fn encode(&mut self, batch: &RecordBatch) -> Result<()> {
        self.write(batch)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        RowWriter::finish(self)
    }
}

impl Encoder for FileWriter<Outbox> {
    fn encode(&mut self, batch: &RecordBatch) -> Result<()> {
        Ok(self.write(batch).map_err(DataFusionError::from)?)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        Ok(FileWriter::finish(&mut self).map_err(DataFusionError::from)?)
    }
}

impl Encoder for VotableWriter<Outbox> {
    fn encode(&mut self, batch: &RecordBatch) -> Result<()> {
        self.write(batch).map_err(|error| unencodable(&error))
    }

    fn finish(self: Box<Self>) -> Result<()> {
        VotableWriter::finish(*self)
            .map(drop)
            .map_err(|error| unencodable(&error))
    }
}

fn unencodable(error: &FormatError) -> Error {
    Error::new(ErrorKind::Data, error.to_string())
}

/// Bytes on their way from an encoder, which writes, to the store, which waits.
#[derive(Debug, Clone, Default)]
struct Outbox(Arc<Mutex<Vec<u8>>>);

impl Outbox {
    /// Hands on what was written so far. Its memory is kept for what comes next.
    async fn send(&self, file: &mut BufWriter) -> io::Result<()> {
        let mut bytes = std::mem::take(&mut *self.bytes());
        file.write_all(&bytes).await?;
        bytes.clear();
        let mut next = self.bytes();
        if next.is_empty() {
            *next = bytes;
        }
        Ok(())
    }

    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Outbox {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes all rows to the file, in place of what is there, and counts them. Until the last byte is written nothing is
/// to be seen of it; if that never comes, nothing stays. `at_once` parts are encoded side by side, if the format has such.
///
/// # Errors
/// Those of the rows, of the encoder, and of the store.
pub(super) async fn write(
    rows: SendableRecordBatchStream,
    format: FileFormat,
    location: &Location,
    at_once: usize,
) -> Result<u64> {
    let mut file = BufWriter::new(Arc::clone(&location.store), location.path.clone());
    let outbox = Outbox::default();
    let written = match format.encoder(&rows.schema(), outbox.clone())? {
        Some(encoder) => fill(rows, encoder, &outbox, &mut file).await,
        None => row_groups::write(rows, &mut file, at_once).await,
    };
    match written {
        Ok(count) => {
            file.shutdown().await.map_err(|error| failed(location, &error))?;
            Ok(count)
        }
        Err(error) => {
            // The error of the rows says more than that of the clearing up.
            let _ = file.abort().await;
            Err(error)
        }
    }
}

async fn fill(
    mut rows: SendableRecordBatchStream,
    mut encoder: Box<dyn Encoder>,
    outbox: &Outbox,
    file: &mut BufWriter,
) -> Result<u64> {
    let mut count = 0;
    while let Some(batch) = rows.try_next().await? {
        encoder.encode(&batch)?;
        count += batch.num_rows() as u64;
        outbox.send(file).await?;
    }
    encoder.finish()?;
    outbox.send(file).await?;
    Ok(count)
}

fn failed(location: &Location, error: &io::Error) -> Error {
    Error::new(
        ErrorKind::Io,
        format!("cannot write {}{}: {error}", location.url.as_str(), location.path),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_by_name_and_by_ending() {
        assert_eq!(FileFormat::of_file("a/b.PARQUET"), Some(FileFormat::Parquet));
        assert_eq!(FileFormat::of_file("b.tsv"), FileFormat::named("TSV"));
        assert_eq!(FileFormat::of_file("csv"), None);
        assert_eq!(FileFormat::of_file("a.doc"), None);
        assert_eq!(FileFormat::names(), "parquet, csv, tsv, arrow, votable");
    }
}
