//! The kinds of value a function takes and gives, and which Arrow types can stand for each.
//!
//! A kind is wider than an Arrow type: a `Number` may arrive as any integer, float or decimal column, a `Text` in any
//! of Arrow's string layouts. It is not a cast: [`crate::column`] turns what arrived into the one layout kernels read.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field};

/// What an argument or a result is, independent of the Arrow layout it arrives in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A double (`Float64`); integers, floats and decimals are taken.
    Number,
    /// A 32-bit integer.
    Integer,
    /// A 64-bit integer.
    BigInt,
    /// A character string.
    Text,
    /// A truth value.
    Boolean,
    /// `len` numbers in a fixed order: `FixedSizeList<Float64, len>`.
    Tuple {
        /// The SQL name of the type, in capitals.
        name: &'static str,
        /// How many numbers.
        len: usize,
    },
    /// Any number of numbers: `List<Float64>`.
    Series {
        /// The SQL name of the type, in capitals.
        name: &'static str,
        /// The least number of them; a fixed-size column of fewer is something else.
        least: usize,
    },
    /// One of several kinds; only arguments can be this.
    Either {
        /// The SQL name of the family, in capitals.
        name: &'static str,
        /// The members, none of them `Either`.
        of: &'static [Kind],
    },
}

impl Kind {
    /// The name to print in signatures and errors.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Number => "DOUBLE",
            Self::Integer => "INTEGER",
            Self::BigInt => "BIGINT",
            Self::Text => "TEXT",
            Self::Boolean => "BOOLEAN",
            Self::Tuple { name, .. } | Self::Series { name, .. } | Self::Either { name, .. } => name,
        }
    }

    /// The Arrow type of a result of this kind; the first member's for [`Kind::Either`].
    #[must_use]
    pub fn data_type(self) -> DataType {
        match self {
            Self::Number => DataType::Float64,
            Self::Integer => DataType::Int32,
            Self::BigInt => DataType::Int64,
            Self::Text => DataType::Utf8,
            Self::Boolean => DataType::Boolean,
            Self::Tuple { len, .. } => DataType::FixedSizeList(item(), i32::try_from(len).unwrap_or(i32::MAX)),
            Self::Series { .. } => DataType::List(item()),
            Self::Either { of, .. } => of.first().map_or(DataType::Null, |kind| kind.data_type()),
        }
    }

    /// The concrete kinds behind this one: itself, or the members of an [`Kind::Either`].
    pub fn members(self) -> impl Iterator<Item = Kind> {
        let (one, many): (Option<Kind>, &'static [Kind]) = match self {
            Self::Either { of, .. } => (None, of),
            kind => (Some(kind), &[]),
        };
        one.into_iter().chain(many.iter().copied())
    }

    /// The cheapest member that can take values of `given`, with what the conversion costs (0: none).
    #[must_use]
    pub fn fit(self, given: &DataType) -> Option<(Kind, u32)> {
        self.members()
            .filter_map(|kind| kind.cost(given).map(|cost| (kind, cost)))
            .min_by_key(|(_, cost)| *cost)
    }

    fn cost(self, given: &DataType) -> Option<u32> {
        if let DataType::Dictionary(_, values) = given {
            return self.cost(values).map(|cost| cost + 1);
        }
        if given.is_null() {
            return Some(1);
        }
        match self {
            Self::Number => number_cost(given),
            Self::Integer => integer_cost(given, &DataType::Int32),
            Self::BigInt => integer_cost(given, &DataType::Int64),
            Self::Text => match given {
                DataType::Utf8View | DataType::Utf8 => Some(0),
                DataType::LargeUtf8 => Some(1),
                _ => None,
            },
            Self::Boolean => (*given == DataType::Boolean).then_some(0),
            Self::Tuple { len, .. } => match given {
                DataType::FixedSizeList(field, size) if usize::try_from(*size) == Ok(len) => {
                    number_cost(field.data_type())
                }
                _ => None,
            },
            Self::Series { least, .. } => match given {
                DataType::List(field) | DataType::LargeList(field) => number_cost(field.data_type()),
                DataType::FixedSizeList(field, size) if usize::try_from(*size).is_ok_and(|size| size >= least) => {
                    number_cost(field.data_type()).map(|cost| cost + 4)
                }
                _ => None,
            },
            Self::Either { .. } => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The item field of every list we make: Arrow's default name, nullable. Whether a row is NULL is said by the row.
pub(crate) fn item() -> Arc<Field> {
    Arc::new(Field::new_list_field(DataType::Float64, true))
}

fn number_cost(given: &DataType) -> Option<u32> {
    match given {
        DataType::Float64 => Some(0),
        DataType::Float32 | DataType::Float16 => Some(1),
        DataType::Null => Some(1),
        given if given.is_integer() || given.is_decimal() => Some(2),
        _ => None,
    }
}

fn integer_cost(given: &DataType, wanted: &DataType) -> Option<u32> {
    if given == wanted {
        return Some(0);
    }
    match given {
        given if given.is_integer() => Some(1),
        DataType::Decimal32(_, 0)
        | DataType::Decimal64(_, 0)
        | DataType::Decimal128(_, 0)
        | DataType::Decimal256(_, 0) => Some(2),
        _ => None,
    }
}
