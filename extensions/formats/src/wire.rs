//! Elements as FITS and VOTable's binary serialisations store them: big-endian numbers, letters for truth, packed bits,
//! bytes of text. Whole runs of elements become Arrow arrays at once; what a cell is made of is another matter.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, PrimitiveArray, StringBuilder, UInt8Array};
use arrow::buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};

use crate::{FormatError, Result, layout, layout::Shape};

/// How one element is stored. `Int8`, `UInt16`, `UInt32` and `UInt64` are stored with their sign bit turned over, as
/// FITS does with its `TZERO` convention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Logical,
    Int8,
    UInt8,
    Int16,
    UInt16,
    Int32,
    UInt32,
    Int64,
    UInt64,
    Float32,
    Float64,
    Complex32,
    Complex64,
}

impl Wire {
    /// Bytes of an element.
    pub(crate) fn width(self) -> usize {
        match self {
            Self::Logical | Self::Int8 | Self::UInt8 => 1,
            Self::Int16 | Self::UInt16 => 2,
            Self::Int32 | Self::UInt32 | Self::Float32 => 4,
            Self::Int64 | Self::UInt64 | Self::Float64 | Self::Complex32 => 8,
            Self::Complex64 => 16,
        }
    }

    /// The Arrow type of an element; a complex number is a list of its two parts.
    pub(crate) fn data_type(self) -> Result<DataType> {
        Ok(match self {
            Self::Logical => DataType::Boolean,
            Self::Int8 => DataType::Int8,
            Self::UInt8 => DataType::UInt8,
            Self::Int16 => DataType::Int16,
            Self::UInt16 => DataType::UInt16,
            Self::Int32 => DataType::Int32,
            Self::UInt32 => DataType::UInt32,
            Self::Int64 => DataType::Int64,
            Self::UInt64 => DataType::UInt64,
            Self::Float32 => DataType::Float32,
            Self::Float64 => DataType::Float64,
            Self::Complex32 => Shape::Fixed(vec![2]).data_type(DataType::Float32)?,
            Self::Complex64 => Shape::Fixed(vec![2]).data_type(DataType::Float64)?,
        })
    }

    /// A run of elements. `null` is the stored integer that means NULL; NaN means NULL in floats, as both formats
    /// say. The error is the index of an element that is no such element, and the byte there.
    pub(crate) fn decode(self, bytes: &[u8], null: Option<i64>) -> Result<ArrayRef, BadElement> {
        Ok(match self {
            Self::Logical => Arc::new(logical(bytes)?),
            Self::UInt8 if null.is_none() => Arc::new(UInt8Array::from(bytes.to_vec())),
            Self::UInt8 => integers::<UInt8Type, 1>(bytes, u8::from_be_bytes, stored(null, u8::to_be_bytes)),
            Self::Int8 => {
                let read = |[byte]: [u8; 1]| (byte ^ 0x80).cast_signed();
                integers::<Int8Type, 1>(bytes, read, stored(null, u8::to_be_bytes))
            }
            Self::Int16 => integers::<Int16Type, 2>(bytes, i16::from_be_bytes, stored(null, i16::to_be_bytes)),
            Self::UInt16 => {
                let read = |raw| u16::from_be_bytes(raw) ^ (1 << 15);
                integers::<UInt16Type, 2>(bytes, read, stored(null, i16::to_be_bytes))
            }
            Self::Int32 => integers::<Int32Type, 4>(bytes, i32::from_be_bytes, stored(null, i32::to_be_bytes)),
            Self::UInt32 => {
                let read = |raw| u32::from_be_bytes(raw) ^ (1 << 31);
                integers::<UInt32Type, 4>(bytes, read, stored(null, i32::to_be_bytes))
            }
            Self::Int64 => integers::<Int64Type, 8>(bytes, i64::from_be_bytes, stored(null, i64::to_be_bytes)),
            Self::UInt64 => {
                let read = |raw| u64::from_be_bytes(raw) ^ (1 << 63);
                integers::<UInt64Type, 8>(bytes, read, stored(null, i64::to_be_bytes))
            }
            Self::Float32 => floats::<Float32Type, 4>(bytes, f32::from_be_bytes, f32::is_nan),
            Self::Float64 => floats::<Float64Type, 8>(bytes, f64::from_be_bytes, f64::is_nan),
            // Lists of two, whole by construction.
            Self::Complex32 => pairs(floats::<Float32Type, 4>(bytes, f32::from_be_bytes, f32::is_nan)),
            Self::Complex64 => pairs(floats::<Float64Type, 8>(bytes, f64::from_be_bytes, f64::is_nan)),
        })
    }
}

