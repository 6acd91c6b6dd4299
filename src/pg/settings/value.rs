//! What values a setting takes, and the form they are kept in. A check gives `None` for a value it refuses.

use datafusion::arrow::array::timezone::Tz;

pub(super) fn any(value: &str) -> Option<String> {
    Some(value.to_owned())
}

pub(super) fn boolean(value: &str) -> Option<String> {
    let value = value.to_ascii_lowercase();
    match value.as_str() {
        "on" | "true" | "t" | "yes" | "y" | "1" => Some("on".to_owned()),
        "off" | "false" | "f" | "no" | "n" | "0" => Some("off".to_owned()),
        _ => None,
    }
}

/// The only value there is.
pub(super) fn only_on(value: &str) -> Option<String> {
    boolean(value).filter(|value| value == "on")
}

pub(super) fn encoding(value: &str) -> Option<String> {
    let bare: String = value.chars().filter(char::is_ascii_alphanumeric).collect();
    matches!(bare.to_ascii_uppercase().as_str(), "UTF8" | "UNICODE").then(|| "UTF8".to_owned())
}

/// `ISO`, with an order of day and month for input, which changes nothing here.
pub(super) fn date_style(value: &str) -> Option<String> {
    let mut order = "MDY";
    for word in value.split(',').map(|word| word.trim().to_ascii_uppercase()) {
        match word.as_str() {
            "ISO" | "DEFAULT" | "" => {}
            "MDY" | "US" | "NONEURO" | "NONEUROPEAN" => order = "MDY",
            "DMY" | "EURO" | "EUROPEAN" => order = "DMY",
            "YMD" => order = "YMD",
            _ => return None,
        }
    }
    Some(format!("ISO, {order}"))
}

pub(super) fn interval_style(value: &str) -> Option<String> {
    value.eq_ignore_ascii_case("postgres").then(|| "postgres".to_owned())
}

pub(super) fn bytea_output(value: &str) -> Option<String> {
    value.eq_ignore_ascii_case("hex").then(|| "hex".to_owned())
}

/// A name of the zone database, `UTC` in any case, or hours east of Greenwich.
pub(super) fn time_zone(value: &str) -> Option<String> {
    if ["utc", "gmt", "z", "zulu", "etc/utc", "default", "local"].contains(&value.to_ascii_lowercase().as_str()) {
        return Some("UTC".to_owned());
    }
    if let Ok(hours) = value.parse::<f64>() {
        let minutes = (hours * 60.0).round();
        if minutes.abs() > 15.0 * 60.0 + 59.0 {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
        let (sign, minutes) = (if minutes < 0.0 { '-' } else { '+' }, minutes.abs() as u32);
        return Some(format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60));
    }
    value.parse::<Tz>().ok().map(|_| value.to_owned())
}

pub(super) fn float_digits(value: &str) -> Option<String> {
    value
        .trim()
        .parse::<i32>()
        .ok()
        .filter(|digits| (-15..=3).contains(digits))
        .map(|digits| digits.to_string())
}

pub(super) fn isolation(value: &str) -> Option<String> {
    let value = value.to_ascii_lowercase();
    ["serializable", "repeatable read", "read committed", "read uncommitted"]
        .contains(&value.as_str())
        .then_some(value)
}

pub(super) fn message_level(value: &str) -> Option<String> {
    let value = value.to_ascii_lowercase();
    let levels = [
        "debug5", "debug4", "debug3", "debug2", "debug1", "debug", "log", "notice", "warning", "error", "info",
    ];
    levels.contains(&value.as_str()).then_some(value)
}

/// A duration: milliseconds, or a number with a unit.
pub(super) fn duration(value: &str) -> Option<String> {
    let millis = milliseconds(value)?;
    Some(match millis {
        0 => "0".to_owned(),
        _ if millis % 3_600_000 == 0 => format!("{}h", millis / 3_600_000),
        _ if millis % 60_000 == 0 => format!("{}min", millis / 60_000),
        _ if millis % 1000 == 0 => format!("{}s", millis / 1000),
        _ => format!("{millis}ms"),
    })
}

/// The milliseconds of a duration.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
pub(super) fn milliseconds(value: &str) -> Option<u64> {
    let value = value.trim();
    let end = value
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(value.len());
    let (number, unit) = value.split_at(end);
    let factor = match unit.trim() {
        "" | "ms" => 1.0,
        "us" => 0.001,
        "s" => 1000.0,
        "min" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => 86_400_000.0,
        _ => return None,
    };
    let millis = number.parse::<f64>().ok()? * factor;
    (0.0..=2_147_483_647.0).contains(&millis).then(|| millis.round() as u64)
}

/// The names of a list such as `"$user", public`.
pub(super) fn names(list: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut name = String::new();
    let mut quoted = false;
    let mut letters = list.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                name.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => names.push(std::mem::take(&mut name)),
            letter if letter.is_whitespace() && !quoted => {}
            letter if quoted => name.push(letter),
            letter => name.extend(letter.to_lowercase()),
        }
    }
    names.push(name);
    names.retain(|name| !name.is_empty());
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (given, kept, millis) in [
            ("0", "0", 0),
            ("100", "100ms", 100),
            ("2s", "2s", 2000),
            ("1.5s", "1500ms", 1500),
            ("90 min", "90min", 5_400_000),
            ("120min", "2h", 7_200_000),
        ] {
            assert_eq!(duration(given).as_deref(), Some(kept));
            assert_eq!(milliseconds(kept), Some(millis));
        }
        for wrong in ["", "-1", "1 week", "s", "1e300"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn lists_of_names() {
        assert_eq!(names("\"$user\", public"), ["$user", "public"]);
        assert_eq!(names("Gaia, \"DR 3\", \"a\"\"b\""), ["gaia", "DR 3", "a\"b"]);
        assert_eq!(names(""), Vec::<String>::new());
    }

    #[test]
    fn zones_and_styles() {
        assert_eq!(time_zone("utc").as_deref(), Some("UTC"));
        assert_eq!(time_zone("Europe/Berlin").as_deref(), Some("Europe/Berlin"));
        assert_eq!(time_zone("-3.5").as_deref(), Some("-03:30"));
        assert_eq!(time_zone("99"), None);
        assert_eq!(date_style("iso, dmy").as_deref(), Some("ISO, DMY"));
        assert_eq!(date_style("German"), None);
        assert_eq!(encoding("utf-8").as_deref(), Some("UTF8"));
    }
}
