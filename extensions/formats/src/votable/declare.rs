//! Arrow fields as FIELD elements: which data type a column is written as, and what it must be cast to before. Not its
//! values.

use std::fmt::Write;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field};

use crate::metadata::{DATATYPE, DESCRIPTION, UCD, UNIT, UTYPE, XTYPE};

/// How a column is written.
#[derive(Clone, Debug)]
pub(super) struct Written {
    field: Field,
    /// The Arrow type that is written, one of a few.
    pub(super) data_type: DataType,
    pub(super) via: Via,
    xtype: Option<&'static str>,
    /// Texts of characters of two bytes.
    pub(super) wide: bool,
}

/// The way from the column's type to the one that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Via {
    Cast,
    /// As people read it: times of day, intervals.
    Display,
    Json,
}

impl Written {
    pub(super) fn new(field: &Field) -> Self {
        let (data_type, via, xtype) = written(field.data_type());
        let wide = field
            .metadata()
            .get(DATATYPE)
            .is_some_and(|datatype| datatype == "unicodeChar");
        Self {
            field: field.clone(),
            data_type,
            via,
            xtype,
            wide,
        }
    }

    pub(super) fn name(&self) -> &str {
        self.field.name()
    }

    /// The element of arrays, and whether there are several.
    fn element(&self) -> (&DataType, String) {
        let (mut data_type, mut sizes, mut is_open) = (&self.data_type, Vec::new(), false);
        loop {
            match data_type {
                DataType::FixedSizeList(item, size) => {
                    sizes.push(size.to_string());
                    data_type = item.data_type();
                }
                DataType::List(item) => {
                    is_open = true;
                    data_type = item.data_type();
                }
                _ => break,
            }
        }
        // Fastest first, the open one last.
        sizes.reverse();
        if is_open || matches!(data_type, DataType::Utf8 | DataType::Binary) {
            sizes.push("*".to_owned());
        }
        (data_type, sizes.join("x"))
    }

    /// The whole element. Elements of integer arrays have no other way to be NULL than a value that stands for it.
    pub(super) fn xml(&self) -> String {
        let (element, arraysize) = self.element();
        let datatype = match element {
            DataType::Boolean => "boolean",
            DataType::UInt8 | DataType::Binary => "unsignedByte",
            DataType::Int16 => "short",
            DataType::Int32 => "int",
            DataType::Int64 => "long",
            DataType::Float32 => "float",
            DataType::Float64 => "double",
            _ if self.wide => "unicodeChar",
            _ => "char",
        };
        let notes = self.field.metadata();
        let note = |key: &str| notes.get(key).map(String::as_str);
        let attributes = [
            ("name", Some(self.name())),
            ("datatype", Some(datatype)),
            (
                "arraysize",
                Some(arraysize.as_str()).filter(|arraysize| !arraysize.is_empty()),
            ),
            ("unit", note(UNIT)),
            ("ucd", note(UCD)),
            ("utype", note(UTYPE)),
            ("xtype", note(XTYPE).or(self.xtype)),
        ];
        let mut xml = "<FIELD".to_owned();
        for (key, value) in attributes {
            if let Some(value) = value {
                attribute(&mut xml, key, value);
            }
        }
        let null = arrays_null(element).filter(|_| !arraysize.is_empty());
        let description = note(DESCRIPTION);
        if null.is_none() && description.is_none() {
            xml.push_str("/>\n");
            return xml;
        }
        xml.push('>');
        if let Some(description) = description {
            xml.push_str("<DESCRIPTION>");
            escaped(&mut xml, description);
            xml.push_str("</DESCRIPTION>");
        }
        if let Some(null) = null {
            // Writing to a String cannot fail.
            let _ = write!(xml, "<VALUES null=\"{null}\"/>");
        }
        xml.push_str("</FIELD>\n");
        xml
    }
}

/// What stands for NULL within arrays of integers; bytes have none to spare.
fn arrays_null(element: &DataType) -> Option<i64> {
    match element {
        DataType::Int16 => Some(i16::MIN.into()),
        DataType::Int32 => Some(i32::MIN.into()),
        DataType::Int64 => Some(i64::MIN),
        _ => None,
    }
}

/// The type that a type is written as, how it becomes that, and what it stands for.
fn written(data_type: &DataType) -> (DataType, Via, Option<&'static str>) {
    use DataType as T;
    if let Some(number) = number(data_type) {
        return (number, Via::Cast, None);
    }
    let cast = |data_type| (data_type, Via::Cast, None);
    match data_type {
        T::Utf8 | T::LargeUtf8 | T::Utf8View => cast(T::Utf8),
        T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_) => cast(T::Binary),
        T::Dictionary(_, values) => written(values),
        T::Timestamp(..) | T::Date32 | T::Date64 => (T::Utf8, Via::Cast, Some("timestamp")),
        T::Null | T::Time32(_) | T::Time64(_) | T::Duration(_) | T::Interval(_) => (T::Utf8, Via::Display, None),
        T::List(item) | T::LargeList(item) | T::ListView(item) | T::LargeListView(item) => match array(item) {
            Some(item) => cast(T::List(item)),
            None => (T::Utf8, Via::Json, Some("json")),
        },
        T::FixedSizeList(item, size) if *size > 0 => match array(item) {
            Some(item) => cast(T::FixedSizeList(item, *size)),
            None => (T::Utf8, Via::Json, Some("json")),
        },
        _ => (T::Utf8, Via::Json, Some("json")),
    }
}

fn number(data_type: &DataType) -> Option<DataType> {
    use DataType as T;
    Some(match data_type {
        T::Boolean => T::Boolean,
        T::UInt8 => T::UInt8,
        T::Int8 | T::Int16 => T::Int16,
        T::UInt16 | T::Int32 => T::Int32,
        T::UInt32 | T::Int64 | T::UInt64 => T::Int64,
        T::Float16 | T::Float32 => T::Float32,
        T::Float64 | T::Decimal32(..) | T::Decimal64(..) | T::Decimal128(..) | T::Decimal256(..) => T::Float64,
        _ => return None,
    })
}

/// Entries of an array: numbers, or arrays of known size. Only the outermost size may vary in VOTable.
fn array(item: &Field) -> Option<Arc<Field>> {
    let data_type = match item.data_type() {
        DataType::FixedSizeList(item, size) if *size > 0 => DataType::FixedSizeList(array(item)?, *size),
        other => number(other)?,
    };
    Some(Arc::new(Field::new_list_field(data_type, true)))
}

/// ` key="value"`.
pub(super) fn attribute(xml: &mut String, key: &str, value: &str) {
    xml.push(' ');
    xml.push_str(key);
    xml.push_str("=\"");
    for letter in value.chars() {
        match letter {
            '"' => xml.push_str("&quot;"),
            // Read back as blanks otherwise.
            '\n' => xml.push_str("&#10;"),
            '\t' => xml.push_str("&#9;"),
            letter => character(xml, letter),
        }
    }
    xml.push('"');
}

/// Text between tags.
pub(super) fn escaped(xml: &mut String, text: &str) {
    text.chars().for_each(|letter| character(xml, letter));
}

/// Characters that XML has no way to write become the replacement character.
fn character(xml: &mut String, letter: char) {
    match letter {
        '&' => xml.push_str("&amp;"),
        '<' => xml.push_str("&lt;"),
        '>' => xml.push_str("&gt;"),
        '\r' => xml.push_str("&#13;"),
        '\n' | '\t' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'.. => xml.push(letter),
        _ => xml.push(char::REPLACEMENT_CHARACTER),
    }
}
