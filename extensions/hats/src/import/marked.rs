//! The marker of an import that grows at its target, on an object store: renewed while the run lives, so that its age
//! tells a live run from a dead one.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};

use super::Place;
use super::options::fault;
use super::run::{busy, owner};
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
    renewal: tokio::task::JoinHandle<()>,
}

impl Marked {
    /// Claims the target, removing what a dead run left of it.
    pub(crate) async fn claim(target: &Place, dead_after_seconds: i64) -> Result<Self> {
        let marker = target.object(MARKER);
        if opens(target).await? {
            return Err(fault("target", format!("must not exist yet: {}", target.describe())));
        }
        if let Err(error) = create(&*target.store, &marker).await {
            if !matches!(error, object_store::Error::AlreadyExists { .. }) {
                return Err(error.into());
            }
            let found = target.store.get(&marker).await?;
            let age = Utc::now().signed_duration_since(found.meta.last_modified);
            let owner = String::from_utf8_lossy(&found.bytes().await?).into_owned();
            if age.num_seconds() < dead_after_seconds {
                return Err(busy(&target.describe(), &owner));
            }
            clear(&target.store, &target.path).await?;
            create(&*target.store, &marker).await?;
        }
        let store = Arc::clone(&target.store);
        let renewal = tokio::spawn(async move {
            loop {
                tokio::time::sleep(RENEWED_EVERY).await;
                let _ = store.put(&marker, owner().into()).await;
            }
        });
        Ok(Self {
            place: target.clone(),
            renewal,
        })
    }

    /// Removes the marker: the catalogue is whole.
    pub(crate) async fn release(self) -> Result<()> {
        self.renewal.abort();
        Ok(self.place.store.delete(&self.place.object(MARKER)).await?)
    }

    /// Removes all that was written, as far as the store lets us.
    pub(crate) async fn clear(self) {
        self.renewal.abort();
        let _ = clear(&self.place.store, &self.place.path).await;
    }
}

impl Drop for Marked {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

/// Removes what an import of `target` left that was dropped before its end. A catalogue that is whole stays, and so does
/// a folder of this machine, where nothing is left.
///
/// # Errors
/// The store fails.
pub async fn clear_unfinished(target: &Place) -> Result<()> {
    if target.local.is_some() || opens(target).await? {
        return Ok(());
    }
    match target.store.head(&target.object(MARKER)).await {
        Ok(_) => Ok(clear(&target.store, &target.path).await?),
        Err(object_store::Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error.into()),
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

async fn create(store: &dyn ObjectStore, marker: &Path) -> object_store::Result<()> {
    let options = PutOptions::from(PutMode::Create);
    store.put_opts(marker, owner().into(), options).await.map(|_| ())
}

/// Removes everything below `path`, the marker last.
pub(crate) async fn clear(store: &Arc<dyn ObjectStore>, path: &Path) -> object_store::Result<()> {
    let marker = path.clone().join(MARKER);
    let listed: Vec<Path> = store
        .list(Some(path))
        .map_ok(|object| object.location)
        .try_collect()
        .await?;
    let kept = marker.clone();
    let others = listed.into_iter().filter(move |location| *location != kept).map(Ok);
    let deleted = store.delete_stream(Box::pin(futures::stream::iter(others)));
    deleted.try_for_each(|_| std::future::ready(Ok(()))).await?;
    match store.delete(&marker).await {
        Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
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
        let told = Marked::claim(&place, 600).await.map(|_| ()).unwrap_err().to_string();
        assert!(told.contains("is being imported already"), "{told}");
        assert_eq!(paths(&place).await.len(), 4);
        let marked = Marked::claim(&place, 0).await.unwrap();
        let marker = place.object(MARKER).to_string();
        assert_eq!(paths(&place).await, ["other".to_owned(), marker]);
        drop(marked);
        clear_unfinished(&place).await.unwrap();
        assert_eq!(paths(&place).await, ["other"]);
    }
}
