//! The step between: of the accepted pairs of a row, the nearest.
//!
//! Ties are broken so that a query gives the same rows, whatever the strategy, the number of partitions and the order of
//! the input: by separation, then the partner's HEALPix index, then the columns that say which object it is, then those
//! that the query reads.

use std::cmp::Ordering;

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::row::{RowConverter, Rows, SortField};
use datafusion::common::Result;

use super::judge::gather;

/// A row that matched, as its partner sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Partner {
    pub(crate) separation_deg: f64,
    /// HEALPix index of order 29.
    pub(crate) index: u64,
    /// Batch and row.
    pub(crate) place: (usize, usize),
}

impl Partner {
    /// Nearer first; rows at the same place are equal.
    pub(crate) fn order(&self, other: &Self) -> Ordering {
        let apart = self.separation_deg.total_cmp(&other.separation_deg);
        apart.then(self.index.cmp(&other.index))
    }
}

/// Keeps the `k` nearest partners, nearest first. `batches` hold the rows, of which the columns `telling` break ties,
/// the first one first.
pub(crate) fn nearest(partners: &mut Vec<Partner>, k: usize, batches: &[RecordBatch], telling: &[usize]) -> Result<()> {
    partners.sort_by(Partner::order);
    let mut start = 0;
    while start < partners.len().min(k) {
        let ties = partners[start..]
            .iter()
            .take_while(|partner| partner.order(&partners[start]).is_eq())
            .count();
        if ties > 1 {
            sort_by_values(&mut partners[start..start + ties], batches, telling)?;
        }
        start += ties;
    }
    partners.truncate(k);
    Ok(())
}

/// Puts rows at the same place into the order of their columns' values.
fn sort_by_values(ties: &mut [Partner], batches: &[RecordBatch], telling: &[usize]) -> Result<()> {
    let places: Vec<_> = ties.iter().map(|partner| partner.place).collect();
    let columns = telling.iter().map(|&column| gather(batches, column, &places));
    let Some(values) = comparable(&columns.collect::<Result<Vec<_>>>()?)? else {
        return Ok(());
    };
    let mut order: Vec<usize> = (0..ties.len()).collect();
    order.sort_by(|&a, &b| values.row(a).cmp(&values.row(b)));
    let sorted: Vec<Partner> = order.into_iter().map(|at| ties[at]).collect();
    ties.copy_from_slice(&sorted);
    Ok(())
}

/// Rows that can be compared; columns whose values have no order do not count.
fn comparable(columns: &[ArrayRef]) -> Result<Option<Rows>> {
    let sortable: Vec<(SortField, ArrayRef)> = columns
        .iter()
        .map(|column| {
            (
                SortField::new(column.data_type().clone()),
                std::sync::Arc::clone(column),
            )
        })
        .filter(|(field, _)| RowConverter::supports_fields(std::slice::from_ref(field)))
        .collect();
    if sortable.is_empty() {
        return Ok(None);
    }
    let (fields, columns): (Vec<_>, Vec<_>) = sortable.into_iter().unzip();
    Ok(Some(RowConverter::new(fields)?.convert_columns(&columns)?))
}
