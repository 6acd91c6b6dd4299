//! Index catalogues: where on the sky the rows of a key lie, so that a query by id reads the tiles it needs.
//!
//! ```text
//! id = 7, id IN (…), a join's keys ──keys──► HatsIndex ──statistics──► a few pages of dataset/index/part.N.parquet
//!                                                │
//!                      order-29 cells of the rows ▼  as any other region of the sky: tiles, row groups, pages
//! ```
//!
//! An index is only believed if it holds exactly as many rows as its catalogue, names it, and is not older. Otherwise,
//! and whenever it cannot be read, a warning says so and the scan reads what it would have read without.

mod dynamic;
mod entries;
mod keys;
mod parts;

use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricBuilder};
use dreyer_sphere::CellRanges;
use object_store::path::Path;
use tokio::sync::Mutex;

pub(crate) use dynamic::{Answers, KeysOfJoins};

use crate::catalog::{self, HatsCatalog};
use crate::error::{HatsError, Result};
use crate::listing::Tile;
use crate::properties::Properties;
use crate::reader::PinnedReaderFactory;
use keys::{Keys, Sought};
use parts::Parts;

/// The index catalogue of one column. Opened when it is first asked.
#[derive(Debug)]
pub struct HatsIndex {
    column: String,
    root: Path,
    /// What must hold of the index.
    table: Table,
    state: Mutex<State>,
}

/// The catalogue that an index must fit.
#[derive(Debug)]
struct Table {
    folder: Option<String>,
    rows: Option<u64>,
    created: Option<String>,
    tiles: Arc<[Tile]>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Unopened,
    /// Does not fit, or cannot be read; said once.
    Unusable,
    Open(Arc<Parts>),
}

/// What an index found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    /// Where the rows lie; some cells hold others beside them.
    pub(crate) ranges: CellRanges,
    /// How many rows there are.
    pub(crate) rows: u64,
}

impl HatsIndex {
    /// The index of `column` at `root`, which serves `catalog`. Reads nothing yet.
    pub(crate) fn new(column: String, root: Path, catalog: &HatsCatalog) -> Self {
        let table = Table {
            folder: catalog.path().filename().map(str::to_owned),
            rows: catalog.rows(),
            created: catalog.properties().get("hats_creation_date").map(str::to_owned),
            tiles: Arc::clone(catalog.tiles()),
        };
        Self {
            column,
            root,
            table,
            state: Mutex::default(),
        }
    }

    /// The indexed column.
    pub fn column(&self) -> &str {
        &self.column
    }

