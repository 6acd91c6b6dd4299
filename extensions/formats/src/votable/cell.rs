//! Values to cells, of TABLEDATA and of BINARY2. Not the rows and tags around them.

use std::fmt::Write;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, FixedSizeListArray, Float32Array, Float64Array, Int16Array,
    Int32Array, Int64Array, ListArray, StringArray, UInt8Array,
};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, UInt8Type};

use super::declare::escaped;
use crate::{FormatError, Result};

/// The values of a column in one of the types that are written.
#[derive(Debug)]
pub(super) enum Values {
    Boolean(BooleanArray),
    UInt8(UInt8Array),
    Int16(Int16Array),
    Int32(Int32Array),
    Int64(Int64Array),
    Float32(Float32Array),
    Float64(Float64Array),
    Bytes(BinaryArray),
    Text { texts: StringArray, wide: bool },
    Fixed(FixedSizeListArray, Box<Self>),
    List(ListArray, Box<Self>),
}

/// Integers: what stands for NULL in arrays may not stand there by itself.
macro_rules! element {
    ($array:expr, $row:expr, $null:expr) => {
        match $array.is_valid($row).then(|| $array.value($row)) {
            None => Ok($null),
            Some(value) if value == $null => Err(format!("{value} cannot be written: it stands for NULL in arrays")),
            Some(value) => Ok(value),
        }
    };
}

impl Values {
    pub(super) fn new(array: &ArrayRef, wide: bool) -> Result<Self> {
        Ok(match array.data_type() {
            DataType::Boolean => Self::Boolean(array.as_boolean().clone()),
            DataType::UInt8 => Self::UInt8(array.as_primitive::<UInt8Type>().clone()),
            DataType::Int16 => Self::Int16(array.as_primitive::<Int16Type>().clone()),
            DataType::Int32 => Self::Int32(array.as_primitive::<Int32Type>().clone()),
            DataType::Int64 => Self::Int64(array.as_primitive::<Int64Type>().clone()),
            DataType::Float32 => Self::Float32(array.as_primitive::<Float32Type>().clone()),
            DataType::Float64 => Self::Float64(array.as_primitive::<Float64Type>().clone()),
            DataType::Binary => Self::Bytes(array.as_binary::<i32>().clone()),
            DataType::Utf8 => Self::Text {
                texts: array.as_string::<i32>().clone(),
                wide,
            },
            DataType::FixedSizeList(..) => {
                let lists = array.as_fixed_size_list();
                Self::Fixed(lists.clone(), Box::new(Self::new(lists.values(), wide)?))
            }
            DataType::List(_) => {
                let lists = array.as_list::<i32>();
                Self::List(lists.clone(), Box::new(Self::new(lists.values(), wide)?))
            }
            other => {
                return Err(FormatError::unsupported(format!(
                    "values of the type {other} have no cells"
                )));
            }
        })
    }

    fn array(&self) -> &dyn Array {
        match self {
            Self::Boolean(array) => array,
            Self::UInt8(array) => array,
            Self::Int16(array) => array,
            Self::Int32(array) => array,
            Self::Int64(array) => array,
            Self::Float32(array) => array,
            Self::Float64(array) => array,
            Self::Bytes(array) => array,
            Self::Text { texts, .. } => texts,
            Self::Fixed(array, _) => array,
            Self::List(array, _) => array,
        }
    }

    pub(super) fn is_null(&self, row: usize) -> bool {
        self.array().is_null(row)
    }

