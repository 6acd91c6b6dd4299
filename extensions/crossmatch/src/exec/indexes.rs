//! The HEALPix indexes of a batch's rows, and which rows they are.

use std::ops::Range;

use datafusion::arrow::array::{Array, AsArray, RecordBatch, RecordBatchOptions, UInt32Array};
use datafusion::arrow::buffer::ScalarBuffer;
use datafusion::arrow::compute::take_record_batch;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::common::Result;
use dreyer_sphere::CellRanges;

use super::position::Position;

/// Indexes of order 29 of those rows of a batch that lie somewhere.
#[derive(Debug)]
pub(crate) struct Indexes {
    pub(crate) index: ScalarBuffer<u64>,
    /// The row of each; `None`: all rows, one by one.
    rows: Option<Vec<u32>>,
}

impl Position {
    /// The indexes of a batch's rows: as they are stored in `index_column`, else as their coordinates have it.
    pub(crate) fn indexes(&self, batch: &RecordBatch, index_column: Option<usize>) -> Result<Indexes> {
        if let Some(stored) = index_column.map(|column| batch.column(column).as_primitive::<Int64Type>())
            && stored.null_count() == 0
        {
            // The sign is one bit of all: no row has a negative index if they have none together.
            if stored.values().iter().fold(0, |all, value| all | value) >= 0 {
                return Ok(Indexes {
                    index: ScalarBuffer::from(stored.values().inner().clone()),
                    rows: None,
                });
            }
        }
        let places = self.locate(batch, index_column)?;
        Ok(Indexes {
            index: places.index.into(),
            rows: Some(places.row),
        })
    }
}

impl Indexes {
    /// The row that a place belongs to.
    #[inline]
    pub(crate) fn row(&self, place: usize) -> u32 {
        match &self.rows {
            Some(rows) => rows[place],
            None => u32::try_from(place).unwrap_or(u32::MAX),
        }
    }

    /// The index of a row that lies somewhere.
    pub(crate) fn of_row(&self, row: u32) -> u64 {
        let place = match &self.rows {
            Some(rows) => rows.binary_search(&row).unwrap_or(usize::MAX),
            None => row as usize,
        };
        self.index.get(place).copied().unwrap_or(0)
    }

    /// Forgets what lies outside `ranges`.
    pub(crate) fn confine(&mut self, ranges: &CellRanges) {
        if self.all_within(ranges) {
            return;
        }
        let kept: Vec<usize> = if self.index.is_sorted() {
            rows_in(&self.index, ranges).flatten().collect()
        } else {
            let all = 0..self.index.len();
            all.filter(|place| ranges.contains(self.index[*place])).collect()
        };
        let rows = kept.iter().map(|place| self.row(*place)).collect();
        self.index = kept.iter().map(|place| self.index[*place]).collect();
        self.rows = Some(rows);
    }

    /// The rows of `batch` that these are.
    pub(crate) fn choose(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        match &self.rows {
            None => Ok(batch.clone()),
            Some(rows) => match run_of(rows) {
                Some((first, rows)) => Ok(batch.slice(first, rows)),
                None => rows_of(batch, UInt32Array::from(rows.clone())),
            },
        }
    }

    /// The part of a batch that lies in `ranges`, with its indexes. Rows that lie nowhere stay: no other part has them.
    pub(crate) fn cut(mut self, batch: RecordBatch, ranges: &CellRanges) -> Result<(RecordBatch, Self)> {
        if self.all_within(ranges) {
            return Ok((batch, self));
        }
        if let Some(run) = self.only_run(ranges) {
            let part = Self {
                index: self.index.slice(run.start, run.len()),
                rows: None,
            };
            return Ok((batch.slice(run.start, run.len()), part));
        }
        let rows = u32::try_from(batch.num_rows()).unwrap_or(u32::MAX);
        let mut outside = vec![false; batch.num_rows()];
        for place in 0..self.index.len() {
            outside[self.row(place) as usize] = !ranges.contains(self.index[place]);
        }
        let inside: Vec<u32> = (0..rows).filter(|row| !outside[*row as usize]).collect();
        self.confine(ranges);
        // Rows of the part are numbered anew.
        let mut places = Vec::with_capacity(self.index.len());
        let mut next = 0;
        for place in 0..self.index.len() {
            let row = self.row(place);
            while inside[next] != row {
                next += 1;
            }
            places.push(u32::try_from(next).unwrap_or(u32::MAX));
        }
        let all = places.len() == inside.len();
        let part = Self {
            index: self.index,
            rows: (!all).then_some(places),
        };
        let chosen = Self {
            index: Vec::new().into(),
            rows: Some(inside),
        };
        Ok((chosen.choose(&batch)?, part))
    }

