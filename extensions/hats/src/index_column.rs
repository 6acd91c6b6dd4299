//! The index column of a part of the sky, and nothing else, decoded straight into lists.
//!
//! A cross-match by indexes reads this one column, unit by unit, and opens every file as often. What the engine prepares
//! for any columns of any file under any predicate took a fifth of a counting match, decoding an eighth; integers without
//! NULLs need a reader of pages, and the footer, which is at hand. Whatever is not as plain is read as every other scan.

use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::{Buf, Bytes, buf};
use datafusion::arrow::array::{Int64Array, RecordBatch};
use datafusion::arrow::buffer::ScalarBuffer;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::datasource::physical_plan::{FileScanConfig, FileSource, parquet::RowGroupAccess};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::metrics::BaselineMetrics;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use dreyer_guard::{named, panicked};
use dreyer_sphere::CellRanges;
use futures::stream;
use object_store::ObjectMeta;
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::basic::{ConvertedType, LogicalType, Type};
use parquet::column::reader::{get_column_reader, get_typed_column_reader};
use parquet::data_type::Int64Type;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::page_index::offset_index::PageLocation;
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;

use crate::access::{Access, access};
use crate::prune;
use crate::reader::LeafReader;
use crate::source::{HatsSource, malformed};
use crate::tiling::column_named;

/// Rows of a batch after which the next row group begins another. A batch is mostly all that is wanted of a leaf.
const ROWS: usize = 1 << 18;

/// The rows of the scan whose index lies in `ranges`, and perhaps more, if the index is all that it gives. `None`: they are to
/// be read as any others.
pub(crate) fn read(
    source: &HatsSource,
    config: &FileScanConfig,
    ranges: &CellRanges,
) -> Option<SendableRecordBatchStream> {
    let index = source.origin.index.as_deref()?;
    let schema = config.projected_schema().ok()?;
    let mut columns = source.projection()?.iter();
    let alone = columns.next().is_some_and(|column| column_named(&column.expr, index)) && columns.next().is_none();
    let whole = config
        .file_groups
        .iter()
        .all(|group| group.iter().all(|file| file.range.is_none()));
    let plain = source.filter().is_none() && !source.readers.is_remote();
    if !alone || !whole || !plain || schema.field(0).data_type() != &DataType::Int64 {
        return None;
    }
    let wanted = source.ranges.as_ref().map(|before| before.intersection(ranges));
    let wanted = wanted.as_ref().unwrap_or(ranges);
    let mut leaves = Vec::new();
    for tile in prune::touched(&source.tiles, wanted) {
        let wanted = wanted.intersection(&CellRanges::of_cell(tile.cell));
        for file in &tile.files {
            column(&*source.readers.footer_at_hand(file)?, index)?;
            leaves.push((file.clone(), wanted.clone()));
        }
    }
    let reading = Reading {
        index: index.to_owned(),
        source: source.clone(),
        leaves: leaves.into_iter(),
        leaf: None,
        rows: BaselineMetrics::new(source.metrics(), 0),
        schema: Arc::clone(&schema),
    };
    let batches = stream::try_unfold(reading, |mut reading| async move {
        Ok(reading.next().await?.map(|batch| (batch, reading)))
    });
    Some(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
}

/// The place of a column of plain integers, if there are no NULLs among them.
fn column(footer: &ParquetMetaData, name: &str) -> Option<usize> {
    let columns = footer.file_metadata().schema_descr().columns();
    let place = columns.iter().position(|column| column.path().parts() == [name])?;
    let column = &columns[place];
    let integers = match (column.logical_type_ref(), column.converted_type()) {
        (None, ConvertedType::NONE | ConvertedType::INT_64) => true,
        (Some(LogicalType::Integer(integer)), _) => integer.bit_width == 64 && integer.is_signed,
        _ => false,
    };
    let never_null = |group: &parquet::file::metadata::RowGroupMetaData| {
        let statistics = group.column(place).statistics();
        statistics.and_then(|statistics| statistics.null_count_opt()) == Some(0)
    };
    let present = match column.max_def_level() {
        0 => true,
        1 => footer.row_groups().iter().all(never_null),
        _ => false,
    };
    (column.physical_type() == Type::INT64 && column.max_rep_level() == 0 && integers && present).then_some(place)
}

/// Leaves on their way through a reader, in tile order.
struct Reading {
    index: String,
    source: HatsSource,
    leaves: std::vec::IntoIter<(ObjectMeta, CellRanges)>,
    leaf: Option<Leaf>,
    rows: BaselineMetrics,
    schema: SchemaRef,
}

/// A leaf that is being read.
struct Leaf {
    name: String,
    wanted: CellRanges,
    reader: LeafReader,
    footer: Arc<ParquetMetaData>,
    column: usize,
    access: std::vec::IntoIter<RowGroupAccess>,
    group: usize,
}

impl Reading {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if self.leaf.is_none() {
                let Some((file, wanted)) = self.leaves.next() else {
                    self.rows.done();
                    return Ok(None);
                };
                self.leaf = Some(self.open(&file, wanted).await?);
            }
            let Some(leaf) = &mut self.leaf else { continue };
            let (values, ended) = leaf.some().await?;
            if ended {
                self.leaf = None;
            }
            if !values.is_empty() {
                self.rows.record_output(values.len());
                let column = Arc::new(Int64Array::new(values, None));
                return Ok(Some(RecordBatch::try_new(Arc::clone(&self.schema), vec![column])?));
            }
        }
    }

    async fn open(&self, file: &ObjectMeta, wanted: CellRanges) -> Result<Leaf> {
        let hint = self.source.parquet.table_parquet_options().global.metadata_size_hint;
        let metrics = self.source.metrics();
        let mut reader = self.source.readers.open(file, hint, 0, metrics);
        let name = file.location.to_string();
        let footer = reader.footer().await.map_err(|error| told(&name, error))?;
        let looked = guarded(&name, || {
            // What was at hand was the footer of another version.
            let fault = || ParquetError::General(format!("the column {} is not what it was", self.index));
            let column = column(&footer, &self.index).ok_or_else(fault)?;
            Ok((column, access(&footer, &self.index, &wanted)))
        });
        let (column, access): (usize, Access) = looked?;
        access.count(metrics, 0);
        Ok(Leaf {
            name,
            wanted,
            reader,
            footer,
            column,
            access: access.plan.into_inner().into_iter(),
            group: 0,
        })
    }
}

