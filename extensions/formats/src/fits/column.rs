//! The columns of a binary table as its header declares them: place in the row, storage, Arrow field. Not their values.

use arrow::datatypes::{DataType, Field};

use super::form::{Code, Form, HeapCode, dimensions};
use super::header::Header;
use crate::layout::{Shape, product};
use crate::metadata::{DESCRIPTION, DISPLAY, Notes, UCD, UNIT, UTYPE, XTYPE, unique_names};
use crate::wire::Wire;
use crate::{FormatError, Result};

/// Keywords end in a number of three digits.
const MAX_COLUMNS: u64 = 999;

/// `TSCAL` and `TZERO`, where they make another number of the stored one.
pub(super) type Scale = Option<(f64, f64)>;

/// One column.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) field: Field,
    /// Bytes of the row before it.
    pub(super) offset: usize,
    /// Bytes within the row.
    pub(super) width: usize,
    pub(super) cell: Cell,
    /// The stored integer that means NULL.
    pub(super) null: Option<i64>,
    pub(super) scale: Scale,
}

/// How a cell becomes a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    /// No bytes at all: NULL in every row.
    Nothing,
    Elements(Wire, Shape),
    Bits(usize, Shape),
    /// Texts of `width` bytes, as many as the shape says.
    Text {
        width: usize,
        shape: Shape,
    },
    Heap {
        wide: bool,
        element: HeapCode,
    },
}

/// The table's columns, and the bytes of a row.
pub(super) fn columns(header: &Header) -> Result<(Vec<Column>, usize)> {
    let fault = |fault: String| FormatError::byte(header.start, fault);
    let count = header.size("TFIELDS", None)?;
    if count > MAX_COLUMNS {
        return Err(fault(format!(
            "TFIELDS = {count}: a table has at most {MAX_COLUMNS} columns"
        )));
    }
    let row_bytes =
        usize::try_from(header.size("NAXIS1", None)?).map_err(|_| fault("NAXIS1 is larger than memory".to_owned()))?;
    let names = (1..=count).map(|number| header.text(&format!("TTYPE{number}")).unwrap_or_default().to_owned());
    let mut columns = Vec::new();
    let mut offset = 0_usize;
    for (name, number) in unique_names(names).into_iter().zip(1..) {
        let column = column(header, &name, number, offset)?;
        let end = offset.checked_add(column.width).filter(|end| *end <= row_bytes);
        offset = end.ok_or_else(|| {
            fault(format!(
                "column {name:?} ends beyond the row, which has NAXIS1 = {row_bytes} bytes"
            ))
        })?;
        columns.push(column);
    }
    Ok((columns, row_bytes))
}

fn column(header: &Header, name: &str, number: usize, offset: usize) -> Result<Column> {
    let fault = |fault: &str| FormatError::column(name, fault);
    let key = |keyword: &str| format!("{keyword}{number}");
    let text = header
        .text(&key("TFORM"))
        .ok_or_else(|| fault("the header has no TFORM for it"))?;
    let form = Form::parse(text).ok_or_else(|| fault(&format!("TFORM{number} = {text:?} is no format")))?;
    let width = form.width().ok_or_else(|| fault("a cell is larger than memory"))?;
    let (scale, zero) = (
        header.real(&key("TSCAL"))?.unwrap_or(1.0),
        header.real(&key("TZERO"))?.unwrap_or(0.0),
    );
    let (form, scale) = scaling(form, scale, zero).map_err(fault)?;
    let cell = cell(&form, header.text(&key("TDIM")).and_then(dimensions));
    Ok(Column {
        field: notes(header, &key).field(name, cell.data_type(scale.is_some())?),
        offset,
        width,
        cell,
        null: header.integer(&key("TNULL"))?,
        scale,
    })
}