/// The number of an element within a run, and the byte that made it none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadElement {
    pub(crate) index: usize,
    pub(crate) byte: u8,
}

/// The bytes that mean NULL, if any element could hold them.
fn stored<T: TryFrom<i64>, const N: usize>(null: Option<i64>, bytes: fn(T) -> [u8; N]) -> Option<[u8; N]> {
    null.and_then(|null| T::try_from(null).ok()).map(bytes)
}

fn integers<T: ArrowPrimitiveType, const N: usize>(
    bytes: &[u8],
    read: impl Fn([u8; N]) -> T::Native,
    null: Option<[u8; N]>,
) -> ArrayRef {
    let elements = bytes.as_chunks::<N>().0;
    let values: ScalarBuffer<T::Native> = elements.iter().map(|raw| read(*raw)).collect();
    let nulls = null.filter(|null| elements.contains(null)).map(|null| {
        let valid = BooleanBuffer::collect_bool(elements.len(), |index| elements[index] != null);
        NullBuffer::new(valid)
    });
    Arc::new(PrimitiveArray::<T>::new(values, nulls))
}

fn floats<T: ArrowPrimitiveType, const N: usize>(
    bytes: &[u8],
    read: impl Fn([u8; N]) -> T::Native,
    is_nan: impl Fn(T::Native) -> bool,
) -> ArrayRef {
    let values: ScalarBuffer<T::Native> = bytes.as_chunks::<N>().0.iter().map(|raw| read(*raw)).collect();
    let nulls = values.iter().any(|value| is_nan(*value)).then(|| {
        NullBuffer::new(BooleanBuffer::collect_bool(values.len(), |index| {
            !is_nan(values[index])
        }))
    });
    Arc::new(PrimitiveArray::<T>::new(values, nulls))
}

fn pairs(parts: ArrayRef) -> ArrayRef {
    let whole = parts.slice(0, parts.len() / 2 * 2);
    layout::fixed(whole, &[2], None).unwrap_or(parts)
}

fn logical(bytes: &[u8]) -> Result<BooleanArray, BadElement> {
    if let Some((index, byte)) = bytes.iter().enumerate().find(|(_, byte)| truth(**byte).is_none()) {
        return Err(BadElement { index, byte: *byte });
    }
    Ok(bytes.iter().map(|byte| truth(*byte).flatten()).collect())
}

/// Truth as a letter: outer `None` for a byte that is none, inner `None` for NULL.
fn truth(byte: u8) -> Option<Option<bool>> {
    match byte {
        b'T' | b't' | b'1' | 1 => Some(Some(true)),
        b'F' | b'f' | b'0' => Some(Some(false)),
        0 | b' ' | b'?' => Some(None),
        _ => None,
    }
}

/// Packed bits: `bytes` holds rows of `row_bytes`, of which the leading `row_bits` bits count, highest bit first.
pub(crate) fn bits(bytes: &[u8], row_bytes: usize, row_bits: usize) -> BooleanArray {
    if row_bytes == 0 || row_bits == 0 {
        return BooleanArray::from(Vec::<bool>::new());
    }
    let rows = bytes.len() / row_bytes;
    let bit = |index: usize| {
        let (row, bit) = (index / row_bits, index % row_bits);
        bytes[row * row_bytes + bit / 8] & (0x80 >> (bit % 8)) != 0
    };
    BooleanArray::new(BooleanBuffer::collect_bool(rows * row_bits, bit), None)
}

/// `stored * scale + zero` as doubles.
pub(crate) fn scaled(stored: &ArrayRef, scale: f64, zero: f64) -> Result<ArrayRef> {
    let stored = cast(stored, &DataType::Float64)?;
    let values: Float64Array = stored.as_primitive::<Float64Type>().unary(|value| value * scale + zero);
    Ok(Arc::new(values))
}

/// Texts from the bytes of cells. Bytes that are no UTF-8 are read as Latin-1: both formats promise ASCII, and files
/// hold either.
pub(crate) fn strings<'a>(cells: impl Iterator<Item = Option<&'a [u8]>>) -> Result<ArrayRef> {
    let mut builder = StringBuilder::new();
    let mut room = MAX_TEXT_BYTES;
    for cell in cells {
        let Some(cell) = cell else {
            builder.append_null();
            continue;
        };
        match std::str::from_utf8(cell) {
            Ok(text) => {
                room = less(room, text.len())?;
                builder.append_value(text);
            }
            Err(_) => {
                let text: String = cell.iter().map(|byte| char::from(*byte)).collect();
                room = less(room, text.len())?;
                builder.append_value(text);
            }
        }
    }
    Ok(Arc::new(builder.finish()))
}

