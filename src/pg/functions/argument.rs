//! Reading arguments of whatever type they come in.

use datafusion::common::ScalarValue;

/// The argument as text; `None` for NULL, or if there is none.
pub(super) fn text(arguments: &[ScalarValue], at: usize) -> Option<String> {
    let value = arguments.get(at)?;
    match value.try_as_str() {
        Some(text) => text.map(str::to_owned),
        None if value.is_null() => None,
        None => match value {
            ScalarValue::Dictionary(_, inner) => text(std::slice::from_ref(inner), 0),
            other => Some(other.to_string()),
        },
    }
}

/// The argument as a whole number, which may be written as text.
pub(super) fn integer(arguments: &[ScalarValue], at: usize) -> Option<i64> {
    let value = arguments.get(at)?;
    if value.is_null() {
        return None;
    }
    if let Some(Some(text)) = value.try_as_str() {
        return text.trim().parse().ok();
    }
    match value.cast_to(&datafusion::arrow::datatypes::DataType::Int64) {
        Ok(ScalarValue::Int64(number)) => number,
        _ => None,
    }
}

/// The argument as the number of an object.
pub(super) fn oid(arguments: &[ScalarValue], at: usize) -> Option<u32> {
    integer(arguments, at).and_then(|number| u32::try_from(number).ok())
}

/// The argument as a truth value.
pub(super) fn boolean(arguments: &[ScalarValue], at: usize) -> Option<bool> {
    match arguments.get(at)? {
        ScalarValue::Boolean(value) => *value,
        _ => None,
    }
}

/// Text, or NULL.
pub(super) fn some_text(value: Option<impl Into<String>>) -> ScalarValue {
    ScalarValue::Utf8(value.map(Into::into))
}

/// A truth value.
pub(super) fn truth(value: bool) -> ScalarValue {
    ScalarValue::Boolean(Some(value))
}

/// The elements of an argument that is a list.
pub(super) fn elements(arguments: &[ScalarValue], at: usize) -> Option<datafusion::arrow::array::ArrayRef> {
    use datafusion::arrow::array::Array;
    match arguments.get(at)? {
        ScalarValue::List(list) if !list.is_null(0) => Some(list.value(0)),
        ScalarValue::LargeList(list) if !list.is_null(0) => Some(list.value(0)),
        ScalarValue::FixedSizeList(list) if !list.is_null(0) => Some(list.value(0)),
        _ => None,
    }
}

/// The parts of a name such as `gaia."DR 3"`, folded to lower case where they are not quoted.
pub(super) fn name_parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    let mut letters = name.trim().chars().peekable();
    while let Some(letter) = letters.next() {
        let Some(part) = parts.last_mut() else { break };
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                part.push('"');
            }
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            letter if quoted => part.push(letter),
            letter => part.extend(letter.to_lowercase()),
        }
    }
    parts
}

/// A name as it must be written: quoted if it could not stand without.
pub(super) fn quoted(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '$');
    if plain {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_parts() {
        assert_eq!(name_parts("Gaia.\"DR 3\""), ["gaia", "DR 3"]);
        assert_eq!(name_parts("\"a\"\"b.c\""), ["a\"b.c"]);
        assert_eq!(quoted("ra"), "ra");
        assert_eq!(quoted("_2mass"), "_2mass");
        assert_eq!(quoted("2mass"), "\"2mass\"");
        assert_eq!(quoted("Say \"hi\""), "\"Say \"\"hi\"\"\"");
    }

    #[test]
    fn numbers_may_come_as_text() {
        let arguments = [
            ScalarValue::Utf8(Some("16400".into())),
            ScalarValue::UInt32(Some(7)),
            ScalarValue::Null,
        ];
        assert_eq!(
            (
                oid(&arguments, 0),
                oid(&arguments, 1),
                oid(&arguments, 2),
                oid(&arguments, 3)
            ),
            (Some(16400), Some(7), None, None)
        );
    }
}
