//! Floating-point numbers as PostgreSQL prints them: `0.1`, `1e-07`, `1e+300`, `NaN`, `Infinity`.

use std::fmt::{Display, LowerExp};
use std::str::FromStr;

use bytes::{BufMut, BytesMut};
use datafusion::arrow::datatypes::i256;

/// A width of IEEE number, with what PostgreSQL knows about it.
pub(super) trait Float: ryu::Float + Display + LowerExp + Into<f64> + FromStr {
    /// Digits that any value may need (`DBL_DECIMAL_DIG`, `FLT_DECIMAL_DIG`).
    const ENOUGH: usize;
    /// Up to here every whole number is a value.
    const WHOLE: f64;
    /// Without its sign.
    fn size(self) -> Self;
    /// The next value away from zero.
    fn beyond(self) -> Self;
    /// The next value towards zero, of one that is not zero.
    fn before(self) -> Self;
    /// Digits that survive a round trip through text (`DBL_DIG`, `FLT_DIG`): from so many on, integers get an exponent.
    const DIGITS: i32;
}

impl Float for f32 {
    const ENOUGH: usize = 9;
    const WHOLE: f64 = 16_777_216.0;
    fn size(self) -> Self {
        self.abs()
    }
    fn beyond(self) -> Self {
        Self::from_bits(self.to_bits() + 1)
    }
    fn before(self) -> Self {
        Self::from_bits(self.to_bits() - 1)
    }
    const DIGITS: i32 = 6;
}

impl Float for f64 {
    const ENOUGH: usize = 17;
    const WHOLE: f64 = 9_007_199_254_740_992.0;
    fn size(self) -> Self {
        self.abs()
    }
    fn beyond(self) -> Self {
        Self::from_bits(self.to_bits() + 1)
    }
    fn before(self) -> Self {
        Self::from_bits(self.to_bits() - 1)
    }
    const DIGITS: i32 = 15;
}

/// Significant digits, without zeros at either end but for the number 0, and the power of ten of the first.
struct Digits {
    bytes: [u8; 24],
    count: usize,
    exponent: i32,
}

impl Digits {
    /// Those of a number without a sign, in any of Rust's spellings.
    fn of(text: &str) -> Self {
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let mut digits = Self {
            bytes: [b'0'; 24],
            count: 0,
            exponent: exponent.parse().unwrap_or(0),
        };
        let (mut before, mut point) = (0, None);
        for byte in mantissa.bytes() {
            match byte {
                b'.' => point = Some(before),
                byte => {
                    // Zeros before the first digit only move the point.
                    if (digits.count > 0 || byte != b'0') && digits.count < digits.bytes.len() {
                        digits.bytes[digits.count] = byte;
                        digits.count += 1;
                    } else if digits.count == 0 {
                        digits.exponent -= 1;
                    }
                    before += 1;
                }
            }
        }
        digits.exponent += point.unwrap_or(before) - 1;
        if digits.count == 0 {
            (digits.count, digits.exponent) = (1, 0);
        }
        while digits.count > 1 && digits.bytes[digits.count - 1] == b'0' {
            digits.count -= 1;
        }
        digits
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.count).unwrap_or_default()
    }

    /// In scientific notation.
    fn scientific(&self) -> String {
        let digits = String::from_utf8_lossy(self.as_bytes());
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        format!("{first}{point}{rest}e{}", self.exponent)
    }
}

/// Appends the number: the shortest text that reads back to the same value if `extra_digits` is above 0, else
/// `DIGITS + extra_digits` significant digits without trailing zeros.
pub(super) fn put<F: Float>(value: F, extra_digits: i32, out: &mut BytesMut) {
    let wide: f64 = value.into();
    if wide.is_nan() {
        return out.put_slice(b"NaN");
    }
    if wide.is_infinite() {
        return out.put_slice(if wide > 0.0 { b"Infinity" } else { b"-Infinity" });
    }
    if wide.is_sign_negative() {
        out.put_u8(b'-');
    }
    let value = value.size();
    if extra_digits > 0 {
        let digits = Digits::of(ryu::Buffer::new().format_finite(value));
        match differently(value, &digits) {
            None => digits.put(F::DIGITS, out),
            Some(text) => Digits::of(&text).put(F::DIGITS, out),
        }
    } else {
        let precision = (F::DIGITS + extra_digits).max(1);
        Digits::of(&format!("{value:.*e}", (precision - 1) as usize)).put(precision, out);
    }
}

impl Digits {
    /// Appends them in the way of C's `%g`: plain while -4 <= exponent < precision.
    fn put(&self, precision: i32, out: &mut BytesMut) {
        let exponent = self.exponent;
        let digits = self.as_bytes();
        let (first, rest) = digits.split_at(1.min(digits.len()));
        if exponent < -4 || exponent >= precision {
            out.put_slice(first);
            if !rest.is_empty() {
                out.put_u8(b'.');
                out.put_slice(rest);
            }
            out.put_slice(if exponent < 0 { b"e-" } else { b"e+" });
            if exponent.abs() < 10 {
                out.put_u8(b'0');
            }
            super::number::put_unsigned(u64::from(exponent.unsigned_abs()), out);
        } else if exponent < 0 {
            out.put_slice(b"0.");
            out.put_bytes(b'0', exponent.unsigned_abs() as usize - 1);
            out.put_slice(digits);
        } else {
            let whole = (exponent as usize + 1).min(digits.len());
            let (head, tail) = digits.split_at(whole);
            out.put_slice(head);
            out.put_bytes(b'0', exponent as usize + 1 - whole);
            if !tail.is_empty() {
                out.put_u8(b'.');
                out.put_slice(tail);
            }
        }
    }
}

