//! Parameters: the bytes of a Bind message become values of the engine, by PostgreSQL type and format.

mod array;
mod binary;
mod moment;
mod text;

use bytes::Bytes;
use datafusion::common::ScalarValue;
use pgwire::api::Type;

use super::encode::{WireFormat, arrow_type};
use crate::{Error, ErrorKind, Result};

pub(super) use array::array_elements;
pub(super) use moment::time_in_full;

/// The value of one parameter, `number` from 1.
///
/// # Errors
/// 22P02 for text and 22P03 for bytes that do not spell a value of the type.
pub(super) fn parameter(
    bytes: Option<&Bytes>,
    target: &Type,
    format: WireFormat,
    number: usize,
) -> Result<ScalarValue> {
    let Some(bytes) = bytes else { return null(target) };
    match format {
        WireFormat::Text => match std::str::from_utf8(bytes) {
            Ok(text) => text::value(text, target),
            Err(_) => Err(Error::new(
                ErrorKind::InvalidEncoding,
                "invalid byte sequence for encoding \"UTF8\"",
            )),
        },
        WireFormat::Binary => binary::value(bytes, target).ok_or_else(|| {
            let message = format!("incorrect binary data format in bind parameter {number}");
            Error::new(ErrorKind::InvalidBinary, message).with_detail(format!(
                "{} bytes do not make a value of type {}.",
                bytes.len(),
                target.name()
            ))
        }),
    }
}

/// The value that a text spells.
///
/// # Errors
/// As for [`parameter`].
pub(super) fn from_text(text: &str, target: &Type) -> Result<ScalarValue> {
    text::value(text, target)
}

/// The value that bytes spell in PostgreSQL's binary format; `None` if they do not.
pub(super) fn from_binary(bytes: &[u8], target: &Type) -> Option<ScalarValue> {
    binary::value(bytes, target)
}

