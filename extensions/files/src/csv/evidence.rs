//! What the values of a column were seen to be, and the type that holds all of them.
//!
//! Evidence of rows, chunks and files is joined by `|`: the order in which values are seen does not matter.

use std::ops::BitOrAssign;

use datafusion::arrow::compute::kernels::cast_utils::string_to_datetime;
use datafusion::arrow::datatypes::{DataType, TimeUnit};

/// Kinds of values seen in a column.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Evidence(u16);

const TRUTH: u16 = 1;
const INTEGER: u16 = 1 << 1;
const NEGATIVE: u16 = 1 << 2;
/// An integer that no `f64` holds exactly.
const FINE_INTEGER: u16 = 1 << 3;
const BEYOND_I64: u16 = 1 << 4;
const BEYOND_U64: u16 = 1 << 5;
const FLOAT: u16 = 1 << 6;
const NAN: u16 = 1 << 7;
const DATE: u16 = 1 << 8;
const MICROSECONDS: u16 = 1 << 9;
const NANOSECONDS: u16 = 1 << 10;
const ZONED: u16 = 1 << 11;
const TEXT: u16 = 1 << 12;

const NUMBER: u16 = INTEGER | BEYOND_I64 | BEYOND_U64 | FLOAT;
const TIME: u16 = DATE | MICROSECONDS | NANOSECONDS | ZONED;

impl BitOrAssign for Evidence {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl Evidence {
    /// What one value is that is not NULL, without blanks around it.
    pub(crate) fn of(value: &str) -> Self {
        Self(kind(value))
    }

    /// Whether nothing can change the type any more.
    pub(crate) fn is_text(self) -> bool {
        self.0 & TEXT != 0
    }

    /// The narrowest type that holds every value seen, and loses nothing of any. Without values: text.
    pub(crate) fn data_type(self) -> DataType {
        let has = |kinds: u16| self.0 & kinds != 0;
        if has(TEXT) || [TRUTH, NUMBER, TIME].into_iter().filter(|group| has(*group)).count() > 1 {
            return DataType::Utf8View;
        }
        if has(NUMBER) {
            self.number()
        } else if has(TRUTH) {
            DataType::Boolean
        } else if has(TIME) {
            self.time()
        } else if has(NAN) {
            DataType::Float64
        } else {
            DataType::Utf8View
        }
    }

    fn number(self) -> DataType {
        let has = |kinds: u16| self.0 & kinds != 0;
        match (has(FLOAT), has(BEYOND_I64)) {
            _ if has(BEYOND_U64) => DataType::Utf8View,
            (true, _) if has(FINE_INTEGER) => DataType::Utf8View,
            (true, _) => DataType::Float64,
            (false, true) if has(NEGATIVE) => DataType::Utf8View,
            (false, true) => DataType::UInt64,
            (false, false) => DataType::Int64,
        }
    }

    fn time(self) -> DataType {
        let has = |kinds: u16| self.0 & kinds != 0;
        let unit = match (has(NANOSECONDS), has(MICROSECONDS)) {
            (true, _) => TimeUnit::Nanosecond,
            (false, true) => TimeUnit::Microsecond,
            (false, false) => return DataType::Date32,
        };
        match has(ZONED) {
            true if has(LOCAL_OR_DATE) => DataType::Utf8View,
            true => DataType::Timestamp(unit, Some("UTC".into())),
            false => DataType::Timestamp(unit, None),
        }
    }
}

/// Times without a zone; set beside the unit, since the unit is common to both.
const LOCAL: u16 = 1 << 13;
const LOCAL_OR_DATE: u16 = LOCAL | DATE;

fn kind(value: &str) -> u16 {
    let digits = value.strip_prefix(['+', '-']).unwrap_or(value);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return integer(value, digits);
    }
    if is_nan(value) {
        return NAN;
    }
    if value.parse::<f64>().is_ok() {
        return FLOAT;
    }
    if truth(value).is_some() {
        return TRUTH;
    }
    time(value).unwrap_or(TEXT)
}

