//! Integers and decimals: digits in text, base 10000 in binary.

use bytes::{BufMut, BytesMut};
use datafusion::arrow::datatypes::i256;

/// Appends the digits of a number that is not negative.
pub(super) fn put_unsigned(mut value: u64, out: &mut BytesMut) {
    let mut digits = [0_u8; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.put_slice(&digits[start..]);
}

/// Appends the digits, with a sign if negative.
pub(super) fn put_integer(value: i64, out: &mut BytesMut) {
    if value < 0 {
        out.put_u8(b'-');
    }
    put_unsigned(value.unsigned_abs(), out);
}

/// Appends the digits, padded with zeros to the width.
pub(super) fn put_padded(value: u64, width: usize, out: &mut BytesMut) {
    let mut bound = 10_u64.saturating_pow(u32::try_from(width.saturating_sub(1)).unwrap_or(u32::MAX));
    while bound > value && bound > 1 {
        out.put_u8(b'0');
        bound /= 10;
    }
    put_unsigned(value, out);
}

/// A decimal number taken apart: `value = ± digits · 10^-scale`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decimal {
    negative: bool,
    /// ASCII digits, most significant first; at least one.
    digits: String,
    /// Digits after the point; never negative (those of a negative scale became zeros of `digits`).
    scale: usize,
}

impl Decimal {
    pub(super) fn new(unscaled: &str, scale: i8) -> Self {
        let (negative, digits) = match unscaled.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, unscaled),
        };
        let mut digits = digits.to_owned();
        if scale < 0 && digits != "0" {
            digits.extend(std::iter::repeat_n('0', usize::from(scale.unsigned_abs())));
        }
        Self {
            negative,
            digits,
            scale: usize::try_from(scale).unwrap_or(0),
        }
    }

    pub(super) fn from_i128(value: i128, scale: i8) -> Self {
        Self::new(&value.to_string(), scale)
    }

    pub(super) fn from_i256(value: i256, scale: i8) -> Self {
        Self::new(&value.to_string(), scale)
    }

    /// `-12.340`: as many digits after the point as the scale says.
    pub(super) fn put_text(&self, out: &mut BytesMut) {
        if self.negative {
            out.put_u8(b'-');
        }
        let (whole, fraction) = self.split();
        out.put_slice(if whole.is_empty() { b"0" } else { whole.as_bytes() });
        if self.scale > 0 {
            out.put_u8(b'.');
            out.put_bytes(b'0', self.scale - fraction.len());
            out.put_slice(fraction.as_bytes());
        }
    }

    /// Groups of four decimal digits around the point, leading and trailing zero groups dropped.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the widest decimal has 76 digits, with scales of 8 bits"
    )]
    pub(super) fn put_binary(&self, out: &mut BytesMut) {
        let (whole, fraction) = self.split();
        let fraction = format!("{}{fraction}", "0".repeat(self.scale - fraction.len()));
        let head = whole.len().div_ceil(4);
        let padded = format!(
            "{}{whole}{fraction}{}",
            "0".repeat(head * 4 - whole.len()),
            "0".repeat(fraction.len().div_ceil(4) * 4 - fraction.len())
        );
        let groups: Vec<i16> = padded
            .as_bytes()
            .chunks(4)
            .map(|group| group.iter().fold(0, |sum, digit| sum * 10 + i16::from(digit - b'0')))
            .collect();
        let leading = groups.iter().take_while(|group| **group == 0).count();
        let trailing = groups[leading..].iter().rev().take_while(|group| **group == 0).count();
        let kept = &groups[leading..groups.len() - trailing];

        out.put_u16(kept.len() as u16);
        out.put_i16(if kept.is_empty() {
            0
        } else {
            head as i16 - leading as i16 - 1
        });
        out.put_u16(if self.negative && !kept.is_empty() { 0x4000 } else { 0 });
        out.put_u16(self.scale as u16);
        for group in kept {
            out.put_i16(*group);
        }
    }

    /// The digits before and after the point; the latter may lack leading zeros.
    fn split(&self) -> (&str, &str) {
        self.digits.split_at(self.digits.len().saturating_sub(self.scale))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl Fn(&mut BytesMut)) -> String {
        let mut out = BytesMut::new();
        write(&mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn integers_at_their_limits() {
        for value in [0, 7, -7, 10, i64::MAX, i64::MIN] {
            assert_eq!(text(|out| put_integer(value, out)), value.to_string());
        }
        assert_eq!(text(|out| put_unsigned(u64::MAX, out)), u64::MAX.to_string());
        assert_eq!(text(|out| put_padded(7, 3, out)), "007");
        assert_eq!(text(|out| put_padded(1234, 3, out)), "1234");
        assert_eq!(text(|out| put_padded(0, 2, out)), "00");
    }

    #[test]
    fn decimals_in_text() {
        for (value, scale, expected) in [
            (0, 0, "0"),
            (0, 2, "0.00"),
            (5, 2, "0.05"),
            (-5, 2, "-0.05"),
            (12_340, 3, "12.340"),
            (-12, -3, "-12000"),
            (i128::MAX, 0, "170141183460469231731687303715884105727"),
        ] {
            assert_eq!(text(|out| Decimal::from_i128(value, scale).put_text(out)), expected);
        }
    }

    /// Bytes as `numeric_send` of PostgreSQL 15 gives them: digits, weight, sign, scale, then the groups.
    #[test]
    fn decimals_in_binary() {
        for (value, scale, expected) in [
            (0, 0, vec![0, 0, 0, 0]),
            (0, 2, vec![0, 0, 0, 2]),
            (15, 1, vec![2, 0, 0, 1, 1, 5000]),
            (-12_345_678, 2, vec![3, 1, 0x4000, 2, 12, 3456, 7800]),
            (10_000, 0, vec![1, 1, 0, 0, 1]),
            (1, 4, vec![1, -1, 0, 4, 1]),
            (1, 5, vec![1, -2, 0, 5, 1000]),
        ] {
            let mut out = BytesMut::new();
            Decimal::from_i128(value, scale).put_binary(&mut out);
            let words: Vec<i16> = out
                .chunks(2)
                .map(|pair| i16::from_be_bytes([pair[0], pair[1]]))
                .collect();
            assert_eq!(words, expected, "{value} e-{scale}");
        }
    }
}
