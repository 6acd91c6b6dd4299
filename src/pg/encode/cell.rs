//! The table of writers: one for each array layout (see [`super::pgtype::conform`]) and wire format.

use bytes::{BufMut, BytesMut};
use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Decimal256Type, DurationMicrosecondType,
    DurationMillisecondType, DurationNanosecondType, DurationSecondType, Float32Type, Float64Type, Int16Type,
    Int32Type, Int64Type, IntervalDayTimeType, IntervalMonthDayNanoType, IntervalUnit, IntervalYearMonthType,
    Time64MicrosecondType, TimeUnit, TimestampMicrosecondType, UInt32Type, UInt64Type,
};
use datafusion::arrow::error::ArrowError;
use pgwire::api::Type;

use super::interval::Parts;
use super::number::Decimal;
use super::{Style, WireFormat, Writer, datetime, float, json, list, number, pgtype};

/// The writer of one column. The array is in the layout that `conform` gives.
pub(super) fn writer(array: &ArrayRef, target: &Type, format: WireFormat, style: &Style) -> Result<Writer, ArrowError> {
    if let Some(element) = pgtype::element_of(target) {
        return list::writer(array, target, &element, format, style);
    }
    let binary = format == WireFormat::Binary;
    let extra = style.extra_float_digits;
    Ok(match array.data_type() {
        DataType::Null => Box::new(|_, _| {}),
        DataType::Boolean => {
            let values = array.as_boolean().clone();
            let spelling = if binary { [0, 1] } else { [b'f', b't'] };
            Box::new(move |row, out| out.put_u8(spelling[usize::from(values.value(row))]))
        }
        DataType::Int16 => pair::<Int16Type>(array, binary, |v, out| out.put_i16(v), |v, out| integer(v.into(), out)),
        DataType::Int32 => pair::<Int32Type>(array, binary, |v, out| out.put_i32(v), |v, out| integer(v.into(), out)),
        DataType::Int64 => pair::<Int64Type>(array, binary, |v, out| out.put_i64(v), integer),
        DataType::UInt32 => pair::<UInt32Type>(array, binary, |v, out| out.put_u32(v), |v, out| integer(v.into(), out)),
        DataType::UInt64 => pair::<UInt64Type>(
            array,
            binary,
            |v, out| Decimal::from_i128(v.into(), 0).put_binary(out),
            number::put_unsigned,
        ),
        DataType::Float32 => pair::<Float32Type>(
            array,
            binary,
            |v, out| out.put_f32(v),
            move |v, out| float::put(v, extra, out),
        ),
        DataType::Float64 => pair::<Float64Type>(
            array,
            binary,
            |v, out| out.put_f64(v),
            move |v, out| float::put(v, extra, out),
        ),
        DataType::Decimal128(_, scale) => {
            let scale = *scale;
            decimal::<Decimal128Type>(array, binary, move |v| Decimal::from_i128(v, scale))
        }
        DataType::Decimal256(_, scale) => {
            let scale = *scale;
            decimal::<Decimal256Type>(array, binary, move |v| Decimal::from_i256(v, scale))
        }
        DataType::Utf8View => text(array, target),
        DataType::BinaryView => bytea(array, binary),
        DataType::Date32 => pair::<Date32Type>(
            array,
            binary,
            |v, out| out.put_i32(v.saturating_sub(datetime::POSTGRES_EPOCH_DAYS)),
            datetime::put_date,
        ),
        DataType::Time64(TimeUnit::Microsecond) => {
            pair::<Time64MicrosecondType>(array, binary, |v, out| out.put_i64(v), datetime::put_time)
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => timestamp(array, zone.is_some(), binary, style),
        DataType::Interval(unit) => interval(array, *unit, binary),
        DataType::Duration(unit) => duration(array, *unit, binary),
        _ => json::writer(array)?,
    })
}

fn integer(value: i64, out: &mut BytesMut) {
    number::put_integer(value, out);
}

/// A writer of a primitive column from its two ways to write one value.
fn pair<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    binary: bool,
    put_binary: impl Fn(T::Native, &mut BytesMut) + Send + Sync + 'static,
    put_text: impl Fn(T::Native, &mut BytesMut) + Send + Sync + 'static,
) -> Writer {
    let values = array.as_primitive::<T>().clone();
    if binary {
        Box::new(move |row, out| put_binary(values.value(row), out))
    } else {
        Box::new(move |row, out| put_text(values.value(row), out))
    }
}

