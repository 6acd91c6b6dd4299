//! Arguments in the one layout that kernels read, and the views they read them through.
//!
//! ```text
//! Int16 | Float32 | Decimal | Dictionary | NULL ..  --cast once a batch-->  Float64 slice  --Numbers-->  f64 by row
//! ```
//! A constant is a column of one row that every row reads (step 0), so a kernel needs no second code path for it.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int32Array, Int64Array, StringViewArray, new_null_array,
};
use datafusion::arrow::buffer::{BooleanBuffer, NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type};
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;

use crate::Kind;
use crate::kind::item;

/// One argument of a batch, cast to the layout of its kind.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) kind: Kind,
    pub(crate) values: Values,
    pub(crate) nulls: Option<NullBuffer>,
    pub(crate) constant: bool,
}

#[derive(Debug)]
pub(crate) enum Values {
    Numbers(Float64Array),
    Integers(Int32Array),
    BigInts(Int64Array),
    Text(StringViewArray),
    Booleans(BooleanArray),
    Tuple(usize, Float64Array),
    Series(OffsetBuffer<i32>, Float64Array),
}

impl Column {
    /// Casts `value` to `kind`, which [`Kind::fit`] has found to fit.
    pub(crate) fn new(value: &ColumnarValue, kind: Kind) -> Result<Self> {
        let (array, constant) = match value {
            ColumnarValue::Array(array) => (Arc::clone(array), false),
            ColumnarValue::Scalar(scalar) => (scalar.to_array()?, true),
        };
        let array = if array.data_type().is_null() {
            new_null_array(&kind.data_type(), array.len())
        } else {
            array
        };
        let (values, nulls) = canonical(&array, kind)?;
        Ok(Self {
            kind,
            values,
            nulls,
            constant,
        })
    }

    /// 0 for a constant, else 1: what a row number is multiplied by.
    pub(crate) fn step(&self) -> usize {
        usize::from(!self.constant)
    }

    pub(crate) fn is_null(&self, row: usize) -> bool {
        self.nulls
            .as_ref()
            .is_some_and(|nulls| nulls.is_null(row * self.step()))
    }

    /// The rows whose number `admits` refuses, as NULLs; `None` if there are none.
    pub(crate) fn refused(&self, admits: impl Fn(f64) -> bool) -> Option<NullBuffer> {
        match &self.values {
            Values::Numbers(numbers) => self.refused_in(numbers.values(), admits),
            Values::Integers(numbers) => self.refused_in(numbers.values(), |n| admits(f64::from(n))),
            // Bounds of integers are small; an index beyond 2^53 loses bits here but stays on its side of them.
            Values::BigInts(numbers) => self.refused_in(numbers.values(), |n| admits(n as f64)),
            _ => None,
        }
    }

    fn refused_in<T: Copy>(&self, values: &[T], admits: impl Fn(T) -> bool) -> Option<NullBuffer> {
        if values.iter().all(|value| admits(*value)) {
            return None;
        }
        let admitted = |row: usize| self.is_null(row) || admits(values[row]);
        Some(NullBuffer::new(BooleanBuffer::collect_bool(values.len(), admitted)))
    }

    /// The number of a constant, as errors print it.
    pub(crate) fn shown(&self) -> String {
        match &self.values {
            Values::Numbers(numbers) => numbers.values().first().map(ToString::to_string),
            Values::Integers(numbers) => numbers.values().first().map(ToString::to_string),
            Values::BigInts(numbers) => numbers.values().first().map(ToString::to_string),
            _ => None,
        }
        .unwrap_or_default()
    }
}

fn canonical(array: &ArrayRef, kind: Kind) -> Result<(Values, Option<NullBuffer>)> {
    let plain = |to: DataType| -> Result<ArrayRef> {
        Ok(if *array.data_type() == to {
            Arc::clone(array)
        } else {
            cast(array, &to)?
        })
    };
    Ok(match kind {
        Kind::Number => {
            let array = plain(DataType::Float64)?.as_primitive::<Float64Type>().clone();
            let nulls = array.nulls().cloned();
            (Values::Numbers(array), nulls)
        }
        Kind::Integer => {
            let array = plain(DataType::Int32)?.as_primitive::<Int32Type>().clone();
            let nulls = array.nulls().cloned();
            (Values::Integers(array), nulls)
        }
        Kind::BigInt => {
            let array = plain(DataType::Int64)?.as_primitive::<Int64Type>().clone();
            let nulls = array.nulls().cloned();
            (Values::BigInts(array), nulls)
        }
        Kind::Text => {
            let array = plain(DataType::Utf8View)?.as_string_view().clone();
            let nulls = array.nulls().cloned();
            (Values::Text(array), nulls)
        }
        Kind::Boolean => {
            let array = plain(DataType::Boolean)?.as_boolean().clone();
            let nulls = array.nulls().cloned();
            (Values::Booleans(array), nulls)
        }
        Kind::Tuple { len, .. } => {
            let array = unpacked(array)?;
            let list = array.as_fixed_size_list();
            (Values::Tuple(len, items(list.values())?), list.nulls().cloned())
        }
        Kind::Series { .. } => {
            let array = unpacked(array)?;
            let array = match array.data_type() {
                DataType::List(_) => array,
                _ => cast(&array, &DataType::List(item()))?,
            };
            let list = array.as_list::<i32>();
            let values = items(list.values())?;
            (Values::Series(list.offsets().clone(), values), list.nulls().cloned())
        }
        Kind::Either { of, .. } => match of.first() {
            Some(kind) => canonical(array, *kind)?,
            None => (Values::Numbers(Float64Array::from(Vec::<f64>::new())), None),
        },
    })
}

