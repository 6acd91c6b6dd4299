//! `data_thumbnail.parquet`: the first row of every leaf, for a quick look at a catalogue's values.

use datafusion::arrow::array::RecordBatch;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::ObjectMeta;
use parquet::arrow::ParquetRecordBatchStreamBuilder;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, RowSelection, RowSelector};
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::file::metadata::PageIndexPolicy;

use super::dataset::{self, ParquetFile};
use crate::Place;
use crate::catalog::HatsCatalog;
use crate::error::{HatsError, Result};
use crate::reader::PinnedReaderFactory;
use crate::schema;

const FILE: &str = "data_thumbnail.parquet";
/// Most rows of a thumbnail.
const MOST_ROWS: usize = 100_000;
/// Leaves looked at together.
const CONCURRENT: usize = 16;

/// Writes the thumbnail of `catalog` into its folder `place`: one row a leaf, along the curve, of at most 100,000 leaves
/// evenly chosen. Gives the number of rows. A catalogue without leaves has none.
///
/// Reads the first page of each column of each leaf, or its first row group where it has no page index.
pub async fn write_thumbnail(catalog: &HatsCatalog, task: &TaskContext, place: &Place) -> Result<u64> {
    let runtime = task.runtime_env();
    let store = runtime.object_store(catalog.store_url())?;
    let readers = PinnedReaderFactory::new(&runtime, catalog.store_url())?;
    let leaves: Vec<ObjectMeta> = catalog
        .tiles()
        .iter()
        .flat_map(|tile| tile.files.iter().cloned())
        .collect();
    if leaves.is_empty() {
        return Ok(0);
    }
    let step = leaves.len().div_ceil(MOST_ROWS);
    let schema = schema::stored(&store, catalog).await?;
    let properties = dataset::properties(&schema, catalog.index_column().filter(|_| catalog.is_sorted()))?.build();
    let mut file = ParquetFile::create(place, FILE.to_owned(), &schema, &properties)?;
    let rows = stream::iter(leaves.into_iter().step_by(step)).map(|leaf| first_row(&readers, leaf));
    let mut rows = rows.buffered(CONCURRENT);
    while let Some(row) = rows.try_next().await? {
        if let Some(row) = row {
            file.write(&row).await?;
        }
    }
    Ok(file.finish(place).await?.rows)
}

async fn first_row(readers: &PinnedReaderFactory, leaf: ObjectMeta) -> Result<Option<RecordBatch>> {
    let name = leaf.location.clone();
    let metrics = ExecutionPlanMetricsSet::new();
    let reader: Box<dyn AsyncFileReader> = readers.create_reader(0, PartitionedFile::from(leaf), None, &metrics)?;
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
    let builder = ParquetRecordBatchStreamBuilder::new_with_options(reader, options).await?;
    let groups = builder.metadata().row_groups();
    let Some(group) = groups.iter().position(|group| group.num_rows() > 0) else {
        return Ok(None);
    };
    let rest = usize::try_from(groups[group].num_rows() - 1)
        .map_err(|_| HatsError::malformed(name, "has a row group with too many rows"))?;
    let first = RowSelection::from(vec![RowSelector::select(1), RowSelector::skip(rest)]);
    let mut rows = builder
        .with_row_groups(vec![group])
        .with_row_selection(first)
        .with_batch_size(1)
        .build()?;
    Ok(rows.try_next().await?)
}
