//! Floating-point numbers as PostgreSQL prints them: `0.1`, `1e-07`, `1e+300`, `NaN`, `Infinity`.

use std::fmt::{Display, LowerExp, Write};
use std::str::FromStr;

use bytes::{BufMut, BytesMut};
use datafusion::arrow::datatypes::i256;

/// A width of IEEE number, with what PostgreSQL knows about it.
pub(super) trait Float: Copy + Display + LowerExp + PartialOrd + Into<f64> + FromStr {
    /// Digits that any value may need (`DBL_DECIMAL_DIG`, `FLT_DECIMAL_DIG`).
    const ENOUGH: usize;
    /// Up to here every whole number is a value.
    const WHOLE: f64;
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
    fn beyond(self) -> Self {
        Self::from_bits(self.to_bits() + 1)
    }
    fn before(self) -> Self {
        Self::from_bits(self.to_bits() - 1)
    }
    const DIGITS: i32 = 15;
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
    let mut scientific = Stack {
        bytes: [0; 40],
        used: 0,
    };
    let (precision, written) = if extra_digits > 0 {
        let written = write!(scientific, "{value:e}");
        if let Some(text) = differently(value, scientific.as_str()) {
            return put_scientific(&text, F::DIGITS, out);
        }
        (F::DIGITS, written)
    } else {
        let digits = (F::DIGITS + extra_digits).max(1);
        (digits, write!(scientific, "{value:.*e}", (digits - 1) as usize))
    };
    debug_assert!(written.is_ok(), "a float in scientific notation fits the buffer");
    put_scientific(scientific.as_str(), precision, out);
}

/// Where PostgreSQL takes other digits than Rust, which both read back alike: of two shortest texts that are equally near
/// it takes the even one, and it takes none that lies exactly between two values.
fn differently<F: Float>(value: F, shortest: &str) -> Option<String> {
    /// Values with more bits after the point than this have too many digits to lie in the middle of anything.
    const FRACTION: f64 = 33_554_432.0;
    let wide: f64 = value.into();
    let mantissa = shortest.split('e').next().unwrap_or_default();
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
    if digits == F::ENOUGH && (wide * FRACTION).fract() == 0.0 {
        return even(value, digits);
    }
    if wide.abs() >= F::WHOLE && wide.abs() < 1e42 {
        return within(value, shortest, digits);
    }
    None
}

/// The value cut off before its last digit, if that is a 5 and the one before it even.
fn even<F: Float>(value: F, digits: usize) -> Option<String> {
    let exact = format!("{value:.60e}");
    let (mantissa, exponent) = exact.split_once('e')?;
    let (kept, rest) = mantissa.split_at_checked(mantissa.find('.')? + digits)?;
    let tie = rest.strip_prefix('5')?.bytes().all(|digit| digit == b'0');
    let is_even = kept.bytes().next_back().is_some_and(|digit| digit.is_multiple_of(2));
    (tie && is_even).then(|| format!("{kept}e{exponent}"))
}

/// The shortest text strictly nearer to the value than to any other, if the one that was found is not.
fn within<F: Float>(value: F, shortest: &str, digits: usize) -> Option<String> {
    let whole = |text: &str| i256::from_string(&expanded(text)?);
    let exact = |value: F| i256::from_string(&format!("{value:.0}"));
    let (here, found) = (exact(value)?, whole(shortest)?);
    let other = if found.wrapping_abs() > here.wrapping_abs() {
        exact(value.beyond())?
    } else {
        exact(value.before())?
    };
    let two = i256::from_i128(2);
    if found.wrapping_mul(two) != here.wrapping_add(other) {
        return None;
    }
    (digits..F::ENOUGH).map(|more| format!("{value:.more$e}")).find(|text| {
        let nearer = whole(text).is_some_and(|found| found.wrapping_mul(two) != here.wrapping_add(other));
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

/// Rewrites Rust's `-1.25e-7` in the way of C's `%g`: plain while -4 <= exponent < precision.
fn put_scientific(text: &str, precision: i32, out: &mut BytesMut) {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let unsigned = mantissa.strip_prefix('-').unwrap_or(mantissa);
    if unsigned.len() < mantissa.len() {
        out.put_u8(b'-');
    }
    let (first, rest) = unsigned.split_at(1.min(unsigned.len()));
    let rest = rest.strip_prefix('.').unwrap_or(rest).trim_end_matches('0');

    if exponent < -4 || exponent >= precision {
        out.put_slice(first.as_bytes());
        if !rest.is_empty() {
            out.put_u8(b'.');
            out.put_slice(rest.as_bytes());
        }
        out.put_slice(if exponent < 0 { b"e-" } else { b"e+" });
        if exponent.abs() < 10 {
            out.put_u8(b'0');
        }
        super::number::put_unsigned(u64::from(exponent.unsigned_abs()), out);
    } else if exponent < 0 {
        out.put_slice(b"0.");
        out.put_bytes(b'0', exponent.unsigned_abs() as usize - 1);
        out.put_slice(first.as_bytes());
        out.put_slice(rest.as_bytes());
    } else {
        let whole = (exponent as usize).min(rest.len());
        let (head, tail) = rest.split_at(whole);
        out.put_slice(first.as_bytes());
        out.put_slice(head.as_bytes());
        out.put_bytes(b'0', exponent as usize - whole);
        if !tail.is_empty() {
            out.put_u8(b'.');
            out.put_slice(tail.as_bytes());
        }
    }
}

/// Forty bytes to format into without touching the heap.
struct Stack {
    bytes: [u8; 40],
    used: usize,
}

impl Stack {
    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.used]).unwrap_or_default()
    }
}

impl Write for Stack {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let place = self
            .bytes
            .get_mut(self.used..self.used + text.len())
            .ok_or(std::fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.used += text.len();
        Ok(())
    }
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
            (1_125_899_906_842_624.25, "1.1258999068426242e+15"),
            (-1_913_790_275_813_858.25, "-1.9137902758138582e+15"),
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
