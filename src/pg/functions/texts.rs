//! JSON made of arguments, and patterns.

use datafusion::arrow::array::Array;
use datafusion::common::{DataFusionError, Result, ScalarValue};
use pgwire::api::Type;

use super::argument::{elements, some_text, text};
use super::{Row, pure};
use crate::{Error, ErrorKind};

pub(super) const ROWS: &[Row] = &[
    pure("json_build_object", Type::JSON, object),
    pure("jsonb_build_object", Type::JSON, object),
    pure("json_build_array", Type::JSON, |arguments| {
        let items = arguments.iter().map(json).collect::<Result<Vec<_>>>()?;
        Ok(some_text(Some(format!("[{}]", items.join(", ")))))
    }),
    pure("to_json", Type::JSON, |arguments| match arguments.first() {
        Some(value) if !value.is_null() => json(value).map(|json| some_text(Some(json))),
        _ => Ok(ScalarValue::Utf8(None)),
    }),
    // A pattern that escapes with another character, as one that does with the backslash.
    pure("like_escape", Type::TEXT, |arguments| {
        let (Some(pattern), Some(escape)) = (text(arguments, 0), text(arguments, 1)) else {
            return Ok(ScalarValue::Utf8(None));
        };
        let mut letters = escape.chars();
        match (letters.next(), letters.next()) {
            (escape, None) => Ok(some_text(Some(backslashed(&pattern, escape)))),
            _ => Err(refused("invalid escape string: it must be empty or one character")),
        }
    }),
];

fn object(arguments: &[ScalarValue]) -> Result<ScalarValue> {
    if !arguments.len().is_multiple_of(2) {
        return Err(refused("argument list must have even number of elements"));
    }
    let mut pairs = Vec::with_capacity(arguments.len() / 2);
    for at in (0..arguments.len()).step_by(2) {
        let key = text(arguments, at).ok_or_else(|| refused("argument of a key must not be null"))?;
        pairs.push(format!("{} : {}", written(&key), json(&arguments[at + 1])?));
    }
    Ok(some_text(Some(format!("{{{}}}", pairs.join(", ")))))
}

/// A value as JSON: numbers, truth values and lists as such, all else as text.
fn json(value: &ScalarValue) -> Result<String> {
    if value.is_null() {
        return Ok("null".to_owned());
    }
    if let Some(items) = elements(std::slice::from_ref(value), 0) {
        let items = (0..items.len()).map(|at| json(&ScalarValue::try_from_array(&items, at)?));
        return Ok(format!("[{}]", items.collect::<Result<Vec<_>>>()?.join(",")));
    }
    let shown = text(std::slice::from_ref(value), 0).unwrap_or_default();
    let plain = match value {
        ScalarValue::Boolean(_) => true,
        ScalarValue::Float64(Some(number)) => number.is_finite(),
        ScalarValue::Float32(Some(number)) => number.is_finite(),
        other => other.data_type().is_numeric(),
    };
    Ok(if plain { shown } else { written(&shown) })
}

fn written(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn backslashed(pattern: &str, escape: Option<char>) -> String {
    let mut out = String::with_capacity(pattern.len() + 4);
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        match letter {
            letter if Some(letter) == escape => {
                out.push('\\');
                out.extend(letters.next());
            }
            '\\' => out.push_str("\\\\"),
            letter => out.push(letter),
        }
    }
    out
}

fn refused(message: &str) -> DataFusionError {
    Error::new(ErrorKind::InvalidParameter, message).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_and_arrays() {
        let made = object(&[
            "a\"".into(),
            ScalarValue::Int64(Some(1)),
            "b".into(),
            ScalarValue::Utf8(None),
            "c".into(),
            "x\ny".into(),
            "d".into(),
            ScalarValue::Float64(Some(f64::NAN)),
        ])
        .unwrap();
        assert_eq!(
            made,
            ScalarValue::from(r#"{"a\"" : 1, "b" : null, "c" : "x\ny", "d" : "NaN"}"#)
        );
        assert!(object(&["a".into()]).is_err());
    }

    #[test]
    fn patterns_escape_with_a_backslash() {
        assert_eq!(backslashed("pg/_%\\//", Some('/')), "pg\\_%\\\\\\/");
        assert_eq!(backslashed("a\\_", None), "a\\\\_");
    }
}
