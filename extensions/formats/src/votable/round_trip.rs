//! Tests: what the writer writes, the reader reads as it was, in both serialisations.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, BooleanBuilder, FixedSizeListBuilder, Float32Array,
    Float32Builder, Float64Array, Float64Builder, Int8Array, Int16Array, Int16Builder, Int32Array, Int32Builder,
    Int64Array, ListBuilder, RecordBatch, StringArray, TimestampMillisecondArray, UInt8Array, UInt16Array, UInt32Array,
    UInt64Array, new_null_array,
};
use arrow::buffer::NullBuffer;
use arrow::compute::{cast, concat_batches, nullif};
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Schema, UInt8Type};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use super::{Serialization, VotableReader, VotableWriter};
use crate::FormatError;

fn written(batches: &[RecordBatch], serialization: Serialization) -> Vec<u8> {
    let schema = batches[0].schema();
    let mut writer = VotableWriter::new(
        Vec::new(),
        schema,
        serialization,
        Some("a \"table\" & more"),
        Some("<so>"),
    );
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.finish().unwrap()
}

fn read(document: &[u8], batch_rows: usize) -> RecordBatch {
    let reader = VotableReader::open(document).unwrap().with_batch_rows(batch_rows);
    let schema = reader.schema();
    let batches: Vec<_> = reader.map(Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

/// What is expected to come back: NaN is NULL, and so is an empty cell of TABLEDATA.
fn expected(array: &ArrayRef, serialization: Serialization) -> ArrayRef {
    let nan = match array.data_type() {
        DataType::Float32 => array
            .as_primitive::<Float32Type>()
            .iter()
            .map(|x| x.map(f32::is_nan))
            .collect(),
        DataType::Float64 => array
            .as_primitive::<Float64Type>()
            .iter()
            .map(|x| x.map(f64::is_nan))
            .collect(),
        DataType::Utf8 if serialization == Serialization::TableData => array
            .as_string::<i32>()
            .iter()
            .map(|text| text.map(str::is_empty))
            .collect(),
        DataType::Binary if serialization == Serialization::TableData => array
            .as_binary::<i32>()
            .iter()
            .map(|bytes| bytes.map(<[u8]>::is_empty))
            .collect(),
        DataType::List(_) if serialization == Serialization::TableData => {
            let lists = array.as_list::<i32>();
            (0..lists.len()).map(|row| Some(lists.value_length(row) == 0)).collect()
        }
        _ => BooleanArray::from(vec![false; array.len()]),
    };
    nullif(array, &nan).unwrap()
}

/// Bytes come back as a list of them.
fn as_bytes(array: &ArrayRef) -> ArrayRef {
    let lists = array.as_list::<i32>();
    let cells = (0..lists.len()).map(|row| {
        let bytes = lists.value(row);
        lists
            .is_valid(row)
            .then(|| bytes.as_primitive::<UInt8Type>().values().to_vec())
    });
    Arc::new(BinaryArray::from_iter(cells))
}

type Row = (
    (
        Option<bool>,
        Option<u8>,
        Option<i8>,
        Option<i16>,
        Option<u16>,
        Option<i32>,
        Option<u32>,
        Option<i64>,
    ),
    (Option<u64>, Option<f32>, Option<f64>, Option<String>, Option<Vec<u8>>),
    (
        Option<Vec<Option<f64>>>,
        Option<Vec<Option<i32>>>,
        Option<[Option<i16>; 3]>,
        Option<Vec<Option<bool>>>,
    ),
    Option<[[f32; 2]; 2]>,
);

fn row() -> impl Strategy<Value = Row> {
    let letters = vec(select("aZ <>&'\"é☃😀\n\r\t]".chars().collect::<Vec<_>>()), 0..6);
    let text = letters.prop_map(|letters| letters.into_iter().collect::<String>());
    let numbers = (
        any::<Option<bool>>(),
        any::<Option<u8>>(),
        any::<Option<i8>>(),
        any::<Option<i16>>(),
        any::<Option<u16>>(),
        any::<Option<i32>>(),
        any::<Option<u32>>(),
        any::<Option<i64>>(),
    );
    let others = (
        of(0..1_u64 << 63),
        any::<Option<f32>>(),
        any::<Option<f64>>(),
        of(text),
        any::<Option<Vec<u8>>>(),
    );
    let lists = (
        of(vec(any::<Option<f64>>(), 0..4)),
        of(vec(of(i32::MIN + 1..), 0..4)),
        of([of(i16::MIN + 1..), of(i16::MIN + 1..), of(i16::MIN + 1..)]),
        of(vec(any::<Option<bool>>(), 0..4)),
    );
    (numbers, others, lists, any::<Option<[[f32; 2]; 2]>>())
}

/// A column for each member of a row.
fn batch(rows: &[Row]) -> RecordBatch {
    fn column<A: FromIterator<T> + Array + 'static, T>(rows: &[Row], value: impl Fn(&Row) -> T) -> ArrayRef {
        Arc::new(rows.iter().map(value).collect::<A>())
    }
    let mut floats = ListBuilder::new(Float64Builder::new());
    let mut integers = ListBuilder::new(Int32Builder::new());
    let mut truths = ListBuilder::new(BooleanBuilder::new());
    let mut triples = FixedSizeListBuilder::new(Int16Builder::new(), 3);
    let mut matrices = FixedSizeListBuilder::new(FixedSizeListBuilder::new(Float32Builder::new(), 2), 2);
    for (_, _, (float, integer, triple, truth), matrix) in rows {
        floats.append_option(float.clone());
        integers.append_option(integer.clone());
        truths.append_option(truth.clone());
        triple
            .unwrap_or_default()
            .iter()
            .for_each(|number| triples.values().append_option(*number));
        triples.append(triple.is_some());
        for pair in matrix.unwrap_or_default() {
            matrices.values().values().append_slice(&pair);
            matrices.values().append(true);
        }
        matrices.append(matrix.is_some());
    }
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("boolean", column::<BooleanArray, _>(rows, |row| row.0.0)),
        ("uint8", column::<UInt8Array, _>(rows, |row| row.0.1)),
        ("int8", column::<Int8Array, _>(rows, |row| row.0.2)),
        ("int16", column::<Int16Array, _>(rows, |row| row.0.3)),
        ("uint16", column::<UInt16Array, _>(rows, |row| row.0.4)),
        ("int32", column::<Int32Array, _>(rows, |row| row.0.5)),
        ("uint32", column::<UInt32Array, _>(rows, |row| row.0.6)),
        ("int64", column::<Int64Array, _>(rows, |row| row.0.7)),
        ("uint64", column::<UInt64Array, _>(rows, |row| row.1.0)),
        ("float32", column::<Float32Array, _>(rows, |row| row.1.1)),
        ("float64", column::<Float64Array, _>(rows, |row| row.1.2)),
        ("text", column::<StringArray, _>(rows, |row| row.1.3.clone())),
        ("bytes", column::<BinaryArray, _>(rows, |row| row.1.4.clone())),
        ("floats", Arc::new(floats.finish())),
        ("integers", Arc::new(integers.finish())),
        ("triples", Arc::new(triples.finish())),
        ("truths", Arc::new(truths.finish())),
        ("matrices", Arc::new(matrices.finish())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_written_is_read(rows in vec(row(), 0..12), cut in 0..12_usize, batch_rows in 1..9_usize) {
        let whole = batch(&rows);
        let cut = cut.min(rows.len());
        let parts = [whole.slice(0, cut), whole.slice(cut, rows.len() - cut)];
        for serialization in [Serialization::TableData, Serialization::Binary2] {
            let found = read(&written(&parts, serialization), batch_rows);
            prop_assert_eq!(found.num_rows(), rows.len());
            for (field, array) in whole.schema().fields().iter().zip(whole.columns()) {
                let column = found.column_by_name(field.name()).unwrap();
                let column = match field.data_type() {
                    DataType::Binary => as_bytes(column),
                    data_type => cast(column, data_type).unwrap(),
                };
                prop_assert_eq!(&column, &expected(array, serialization), "{} as {:?}", field.name(), serialization);
            }
        }
    }
}

#[test]
fn metadata_travel() {
    let notes = [
        ("unit", "deg"),
        ("ucd", "pos.eq.ra;meta.main"),
        ("utype", "a:b.c"),
        ("xtype", "x\"y"),
        ("description", "a < b & c"),
    ];
    let notes = notes.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let field = Field::new("ra \"&\"", DataType::Float64, true).with_metadata(notes);
    let schema = Arc::new(Schema::new(vec![field.clone()]));
    for serialization in [Serialization::TableData, Serialization::Binary2] {
        let writer = VotableWriter::new(Vec::new(), Arc::clone(&schema), serialization, None, None);
        let document = writer.finish().unwrap();
        let mut reader = VotableReader::open(document.as_slice()).unwrap();
        assert_eq!(reader.schema().field(0), &field);
        assert!(reader.next().is_none());
    }
}

fn text_of(array: ArrayRef) -> Vec<Option<String>> {
    let batch = RecordBatch::try_from_iter_with_nullable([("x", array, true)]).unwrap();
    let found = read(&written(&[batch], Serialization::Binary2), 8);
    found
        .column(0)
        .as_string::<i32>()
        .iter()
        .map(|text| text.map(str::to_owned))
        .collect()
}

#[test]
fn types_without_a_form_of_their_own_become_text() {
    let time = TimestampMillisecondArray::from(vec![Some(1_600_000_000_500), None, Some(0)]);
    let iso = [
        Some("2020-09-13T12:26:40.500".to_owned()),
        None,
        Some("1970-01-01T00:00:00".to_owned()),
    ];
    assert_eq!(text_of(Arc::new(time.clone())), iso);
    assert_eq!(text_of(Arc::new(time.with_timezone("+02:00"))), iso);
    let mut names = ListBuilder::new(arrow::array::StringBuilder::new());
    names.append_value([Some("a\"b"), None]);
    names.append_null();
    assert_eq!(
        text_of(Arc::new(names.finish())),
        [Some("[\"a\\\"b\",null]".to_owned()), None]
    );
    assert_eq!(text_of(new_null_array(&DataType::Null, 2)), [None, None]);
    let categories = cast(
        &StringArray::from(vec![Some("x"), None]),
        &DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8)),
    );
    assert_eq!(text_of(categories.unwrap()), [Some("x".to_owned()), None]);
}

