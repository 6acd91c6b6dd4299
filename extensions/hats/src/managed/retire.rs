//! Dropping tables, and deleting folders that nobody reads any more.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;

use crate::error::Result;
use crate::import::Place;
use crate::managed::durable::{self, blocking};
use crate::managed::ledger::Site;
use crate::managed::manifest::{Manifest, Retired};
use crate::managed::publish::publish;
use crate::managed::table::ManagedTable;

impl ManagedTable {
    /// Drops the version of the table that is there now: it ceases to be, for all readers but the queries that already
    /// read it. Its files are deleted by [`sweep`](super::sweep), or with the next table of its name, after the grace
    /// period.
    ///
    /// # Errors
    /// `Conflict` if another writer came first.
    pub async fn drop(self) -> Result<()> {
        let found = self.site.live().await?;
        self.site.commit(Some(&found), found.manifest.tombstone(None)).await?;
        self.site.steps.reached("tombstone committed").await;
        publish(&self.site).await?;
        Ok(())
    }
}

/// Deletes a part's folder with all that is in it; one that is gone already is fine.
pub(crate) async fn delete_folder(site: &Site, folder: &str) -> Result<()> {
    delete_tree(&site.part(folder)).await
}

pub(crate) async fn delete_tree(place: &Place) -> Result<()> {
    if let Some(folder) = place.local.clone() {
        return blocking(move || durable::remove_tree(&folder)).await;
    }
    let files = place.store.list(Some(&place.path)).map_ok(|file| file.location).boxed();
    let deleted = place.store.delete_stream(files);
    deleted
        .try_for_each(|_: Path| std::future::ready(Ok(())))
        .await
        .or_else(|error| match error {
            object_store::Error::NotFound { .. } => Ok(()),
            error => Err(error.into()),
        })
}

/// The retired folders that are older than `grace`.
pub(crate) fn expired(manifest: &Manifest, grace: Duration) -> Vec<&Retired> {
    let grace = TimeDelta::from_std(grace).unwrap_or(TimeDelta::MAX);
    let limit = Utc::now()
        .checked_sub_signed(grace)
        .map_or(i64::MIN, |limit| limit.timestamp_millis());
    manifest
        .retired
        .iter()
        .filter(|retired| retired.since <= limit)
        .collect()
}

/// Deletes the retired folders that are older than `grace`, and names them. What foreign readers see must have been
/// published before.
pub(crate) async fn delete_expired(site: &Site, manifest: &Manifest, grace: Duration) -> Result<BTreeSet<String>> {
    let mut deleted = BTreeSet::new();
    for retired in expired(manifest, grace) {
        delete_folder(site, &retired.folder).await?;
        site.steps.reached("retired folder deleted").await;
        deleted.insert(retired.folder.clone());
    }
    Ok(deleted)
}
