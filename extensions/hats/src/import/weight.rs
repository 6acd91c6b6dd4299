//! What each row takes in memory, so that tiles can be cut by bytes where rows differ: long strings, light curves.

use datafusion::arrow::array::{Array, AsArray, GenericListArray, OffsetSizeTrait, RecordBatch};
use datafusion::arrow::datatypes::{ByteArrayType, DataType, GenericBinaryType, GenericStringType};

/// Bytes of every row, in its columns of any type.
pub(crate) fn row_bytes(batch: &RecordBatch) -> Vec<u64> {
    let mut bytes = vec![0; batch.num_rows()];
    for column in batch.columns() {
        add(column.as_ref(), &mut bytes);
    }
    bytes
}

/// Adds the bytes of each value to those of its row.
fn add(array: &dyn Array, bytes: &mut [u64]) {
    match array.data_type() {
        DataType::Utf8 => add_lengths::<GenericStringType<i32>>(array, bytes),
        DataType::LargeUtf8 => add_lengths::<GenericStringType<i64>>(array, bytes),
        DataType::Binary => add_lengths::<GenericBinaryType<i32>>(array, bytes),
        DataType::LargeBinary => add_lengths::<GenericBinaryType<i64>>(array, bytes),
        DataType::List(_) => add_lists::<i32>(array.as_list(), bytes),
        DataType::LargeList(_) => add_lists::<i64>(array.as_list(), bytes),
        DataType::Struct(_) => {
            for column in array.as_struct().columns() {
                add(column.as_ref(), bytes);
            }
        }
        kind => {
            let each = kind.primitive_width().unwrap_or_else(|| mean(array));
            bytes.iter_mut().for_each(|bytes| *bytes += each as u64);
        }
    }
}

fn add_lengths<T: ByteArrayType>(array: &dyn Array, bytes: &mut [u64]) {
    let array = array.as_bytes::<T>();
    for (bytes, length) in bytes.iter_mut().zip(array.offsets().lengths()) {
        *bytes += (length + size_of::<T::Offset>()) as u64;
    }
}

fn add_lists<O: OffsetSizeTrait>(lists: &GenericListArray<O>, bytes: &mut [u64]) {
    let first = lists.offsets().first().map_or(0, |at| at.as_usize());
    let count = lists.offsets().last().map_or(0, |at| at.as_usize()) - first;
    let values = lists.values().slice(first, count);
    let fixed = values.data_type().primitive_width();
    let mut items = Vec::new();
    if fixed.is_none() {
        items.resize(count, 0);
        add(values.as_ref(), &mut items);
    }
    let mut at = 0;
    for (bytes, length) in bytes.iter_mut().zip(lists.offsets().lengths()) {
        let inside = match fixed {
            Some(each) => (each * length) as u64,
            None => items[at..at + length].iter().sum(),
        };
        *bytes += inside + size_of::<O>() as u64;
        at += length;
    }
}

/// For types whose values are not told apart.
fn mean(array: &dyn Array) -> usize {
    array.get_array_memory_size().div_ceil(array.len().max(1))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, ListArray, StringArray, StructArray};
    use datafusion::arrow::datatypes::{Field, Float64Type};

    use super::*;

    #[test]
    fn every_row_weighs_what_it_holds() {
        let lists = vec![Some(vec![Some(1.0); 3]), None, Some(vec![Some(1.0); 10])];
        let list: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(lists));
        let field = Arc::new(Field::new("mag", list.data_type().clone(), true));
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("id", Arc::new(Int64Array::from(vec![1, 2, 3]))),
            ("ra", Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0]))),
            ("name", Arc::new(StringArray::from(vec![Some("abc"), None, Some("")]))),
            ("lc", Arc::new(StructArray::from(vec![(field, list)]))),
        ];
        let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap();
        assert_eq!(row_bytes(&batch), [8 + 8 + 7 + 28, 8 + 8 + 4 + 4, 8 + 8 + 4 + 84]);
        assert_eq!(row_bytes(&batch.slice(2, 1)), [104]);
    }
}
