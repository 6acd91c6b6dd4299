//! One value as text: numbers in the fewest digits that read back the same, times in ISO 8601.

use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::Result;

/// Options of all cells. NULL inside a list is told apart by a word; a NULL cell never gets here.
const OPTIONS: FormatOptions<'static> = FormatOptions::new().with_null("NULL").with_display_error(true);

/// The values of one column of a batch.
pub(super) struct Cells<'a> {
    column: &'a ArrayRef,
    formatter: ArrayFormatter<'a>,
}

impl<'a> Cells<'a> {
    pub(super) fn new(column: &'a ArrayRef) -> Result<Self> {
        let formatter = ArrayFormatter::try_new(column.as_ref(), &OPTIONS)
            .map_err(|error| crate::Error::from(datafusion::error::DataFusionError::from(error)))?;
        Ok(Self { column, formatter })
    }

    /// The text of a row, or `None` for NULL.
    pub(super) fn text(&self, row: usize) -> Option<String> {
        (!self.column.is_null(row) && self.column.data_type() != &DataType::Null)
            .then(|| self.formatter.value(row).to_string())
    }
}

/// Whether values of a type line up at their right edge.
pub(super) fn is_numeric(data_type: &DataType) -> bool {
    data_type.is_numeric()
}
