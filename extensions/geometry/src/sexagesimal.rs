//! Angles written in hours or degrees, minutes and seconds.

use datafusion::arrow::array::ArrayRef;
use dreyer_kernel::{Arg, Call, Example, Fault, FnSpec, Kind, Overload, Returns};

const FAMILY: &str = "Sexagesimal angles";
const CATALOGUE: &str = "IVOA Catalogue of ADQL User Defined Functions 1.2";
const NOTES: &str = "Parts are set apart by colons, blanks or letters, or stand as digits alone, two for each part \
                     but the first of a signed angle. NULL if the text is not such an angle.";
const DEGREES: Returns = Returns::new(Kind::Number).unit("deg");

/// The functions of sexagesimal angles.
pub(crate) static TABLE: &[FnSpec] = &[
    FnSpec {
        summary: "The angle in degrees of a text in hours, minutes and seconds.",
        notes: NOTES,
        reference: CATALOGUE,
        examples: &[
            Example::new("ivo_hms_to_degrees('18:36:56.336')", "279.234733"),
            Example::new("ivo_hms_to_degrees('183656.336')", "279.234733"),
            Example::new("ivo_hms_to_degrees('18h36m56.336s')", "279.234733"),
            Example::new("ivo_hms_to_degrees('noon')", "NULL"),
        ],
        ..FnSpec::new(
            "ivo_hms_to_degrees",
            FAMILY,
            &[Overload::new(&[Arg::new("hms", Kind::Text)], DEGREES, |call| {
                read(call, 15.0, 24.0)
            })],
        )
    },
    FnSpec {
        summary: "The angle in degrees of a text in degrees, minutes and seconds of arc.",
        notes: NOTES,
        reference: CATALOGUE,
        examples: &[
            Example::new("ivo_dms_to_degrees('+38:47:01.28')", "38.783689"),
            Example::new("ivo_dms_to_degrees('-00d30m00s')", "-0.5"),
            Example::new("ivo_dms_to_degrees('-003000')", "-0.5"),
        ],
        ..FnSpec::new(
            "ivo_dms_to_degrees",
            FAMILY,
            &[Overload::new(&[Arg::new("dms", Kind::Text)], DEGREES, |call| {
                read(call, 1.0, 360.0)
            })],
        )
    },
];

fn read(call: &Call<'_>, unit_deg: f64, most: f64) -> Result<ArrayRef, Fault> {
    let texts = call.text(0)?;
    call.fill_numbers(|row| {
        sexagesimal(texts.get(row), most)
            .map(|angle| angle * unit_deg)
            .ok_or_else(Fault::silent)
    })
}

/// The number that a sexagesimal text stands for, in its leading unit; its size is at most `most`.
fn sexagesimal(text: &str, most: f64) -> Option<f64> {
    let text = text.trim();
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let parts = parts(text)?;
    let mut value = 0.0;
    for (at, part) in parts.iter().enumerate().rev() {
        let number: f64 = part.parse().ok()?;
        // Only the last part may have a fraction, only the first may reach 60.
        if (at + 1 < parts.len() && part.contains('.')) || (at > 0 && number >= 60.0) {
            return None;
        }
        value = value / 60.0 + number;
    }
    (value <= most).then_some(sign * value)
}

/// One to three runs of digits, the last perhaps with a fraction.
fn parts(text: &str) -> Option<Vec<&str>> {
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if plain(text) {
        let whole = text.split('.').next().unwrap_or_default();
        // Packed digits: two each for minutes and seconds, the rest leads.
        return match whole.len() {
            0 => None,
            1..=3 => Some(vec![text]),
            4..=5 => Some(vec![text.get(..whole.len() - 2)?, text.get(whole.len() - 2..)?]),
            6..=7 => {
                let (minutes, seconds) = (whole.len() - 4, whole.len() - 2);
                Some(vec![
                    text.get(..minutes)?,
                    text.get(minutes..seconds)?,
                    text.get(seconds..)?,
                ])
            }
            _ => None,
        };
    }
    let parts: Vec<&str> = text
        .trim_end_matches(['s', 'S', '"', '\u{2033}'])
        .split(|c: char| c.is_whitespace() || ":hHdDmM'°\u{2032}".contains(c))
        .filter(|part| !part.is_empty())
        .collect();
    ((1..=3).contains(&parts.len()) && parts.iter().all(|part| plain(part))).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::sexagesimal;

    #[test]
    fn reads_what_people_write() {
        for (text, value) in [
            ("12:30:00", Some(12.5)),
            ("12 30", Some(12.5)),
            ("-12 30 36", Some(-12.51)),
            ("-0:30", Some(-0.5)),
            ("+1230", Some(12.5)),
            ("123000.0", Some(12.5)),
            ("12d30m", Some(12.5)),
            ("12°30′00″", Some(12.5)),
            ("12", Some(12.0)),
            ("", None),
            ("-", None),
            ("12:60:00", None),
            ("12.5:30", None),
            ("1:2:3:4", None),
            ("12:-30", None),
            ("1e1", None),
            ("25:00:00", None),
            ("é", None),
            ("1.2.3", None),
        ] {
            let read = sexagesimal(text, 24.0);
            match (read, value) {
                (Some(read), Some(value)) => assert!((read - value).abs() < 1e-12, "{text}: {read}"),
                (read, value) => assert_eq!(read, value, "{text}"),
            }
        }
    }
}
