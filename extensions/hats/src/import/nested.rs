//! Types of stored columns: views and dictionaries become plain, and a light curve, a list of structs, becomes a struct
//! of lists, of which readers take single lists.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListArray, StructArray};
use datafusion::arrow::compute::{cast, is_null, nullif};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::error::DataFusionError;

use crate::error::HatsError;

/// The field under which a column is stored.
pub(crate) fn stored_field(field: &Field) -> Field {
    let kind = match items(field.data_type()) {
        Some(fields) => DataType::Struct(fields.iter().map(list_of).collect()),
        None => plain(field.data_type()),
    };
    field.clone().with_data_type(kind)
}

/// The column in the type of `stored`.
///
/// # Errors
/// Values that the type cannot hold; a light curve whose lists differ in length within a row.
pub(crate) fn stored_column(column: &ArrayRef, stored: &Field) -> Result<ArrayRef, DataFusionError> {
    let column = match items(column.data_type()) {
        Some(fields) => nested(column, fields)?,
        None if column.data_type() == stored.data_type() => Arc::clone(column),
        None => cast(column, stored.data_type())?,
    };
    if let Some(fault) = ragged(&column) {
        let input = format!("column {}", stored.name());
        return Err(HatsError::Input { input, fault }.into());
    }
    Ok(column)
}

/// The fields of a list of structs.
fn items(kind: &DataType) -> Option<&Fields> {
    match kind {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => match item.data_type() {
            DataType::Struct(fields) if !fields.is_empty() => Some(fields),
            _ => None,
        },
        _ => None,
    }
}

fn list_of(field: &FieldRef) -> Field {
    let item = Field::new_list_field(plain(field.data_type()), true);
    let metadata = field.metadata().clone();
    Field::new(field.name(), DataType::List(Arc::new(item)), true).with_metadata(metadata)
}

/// The type without views, dictionaries and the like, which are the engine's, not for files.
fn plain(kind: &DataType) -> DataType {
    let item = |field: &FieldRef| Arc::new(field.as_ref().clone().with_data_type(plain(field.data_type())));
    match kind {
        DataType::Utf8View | DataType::Null => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, values) => plain(values),
        DataType::RunEndEncoded(_, values) => plain(values.data_type()),
        DataType::List(field) | DataType::ListView(field) => DataType::List(item(field)),
        DataType::LargeList(field) | DataType::LargeListView(field) => DataType::LargeList(item(field)),
        DataType::FixedSizeList(field, size) => DataType::FixedSizeList(item(field), *size),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(item).collect()),
        other => other.clone(),
    }
}

/// A list of structs as a struct of lists. The lists share their lengths.
fn nested(column: &ArrayRef, fields: &Fields) -> Result<ArrayRef, DataFusionError> {
    let item = Field::new_list_field(DataType::Struct(fields.clone()), true);
    let lists = cast(column, &DataType::List(Arc::new(item)))?;
    let lists = lists.as_list::<i32>();
    let structs = lists.values().as_struct();
    let absent = (structs.null_count() > 0).then(|| is_null(structs)).transpose()?;
    let mut columns: Vec<ArrayRef> = Vec::new();
    for (field, values) in fields.iter().zip(structs.columns()) {
        let mut values = cast(values, &plain(field.data_type()))?;
        if let Some(absent) = &absent {
            values = nullif(&values, absent)?;
        }
        let item = Arc::new(Field::new_list_field(values.data_type().clone(), true));
        let list = ListArray::try_new(item, lists.offsets().clone(), values, lists.nulls().cloned())?;
        columns.push(Arc::new(list));
    }
    let stored: Fields = fields.iter().map(list_of).collect();
    Ok(Arc::new(StructArray::try_new(stored, columns, lists.nulls().cloned())?))
}