fn told(file: &str, error: ParquetError) -> DataFusionError {
    named(file, error.into(), malformed)
}

/// What comes of looking at foreign bytes, which decoders may panic over.
fn guarded<T>(file: &str, work: impl FnOnce() -> parquet::errors::Result<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(|error| told(file, error)),
        Err(panic) => Err(panicked(file, panic.as_ref(), malformed)),
    }
}

impl Leaf {
    /// Indexes of the next row groups, and whether these were the last.
    async fn some(&mut self) -> Result<(ScalarBuffer<i64>, bool)> {
        let mut values = Vec::new();
        while values.len() < ROWS {
            let Some(access) = self.access.next() else {
                return Ok((self.within(values), true));
            };
            let group = self.group;
            self.group += 1;
            let selection = match access {
                RowGroupAccess::Skip => continue,
                RowGroupAccess::Scan => None,
                RowGroupAccess::Selection(selection) => Some(selection),
            };
            let chunk = Chunk {
                footer: &self.footer,
                group,
                column: self.column,
                selection,
            };
            let ranges = guarded(&self.name, || Ok(chunk.ranges()))?;
            let bytes = self.reader.get_byte_ranges(ranges.clone()).await;
            let bytes = bytes.map_err(|error| told(&self.name, error))?;
            let pages = Pages(ranges.into_iter().map(|range| range.start).zip(bytes).collect());
            guarded(&self.name, || chunk.decode(pages, &mut values))?;
        }
        Ok((self.within(values), false))
    }