    /// The content of a TD element that is not NULL. The error says what is wrong with the value.
    pub(super) fn write_text(&self, row: usize, out: &mut String) -> Result<(), String> {
        match self {
            Self::Text { texts, .. } => escaped(out, texts.value(row)),
            Self::Bytes(array) => {
                for byte in array.value(row) {
                    push(out, format_args!("{byte} "));
                }
                out.truncate(out.trim_end().len());
            }
            Self::Fixed(..) | Self::List(..) => {
                self.write_elements(row, out)?;
                out.truncate(out.trim_end().len());
            }
            Self::Boolean(array) => out.push(if array.value(row) { 'T' } else { 'F' }),
            Self::UInt8(array) => push(out, format_args!("{}", array.value(row))),
            Self::Int16(array) => push(out, format_args!("{}", array.value(row))),
            Self::Int32(array) => push(out, format_args!("{}", array.value(row))),
            Self::Int64(array) => push(out, format_args!("{}", array.value(row))),
            Self::Float32(array) => float(out, array.value(row).into(), format_args!("{:?}", array.value(row))),
            Self::Float64(array) => float(out, array.value(row), format_args!("{:?}", array.value(row))),
        }
        Ok(())
    }

    /// Elements of an array, NULL or not, a blank behind each.
    fn write_elements(&self, row: usize, out: &mut String) -> Result<(), String> {
        match self {
            Self::List(lists, items) => {
                let offsets = lists.value_offsets();
                return range(offsets[row], offsets[row + 1]).try_for_each(|item| items.write_elements(item, out));
            }
            Self::Fixed(lists, items) => {
                let start = lists.value_offset(row);
                return range(start, start + lists.value_length()).try_for_each(|item| match lists.is_null(row) {
                    true => items.write_null(out),
                    false => items.write_elements(item, out),
                });
            }
            Self::Int16(array) => push(out, format_args!("{}", element!(array, row, i16::MIN)?)),
            Self::Int32(array) => push(out, format_args!("{}", element!(array, row, i32::MIN)?)),
            Self::Int64(array) => push(out, format_args!("{}", element!(array, row, i64::MIN)?)),
            _ if self.is_null(row) => return self.write_null(out),
            _ => self.write_text(row, out)?,
        }
        out.push(' ');
        Ok(())
    }

    fn write_null(&self, out: &mut String) -> Result<(), String> {
        match self {
            Self::Boolean(_) => out.push_str("? "),
            Self::Int16(_) => push(out, format_args!("{} ", i16::MIN)),
            Self::Int32(_) => push(out, format_args!("{} ", i32::MIN)),
            Self::Int64(_) => push(out, format_args!("{} ", i64::MIN)),
            Self::Float32(_) | Self::Float64(_) => out.push_str("NaN "),
            Self::Fixed(lists, items) => {
                return range(0, lists.value_length()).try_for_each(|_| items.write_null(out));
            }
            Self::UInt8(_) | Self::Bytes(_) | Self::Text { .. } | Self::List(..) => {
                return Err("arrays of bytes cannot hold NULL in a VOTable".to_owned());
            }
        }
        Ok(())
    }

    /// The bytes of a cell; those of NULL have no meaning.
    pub(super) fn write_bytes(&self, row: usize, out: &mut Vec<u8>) -> Result<(), String> {
        match self {
            Self::Text { texts, wide } => {
                let text = if texts.is_valid(row) { texts.value(row) } else { "" };
                if *wide {
                    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
                    counted(out, units.len() / 2)?;
                    out.extend_from_slice(&units);
                } else {
                    counted(out, text.len())?;
                    out.extend_from_slice(text.as_bytes());
                }
            }
            Self::Bytes(array) => {
                let bytes = if array.is_valid(row) { array.value(row) } else { &[] };
                counted(out, bytes.len())?;
                out.extend_from_slice(bytes);
            }
            Self::List(lists, items) => {
                let offsets = lists.value_offsets();
                let items_of = match lists.is_null(row) {
                    true => 0..0,
                    false => range(offsets[row], offsets[row + 1]),
                };
                counted(out, items_of.len())?;
                items_of
                    .into_iter()
                    .try_for_each(|item| items.write_element_bytes(item, out))?;
            }
            Self::Fixed(..) if self.is_null(row) => self.write_null_bytes(out),
            Self::Fixed(..) => self.write_element_bytes(row, out)?,
            _ if self.is_null(row) => self.write_null_bytes(out),
            Self::Boolean(array) => out.push(if array.value(row) { b'T' } else { b'F' }),
            Self::UInt8(array) => out.push(array.value(row)),
            Self::Int16(array) => out.extend_from_slice(&array.value(row).to_be_bytes()),
            Self::Int32(array) => out.extend_from_slice(&array.value(row).to_be_bytes()),
            Self::Int64(array) => out.extend_from_slice(&array.value(row).to_be_bytes()),
            Self::Float32(array) => out.extend_from_slice(&array.value(row).to_be_bytes()),
            Self::Float64(array) => out.extend_from_slice(&array.value(row).to_be_bytes()),
        }
        Ok(())
    }

