//! Renaming a table.
//!
//! On the local disk the folder is renamed, in one step, under the locks of both names. Object stores have no such
//! step:
//!
//! ```text
//! 1 copy the files                          leftovers, if it stops here
//! 2 manifest there, "moved from here"       pending: the table is still here, and only here
//! 3 tombstone here, "moved to there"        the table is there, and only there: this put is the commit
//! 4 manifest there without "moved from"     tidying
//! ```
//!
//! Steps 2 to 4 are conditional puts. Who finds a move stopped after 2 can break it off by committing anything here:
//! then step 3 is refused.

use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;

use crate::error::{HatsError, Result};
use crate::import::Place;
use crate::managed::create::{discard, holds_strangers, vacant};
use crate::managed::durable::{self, blocking};
use crate::managed::ledger::{Committed, Site, Standing};
use crate::managed::lock::Lock;
use crate::managed::manifest::{Manifest, Move, fresh_id};
use crate::managed::publish::{publish, publish_locked};
use crate::managed::retire;

use crate::managed::table::ManagedTable;

/// Files copied at the same time.
const CONCURRENT_COPIES: usize = 16;

/// How the hidden folder of a dropped table begins, where another was renamed to its name before it was deleted.
const ASIDE_PREFIX: &str = ".dreyer-dropped-";

/// Whether a folder of that name holds a dropped table.
pub(crate) fn is_aside(name: &str) -> bool {
    name.starts_with(ASIDE_PREFIX)
}

impl ManagedTable {
    /// Gives the version of the table that is there now another place in the same store.
    ///
    /// Queries that read it under its old name fail on the local disk, with an error that a file is not there; on
    /// object stores they run on until the grace period is over.
    ///
    /// # Errors
    /// `Exists` if something lies at the new place; `Conflict` if another writer came first at either.
    pub async fn rename(self, to: Place) -> Result<Self> {
        if to.url != self.site.place.url || to.local.is_some() != self.site.place.local.is_some() {
            return Err(HatsError::Option {
                option: "place",
                fault: format!(
                    "must be of the store of the table, {}, got {}",
                    self.site.place.url, to.url
                ),
            });
        }
        let to = Site::new(to, self.site.steps.clone());
        if to.place.path == self.site.place.path {
            return Err(HatsError::Exists {
                table: to.place.path.to_string(),
            });
        }
        let committed = match (self.site.place.local.clone(), to.place.local.clone()) {
            (Some(from), Some(folder)) => self.rename_folder(&to, from, folder).await?,
            _ => self.copy_to(&to).await?,
        };
        let table = Self::of(to, committed, None).await?;
        Ok(table.with_resources(&self.machine))
    }

    async fn rename_folder(
        &self,
        to: &Site,
        from: std::path::PathBuf,
        folder: std::path::PathBuf,
    ) -> Result<Committed> {
        let (_lock, lock_there) = Lock::take_both(&from, &folder).await?;
        self.site.live().await?;
        vacant(to).await?;
        if holds_strangers(to).await? {
            return Err(HatsError::Exists {
                table: to.place.path.to_string(),
            });
        }
        to.steps.reached("locked both").await;
        if folder.exists() {
            // What is left of a dropped table or of a broken-off creation.
            let (old, aside) = (
                folder.clone(),
                folder.with_file_name(format!("{ASIDE_PREFIX}{}", fresh_id())),
            );
            blocking(move || std::fs::rename(&old, &aside).map_err(|error| HatsError::io(old, error))).await?;
            to.steps.reached("dropped table moved aside").await;
        }
        blocking(move || {
            std::fs::rename(&from, &folder).map_err(|error| HatsError::io(&folder, error))?;
            let parents = [from.parent(), folder.parent()];
            parents.into_iter().flatten().try_for_each(durable::sync_folder)
        })
        .await?;
        to.steps.reached("folder renamed").await;
        publish_locked(to, &lock_there).await?;
        to.live().await
    }

