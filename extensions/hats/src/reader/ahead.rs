//! Reading ahead: while one row group is decoded, the bytes of the next ones are on their way.
//!
//! The engine asks for one row group at a time and decodes it before it asks again, so a scan of a remote store would
//! spend its time waiting by turns. Here, whoever is asked for whole column chunks of a row group also starts to read
//! the same columns of the row groups behind it, and of the next file of the partition. A scan that may skip row groups
//! has to have read two neighbours first. What lies ahead is bounded in bytes, and forgotten when the scan ends.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use datafusion::common::runtime::SpawnedTask;
use datafusion::datasource::listing::{FileRange, PartitionedFile};
use object_store::path::Path;
use object_store::{Error, Result};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};

use super::footer::Footers;
use super::pinned::PinnedLeaf;

/// Row groups on their way, at most.
const MAX_AHEAD: usize = 16;
/// Row groups that were read ahead for nothing after which a scan is left alone.
const MAX_WASTED: usize = 4;

/// How one partition of one scan reads ahead.
#[derive(Debug)]
pub(crate) struct ReadAhead {
    /// The partition's files in the order in which they are read; none where nobody knows it.
    files: Vec<PartitionedFile>,
    /// Whether the scan reads every row group.
    whole: bool,
    /// Bytes on their way, at most; one row group is always read ahead.
    budget: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Unit>,
    last: Option<(Path, usize)>,
    wasted: usize,
}

/// A row group's columns on their way.
#[derive(Debug)]
struct Unit {
    file: Path,
    /// The row group; of a file whose footer may not be known yet, none.
    group: Option<usize>,
    bytes: u64,
    task: SpawnedTask<Result<Read>>,
}

/// Ranges and the bytes that were read for them.
type Read = (Vec<Range<u64>>, Vec<Bytes>);

/// Where a scan is: in which file, and which part of the file is its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Here<'a> {
    pub(super) leaf: &'a PinnedLeaf,
    pub(super) metadata: &'a ParquetMetaData,
    pub(super) range: Option<&'a FileRange>,
    pub(super) footers: &'a Footers,
    pub(super) hint: usize,
}

impl ReadAhead {
    /// `files` in the order in which the partition reads them, `whole` if no row group is skipped.
    pub(crate) fn new(files: Vec<PartitionedFile>, whole: bool, budget: u64) -> Self {
        Self {
            files,
            whole,
            budget,
            state: Mutex::default(),
        }
    }

    /// The bytes of `ranges`, read ahead or now, while what follows them is asked for.
    pub(super) async fn read(&self, here: Here<'_>, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        // Bloom filters and the like are no columns, and come in no order.
        let Some(group) = group_at(here.metadata, ranges) else {
            return here.leaf.fetch(ranges).await;
        };
        let found = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let found = state.take(&here.leaf.meta().location, group);
            self.plan(&mut state, here, ranges);
            found
        };
        if let Some(unit) = found {
            match unit.task.join().await {
                Ok(Ok(read)) => {
                    if let Some(bytes) = within(&read, ranges) {
                        return Ok(bytes);
                    }
                }
                Ok(Err(error @ Error::Precondition { .. })) => return Err(error),
                // Worth another try, which then says what is wrong.
                _ => {}
            }
        }
        here.leaf.fetch(ranges).await
    }

    fn plan(&self, state: &mut State, here: Here<'_>, ranges: &[Range<u64>]) {
        let file = &here.leaf.meta().location;
        let Some((group, columns)) = whole_chunks(here.metadata, ranges) else {
            state.last = None;
            return;
        };
        let follows = match &state.last {
            Some((before, last)) if before == file => *last + 1 == group,
            Some(_) => group == 0,
            None => false,
        };
        state.last = Some((file.clone(), group));
        if (self.whole || follows) && state.wasted < MAX_WASTED {
            self.within_file(state, here, group, &columns);
        }
    }

    fn within_file(&self, state: &mut State, here: Here<'_>, group: usize, columns: &[usize]) {
        let file = &here.leaf.meta().location;
        let queued = state.queue.iter().filter(|unit| unit.file == *file);
        let mut next = queued.filter_map(|unit| unit.group).max().unwrap_or(group) + 1;
        while let Some(metadata) = here.metadata.row_groups().get(next) {
            if own(metadata, here.range) {
                let ranges: Vec<Range<u64>> = columns.iter().map(|at| chunk(metadata, *at)).collect();
                let bytes = ranges.iter().map(|range| range.end - range.start).sum();
                if !self.has_room(state, bytes) {
                    return;
                }
                let leaf = here.leaf.clone();
                let task = SpawnedTask::spawn(async move {
                    let bytes = leaf.fetch(&ranges).await?;
                    Ok((ranges, bytes))
                });
                state.queue.push_back(Unit {
                    file: file.clone(),
                    group: Some(next),
                    bytes,
                    task,
                });
            }
            next += 1;
        }
        if let Some(current) = here.metadata.row_groups().get(group) {
            let bytes = columns
                .iter()
                .map(|at| chunk(current, *at))
                .map(|range| range.end - range.start);
            self.beyond_file(state, here, columns, bytes.sum());
        }
    }

    /// The first row group of the next file; of several next files where files hold one row group each.
    fn beyond_file(&self, state: &mut State, here: Here<'_>, columns: &[usize], bytes: u64) {
        let location = &here.leaf.meta().location;
        let behind = self
            .files
            .iter()
            .skip_while(|file| file.object_meta.location != *location);
        let most = if here.metadata.num_row_groups() > 1 {
            1
        } else {
            MAX_AHEAD
        };
        for file in behind.skip(1).take(most) {
            let next = &file.object_meta;
            if state.queue.iter().any(|unit| unit.file == next.location) {
                continue;
            }
            if !self.has_room(state, bytes) {
                return;
            }
            let schema = here.metadata.file_metadata().schema_descr();
            let paths: Vec<String> = columns.iter().map(|at| schema.column(*at).path().string()).collect();
            let (leaf, footers, hint) = (here.leaf.sibling(next.clone()), here.footers.clone(), here.hint);
            let range = file.range.clone();
            let task =
                SpawnedTask::spawn(async move { first_group(&leaf, &footers, hint, range.as_ref(), &paths).await });
            state.queue.push_back(Unit {
                file: next.location.clone(),
                group: None,
                bytes,
                task,
            });
        }
    }

    fn has_room(&self, state: &State, bytes: u64) -> bool {
        let ahead: u64 = state.queue.iter().map(|unit| unit.bytes).sum();
        state.queue.is_empty() || (state.queue.len() < MAX_AHEAD && ahead.saturating_add(bytes) <= self.budget)
    }
}