fn integer(value: &str, digits: &str) -> u16 {
    let sign = if value.starts_with('-') { NEGATIVE } else { 0 };
    if let Ok(number) = value.parse::<i64>() {
        // 2^53: up to here every integer is an f64.
        let fine = if number.unsigned_abs() > 1 << 53 {
            FINE_INTEGER
        } else {
            0
        };
        return INTEGER | sign | fine;
    }
    let beyond = match digits.parse::<u64>() {
        Ok(_) if sign == 0 => BEYOND_I64,
        _ => BEYOND_U64,
    };
    beyond | sign | FINE_INTEGER
}

/// Whether the word is a NaN.
pub(super) fn is_nan(value: &str) -> bool {
    value.eq_ignore_ascii_case("nan")
}

/// The truth value that a word names.
pub(super) fn truth(value: &str) -> Option<bool> {
    match value {
        _ if value.eq_ignore_ascii_case("true") => Some(true),
        _ if value.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// Date, or time with its precision and zone; ISO 8601 with all parts of the date.
fn time(value: &str) -> Option<u16> {
    let shape = |at: usize| value.as_bytes().get(at).copied();
    if shape(4) != Some(b'-') || shape(7) != Some(b'-') {
        return None;
    }
    let when = string_to_datetime(&chrono_utc(), value).ok()?;
    if value.len() == 10 {
        return Some(DATE);
    }
    let clock = value.get(11..)?;
    let fraction = clock
        .split_once('.')
        .map_or("", |(_, fraction)| fraction)
        .bytes()
        .take_while(u8::is_ascii_digit)
        .count();
    let unit = match fraction {
        0..=6 => MICROSECONDS,
        7..=9 if when.timestamp_nanos_opt().is_some() => NANOSECONDS,
        _ => return None,
    };
    let zoned = clock.contains(['Z', 'z', '+', '-']);
    Some(unit | if zoned { ZONED } else { LOCAL })
}

/// The zone of times that name none.
pub(super) fn chrono_utc() -> chrono::Utc {
    chrono::Utc
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> DataType {
        let mut evidence = Evidence::default();
        for value in values {
            evidence |= Evidence::of(value);
        }
        evidence.data_type()
    }

    #[test]
    fn types_hold_every_value() {
        use DataType::{Boolean, Date32, Float64, Int64, UInt64, Utf8View};
        let cases: &[(&[&str], DataType)] = &[
            (&["1", "-2", "+3"], Int64),
            (&["1", "2.5"], Float64),
            (&["1", "1e3", "-inf"], Float64),
            (&["9223372036854775807"], Int64),
            (&["9223372036854775808", "1"], UInt64),
            (&["18446744073709551615"], UInt64),
            (&["18446744073709551616"], Utf8View),
            (&["9223372036854775808", "-1"], Utf8View),
            (&["-9223372036854775809"], Utf8View),
            // A float would round the identifier.
            (&["1234567890123456789", "0.5"], Utf8View),
            (&["123456789", "0.5"], Float64),
            (&["NaN"], Float64),
            (&["NaN", "12"], Int64),
            (&["NaN", "1.5"], Float64),
            (&["true", "FALSE"], Boolean),
            (&["true", "1"], Utf8View),
            (&["2020-01-31"], Date32),
            (&["2020-13-31"], Utf8View),
            (&["2020-01-31", "12"], Utf8View),
            (&["J1234", "12"], Utf8View),
            (&[], Utf8View),
        ];
        for (values, expected) in cases {
            assert_eq!(&of(values), expected, "{values:?}");
        }
    }

    #[test]
    fn times_keep_precision_and_zone() {
        let time = |unit, zone: Option<&str>| DataType::Timestamp(unit, zone.map(Into::into));
        use TimeUnit::{Microsecond, Nanosecond};
        assert_eq!(of(&["2020-01-31T10:20:30"]), time(Microsecond, None));
        assert_eq!(
            of(&["2020-01-31 10:20:30.123456", "2020-01-31"]),
            time(Microsecond, None)
        );
        assert_eq!(of(&["2020-01-31T10:20:30.1234567"]), time(Nanosecond, None));
        assert_eq!(of(&["2020-01-31T10:20:30Z"]), time(Microsecond, Some("UTC")));
        assert_eq!(of(&["2020-01-31T10:20:30Z", "2020-01-31T10:20:30"]), DataType::Utf8View);
        assert_eq!(of(&["9999-01-31T10:20:30.1234567"]), DataType::Utf8View);
    }
}
