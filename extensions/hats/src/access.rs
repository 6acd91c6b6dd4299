//! What of a leaf is read for a part of the sky: row groups and pages, by what the footer says of the index in them.
//!
//! The engine can do the same with a predicate on the index, but makes it anew for every file and judges it by building
//! arrays of statistics. Here it is a look at numbers that the cached footer holds.

use std::sync::Arc;

use datafusion::datasource::physical_plan::parquet::{ParquetAccessPlan, RowGroupAccess};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricBuilder};
use dreyer_sphere::{Cell, CellRanges};
use dreyer_tiling::Run;
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::statistics::Statistics;

/// What is read of a file, and how much of it that is.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) plan: ParquetAccessPlan,
    /// Row groups that are read and that are not.
    pub(crate) groups: [usize; 2],
    /// Pages of the index, in row groups that are read in part: those that are read and those that are not.
    pub(crate) pages: [usize; 2],
}

impl Access {
    /// Adds what is read, and what is not, to the metrics of a partition.
    pub(crate) fn count(&self, metrics: &ExecutionPlanMetricsSet, partition: usize) {
        for (name, [read, left]) in [("sky_row_groups", self.groups), ("sky_pages", self.pages)] {
            let counted = MetricBuilder::new(metrics).pruning_metrics(name, partition);
            counted.add_matched(read);
            counted.add_pruned(left);
        }
    }
}

/// What holds rows whose index, in the column of that name, may lie in `wanted`. Where statistics say nothing, all is read.
pub(crate) fn access(footer: &Arc<ParquetMetaData>, index: &str, wanted: &CellRanges) -> Access {
    let columns = footer.file_metadata().schema_descr().columns();
    let column = columns.iter().position(|column| column.path().parts() == [index]);
    let mut access = Access {
        plan: ParquetAccessPlan::new_all(footer.num_row_groups()),
        groups: [0, 0],
        pages: [0, 0],
    };
    for (group, metadata) in footer.row_groups().iter().enumerate() {
        let range = column.and_then(|column| of_group(metadata, column));
        let Some((column, (first, last))) = column.zip(range) else {
            access.groups[0] += 1;
            continue;
        };
        if !wanted.overlaps(&(first..last + 1)) {
            access.groups[1] += 1;
            access.plan.skip(group);
            continue;
        }
        access.groups[0] += 1;
        if wanted.covers(&(first..last + 1)) {
            continue;
        }
        if let Some(pages) = pages(footer, group, column) {
            let rows = u64::try_from(metadata.num_rows()).unwrap_or(0);
            let selection = selection(&pages, rows, wanted, &mut access.pages);
            access.plan.set(group, RowGroupAccess::Selection(selection));
        }
    }
    access
}

/// Where the rows of a file in that cell lie: row group by row group, or page by page.
pub(crate) fn runs(footer: &ParquetMetaData, index: &str, cell: Cell, by_page: bool) -> Vec<Run> {
    let columns = footer.file_metadata().schema_descr().columns();
    let column = columns.iter().position(|column| column.path().parts() == [index]);
    let run = |bounds: Option<(u64, u64)>, rows| Run {
        cells: bounds.map_or_else(|| cell.range(), |(first, last)| first..last + 1),
        rows,
    };
    let mut runs = Vec::new();
    for (group, metadata) in footer.row_groups().iter().enumerate() {
        let rows = u64::try_from(metadata.num_rows()).unwrap_or(0);
        let pages = column
            .filter(|_| by_page)
            .and_then(|column| pages(footer, group, column));
        let Some(pages) = pages else {
            runs.push(run(column.and_then(|column| of_group(metadata, column)), rows));
            continue;
        };
        let ends = pages.iter().skip(1).map(|(first, _)| *first).chain([rows]);
        runs.extend(
            pages
                .iter()
                .zip(ends)
                .map(|((first, bounds), end)| run(*bounds, end.saturating_sub(*first))),
        );
    }
    runs
}

/// The least and the greatest index of a row group.
fn of_group(group: &RowGroupMetaData, column: usize) -> Option<(u64, u64)> {
    match group.column(column).statistics()? {
        Statistics::Int64(values) => unsigned(*values.min_opt()?, *values.max_opt()?),
        _ => None,
    }
}

fn unsigned(first: i64, last: i64) -> Option<(u64, u64)> {
    let (first, last) = (u64::try_from(first).ok()?, u64::try_from(last).ok()?);
    (first <= last).then_some((first, last))
}

/// A page of the index: its first row, and the least and the greatest index in it where they are known.
type Page = (u64, Option<(u64, u64)>);

fn pages(footer: &ParquetMetaData, group: usize, column: usize) -> Option<Vec<Page>> {
    let ColumnIndexMetaData::INT64(index) = footer.column_index()?.get(group)?.get(column)? else {
        return None;
    };
    let places = footer.offset_index()?.get(group)?.get(column)?.page_locations();
    let page = |(page, place): (usize, &parquet::file::page_index::offset_index::PageLocation)| {
        let bounds = index.min_value(page).zip(index.max_value(page));
        let bounds = bounds.and_then(|(first, last)| unsigned(*first, *last));
        Some((u64::try_from(place.first_row_index).ok()?, bounds))
    };
    places.iter().enumerate().map(page).collect()
}

