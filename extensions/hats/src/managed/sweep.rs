//! Removing what crashes leave anywhere under a root, and finishing what they broke off.
//!
//! | found | older than the grace period | done |
//! |---|---|---|
//! | folder of a part that its table's manifest does not name | its newest file | deleted |
//! | folder retired by a commit, or of a dropped table | since retired | deleted |
//! | staged file, lock file without a table, dropped table moved aside | newest file | deleted |
//! | import that is not at work any more: hidden folder, or on an object store a folder with its marker | newest file | deleted |
//! | table moved here that has not arrived | manifest | moved back |
//! | `collection.properties` that disagrees with the manifest | at once | rewritten |
//! | tombstone whose files are gone | manifest | deleted on the local disk; a few bytes that stay on object stores, which cannot delete on a condition |
//!
//! A write in progress looks like a leftover until its commit: the grace period must exceed the longest pause between
//! two files of a write. Tables whose manifest cannot be read are left alone.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::error::Result;
use crate::import::{Place, clear, is_live};
use crate::layout::{self, MANIFEST_FILE};
use crate::managed::durable::{self, blocking, is_staged};
use crate::managed::ledger::{Committed, Site, Standing};
use crate::managed::lock::{Lock, locked_table};
use crate::managed::manifest::{State, part_folder};
use crate::managed::steps::Steps;
use crate::managed::tree::{Entry, walk};
use crate::managed::{publish, relocate, retire};
use crate::place::MARKER;
use object_store::ObjectStoreExt;

/// What a sweep found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SweepReport {
    /// Managed tables that were looked at, tombstones included.
    pub tables: usize,
    /// What was deleted, or would be: paths from the root.
    pub removed: Vec<String>,
    /// Bytes of it.
    pub bytes: u64,
    /// What was finished or put right, or would be: paths from the root, and what was the matter.
    pub repaired: Vec<String>,
    /// What was left alone, and why.
    pub left: Vec<String>,
}

/// Looks at everything under `root`, removes what crashes left there longer than `grace` ago, and finishes what they
/// broke off. With `dry_run` it only tells.
///
/// # Errors
/// The root cannot be listed, or a deletion failed. What was done until then stays done; sweep again.
pub async fn sweep(root: &Place, grace: Duration, dry_run: bool) -> Result<SweepReport> {
    let entries = walk(root).await?;
    let mut sweep = Sweep {
        root,
        grace,
        dry_run,
        limit: Utc::now() - TimeDelta::from_std(grace).unwrap_or(TimeDelta::days(36_500)),
        report: SweepReport::default(),
    };
    let found = Found::sort(&entries);
    // Manifests are read after the listing: a part that was committed in between is named by then.
    for (folder, manifest) in &found.tables {
        sweep.table(folder, manifest.modified).await?;
    }
    for (path, part) in &found.parts {
        sweep.part(path, part).await?;
    }
    for (path, marker) in &found.markers {
        let within = format!("{path}/");
        if path.is_empty() || found.tables.keys().any(|table| table.starts_with(&within)) {
            sweep
                .report
                .left
                .push(format!("{within}{MARKER}: tables lie beside it"));
        } else {
            sweep.marker(path, marker.modified).await?;
        }
    }
    for (path, leftover) in &found.leftovers {
        sweep.leftover(path, leftover).await?;
    }
    for (path, lock) in &found.locks {
        sweep.lock(path, lock).await?;
    }
    Ok(sweep.report)
}

/// A folder or file, with all that is in it.
#[derive(Debug, Clone, Copy)]
struct Heap {
    newest: DateTime<Utc>,
    bytes: u64,
    is_folder: bool,
}

/// What is of interest under a root, by its path from there.
#[derive(Debug, Default)]
struct Found<'a> {
    tables: BTreeMap<String, &'a Entry>,
    /// Targets of imports on object stores, and their markers.
    markers: BTreeMap<String, &'a Entry>,
    parts: BTreeMap<String, Heap>,
    leftovers: BTreeMap<String, Heap>,
    locks: BTreeMap<String, Heap>,
}

impl<'a> Found<'a> {
    fn sort(entries: &'a [Entry]) -> Self {
        let mut found = Self::default();
        for entry in entries {
            let mut path = String::new();
            let mut names = entry.path.split('/').peekable();
            while let Some(name) = names.next() {
                let parent = path.clone();
                path = if parent.is_empty() {
                    name.to_owned()
                } else {
                    format!("{parent}/{name}")
                };
                let is_folder = entry.is_folder || names.peek().is_some();
                let heap = Heap {
                    newest: entry.modified,
                    bytes: entry.bytes,
                    is_folder,
                };
                let kind = if is_folder && part_folder(name).is_some() {
                    &mut found.parts
                } else if is_folder && relocate::is_aside(name) || is_broken_import(name) || is_staged(name) {
                    &mut found.leftovers
                } else if !is_folder && locked_table(name).is_some() {
                    &mut found.locks
                } else {
                    if !is_folder && name == MANIFEST_FILE {
                        found.tables.insert(parent, entry);
                    } else if !is_folder && name == MARKER {
                        found.markers.insert(parent, entry);
                    }
                    continue;
                };
                kind.entry(path)
                    .and_modify(|before| {
                        before.newest = before.newest.max(heap.newest);
                        before.bytes += heap.bytes;
                    })
                    .or_insert(heap);
                break;
            }
        }
        found
    }
}

