//! What PostgreSQL asks of arrays and the engine does not know.

use datafusion::arrow::array::Array;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Volatility;
use pgwire::api::Type;

use super::argument::{elements, integer};
use super::{Compute, Returns, Row, pure};

pub(super) const ROWS: &[Row] = &[
    pure("array_lower", Type::INT4, |arguments| Ok(bound(arguments, |_| 1))),
    pure("array_upper", Type::INT4, |arguments| {
        Ok(bound(arguments, |length| length))
    }),
    // What ARRAY(SELECT …) without rows gives.
    pure("no_texts", Type::TEXT_ARRAY, |_| Ok(texts(Vec::new()))),
    // What ARRAY(SELECT …) becomes: array_agg gives NULL where that gives an empty array.
    Row {
        name: "array_or_empty",
        returns: Returns::Same,
        volatility: Volatility::Immutable,
        compute: Compute::Pure(or_empty),
    },
];

/// The first dimension's first or last index; NULL for an array without elements or another dimension.
fn bound(arguments: &[ScalarValue], of: fn(i32) -> i32) -> ScalarValue {
    let length = elements(arguments, 0)
        .map(|elements| elements.len())
        .filter(|length| *length > 0);
    let first = integer(arguments, 1).unwrap_or(1) == 1;
    ScalarValue::Int32(
        length
            .filter(|_| first)
            .and_then(|length| i32::try_from(length).ok())
            .map(of),
    )
}

fn or_empty(arguments: &[ScalarValue]) -> Result<ScalarValue> {
    let value = arguments.first().cloned().unwrap_or(ScalarValue::Null);
    match value.data_type() {
        DataType::List(item) if value.is_null() => {
            Ok(ScalarValue::List(ScalarValue::new_list_nullable(&[], item.data_type())))
        }
        _ => Ok(value),
    }
}

/// A list of texts.
pub(super) fn texts(items: Vec<String>) -> ScalarValue {
    let items: Vec<ScalarValue> = items.into_iter().map(|item| ScalarValue::Utf8(Some(item))).collect();
    ScalarValue::List(ScalarValue::new_list_nullable(&items, &DataType::Utf8))
}
