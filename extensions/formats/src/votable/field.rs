//! FIELD elements: data type, array size, null value, metadata. Not the values themselves.

use arrow::datatypes::{DataType, Field};

use crate::elements::shortened;
use crate::layout::Shape;
use crate::metadata::{ARRAYSIZE, DATATYPE, DESCRIPTION, Notes, UCD, UNIT, UTYPE, XTYPE};
use crate::wire::Wire;
use crate::{FormatError, Result};

/// Elements of an array of fixed size: each cell takes their room, even where it is NULL.
const MAX_FIXED_ELEMENTS: usize = 1 << 22;

/// A FIELD while its element is read, and after.
#[derive(Clone, Debug, Default)]
pub(super) struct Declared {
    pub(super) name: String,
    datatype: String,
    arraysize: Option<String>,
    /// `VALUES/@null`.
    pub(super) null: Option<String>,
    pub(super) description: String,
    notes: Notes,
}

/// A column as it is stored.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) field: Field,
    pub(super) kind: Kind,
    pub(super) shape: Shape,
    /// What stands for NULL, as written.
    pub(super) null: Option<String>,
}

/// What the elements are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Number(Wire),
    Bit,
    Text {
        /// Of two bytes each, in the binary forms.
        wide: bool,
        /// Characters of a text of fixed size.
        length: Option<usize>,
    },
}

impl Declared {
    pub(super) fn new(attributes: Vec<(String, String)>) -> Self {
        let mut declared = Self::default();
        let mut id = String::new();
        for (key, value) in attributes {
            match key.as_str() {
                "name" => declared.name = value,
                "ID" => id = value,
                "datatype" => value.trim().clone_into(&mut declared.datatype),
                "arraysize" => {
                    declared.notes.note(ARRAYSIZE, Some(&value));
                    declared.arraysize = Some(value);
                }
                "unit" => declared.notes.note(UNIT, Some(&value)),
                "ucd" => declared.notes.note(UCD, Some(&value)),
                "utype" => declared.notes.note(UTYPE, Some(&value)),
                "xtype" => declared.notes.note(XTYPE, Some(&value)),
                _ => {}
            }
        }
        if declared.name.trim().is_empty() {
            declared.name = id;
        }
        declared
    }

    /// The column under a name that is unique.
    pub(super) fn column(mut self, name: &str) -> Result<Column> {
        let fault = |fault: String| FormatError::column(name, fault);
        let arraysize = self.arraysize.as_deref().unwrap_or_default();
        let (sizes, is_variable) =
            sizes(arraysize).ok_or_else(|| fault(format!("arraysize {:?} is none", shortened(arraysize))))?;
        let kind = kind(&self.datatype).ok_or_else(|| fault(unknown(&self.datatype)))?;
        let (kind, shape) = match kind {
            Kind::Text { wide, .. } => text(wide, sizes, is_variable),
            kind => (kind, shape(sizes, is_variable)),
        };
        let elements = shape
            .elements()
            .filter(|elements| (1..=MAX_FIXED_ELEMENTS).contains(elements));
        if elements.is_none() {
            return Err(fault(format!(
                "arraysize {arraysize:?} is not between 1 and {MAX_FIXED_ELEMENTS} elements"
            )));
        }
        if matches!(kind, Kind::Text { wide: true, .. }) {
            self.notes.note(DATATYPE, Some("unicodeChar"));
        }
        self.notes.note(DESCRIPTION, Some(&self.description));
        Ok(Column {
            field: self.notes.field(name, shape.data_type(kind.data_type()?)?),
            kind,
            shape,
            null: self.null,
        })
    }
}

impl Kind {
    fn data_type(self) -> Result<DataType> {
        match self {
            Self::Number(wire) => wire.data_type(),
            Self::Bit => Ok(DataType::Boolean),
            Self::Text { .. } => Ok(DataType::Utf8),
        }
    }
}

