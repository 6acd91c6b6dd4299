//! The functions of pg_catalog: rows of a table, each with what computes one value from one row of arguments.
//!
//! They look through the session's [`Door`], so each session has its own. They are for the catalogue's few rows, not
//! for the sky's many: arguments come as single values.

mod about;
mod argument;
mod arrays;
mod naming;
mod reading;
mod rounding;
mod session;
mod spans;
mod texts;
mod typing;
mod writing;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};
use pgwire::api::Type;

pub(super) use reading::ReadText;
pub(super) use rounding::Rint;
pub(super) use spans::Times;
pub(super) use writing::WriteText;

use super::door::Door;
use super::encode::{PG_TYPE, arrow_type};

/// One function.
pub(super) struct Row {
    name: &'static str,
    returns: Returns,
    volatility: Volatility,
    compute: Compute,
}

/// What a function gives.
enum Returns {
    Kind(Type),
    /// The type of its first argument.
    Same,
}

/// What computes a value. Those that are true of everybody do not get to see the door.
#[derive(Clone, Copy)]
enum Compute {
    Pure(fn(&[ScalarValue]) -> Result<ScalarValue>),
    Looking(fn(&Door, &[ScalarValue]) -> Result<ScalarValue>),
}

const fn pure(name: &'static str, kind: Type, compute: fn(&[ScalarValue]) -> Result<ScalarValue>) -> Row {
    Row {
        name,
        returns: Returns::Kind(kind),
        volatility: Volatility::Immutable,
        compute: Compute::Pure(compute),
    }
}

const fn looking(name: &'static str, kind: Type, compute: fn(&Door, &[ScalarValue]) -> Result<ScalarValue>) -> Row {
    Row {
        name,
        returns: Returns::Kind(kind),
        volatility: Volatility::Stable,
        compute: Compute::Looking(compute),
    }
}

fn rows() -> impl Iterator<Item = &'static Row> {
    [
        typing::ROWS,
        naming::ROWS,
        about::ROWS,
        session::ROWS,
        arrays::ROWS,
        texts::ROWS,
    ]
    .into_iter()
    .flatten()
}

/// The functions of values that plans come to hold without anybody calling them; workers know them as well.
pub(crate) fn of_values() -> [ScalarUDF; 4] {
    [
        ScalarUDF::new_from_impl(Rint::new()),
        ScalarUDF::new_from_impl(Times::new()),
        ScalarUDF::new_from_impl(ReadText::new()),
        ScalarUDF::new_from_impl(WriteText::new()),
    ]
}

/// Every function, looking through a door.
pub(super) fn scalar(door: &Arc<Door>) -> Vec<ScalarUDF> {
    rows()
        .map(|row| ScalarUDF::new_from_impl(Function::new(row, Some(Arc::clone(door)))))
        .collect()
}

/// The functions that only give values a type: what views may use.
pub(super) fn typing() -> Vec<ScalarUDF> {
    typing::ROWS
        .iter()
        .map(|row| ScalarUDF::new_from_impl(Function::new(row, None)))
        .collect()
}

/// `oid`, which makes a number of whatever names an object.
pub(super) fn number() -> Option<ScalarUDF> {
    let row = rows().find(|row| row.name == typing::NUMBER)?;
    Some(ScalarUDF::new_from_impl(Function::new(row, None)))
}

/// Whether there is a function of that name here.
pub(super) fn exists(name: &str) -> bool {
    rows().any(|row| row.name == name)
}

/// A row as the engine sees it.
struct Function {
    row: &'static Row,
    door: Option<Arc<Door>>,
    signature: Signature,
}

impl Function {
    fn new(row: &'static Row, door: Option<Arc<Door>>) -> Self {
        let any = TypeSignature::OneOf(vec![TypeSignature::Nullary, TypeSignature::VariadicAny]);
        Self {
            row,
            door,
            signature: Signature::new(any, row.volatility),
        }
    }

    fn compute(&self, arguments: &[ScalarValue]) -> Result<ScalarValue> {
        match (self.row.compute, &self.door) {
            (Compute::Pure(compute), _) => compute(arguments),
            (Compute::Looking(compute), Some(door)) => compute(door, arguments),
            (Compute::Looking(_), None) => datafusion::common::internal_err!("{} outside a session", self.row.name),
        }
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function")
            .field("name", &self.row.name)
            .finish_non_exhaustive()
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        let doors = (
            self.door.as_ref().map(Arc::as_ptr),
            other.door.as_ref().map(Arc::as_ptr),
        );
        self.row.name == other.row.name && doors.0 == doors.1
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.row.name.hash(state);
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        self.row.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(match &self.row.returns {
            Returns::Kind(kind) => arrow_type(kind),
            Returns::Same => arguments.first().cloned().unwrap_or(DataType::Null),
        })
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(match &self.row.returns {
            Returns::Kind(kind) => {
                let metadata = [(PG_TYPE.to_owned(), kind.name().to_owned())].into();
                Arc::new(Field::new(self.row.name, arrow_type(kind), true).with_metadata(metadata))
            }
            Returns::Same => {
                let data_type = arguments
                    .arg_fields
                    .first()
                    .map_or(DataType::Null, |field| field.data_type().clone());
                Arc::new(Field::new(self.row.name, data_type, true))
            }
        })
    }

    fn invoke_with_args(&self, mut arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if self.row.name == typing::NUMBER && typing::names_a_function(&arguments.arg_fields) {
            typing::number_functions(&mut arguments.args)?;
        }
        let target = arguments.return_field.data_type();
        let constant = arguments
            .args
            .iter()
            .all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        if constant {
            let values = arguments
                .args
                .iter()
                .map(|argument| at(argument, 0))
                .collect::<Result<Vec<_>>>()?;
            return Ok(ColumnarValue::Scalar(self.compute(&values)?.cast_to(target)?));
        }
        let mut results = Vec::with_capacity(arguments.number_rows);
        for row in 0..arguments.number_rows {
            let values = arguments
                .args
                .iter()
                .map(|argument| at(argument, row))
                .collect::<Result<Vec<_>>>()?;
            results.push(self.compute(&values)?.cast_to(target)?);
        }
        if results.is_empty() {
            return Ok(ColumnarValue::Array(datafusion::arrow::array::new_empty_array(target)));
        }
        Ok(ColumnarValue::Array(ScalarValue::iter_to_array(results)?))
    }
}

fn at(argument: &ColumnarValue, row: usize) -> Result<ScalarValue> {
    match argument {
        ColumnarValue::Scalar(value) => Ok(value.clone()),
        ColumnarValue::Array(array) => ScalarValue::try_from_array(array, row),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ() {
        let mut names: Vec<_> = rows().map(|row| row.name).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        assert!(exists("format_type") && !exists("distance"));
    }
}
