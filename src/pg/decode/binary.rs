//! Values from PostgreSQL's binary formats. `None` for bytes that do not make a value of the type.

use datafusion::arrow::datatypes::IntervalMonthDayNano;
use datafusion::common::ScalarValue;
use pgwire::api::Type;

use super::super::encode::{POSTGRES_EPOCH_DAYS, POSTGRES_EPOCH_MICROS, element_of};
use super::{array, text};

pub(super) fn value(bytes: &[u8], target: &Type) -> Option<ScalarValue> {
    if let Some(element) = element_of(target) {
        return array::from_binary(bytes, target, &element);
    }
    Some(match *target {
        Type::BOOL => ScalarValue::Boolean(Some(<[u8; 1]>::try_from(bytes).ok()? != [0])),
        Type::INT2 => ScalarValue::Int16(Some(i16::from_be_bytes(bytes.try_into().ok()?))),
        Type::INT4 => ScalarValue::Int32(Some(int4(bytes)?)),
        Type::INT8 => ScalarValue::Int64(Some(int8(bytes)?)),
        Type::OID => ScalarValue::UInt32(Some(u32::from_be_bytes(bytes.try_into().ok()?))),
        Type::FLOAT4 => ScalarValue::Float32(Some(f32::from_be_bytes(bytes.try_into().ok()?))),
        Type::FLOAT8 => ScalarValue::Float64(Some(f64::from_be_bytes(bytes.try_into().ok()?))),
        Type::NUMERIC => text::numeric(&numeric_text(bytes)?)?,
        Type::BYTEA => ScalarValue::Binary(Some(bytes.to_vec())),
        Type::DATE => ScalarValue::Date32(Some(int4(bytes)?.checked_add(POSTGRES_EPOCH_DAYS)?)),
        Type::TIME => ScalarValue::Time64Microsecond(Some(int8(bytes)?)),
        Type::TIMESTAMP => ScalarValue::TimestampMicrosecond(Some(moment(bytes)?), None),
        Type::TIMESTAMPTZ => ScalarValue::TimestampMicrosecond(Some(moment(bytes)?), Some("+00:00".into())),
        Type::INTERVAL => interval(bytes)?,
        Type::UUID => ScalarValue::Utf8(Some(uuid(bytes)?)),
        // The version byte of jsonb.
        Type::JSONB => ScalarValue::Utf8(Some(std::str::from_utf8(bytes.strip_prefix(&[1])?).ok()?.to_owned())),
        _ => ScalarValue::Utf8(Some(std::str::from_utf8(bytes).ok()?.to_owned())),
    })
}

fn int4(bytes: &[u8]) -> Option<i32> {
    Some(i32::from_be_bytes(bytes.try_into().ok()?))
}

fn int8(bytes: &[u8]) -> Option<i64> {
    Some(i64::from_be_bytes(bytes.try_into().ok()?))
}

fn moment(bytes: &[u8]) -> Option<i64> {
    int8(bytes)?.checked_add(POSTGRES_EPOCH_MICROS)
}

fn interval(bytes: &[u8]) -> Option<ScalarValue> {
    let (micros, rest) = bytes.split_at_checked(8)?;
    let (days, months) = rest.split_at_checked(4)?;
    let nanos = int8(micros)?.checked_mul(1000)?;
    Some(ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano::new(
        int4(months)?,
        int4(days)?,
        nanos,
    ))))
}

fn uuid(bytes: &[u8]) -> Option<String> {
    let value = u128::from_be_bytes(bytes.try_into().ok()?);
    let digits = format!("{value:032x}");
    Some(
        [
            &digits[..8],
            &digits[8..12],
            &digits[12..16],
            &digits[16..20],
            &digits[20..],
        ]
        .join("-"),
    )
}

/// Base-10000 digits as text.
fn numeric_text(bytes: &[u8]) -> Option<String> {
    let words: Vec<u16> = bytes
        .chunks(2)
        .map(|pair| Some(u16::from_be_bytes(pair.try_into().ok()?)))
        .collect::<Option<_>>()?;
    let [count, weight, sign, scale, digits @ ..] = words.as_slice() else {
        return None;
    };
    if digits.len() != usize::from(*count) || digits.iter().any(|digit| *digit > 9999) {
        return None;
    }
    let sign = match sign {
        0 => "",
        0x4000 => "-",
        0xC000 => return Some("NaN".to_owned()),
        0xD000 => return Some("Infinity".to_owned()),
        0xF000 => return Some("-Infinity".to_owned()),
        _ => return None,
    };
    let weight = *weight as i16;
    let all: String = digits.iter().map(|digit| format!("{digit:04}")).collect();
    let point = (i32::from(weight) + 1) * 4;
    let (whole, mut fraction) = if point <= 0 {
        (
            "0".to_owned(),
            format!("{}{all}", "0".repeat(point.unsigned_abs() as usize)),
        )
    } else {
        let point = point as usize;
        let padded = format!("{all}{}", "0".repeat(point.saturating_sub(all.len())));
        let (whole, fraction) = padded.split_at(point);
        (whole.to_owned(), fraction.to_owned())
    };
    let scale = usize::from(*scale);
    fraction.push_str(&"0".repeat(scale.saturating_sub(fraction.len())));
    fraction.truncate(scale);
    Some(if scale == 0 {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{fraction}")
    })
}
