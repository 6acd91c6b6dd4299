//! Intervals: months, days and microseconds, which PostgreSQL keeps apart as Arrow does.

use bytes::{BufMut, BytesMut};

use super::datetime::put_fraction;
use super::number::{put_integer, put_padded};

/// An interval in PostgreSQL's three parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Parts {
    pub(super) months: i32,
    pub(super) days: i32,
    pub(super) micros: i64,
}

impl Parts {
    pub(super) fn put_binary(self, out: &mut BytesMut) {
        out.put_i64(self.micros);
        out.put_i32(self.days);
        out.put_i32(self.months);
    }

    /// `1 year 2 mons -3 days +04:05:06.789`: the style `postgres`, where a part after a negative one says its sign.
    pub(super) fn put_text(self, out: &mut BytesMut) {
        let mut text = Text {
            out,
            empty: true,
            negative_before: false,
        };
        text.part(i64::from(self.months / 12), "year");
        text.part(i64::from(self.months % 12), "mon");
        text.part(i64::from(self.days), "day");
        if self.micros != 0 || text.empty {
            text.clock(self.micros);
        }
    }
}

struct Text<'a> {
    out: &'a mut BytesMut,
    empty: bool,
    negative_before: bool,
}

impl Text<'_> {
    fn part(&mut self, value: i64, unit: &str) {
        if value == 0 {
            return;
        }
        self.space();
        if self.negative_before && value > 0 {
            self.out.put_u8(b'+');
        }
        put_integer(value, self.out);
        self.out.put_u8(b' ');
        self.out.put_slice(unit.as_bytes());
        if value != 1 {
            self.out.put_u8(b's');
        }
        self.negative_before = value < 0;
    }

    fn clock(&mut self, micros: i64) {
        self.space();
        if micros < 0 {
            self.out.put_u8(b'-');
        } else if self.negative_before {
            self.out.put_u8(b'+');
        }
        let micros = micros.unsigned_abs();
        let seconds = micros / 1_000_000;
        put_padded(seconds / 3600, 2, self.out);
        self.out.put_u8(b':');
        put_padded(seconds / 60 % 60, 2, self.out);
        self.out.put_u8(b':');
        put_padded(seconds % 60, 2, self.out);
        put_fraction((micros % 1_000_000) as i64, self.out);
    }

    fn space(&mut self) {
        if !self.empty {
            self.out.put_u8(b' ');
        }
        self.empty = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts were read off a PostgreSQL 15.
    #[test]
    fn text_is_that_of_postgresql() {
        const SECOND: i64 = 1_000_000;
        for (months, days, micros, expected) in [
            (14, -3, 14_706_789_000, "1 year 2 mons -3 days +04:05:06.789"),
            (-1, 0, 0, "-1 mons"),
            (0, 0, -1_500_000, "-00:00:01.5"),
            (0, 0, 0, "00:00:00"),
            (0, 0, 25 * 3600 * SECOND, "25:00:00"),
            (0, 1, -SECOND, "1 day -00:00:01"),
            (-12, -1, 0, "-1 years -1 days"),
            (-1, 2, -SECOND, "-1 mons +2 days -00:00:01"),
        ] {
            let mut out = BytesMut::new();
            Parts { months, days, micros }.put_text(&mut out);
            assert_eq!(std::str::from_utf8(&out).unwrap(), expected);
        }
    }
}
