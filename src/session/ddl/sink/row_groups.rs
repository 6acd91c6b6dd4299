//! Rows as a Parquet file: row groups are encoded side by side, and put into the file in their order.
//!
//! ```text
//!   rows ──► group 0 ──► encode ─┐
//!       └──► group 1 ──► encode ─┴──► in order ──► file
//! ```

use std::collections::VecDeque;
use std::sync::Arc;

use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::runtime::SpawnedTask;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use dreyer_sky::hats::import::{by_type, judged};
use futures::TryStreamExt;
use object_store::buffered::BufWriter;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;

use super::Outbox;
use crate::{Error, ErrorKind, Result};

/// Rows of a row group, and about as many bytes if rows are large: what lies in memory of each that is encoded.
const ROWS: usize = 131_072;
const BYTES: usize = 64 << 20;

/// Rows by which it is judged how columns are best written.
const SAMPLE_ROWS: usize = 8192;

/// A dictionary that grows larger is given up: names of bands fit, numbers of objects do not.
const DICTIONARY_BYTES: usize = 128 << 10;

/// Writes all rows, `at_once` row groups at a time, and counts them.
pub(super) async fn write(mut rows: SendableRecordBatchStream, file: &mut BufWriter, at_once: usize) -> Result<u64> {
    let schema = rows.schema();
    let mut groups: Option<RowGroups> = None;
    let mut next = Group::default();
    let mut count = 0;
    while let Some(mut batch) = rows.try_next().await? {
        count += batch.num_rows() as u64;
        while next.rows + batch.num_rows() >= ROWS || next.bytes >= BYTES {
            let fits = batch.num_rows().min(ROWS - next.rows);
            next.push(batch.slice(0, fits));
            batch = batch.slice(fits, batch.num_rows() - fits);
            let group = std::mem::take(&mut next);
            let groups = match &mut groups {
                Some(groups) => groups,
                none => none.insert(RowGroups::new(&schema, &group)?),
            };
            groups.make_room(at_once, file).await?;
            groups.begin(group)?;
        }
        next.push(batch);
    }
    let mut groups = match groups {
        Some(groups) => groups,
        None => RowGroups::new(&schema, &next)?,
    };
    if next.rows > 0 {
        groups.begin(next)?;
    }
    groups.make_room(1, file).await?;
    groups.finish(file).await?;
    Ok(count)
}

/// Rows that become a row group.
#[derive(Default)]
struct Group {
    batches: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
}

impl Group {
    fn push(&mut self, batch: RecordBatch) {
        if batch.num_rows() > 0 {
            self.rows += batch.num_rows();
            let columns = batch.columns().iter();
            self.bytes += columns
                .map(|column| column.to_data().get_slice_memory_size().unwrap_or(0))
                .sum::<usize>();
            self.batches.push(batch);
        }
    }
}

/// A file under way.
struct RowGroups {
    schema: SchemaRef,
    file: SerializedFileWriter<Outbox>,
    outbox: Outbox,
    factory: ArrowRowGroupWriterFactory,
    begun: usize,
    encoding: VecDeque<SpawnedTask<Result<Vec<ArrowColumnChunk>, ParquetError>>>,
}

impl RowGroups {
    /// A file written as suits its first rows.
    fn new(schema: &SchemaRef, first: &Group) -> Result<Self> {
        let outbox = Outbox::default();
        let properties = properties(schema, first)?;
        let writer = ArrowWriter::try_new(outbox.clone(), Arc::clone(schema), Some(properties));
        let (file, factory) = writer.and_then(ArrowWriter::into_serialized_writer).map_err(fault)?;
        Ok(Self {
            schema: Arc::clone(schema),
            file,
            outbox,
            factory,
            begun: 0,
            encoding: VecDeque::new(),
        })
    }

    fn begin(&mut self, group: Group) -> Result<()> {
        let columns = self.factory.create_column_writers(self.begun).map_err(fault)?;
        self.begun += 1;
        let schema = Arc::clone(&self.schema);
        let task = SpawnedTask::spawn_blocking(move || encoded(columns, &schema, &group.batches));
        self.encoding.push_back(task);
        Ok(())
    }

    /// Puts the first row groups into the file until fewer than `at_once` are encoded.
    async fn make_room(&mut self, at_once: usize, file: &mut BufWriter) -> Result<()> {
        while self.encoding.len() >= at_once
            && let Some(first) = self.encoding.pop_front()
        {
            let columns = first
                .join()
                .await
                .map_err(|error| Error::new(ErrorKind::Internal, format!("a row group was not encoded: {error}")))?;
            let mut group = self.file.next_row_group().map_err(fault)?;
            for column in columns.map_err(fault)? {
                column.append_to_row_group(&mut group).map_err(fault)?;
            }
            group.close().map_err(fault)?;
            self.outbox.send(file).await?;
        }
        Ok(())
    }

    async fn finish(self, file: &mut BufWriter) -> Result<()> {
        self.file.close().map_err(fault)?;
        self.outbox.send(file).await?;
        Ok(())
    }
}