/// What is wrong with a struct of lists of which some row has lists of different lengths.
fn ragged(column: &ArrayRef) -> Option<String> {
    let curve = column.as_struct_opt()?;
    let lists: Vec<&ListArray> = curve
        .columns()
        .iter()
        .map(|list| list.as_list_opt())
        .collect::<Option<_>>()?;
    let length = |list: &ListArray, row| {
        if list.is_null(row) { 0 } else { list.value_length(row) }
    };
    let (first, others) = lists.split_first()?;
    for row in (0..curve.len()).filter(|row| curve.is_valid(*row)) {
        let expected = length(first, row);
        for (at, list) in others.iter().enumerate() {
            let found = length(list, row);
            if found != expected {
                let (a, b) = (curve.column_names()[0], curve.column_names()[at + 1]);
                return Some(format!(
                    "a light curve must have lists of one length in each row, but a row has {expected} of {a} and \
                     {found} of {b}; store lists of other lengths in columns of their own"
                ));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Float64Array, Int32Array, ListBuilder, StringViewArray, StructBuilder};
    use datafusion::arrow::array::{Float64Builder, StringBuilder};
    use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};

    use super::*;

    fn curves() -> ArrayRef {
        let fields = vec![
            Field::new("mjd", DataType::Float64, true),
            Field::new("band", DataType::Utf8, true),
        ];
        let structs = StructBuilder::new(
            fields,
            vec![Box::new(Float64Builder::new()), Box::new(StringBuilder::new())],
        );
        let mut lists = ListBuilder::new(structs);
        let point = |lists: &mut ListBuilder<StructBuilder>, mjd, band: &str, valid| {
            let point = lists.values();
            point.field_builder::<Float64Builder>(0).unwrap().append_value(mjd);
            point.field_builder::<StringBuilder>(1).unwrap().append_value(band);
            point.append(valid);
        };
        point(&mut lists, 1.0, "g", true);
        point(&mut lists, 2.0, "r", false);
        lists.append(true);
        lists.append(false);
        lists.append(true);
        point(&mut lists, 3.0, "i", true);
        lists.append(true);
        Arc::new(lists.finish())
    }

    #[test]
    fn a_list_of_structs_becomes_a_struct_of_lists() {
        let given = curves();
        let field = stored_field(&Field::new("lc", given.data_type().clone(), true));
        for slice in [0, 1, 2] {
            let stored = stored_column(&given.slice(slice, 4 - slice), &field).unwrap();
            assert_eq!(stored.data_type(), field.data_type());
            let curve = stored.as_struct();
            let lengths: Vec<_> = (0..curve.len())
                .map(|row| {
                    curve
                        .is_valid(row)
                        .then(|| curve.column(0).as_list::<i32>().value_length(row))
                })
                .collect();
            assert_eq!(lengths, [Some(2), None, Some(0), Some(1)][slice..]);
        }
        let stored = stored_column(&given, &field).unwrap();
        let mjd = stored.as_struct().column(0).as_list::<i32>().value(0);
        assert_eq!(
            (mjd.len(), mjd.null_count()),
            (2, 1),
            "a point that is NULL has NULL in every list"
        );
    }

    #[test]
    fn lists_of_different_lengths_are_refused() {
        let list = |ends: Vec<i32>, count: i32| -> ArrayRef {
            let item = Arc::new(Field::new_list_field(DataType::Int32, true));
            let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
            Arc::new(ListArray::new(
                item,
                offsets,
                Arc::new(Int32Array::from_iter_values(0..count)),
                None,
            ))
        };
        let curve = |ends: Vec<i32>, nulls: Option<NullBuffer>| -> ArrayRef {
            let (a, b) = (list(vec![0, 2, 3], 3), list(ends, 3));
            let field = |name: &str, list: &ArrayRef| Field::new(name, list.data_type().clone(), true);
            let fields = Fields::from(vec![field("a", &a), field("b", &b)]);
            Arc::new(StructArray::new(fields, vec![a, b], nulls))
        };
        let stored = |curve: &ArrayRef| stored_column(curve, &Field::new("lc", curve.data_type().clone(), true));
        stored(&curve(vec![0, 2, 3], None)).unwrap();
        let told = stored(&curve(vec![0, 1, 3], None)).unwrap_err().to_string();
        assert!(
            told.contains("column lc") && told.contains("2 of a and 1 of b"),
            "{told}"
        );
        // A curve that is NULL has no lengths.
        stored(&curve(vec![0, 1, 2], Some(vec![false, true].into()))).unwrap();
    }

    #[test]
    fn views_and_dictionaries_become_plain() {
        let plain = |kind| stored_field(&Field::new("x", kind, true)).data_type().clone();
        assert_eq!(plain(DataType::Utf8View), DataType::Utf8);
        let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8View));
        assert_eq!(plain(dictionary), DataType::Utf8);
        let list = |kind| DataType::List(Arc::new(Field::new_list_field(kind, true)));
        assert_eq!(plain(list(DataType::Utf8View)), list(DataType::Utf8));
        assert_eq!(plain(list(DataType::Float32)), list(DataType::Float32));
        let views: ArrayRef = Arc::new(StringViewArray::from(vec!["a", "b"]));
        let stored = stored_column(&views, &Field::new("x", DataType::Utf8, true)).unwrap();
        assert_eq!(stored.as_string::<i32>().value(1), "b");
        let numbers: ArrayRef = Arc::new(Float64Array::from(vec![1.0]));
        assert_eq!(
            &stored_column(&numbers, &Field::new("x", DataType::Float64, true)).unwrap(),
            &numbers
        );
    }
}
