//! Cells that hold several elements: from a flat array of elements to Arrow lists. Not the elements themselves.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, FixedSizeListArray, ListArray};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field};

use crate::{FormatError, Result};

/// How many elements a cell has. Sizes of dimensions stand innermost (fastest) first, and none is zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One.
    Scalar,
    /// An array of known sizes.
    Fixed(Vec<usize>),
    /// Any number of arrays of the given sizes (of elements, where there are none).
    Variable(Vec<usize>),
}

impl Shape {
    fn dimensions(&self) -> &[usize] {
        match self {
            Self::Scalar => &[],
            Self::Fixed(sizes) | Self::Variable(sizes) => sizes,
        }
    }

    /// Elements of a fixed cell, or of one entry of a variable one; `None` when no `usize` holds it.
    pub(crate) fn elements(&self) -> Option<usize> {
        product(self.dimensions())
    }

    pub(crate) fn is_variable(&self) -> bool {
        matches!(self, Self::Variable(_))
    }

    /// The type of a column of such cells.
    pub(crate) fn data_type(&self, element: DataType) -> Result<DataType> {
        let mut data_type = element;
        for size in self.dimensions() {
            data_type = DataType::FixedSizeList(Arc::new(Field::new_list_field(data_type, true)), list_size(*size)?);
        }
        Ok(match self {
            Self::Variable(_) => DataType::List(Arc::new(Field::new_list_field(data_type, true))),
            _ => data_type,
        })
    }
}

/// The product of the sizes, if it can be had.
pub(crate) fn product(sizes: &[usize]) -> Option<usize> {
    sizes
        .iter()
        .try_fold(1_usize, |product, size| product.checked_mul(*size))
}

fn list_size(size: usize) -> Result<i32> {
    i32::try_from(size).map_err(|_| FormatError::unsupported(format!("a cell of {size} elements is too large")))
}

/// Groups flat elements into arrays of the given sizes, innermost first. `nulls` are of the outermost.
pub(crate) fn fixed(elements: ArrayRef, sizes: &[usize], nulls: Option<NullBuffer>) -> Result<ArrayRef> {
    let mut array = elements;
    for (depth, size) in sizes.iter().enumerate() {
        let field = Arc::new(Field::new_list_field(array.data_type().clone(), true));
        let nulls = nulls.clone().filter(|_| depth + 1 == sizes.len());
        array = Arc::new(FixedSizeListArray::try_new(field, list_size(*size)?, array, nulls)?);
    }
    Ok(array)
}

/// Groups entries into cells of `lengths` entries each.
pub(crate) fn variable(
    entries: ArrayRef,
    lengths: impl IntoIterator<Item = usize>,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef> {
    let mut offsets = vec![0_i32];
    let mut end = 0_usize;
    for length in lengths {
        end = end.saturating_add(length);
        let offset = i32::try_from(end)
            .map_err(|_| FormatError::unsupported("more than 2³¹ array elements in a batch: ask for fewer rows"))?;
        offsets.push(offset);
    }
    let field = Arc::new(Field::new_list_field(entries.data_type().clone(), true));
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    Ok(Arc::new(ListArray::try_new(field, offsets, entries, nulls)?))
}