/// NULL of the type.
pub(super) fn null(target: &Type) -> Result<ScalarValue> {
    Ok(ScalarValue::try_from(&arrow_type(target))?)
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Array, AsArray};
    use datafusion::arrow::datatypes::{Float64Type, IntervalMonthDayNano};

    use super::*;

    fn both(target: &Type, text: &str, binary: &[u8]) -> [ScalarValue; 2] {
        let read = |bytes: &[u8], format| parameter(Some(&Bytes::copy_from_slice(bytes)), target, format, 1).unwrap();
        [
            read(text.as_bytes(), WireFormat::Text),
            read(binary, WireFormat::Binary),
        ]
    }

    /// Binary forms were taken from the send functions of a PostgreSQL 15.
    #[test]
    fn text_and_binary_give_the_same_value() {
        let decimal = |value, precision, scale| ScalarValue::Decimal128(Some(value), precision, scale);
        let interval = IntervalMonthDayNano::new(14, -3, 14_706_789_000_000);
        for (target, text, binary, expected) in [
            (Type::BOOL, "t", &[1][..], ScalarValue::Boolean(Some(true))),
            (Type::INT2, "-2", &[0xff, 0xfe], ScalarValue::Int16(Some(-2))),
            (Type::INT4, " 7 ", &[0, 0, 0, 7], ScalarValue::Int32(Some(7))),
            (Type::INT8, "7", &[0, 0, 0, 0, 0, 0, 0, 7], ScalarValue::Int64(Some(7))),
            (
                Type::FLOAT8,
                "1.5",
                &1.5_f64.to_be_bytes(),
                ScalarValue::Float64(Some(1.5)),
            ),
            (
                Type::FLOAT4,
                "1.5",
                &1.5_f32.to_be_bytes(),
                ScalarValue::Float32(Some(1.5)),
            ),
            (Type::TEXT, "Å", "Å".as_bytes(), ScalarValue::Utf8(Some("Å".to_owned()))),
            (
                Type::BYTEA,
                "\\x00ff",
                &[0, 255],
                ScalarValue::Binary(Some(vec![0, 255])),
            ),
            (
                Type::DATE,
                "2016-01-01",
                &5844_i32.to_be_bytes(),
                ScalarValue::Date32(Some(16_801)),
            ),
            (
                Type::TIME,
                "12:00:00.5",
                &43_200_500_000_i64.to_be_bytes(),
                ScalarValue::Time64Microsecond(Some(43_200_500_000)),
            ),
            (
                Type::TIMESTAMP,
                "2016-01-01 00:00:00.5",
                &504_921_600_500_000_i64.to_be_bytes(),
                ScalarValue::TimestampMicrosecond(Some(1_451_606_400_500_000), None),
            ),
            (
                Type::TIMESTAMPTZ,
                "2016-01-01T02:00:00+02:00",
                &504_921_600_000_000_i64.to_be_bytes(),
                ScalarValue::TimestampMicrosecond(Some(1_451_606_400_000_000), Some("+00:00".into())),
            ),
            (
                Type::NUMERIC,
                "-123456.78",
                &[0, 3, 0, 1, 0x40, 0, 0, 2, 0, 12, 0x0d, 0x80, 0x1e, 0x78],
                decimal(-12_345_678, 8, 2),
            ),
            (
                Type::NUMERIC,
                "0.00001",
                &[0, 1, 0xff, 0xfe, 0, 0, 0, 5, 3, 0xe8],
                decimal(1, 5, 5),
            ),
            (
                Type::INTERVAL,
                "1 year 2 months -3 days 4 hours 5 minutes 6.789 seconds",
                &[
                    &14_706_789_000_i64.to_be_bytes()[..],
                    &(-3_i32).to_be_bytes(),
                    &14_i32.to_be_bytes(),
                ]
                .concat(),
                ScalarValue::IntervalMonthDayNano(Some(interval)),
            ),
        ] {
            let [from_text, from_binary] = both(&target, text, binary);
            assert_eq!(from_text, expected, "{target} in text");
            assert_eq!(from_binary, expected, "{target} in binary");
        }
    }

    #[test]
    fn arrays() {
        let mut binary = vec![0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 2, 0xbd, 0, 0, 0, 2, 0, 0, 0, 1];
        binary.extend([0, 0, 0, 8]);
        binary.extend(1.5_f64.to_be_bytes());
        binary.extend((-1_i32).to_be_bytes());
        for value in both(&Type::FLOAT8_ARRAY, "{1.5,NULL}", &binary) {
            let ScalarValue::List(list) = value else {
                panic!("{value:?}")
            };
            let elements = list.value(0);
            let elements = elements.as_primitive::<Float64Type>();
            assert_eq!((elements.len(), elements.value(0), elements.is_null(1)), (2, 1.5, true));
        }
        let [quoted, _] = both(
            &Type::TEXT_ARRAY,
            r#"{a,"b \"c\",d",""}"#,
            &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 25],
        );
        let ScalarValue::List(list) = quoted else { panic!() };
        let elements = list.value(0);
        let texts: Vec<_> = elements.as_string::<i32>().iter().flatten().collect();
        assert_eq!(texts, ["a", "b \"c\",d", ""]);
    }

    #[test]
    fn nonsense_is_refused_with_its_code() {
        let bad = |target, bytes: &'static [u8], format| {
            parameter(Some(&Bytes::from_static(bytes)), &target, format, 3)
                .unwrap_err()
                .sqlstate()
        };
        assert_eq!(bad(Type::INT4, b"seven", WireFormat::Text), "22P02");
        assert_eq!(bad(Type::INT4, b"99999999999", WireFormat::Text), "22003");
        assert_eq!(bad(Type::INT4, &[1, 2], WireFormat::Binary), "22P03");
        assert_eq!(bad(Type::NUMERIC, &[0, 9, 0, 0], WireFormat::Binary), "22P03");
        assert_eq!(
            bad(
                Type::FLOAT8_ARRAY,
                &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 2, 0xbd, 0x7f, 0xff, 0xff, 0xff],
                WireFormat::Binary
            ),
            "22P03"
        );
        assert_eq!(bad(Type::INT4_ARRAY, b"{1,{2}", WireFormat::Text), "22P02");
        assert_eq!(bad(Type::TEXT, &[0xff], WireFormat::Text), "22021");
    }
}
