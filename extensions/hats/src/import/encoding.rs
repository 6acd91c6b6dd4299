//! How the columns of leaves are encoded, as measured: 482 176 bright stars of Gaia DR3 in the order of the curve (index,
//! id, two doubles, three floats; 21.3 MB in memory), row groups of 131 072, one core, optimised build, time of that core.
//!
//! | ZSTD | floats     | integers   |      MB | write MB/s | read MB/s |
//! |-----:|------------|------------|--------:|-----------:|----------:|
//! |    3 | dictionary | dictionary |   23.53 |         83 |       786 |
//! |    3 | plain      | dictionary |   18.87 |        257 |       888 |
//! |    3 | plain      | plain      |   17.95 |        313 |      1338 |
//! |    3 | split      | plain      |   16.34 |        345 |      1068 |
//! |    3 | split      | delta      |   15.60 |        355 |      1349 |
//! |    1 | split      | delta      |   15.63 |        458 |      1348 |
//! |    6 | split      | delta      |   15.56 |        200 |      1335 |
//! |    9 | split      | delta      |   15.55 |        129 |      1409 |
//! |   15 | split      | delta      |   15.30 |         19 |      1606 |
//!
//! Dictionaries of values that hardly repeat cost most of all; levels above 3 buy next to nothing. Level 3 stays for the
//! sake of texts, which the sample does not have.
//!
//! Where compression saves little, it costs more than it saves: of pages of 8 KB, ten million rows of twenty columns
//! of a generated survey, ZSTD leaves 0.74 to 0.76 of positions and magnitudes, 0.89 to 0.93 of errors and motions, and
//! all of identifiers packed as differences. Left plain, index, ra and dec of it are read in 0.11 s instead of 0.25 (two
//! cores, warm). Hence `judged`.

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::Schema;
use parquet::arrow::{ArrowSchemaConverter, ArrowWriter};
use parquet::basic::{Compression, Encoding, Type};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

use super::ImportOptions;
use crate::error::Result;
use crate::layout;

/// A dictionary lies before the first page of a chunk and is read whole, however few rows are wanted: only small ones are
/// worth it.
const DICTIONARY_BYTES: usize = 16 << 10;

/// Rows after which it is seen whether a page is full, and rows of a page of the index, by which those of the others are
/// chosen. The sort gives a multiple of it at a time, so pages end together and what is chosen straddles few.
const BATCH_ROWS: usize = 1024;

/// Bytes of a page and the most rows, the least that can be read of a column: a few stars here and there must not cost whole
/// row groups, nor each of many pages more than what is in it. Doubles come to 1024 rows a page, floats to 2048, of which ten
/// million are summed up in 0.87 of the time that pages of 1024 take.
const PAGE_BYTES: usize = 8 * BATCH_ROWS;
const PAGE_ROWS: usize = 4 * BATCH_ROWS;

/// Rows by which a leaf is judged, and the fewest that say anything.
const SAMPLE_ROWS: std::ops::RangeInclusive<usize> = 4096..=8192;

/// A column is compressed where that leaves at most so much of it. Decoding what was not compressed is several times as
/// fast, and the last digits of measurements are noise, of which no method makes less.
const WORTH_IT: f64 = 0.7;

/// How every Parquet file of a catalogue is written: ZSTD, the index, which is sorted, as small differences, and other
/// columns by their type.
pub(crate) fn properties(schema: &Schema, options: &ImportOptions) -> Result<WriterProperties> {
    let bytes = usize::try_from(options.held_row_group_bytes()).unwrap_or(usize::MAX);
    let sorted = SortingColumn {
        column_idx: 0,
        descending: false,
        nulls_first: false,
    };
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("dreyer version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(options.zstd()?))
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        .set_data_page_size_limit(PAGE_BYTES)
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(BATCH_ROWS)
        .set_column_data_page_size_limit(ColumnPath::from(layout::INDEX_COLUMN), 1)
        // Where row groups end is planned, not counted; but large rows must not pile up.
        .set_max_row_group_row_count(None)
        .set_max_row_group_bytes(Some(bytes))
        .set_sorting_columns(Some(vec![sorted]));
    properties = by_type(properties, schema)?;
    Ok(properties.build())
}

/// `usual` with those columns left uncompressed that compression makes hardly smaller, as tried on `sample`; `None` if
/// there are too few rows to tell.
///
/// # Errors
/// The rows cannot be written, which then holds for the leaf as well.
pub fn judged(usual: &WriterProperties, sample: &RecordBatch) -> Result<Option<WriterProperties>> {
    if sample.num_rows() < *SAMPLE_ROWS.start() {
        return Ok(None);
    }
    let mut writer = ArrowWriter::try_new(Vec::new(), sample.schema(), Some(usual.clone()))?;
    writer.write(&sample.slice(0, sample.num_rows().min(*SAMPLE_ROWS.end())))?;
    let footer = writer.finish()?;
    let mut properties = usual.clone().into_builder();
    for column in footer.row_groups().iter().flat_map(|group| group.columns()) {
        if column.compressed_size() as f64 <= WORTH_IT * column.uncompressed_size() as f64 {
            continue;
        }
        let path = || column.column_path().clone();
        properties = properties.set_column_compression(path(), Compression::UNCOMPRESSED);
        // Splitting into streams of bytes is done for the sake of compression alone.
        if matches!(column.column_type(), Type::FLOAT | Type::DOUBLE) {
            properties = properties.set_column_encoding(path(), Encoding::PLAIN);
        }
    }
    Ok(Some(properties.build()))
}

/// Encodings of the columns of `schema` by what they hold: the fastest and smallest of those measured.
///
/// # Errors
/// A column has a type that Parquet does not.
pub fn by_type(mut properties: WriterPropertiesBuilder, schema: &Schema) -> Result<WriterPropertiesBuilder> {
    for column in ArrowSchemaConverter::new().convert(schema)?.columns() {
        let path = column.path();
        let is_index = path.parts() == [layout::INDEX_COLUMN];
        properties = encoded(properties, path, column.physical_type(), is_index);
    }
    Ok(properties)
}

fn encoded(
    properties: WriterPropertiesBuilder,
    path: &ColumnPath,
    kind: Type,
    is_index: bool,
) -> WriterPropertiesBuilder {
    match kind {
        // The bytes of neighbours in the sky are alike, byte by byte; their values hardly ever repeat.
        Type::FLOAT | Type::DOUBLE => properties
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_encoding(path.clone(), Encoding::BYTE_STREAM_SPLIT),
        // A dictionary that outgrows its limit gives way to differences.
        Type::INT32 | Type::INT64 => properties
            .set_column_dictionary_enabled(path.clone(), !is_index)
            .set_column_encoding(path.clone(), Encoding::DELTA_BINARY_PACKED),
        _ => properties,
    }
}
