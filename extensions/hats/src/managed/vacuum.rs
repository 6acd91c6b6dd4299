//! VACUUM: increments merged into a new snapshot, which is published; old folders deleted after their grace period.

use std::sync::Arc;
use std::time::Duration;

use datafusion::prelude::{SessionConfig, SessionContext};
use object_store::ObjectStore;

use crate::error::{HatsError, Result};
use crate::import::Input;
use crate::managed::create::{discarded, write_part};
use crate::managed::ledger::{Committed, Site};
use crate::managed::manifest::{Manifest, Part};
use crate::managed::publish::publish;
use crate::managed::table::ManagedTable;
use crate::managed::{conform, retire};

/// Attempts to commit a compaction while others append.
const ATTEMPTS: usize = 16;

/// What a compaction did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VacuumReport {
    /// The version of the table afterwards.
    pub version: u64,
    /// Increments that were merged into the new snapshot; 0: the snapshot stayed.
    pub merged: usize,
    /// Rows of the snapshot afterwards.
    pub rows: u64,
    /// Retired folders that were deleted.
    pub deleted: usize,
    /// Retired folders that may still be read.
    pub retired: usize,
}

impl ManagedTable {
    /// Merges the increments of the version that is there now into a new snapshot, publishes it to foreign readers and
    /// deletes folders that were retired longer than `grace` ago. `grace` must exceed the longest query.
    ///
    /// Rows that are appended meanwhile stay increments: neither writer is in the other's way.
    ///
    /// # Errors
    /// `Conflict` if the table was dropped, renamed or compacted by another writer.
    pub async fn vacuum(&self, grace: Duration) -> Result<VacuumReport> {
        let mut table = self.for_writing().await?;
        publish(&table.site).await?;
        let merged = table.manifest().increments.len();
        if merged > 0 {
            let committed = table.compacted().await?;
            table.site.steps.reached("manifest committed").await;
            publish(&table.site).await?;
            table.site.steps.reached("published").await;
            table = Self::of(table.site.clone(), committed, Some(&table)).await?;
        }
        let deleted = retire::delete_expired(&table.site, table.manifest(), grace).await?;
        let mut manifest = table.manifest().clone();
        if !deleted.is_empty() {
            let mut next = manifest.next();
            next.retired.retain(|retired| !deleted.contains(&retired.folder));
            // Forgetting what is gone can wait for the next compaction, if another writer came first.
            match table.site.commit(Some(&table.committed), next).await {
                Ok(committed) => manifest = committed.manifest,
                Err(HatsError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(VacuumReport {
            version: manifest.version,
            merged,
            rows: manifest.snapshot.as_ref().map_or(0, |snapshot| snapshot.rows),
            deleted: deleted.len(),
            retired: manifest.retired.len(),
        })
    }

    /// Writes and commits a snapshot of all rows of this version.
    pub(crate) async fn compacted(&self) -> Result<Committed> {
        let input = self.rows_again().await?;
        let input = conform::conform(&input, &conform::columns_of(self.schema()))?;
        let settings = &self.manifest().settings;
        let options = settings.options(&self.machine, self.site.name(), Arc::default());
        let snapshot = write_part(&self.site, 's', input, &options, self.kind()).await?;
        let folder = snapshot.folder.clone();
        let committed = if snapshot.rows == self.rows() {
            commit(&self.site, self.manifest(), snapshot).await
        } else {
            let fault = format!("has {} rows, but {} came out of its files", self.rows(), snapshot.rows);
            Err(HatsError::malformed(&self.site.place.path, fault))
        };
        match committed {
            Ok(committed) => Ok(committed),
            Err(error) => Err(discarded(&self.site, &folder, error).await),
        }
    }

    /// All rows of this version, read by a session of its own.
    async fn rows_again(&self) -> Result<Input> {
        let context = SessionContext::new_with_config(SessionConfig::new());
        let store: Arc<dyn ObjectStore> = Arc::clone(&self.site.place.store);
        context.register_object_store(self.site.place.url.as_ref(), store);
        let plan = self.table().scan(&context.state(), None, &[], None).await?;
        Ok(Input {
            plan,
            task: context.task_ctx(),
            description: format!("table {}", self.site.name()),
        })
    }
}

/// Puts `snapshot` in the place of all parts of `base`. Increments that have been added to `base` since are kept.
async fn commit(site: &Site, base: &Manifest, snapshot: Part) -> Result<Committed> {
    for _ in 0..ATTEMPTS {
        let now = site.live().await?;
        let merged = |part: &Part| base.parts().any(|ours| ours.folder == part.folder);
        if now.manifest.parts().filter(|part| merged(part)).count() != base.parts().count() {
            return Err(site.changed());
        }
        let mut next = now.manifest.next();
        let kept: Vec<Part> = next.increments.extract_if(.., |part| !merged(part)).collect();
        next.retire_parts();
        next.snapshot = Some(snapshot.clone());
        next.increments = kept;
        match site.commit(Some(&now), next).await {
            Err(HatsError::Conflict { .. }) => {}
            done => return done,
        }
    }
    Err(site.changed())
}