fn properties(schema: &SchemaRef, first: &Group) -> Result<WriterProperties> {
    let level = ZstdLevel::try_new(3).map_err(fault)?;
    let usual = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(None)
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        .set_created_by(concat!("dreyer ", env!("CARGO_PKG_VERSION")).to_owned());
    // Measured numbers hardly ever repeat: a dictionary of them takes most of the time of writing.
    let usual = by_type(usual, schema)?.build();
    let mut rows = 0;
    let sample = first.batches.iter().take_while(|batch| {
        let wanted = rows < SAMPLE_ROWS;
        rows += batch.num_rows();
        wanted
    });
    let sample = concat_batches(schema, sample).map_err(DataFusionError::from)?;
    Ok(judged(&usual, &sample)?.unwrap_or(usual))
}

fn encoded(
    mut columns: Vec<ArrowColumnWriter>,
    schema: &Schema,
    batches: &[RecordBatch],
) -> Result<Vec<ArrowColumnChunk>, ParquetError> {
    for batch in batches {
        let mut writers = columns.iter_mut();
        for (field, column) in schema.fields().iter().zip(batch.columns()) {
            for (leaf, writer) in compute_leaves(field, column)?.iter().zip(&mut writers) {
                writer.write(leaf)?;
            }
        }
    }
    columns.into_iter().map(ArrowColumnWriter::close).collect()
}

fn fault(error: ParquetError) -> Error {
    DataFusionError::from(error).into()
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, ListArray, StringViewArray, StructArray};
    use datafusion::arrow::datatypes::{DataType, Field, Float64Type};
    use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
    use futures::stream;
    use object_store::memory::InMemory;
    use object_store::path::Path;
    use object_store::{ObjectStore, ObjectStoreExt};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use tokio::io::AsyncWriteExt;

    use super::*;

    /// Rows numbered from `from`, with a text, a list of `long` points and a pair of numbers.
    fn batch(from: usize, rows: usize, long: usize) -> RecordBatch {
        let numbers = from as i64..(from + rows) as i64;
        let id: ArrayRef = Arc::new(Int64Array::from_iter_values(numbers.clone()));
        let mag: ArrayRef = Arc::new(Float64Array::from_iter(
            numbers
                .clone()
                .map(|n| (n % 7 != 0).then_some((n as f64).sqrt().fract())),
        ));
        let name: ArrayRef = Arc::new(StringViewArray::from_iter(
            numbers.clone().map(|n| (n % 5 != 0).then(|| format!("Σ {}", n % 300))),
        ));
        let curve: ArrayRef =
            Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(numbers.map(|n| {
                (n % 11 != 0).then(|| (0..long).map(move |at| Some((n + at as i64) as f64)))
            })));
        let pair = StructArray::from(vec![
            (Arc::new(Field::new("x", DataType::Int64, true)), Arc::clone(&id)),
            (Arc::new(Field::new("y", DataType::Float64, true)), Arc::clone(&mag)),
        ]);
        RecordBatch::try_from_iter_with_nullable([
            ("id", id, true),
            ("mag", mag, true),
            ("name", name, true),
            ("curve", curve, true),
            ("pair", Arc::new(pair), true),
        ])
        .unwrap()
    }

    async fn written(batches: &[RecordBatch], at_once: usize) -> ParquetRecordBatchReaderBuilder<bytes::Bytes> {
        let (store, path) = (Arc::new(InMemory::new()), Path::from("rows.parquet"));
        let rows = stream::iter(batches.iter().cloned().map(Ok).collect::<Vec<_>>());
        let rows = RecordBatchStreamAdapter::new(batches[0].schema(), rows);
        let mut file = BufWriter::new(Arc::clone(&store) as Arc<dyn ObjectStore>, path.clone());
        let count = write(Box::pin(rows), &mut file, at_once).await.unwrap();
        assert_eq!(count, batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>());
        file.shutdown().await.unwrap();
        let bytes = store.get(&path).await.unwrap().bytes().await.unwrap();
        ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap()
    }

    fn group_rows(reader: &ParquetRecordBatchReaderBuilder<bytes::Bytes>) -> Vec<i64> {
        let groups = reader.metadata().row_groups().iter();
        groups.map(|group| group.num_rows()).collect()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn rows_come_back_in_their_order() {
        let mut batches = Vec::new();
        let mut from = 0;
        for rows in [0, 1, 100_000, 31_071, 131_072, 300_000, 7] {
            batches.push(batch(from, rows, 2));
            from += rows;
        }
        let truth = concat_batches(&batches[0].schema(), &batches).unwrap();
        for at_once in [1, 3] {
            let reader = written(&batches, at_once).await;
            let groups = group_rows(&reader);
            assert!(
                groups.iter().rev().skip(1).all(|rows| *rows == ROWS as i64),
                "{groups:?}"
            );
            assert_eq!(groups.len(), from.div_ceil(ROWS));
            let found: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
            assert_eq!(concat_batches(&truth.schema(), &found).unwrap(), truth);
        }
    }

    #[tokio::test]
    async fn large_rows_come_in_smaller_groups() {
        let batches: Vec<RecordBatch> = (0..12).map(|n| batch(n * 1000, 1000, 2000)).collect();
        let groups = group_rows(&written(&batches, 2).await);
        assert!(
            groups.len() > 1 && groups.iter().all(|rows| *rows <= 6000),
            "{groups:?}"
        );
        assert_eq!(groups.iter().sum::<i64>(), 12_000);
    }

    #[tokio::test]
    async fn no_rows_make_a_file_with_columns() {
        let reader = written(&[batch(0, 0, 0)], 2).await;
        assert_eq!(reader.schema().fields().len(), 5);
        assert_eq!(reader.metadata().file_metadata().num_rows(), 0);
    }
}
