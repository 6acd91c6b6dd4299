//! One thing found under a root: what it is, and the table made of it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use datafusion::catalog::TableProvider;
use datafusion::execution::SessionState;
use dreyer_sky::files::{self, DiscoveredFile, FileOptions};
use dreyer_sky::hats::managed::ManagedTable;
use dreyer_sky::hats::{FoundTable, HatsCatalog, HatsError, HatsTable, Place};
use object_store::path::Path;

use super::{DEFAULT_SCHEMA, Root};
use crate::{Error, ErrorKind, Result};

/// Kinds of catalogue that serve another one and are no tables by themselves.
const SERVING: [&str; 3] = ["margin", "index", "association"];

/// Age at which a table made by SQL is looked at again: others may have written to it.
const CURRENT: Duration = Duration::from_secs(1);

/// Something that lies under a root, and is a table by its name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Found {
    /// A catalogue, a collection, or a table made by SQL.
    Catalog(FoundTable),
    /// A plain file.
    File(DiscoveredFile),
}

impl Found {
    /// Schema and name of the table.
    pub(crate) fn name(&self) -> (&str, &str) {
        let (schema, name) = match self {
            Self::Catalog(found) => (&found.schema, &found.name),
            Self::File(found) => (&found.schema, &found.name),
        };
        (schema.as_deref().unwrap_or(DEFAULT_SCHEMA), name)
    }

    fn path(&self) -> &Path {
        match self {
            Self::Catalog(found) => &found.path,
            Self::File(found) => &found.file.location,
        }
    }
}

/// Something found under a root, opened.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Which root it lies under.
    root: usize,
    found: Found,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Hats(Arc<HatsTable>),
    Managed(Box<Managed>),
    File(Arc<dyn TableProvider>),
    /// A catalogue that serves another one.
    Serving,
    /// A table that was dropped, and whose files may still be read.
    Gone,
    /// Why it cannot be opened. One broken folder must not close the rest, nor be taken for one that is not there.
    Broken(String),
}

/// A table made by SQL.
#[derive(Debug)]
struct Managed {
    version: ManagedTable,
    provider: Arc<dyn TableProvider>,
    /// When the version was last known to be the newest.
    checked: Mutex<Instant>,
}

impl Managed {
    fn new(version: ManagedTable) -> Self {
        Self {
            provider: version.table(),
            version,
            checked: Mutex::new(Instant::now()),
        }
    }

    /// Whether it is time to look whether there is a newer version; who asks is taken to look.
    fn is_due(&self) -> bool {
        let mut checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        let due = checked.elapsed() >= CURRENT;
        if due {
            *checked = Instant::now();
        }
        due
    }
}

impl Entry {
    /// Opens what was found under the `index`-th root. A failure is part of the answer.
    pub(crate) async fn open(root: &Root, index: usize, found: Found, state: &SessionState) -> Self {
        let content = match content(root, &found, state).await {
            Ok(content) => content,
            Err(error) => {
                tracing::warn!(path = %found.path(), %error, "left out what cannot be opened");
                Content::Broken(error.to_string())
            }
        };
        Self {
            root: index,
            found,
            content,
        }
    }

    /// Whether it would be opened as it was.
    pub(crate) fn is(&self, root: usize, found: &Found) -> bool {
        // What was broken may have been mended in a file that the fingerprint does not cover.
        self.root == root && self.found == *found && !matches!(self.content, Content::Broken(_))
    }

    /// What was found, for opening it again.
    pub(crate) fn found(&self) -> (usize, &Found) {
        (self.root, &self.found)
    }

    /// Schema and name of the table.
    pub(crate) fn name(&self) -> (&str, &str) {
        self.found.name()
    }

    /// Whether it is listed among the tables.
    pub(crate) fn is_table(&self) -> bool {
        matches!(self.content, Content::Hats(_) | Content::Managed(_) | Content::File(_))
    }

    /// What was said of a table made by SQL.
    pub(crate) fn comment(&self) -> Option<String> {
        match &self.content {
            Content::Managed(table) => table.version.comment().map(str::to_owned),
            _ => None,
        }
    }

    /// Whether another version of it is known to exist. Asked of the store at most once in [`CURRENT`].
    pub(crate) async fn is_outdated(&self) -> bool {
        match &self.content {
            // A store that does not answer now is met again by the query itself.
            Content::Managed(table) if table.is_due() => !table.version.is_current().await.unwrap_or(true),
            _ => false,
        }
    }

    /// Whether it is there and could not be opened.
    pub(crate) fn is_broken(&self) -> bool {
        matches!(self.content, Content::Broken(_))
    }

    /// Whether there is nothing of that name any more.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self.content, Content::Gone)
    }

    /// The table, if it is one.
    ///
    /// # Errors
    /// It is there and cannot be opened.
    pub(crate) fn table(&self) -> Result<Option<Arc<dyn TableProvider>>> {
        match &self.content {
            Content::Hats(table) => Ok(Some(Arc::clone(table) as Arc<dyn TableProvider>)),
            Content::Managed(table) => Ok(Some(Arc::clone(&table.provider))),
            Content::File(table) => Ok(Some(Arc::clone(table))),
            Content::Serving | Content::Gone => Ok(None),
            Content::Broken(fault) => {
                let (schema, name) = self.name();
                let message = format!("the table {schema}.{name} cannot be opened: {fault}");
                Err(Error::new(ErrorKind::Io, message))
            }
        }
    }
}

async fn content(root: &Root, found: &Found, state: &SessionState) -> Result<Content> {
    match found {
        Found::Catalog(found) => Ok(catalog(root, found).await?),
        Found::File(found) => {
            let (store, url) = (Arc::clone(&root.store), root.url.clone());
            let (file, options) = (found.file.clone(), FileOptions::default());
            let table = files::open_table(state, store, url, vec![file], &options).await?;
            Ok(Content::File(table))
        }
    }
}

async fn catalog(root: &Root, found: &FoundTable) -> Result<Content, HatsError> {
    if found.managed {
        let place = Place {
            store: Arc::clone(&root.store),
            url: root.url.clone(),
            path: found.path.clone(),
            local: None,
        };
        return Ok(match ManagedTable::open(place).await? {
            Some(table) => Content::Managed(Box::new(Managed::new(table))),
            None => Content::Gone,
        });
    }
    let catalog = HatsCatalog::open(Arc::clone(&root.store), root.url.clone(), found.path.clone()).await?;
    if SERVING.contains(&catalog.kind()) {
        return Ok(Content::Serving);
    }
    Ok(Content::Hats(Arc::new(HatsTable::new(Arc::new(catalog)))))
}