/// Where PostgreSQL takes other digits, though the shortest read back alike: it takes none that lies exactly between two
/// values. Only whole numbers too large to be told from their neighbours have such.
fn differently<F: Float>(value: F, shortest: &Digits) -> Option<String> {
    /// Above this no text of so few digits lies exactly between two values.
    const LARGEST: f64 = 1e42;
    let size: f64 = value.into();
    if size >= F::WHOLE && size < LARGEST {
        return within(value, &shortest.scientific(), shortest.count);
    }
    None
}

/// The shortest text strictly nearer to the value than to any other, if the one that was found is not.
fn within<F: Float>(value: F, shortest: &str, digits: usize) -> Option<String> {
    let whole = |text: &str| i256::from_string(&expanded(text)?);
    let exact = |value: F| i256::from_string(&format!("{value:.0}"));
    let (here, found) = (exact(value)?, whole(shortest)?);
    let other = if found > here {
        exact(value.beyond())?
    } else {
        exact(value.before())?
    };
    let two = i256::from_i128(2);
    let between = |found: i256| found.wrapping_mul(two) == here.wrapping_add(other);
    if !between(found) {
        return None;
    }
    (digits..F::ENOUGH).map(|more| format!("{value:.more$e}")).find(|text| {
        let nearer = whole(text).is_some_and(|found| !between(found));
        nearer && text.parse::<F>().is_ok_and(|read| read.into() == value.into())
    })
}

/// The digits of a whole number in scientific notation.
fn expanded(text: &str) -> Option<String> {
    let (mantissa, exponent) = text.split_once('e')?;
    let exponent: usize = exponent.parse().ok()?;
    let (head, tail) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let zeros = exponent.checked_sub(tail.len())?;
    Some(format!("{head}{tail}{}", "0".repeat(zeros)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a PostgreSQL 15 prints them.
    #[test]
    fn where_two_texts_would_do_the_digits_are_postgresqls() {
        for (value, expected) in [
            (1e23, "9.999999999999999e+22"),
            (-2e23, "-1.9999999999999998e+23"),
            (8.41e21, "8.409999999999999e+21"),
            (1_125_899_906_842_624.2, "1.1258999068426242e+15"),
            (-1_913_790_275_813_858.2, "-1.9137902758138582e+15"),
            (9_007_199_254_740_992.0, "9.007199254740992e+15"),
            (5e-324, "5e-324"),
            (1e22, "1e+22"),
            (f64::MAX, "1.7976931348623157e+308"),
        ] {
            let mut out = BytesMut::new();
            put(value, 1, &mut out);
            assert_eq!(std::str::from_utf8(&out).unwrap(), expected);
        }
        let mut out = BytesMut::new();
        put(33_554_432_f32, 1, &mut out);
        assert_eq!(&out[..], b"3.3554432e+07");
    }

    fn text<F: Float>(value: F, extra_digits: i32) -> String {
        let mut out = BytesMut::new();
        put(value, extra_digits, &mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    /// Each pair was read off a PostgreSQL 15.
    #[test]
    fn doubles_print_as_in_postgresql() {
        for (value, expected) in [
            (1e14, "100000000000000"),
            (1e15, "1e+15"),
            (123_456_789_012_345_678.0, "1.2345678901234568e+17"),
            (123_456_789_012_345.0, "123456789012345"),
            (1_234_567_890_123_456.0, "1.234567890123456e+15"),
            (0.0001, "0.0001"),
            (0.000_01, "1e-05"),
            (1e-7, "1e-07"),
            (1e300, "1e+300"),
            (5e-324, "5e-324"),
            (0.1, "0.1"),
            (0.0, "0"),
            (-0.0, "-0"),
            (100.0, "100"),
            (-1.5, "-1.5"),
            (1234.5678, "1234.5678"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(text(value, 1), expected);
        }
    }

    #[test]
    fn singles_keep_their_own_shortest_text() {
        for (value, expected) in [
            (1e5_f32, "100000"),
            (1e6, "1e+06"),
            (123_456.0, "123456"),
            (1_234_567.0, "1.234567e+06"),
            (0.1, "0.1"),
            (f32::MAX, "3.4028235e+38"),
            (16_777_216.0, "1.6777216e+07"),
        ] {
            assert_eq!(text(value, 1), expected);
        }
    }

    #[test]
    fn fewer_digits_round_and_drop_zeros() {
        for (value, expected) in [
            (0.1, "0.1"),
            (1e15, "1e+15"),
            (123_456_789_012_345_678.0, "1.23456789012346e+17"),
            (1.0 / 3.0, "0.333333333333333"),
            (1e-5, "1e-05"),
        ] {
            assert_eq!(text(value, 0), expected);
        }
        assert_eq!(text(123_456.789, -13), "1.2e+05");
    }

    #[test]
    fn every_shortest_text_reads_back_to_the_same_bits() {
        let mut bits = 0x9E37_79B9_7F4A_7C15_u64;
        for _ in 0..20_000 {
            bits = bits
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let value = f64::from_bits(bits);
            if value.is_finite() {
                assert_eq!(text(value, 1).parse::<f64>().unwrap().to_bits(), value.to_bits());
            }
        }
    }
}