/// Whether a folder or file of that name is an import's that never appeared under its own name, or its lock.
fn is_broken_import(name: &str) -> bool {
    name.starts_with('.') && (name.ends_with(".import") || name.ends_with(".import.lock"))
}

struct Sweep<'a> {
    root: &'a Place,
    grace: Duration,
    dry_run: bool,
    limit: DateTime<Utc>,
    report: SweepReport,
}

impl Sweep<'_> {
    fn place(&self, path: &str) -> Place {
        let names = path.split('/').filter(|name| !name.is_empty());
        names.fold(self.root.clone(), |place, name| place.child(name))
    }

    fn site(&self, path: &str) -> Site {
        Site::new(self.place(path), Steps::default())
    }

    fn repaired(&mut self, path: &str, what: &str) {
        self.report.repaired.push(format!("{path}: {what}"));
    }

    /// A folder with a manifest.
    async fn table(&mut self, path: &str, modified: DateTime<Utc>) -> Result<()> {
        self.report.tables += 1;
        let site = self.site(path);
        let found = match site.standing().await {
            Ok(Standing::Absent) => return Ok(()),
            Ok(Standing::Pending(pending)) => match self.break_off(path, &site, &pending, modified).await? {
                Some(tombstone) => tombstone,
                None => return Ok(()),
            },
            Ok(Standing::Live(found) | Standing::Dropped(found)) => found,
            Err(error) => {
                self.report.left.push(format!("{path}: {error}"));
                return Ok(());
            }
        };
        if publish::is_due(&site).await? {
            self.repaired(path, "what foreign readers see was not of its last commit");
            if !self.dry_run {
                publish::publish(&site).await?;
            }
        }
        self.finish_move(path, &site, &found).await?;
        let is_tombstone = found.manifest.state != State::Live;
        let found = self.delete_retired(path, &site, found).await?;
        if is_tombstone && found.is_some_and(|found| found.manifest.retired.is_empty()) && modified <= self.limit {
            self.delete_tombstone(path, &site).await?;
        }
        Ok(())
    }

    /// A rename that stopped before it was committed; the tombstone afterwards, if it was old enough.
    async fn break_off(
        &mut self,
        path: &str,
        site: &Site,
        pending: &Committed,
        modified: DateTime<Utc>,
    ) -> Result<Option<Committed>> {
        if modified > self.limit {
            return Ok(None);
        }
        self.repaired(path, "was being renamed to; the table stays where it was");
        let copies = pending.manifest.parts().map(|part| format!("{path}/{}", part.folder));
        self.report.removed.extend(copies);
        if self.dry_run {
            return Ok(None);
        }
        relocate::break_off(site, pending).await?;
        site.read().await
    }

    async fn finish_move(&mut self, path: &str, site: &Site, found: &Committed) -> Result<()> {
        match &found.manifest.state {
            State::Live if found.manifest.moved_from.is_some() => {
                self.repaired(path, "was renamed, but its manifest still said whence");
                if !self.dry_run {
                    site.commit(Some(found), found.manifest.next()).await?;
                }
            }
            State::Dropped { moved_to: Some(to) } if !self.dry_run => relocate::finish(site, to).await?,
            _ => {}
        }
        Ok(())
    }

    /// Deletes retired folders; the manifest afterwards, or `None` if another writer came in between.
    async fn delete_retired(&mut self, path: &str, site: &Site, found: Committed) -> Result<Option<Committed>> {
        let expired: Vec<_> = retire::expired(&found.manifest, self.grace)
            .into_iter()
            .cloned()
            .collect();
        if expired.is_empty() {
            return Ok(Some(found));
        }
        for retired in &expired {
            let bytes = walk(&site.part(&retired.folder))
                .await?
                .iter()
                .map(|entry| entry.bytes)
                .sum::<u64>();
            self.report.bytes += bytes;
            self.report.removed.push(format!("{path}/{}", retired.folder));
        }
        if self.dry_run {
            return Ok(None);
        }
        let Some(now) = site.read().await? else { return Ok(None) };
        let deleted = retire::delete_expired(site, &found.manifest, self.grace).await?;
        let mut next = now.manifest.next();
        next.moved_from.clone_from(&now.manifest.moved_from);
        next.retired.retain(|retired| !deleted.contains(&retired.folder));
        match site.commit(Some(&now), next).await {
            Ok(committed) => Ok(Some(committed)),
            Err(crate::HatsError::Conflict { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// On the local disk the lock makes it safe to delete the tombstone; no object store can.
    async fn delete_tombstone(&mut self, path: &str, site: &Site) -> Result<()> {
        let Some(folder) = site.place.local.clone() else {
            return Ok(());
        };
        self.report.removed.push(format!("{path}/{MANIFEST_FILE}"));
        if self.dry_run {
            return Ok(());
        }
        let lock = Lock::take(&folder).await?;
        match site.read().await? {
            Some(found) if found.manifest.state != State::Live && found.manifest.retired.is_empty() => {}
            _ => return Ok(()),
        }
        blocking(move || {
            durable::remove_file(&folder.join(MANIFEST_FILE))?;
            // Kept where something else lies in it.
            let _ = std::fs::remove_dir(&folder);
            lock.remove()
        })
        .await
    }

    /// The folder of a snapshot or an increment.
    async fn part(&mut self, path: &str, heap: &Heap) -> Result<()> {
        let (table, name) = path.rsplit_once('/').unwrap_or(("", path));
        if heap.newest > self.limit || self.report.removed.iter().any(|removed| removed == path) {
            return Ok(());
        }
        match self.site(table).read().await {
            Ok(Some(found)) if found.manifest.folders().any(|folder| folder == name) => return Ok(()),
            Ok(_) => {}
            // Told when the table was looked at.
            Err(_) => return Ok(()),
        }
        self.remove(path, heap).await?;
        if !self.dry_run
            && let Some(folder) = self.place(table).local
        {
            // Empty after a creation that was broken off.
            let _ = std::fs::remove_dir(folder);
        }
        Ok(())
    }

    /// The target of an import on an object store.
    async fn marker(&mut self, path: &str, renewed: DateTime<Utc>) -> Result<()> {
        if renewed > self.limit {
            return Ok(());
        }
        let target = self.place(path);
        let listed = target.store.list_with_delimiter(Some(&target.path)).await?;
        let finished = listed
            .objects
            .iter()
            .filter_map(|file| file.location.filename())
            .any(|name| layout::PROPERTIES_FILES.contains(&name) || name == layout::COLLECTION_FILE);
        if !finished {
            self.report.removed.push(path.to_owned());
            self.report.bytes += walk(&target).await?.iter().map(|entry| entry.bytes).sum::<u64>();
            return if self.dry_run {
                Ok(())
            } else {
                Ok(clear(&target.store, &target.path).await?)
            };
        }
        self.repaired(path, "is whole, but still had the marker of its import");
        if self.dry_run {
            Ok(())
        } else {
            Ok(target.store.delete(&target.object(MARKER)).await?)
        }
    }

    async fn leftover(&mut self, path: &str, heap: &Heap) -> Result<()> {
        if heap.newest > self.limit {
            return Ok(());
        }
        let name = path.rsplit('/').next().unwrap_or(path);
        if let Some(folder) = self.place(path).local.filter(|_| is_broken_import(name)) {
            // Of the folder and of its lock file alike.
            let growing = folder.with_extension("import");
            if blocking(move || Ok(is_live(&growing))).await? {
                return Ok(());
            }
        }
        self.remove(path, heap).await
    }

    async fn remove(&mut self, path: &str, heap: &Heap) -> Result<()> {
        self.report.removed.push(path.to_owned());
        self.report.bytes += heap.bytes;
        if self.dry_run {
            return Ok(());
        }
        let place = self.place(path);
        match place.local {
            Some(file) if !heap.is_folder => blocking(move || durable::remove_file(&file)).await,
            _ => retire::delete_tree(&place).await,
        }
    }

    /// A lock file; of use while its table is there.
    async fn lock(&mut self, path: &str, heap: &Heap) -> Result<()> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let Some(table) = locked_table(name) else { return Ok(()) };
        let site = Site::new(self.place(parent).child(table), Steps::default());
        let Some(folder) = site.place.local.clone() else {
            return Ok(());
        };
        if heap.newest > self.limit || site.read().await.map_or(true, |found| found.is_some()) || !folder_gone(&folder)
        {
            return Ok(());
        }
        self.report.removed.push(path.to_owned());
        if self.dry_run {
            return Ok(());
        }
        let lock = Lock::take(&folder).await?;
        if site.read().await?.is_none() {
            blocking(move || lock.remove()).await?;
        }
        Ok(())
    }
}

fn folder_gone(folder: &std::path::Path) -> bool {
    !folder.exists()
}
