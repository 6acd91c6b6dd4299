//! Where a location named in a statement lies: `LOCATION '…'`, `COPY … TO '…'`.
//!
//! On one's own machine it may be anywhere. On a server it must be under a root; to be written to, under the writable
//! one, beside the tables of a schema in which the user may write.

use std::fs;
use std::path::{Path as FilePath, absolute};
use std::sync::Arc;

use datafusion::execution::object_store::ObjectStoreUrl;
use object_store::ObjectStore;
use object_store::path::Path;
use url::Url;

use crate::session::Session;
use crate::storage::Root;
use crate::{Access, DEFAULT_SCHEMA, Error, ErrorKind, Result};

/// An object, or a folder of objects, in a store that is open.
#[derive(Debug, Clone)]
pub(super) struct Location {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) url: ObjectStoreUrl,
    pub(super) path: Path,
}

/// A location to be read.
///
/// # Errors
/// It is not there, or lies under no root.
pub(super) fn to_read(session: &Session, given: &str) -> Result<Location> {
    let place = understood(session, given, true)?;
    if session.database().config().access == Access::ReadOnly {
        let roots = session.database().tables().roots();
        if !roots.iter().any(|root| lies_under(&place, root)) {
            return Err(outside(given, "no root", roots.iter()));
        }
    }
    session.database().stores().permits(&place.url, &place.path, false)?;
    Ok(place)
}

/// A file to be written, in place of what is there.
///
/// # Errors
/// It lies where the user may not write.
pub(super) fn to_write(session: &Session, given: &str) -> Result<Location> {
    if session.database().config().access == Access::Full {
        let place = understood(session, given, false)?;
        session.database().stores().permits(&place.url, &place.path, true)?;
        return Ok(place);
    }
    let roots = session.database().tables().roots();
    let Some(root) = roots.iter().find(|root| root.writable) else {
        return Err(Error::new(
            ErrorKind::ReadOnly,
            "cannot execute COPY on a server that only reads",
        ));
    };
    let user = session.principal();
    let bare = !given.contains(['/', '\\']);
    let path = if bare {
        root.path.clone().join(user.name()).join(given)
    } else {
        understood(session, given, false)?.path
    };
    let within: Option<Vec<String>> = path
        .prefix_match(&root.path)
        .map(|parts| parts.map(|part| part.as_ref().to_owned()).collect());
    let schema = match within.as_deref() {
        Some([schema, file]) if is_plain(schema) && is_plain(file) => schema.clone(),
        Some([file]) if is_plain(file) => DEFAULT_SCHEMA.to_owned(),
        _ => {
            return Err(
                outside(given, "no folder that COPY writes to", [root].into_iter()).with_hint(format!(
                    "A bare name, as in 'result.parquet', is a file of {}'s own.",
                    user.name()
                )),
            );
        }
    };
    user.check_write(&schema)?;
    Ok(Location {
        store: Arc::clone(&root.store),
        url: root.url.clone(),
        path,
    })
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.starts_with(['.', '_'])
}

fn lies_under(place: &Location, root: &Root) -> bool {
    place.url == root.url && place.path.prefix_matches(&root.path)
}

fn outside<'a>(given: &str, what: &str, roots: impl Iterator<Item = &'a Root>) -> Error {
    let roots: Vec<&str> = roots.map(|root| root.given.as_str()).collect();
    Error::new(ErrorKind::Denied, format!("the location {given} lies under {what}"))
        .with_hint(format!("Statements reach what lies under {}.", roots.join(", ")))
}

/// What a path or address means. A path on this machine that is to be read is followed to where it leads.
fn understood(session: &Session, given: &str, exists: bool) -> Result<Location> {
    let fault = |error: &dyn std::fmt::Display| Error::new(ErrorKind::Io, format!("cannot open {given}: {error}"));
    let (url, path) = match given.split_once("://") {
        Some((scheme, _)) if scheme != "file" => {
            let address = Url::parse(given).map_err(|error| fault(&error))?;
            let path = Path::from_url_path(address.path()).map_err(|error| fault(&error))?;
            let store = &address[..url::Position::AfterPort];
            (ObjectStoreUrl::parse(store)?, path)
        }
        local => {
            let file = FilePath::new(local.map_or(given, |(_, path)| path));
            let on_server = session.database().config().access == Access::ReadOnly;
            if on_server
                && (!file.is_absolute() || file.components().any(|part| part == std::path::Component::ParentDir))
            {
                return Err(
                    Error::new(ErrorKind::Denied, format!("the location {given} is not a full path"))
                        .with_hint("Write the path from the root folder on, without `..`."),
                );
            }
            let file = if exists { fs::canonicalize(file) } else { absolute(file) };
            // Where a file lies or not is nobody's business who may not look there.
            let hidden = |error| {
                if on_server {
                    outside(given, "no root", [].into_iter())
                } else {
                    fault(&error)
                }
            };
            let path = Path::from_absolute_path(file.map_err(hidden)?).map_err(|error| fault(&error))?;
            (ObjectStoreUrl::local_filesystem(), path)
        }
    };
    let store = session.context().runtime_env().object_store(&url)?;
    Ok(Location { store, url, path })
}
