//! Every step of reading the files of a scan, guarded.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use datafusion::arrow::record_batch::RecordBatch;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::error::Result;
use datafusion_datasource::morsel::{Morsel, MorselPlan, MorselPlanner, Morselizer, PendingMorselPlanner};
use futures::stream::{BoxStream, StreamExt};
use futures::{FutureExt, future};

use crate::{Finish, Malformed, named, panicked};

/// `inner`, whose faults and panics become errors that name the file, and whose rows pass through `finish`.
pub fn guard(inner: Box<dyn Morselizer>, malformed: Malformed, finish: Finish) -> Box<dyn Morselizer> {
    Box::new(Guarded {
        inner,
        file: Arc::from(""),
        malformed,
        finish,
    })
}

/// One step of reading a file, guarded.
#[derive(Debug)]
struct Guarded<T> {
    inner: T,
    file: Arc<str>,
    malformed: Malformed,
    finish: Finish,
}

impl<T> Guarded<T> {
    fn wrap<U>(&self, inner: U) -> Guarded<U> {
        Guarded {
            inner,
            file: Arc::clone(&self.file),
            malformed: self.malformed,
            finish: self.finish,
        }
    }

    /// What became of a call, or of its panic.
    fn told<U>(&self, done: std::thread::Result<Result<U>>) -> Result<U> {
        match done {
            Ok(done) => done.map_err(|error| named(&self.file, error, self.malformed)),
            Err(panic) => Err(panicked(&self.file, panic.as_ref(), self.malformed)),
        }
    }

    fn run<U>(&self, work: impl FnOnce() -> Result<U>) -> Result<U> {
        self.told(catch_unwind(AssertUnwindSafe(work)))
    }
}

fn boxed(planner: Guarded<Box<dyn MorselPlanner>>) -> Box<dyn MorselPlanner> {
    Box::new(planner)
}

impl Morselizer for Guarded<Box<dyn Morselizer>> {
    fn plan_file(&self, file: PartitionedFile) -> Result<Box<dyn MorselPlanner>> {
        let this = Guarded {
            inner: (),
            file: Arc::from(file.object_meta.location.as_ref()),
            malformed: self.malformed,
            finish: self.finish,
        };
        let inner = this.run(|| self.inner.plan_file(file))?;
        Ok(boxed(this.wrap(inner)))
    }
}

impl MorselPlanner for Guarded<Box<dyn MorselPlanner>> {
    fn plan(self: Box<Self>) -> Result<Option<MorselPlan>> {
        let this = self.wrap(());
        let inner = self.inner;
        let Some(mut plan) = this.run(|| inner.plan())? else {
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
        let inner = self.told(AssertUnwindSafe(pending).catch_unwind().await)?;
        Ok(boxed(self.wrap(inner)))
    }
}

impl Morsel for Guarded<Box<dyn Morsel>> {
    fn into_stream(self: Box<Self>) -> BoxStream<'static, Result<RecordBatch>> {
        let this = self.wrap(());
        let inner = self.inner;
        match this.run(|| Ok(inner.into_stream())) {
            Ok(rows) => AssertUnwindSafe(rows)
                .catch_unwind()
                .map(move |batch| this.told(batch).and_then(this.finish))
                .boxed(),
            Err(error) => futures::stream::once(future::err(error)).boxed(),
        }
    }
}
