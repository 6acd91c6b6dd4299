//! Casts to the types that only PostgreSQL has: the value stays, the column is described as the type.

use datafusion::arrow::array::Array;
use datafusion::arrow::datatypes::FieldRef;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::ColumnarValue;
use pgwire::api::Type;

use super::super::catalog::routine_number;
use super::super::encode::PG_TYPE;
use super::argument::{oid, some_text, text};
use super::{Row, at, pure};

/// The function that makes a number of whatever names an object.
pub(super) const NUMBER: &str = "oid";

pub(super) const ROWS: &[Row] = &[
    pure(NUMBER, Type::OID, |arguments| {
        Ok(ScalarValue::UInt32(oid(arguments, 0)))
    }),
    pure("xid", Type::XID, |arguments| Ok(ScalarValue::UInt32(oid(arguments, 0)))),
    pure("name", Type::NAME, as_text),
    pure("char", Type::CHAR, |arguments| {
        Ok(some_text(
            text(arguments, 0).map(|text| text.chars().take(1).collect::<String>()),
        ))
    }),
    pure("regproc", Type::REGPROC, as_text),
    pure("inet", Type::INET, as_text),
    pure("json_text", Type::JSON, as_text),
];

/// Whether the argument is a regproc, which is kept as the name that it shows.
pub(super) fn names_a_function(fields: &[FieldRef]) -> bool {
    let named = |field: &FieldRef| {
        field
            .metadata()
            .get(PG_TYPE)
            .is_some_and(|name| name == Type::REGPROC.name())
    };
    fields.first().is_some_and(named)
}

/// Names of functions as numbers: 0 for `-`, which is no function.
pub(super) fn number_functions(arguments: &mut [ColumnarValue]) -> Result<()> {
    let numbered = |value: &ScalarValue| {
        let name = text(std::slice::from_ref(value), 0);
        ScalarValue::UInt32(name.map(|name| if name == "-" { 0 } else { routine_number(&name) }))
    };
    for argument in arguments {
        *argument = match &*argument {
            ColumnarValue::Scalar(value) => ColumnarValue::Scalar(numbered(value)),
            ColumnarValue::Array(array) => {
                let numbers = (0..array.len()).map(|row| at(argument, row).map(|value| numbered(&value)));
                let numbers = numbers.collect::<Result<Vec<_>>>()?;
                if numbers.is_empty() {
                    return Ok(());
                }
                ColumnarValue::Array(ScalarValue::iter_to_array(numbers)?)
            }
        };
    }
    Ok(())
}

fn as_text(arguments: &[ScalarValue]) -> Result<ScalarValue> {
    Ok(some_text(text(arguments, 0)))
}