/// Texts from characters of two bytes; halves of pairs that stand alone become the replacement character. A text ends
/// at a NUL.
pub(crate) fn wide_strings<'a>(cells: impl Iterator<Item = Option<&'a [u8]>>) -> Result<ArrayRef> {
    let mut builder = StringBuilder::new();
    let mut room = MAX_TEXT_BYTES;
    for cell in cells {
        let Some(cell) = cell else {
            builder.append_null();
            continue;
        };
        let units = cell.as_chunks::<2>().0.iter().map(|unit| u16::from_be_bytes(*unit));
        let text: String = char::decode_utf16(units.take_while(|unit| *unit != 0))
            .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect();
        room = less(room, text.len())?;
        builder.append_value(text);
    }
    Ok(Arc::new(builder.finish()))
}

/// Offsets into the text of an array are 32-bit.
const MAX_TEXT_BYTES: usize = 0x7fff_ffff;

fn less(room: usize, length: usize) -> Result<usize> {
    room.checked_sub(length)
        .ok_or_else(|| FormatError::unsupported("more than 2 GiB of text in a batch: ask for fewer rows"))
}

/// Bytes up to the first NUL, without trailing blanks; `None` (NULL) where a NUL comes first.
pub(crate) fn trimmed(cell: &[u8]) -> Option<&[u8]> {
    let end = cell.iter().position(|byte| *byte == 0);
    if end == Some(0) {
        return None;
    }
    let cell = &cell[..end.unwrap_or(cell.len())];
    let length = cell.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1);
    Some(&cell[..length])
}

/// Bytes up to the first NUL.
pub(crate) fn until_nul(cell: &[u8]) -> &[u8] {
    let end = cell.iter().position(|byte| *byte == 0);
    &cell[..end.unwrap_or(cell.len())]
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int8Array, StringArray, UInt16Array, UInt64Array};

    use super::*;

    fn decoded(wire: Wire, bytes: &[u8], null: Option<i64>) -> ArrayRef {
        wire.decode(bytes, null).unwrap()
    }

    #[test]
    fn unsigned_numbers_are_stored_with_their_sign_turned() {
        let zero = decoded(Wire::UInt16, &[0x80, 0, 0xff, 0xff, 0, 0], Some(-1));
        assert_eq!(
            zero.as_ref(),
            &UInt16Array::from(vec![Some(0), None, Some(0x8000)]).slice(0, 3) as &dyn Array
        );
        let large = decoded(Wire::UInt64, &[0x7f, 255, 255, 255, 255, 255, 255, 255], None);
        assert_eq!(large.as_ref(), &UInt64Array::from(vec![u64::MAX]) as &dyn Array);
        let small = decoded(Wire::Int8, &[0, 0x80, 0xff], None);
        assert_eq!(small.as_ref(), &Int8Array::from(vec![-128, 0, 127]) as &dyn Array);
    }

    #[test]
    fn a_null_that_no_element_can_hold_is_no_null() {
        assert_eq!(decoded(Wire::Int16, &[0, 1], Some(99_999)).null_count(), 0);
        assert_eq!(decoded(Wire::UInt8, &[255], Some(-1)).null_count(), 0);
    }

    #[test]
    fn nan_is_null() {
        let bytes = [f64::NAN.to_be_bytes(), 1.5_f64.to_be_bytes()].concat();
        let array = decoded(Wire::Float64, &bytes, None);
        assert_eq!(array.as_ref(), &Float64Array::from(vec![None, Some(1.5)]) as &dyn Array);
    }

    #[test]
    fn bits_start_at_the_highest() {
        let array = bits(&[0b1010_0000, 0b1000_0000, 0, 0xff], 2, 9);
        let set: Vec<_> = (0..array.len()).filter(|index| array.value(*index)).collect();
        assert_eq!((array.len(), set), (18, vec![0, 2, 8, 17]));
    }

    #[test]
    fn texts_end_at_a_nul_or_before_blanks() {
        let cells: [&[u8]; 5] = [b"ab  ", b"a\0xy", b"\0abc", b"    ", b"\xe9t\xe9 "];
        let array = strings(cells.into_iter().map(trimmed)).unwrap();
        let expected = StringArray::from(vec![Some("ab"), Some("a"), None, Some(""), Some("été")]);
        assert_eq!(array.as_ref(), &expected as &dyn Array);
    }

    #[test]
    fn a_letter_that_is_no_truth_is_named() {
        let error = Wire::Logical.decode(b"TFx", None).unwrap_err();
        assert_eq!(error, BadElement { index: 2, byte: b'x' });
    }
}