impl State {
    /// What is on its way for a row group of `file`. Whatever was to come before it has been skipped.
    fn take(&mut self, file: &Path, group: usize) -> Option<Unit> {
        let fits = |unit: &Unit| unit.file == *file && unit.group.is_none_or(|ahead| ahead == group);
        let found = self.queue.iter().position(fits);
        let skipped = found.unwrap_or(self.queue.len());
        self.wasted += skipped;
        self.queue.drain(..skipped);
        found.and_then(|_| self.queue.pop_front())
    }
}

/// The columns at `paths` of the first row group of a file that nobody has opened yet.
async fn first_group(
    leaf: &PinnedLeaf,
    footers: &Footers,
    hint: usize,
    range: Option<&FileRange>,
    paths: &[String],
) -> Result<Read> {
    let footer = footers.get(leaf, hint).await.map_err(|error| Error::Generic {
        store: "read ahead",
        source: Box::new(error),
    })?;
    let schema = footer.file_metadata().schema_descr();
    let column = |path: &String| {
        schema
            .columns()
            .iter()
            .position(|column| column.path().string() == *path)
    };
    let columns: Option<Vec<usize>> = paths.iter().map(column).collect();
    let group = footer.row_groups().iter().find(|group| own(group, range));
    let (Some(columns), Some(group)) = (columns, group) else {
        return Ok((Vec::new(), Vec::new()));
    };
    let ranges: Vec<Range<u64>> = columns.into_iter().map(|at| chunk(group, at)).collect();
    let bytes = leaf.fetch(&ranges).await?;
    Ok((ranges, bytes))
}

/// The bytes of `ranges`, if all lie within what was read.
fn within((had, bytes): &Read, ranges: &[Range<u64>]) -> Option<Vec<Bytes>> {
    let find = |range: &Range<u64>| {
        let at = had
            .iter()
            .position(|whole| whole.start <= range.start && range.end <= whole.end)?;
        let offset = |byte: u64| usize::try_from(byte - had[at].start).ok();
        Some(bytes.get(at)?.slice(offset(range.start)?..offset(range.end)?))
    };
    ranges.iter().map(find).collect()
}

fn chunk(group: &RowGroupMetaData, column: usize) -> Range<u64> {
    let (start, length) = group.column(column).byte_range();
    start..start + length
}

/// Whether a row group belongs to a part of a file, by the rule by which the engine deals them out.
fn own(group: &RowGroupMetaData, range: Option<&FileRange>) -> bool {
    let first = group.column(0);
    let offset = first
        .dictionary_page_offset()
        .unwrap_or_else(|| first.data_page_offset());
    range.is_none_or(|range| range.contains(offset))
}

/// The row group in which the first of `ranges` lies.
fn group_at(metadata: &ParquetMetaData, ranges: &[Range<u64>]) -> Option<usize> {
    let first = ranges.first()?;
    let holds = |group: &RowGroupMetaData| {
        let mut columns = group.columns().iter().map(|column| column.byte_range());
        columns.any(|(start, length)| start <= first.start && first.end <= start + length)
    };
    metadata.row_groups().iter().position(holds)
}

/// The row group and columns of which `ranges` are the whole chunks, in one piece or page by page, if they are that.
fn whole_chunks(metadata: &ParquetMetaData, ranges: &[Range<u64>]) -> Option<(usize, Vec<usize>)> {
    let at = group_at(metadata, ranges)?;
    let group = metadata.row_group(at);
    let mut columns: Vec<(usize, u64)> = Vec::new();
    for range in ranges {
        let holds = |chunk: Range<u64>| chunk.start <= range.start && range.end <= chunk.end;
        let again = columns.last().map(|(column, _)| *column);
        let mut candidates = again.into_iter().chain(0..group.num_columns());
        let column = candidates.find(|column| holds(chunk(group, *column)))?;
        let size = range.end - range.start;
        match columns.iter_mut().find(|(known, _)| *known == column) {
            Some((_, sum)) => *sum += size,
            None => columns.push((column, size)),
        }
    }
    let whole = |(column, sum): &(usize, u64)| {
        let chunk = chunk(group, *column);
        *sum == chunk.end - chunk.start
    };
    let all = columns.iter().all(whole);
    all.then(|| (at, columns.into_iter().map(|(column, _)| column).collect()))
}
