//! The marker of an import that grows at its target, on an object store: who is at work there. It is renewed while the run
//! lives, so that its age tells a live run from a dead one; of a dead process of this machine it is known at once, and a
//! user who knows may say so.
//!
//! A marker changes hands by conditional put. Whoever lost it learns so at the next renewal, at the latest before the
//! properties are written, and leaves everything as it is.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{GetResult, ObjectStore, ObjectStoreExt, PutMode, PutOptions, UpdateVersion};
use tokio::sync::Mutex;

use super::options::fault;
use super::run::busy;
use super::{Place, owner};
use crate::catalog::HatsCatalog;
use crate::error::{HatsError, Result};
use crate::place::MARKER;

/// How often a marker is renewed.
const RENEWED_EVERY: Duration = Duration::from_secs(60);
/// From which age on a marker is a dead run's, in seconds.
pub(crate) const DEAD_AFTER_SECONDS: i64 = 600;

/// A target that carries our marker.
pub(crate) struct Marked {
    place: Place,
    marker: Arc<Marker>,
    renewal: tokio::task::JoinHandle<()>,
}

/// The marker itself.
struct Marker {
    store: Arc<dyn ObjectStore>,
    path: Path,
    /// What it says of us, and of no other run.
    text: String,
    /// Which version of it is ours.
    version: Mutex<UpdateVersion>,
}

impl Marked {
    /// Claims the target, removing what a dead run left of it. A run counts as dead that was not heard of for so long, or
    /// whose process is known to be; any is taken for dead where the user says so (`restart`).
    pub(crate) async fn claim(target: &Place, dead_after_seconds: i64, restart: bool) -> Result<Self> {
        if opens(target).await? {
            return Err(fault("target", format!("must not exist yet: {}", target.describe())));
        }
        let marker = Marker {
            store: Arc::clone(&target.store),
            path: target.object(MARKER),
            text: owner::signature(),
            version: Mutex::new(UpdateVersion {
                e_tag: None,
                version: None,
            }),
        };
        match marker.put(PutMode::Create).await {
            Ok(()) => {}
            Err(object_store::Error::AlreadyExists { .. }) => {
                let found = marker.store.get(&marker.path).await?;
                let (version, age) = (version_of(&found), Utc::now() - found.meta.last_modified);
                let text = String::from_utf8_lossy(&found.bytes().await?).into_owned();
                // It is our own where the answer to the first attempt was lost.
                if text != marker.text {
                    if !restart && age.num_seconds() < dead_after_seconds && !owner::is_dead(&text) {
                        return Err(alive(target, &text, age.num_seconds()));
                    }
                    // Of several that find it, one gets it.
                    marker
                        .put(PutMode::Update(version))
                        .await
                        .map_err(|error| match error {
                            object_store::Error::Precondition { .. } | object_store::Error::NotFound { .. } => {
                                busy(&target.describe(), "another that came at the same time")
                            }
                            error => error.into(),
                        })?;
                    clear_others(&target.store, &target.path, &marker.path).await?;
                }
            }
            Err(error) => return Err(error.into()),
        }
        let marker = Arc::new(marker);
        let renewed = Arc::clone(&marker);
        let renewal = tokio::spawn(async move {
            loop {
                tokio::time::sleep(RENEWED_EVERY).await;
                // What fails now is tried again, and told in the end.
                let _ = renewed.renew().await;
            }
        });
        Ok(Self {
            place: target.clone(),
            marker,
            renewal,
        })
    }

    /// Makes sure that the target is still ours.
    ///
    /// # Errors
    /// Another run has taken it over; the store fails.
    pub(crate) async fn confirm(&self) -> Result<()> {
        if self.marker.renew().await? {
            return Ok(());
        }
        let told = format!("was taken over by another import meanwhile: {}", self.place.describe());
        Err(fault("target", told))
    }

    /// Removes the marker: the catalogue is whole.
    pub(crate) async fn release(self) -> Result<()> {
        self.renewal.abort();
        Ok(self.marker.store.delete(&self.marker.path).await?)
    }

    /// Removes all that was written, as far as the store lets us; nothing, if it is not ours any more.
    pub(crate) async fn clear(self) {
        self.renewal.abort();
        if matches!(self.marker.renew().await, Ok(true)) {
            let _ = clear(&self.place.store, &self.place.path).await;
        }
    }
}

impl Drop for Marked {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

impl Marker {
    async fn put(&self, mode: PutMode) -> object_store::Result<()> {
        let mut version = self.version.lock().await;
        let put = self
            .store
            .put_opts(&self.path, self.text.clone().into(), PutOptions::from(mode));
        *version = put.await?.into();
        Ok(())
    }