    async fn copy_to(&self, to: &Site) -> Result<Committed> {
        let before = vacant(to).await?;
        let here = self.site.live().await?;
        let base = Self::of(self.site.clone(), here, Some(self)).await?;
        let result = self.copy_and_commit(to, before.as_ref(), &base.committed).await;
        let committed = match result {
            Ok(committed) => committed,
            Err(error) => {
                for part in base.manifest().parts() {
                    discard(to, &part.folder).await;
                }
                return Err(error);
            }
        };
        publish(&self.site).await?;
        self.site.steps.reached("unpublished here").await;
        publish(to).await?;
        Ok(committed)
    }

    async fn copy_and_commit(&self, to: &Site, before: Option<&Committed>, here: &Committed) -> Result<Committed> {
        let mut next = copied(&self.site, to, &here.manifest).await?;
        to.steps.reached("files copied").await;
        next.version = before.map_or(1, |before| before.manifest.version + 1);
        next.retired = before.map(|before| before.manifest.retired.clone()).unwrap_or_default();
        next.moved_from = Some(Move {
            path: self.site.place.path.to_string(),
            commit: here.manifest.commit.clone(),
        });
        let pending = to.commit(before, next).await?;
        to.steps.reached("pending there").await;
        let moved_to = Move {
            path: to.place.path.to_string(),
            commit: pending.manifest.commit.clone(),
        };
        let tombstone = here.manifest.tombstone(Some(moved_to));
        if let Err(error) = self.site.commit(Some(here), tombstone).await {
            if matches!(error, HatsError::Conflict { .. }) {
                to.commit(Some(&pending), never_arrived(&pending.manifest)).await?;
            }
            return Err(error);
        }
        self.site.steps.reached("tombstone here").await;
        // Another writer may have committed there already, and so tidied.
        match to.commit(Some(&pending), pending.manifest.next()).await {
            Err(HatsError::Conflict { .. }) => to.live().await,
            done => done,
        }
    }
}

/// Copies all files of the table, and tells the manifest that names the copies.
async fn copied(from: &Site, to: &Site, manifest: &Manifest) -> Result<Manifest> {
    let mut next = manifest.next();
    for part in next.snapshot.iter_mut().chain(&mut next.increments) {
        let (source, target) = (&from.file(&part.folder), &to.file(&part.folder));
        let store = &from.place.store;
        let files = store.list(Some(source)).map_err(HatsError::from);
        files
            .map_ok(|file| async move {
                let within = file.location.as_ref().strip_prefix(source.as_ref()).unwrap_or_default();
                let copy = Path::parse(format!("{target}{within}"));
                let copy = copy.map_err(|error| HatsError::malformed(&file.location, error.to_string()))?;
                Ok(store.copy(&file.location, &copy).await?)
            })
            .try_buffer_unordered(CONCURRENT_COPIES)
            .try_for_each(|()| std::future::ready(Ok(())))
            .await?;
    }
    super::opened::relisted(to, &next).await
}

/// Completes a move away from `site`, whose tombstone points to `to`, before the tombstone is replaced.
pub(crate) async fn finish(site: &Site, to: &Move) -> Result<()> {
    let there = site.elsewhere(&to.path)?;
    let Standing::Live(found) = there.standing().await? else {
        return Ok(());
    };
    if found.manifest.moved_from.is_none() {
        return Ok(());
    }
    match there.commit(Some(&found), found.manifest.next()).await {
        // Whoever came first has tidied.
        Ok(_) | Err(HatsError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Breaks off a move that stopped before it was committed: the table stays where it was, and there is a tombstone here.
pub(crate) async fn break_off(site: &Site, pending: &Committed) -> Result<()> {
    if let Some(from) = &pending.manifest.moved_from {
        let origin = site.elsewhere(&from.path)?;
        match origin.standing().await? {
            // Any commit there refuses the tombstone that would complete the move.
            Standing::Live(found) if found.manifest.commit == from.commit => {
                origin.commit(Some(&found), found.manifest.next()).await?;
            }
            _ => {}
        }
    }
    site.commit(Some(pending), never_arrived(&pending.manifest)).await?;
    for part in pending.manifest.parts() {
        retire::delete_folder(site, &part.folder).await?;
    }
    Ok(())
}

/// The tombstone of a table that was never there. Nobody has read its copies: they are leftovers at once.
fn never_arrived(pending: &Manifest) -> Manifest {
    let mut tombstone = pending.tombstone(None);
    tombstone.retired.clone_from(&pending.retired);
    tombstone
}