    fn write_element_bytes(&self, row: usize, out: &mut Vec<u8>) -> Result<(), String> {
        match self {
            Self::Fixed(lists, items) => {
                let start = lists.value_offset(row);
                range(start, start + lists.value_length()).try_for_each(|item| match lists.is_null(row) {
                    true => items.writable_null().map(|()| items.write_null_bytes(out)),
                    false => items.write_element_bytes(item, out),
                })
            }
            Self::Int16(array) => {
                out.extend_from_slice(&element!(array, row, i16::MIN)?.to_be_bytes());
                Ok(())
            }
            Self::Int32(array) => {
                out.extend_from_slice(&element!(array, row, i32::MIN)?.to_be_bytes());
                Ok(())
            }
            Self::Int64(array) => {
                out.extend_from_slice(&element!(array, row, i64::MIN)?.to_be_bytes());
                Ok(())
            }
            _ if self.is_null(row) => self.writable_null().map(|()| self.write_null_bytes(out)),
            _ => self.write_bytes(row, out),
        }
    }

    /// Whether an element can be NULL within an array that is not.
    fn writable_null(&self) -> Result<(), String> {
        self.write_null(&mut String::new())
    }

    fn write_null_bytes(&self, out: &mut Vec<u8>) {
        match self {
            Self::Boolean(_) => out.push(b'?'),
            Self::UInt8(_) => out.push(0),
            Self::Int16(_) => out.extend_from_slice(&i16::MIN.to_be_bytes()),
            Self::Int32(_) => out.extend_from_slice(&i32::MIN.to_be_bytes()),
            Self::Int64(_) => out.extend_from_slice(&i64::MIN.to_be_bytes()),
            Self::Float32(_) => out.extend_from_slice(&f32::NAN.to_be_bytes()),
            Self::Float64(_) => out.extend_from_slice(&f64::NAN.to_be_bytes()),
            Self::Fixed(lists, items) => range(0, lists.value_length()).for_each(|_| items.write_null_bytes(out)),
            Self::Bytes(_) | Self::Text { .. } | Self::List(..) => out.extend_from_slice(&[0; 4]),
        }
    }

    /// A text that needs more than ASCII.
    pub(super) fn has_wide_text(array: &ArrayRef) -> bool {
        array.data_type() == &DataType::Utf8 && !array.as_string::<i32>().is_ascii()
    }
}

/// Offsets of Arrow lists are never negative.
fn range(start: i32, end: i32) -> std::ops::Range<usize> {
    usize::try_from(start).unwrap_or_default()..usize::try_from(end).unwrap_or_default()
}

fn counted(out: &mut Vec<u8>, count: usize) -> Result<(), String> {
    let count = u32::try_from(count).map_err(|_| format!("{count} elements are too many"))?;
    out.extend_from_slice(&count.to_be_bytes());
    Ok(())
}

/// Writing to a String cannot fail.
fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

fn float(out: &mut String, value: f64, finite: std::fmt::Arguments<'_>) {
    match value {
        _ if value.is_nan() => out.push_str("NaN"),
        _ if value.is_infinite() => out.push_str(if value > 0.0 { "+Inf" } else { "-Inf" }),
        _ => push(out, finite),
    }
}
