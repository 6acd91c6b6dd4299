//! The files of an index and what their statistics say: which pages can hold a key.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use parquet::arrow::parquet_to_arrow_schema;
use parquet::file::metadata::ParquetMetaData;

use super::Found;
use super::entries;
use super::keys::{Key, Keys};
use crate::error::{HatsError, Result};
use crate::layout;
use crate::listing::Tile;
use crate::reader::PinnedReaderFactory;
use crate::schema;

/// Files looked at together.
const CONCURRENT: usize = 8;
/// Rows of an index that are read for one question; beyond, the table itself is the better thing to read.
const MAX_ROWS: usize = 1 << 20;
/// The folder of the parts, within the dataset folder.
const PARTS_DIR: &str = "index";

/// The files of one index.
#[derive(Debug)]
pub(super) struct Parts {
    column: String,
    parts: Vec<Part>,
}

/// One file, and the keys it holds; an unknown end counts as open.
#[derive(Debug)]
struct Part {
    file: ObjectMeta,
    rows: u64,
    low: Option<Key>,
    high: Option<Key>,
}

/// The row groups and rows of one file that may hold a key.
pub(super) struct Selected {
    pub(super) file: ObjectMeta,
    pub(super) footer: Arc<ParquetMetaData>,
    pub(super) row_groups: Vec<usize>,
    pub(super) rows: RowSelection,
}

