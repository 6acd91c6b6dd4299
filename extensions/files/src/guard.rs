//! A file source whose faults name the file: a wrapper that hands every call on.
//!
//! Decoders of foreign bytes fail with errors that do not know their file, and now and then with a panic. Both become
//! errors of the file here, where each file is opened and its rows are made.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileOpener, FileScanConfig, FileSource};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::{EquivalenceProperties, LexOrdering, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::filter_pushdown::FilterPushdownPropagation;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::{DisplayFormatType, SortOrderPushdownResult};
use datafusion_datasource::morsel::{Morsel, MorselPlan, MorselPlanner, Morselizer, PendingMorselPlanner};
use futures::stream::{BoxStream, StreamExt};
use futures::{FutureExt, future};
use object_store::ObjectStore;

use crate::blocking::panicked;
use crate::error::named;

/// A file source whose faults name the file.
#[derive(Clone)]
pub struct GuardedSource(Arc<dyn FileSource>);

impl GuardedSource {
    pub(crate) fn new(inner: Arc<dyn FileSource>) -> Self {
        Self(inner)
    }

    /// The source that does the work.
    pub fn inner(&self) -> &Arc<dyn FileSource> {
        &self.0
    }

    fn around(inner: Arc<dyn FileSource>) -> Arc<dyn FileSource> {
        Arc::new(Self(inner))
    }
}

impl fmt::Debug for GuardedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GuardedSource({})", self.0.file_type())
    }
}

impl FileSource for GuardedSource {
    /// Only [`Self::create_morselizer`] is asked for, which guards.
    fn create_file_opener(
        &self,
        object_store: Arc<dyn ObjectStore>,
        base_config: &FileScanConfig,
        partition: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        self.0.create_file_opener(object_store, base_config, partition)
    }

    fn create_morselizer(
        &self,
        object_store: Arc<dyn ObjectStore>,
        base_config: &FileScanConfig,
        partition: usize,
    ) -> Result<Box<dyn Morselizer>> {
        let inner = self.0.create_morselizer(object_store, base_config, partition)?;
        Ok(Box::new(Guarded {
            inner,
            file: Arc::from(""),
        }))
    }

    fn table_schema(&self) -> &TableSchema {
        self.0.table_schema()
    }

    fn with_batch_size(&self, batch_size: usize) -> Arc<dyn FileSource> {
        Self::around(self.0.with_batch_size(batch_size))
    }

    fn filter(&self) -> Option<Arc<dyn PhysicalExpr>> {
        self.0.filter()
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        self.0.projection()
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        self.0.metrics()
    }

    fn file_type(&self) -> &str {
        self.0.file_type()
    }

    fn fmt_extra(&self, t: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        self.0.fmt_extra(t, f)
    }

    fn supports_repartitioning(&self) -> bool {
        self.0.supports_repartitioning()
    }

    fn repartitioned(
        &self,
        target_partitions: usize,
        repartition_file_min_size: usize,
        output_ordering: Option<LexOrdering>,
        config: &FileScanConfig,
    ) -> Result<Option<FileScanConfig>> {
        self.0
            .repartitioned(target_partitions, repartition_file_min_size, output_ordering, config)
    }

    fn try_pushdown_filters(
        &self,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn FileSource>>> {
        let mut answer = self.0.try_pushdown_filters(filters, config)?;
        answer.updated_node = answer.updated_node.map(Self::around);
        Ok(answer)
    }

    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
        eq_properties: &EquivalenceProperties,
    ) -> Result<SortOrderPushdownResult<Arc<dyn FileSource>>> {
        Ok(self.0.try_pushdown_sort(order, eq_properties)?.map(Self::around))
    }

    fn reorder_files(&self, files: Vec<PartitionedFile>) -> Vec<PartitionedFile> {
        self.0.reorder_files(files)
    }

    fn try_pushdown_projection(&self, projection: &ProjectionExprs) -> Result<Option<Arc<dyn FileSource>>> {
        Ok(self.0.try_pushdown_projection(projection)?.map(Self::around))
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.0.apply_expressions(f)
    }
}

/// One step of reading a file, guarded.
#[derive(Debug)]
struct Guarded<T> {
    inner: T,
    file: Arc<str>,
}

impl<T> Guarded<T> {
    fn wrap<U>(&self, inner: U) -> Guarded<U> {
        Guarded {
            inner,
            file: Arc::clone(&self.file),
        }
    }
}

fn guarded<T>(file: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(|error| named(file, error)),
        Err(panic) => Err(panicked(file, panic.as_ref())),
    }
}

fn boxed(planner: Guarded<Box<dyn MorselPlanner>>) -> Box<dyn MorselPlanner> {
    Box::new(planner)
}

impl Morselizer for Guarded<Box<dyn Morselizer>> {
    fn plan_file(&self, file: PartitionedFile) -> Result<Box<dyn MorselPlanner>> {
        let name: Arc<str> = Arc::from(file.object_meta.location.as_ref());
        let inner = guarded(&name, || self.inner.plan_file(file))?;
        Ok(boxed(Guarded { inner, file: name }))
    }
}

impl MorselPlanner for Guarded<Box<dyn MorselPlanner>> {
    fn plan(self: Box<Self>) -> Result<Option<MorselPlan>> {
        let this = self.wrap(());
        let inner = self.inner;
        let Some(mut plan) = guarded(&this.file, || inner.plan())? else {
            return Ok(None);
        };
        let morsels = plan.take_morsels().into_iter();
        let morsels = morsels.map(|morsel| Box::new(this.wrap(morsel)) as Box<dyn Morsel>);
        let planners = plan.take_ready_planners().into_iter();
        let planners = planners.map(|planner| boxed(this.wrap(planner)));
        let pending = plan.take_pending_planner();
        let plan = MorselPlan::new()
            .with_morsels(morsels.collect())
            .with_planners(planners.collect());
        Ok(Some(match pending {
            Some(pending) => plan.with_pending_planner(this.waited(pending)),
            None => plan,
        }))
    }
}

impl Guarded<()> {
    async fn waited(self, pending: PendingMorselPlanner) -> Result<Box<dyn MorselPlanner>> {
        let waited = AssertUnwindSafe(pending).catch_unwind().await;
        let inner = waited.unwrap_or_else(|panic| Err(panicked(&self.file, panic.as_ref())));
        let inner = inner.map_err(|error| named(&self.file, error))?;
        Ok(boxed(self.wrap(inner)))
    }
}

impl Morsel for Guarded<Box<dyn Morsel>> {
    fn into_stream(self: Box<Self>) -> BoxStream<'static, Result<RecordBatch>> {
        let (file, inner) = (self.file, self.inner);
        let rows = match catch_unwind(AssertUnwindSafe(|| inner.into_stream())) {
            Ok(rows) => rows,
            Err(panic) => {
                let error: DataFusionError = panicked(&file, panic.as_ref());
                return futures::stream::once(future::err(error)).boxed();
            }
        };
        AssertUnwindSafe(rows)
            .catch_unwind()
            .map(move |batch| match batch {
                Ok(batch) => batch.map_err(|error| named(&file, error)),
                Err(panic) => Err(panicked(&file, panic.as_ref())),
            })
            .boxed()
    }
}
