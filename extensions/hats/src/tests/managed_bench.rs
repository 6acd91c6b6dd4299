//! Where managed tables are tried: a folder of the local disk and a store in memory, and the rows to fill them with.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::{AsArray, Int64Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::physical_plan::collect;
use datafusion::prelude::SessionContext;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;

use super::sky::{Star, batch, stars, store_path};
use crate::HatsCatalog;
use crate::error::{HatsError, Result};
use crate::import::{ImportOptions, Input, Place, TileLimit};
use crate::managed::{Kind, ManagedTable, Site, Steps, SweepReport, sweep};

pub(super) const NOW: Duration = Duration::ZERO;
pub(super) const LONG: Duration = Duration::from_secs(3600);

/// A root under which tables are made.
pub(super) struct Bench {
    pub(super) root: Place,
    _folder: Option<tempfile::TempDir>,
}

impl Bench {
    /// One of each kind of store.
    pub(super) fn both() -> [Self; 2] {
        [Self::local(), Self::remote()]
    }

    pub(super) fn local() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Place {
            store: Arc::new(LocalFileSystem::new()),
            url: ObjectStoreUrl::local_filesystem(),
            path: store_path(folder.path()),
            local: Some(folder.path().to_owned()),
        };
        Self {
            root,
            _folder: Some(folder),
        }
    }

    pub(super) fn remote() -> Self {
        let root = Place {
            store: Arc::new(InMemory::new()),
            url: ObjectStoreUrl::parse("memory://bucket/").unwrap(),
            path: Path::from("root"),
            local: None,
        };
        Self { root, _folder: None }
    }

    pub(super) fn of(root: Place) -> Self {
        Self { root, _folder: None }
    }

    pub(super) fn place(&self, name: &str) -> Place {
        name.split('/').fold(self.root.clone(), |place, name| place.child(name))
    }

    pub(super) async fn open(&self, name: &str) -> Option<ManagedTable> {
        ManagedTable::open(self.place(name)).await.unwrap()
    }

    /// Creates a table of the stars `from..to`.
    pub(super) async fn create(&self, name: &str, from: usize, to: usize) -> Result<ManagedTable> {
        ManagedTable::create(self.place(name), rows(from, to), &options()).await
    }

    /// The same, with steps that may stop.
    pub(super) fn site(&self, name: &str, steps: Steps) -> Site {
        Site::new(self.place(name), steps)
    }

    /// The ids in a table, as dreyer reads it; `None`: there is no such table.
    pub(super) async fn ids(&self, name: &str) -> Option<Vec<i64>> {
        Some(self.ids_of(&self.open(name).await?).await.unwrap())
    }

    pub(super) async fn ids_of(&self, table: &ManagedTable) -> datafusion::error::Result<Vec<i64>> {
        let batches = self.scan(table, "id").await?;
        let mut ids: Vec<i64> = batches
            .iter()
            .flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec())
            .collect();
        ids.sort_unstable();
        assert_eq!(ids.len() as u64, table.rows(), "rows as the manifest counts them");
        Ok(ids)
    }

    pub(super) async fn scan(&self, table: &ManagedTable, column: &str) -> datafusion::error::Result<Vec<RecordBatch>> {
        let context = self.context();
        let at = table.schema().index_of(column)?;
        let plan = table.table().scan(&context.state(), Some(&vec![at]), &[], None).await?;
        collect(plan, context.task_ctx()).await
    }

    pub(super) fn context(&self) -> SessionContext {
        let context = SessionContext::new();
        context.register_object_store(self.root.url.as_ref(), Arc::clone(&self.root.store));
        context
    }

    /// The ids that a foreign reader finds, by the collection's properties and listings alone.
    pub(super) async fn foreign_ids(&self, name: &str) -> Option<Vec<i64>> {
        let place = self.place(name);
        let found = HatsCatalog::open(Arc::clone(&place.store), place.url.clone(), place.path.clone()).await;
        let catalog = match found {
            Ok(catalog) => Arc::new(catalog),
            Err(HatsError::NotACatalog { .. }) => return None,
            Err(error) => panic!("{error}"),
        };
        let context = self.context();
        let table = crate::HatsTable::new(Arc::clone(&catalog));
        let frame = context.read_table(Arc::new(table)).unwrap();
        let batches = frame.select_columns(&["id"]).unwrap().collect().await.unwrap();
        let ids = super::sky::sorted_ids(&batches);
        assert_eq!(catalog.rows(), Some(ids.len() as u64));
        Some(ids)
    }

    pub(super) async fn sweep(&self, grace: Duration) -> SweepReport {
        sweep(&self.root, grace, false).await.unwrap()
    }

    /// Names of the snapshots and increments that lie under a table's folder.
    pub(super) async fn parts(&self, name: &str) -> BTreeSet<String> {
        let place = self.place(name);
        let listed = place.store.list_with_delimiter(Some(&place.path)).await.unwrap();
        let folders = listed.common_prefixes.iter();
        folders.map(|path| path.filename().unwrap().to_owned()).collect()
    }
}

/// Tiles of 200 rows.
pub(super) fn options() -> ImportOptions {
    ImportOptions {
        tile: TileLimit::Rows(200),
        row_group_rows: 64,
        ..ImportOptions::new("t")
    }
}

/// The stars `from..to` of the sky, in two partitions.
pub(super) fn rows(from: usize, to: usize) -> Input {
    input(&batch(&stars(to)[from..]))
}

/// Rows `from..to` of one small field, which are one tile.
pub(super) fn few_rows(from: usize, to: usize) -> Input {
    let star = |id: usize| Star {
        id: id as i64,
        ra: 83.0 + id as f64 * 1e-4,
        dec: -5.0,
    };
    input(&batch(&(from..to).map(star).collect::<Vec<_>>()))
}

pub(super) fn input(batch: &RecordBatch) -> Input {
    let half = batch.num_rows() / 2;
    let partitions = [
        vec![batch.slice(0, half)],
        vec![batch.slice(half, batch.num_rows() - half)],
    ];
    let plan = MemorySourceConfig::try_new_exec(&partitions, batch.schema(), None).unwrap();
    Input {
        plan,
        task: SessionContext::new().task_ctx(),
        description: "the test's rows".to_owned(),
    }
}

/// Rows without a position: `id` and `word`.
pub(super) fn words(from: i64, to: i64) -> Input {
    let ids = Int64Array::from_iter_values(from..to);
    let schema = Schema::new(vec![Field::new("id", DataType::Int64, false)]);
    input(&RecordBatch::try_new(Arc::new(schema), vec![Arc::new(ids)]).unwrap())
}

pub(super) fn range(from: i64, to: i64) -> Vec<i64> {
    (from..to).collect()
}

pub(super) const KINDS: [Kind; 2] = [Kind::Hats, Kind::Parquet];
