//! Values from text.

use datafusion::common::ScalarValue;
use pgwire::api::Type;

use super::super::encode::{arrow_type, element_of};
use super::{array, time_in_full};
use crate::{Error, ErrorKind, Result};

/// Most digits of a decimal that the engine keeps exactly.
const DECIMAL_DIGITS: usize = 38;

pub(in crate::pg) fn value(text: &str, target: &Type) -> Result<ScalarValue> {
    if let Some(element) = element_of(target) {
        return array::from_text(text, target, &element);
    }
    let trimmed = text.trim();
    match *target {
        Type::BOOL => boolean(trimmed)
            .map(|value| ScalarValue::Boolean(Some(value)))
            .ok_or_else(|| bad(text, target)),
        Type::INT2 => integer(trimmed, target).map(|value| ScalarValue::Int16(Some(value))),
        Type::INT4 => integer(trimmed, target).map(|value| ScalarValue::Int32(Some(value))),
        Type::INT8 => integer(trimmed, target).map(|value| ScalarValue::Int64(Some(value))),
        Type::OID => integer(trimmed, target).map(|value| ScalarValue::UInt32(Some(value))),
        Type::FLOAT4 => match trimmed.parse::<f32>() {
            Ok(value) if value.is_infinite() && spells_number(trimmed) => Err(out_of_range(trimmed, target)),
            Ok(value) => Ok(ScalarValue::Float32(Some(value))),
            Err(_) => Err(bad(text, target)),
        },
        Type::FLOAT8 => match trimmed.parse::<f64>() {
            Ok(value) if value.is_infinite() && spells_number(trimmed) => Err(out_of_range(trimmed, target)),
            Ok(value) => Ok(ScalarValue::Float64(Some(value))),
            Err(_) => Err(bad(text, target)),
        },
        Type::NUMERIC => numeric(trimmed).ok_or_else(|| bad(text, target)),
        Type::BYTEA => bytea(text)
            .map(|value| ScalarValue::Binary(Some(value)))
            .ok_or_else(|| bad(text, target)),
        Type::DATE | Type::TIME | Type::TIMESTAMP | Type::TIMESTAMPTZ | Type::INTERVAL => {
            let full = match *target {
                Type::INTERVAL => interval_in_units(trimmed),
                _ => time_in_full(trimmed, target)?,
            };
            ScalarValue::Utf8(Some(full))
                .cast_to(&arrow_type(target))
                .ok()
                .filter(|value| !value.is_null())
                .ok_or_else(|| bad(text, target))
        }
        _ => Ok(ScalarValue::Utf8(Some(text.to_owned()))),
    }
}

/// An interval with its hours, minutes and seconds in units, as the engine reads them: PostgreSQL writes `1 day 12:00:00`.
fn interval_in_units(text: &str) -> String {
    let words = text.split_whitespace().map(|word| {
        let Some((hours, rest)) = word.split_once(':') else {
            return word.to_owned();
        };
        let sign = if hours.starts_with('-') { "-" } else { "" };
        let (minutes, seconds) = rest.split_once(':').unwrap_or((rest, "0"));
        format!("{hours} hours {sign}{minutes} minutes {sign}{seconds} seconds")
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The error for text that does not spell a value of the type.
pub(super) fn bad(text: &str, target: &Type) -> Error {
    let name = super::super::catalog::type_name(target.oid());
    Error::new(
        ErrorKind::InvalidText,
        format!("invalid input syntax for type {name}: \"{text}\""),
    )
}

/// Digits, not the word for infinity.
fn spells_number(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit())
}

fn out_of_range(text: &str, target: &Type) -> Error {
    let name = super::super::catalog::type_name(target.oid());
    Error::new(
        ErrorKind::OutOfRange,
        format!("\"{text}\" is out of range for type {name}"),
    )
}

fn boolean(text: &str) -> Option<bool> {
    let text = text.to_ascii_lowercase();
    let is = |full: &str, least: usize| text.len() >= least && full.starts_with(&text);
    if is("true", 1) || is("yes", 1) || text == "on" || text == "1" {
        return Some(true);
    }
    (is("false", 1) || is("no", 1) || is("off", 2) || text == "0").then_some(false)
}

fn integer<T: TryFrom<i128>>(text: &str, target: &Type) -> Result<T> {
    let number: i128 = text.parse().map_err(|_| bad(text, target))?;
    T::try_from(number).map_err(|_| {
        let name = super::super::catalog::type_name(target.oid());
        Error::new(
            ErrorKind::OutOfRange,
            format!("value \"{text}\" is out of range for type {name}"),
        )
    })
}

/// A decimal with as many digits as it was written with; a double where those are too many, or it is no number.
pub(super) fn numeric(text: &str) -> Option<ScalarValue> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (sign, unsigned) = match mantissa.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return text
            .parse()
            .ok()
            .filter(|value: &f64| !value.is_finite())
            .map(|value| ScalarValue::Float64(Some(value)));
    }
    let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    let zeros = usize::try_from(-scale).unwrap_or(0);
    let scale = usize::try_from(scale).unwrap_or(0);
    let significant = digits.trim_start_matches('0').len() + zeros;
    let precision = significant.max(scale).max(1);
    if precision > DECIMAL_DIGITS || zeros > DECIMAL_DIGITS {
        return text.parse().ok().map(|value| ScalarValue::Float64(Some(value)));
    }
    let unscaled: i128 = format!("{digits}{}", "0".repeat(zeros)).parse().ok()?;
    Some(ScalarValue::Decimal128(
        Some(sign * unscaled),
        u8::try_from(precision).ok()?,
        i8::try_from(scale).ok()?,
    ))
}

/// `\x` and hexadecimal digits, or the older form with octal escapes.
fn bytea(text: &str) -> Option<Vec<u8>> {
    if let Some(digits) = text.strip_prefix("\\x") {
        let digits: Vec<u8> = digits.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        if !digits.len().is_multiple_of(2) {
            return None;
        }
        return digits
            .chunks(2)
            .map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?))
            .collect();
    }
    let mut bytes = text.bytes();
    let mut value = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            value.push(byte);
            continue;
        }
        match bytes.next()? {
            b'\\' => value.push(b'\\'),
            first @ b'0'..=b'3' => {
                let (second, third) = (bytes.next()?, bytes.next()?);
                let octal = |byte: u8| (b'0'..=b'7').contains(&byte).then(|| byte - b'0');
                value.push(octal(first)? << 6 | octal(second)? << 3 | octal(third)?);
            }
            _ => return None,
        }
    }
    Some(value)
}