/// The integer types that FITS has only by a convention of `TZERO`; whatever else is scaled is a double.
fn scaling(mut form: Form, scale: f64, zero: f64) -> Result<(Form, Scale), &'static str> {
    let element = match &mut form.code {
        Code::Element(wire)
        | Code::Heap {
            element: HeapCode::Element(wire),
            ..
        } => wire,
        _ => return Ok((form, None)),
    };
    let (plain, offset) = (scale == 1.0, |bits: i32| 2_f64.powi(bits));
    *element = match *element {
        Wire::UInt8 if plain && zero == -offset(7) => Wire::Int8,
        Wire::Int16 if plain && zero == offset(15) => Wire::UInt16,
        Wire::Int32 if plain && zero == offset(31) => Wire::UInt32,
        Wire::Int64 if plain && zero == offset(63) => Wire::UInt64,
        _ if plain && zero == 0.0 => return Ok((form, None)),
        Wire::Logical => return Ok((form, None)),
        Wire::Complex32 | Wire::Complex64 => return Err("scaled complex numbers (TSCAL, TZERO) are not supported"),
        _ => return Ok((form, Some((scale, zero)))),
    };
    Ok((form, None))
}

fn cell(form: &Form, dimensions: Option<Vec<usize>>) -> Cell {
    // Sizes that do not make up the cell are wrong, and others ignore them as well.
    let dimensions = dimensions.filter(|sizes| product(sizes) == Some(form.repeat));
    let shape = |count: usize, dimensions: Option<Vec<usize>>| match (count, dimensions) {
        (_, Some(sizes)) if sizes.len() > 1 => Shape::Fixed(sizes),
        (1, _) => Shape::Scalar,
        (count, _) => Shape::Fixed(vec![count]),
    };
    match form.code {
        Code::Text(_) if form.repeat == 0 => Cell::Nothing,
        _ if form.repeat == 0 => Cell::Nothing,
        Code::Element(wire) => Cell::Elements(wire, shape(form.repeat, dimensions)),
        Code::Bits => Cell::Bits(form.repeat, shape(form.repeat, dimensions)),
        Code::Text(width) => text(form.repeat, width, dimensions),
        Code::Heap { wide, element } => Cell::Heap { wide, element },
    }
}

/// The first of a text's dimensions is its length.
fn text(bytes: usize, width: Option<usize>, dimensions: Option<Vec<usize>>) -> Cell {
    match (dimensions.as_deref(), width) {
        (Some([width, sizes @ ..]), _) if !sizes.is_empty() => Cell::Text {
            width: *width,
            shape: Shape::Fixed(sizes.to_vec()),
        },
        (None, Some(width)) if width < bytes && bytes.is_multiple_of(width) => Cell::Text {
            width,
            shape: Shape::Fixed(vec![bytes / width]),
        },
        _ => Cell::Text {
            width: bytes,
            shape: Shape::Scalar,
        },
    }
}

impl Cell {
    fn data_type(&self, scaled: bool) -> Result<DataType> {
        let element = |wire: &Wire| {
            if scaled {
                Ok(DataType::Float64)
            } else {
                wire.data_type()
            }
        };
        match self {
            Self::Nothing => Ok(DataType::Boolean),
            Self::Elements(wire, shape) => shape.data_type(element(wire)?),
            Self::Bits(_, shape) => shape.data_type(DataType::Boolean),
            Self::Text { shape, .. } => shape.data_type(DataType::Utf8),
            Self::Heap {
                element: HeapCode::Text,
                ..
            } => Ok(DataType::Utf8),
            Self::Heap {
                element: HeapCode::Bits,
                ..
            } => Shape::Variable(Vec::new()).data_type(DataType::Boolean),
            Self::Heap {
                element: HeapCode::Element(wire),
                ..
            } => Shape::Variable(Vec::new()).data_type(element(wire)?),
        }
    }
}

/// Where units and descriptions stand. `TUCD`, `TUTYP` and `TXTYP` are what tools of the virtual observatory write.
fn notes(header: &Header, key: &impl Fn(&str) -> String) -> Notes {
    let mut notes = Notes::default();
    let keywords = [
        (UNIT, "TUNIT"),
        (UCD, "TUCD"),
        (UCD, "TBUCD"),
        (UTYPE, "TUTYP"),
        (XTYPE, "TXTYP"),
        (DISPLAY, "TDISP"),
    ];
    for (note, keyword) in keywords {
        notes.note(note, header.text(&key(keyword)));
    }
    // Else the comment beside the name, unless a library wrote it by itself.
    let beside = header
        .comment(&key("TTYPE"))
        .filter(|comment| !comment.to_ascii_lowercase().starts_with("label for "));
    notes.note(DESCRIPTION, header.text(&key("TCOMM")).or(beside));
    notes
}
