//! Dates, times and timestamps: ISO text as PostgreSQL prints it, binary counted from 2000-01-01.
//!
//! Times are microseconds. Years before 1 are printed with ` BC`, and there is no year 0; the calendar is the
//! proleptic Gregorian one throughout, as in PostgreSQL and in Arrow.

use bytes::{BufMut, BytesMut};
use chrono::{DateTime, Offset, TimeZone};
use datafusion::arrow::array::timezone::Tz;

use super::number::{put_padded, put_unsigned};

/// Microseconds in a day without leap seconds.
const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Days from 1970-01-01, where Arrow counts from, to 2000-01-01, where PostgreSQL does.
pub(crate) const POSTGRES_EPOCH_DAYS: i32 = 10_957;

/// The same in microseconds.
pub(crate) const POSTGRES_EPOCH_MICROS: i64 = POSTGRES_EPOCH_DAYS as i64 * MICROS_PER_DAY;

/// Nanoseconds to microseconds, rounded to the nearest (PostgreSQL keeps no more).
pub(super) fn micros_of_nanos(nanos: i64) -> i64 {
    nanos.div_euclid(1000) + i64::from(nanos.rem_euclid(1000) >= 500)
}

/// `2016-01-01`.
pub(super) fn put_date(days: i32, out: &mut BytesMut) {
    let bc = put_calendar(i64::from(days), out);
    put_era(bc, out);
}

/// `12:34:56.789`.
pub(super) fn put_time(micros: i64, out: &mut BytesMut) {
    let seconds = micros.div_euclid(1_000_000);
    put_padded((seconds / 3600).unsigned_abs(), 2, out);
    out.put_u8(b':');
    put_padded((seconds / 60 % 60).unsigned_abs(), 2, out);
    out.put_u8(b':');
    put_padded((seconds % 60).unsigned_abs(), 2, out);
    put_fraction(micros.rem_euclid(1_000_000), out);
}

/// `.789`, or nothing for a whole second.
pub(super) fn put_fraction(mut micros: i64, out: &mut BytesMut) {
    if micros == 0 {
        return;
    }
    let mut width = 6;
    while micros % 10 == 0 {
        micros /= 10;
        width -= 1;
    }
    out.put_u8(b'.');
    put_padded(micros.unsigned_abs(), width, out);
}

/// `2016-01-01 12:34:56.789`.
pub(super) fn put_timestamp(micros: i64, out: &mut BytesMut) {
    let bc = put_moment(micros, out);
    put_era(bc, out);
}

/// `2016-01-01 12:34:56.789+00`, in the zone given.
pub(super) fn put_timestamp_tz(micros: i64, zone: Option<&Tz>, out: &mut BytesMut) {
    let offset = offset_seconds(micros, zone);
    let bc = put_moment(micros.saturating_add(i64::from(offset) * 1_000_000), out);
    out.put_u8(if offset < 0 { b'-' } else { b'+' });
    let offset = u64::from(offset.unsigned_abs());
    put_padded(offset / 3600, 2, out);
    if offset % 3600 != 0 {
        out.put_u8(b':');
        put_padded(offset / 60 % 60, 2, out);
    }
    if offset % 60 != 0 {
        out.put_u8(b':');
        put_padded(offset % 60, 2, out);
    }
    put_era(bc, out);
}

/// Seconds east of UTC at a moment; 0 for moments beyond what the zone rules can tell.
fn offset_seconds(micros: i64, zone: Option<&Tz>) -> i32 {
    let Some(zone) = zone else { return 0 };
    DateTime::from_timestamp_micros(micros).map_or(0, |moment| {
        zone.offset_from_utc_datetime(&moment.naive_utc())
            .fix()
            .local_minus_utc()
    })
}

/// Date and time; says whether the year is before 1.
fn put_moment(micros: i64, out: &mut BytesMut) -> bool {
    let bc = put_calendar(micros.div_euclid(MICROS_PER_DAY), out);
    out.put_u8(b' ');
    put_time(micros.rem_euclid(MICROS_PER_DAY), out);
    bc
}

fn put_era(bc: bool, out: &mut BytesMut) {
    if bc {
        out.put_slice(b" BC");
    }
}

/// Year, month and day of a count of days since 1970-01-01; says whether the year is before 1.
fn put_calendar(days: i64, out: &mut BytesMut) -> bool {
    let (year, month, day) = civil(days);
    let bc = year <= 0;
    let shown = if bc { 1 - year } else { year };
    if shown < 10_000 {
        put_padded(shown.unsigned_abs(), 4, out);
    } else {
        put_unsigned(shown.unsigned_abs(), out);
    }
    out.put_u8(b'-');
    put_padded(month, 2, out);
    out.put_u8(b'-');
    put_padded(day, 2, out);
    bc
}

/// Calendar date from days since 1970-01-01: eras of 400 years, years that begin in March so that leap days come last.
fn civil(days: i64) -> (i64, u64, u64) {
    const ERA: i64 = 146_097;
    let days = days + 719_468;
    let era = days.div_euclid(ERA);
    let of_era = days.rem_euclid(ERA);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / (ERA - 1)) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month.unsigned_abs(), day.unsigned_abs())
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
    fn the_calendar_agrees_with_chrono() {
        for days in (-1_000_000..1_000_000).step_by(377) {
            let moment = DateTime::from_timestamp(days * 86_400, 0).unwrap().date_naive();
            use chrono::Datelike;
            let expected = (
                i64::from(moment.year()),
                u64::from(moment.month()),
                u64::from(moment.day()),
            );
            assert_eq!(civil(days), expected, "day {days}");
        }
    }

    #[test]
    fn dates_and_times_in_text() {
        assert_eq!(text(|out| put_date(16_801, out)), "2016-01-01");
        assert_eq!(text(|out| put_date(-735_160, out)), "0044-03-15 BC");
        assert_eq!(text(|out| put_date(3_789_710, out)), "12345-11-16");
        assert_eq!(text(|out| put_time(45_296_789_000, out)), "12:34:56.789");
        assert_eq!(text(|out| put_timestamp(-1, out)), "1969-12-31 23:59:59.999999");
    }

    #[test]
    fn zones_shift_and_name_their_offset() {
        let micros = 1_577_880_000_120_000;
        let shown = |zone: &str| text(|out| put_timestamp_tz(micros, Some(&zone.parse::<Tz>().unwrap()), out));
        assert_eq!(shown("UTC"), "2020-01-01 12:00:00.12+00");
        assert_eq!(shown("Asia/Kolkata"), "2020-01-01 17:30:00.12+05:30");
        assert_eq!(shown("-03:00"), "2020-01-01 09:00:00.12-03");
    }

    #[test]
    fn nanoseconds_round() {
        assert_eq!(
            [-1500, -501, -500, 499, 500, 1499].map(micros_of_nanos),
            [-1, -1, 0, 0, 1, 1]
        );
    }
}
