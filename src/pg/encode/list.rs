//! Arrays: `{1,2,NULL}` in text; in binary a header, the element type and the elements. One dimension; a list of lists
//! is json.

use bytes::{BufMut, BytesMut};
use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;
use pgwire::api::Type;

use super::{Column, Style, WireFormat, Writer, pgtype};

/// Where the elements of each row lie.
type Slots = Box<dyn Fn(usize) -> std::ops::Range<usize> + Send + Sync>;

/// The writer of an array column.
pub(super) fn writer(
    array: &ArrayRef,
    target: &Type,
    element: &Type,
    format: WireFormat,
    style: &Style,
) -> Result<Writer, ArrowError> {
    let (slots, values) = slots(array)?;
    let field = match array.data_type() {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => pgtype::pg_type(item),
        _ => element.clone(),
    };
    let values = pgtype::conform(&values, &field, element)?;
    let column = Column::new(&values, element, format, style)?;
    let vector = matches!(*target, Type::INT2_VECTOR | Type::OID_VECTOR);
    let oid = element.oid();
    Ok(match format {
        WireFormat::Text if vector => Box::new(move |row, out| put_vector(&column, slots(row), out)),
        WireFormat::Text => Box::new(move |row, out| put_text(&column, slots(row), out)),
        WireFormat::Binary => {
            let first = i32::from(!vector);
            Box::new(move |row, out| put_binary(&column, slots(row), oid, first, out))
        }
    })
}

#[expect(clippy::cast_possible_truncation, reason = "offsets into memory are addresses of it")]
fn slots(array: &ArrayRef) -> Result<(Slots, ArrayRef), ArrowError> {
    if let Some(list) = array.as_list_opt::<i32>() {
        let offsets = list.offsets().clone();
        let slots: Slots = Box::new(move |row| offsets[row] as usize..offsets[row + 1] as usize);
        return Ok((slots, list.values().clone()));
    }
    if let Some(list) = array.as_list_opt::<i64>() {
        let offsets = list.offsets().clone();
        let slots: Slots = Box::new(move |row| offsets[row] as usize..offsets[row + 1] as usize);
        return Ok((slots, list.values().clone()));
    }
    if let Some(list) = array.as_fixed_size_list_opt() {
        let size = list.value_length() as usize;
        let slots: Slots = Box::new(move |row| row * size..(row + 1) * size);
        return Ok((slots, list.values().clone()));
    }
    Err(ArrowError::NotYetImplemented(format!(
        "cannot send {} as an array",
        array.data_type()
    )))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "an array of 2^31 elements fits no message"
)]
fn put_binary(column: &Column, slots: std::ops::Range<usize>, oid: u32, first: i32, out: &mut BytesMut) {
    let empty = slots.is_empty();
    out.put_i32(i32::from(!empty));
    out.put_i32(i32::from(slots.clone().any(|slot| column.is_null(slot))));
    out.put_u32(oid);
    if !empty {
        out.put_i32(slots.len() as i32);
        out.put_i32(first);
    }
    for slot in slots {
        column.write(slot, out);
    }
}

fn put_vector(column: &Column, slots: std::ops::Range<usize>, out: &mut BytesMut) {
    let start = slots.start;
    for slot in slots {
        if slot > start {
            out.put_u8(b' ');
        }
        (column.writer)(slot, out);
    }
}

fn put_text(column: &Column, slots: std::ops::Range<usize>, out: &mut BytesMut) {
    out.put_u8(b'{');
    let start = slots.start;
    let mut element = BytesMut::new();
    for slot in slots {
        if slot > start {
            out.put_u8(b',');
        }
        if column.is_null(slot) {
            out.put_slice(b"NULL");
            continue;
        }
        element.clear();
        (column.writer)(slot, &mut element);
        put_element(&element, out);
    }
    out.put_u8(b'}');
}

/// An element, quoted where its text could be taken for something else.
fn put_element(text: &[u8], out: &mut BytesMut) {
    let special =
        |byte: &u8| matches!(byte, b'{' | b'}' | b',' | b'"' | b'\\') || byte.is_ascii_whitespace() || *byte == 0x0b;
    if !text.is_empty() && !text.iter().any(special) && !text.eq_ignore_ascii_case(b"NULL") {
        return out.put_slice(text);
    }
    out.put_u8(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.put_u8(b'\\');
        }
        out.put_u8(*byte);
    }
    out.put_u8(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_quoted_where_postgresql_quotes_them() {
        for (text, expected) in [
            ("1.5", "1.5"),
            ("", "\"\""),
            ("null", "\"null\""),
            ("a b", "\"a b\""),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \\\"hi\\\"\""),
            ("\\x00", "\"\\\\x00\""),
            ("Å", "Å"),
        ] {
            let mut out = BytesMut::new();
            put_element(text.as_bytes(), &mut out);
            assert_eq!(std::str::from_utf8(&out).unwrap(), expected);
        }
    }
}