impl Parts {
    /// Opens the index at `root`: one LIST and the read of `_metadata`, or where there is none, of all footers.
    pub(super) async fn open(
        root: &Path,
        column: &str,
        readers: &PinnedReaderFactory,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Self> {
        let dataset = root.clone().join(layout::DATASET_DIR);
        let summary = summary(&dataset, column, readers).await?;
        let folder = dataset.clone().join(PARTS_DIR);
        let files = match list(readers.store(), &folder).await? {
            Some(files) => files,
            None => heads(readers.store(), &dataset, summary.keys()).await?,
        };
        let known = |file: &ObjectMeta| {
            let name = file.location.as_ref().strip_prefix(dataset.as_ref())?;
            summary.get(name.trim_start_matches('/'))
        };
        let parts =
            if !files.is_empty() && files.iter().all(|file| known(file).is_some()) && files.len() == summary.len() {
                let part = |file: ObjectMeta| known(&file).cloned().map(|bounds| bounds.of(file));
                files.into_iter().filter_map(part).collect()
            } else {
                let parts = files
                    .into_iter()
                    .map(|file| part_of(file, column, readers, metrics).boxed());
                together(parts.collect()).await?
            };
        Ok(Self {
            column: column.to_owned(),
            parts,
        })
    }

    /// Rows of all files.
    pub(super) fn rows(&self) -> u64 {
        self.parts.iter().map(|part| part.rows).sum()
    }

    /// Where rows with `keys` lie; `None` if that takes too much reading.
    pub(super) async fn find(
        &self,
        keys: &Keys,
        tiles: &[Tile],
        readers: &PinnedReaderFactory,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Option<Found>> {
        let touched = self
            .parts
            .iter()
            .filter(|part| keys.overlaps(part.low.as_ref(), part.high.as_ref()));
        let selected = touched.map(|part| self.select(part, keys, readers, metrics).boxed());
        let selected: Vec<Selected> = together(selected.collect()).await?;
        let rows: usize = selected.iter().map(|selected| selected.rows.row_count()).sum();
        if rows > MAX_ROWS {
            return Ok(None);
        }
        let selected = selected.into_iter().filter(|selected| selected.rows.selects_any());
        let read = |selected| entries::read(selected, &self.column, keys, tiles, readers, metrics).boxed();
        let found = together(selected.map(read).collect()).await?;
        Ok(Some(Found {
            ranges: dreyer_sphere::CellRanges::from_ranges(found.iter().flat_map(|found| found.ranges.iter())),
            rows: found.iter().map(|found| found.rows).sum(),
        }))
    }

    async fn select(
        &self,
        part: &Part,
        keys: &Keys,
        readers: &PinnedReaderFactory,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Selected> {
        let footer = readers.open(&part.file, None, 0, metrics).footer().await?;
        let count = footer.num_row_groups();
        let now = bounds(&footer, &self.column, &part.file.location, 0..count)?;
        let within = |end: &Option<Key>| end.as_ref().is_none_or(|end| Some(end) >= part.low.as_ref());
        if now.rows != part.rows || !within(&now.low) || now.high > part.high && part.high.is_some() {
            return Err(HatsError::malformed(
                &part.file.location,
                "is not the file that the index's _metadata tells of",
            ));
        }
        let schema = arrow_schema(&footer)?;
        let statistics = StatisticsConverter::try_new(&self.column, &schema, footer.file_metadata().schema_descr())?;
        let (mut row_groups, mut selectors) = (Vec::new(), Vec::new());
        let (lows, highs) = row_group_bounds(&statistics, &footer, 0..count)?;
        for at in 0..count {
            if keys.overlaps(lows[at].as_ref(), highs[at].as_ref()) {
                row_groups.push(at);
                selectors.extend(pages(&statistics, &footer, at, keys)?);
            }
        }
        Ok(Selected {
            file: part.file.clone(),
            footer,
            row_groups,
            rows: selectors.into(),
        })
    }
}

/// Runs a few at a time; answers in order.
async fn together<T>(tasks: Vec<BoxFuture<'_, Result<T>>>) -> Result<Vec<T>> {
    stream::iter(tasks).buffered(CONCURRENT).try_collect().await
}

async fn part_of(
    file: ObjectMeta,
    column: &str,
    readers: &PinnedReaderFactory,
    metrics: &ExecutionPlanMetricsSet,
) -> Result<Part> {
    let footer = readers.open(&file, None, 0, metrics).footer().await?;
    Ok(bounds(&footer, column, &file.location, 0..footer.num_row_groups())?.of(file))
}

/// What is known of some row groups together.
#[derive(Debug, Clone)]
struct Bounds {
    rows: u64,
    low: Option<Key>,
    high: Option<Key>,
}

impl Bounds {
    fn of(self, file: ObjectMeta) -> Part {
        Part {
            file,
            rows: self.rows,
            low: self.low,
            high: self.high,
        }
    }
}

fn bounds(
    footer: &ParquetMetaData,
    column: &str,
    file: &Path,
    row_groups: impl Iterator<Item = usize> + Clone,
) -> Result<Bounds> {
    let schema = arrow_schema(footer)?;
    if !schema
        .field_with_name(column)
        .is_ok_and(|field| Key::has(field.data_type()))
    {
        let fault = format!("has no column {column} of whole numbers or texts");
        return Err(HatsError::malformed(file, fault));
    }
    let statistics = StatisticsConverter::try_new(column, &schema, footer.file_metadata().schema_descr())?;
    let (lows, highs) = row_group_bounds(&statistics, footer, row_groups.clone())?;
    let rows = row_groups.map(|at| u64::try_from(footer.row_group(at).num_rows()).unwrap_or(0));
    Ok(Bounds {
        rows: rows.sum(),
        // Of groups of which one is unknown, nothing is known.
        low: lows
            .into_iter()
            .collect::<Option<Vec<_>>>()
            .and_then(|lows| lows.into_iter().min()),
        high: highs
            .into_iter()
            .collect::<Option<Vec<_>>>()
            .and_then(|highs| highs.into_iter().max()),
    })
}

type Ends = (Vec<Option<Key>>, Vec<Option<Key>>);

fn row_group_bounds<'a>(
    statistics: &StatisticsConverter<'a>,
    footer: &'a ParquetMetaData,
    row_groups: impl Iterator<Item = usize> + Clone,
) -> Result<Ends> {
    let groups = || row_groups.clone().map(|at| footer.row_group(at));
    Ok((
        Key::all(&statistics.row_group_mins(groups())?)?,
        Key::all(&statistics.row_group_maxes(groups())?)?,
    ))
}

/// The rows of one row group that may hold a key: those of the pages that may, or where pages are unknown, all.
fn pages(
    statistics: &StatisticsConverter<'_>,
    footer: &ParquetMetaData,
    row_group: usize,
    keys: &Keys,
) -> Result<Vec<RowSelector>> {
    let whole = || usize::try_from(footer.row_group(row_group).num_rows()).unwrap_or(usize::MAX);
    let (Some(columns), Some(offsets)) = (footer.column_index(), footer.offset_index()) else {
        return Ok(vec![RowSelector::select(whole())]);
    };
    let lows = Key::all(&statistics.data_page_mins(columns, offsets, [&row_group])?)?;
    let highs = Key::all(&statistics.data_page_maxes(columns, offsets, [&row_group])?)?;
    let counts = statistics.data_page_row_counts(offsets, footer.row_groups(), [&row_group])?;
    let counts: Vec<Option<u64>> = counts.map(|counts| counts.iter().collect()).unwrap_or_default();
    let total: Option<u64> = counts.iter().copied().sum();
    if counts.len() != lows.len() || counts.len() != highs.len() || total != Some(whole() as u64) {
        return Ok(vec![RowSelector::select(whole())]);
    }
    let selector = |((low, high), rows): ((&Option<Key>, &Option<Key>), &Option<u64>)| RowSelector {
        row_count: usize::try_from(rows.unwrap_or(0)).unwrap_or(usize::MAX),
        skip: !keys.overlaps(low.as_ref(), high.as_ref()),
    };
    Ok(lows.iter().zip(&highs).zip(&counts).map(selector).collect())
}

/// What `_metadata` says of each file, by its path within the dataset folder; nothing if it is not there.
async fn summary(dataset: &Path, column: &str, readers: &PinnedReaderFactory) -> Result<BTreeMap<String, Bounds>> {
    let file = match readers.store().head(&dataset.clone().join("_metadata")).await {
        Ok(file) => file,
        Err(object_store::Error::NotFound { .. }) => return Ok(BTreeMap::new()),
        Err(error) => return Err(error.into()),
    };
    // Without the page index: where it names one, that lies in the part, at offsets of the part.
    let footer = schema::footer(readers.store(), &file).await?;
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, group) in footer.row_groups().iter().enumerate() {
        let path = group.columns().first().and_then(|column| column.file_path());
        groups.entry(path.unwrap_or_default().to_owned()).or_default().push(at);
    }
    groups
        .into_iter()
        .map(|(path, groups)| Ok((path, bounds(&footer, column, &file.location, groups.into_iter())?)))
        .collect()
}

/// The parts by listing; `None` where the store cannot list.
async fn list(store: &Arc<dyn ObjectStore>, folder: &Path) -> Result<Option<Vec<ObjectMeta>>> {
    let listed: object_store::Result<Vec<ObjectMeta>> = store.list(Some(folder)).try_collect().await;
    let mut files = match listed {
        Ok(files) => files,
        Err(object_store::Error::NotSupported { .. } | object_store::Error::NotImplemented { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    files.retain(|file| file.location.filename().is_some_and(|name| name.ends_with(".parquet")));
    files.sort_by(|a, b| a.location.cmp(&b.location));
    Ok(Some(files))
}

/// The parts by the names that `_metadata` tells.
async fn heads(
    store: &Arc<dyn ObjectStore>,
    dataset: &Path,
    names: impl Iterator<Item = &String>,
) -> Result<Vec<ObjectMeta>> {
    let paths: Vec<Path> = names.map(|name| Path::from(format!("{dataset}/{name}"))).collect();
    let head = |path| async move { Ok(store.head(path).await?) }.boxed();
    together(paths.iter().map(head).collect()).await
}

fn arrow_schema(footer: &ParquetMetaData) -> Result<Schema> {
    let file = footer.file_metadata();
    Ok(parquet_to_arrow_schema(file.schema_descr(), file.key_value_metadata())?)
}

/// Whether a column holds order-29 cells.
pub(super) fn is_cell_column(schema: &Schema, name: &str) -> bool {
    let field = schema.field_with_name(name);
    field.is_ok_and(|field| matches!(field.data_type(), DataType::Int64 | DataType::UInt64))
}