    /// Renews it; tells whether it was still ours.
    async fn renew(&self) -> object_store::Result<bool> {
        let version = self.version.lock().await.clone();
        match self.put(PutMode::Update(version)).await {
            Ok(()) => return Ok(true),
            Err(object_store::Error::Precondition { .. } | object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
        // Perhaps the answer to an earlier attempt was lost.
        let found = match self.store.get(&self.path).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        let version = version_of(&found);
        let ours = found.bytes().await? == self.text.as_bytes();
        if ours {
            *self.version.lock().await = version;
        }
        Ok(ours)
    }
}

fn version_of(found: &GetResult) -> UpdateVersion {
    UpdateVersion {
        e_tag: found.meta.e_tag.clone(),
        version: found.meta.version.clone(),
    }
}

/// The error for a target at which somebody may be at work.
fn alive(target: &Place, signature: &str, age_seconds: i64) -> HatsError {
    let told = format!(
        "is being imported already: {} ({}, last heard of {age_seconds} s ago); if that process is dead, take its place \
         with --restart; by itself it counts as dead after {DEAD_AFTER_SECONDS} s of silence",
        target.describe(),
        owner::shown(signature)
    );
    fault("target", told)
}

/// Removes what an import of `target` by this process left that was dropped before its end. A catalogue that is whole
/// stays, and so does what another process is at, or a folder of this machine, where nothing is left.
///
/// # Errors
/// The store fails.
pub async fn clear_unfinished(target: &Place) -> Result<()> {
    if target.local.is_some() || opens(target).await? {
        return Ok(());
    }
    let found = match target.store.get(&target.object(MARKER)).await {
        Ok(found) => found.bytes().await?,
        Err(object_store::Error::NotFound { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    match owner::is_ours(&String::from_utf8_lossy(&found)) {
        true => Ok(clear(&target.store, &target.path).await?),
        false => Ok(()),
    }
}

/// Whether there is a whole catalogue or collection.
async fn opens(target: &Place) -> Result<bool> {
    let (store, url) = (Arc::clone(&target.store), target.url.clone());
    match HatsCatalog::open(store, url, target.path.clone()).await {
        Ok(_) => Ok(true),
        Err(HatsError::Store(error)) if !matches!(error, object_store::Error::NotFound { .. }) => Err(error.into()),
        Err(_) => Ok(false),
    }
}

/// Removes everything below `path`, the marker last.
pub(crate) async fn clear(store: &Arc<dyn ObjectStore>, path: &Path) -> object_store::Result<()> {
    let marker = path.clone().join(MARKER);
    clear_others(store, path, &marker).await?;
    match store.delete(&marker).await {
        Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Removes everything below `path` but the object `kept`.
async fn clear_others(store: &Arc<dyn ObjectStore>, path: &Path, kept: &Path) -> object_store::Result<()> {
    let listed: Vec<Path> = store
        .list(Some(path))
        .map_ok(|object| object.location)
        .try_collect()
        .await?;
    let kept = kept.clone();
    let others = listed.into_iter().filter(move |location| *location != kept).map(Ok);
    let deleted = store.delete_stream(Box::pin(futures::stream::iter(others)));
    deleted.try_for_each(|_| std::future::ready(Ok(()))).await
}

#[cfg(test)]
mod tests {
    use datafusion::execution::object_store::ObjectStoreUrl;
    use object_store::memory::InMemory;

    use super::*;

    async fn paths(place: &Place) -> Vec<String> {
        let listed = place.store.list(None).map_ok(|object| object.location.to_string());
        listed.try_collect().await.unwrap()
    }

    #[tokio::test]
    async fn what_a_dead_run_left_is_removed_and_a_live_one_let_alone() {
        let place = Place {
            store: Arc::new(InMemory::new()),
            url: ObjectStoreUrl::parse("memory://bucket/").unwrap(),
            path: Path::from("table"),
            local: None,
        };
        for name in [MARKER, "dataset/Norder=0/Dir=0/Npix=0.parquet", "collection.properties"] {
            place.store.put(&place.object(name), "x".into()).await.unwrap();
        }
        place.store.put(&Path::from("other"), "x".into()).await.unwrap();
        let told = Marked::claim(&place, 600, false)
            .await
            .map(|_| ())
            .unwrap_err()
            .to_string();
        assert!(
            told.contains("is being imported already") && told.contains("--restart"),
            "{told}"
        );
        assert_eq!(paths(&place).await.len(), 4);
        let marked = Marked::claim(&place, 0, false).await.unwrap();
        let marker = place.object(MARKER).to_string();
        assert_eq!(paths(&place).await, ["other".to_owned(), marker]);
        drop(marked);
        clear_unfinished(&place).await.unwrap();
        assert_eq!(paths(&place).await, ["other"]);
    }

    #[tokio::test]
    async fn who_lost_a_target_learns_so_and_leaves_it_alone() {
        let place = Place {
            store: Arc::new(InMemory::new()),
            url: ObjectStoreUrl::parse("memory://bucket/").unwrap(),
            path: Path::from("table"),
            local: None,
        };
        let first = Marked::claim(&place, 600, false).await.unwrap();
        first.confirm().await.unwrap();
        let second = Marked::claim(&place, 600, false)
            .await
            .map(|_| ())
            .unwrap_err()
            .to_string();
        assert!(
            second.contains(&format!("process {} on", std::process::id())),
            "{second}"
        );
        let second = Marked::claim(&place, 600, true).await.unwrap();
        place
            .store
            .put(&place.object("dataset/leaf"), "x".into())
            .await
            .unwrap();
        let told = first.confirm().await.unwrap_err().to_string();
        assert!(told.contains("was taken over by another import"), "{told}");
        first.clear().await;
        second.confirm().await.unwrap();
        assert_eq!(
            paths(&place).await.len(),
            2,
            "the first removed nothing of the second's"
        );
        second.release().await.unwrap();
        assert_eq!(paths(&place).await, ["table/dataset/leaf"]);
    }

    #[tokio::test]
    async fn what_another_process_writes_is_not_cleared() {
        let place = Place {
            store: Arc::new(InMemory::new()),
            url: ObjectStoreUrl::parse("memory://bucket/").unwrap(),
            path: Path::from("table"),
            local: None,
        };
        place
            .store
            .put(&place.object(MARKER), "process 1 on other".into())
            .await
            .unwrap();
        clear_unfinished(&place).await.unwrap();
        assert_eq!(paths(&place).await.len(), 1);
    }
}
