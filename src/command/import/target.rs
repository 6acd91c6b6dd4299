//! Where an import puts its catalogue: a folder of this machine or of an object store.

use std::sync::Arc;

use dreyer_sky::hats::import::Place;

use crate::storage::{ClosedRegistry, open_roots};
use crate::{Access, Config, Error, ErrorKind, Result};

/// Where the catalogue goes, and the stores, whose threads live as long as this.
pub(super) struct Target {
    pub(super) place: Place,
    _stores: ClosedRegistry,
}

/// The folder `name` under the root `into`, which is made if it is one of this machine.
///
/// # Errors
/// A root that cannot be understood, opened or written.
pub(super) async fn open(into: &str, name: &str) -> Result<Target> {
    let config = Config {
        roots: vec![into.to_owned()],
        writable: Some(into.to_owned()),
        access: Access::Full,
        ..Config::default()
    };
    if !into.contains("://") {
        std::fs::create_dir_all(into)
            .map_err(|error| Error::new(ErrorKind::Io, format!("cannot make {into}: {error}")))?;
    }
    let registry = ClosedRegistry::default();
    let root = open_roots(&config, &registry).await?.into_iter().next();
    let root = root.ok_or_else(|| Error::new(ErrorKind::Internal, "no root was opened"))?;
    let place = Place {
        store: Arc::clone(&root.store),
        url: root.url.clone(),
        path: root.path.clone(),
        local: root.local.clone(),
    };
    Ok(Target {
        place: place.child(name),
        _stores: registry,
    })
}