fn decimal<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    binary: bool,
    take_apart: impl Fn(T::Native) -> Decimal + Clone + Send + Sync + 'static,
) -> Writer {
    let again = take_apart.clone();
    pair::<T>(
        array,
        binary,
        move |value, out| take_apart(value).put_binary(out),
        move |value, out| again(value).put_text(out),
    )
}

/// Text is the same in both formats; the one-byte type `"char"` keeps the first byte.
fn text(array: &ArrayRef, target: &Type) -> Writer {
    let values = array.as_string_view().clone();
    if *target == Type::CHAR {
        return Box::new(move |row, out| out.put_slice(values.value(row).as_bytes().get(..1).unwrap_or_default()));
    }
    Box::new(move |row, out| out.put_slice(values.value(row).as_bytes()))
}

/// Bytes as they are, or `\x` and hexadecimal digits.
fn bytea(array: &ArrayRef, binary: bool) -> Writer {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let values = array.as_binary_view().clone();
    if binary {
        return Box::new(move |row, out| out.put_slice(values.value(row)));
    }
    Box::new(move |row, out| {
        out.put_slice(b"\\x");
        for byte in values.value(row) {
            out.put_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    })
}

fn timestamp(array: &ArrayRef, zoned: bool, binary: bool, style: &Style) -> Writer {
    let put_binary = |v: i64, out: &mut BytesMut| out.put_i64(v.saturating_sub(datetime::POSTGRES_EPOCH_MICROS));
    if zoned {
        let zone = style.time_zone;
        let put_text = move |v, out: &mut BytesMut| datetime::put_timestamp_tz(v, zone.as_ref(), out);
        return pair::<TimestampMicrosecondType>(array, binary, put_binary, put_text);
    }
    pair::<TimestampMicrosecondType>(array, binary, put_binary, datetime::put_timestamp)
}

fn interval(array: &ArrayRef, unit: IntervalUnit, binary: bool) -> Writer {
    match unit {
        IntervalUnit::YearMonth => parts::<IntervalYearMonthType>(array, binary, |months| Parts {
            months,
            ..Parts::default()
        }),
        IntervalUnit::DayTime => parts::<IntervalDayTimeType>(array, binary, |value| Parts {
            months: 0,
            days: value.days,
            micros: i64::from(value.milliseconds) * 1000,
        }),
        IntervalUnit::MonthDayNano => parts::<IntervalMonthDayNanoType>(array, binary, |value| Parts {
            months: value.months,
            days: value.days,
            micros: datetime::micros_of_nanos(value.nanoseconds),
        }),
    }
}

/// The time between two moments, in whole days and the rest, as PostgreSQL has it.
fn duration(array: &ArrayRef, unit: TimeUnit, binary: bool) -> Writer {
    const DAY: i64 = 86_400_000_000;
    let of = |micros: i64| match i32::try_from(micros / DAY) {
        Ok(days) => Parts {
            months: 0,
            days,
            micros: micros % DAY,
        },
        Err(_) => Parts {
            micros,
            ..Parts::default()
        },
    };
    match unit {
        TimeUnit::Second => parts::<DurationSecondType>(array, binary, move |v| of(v.saturating_mul(1_000_000))),
        TimeUnit::Millisecond => parts::<DurationMillisecondType>(array, binary, move |v| of(v.saturating_mul(1000))),
        TimeUnit::Microsecond => parts::<DurationMicrosecondType>(array, binary, of),
        TimeUnit::Nanosecond => {
            parts::<DurationNanosecondType>(array, binary, move |v| of(datetime::micros_of_nanos(v)))
        }
    }
}

fn parts<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    binary: bool,
    of: impl Fn(T::Native) -> Parts + Copy + Send + Sync + 'static,
) -> Writer {
    pair::<T>(
        array,
        binary,
        move |value, out| of(value).put_binary(out),
        move |value, out| of(value).put_text(out),
    )
}
