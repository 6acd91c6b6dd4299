//! The object stores of a database. Closed: what was not registered at the start does not exist.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use datafusion::common::{DataFusionError, Result};
use datafusion::execution::object_store::{ObjectStoreRegistry, ObjectStoreUrl};
use object_store::ObjectStore;
use object_store::path::Path;
use tokio::runtime::Handle;
use url::{Position, Url};

use super::counters::{Counters, StoreMetrics};
use super::fence::Fence;
use crate::engine::Engine;
use crate::{Error, ErrorKind};

/// Threads for I/O: they pass bytes on and compute nothing.
const IO_THREADS: usize = 2;

/// Stores by scheme and authority, with the threads that their requests run on.
#[derive(Default)]
pub(crate) struct ClosedRegistry {
    stores: RwLock<HashMap<String, Arc<dyn ObjectStore>>>,
    fences: RwLock<HashMap<String, Arc<Fence>>>,
    counters: Mutex<Vec<(String, Arc<Counters>)>>,
    /// Started by the first store that is not on this machine.
    io: OnceLock<Engine>,
}

impl ClosedRegistry {
    /// Registers a store that ends at the roots.
    pub(super) fn register_fence(&self, url: &ObjectStoreUrl, fence: Fence) -> Arc<dyn ObjectStore> {
        let fence = Arc::new(fence);
        let mut fences = self.fences.write().unwrap_or_else(PoisonError::into_inner);
        fences.insert(key(url.as_ref()), Arc::clone(&fence));
        let store: Arc<dyn ObjectStore> = fence;
        self.register_store(url.as_ref(), Arc::clone(&store));
        store
    }

    /// Whether a statement may read, or write, at `location` of a store. For statements that name a place: the engine
    /// would find out later, and not always say why.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`].
    pub(crate) fn permits(&self, url: &ObjectStoreUrl, location: &Path, write: bool) -> crate::Result<()> {
        self.get_store(url.as_ref())?;
        let fences = self.fences.read().unwrap_or_else(PoisonError::into_inner);
        match fences.get(&key(url.as_ref())) {
            Some(fence) => fence
                .permits(location, write)
                .map_err(|error| DataFusionError::from(error).into()),
            None => Ok(()),
        }
    }

    /// The threads for I/O.
    ///
    /// # Errors
    /// They cannot be started.
    pub(super) fn io(&self) -> std::io::Result<Handle> {
        if let Some(io) = self.io.get() {
            return Ok(io.handle().clone());
        }
        let started = Engine::start("dreyer-io", Some(IO_THREADS))?;
        Ok(self.io.get_or_init(|| started).handle().clone())
    }

    /// Counters for a store, to be read with all others.
    pub(super) fn count(&self, store: &str) -> Arc<Counters> {
        let counters = Arc::new(Counters::default());
        let mut all = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        all.push((store.to_owned(), Arc::clone(&counters)));
        counters
    }

    /// What was asked of each store that is not on this machine, in the order in which they were opened.
    pub(crate) fn metrics(&self) -> Vec<StoreMetrics> {
        let all = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(store, counters)| counters.read(store)).collect()
    }
}

/// The names alone: stores show their keys.
impl fmt::Debug for ClosedRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stores = self.stores.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_set().entries(stores.keys()).finish()
    }
}

impl ObjectStoreRegistry for ClosedRegistry {
    fn register_store(&self, url: &Url, store: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        self.stores
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key(url), store)
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        let stores = self.stores.read().unwrap_or_else(PoisonError::into_inner);
        stores.get(&key(url)).cloned().ok_or_else(|| {
            let message = format!("no storage is open for {}", key(url));
            Error::new(ErrorKind::Denied, message)
                .with_hint("Only what lies under the roots named when the program was started can be reached.")
                .into()
        })
    }
}

fn key(url: &Url) -> String {
    format!("{}://{}", url.scheme(), &url[Position::BeforeHost..Position::AfterPort])
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    #[test]
    fn only_what_was_registered_exists() {
        let registry = ClosedRegistry::default();
        let url = Url::parse("sample://sky/a/b").unwrap();
        registry.register_store(&url, Arc::new(InMemory::new()));
        assert!(registry.get_store(&Url::parse("sample://sky/other").unwrap()).is_ok());
        for other in [
            "sample://sea/a",
            "file:///etc/passwd",
            "http://localhost:80/",
            "s3://bucket/x",
        ] {
            let error = Error::from(registry.get_store(&Url::parse(other).unwrap()).unwrap_err());
            assert_eq!(error.sqlstate(), "42501", "{other}");
        }
    }
}