    /// The folder of the index catalogue within its store.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// Where the rows with `keys` lie. `None`: ask the table instead.
    async fn find(
        &self,
        keys: &Keys,
        readers: &PinnedReaderFactory,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Option<Found> {
        let parts = self.parts(readers, metrics).await?;
        match parts.find(keys, &self.table.tiles, readers, metrics).await {
            Ok(found) => found,
            Err(error) => {
                self.doubt(&error).await;
                None
            }
        }
    }

    async fn parts(&self, readers: &PinnedReaderFactory, metrics: &ExecutionPlanMetricsSet) -> Option<Arc<Parts>> {
        let mut state = self.state.lock().await;
        if let State::Unopened = *state {
            match self.open(readers, metrics).await {
                Ok(parts) => *state = State::Open(Arc::new(parts)),
                Err(error) => {
                    tracing::warn!(index = %self.root, %error, "an index is left unused");
                    // What the store could not give now, it may give later.
                    if !matches!(error, HatsError::Store(_)) {
                        *state = State::Unusable;
                    }
                }
            }
        }
        match &*state {
            State::Open(parts) => Some(Arc::clone(parts)),
            State::Unopened | State::Unusable => None,
        }
    }

    async fn open(&self, readers: &PinnedReaderFactory, metrics: &ExecutionPlanMetricsSet) -> Result<Parts> {
        let Some((file, properties)) = catalog::read_properties(readers.store(), &self.root).await? else {
            return Err(HatsError::NotACatalog {
                path: self.root.to_string(),
            });
        };
        let rows = properties.number("hats_nrows", &file)?;
        self.check(&file, &properties, rows)?;
        let parts = Parts::open(&self.root, &self.column, readers, metrics).await?;
        if Some(parts.rows()) != rows {
            let fault = format!("says {rows:?} rows, but its files hold {}", parts.rows());
            return Err(HatsError::malformed(file, fault));
        }
        Ok(parts)
    }

    /// Whether the index is one of this column of this catalogue as it is now.
    fn check(&self, file: &str, properties: &Properties, rows: Option<u64>) -> Result<()> {
        let fault = |fault: String| Err(HatsError::malformed(file, fault));
        let last = |url: &str| url.trim_end_matches('/').rsplit('/').next().map(str::to_owned);
        if properties.get("dataproduct_type").is_some_and(|kind| kind != "index") {
            return fault("is no index catalogue".to_owned());
        }
        if let Some(column) = properties
            .get("hats_index_column")
            .filter(|column| *column != self.column)
        {
            return fault(format!("indexes {column}, not {}", self.column));
        }
        let primary = properties.get("hats_primary_table_url").and_then(last);
        if let (Some(primary), Some(folder)) = (primary, &self.table.folder)
            && primary != *folder
        {
            return fault(format!("is of {primary}, not of {folder}"));
        }
        if rows.is_none() || rows != self.table.rows {
            return fault(format!(
                "has {rows:?} rows and its catalogue {:?}: it was made for another version",
                self.table.rows
            ));
        }
        if let (Some(made), Some(table)) = (properties.get("hats_creation_date"), &self.table.created)
            && made < table.as_str()
        {
            return fault(format!("was made at {made}, before its catalogue at {table}"));
        }
        Ok(())
    }

    async fn doubt(&self, error: &HatsError) {
        tracing::warn!(index = %self.root, %error, "a query does without an index");
        // Only what is wrong in itself stays so; a file that was replaced or a store that failed is looked at anew.
        let wrong = matches!(error, HatsError::Malformed { .. });
        *self.state.lock().await = if wrong { State::Unusable } else { State::Unopened };
    }
}

/// The indexes of a table, as one scan asks them.
#[derive(Debug, Clone)]
pub(crate) struct Lookup {
    indexes: Arc<[Arc<HatsIndex>]>,
    readers: PinnedReaderFactory,
    max_keys: usize,
}

impl Lookup {
    /// `None` where there is nothing to ask, or the session wants no index asked.
    pub(crate) fn new(indexes: &Arc<[Arc<HatsIndex>]>, readers: &PinnedReaderFactory, max_keys: usize) -> Option<Self> {
        let some = max_keys > 0 && !indexes.is_empty();
        some.then(|| Self {
            indexes: Arc::clone(indexes),
            readers: readers.clone(),
            max_keys,
        })
    }

    /// Where the rows of a table with columns `schema` lie for which `predicate` can be true. `None`: the indexes do
    /// not say.
    pub(crate) async fn find(
        &self,
        predicate: &Arc<dyn PhysicalExpr>,
        schema: &Schema,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Option<Found> {
        let mut all: Option<Found> = None;
        for index in self.indexes.iter() {
            let Some(keys) = self.keys(index, predicate, schema) else {
                continue;
            };
            let Some(found) = index.find(&keys, &self.readers, metrics).await else {
                continue;
            };
            MetricBuilder::new(metrics).global_counter("index_keys").add(keys.len());
            all = Some(match all {
                None => found,
                Some(before) => Found {
                    ranges: before.ranges.intersection(&found.ranges),
                    rows: before.rows.min(found.rows),
                },
            });
        }
        all
    }

    fn keys(&self, index: &HatsIndex, predicate: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Option<Keys> {
        let field = schema.field_with_name(&index.column).ok()?;
        let keys = Sought::new(&index.column, field.data_type())?.keys(predicate)?;
        (keys.is_bounded() && keys.len() <= self.max_keys).then_some(keys)
    }
}
