//! The rows of one text file as a stream of batches: cut on one thread, decoded on several, given in order.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, new_null_array};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::error::{DataFusionError, Result};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

use super::chunks::{Chunk, Chunks, ReadFault};
use super::head::Head;
use super::records::Records;
use super::{Dialect, LineFault, columns};
use crate::blocking;
use crate::error::FilesError;
use crate::format::Compression;
use crate::object::{Object, Watch};
use crate::unpack::unpacked;

/// A chunk to decode, and what the head of its file says.
struct Piece {
    chunk: Chunk,
    layout: Arc<Layout>,
}

/// Where the wanted columns stand in the file.
struct Layout {
    columns: usize,
    places: Vec<Option<usize>>,
}

/// The rows of `object` as batches of `wanted`, each of at most `batch_rows` rows; `at_once` chunks are decoded
/// together. Columns that the file lacks are NULL.
pub(crate) fn batches(
    object: Object,
    compression: Compression,
    dialect: Arc<Dialect>,
    wanted: SchemaRef,
    batch_rows: usize,
    at_once: usize,
) -> BoxStream<'static, Result<RecordBatch>> {
    let name = object.watch.name().to_owned();
    let (cutting, columns) = (Arc::clone(&dialect), Arc::clone(&wanted));
    let pieces = blocking::stream(name.clone(), move |sink| {
        let watch = object.watch;
        let cut = unpacked(object.source, compression)
            .map_err(ReadFault::Io)
            .and_then(|source| {
                cut(source, &cutting, &columns, |piece| {
                    let checked = watch.check().map_err(DataFusionError::from);
                    checked.map(|()| sink.put(piece).is_ok())
                })
            });
        match cut {
            Ok(ended) => ended,
            Err(fault) => Err(told(&watch, fault)),
        }
    });
    let decoded = pieces.map(move |piece| {
        let (dialect, wanted, name) = (Arc::clone(&dialect), Arc::clone(&wanted), name.clone());
        async move {
            let piece = piece?;
            blocking::run(name.clone(), move || {
                decode(&piece, &dialect, &wanted).map_err(|fault| FilesError::malformed(name, fault).into())
            })
            .await
        }
    });
    decoded
        .buffered(at_once.max(1))
        .map_ok(move |batch| stream::iter(slices(&batch, batch_rows.max(1))))
        .try_flatten()
        .boxed()
}

/// Gives the pieces of `source` to `put` until it says that no more are wanted.
fn cut(
    source: impl std::io::Read,
    dialect: &Dialect,
    wanted: &SchemaRef,
    mut put: impl FnMut(Piece) -> Result<bool>,
) -> Result<Result<()>, ReadFault> {
    let mut chunks = Chunks::new(source, dialect);
    let first = chunks.next_chunk()?.unwrap_or(Chunk {
        bytes: Vec::new(),
        line: 1,
    });
    let head = Head::of(&first, dialect).map_err(ReadFault::Text)?;
    let place = |name: &String| head.names.iter().position(|column| column == name);
    let layout = Arc::new(Layout {
        columns: head.names.len(),
        places: wanted.fields().iter().map(|field| place(field.name())).collect(),
    });
    let mut next = Some(first.without(head.bytes));
    while let Some(chunk) = next {
        let layout = Arc::clone(&layout);
        match put(Piece { chunk, layout }) {
            Ok(true) => next = chunks.next_chunk()?,
            Ok(false) => break,
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(()))
}

fn decode(piece: &Piece, dialect: &Dialect, wanted: &SchemaRef) -> Result<RecordBatch, LineFault> {
    let layout = &piece.layout;
    let records = Records::read(&piece.chunk, dialect, layout.columns)?;
    let built = wanted.fields().iter().zip(&layout.places).map(|(field, place)| {
        let data_type = field.data_type();
        match place {
            Some(place) => columns::column(&records, *place, field.name(), data_type, dialect),
            None => Ok(new_null_array(data_type, records.len())),
        }
    });
    let built = built.collect::<Result<Vec<ArrayRef>, LineFault>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(records.len()));
    RecordBatch::try_new_with_options(Arc::clone(wanted), built, &options)
        .map_err(|error| records.fault(0, error.to_string()))
}

fn slices(batch: &RecordBatch, rows: usize) -> Vec<Result<RecordBatch>> {
    let starts = (0..batch.num_rows()).step_by(rows);
    starts
        .map(|start| Ok(batch.slice(start, rows.min(batch.num_rows() - start))))
        .collect()
}

/// The fault as an error that names the file, or the store's own error behind it.
pub(crate) fn told(watch: &Watch, fault: ReadFault) -> DataFusionError {
    match (watch.fault(), fault) {
        (Some(store), _) => FilesError::from(store),
        (None, ReadFault::Io(error)) => FilesError::malformed(watch.name(), error),
        (None, ReadFault::Text(fault)) => FilesError::malformed(watch.name(), fault),
    }
    .into()
}
