//! Roots as the user writes them become stores and paths, and the stores enter the registry.

use std::fs;
use std::sync::Arc;

use datafusion::execution::object_store::{ObjectStoreRegistry, ObjectStoreUrl};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::path::Path;

use super::fence::Fence;
use super::{ClosedRegistry, sample};
use crate::catalog::Root;
use crate::{Access, Error, ErrorKind, Result};

/// Opens each root (a directory, or a `file://` address of one), or the sample sky if there is none, and registers
/// what statements may reach.
pub(crate) async fn open_roots(given: &[String], access: Access, registry: &ClosedRegistry) -> Result<Vec<Root>> {
    let local_url = ObjectStoreUrl::local_filesystem();
    let files: Arc<dyn ObjectStore> = Arc::new(LocalFileSystem::new());
    let paths = given.iter().map(|root| local_path(root)).collect::<Result<Vec<_>>>()?;
    let reachable: Arc<dyn ObjectStore> = match access {
        Access::Full => files,
        Access::ReadOnly => Arc::new(Fence::new(files, paths.clone())),
    };
    if access == Access::Full || !paths.is_empty() {
        registry.register_store(local_url.as_ref(), Arc::clone(&reachable));
    }
    if given.is_empty() {
        let store = sample::open().await?;
        let url = ObjectStoreUrl::parse(sample::URL)?;
        registry.register_store(url.as_ref(), Arc::clone(&store));
        return Ok(vec![Root {
            given: sample::URL.to_owned(),
            store,
            url,
            path: Path::default(),
        }]);
    }
    let root = |(given, path): (&String, Path)| {
        let (given, store, url) = (given.clone(), Arc::clone(&reachable), local_url.clone());
        Root {
            given,
            store,
            url,
            path,
        }
    };
    Ok(given.iter().zip(paths).map(root).collect())
}

fn local_path(root: &str) -> Result<Path> {
    let path = match root.split_once("://") {
        None => root,
        Some(("file", path)) => path,
        Some((scheme, _)) => {
            return Err(Error::new(
                ErrorKind::NotSupported,
                format!("cannot open {root}: no storage for {scheme}://"),
            )
            .with_hint("A root is a directory on this machine."));
        }
    };
    let unreadable = |error: &dyn std::fmt::Display| {
        Error::new(ErrorKind::Io, format!("cannot open the root {root}: {error}"))
            .with_hint("A root is a directory with HATS catalogues in it. Without one, the sample sky is opened.")
    };
    let absolute = fs::canonicalize(path).map_err(|error| unreadable(&error))?;
    if !absolute.is_dir() {
        return Err(unreadable(&"not a directory"));
    }
    Path::from_absolute_path(&absolute).map_err(|error| unreadable(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_that_cannot_be_opened_say_why() {
        assert_eq!(local_path("s3://bucket/x").unwrap_err().kind, ErrorKind::NotSupported);
        let error = local_path("/no/such/folder").unwrap_err();
        assert_eq!(error.kind, ErrorKind::Io);
        assert!(error.message.starts_with("cannot open the root /no/such/folder: "));
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(
            local_path(file.path().to_str().unwrap())
                .unwrap_err()
                .message
                .ends_with("not a directory")
        );
    }
}