fn kind(datatype: &str) -> Option<Kind> {
    Some(match datatype {
        "boolean" => Kind::Number(Wire::Logical),
        "bit" => Kind::Bit,
        "unsignedByte" => Kind::Number(Wire::UInt8),
        "short" => Kind::Number(Wire::Int16),
        "int" => Kind::Number(Wire::Int32),
        "long" => Kind::Number(Wire::Int64),
        "float" => Kind::Number(Wire::Float32),
        "double" => Kind::Number(Wire::Float64),
        "floatComplex" => Kind::Number(Wire::Complex32),
        "doubleComplex" => Kind::Number(Wire::Complex64),
        "char" | "unicodeChar" => Kind::Text {
            wide: datatype == "unicodeChar",
            length: None,
        },
        _ => return None,
    })
}

fn unknown(datatype: &str) -> String {
    match datatype {
        "" => "the FIELD has no datatype".to_owned(),
        other => format!("datatype {:?} is none of VOTable", shortened(other)),
    }
}

/// `3`, `*`, `3*`, `2x3`, `2x*`: sizes, fastest first, and whether the last is open (it is left out then).
fn sizes(arraysize: &str) -> Option<(Vec<usize>, bool)> {
    let arraysize = arraysize.trim();
    if arraysize.is_empty() {
        return Some((Vec::new(), false));
    }
    let (fixed, is_variable) = match arraysize.strip_suffix('*') {
        None => (arraysize, false),
        // The number before the star is a limit that nobody keeps.
        Some(limited) => (limited.rsplit_once('x').map_or("", |(fixed, _)| fixed), true),
    };
    let sizes: Option<Vec<usize>> = match fixed {
        "" => Some(Vec::new()),
        fixed => fixed.split('x').map(|size| size.trim().parse().ok()).collect(),
    };
    Some((sizes?, is_variable))
}

fn shape(sizes: Vec<usize>, is_variable: bool) -> Shape {
    match sizes.as_slice() {
        _ if is_variable => Shape::Variable(sizes),
        [] | [1] => Shape::Scalar,
        _ => Shape::Fixed(sizes),
    }
}

/// The first dimension of a text is its length.
fn text(wide: bool, mut sizes: Vec<usize>, is_variable: bool) -> (Kind, Shape) {
    let length = match sizes.is_empty() {
        // One character, unless it may be more.
        true if is_variable => return (Kind::Text { wide, length: None }, Shape::Scalar),
        true => 1,
        false => sizes.remove(0),
    };
    let shape = match (sizes.is_empty(), is_variable) {
        (_, true) => Shape::Variable(sizes),
        (true, false) => Shape::Scalar,
        (false, false) => Shape::Fixed(sizes),
    };
    let length = Some(length);
    (Kind::Text { wide, length }, shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(datatype: &str, arraysize: &str) -> Result<Column> {
        let attributes = [("name", "x"), ("datatype", datatype), ("arraysize", arraysize)];
        Declared::new(
            attributes
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .to_vec(),
        )
        .column("x")
    }

    #[test]
    fn array_sizes_make_types() {
        for (datatype, arraysize, expected) in [
            ("int", "", "Int32"),
            ("short", "1", "Int16"),
            ("double", "3", "FixedSizeList(3 x Float64)"),
            ("float", "*", "List(Float32)"),
            ("long", "5*", "List(Int64)"),
            ("int", "2x3", "FixedSizeList(3 x FixedSizeList(2 x Int32))"),
            ("int", "2x*", "List(FixedSizeList(2 x Int32))"),
            ("int", "2x9*", "List(FixedSizeList(2 x Int32))"),
            ("doubleComplex", "", "FixedSizeList(2 x Float64)"),
            ("bit", "8", "FixedSizeList(8 x Boolean)"),
            ("char", "", "Utf8"),
            ("char", "*", "Utf8"),
            ("unicodeChar", "8*", "Utf8"),
            ("char", "8x2", "FixedSizeList(2 x Utf8)"),
            ("char", "8x*", "List(Utf8)"),
        ] {
            let data_type = column(datatype, arraysize).unwrap().field.data_type().to_string();
            assert_eq!(data_type, expected, "{datatype} {arraysize}");
        }
    }

    #[test]
    fn what_is_no_type_is_refused() {
        for (datatype, arraysize) in [
            ("", ""),
            ("string", "*"),
            ("int", "0"),
            ("int", "-1"),
            ("int", "99999999999x99999999999"),
            ("int", "a"),
        ] {
            assert!(column(datatype, arraysize).is_err(), "{datatype} {arraysize}");
        }
    }
}
