//! Formats that are read from beginning to end by a decoder of their own: Arrow IPC, FITS, VOTable, ECSV. Which decoder,
//! and how a table's columns become its projection.

use std::fmt::Display;
use std::io::BufReader;
use std::ops::Range;

use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::datasource::listing::FileRange;
use datafusion::error::{DataFusionError, Result};
use dreyer_formats::FormatError;
use dreyer_formats::ecsv::EcsvReader;
use dreyer_formats::fits::{FitsReader, Table};
use dreyer_formats::votable::VotableReader;
use futures::stream::BoxStream;

use crate::blocking;
use crate::columns::Fitting;
use crate::error::FilesError;
use crate::format::{Compression, FileFormat};
use crate::ipc::IpcReader;
use crate::object::{Object, Source, Watch};
use crate::options::FileOptions;
use crate::unpack::unpacked;

/// Bytes read at once from what lies below.
const BUFFER: usize = 256 << 10;

/// What a file says of itself before its rows.
#[derive(Debug)]
pub(crate) struct Description {
    pub(crate) schema: SchemaRef,
    pub(crate) rows: Option<u64>,
}

/// A part of a file, as a share of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    start: u64,
    end: u64,
    of: u64,
}

impl Part {
    /// The share that a range of bytes is of a file of `size` bytes.
    pub(crate) fn of(range: &FileRange, size: u64) -> Self {
        let at = |byte: i64| u64::try_from(byte).unwrap_or(0).min(size);
        Self {
            start: at(range.start),
            end: at(range.end),
            of: size.max(1),
        }
    }

    /// The bytes of this share.
    fn bytes(self) -> Range<u64> {
        self.start..self.end
    }

    /// The rows of this share, of all `rows`. Shares that make up the file make up the rows.
    fn rows(self, rows: u64) -> Range<u64> {
        let at = |byte: u64| {
            let row = u128::from(rows) * u128::from(byte) / u128::from(self.of);
            u64::try_from(row).unwrap_or(rows)
        };
        at(self.start)..at(self.end)
    }
}

/// A decoder that was opened: its columns, and its batches once the projection is known.
struct Opened {
    description: Description,
    start: Box<dyn FnOnce(Vec<usize>, usize) -> Fallible<Rows>>,
}

type Rows = Box<dyn Iterator<Item = Fallible<RecordBatch>>>;
type Fallible<T> = std::result::Result<T, String>;

/// Reads columns and number of rows. Blocks.
pub(crate) fn describe(
    object: Object,
    format: FileFormat,
    compression: Compression,
    options: &FileOptions,
) -> Result<Description> {
    let watch = object.watch;
    let opened = opened(object.source, format, compression, options, None);
    opened
        .map(|opened| opened.description)
        .map_err(|fault| told(&watch, &fault))
}

/// The rows of `object`, or of a `part` of a FITS table or an Arrow file, as batches of `wanted`, by name.
pub(crate) fn batches(
    object: Object,
    format: FileFormat,
    compression: Compression,
    options: &FileOptions,
    part: Option<Part>,
    wanted: SchemaRef,
    batch_rows: usize,
) -> BoxStream<'static, Result<RecordBatch>> {
    let (name, options) = (object.watch.name().to_owned(), options.clone());
    blocking::stream(name.clone(), move |sink| {
        let watch = object.watch;
        let rows = opened(object.source, format, compression, &options, part).and_then(|opened| {
            let read = places(&opened.description.schema, &wanted);
            let columns = opened.description.schema.project(&read).map_err(told_of)?;
            Ok((columns, (opened.start)(read, batch_rows)?))
        });
        let (columns, rows) = rows.map_err(|fault| told(&watch, &fault))?;
        let fitting = Fitting::new(&columns, wanted);
        for batch in rows {
            let batch = batch.map_err(|fault| told(&watch, &fault))?;
            watch.check()?;
            for start in (0..batch.num_rows()).step_by(batch_rows.max(1)) {
                let part = batch.slice(start, batch_rows.max(1).min(batch.num_rows() - start));
                if sink.put(fitting.fit(&name, &part)?).is_err() {
                    return Ok(());
                }
            }
        }
        watch.check().map_err(DataFusionError::from)
    })
}

/// Where the wanted columns stand in a file, in the file's order. A file that is asked for none of its columns still
/// tells its rows.
fn places(file: &Schema, wanted: &Schema) -> Vec<usize> {
    let mut places: Vec<usize> = wanted
        .fields()
        .iter()
        .filter_map(|field| file.index_of(field.name()).ok())
        .collect();
    places.sort_unstable();
    places
}

fn opened(
    source: Box<dyn Source>,
    format: FileFormat,
    compression: Compression,
    options: &FileOptions,
    part: Option<Part>,
) -> Fallible<Opened> {
    let source = unpacked(source, compression).map_err(told_of)?;
    let source = BufReader::with_capacity(BUFFER, source);
    match format {
        FileFormat::Arrow => {
            let reader = IpcReader::open(source).map_err(told_of)?;
            Ok(Opened::new(reader.schema(), None, move |columns, _| {
                let reader = match part {
                    Some(part) => reader.with_part(&part.bytes()),
                    None => reader,
                };
                Ok::<_, FormatError>(reader.with_projection(columns))
            }))
        }
        FileFormat::Fits => {
            let reader = FitsReader::open(source, table(options)).map_err(told_of)?;
            let rows = reader.rows();
            let wanted = part.map_or(0..rows, |part| part.rows(rows));
            Ok(Opened::new(reader.schema(), Some(rows), |columns, batch_rows| {
                let reader = reader.with_rows(wanted).with_batch_rows(batch_rows);
                reader.with_projection(columns)
            }))
        }
        FileFormat::Votable => {
            let reader = VotableReader::open(source).map_err(told_of)?;
            Ok(Opened::new(reader.schema(), None, |columns, batch_rows| {
                reader.with_batch_rows(batch_rows).with_projection(columns)
            }))
        }
        FileFormat::Ecsv => {
            let reader = EcsvReader::open(source).map_err(told_of)?;
            Ok(Opened::new(reader.schema(), None, |columns, batch_rows| {
                reader.with_batch_rows(batch_rows).with_projection(columns)
            }))
        }
        FileFormat::Parquet | FileFormat::Csv | FileFormat::Tsv => {
            Err(format!("{format} is not read from beginning to end by one decoder"))
        }
    }
}

impl Opened {
    fn new<I, E, F>(
        schema: SchemaRef,
        rows: Option<u64>,
        start: impl FnOnce(Vec<usize>, usize) -> std::result::Result<I, F> + 'static,
    ) -> Self
    where
        I: Iterator<Item = std::result::Result<RecordBatch, E>> + 'static,
        E: Display,
        F: Display,
    {
        Self {
            description: Description { schema, rows },
            start: Box::new(|columns, batch_rows| {
                let batches = start(columns, batch_rows).map_err(told_of)?;
                Ok(Box::new(batches.map(|batch| batch.map_err(told_of))))
            }),
        }
    }
}

fn table(options: &FileOptions) -> Table {
    match &options.table {
        None => Table::First,
        Some(word) => word.parse().map_or_else(|_| Table::Named(word.clone()), Table::Hdu),
    }
}

fn told_of(error: impl Display) -> String {
    error.to_string()
}

/// The store's own error, if it was the store that failed; else the fault with the file's name.
fn told(watch: &Watch, fault: &str) -> DataFusionError {
    let error = watch
        .fault()
        .map_or_else(|| FilesError::malformed(watch.name(), fault), FilesError::from);
    error.into()
}