    /// Without the rows at both ends that came with their pages only.
    fn within(&self, values: Vec<i64>) -> ScalarBuffer<i64> {
        // Of what is no index at all, others will complain.
        let wanted = |value: &i64| *value < 0 || self.wanted.contains(value.cast_unsigned());
        let first = values.iter().position(wanted).unwrap_or(values.len());
        let end = values.iter().rposition(wanted).map_or(first, |last| last + 1);
        ScalarBuffer::from(values).slice(first, end - first)
    }
}

/// The index in a row group.
struct Chunk<'a> {
    footer: &'a ParquetMetaData,
    group: usize,
    column: usize,
    /// The rows that are wanted; `None`: all.
    selection: Option<RowSelection>,
}

impl Chunk<'_> {
    fn pages(&self) -> Option<&[PageLocation]> {
        let pages = self.footer.offset_index()?.get(self.group)?.get(self.column)?;
        Some(pages.page_locations().as_slice())
    }

    /// Where the bytes lie: a dictionary, and the pages with wanted rows.
    fn ranges(&self) -> Vec<Range<u64>> {
        let (start, length) = self.footer.row_group(self.group).column(self.column).byte_range();
        let (Some(selection), Some(pages)) = (&self.selection, self.pages()) else {
            return std::iter::once(start..start + length).collect();
        };
        let first = pages.first().and_then(|page| u64::try_from(page.offset).ok());
        let dictionary = first.filter(|first| *first > start).map(|first| start..first);
        dictionary.into_iter().chain(selection.scan_ranges(pages)).collect()
    }

    fn decode(&self, pages: Pages, values: &mut Vec<i64>) -> parquet::errors::Result<()> {
        let group = self.footer.row_group(self.group);
        let descriptor = self.footer.file_metadata().schema_descr().column(self.column);
        let rows = usize::try_from(group.num_rows())?;
        let places = self.selection.as_ref().and_then(|_| self.pages()).map(<[_]>::to_vec);
        let levels = descriptor.max_def_level();
        let pages = SerializedPageReader::new(Arc::new(pages), group.column(self.column), rows, places)?;
        let mut reader = get_typed_column_reader::<Int64Type>(get_column_reader(descriptor, Box::new(pages)));
        let whole = [RowSelector::select(rows)];
        let selectors: Vec<RowSelector> = match &self.selection {
            Some(selection) => selection.iter().copied().collect(),
            None => whole.to_vec(),
        };
        let wanted: usize = selectors.iter().filter(|run| !run.skip).map(|run| run.row_count).sum();
        // A broken footer may tell of more rows than there is memory for; then they will not come.
        values.reserve(wanted.min(2 * ROWS));
        let mut defined = Vec::new();
        for RowSelector { row_count, skip } in selectors {
            let (before, mut done) = (values.len(), 0);
            if skip {
                done = reader.skip_records(row_count)?;
            }
            while !skip && done < row_count {
                defined.clear();
                let defined = (levels > 0).then_some(&mut defined);
                match reader.read_records(row_count - done, defined, None, values)? {
                    (0, ..) => break,
                    (more, ..) => done += more,
                }
            }
            let given = if skip { row_count } else { values.len() - before };
            if (done, given) != (row_count, row_count) {
                let fault = format!("of {row_count} rows of a row group there are {done}, {given} of them not NULL");
                return Err(ParquetError::EOF(fault));
            }
        }
        Ok(())
    }
}

/// Some pages of a file, by the place of their first byte.
struct Pages(Vec<(u64, Bytes)>);

impl Length for Pages {
    fn len(&self) -> u64 {
        self.0.last().map_or(0, |(start, bytes)| start + bytes.len() as u64)
    }
}

impl Pages {
    /// The bytes from `start` on, to the end of those that were read together.
    fn from(&self, start: u64) -> parquet::errors::Result<Bytes> {
        let after = self.0.partition_point(|(first, _)| *first <= start);
        let found = after.checked_sub(1).and_then(|place| {
            let (first, bytes) = &self.0[place];
            let before = usize::try_from(start - first).ok()?;
            (before <= bytes.len()).then(|| bytes.slice(before..))
        });
        found.ok_or_else(|| ParquetError::EOF(format!("a page lies at {start}, where none was told of")))
    }
}