/// `array` without a dictionary around it.
fn unpacked(array: &ArrayRef) -> Result<ArrayRef> {
    Ok(match array.data_type() {
        DataType::Dictionary(_, values) => cast(array, values)?,
        _ => Arc::clone(array),
    })
}

/// The numbers inside a list column; a NULL among them reads as NaN.
fn items(values: &ArrayRef) -> Result<Float64Array> {
    let values = match values.data_type() {
        DataType::Float64 => Arc::clone(values),
        _ => cast(values, &DataType::Float64)?,
    };
    let values = values.as_primitive::<Float64Type>();
    Ok(if values.null_count() == 0 {
        values.clone()
    } else {
        values
            .iter()
            .map(|value| value.unwrap_or(f64::NAN))
            .collect::<Vec<_>>()
            .into()
    })
}

/// A [`Kind::Number`] argument, row by row. The value of a NULL row is arbitrary.
#[derive(Debug, Clone, Copy)]
pub struct Numbers<'a> {
    pub(crate) values: &'a [f64],
    pub(crate) nulls: Option<&'a NullBuffer>,
    pub(crate) step: usize,
}

impl Numbers<'_> {
    /// The number in `row`.
    #[must_use]
    pub fn get(&self, row: usize) -> f64 {
        self.values[row * self.step]
    }

    /// The number in `row`; `None` for NULL and, as astronomical tables mean by it, for NaN.
    #[must_use]
    pub fn known(&self, row: usize) -> Option<f64> {
        let at = row * self.step;
        let value = self.values[at];
        let null = self.nulls.is_some_and(|nulls| nulls.is_null(at)) || value.is_nan();
        (!null).then_some(value)
    }
}

/// A [`Kind::Integer`] or [`Kind::BigInt`] argument, row by row. The value of a NULL row is arbitrary.
#[derive(Debug, Clone, Copy)]
pub struct Integers<'a, T> {
    pub(crate) values: &'a [T],
    pub(crate) step: usize,
}

impl<T: Copy> Integers<'_, T> {
    /// The integer in `row`.
    #[must_use]
    pub fn get(&self, row: usize) -> T {
        self.values[row * self.step]
    }
}

/// A [`Kind::Text`] argument, row by row.
#[derive(Debug, Clone, Copy)]
pub struct Texts<'a> {
    pub(crate) values: &'a StringViewArray,
    pub(crate) step: usize,
}

impl<'a> Texts<'a> {
    /// The text in `row`.
    #[must_use]
    pub fn get(&self, row: usize) -> &'a str {
        self.values.value(row * self.step)
    }
}

/// A [`Kind::Boolean`] argument, row by row.
#[derive(Debug, Clone, Copy)]
pub struct Booleans<'a> {
    pub(crate) values: &'a BooleanArray,
    pub(crate) step: usize,
}

impl Booleans<'_> {
    /// The truth value in `row`.
    #[must_use]
    pub fn get(&self, row: usize) -> bool {
        self.values.value(row * self.step)
    }
}

/// A [`Kind::Tuple`] or [`Kind::Series`] argument, row by row. A NULL among the numbers reads as NaN.
#[derive(Debug, Clone, Copy)]
pub struct Lists<'a> {
    pub(crate) values: &'a [f64],
    pub(crate) bounds: Bounds<'a>,
    pub(crate) step: usize,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Bounds<'a> {
    Every(usize),
    Offsets(&'a OffsetBuffer<i32>),
}

impl<'a> Lists<'a> {
    /// The numbers in `row`.
    #[must_use]
    pub fn get(&self, row: usize) -> &'a [f64] {
        let row = row * self.step;
        let place = |offset: i32| usize::try_from(offset).unwrap_or_default();
        match self.bounds {
            Bounds::Every(len) => &self.values[row * len..(row + 1) * len],
            Bounds::Offsets(offsets) => &self.values[place(offsets[row])..place(offsets[row + 1])],
        }
    }
}