/// The rows of the pages that may be wanted.
fn selection(pages: &[Page], rows: u64, wanted: &CellRanges, counts: &mut [usize; 2]) -> RowSelection {
    let mut selectors: Vec<RowSelector> = Vec::new();
    for (place, (first_row, bounds)) in pages.iter().enumerate() {
        let end = pages.get(place + 1).map_or(rows, |(next, _)| *next);
        let number = usize::try_from(end.saturating_sub(*first_row)).unwrap_or(usize::MAX);
        let skip = bounds.is_some_and(|(first, last)| !wanted.overlaps(&(first..last + 1)));
        counts[usize::from(skip)] += 1;
        match selectors.last_mut() {
            Some(last) if last.skip == skip => last.row_count += number,
            _ if skip => selectors.push(RowSelector::skip(number)),
            _ => selectors.push(RowSelector::select(number)),
        }
    }
    RowSelection::from(selectors)
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use parquet::arrow::ArrowWriter;
    use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
    use parquet::file::metadata::PageIndexPolicy;
    use parquet::file::properties::{EnabledStatistics, WriterProperties};
    use proptest::prelude::*;

    use super::*;

    /// The footer of a file with these indexes, in pages of 10 and row groups of 50 rows.
    fn footer(indexes: &[i64], statistics: EnabledStatistics) -> Arc<ParquetMetaData> {
        let column: ArrayRef = Arc::new(Int64Array::from(indexes.to_vec()));
        let batch = RecordBatch::try_from_iter([("_healpix_29", column)]).unwrap();
        let properties = WriterProperties::builder()
            .set_data_page_row_count_limit(10)
            .set_write_batch_size(10)
            .set_max_row_group_row_count(Some(50))
            .set_statistics_enabled(statistics)
            .build();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
        let footer = ArrowReaderMetadata::load(&bytes::Bytes::from(bytes), options).unwrap();
        Arc::clone(footer.metadata())
    }

    #[test]
    fn runs_hold_every_row() {
        let indexes: Vec<i64> = (0..120).map(|row| row * row).collect();
        let cell = Cell::new(0, 0).unwrap();
        for (statistics, by_page, number) in [
            (EnabledStatistics::Page, false, 3),
            (EnabledStatistics::Page, true, 12),
            (EnabledStatistics::None, true, 3),
        ] {
            let runs = runs(&footer(&indexes, statistics), "_healpix_29", cell, by_page);
            assert_eq!(runs.len(), number, "{runs:?}");
            assert_eq!(runs.iter().map(|run| run.rows).sum::<u64>(), 120);
            if statistics == EnabledStatistics::Page {
                assert_eq!((runs[0].cells.start, runs[number - 1].cells.end), (0, 119 * 119 + 1));
            } else {
                assert_eq!(runs[0].cells, cell.range());
            }
        }
    }

    /// Whether each row is read.
    fn read(access: &Access, rows: usize) -> Vec<bool> {
        let mut read = Vec::new();
        for (group, access) in access.plan.inner().iter().enumerate() {
            let rows = (rows - 50 * group).min(50);
            match access {
                RowGroupAccess::Skip => read.extend(vec![false; rows]),
                RowGroupAccess::Scan => read.extend(vec![true; rows]),
                RowGroupAccess::Selection(selection) => {
                    for selector in selection.iter() {
                        read.extend(vec![!selector.skip; selector.row_count]);
                    }
                }
            }
        }
        read
    }

    #[test]
    fn only_the_pages_around_are_read() {
        let indexes: Vec<i64> = (0..120).map(|row| row * 100).collect();
        let wanted = CellRanges::of_range(6_040..6_110);
        let access = access(&footer(&indexes, EnabledStatistics::Page), "_healpix_29", &wanted);
        let rows = read(&access, 120);
        assert_eq!(rows.iter().filter(|read| **read).count(), 10);
        assert!(rows[60] && rows[61] && !rows[59] && !rows[70]);
        assert_eq!((access.groups, access.pages), ([1, 2], [1, 4]));
    }

    #[test]
    fn without_statistics_all_is_read() {
        let indexes: Vec<i64> = (0..120).collect();
        let wanted = CellRanges::of_range(5..6);
        for (statistics, name) in [
            (EnabledStatistics::None, "_healpix_29"),
            (EnabledStatistics::Page, "another"),
        ] {
            let access = access(&footer(&indexes, statistics), name, &wanted);
            assert!(read(&access, 120).into_iter().all(|read| read));
        }
    }

    proptest! {
        #[test]
        fn no_wanted_row_is_left_out(
            mut indexes in prop::collection::vec(0_i64..10_000, 1..300),
            sorted: bool,
            starts in prop::collection::vec((0_u64..10_000, 1_u64..500), 0..6),
        ) {
            if sorted {
                indexes.sort_unstable();
            }
            let wanted = CellRanges::from_ranges(starts.iter().map(|(start, length)| *start..start + length));
            let access = access(&footer(&indexes, EnabledStatistics::Page), "_healpix_29", &wanted);
            let read = read(&access, indexes.len());
            prop_assert_eq!(read.len(), indexes.len());
            for (index, read) in indexes.iter().zip(read) {
                prop_assert!(read || !wanted.contains(index.unsigned_abs()));
            }
        }
    }
}