impl ChunkReader for Pages {
    type T = buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(self.from(start)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let bytes = self.from(start)?;
        if bytes.len() < length {
            let fault = io::Error::from(io::ErrorKind::UnexpectedEof);
            return Err(ParquetError::External(Box::new(fault)));
        }
        Ok(bytes.slice(..length))
    }
}

#[cfg(test)]
mod tests {
    use parquet::arrow::ArrowWriter;
    use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
    use parquet::basic::{Compression, Encoding};
    use parquet::file::metadata::PageIndexPolicy;
    use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
    use proptest::prelude::*;

    use super::*;

    /// How a file is written: in pages of 10 rows, row groups of 50.
    #[derive(Debug, Clone)]
    struct Written {
        nullable: bool,
        dictionary: bool,
        delta: bool,
        compressed: bool,
        second_version: bool,
        paged: bool,
    }

    impl Written {
        fn file(&self, indexes: &[i64]) -> (Bytes, Arc<ParquetMetaData>) {
            let field = datafusion::arrow::datatypes::Field::new("_healpix_29", DataType::Int64, self.nullable);
            let schema = Arc::new(datafusion::arrow::datatypes::Schema::new(vec![field]));
            let column = Arc::new(Int64Array::from(indexes.to_vec()));
            let batch = RecordBatch::try_new(schema, vec![column]).unwrap();
            let mut properties = WriterProperties::builder()
                .set_data_page_row_count_limit(10)
                .set_write_batch_size(10)
                .set_max_row_group_row_count(Some(50))
                .set_dictionary_enabled(self.dictionary);
            if self.delta {
                properties = properties.set_encoding(Encoding::DELTA_BINARY_PACKED);
            }
            if self.compressed {
                properties = properties.set_compression(Compression::SNAPPY);
            }
            if self.second_version {
                properties = properties.set_writer_version(WriterVersion::PARQUET_2_0);
            }
            if !self.paged {
                properties = properties.set_statistics_enabled(EnabledStatistics::Chunk);
            }
            let mut bytes = Vec::new();
            let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties.build())).unwrap();
            writer.write(&batch).unwrap();
            writer.close().unwrap();
            let bytes = Bytes::from(bytes);
            let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
            let footer = ArrowReaderMetadata::load(&bytes, options).unwrap();
            (bytes, Arc::clone(footer.metadata()))
        }
    }

    fn written() -> impl Strategy<Value = Written> {
        any::<[bool; 6]>().prop_map(
            |[nullable, dictionary, delta, compressed, second_version, paged]| Written {
                nullable,
                dictionary,
                delta,
                compressed,
                second_version,
                paged,
            },
        )
    }

    fn part(bytes: &Bytes, range: &Range<u64>) -> Bytes {
        let place = |at| usize::try_from(at).unwrap();
        bytes.slice(place(range.start)..place(range.end))
    }

    /// What is read of a row group, given only the bytes that it asks for.
    fn decoded(bytes: &Bytes, footer: &ParquetMetaData, group: usize, selection: Option<RowSelection>) -> Vec<i64> {
        let column = column(footer, "_healpix_29").unwrap();
        let chunk = Chunk {
            footer,
            group,
            column,
            selection,
        };
        let pages = Pages(
            chunk
                .ranges()
                .into_iter()
                .map(|range| (range.start, part(bytes, &range)))
                .collect(),
        );
        let mut values = vec![-1];
        chunk.decode(pages, &mut values).unwrap();
        values.split_off(1)
    }

    proptest! {
        #[test]
        fn the_rows_of_wanted_pages_are_read(
            indexes in prop::collection::vec(0_i64..10_000, 1..300),
            sorted: bool,
            written in written(),
            starts in prop::collection::vec((0_u64..10_000, 1_u64..500), 0..6),
        ) {
            let mut indexes = indexes;
            if sorted {
                indexes.sort_unstable();
            }
            let wanted = CellRanges::from_ranges(starts.iter().map(|(start, length)| *start..start + length));
            let (bytes, footer) = written.file(&indexes);
            let plan = access(&footer, "_healpix_29", &wanted).plan;
            for (group, access) in plan.into_inner().into_iter().enumerate() {
                let rows = &indexes[50 * group..indexes.len().min(50 * group + 50)];
                let (selection, truth) = match access {
                    RowGroupAccess::Skip => continue,
                    RowGroupAccess::Scan => (None, rows.to_vec()),
                    RowGroupAccess::Selection(selection) => {
                        let runs: Vec<RowSelector> = selection.iter().copied().collect();
                        let mut rows = rows.iter();
                        let chosen = runs.iter().flat_map(|run| {
                            let run_rows: Vec<i64> = rows.by_ref().take(run.row_count).copied().collect();
                            if run.skip { Vec::new() } else { run_rows }
                        });
                        let truth = chosen.collect();
                        (Some(selection), truth)
                    }
                };
                prop_assert_eq!(decoded(&bytes, &footer, group, selection), truth);
            }
        }
    }

    fn plain() -> Written {
        Written {
            nullable: true,
            dictionary: false,
            delta: true,
            compressed: false,
            second_version: false,
            paged: true,
        }
    }

    #[test]
    fn what_may_be_null_or_no_integer_is_left_to_others() {
        let (_, footer) = plain().file(&[1, 2, 3]);
        assert_eq!(column(&footer, "_healpix_29"), Some(0));
        assert_eq!(column(&footer, "another"), None);
        let of = |values: datafusion::arrow::array::ArrayRef| {
            let batch = RecordBatch::try_from_iter([("_healpix_29", values)]).unwrap();
            let mut bytes = Vec::new();
            let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
            writer.write(&batch).unwrap();
            writer.close().unwrap();
            let footer = ArrowReaderMetadata::load(&Bytes::from(bytes), ArrowReaderOptions::new()).unwrap();
            column(footer.metadata(), "_healpix_29")
        };
        assert_eq!(of(Arc::new(Int64Array::from(vec![Some(1), None]))), None);
        assert_eq!(of(Arc::new(datafusion::arrow::array::UInt64Array::from(vec![1]))), None);
        assert_eq!(of(Arc::new(datafusion::arrow::array::Int32Array::from(vec![1]))), None);
        assert_eq!(
            of(Arc::new(datafusion::arrow::array::Float64Array::from(vec![1.0]))),
            None
        );
        assert_eq!(
            of(Arc::new(datafusion::arrow::array::TimestampMicrosecondArray::from(
                vec![1]
            ))),
            None
        );
        assert_eq!(of(Arc::new(Int64Array::from(vec![1]))), Some(0));
    }

    /// Bytes that are not what the footer says are an error, or a panic of the decoder that its caller catches.
    #[test]
    fn broken_pages_are_not_passed_over() {
        let indexes: Vec<i64> = (0..50).map(|row| row * row).collect();
        let (bytes, footer) = plain().file(&indexes);
        let chunk = Chunk {
            footer: &footer,
            group: 0,
            column: 0,
            selection: None,
        };
        let range = chunk.ranges().remove(0);
        let of = |bytes: Bytes| {
            let mut values = Vec::new();
            let pages = Pages(vec![(range.start, bytes)]);
            let decoded = catch_unwind(AssertUnwindSafe(|| chunk.decode(pages, &mut values).map(|()| values)));
            decoded.ok().and_then(parquet::errors::Result::ok)
        };
        let whole = part(&bytes, &range);
        assert_eq!(of(whole.clone()), Some(indexes));
        for cut in [0, 1, 20, whole.len() / 2, whole.len() - 1] {
            assert_eq!(of(whole.slice(..cut)), None, "{cut} of {} bytes", whole.len());
        }
        assert_eq!(of(vec![0; whole.len()].into()), None);
    }
}
