//! The object stores of a database. Closed: what was not registered at the start does not exist.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use datafusion::common::Result;
use datafusion::execution::object_store::ObjectStoreRegistry;
use object_store::ObjectStore;
use url::{Position, Url};

use crate::{Error, ErrorKind};

/// Stores by scheme and authority.
#[derive(Debug, Default)]
pub(crate) struct ClosedRegistry {
    stores: RwLock<HashMap<String, Arc<dyn ObjectStore>>>,
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
            Error::new(ErrorKind::ReadOnly, message)
                .with_hint("Only the roots named when the program was started can be read.")
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
            assert_eq!(error.sqlstate(), "25006", "{other}");
        }
    }
}
