//! What foreign readers see: `collection.properties`, which names the snapshot that is published.
//!
//! It follows from the manifest alone, so writing it can be repeated by anybody at any time: it is written after each
//! commit, and again before the next write, by a compaction and by a sweep, in case somebody died between the two.
//! Foreign readers thus see the last snapshot or the one before, whole; increments only once they are compacted.

use futures::TryFutureExt;
use object_store::{ObjectStoreExt, PutMode, PutOptions, UpdateVersion};

use crate::error::Result;
use crate::layout;
use crate::managed::durable::{self, Staged, blocking};
use crate::managed::ledger::{Site, Standing, is_refusal};
use crate::managed::lock::Lock;
use crate::managed::manifest::Kind;
use crate::properties::Properties;

/// Attempts to publish on an object store while others do the same.
const ATTEMPTS: usize = 8;

/// Makes `collection.properties` agree with the manifest. Returns whether it did not.
///
/// # Errors
/// The store failed, or others changed the file so fast that no attempt got through.
pub(crate) async fn publish(site: &Site) -> Result<bool> {
    if let Some(folder) = &site.place.local {
        let lock = Lock::take(folder).await?;
        return publish_locked(site, &lock).await;
    }
    for _ in 0..ATTEMPTS {
        if let Some(changed) = attempt(site).await? {
            return Ok(changed);
        }
    }
    Err(site.changed())
}

/// The same on the local disk, by whoever holds the lock already.
pub(crate) async fn publish_locked(site: &Site, _lock: &Lock) -> Result<bool> {
    let Some(folder) = site.place.local.clone() else {
        return Ok(false);
    };
    let (there, _) = read(site).await?.unzip();
    let wanted = wanted(site).await?;
    if there == wanted {
        return Ok(false);
    }
    match wanted {
        Some(text) => {
            let staged = blocking(move || Staged::write(&folder, text.as_bytes()));
            blocking({
                let staged = staged.await?;
                move || staged.install(layout::COLLECTION_FILE)
            })
            .await?;
        }
        None => {
            let remove = move || {
                durable::remove_file(&folder.join(layout::COLLECTION_FILE))?;
                durable::sync_folder(&folder)
            };
            blocking(remove).await?;
        }
    }
    Ok(true)
}

/// Whether `collection.properties` does not agree with the manifest.
pub(crate) async fn is_due(site: &Site) -> Result<bool> {
    let there = read(site).await?.map(|(text, _)| text);
    Ok(there != wanted(site).await?)
}

/// One attempt on an object store; `None`: somebody else wrote at the same time.
async fn attempt(site: &Site) -> Result<Option<bool>> {
    // Read before the manifest: what is then put in its place is of a manifest at least as new.
    let there = read(site).await?;
    let wanted = wanted(site).await?;
    if there.as_ref().map(|(text, _)| text) == wanted.as_ref() {
        return Ok(Some(false));
    }
    let (store, file) = (&site.place.store, site.file(layout::COLLECTION_FILE));
    let Some(text) = wanted else {
        match store.delete(&file).await {
            Err(error) if !matches!(error, object_store::Error::NotFound { .. }) => return Err(error.into()),
            _ => {}
        }
        // No store deletes on a condition: if a table has come meanwhile, it must be published again.
        return Ok(self::wanted(site).await?.is_none().then_some(true));
    };
    let mode = there.map_or(PutMode::Create, |(_, version)| PutMode::Update(version));
    match store.put_opts(&file, text.into(), PutOptions::from(mode)).await {
        Ok(_) => Ok(Some(true)),
        Err(error) if is_refusal(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn read(site: &Site) -> Result<Option<(String, UpdateVersion)>> {
    let found = match site.place.store.get(&site.file(layout::COLLECTION_FILE)).await {
        Ok(found) => found,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let version = UpdateVersion {
        e_tag: found.meta.e_tag.clone(),
        version: found.meta.version.clone(),
    };
    let bytes = found.bytes().map_err(crate::HatsError::from).await?;
    Ok(Some((String::from_utf8_lossy(&bytes).into_owned(), version)))
}

/// The text that ought to be there; `None`: no file.
async fn wanted(site: &Site) -> Result<Option<String>> {
    let Standing::Live(found) = site.standing().await? else {
        return Ok(None);
    };
    let snapshot = found.manifest.snapshot.filter(|_| found.manifest.kind == Kind::Hats);
    Ok(snapshot.map(|snapshot| {
        let mut properties = Properties::default();
        properties.set("obs_collection", site.name());
        properties.set("hats_primary_table_url", &snapshot.folder);
        properties.render()
    }))
}