    /// The rows that lie in `ranges`, if all rows have an index, in order, and these follow one another.
    fn only_run(&self, ranges: &CellRanges) -> Option<Range<usize>> {
        if self.rows.is_some() || !self.index.is_sorted() {
            return None;
        }
        let mut runs = rows_in(&self.index, ranges);
        let first = runs.next().unwrap_or(0..0);
        runs.try_fold(first, |all, next| {
            (all.end == next.start).then_some(all.start..next.end)
        })
    }

    fn all_within(&self, ranges: &CellRanges) -> bool {
        let (Some(first), Some(last)) = (self.index.first(), self.index.last()) else {
            return true;
        };
        let (first, last) = (*first, *last);
        (self.index.is_sorted() && ranges.covers(&(first..last + 1)))
            || self.index.iter().all(|index| ranges.contains(*index))
    }
}

/// The places of those indexes, which must be sorted, that lie in `ranges`: a run for each range that holds some. Of ranges
/// between two rows, as those along a rim mostly are, only the ends are looked at.
pub(crate) fn rows_in(sorted: &[u64], ranges: &CellRanges) -> impl Iterator<Item = Range<usize>> {
    let mut next = 0;
    ranges.iter().filter_map(move |range| {
        if *sorted.get(next)? < range.start {
            next = first_from(sorted, next, range.start);
        }
        let start = next;
        if *sorted.get(next)? < range.end {
            next = first_from(sorted, next, range.end);
        }
        (start < next).then_some(start..next)
    })
}

/// The first place from `from` on whose index is not below `bound`. The next range is near, so steps begin small and double.
fn first_from(sorted: &[u64], from: usize, bound: u64) -> usize {
    let rest = &sorted[from..];
    let mut step = 1;
    while rest.get(step).is_some_and(|index| *index < bound) {
        step *= 2;
    }
    let (low, high) = (step / 2, rest.len().min(step + 1));
    from + low + rest[low..high].partition_point(|index| *index < bound)
}

/// Some rows of a batch, which may have no columns.
pub(crate) fn rows_of(batch: &RecordBatch, rows: UInt32Array) -> Result<RecordBatch> {
    if batch.num_columns() > 0 {
        return Ok(take_record_batch(batch, &rows)?);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    Ok(RecordBatch::try_new_with_options(batch.schema(), Vec::new(), &options)?)
}

/// Rows that follow one another: the first, and how many.
fn run_of(rows: &[u32]) -> Option<(usize, usize)> {
    let Some((first, last)) = rows.first().zip(rows.last()) else {
        return Some((0, 0));
    };
    ((last - first) as usize + 1 == rows.len()).then_some((*first as usize, rows.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn runs_hold_what_the_ranges_do(
            mut index in prop::collection::vec(0_u64..300, 0..60),
            ends in prop::collection::vec((0_u64..300, 0_u64..20), 0..12),
        ) {
            index.sort_unstable();
            let ranges = CellRanges::from_ranges(ends.iter().map(|(start, length)| *start..start + length));
            let runs: Vec<Range<usize>> = rows_in(&index, &ranges).collect();
            prop_assert!(runs.iter().all(|run| !run.is_empty()));
            let found: Vec<usize> = runs.into_iter().flatten().collect();
            let truth: Vec<usize> = (0..index.len()).filter(|place| ranges.contains(index[*place])).collect();
            prop_assert_eq!(found, truth);
        }
    }
}
