//! Dates and times as PostgreSQL lets them be written, in the one way that the engine reads: with all digits, with
//! seconds, with a `:` in the zone.

use pgwire::api::Type;

use super::super::encode::arrow_type;
use crate::{Error, ErrorKind, Result};
use datafusion::common::ScalarValue;

/// The text of a date, time or timestamp with nothing left out.
///
/// # Errors
/// 22007 for a text that is none.
pub(in crate::pg) fn time_in_full(text: &str, target: &Type) -> Result<String> {
    let full = match *target {
        Type::DATE => day(text.trim()).map(|(day, _)| day),
        Type::TIME => clock(text.trim()).map(|(clock, _)| clock),
        _ => moment(text.trim()),
    };
    let readable = |full: &String| {
        let value = ScalarValue::Utf8(Some(full.clone())).cast_to(&arrow_type(target));
        value.is_ok_and(|value| !value.is_null())
    };
    full.filter(readable).ok_or_else(|| {
        let name = super::super::catalog::type_name(target.oid());
        let name = name.split(" without").next().unwrap_or(&name);
        Error::new(
            ErrorKind::InvalidDatetime,
            format!("invalid input syntax for type {name}: \"{text}\""),
        )
    })
}

fn moment(text: &str) -> Option<String> {
    if text.eq_ignore_ascii_case("epoch") {
        return Some("1970-01-01T00:00:00Z".to_owned());
    }
    let (day, rest) = day(text)?;
    let rest = rest.trim_start_matches(['T', 't', ' ']);
    if rest.is_empty() {
        return Some(day);
    }
    match clock(rest) {
        Some((clock, zone)) => Some(format!("{day}T{clock}{}", in_full(zone.trim())?)),
        None => Some(format!("{day}T00:00:00{}", in_full(rest)?)),
    }
}

/// `2024-1-2` as `2024-01-02`, and what comes after it.
fn day(text: &str) -> Option<(String, &str)> {
    if text.eq_ignore_ascii_case("epoch") {
        return Some(("1970-01-01".to_owned(), ""));
    }
    let end = text.find(['T', 't', ' ']).unwrap_or(text.len());
    let (day, rest) = text.split_at_checked(end)?;
    if day.len() == 8 && day.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some((format!("{}-{}-{}", &day[..4], &day[4..6], &day[6..]), rest));
    }
    let mut parts = day.splitn(3, ['-', '/']);
    let (year, month, date) = (number(parts.next()?)?, number(parts.next()?)?, number(parts.next()?)?);
    Some((format!("{year:04}-{month:02}-{date:02}"), rest))
}

/// `9:30` as `09:30:00`, and what comes after it.
fn clock(text: &str) -> Option<(String, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.')
        .unwrap_or(text.len());
    let (clock, rest) = text.split_at_checked(end)?;
    let mut parts = clock.splitn(3, ':');
    let (hour, minute) = (number(parts.next()?)?, number(parts.next()?)?);
    let second = parts.next().unwrap_or("00");
    let (whole, fraction) = second.split_once('.').unwrap_or((second, ""));
    let whole = number(whole)?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction = fraction.get(..9.min(fraction.len())).unwrap_or_default();
    let dot = if fraction.is_empty() { "" } else { "." };
    Some((format!("{hour:02}:{minute:02}:{whole:02}{dot}{fraction}"), rest))
}

/// A zone: nothing, `Z`, hours and minutes east, or a name.
fn in_full(zone: &str) -> Option<String> {
    let Some(first) = zone.chars().next() else {
        return Some(String::new());
    };
    if ["z", "utc", "gmt"].contains(&zone.to_ascii_lowercase().as_str()) {
        return Some("Z".to_owned());
    }
    if first != '+' && first != '-' {
        return Some(format!(" {zone}"));
    }
    let digits: String = zone.get(1..)?.split(':').map(|part| format!("{part:0>2}")).collect();
    let digits = if digits.len() % 2 == 1 {
        format!("0{digits}")
    } else {
        digits
    };
    let known = digits.bytes().all(|byte| byte.is_ascii_digit()) && (2..=6).contains(&digits.len());
    known.then(|| format!("{first}{}:{}", &digits[..2], digits.get(2..4).unwrap_or("00")))
}

fn number(text: &str) -> Option<u32> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_left_out_is_filled_in() {
        for (text, target, full) in [
            ("2024-01-02 10:00", Type::TIMESTAMP, "2024-01-02T10:00:00"),
            ("2024-1-2", Type::TIMESTAMP, "2024-01-02"),
            ("20240102 9:05", Type::TIMESTAMP, "2024-01-02T09:05:00"),
            (
                "2024-01-02T03:04:05.123456789Z",
                Type::TIMESTAMPTZ,
                "2024-01-02T03:04:05.123456789Z",
            ),
            (
                "2024-01-02 03:04:05.5+02",
                Type::TIMESTAMPTZ,
                "2024-01-02T03:04:05.5+02:00",
            ),
            ("2024-01-02 03:04 -0330", Type::TIMESTAMPTZ, "2024-01-02T03:04:00-03:30"),
            ("2024-02-01 +00", Type::DATE, "2024-02-01"),
            ("2024-02-01 +00", Type::TIMESTAMPTZ, "2024-02-01T00:00:00+00:00"),
            ("9:30", Type::TIME, "09:30:00"),
            ("epoch", Type::TIMESTAMP, "1970-01-01T00:00:00Z"),
        ] {
            assert_eq!(time_in_full(text, &target).unwrap(), full, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "never",
            "",
            "2024-13-01",
            "2024-01-02 25:00",
            "2024-01",
            "2024-01-02 x",
            "é",
            "2024-01-02 +é",
        ] {
            let error = time_in_full(text, &Type::TIMESTAMP).unwrap_err();
            assert_eq!(error.sqlstate(), "22007", "{text}");
        }
    }
}
