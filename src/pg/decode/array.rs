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
        let more = loop {
            match letters.next() {
                None if inside => return None,
                None => break false,
                Some('"') => {
                    inside = !inside;
                    quoted = true;
                }
                Some('\\') => {
                    element.push(letters.next()?);
                    quoted = true;
                }
                Some(',') if !inside => break true,
                Some('{' | '}') if !inside => return None,
                Some(letter) => element.push(letter),
            }
        };
        let element = if quoted { element } else { element.trim().to_owned() };
        if element.is_empty() && !quoted {
            return None;
        }
        let is_null = !quoted && element.eq_ignore_ascii_case("null");
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