#[test]
fn what_cannot_be_written_is_an_error() {
    let refused = |array: ArrayRef| -> FormatError {
        let batch = RecordBatch::try_from_iter_with_nullable([("x", array, true)]).unwrap();
        let mut writer = VotableWriter::new(Vec::new(), batch.schema(), Serialization::TableData, None, None);
        writer.write(&batch).unwrap_err()
    };
    let large = refused(Arc::new(UInt64Array::from(vec![1, u64::MAX]))).to_string();
    assert!(
        large.starts_with("column \"x\"") && large.contains("cast it to text"),
        "{large}"
    );
    let mut integers = ListBuilder::new(Int32Builder::new());
    integers.append_value([Some(1), Some(i32::MIN)]);
    let null = refused(Arc::new(integers.finish())).to_string();
    assert!(null.starts_with("row 1, column \"x\": -2147483648"), "{null}");
}

#[test]
fn control_characters_do_not_break_the_document() {
    let batch = RecordBatch::try_from_iter([("x", Arc::new(StringArray::from(vec!["a\u{1}b"])) as ArrayRef)]).unwrap();
    let found = read(&written(&[batch], Serialization::TableData), 8);
    assert_eq!(found.column(0).as_string::<i32>().value(0), "a\u{fffd}b");
}

#[test]
fn a_document_without_its_end_is_refused() {
    let rows = Arc::new(Int32Array::new((0..100).collect(), Some(NullBuffer::new_valid(100)))) as ArrayRef;
    let batch = RecordBatch::try_from_iter([("x", rows)]).unwrap();
    for serialization in [Serialization::TableData, Serialization::Binary2] {
        let document = written(std::slice::from_ref(&batch), serialization);
        let rest = document.len() - "</RESOURCE>\n</VOTABLE>\n".len();
        for length in (0..rest).step_by(7) {
            let whole: crate::Result<Vec<_>> = VotableReader::open(&document[..length]).and_then(Iterator::collect);
            assert!(whole.is_err(), "{serialization:?}, {length} bytes");
        }
    }
}
