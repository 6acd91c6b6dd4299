//! Arrays from text and binary: one dimension.

use bytes::{Buf, Bytes};
use datafusion::common::ScalarValue;
use pgwire::api::Type;

use super::super::encode::{WireFormat, arrow_type};
use super::{null, parameter, text};
use crate::Result;

/// `{1,2,NULL}`, with quoted elements.
pub(super) fn from_text(given: &str, target: &Type, element: &Type) -> Result<ScalarValue> {
    let bad = || text::bad(given, target);
    let body = given
        .trim()
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
        .ok_or_else(bad)?;
    let values = elements(body)
        .ok_or_else(bad)?
        .into_iter()
        .map(|item| item.map_or_else(|| null(element), |item| text::value(&item, element)))
        .collect::<Result<Vec<_>>>()?;
    list(values, element)
}

/// The elements of an array of whatever type.
///
/// # Errors
/// 22P02 for a text that spells no array.
pub(in crate::pg) fn array_elements(given: &str) -> Result<Vec<Option<String>>> {
    let body = given.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    body.and_then(elements).ok_or_else(|| {
        let message = format!("malformed array literal: \"{given}\"");
        crate::Error::new(crate::ErrorKind::InvalidText, message)
    })
}

/// The elements between the braces; `None` within is NULL.
fn elements(body: &str) -> Option<Vec<Option<String>>> {
    let mut elements = Vec::new();
    if body.trim().is_empty() {
        return Some(elements);
    }
    let mut letters = body.chars();
    loop {
        let (mut element, mut quoted, mut inside) = (String::new(), false, false);
        // So far the element was escaped, so that its spaces count.
        let mut escaped = None;
        let more = loop {
            match letters.next() {
                None if inside => return None,
                None => break false,
                // Quotes are around the whole element.
                Some('"') if !inside && (quoted || !element.is_empty()) => return None,
                Some('"') => {
                    inside = !inside;
                    quoted = true;
                }
                Some('\\') if !quoted || inside => {
                    element.push(letters.next()?);
                    escaped = Some(element.len());
                }
                Some(',') if !inside => break true,
                Some('{' | '}') if !inside => return None,
                Some(letter) if inside => element.push(letter),
                // Spaces around an element, quoted or not, are not of it.
                Some(letter) if letter.is_ascii_whitespace() && (quoted || element.is_empty()) => {}
                Some(_) if quoted => return None,
                Some(letter) => element.push(letter),
            }
        };
        if !quoted {
            let end = element.trim_end().len().max(escaped.unwrap_or(0));
            element.truncate(end);
        }
        if element.is_empty() && !quoted {
            return None;
        }
        let is_null = !quoted && escaped.is_none() && element.eq_ignore_ascii_case("null");
        elements.push((!is_null).then_some(element));
        if !more {
            return Some(elements);
        }
    }
}

/// Dimensions, flags, element type, then each dimension's size and first index, then the elements with their lengths.
pub(super) fn from_binary(bytes: &[u8], _target: &Type, element: &Type) -> Option<ScalarValue> {
    let mut rest = bytes;
    let dimensions = rest.try_get_i32().ok()?;
    let _has_nulls = rest.try_get_i32().ok()?;
    let _element_oid = rest.try_get_u32().ok()?;
    if dimensions == 0 {
        return list(Vec::new(), element).ok();
    }
    let count = usize::try_from(rest.try_get_i32().ok()?).ok()?;
    let _first = rest.try_get_i32().ok()?;
    if dimensions != 1 || count > rest.len() / 4 {
        return None;
    }
    let mut values = Vec::with_capacity(count);
    for _ in 0..count {
        let length = rest.try_get_i32().ok()?;
        let item = match usize::try_from(length) {
            Ok(length) => {
                let (item, after) = rest.split_at_checked(length)?;
                rest = after;
                Some(Bytes::copy_from_slice(item))
            }
            Err(_) => None,
        };
        values.push(parameter(item.as_ref(), element, WireFormat::Binary, 0).ok()?);
    }
    if rest.is_empty() {
        list(values, element).ok()
    } else {
        None
    }
}

/// Elements of one type make a list; decimals, each of which came with a scale of its own, are given one.
fn list(values: Vec<ScalarValue>, element: &Type) -> Result<ScalarValue> {
    let item = arrow_type(element);
    let values = values
        .iter()
        .map(|value| value.cast_to(&item))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(ScalarValue::List(ScalarValue::new_list_nullable(&values, &item)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_cut_as_postgresql_cuts_them() {
        for (given, expected) in [
            ("{}", Some(vec![])),
            (" { } ", Some(vec![])),
            (r#"{"p", "f"}"#, Some(vec![Some("p"), Some("f")])),
            ("{ \"p\" , r s ,\tt }", Some(vec![Some("p"), Some("r s"), Some("t")])),
            (
                r#"{null, "null", NULL , nullx}"#,
                Some(vec![None, Some("null"), None, Some("nullx")]),
            ),
            (
                r#"{"a,\"b}" , c\,d, e\ }"#,
                Some(vec![Some("a,\"b}"), Some("c,d"), Some("e ")]),
            ),
            (r#"{"", " "}"#, Some(vec![Some(""), Some(" ")])),
            (r#"{a"b"}"#, None),
            (r#"{"a"b}"#, None),
            (r#"{"a" "b"}"#, None),
            ("{a,}", None),
            ("{,a}", None),
            (r#"{"a}"#, None),
            ("{{a}}", None),
            ("a", None),
        ] {
            let found = array_elements(given).ok();
            let found = found
                .as_ref()
                .map(|elements| elements.iter().map(Option::as_deref).collect());
            assert_eq!(found, expected, "{given}");
        }
    }
}
