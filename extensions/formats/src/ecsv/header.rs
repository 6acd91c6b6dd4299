//! The comment lines at the top of an ECSV file: columns and delimiter. Not the rows.

use arrow::datatypes::{DataType, Field};

use super::array::Levels;
use super::yaml::Node;
use crate::elements::shortened;
use crate::metadata::{DESCRIPTION, Notes, UCD, UNIT, UTYPE, XTYPE};
use crate::wire::Wire;
use crate::{FormatError, Result};

/// What the header declares.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) columns: Vec<Column>,
    pub(super) delimiter: u8,
}

/// One column.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) field: Field,
    /// `None` for text.
    pub(super) element: Option<Wire>,
    pub(super) levels: Levels,
}

impl Header {
    /// Reads the YAML that the comment lines hold, whose first one is `first_line` of the file.
    pub(super) fn parse(yaml: &str, first_line: u64) -> Result<Self> {
        let node = Node::parse(yaml).map_err(|(line, fault)| {
            FormatError::line(first_line + line as u64, format!("the header is not YAML: {fault}"))
        })?;
        let Some(Node::List(columns)) = node.get("datatype") else {
            return Err(FormatError::line(
                first_line,
                "the header has no list of columns (datatype)",
            ));
        };
        let delimiter = match node.get("delimiter").and_then(Node::text) {
            None | Some(" ") => b' ',
            Some(",") => b',',
            Some(other) => {
                let fault = format!("the delimiter {:?} is neither a blank nor a comma", shortened(other));
                return Err(FormatError::line(first_line, fault));
            }
        };
        let columns: Result<Vec<_>> = columns.iter().map(column).collect();
        Ok(Self {
            columns: columns?,
            delimiter,
        })
    }
}

fn column(node: &Node) -> Result<Column> {
    let text = |key| node.get(key).and_then(Node::text);
    let name = text("name").ok_or_else(|| FormatError::column("", "a column without a name"))?;
    let fault = |fault: String| FormatError::column(name, fault);
    let datatype = text("datatype").ok_or_else(|| fault("it has no datatype".to_owned()))?;
    let mut notes = notes(node);
    let (element, levels) = match (datatype, text("subtype")) {
        ("string", Some("json")) => {
            notes.note(XTYPE, Some("json"));
            (None, Levels::default())
        }
        ("string", Some(subtype)) => {
            array(subtype).ok_or_else(|| fault(format!("the subtype {:?} is none", shortened(subtype))))?
        }
        ("string" | "str", None) => (None, Levels::default()),
        (datatype, _) => {
            let wire = element(datatype)
                .ok_or_else(|| fault(format!("the datatype {:?} is none of ECSV", shortened(datatype))))?;
            (Some(wire), Levels::default())
        }
    };
    let data_type = element.map_or(Ok(DataType::Utf8), Wire::data_type)?;
    Ok(Column {
        field: notes.field(name, levels.data_type(data_type).map_err(fault)?),
        element,
        levels,
    })
}

/// `float32[3]`, `int64[2,null]`: the element, and sizes outermost first.
fn array(subtype: &str) -> Option<(Option<Wire>, Levels)> {
    let Some((datatype, sizes)) = subtype.split_once('[') else {
        // Numbers as text, of no shape.
        return Some((Some(element(subtype)?), Levels::default()));
    };
    let element = match datatype.trim() {
        "string" | "str" => None,
        other => Some(element(other)?),
    };
    Some((element, Levels::parse(sizes.strip_suffix(']')?)?))
}

fn element(datatype: &str) -> Option<Wire> {
    Some(match datatype.trim() {
        "bool" => Wire::Logical,
        "int8" => Wire::Int8,
        "uint8" => Wire::UInt8,
        "int16" => Wire::Int16,
        "uint16" => Wire::UInt16,
        "int32" => Wire::Int32,
        "uint32" => Wire::UInt32,
        "int64" => Wire::Int64,
        "uint64" => Wire::UInt64,
        "float16" | "float32" => Wire::Float32,
        "float64" | "float128" => Wire::Float64,
        "complex64" => Wire::Complex32,
        "complex128" | "complex256" => Wire::Complex64,
        _ => return None,
    })
}

/// UCDs and the like stand in `meta`, where astropy keeps what it read from VOTable.
fn notes(node: &Node) -> Notes {
    let mut notes = Notes::default();
    let unit = node.get("unit");
    notes.note(
        UNIT,
        unit.and_then(|unit| unit.text().or_else(|| unit.get("unit")?.text())),
    );
    notes.note(DESCRIPTION, node.get("description").and_then(Node::text));
    if let Some(meta) = node.get("meta") {
        for key in [UCD, UTYPE, XTYPE] {
            notes.note(key, meta.get(key).and_then(Node::text));
        }
    }
    notes
}
