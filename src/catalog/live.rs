//! The tables under the roots as they are now. Shared by all sessions; the folders are the truth, this is a memory of it.
//!
//! The memory is renewed when a name is not in it, when a query finds a file rewritten under it, and from time to
//! time. A query keeps the tables it was planned with.

use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use datafusion::catalog::TableProvider;
use datafusion::execution::SessionState;
use dreyer_sky::hats::{self, FoundTable, Place};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::entry::{Entry, Found};
use super::{Known, Root, discovery};
use crate::{DEFAULT_SCHEMA, Error, ErrorKind, Result};

/// A name that is not known makes us look again, unless we looked so recently.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// The tables under the roots.
#[derive(Debug)]
pub(crate) struct LiveCatalog {
    roots: Vec<Root>,
    /// What plain files are opened with.
    state: SessionState,
    known: RwLock<Arc<Known>>,
    /// When we last looked; held while we look, so that many who miss a name cause one look.
    looked: Mutex<Instant>,
}

impl LiveCatalog {
    /// Looks at the roots for the first time.
    ///
    /// # Errors
    /// A root cannot be read or holds no catalogue; two catalogues have one name.
    pub(crate) async fn open(roots: Vec<Root>, state: SessionState) -> Result<Self> {
        let known = discovery::look(&roots, &state, &Known::new()).await?;
        for (index, root) in roots.iter().enumerate() {
            let any = known.values().flat_map(|tables| tables.values());
            // What is to be written to may be empty yet.
            if !root.writable && !any.into_iter().any(|entry| entry.found().0 == index) {
                let message = format!("no HATS catalogue and no table file under {}", root.given);
                return Err(Error::new(ErrorKind::Io, message).with_hint(
                    "A catalogue is a folder with a hats.properties file; a root is the folder above it, or, on a plain \
                     web server, the catalogue itself. Make one with `dreyer import`.",
                ));
            }
        }
        Ok(Self {
            roots,
            state,
            known: RwLock::new(Arc::new(known)),
            looked: Mutex::new(Instant::now()),
        })
    }

    /// The places where tables are looked for.
    pub(crate) fn roots(&self) -> &[Root] {
        &self.roots
    }

    /// Where a table of that name would lie, or lies, under the writable root.
    ///
    /// # Errors
    /// There is no writable root.
    pub(crate) fn place_for(&self, schema: &str, name: &str) -> Result<Place> {
        let root = self.roots.iter().find(|root| root.writable).ok_or_else(|| {
            Error::new(ErrorKind::ReadOnly, "there is no root in which tables can be written")
                .with_hint("Name one when the program is started: --writable DIR.")
        })?;
        let mut place = Place {
            store: Arc::clone(&root.store),
            url: root.url.clone(),
            path: root.path.clone(),
            local: root.local.clone(),
        };
        if schema != DEFAULT_SCHEMA {
            place = place.child(schema);
        }
        Ok(place.child(name))
    }

    /// What was said of a table made by SQL.
    pub(crate) fn comment(&self, schema: &str, name: &str) -> Option<String> {
        self.entry(schema, name)?.comment()
    }

    /// Looks at a table again at once, because it was made, changed or dropped here.
    pub(crate) async fn forget(&self, schema: &str, name: &str) {
        let _looking = self.looked.lock().await;
        if let Err(error) = self.look_at(schema, name).await {
            tracing::warn!(schema, name, %error, "the table could not be looked at again");
        }
    }

    /// Looks at the place of one table under the writable root.
    async fn look_at(&self, schema: &str, name: &str) -> Result<()> {
        let place = self.place_for(schema, name)?;
        let found = hats::discover(&place.store, &place.path).await?;
        let found = found.into_iter().find(|found| found.path == place.path);
        let writable = self.roots.iter().enumerate().find(|(_, root)| root.writable);
        let entry = match (found, writable) {
            (Some(found), Some((index, root))) => {
                let named = FoundTable {
                    schema: Some(schema)
                        .filter(|schema| *schema != DEFAULT_SCHEMA)
                        .map(str::to_owned),
                    name: name.to_owned(),
                    ..found
                };
                Some(Arc::new(
                    Entry::open(root, index, Found::Catalog(named), &self.state).await,
                ))
            }
            _ => None,
        };
        self.change(|known| match entry {
            Some(entry) => drop(
                known
                    .entry(schema.to_owned())
                    .or_default()
                    .insert(name.to_owned(), entry),
            ),
            None => drop(known.get_mut(schema).and_then(|tables| tables.remove(name))),
        });
        Ok(())
    }

    /// Names of the schemas.
    pub(crate) fn schema_names(&self) -> Vec<String> {
        self.known().keys().cloned().collect()
    }

    /// Whether there is such a schema.
    pub(crate) fn has_schema(&self, schema: &str) -> bool {
        self.known().contains_key(schema)
    }

    /// Names of the tables of a schema.
    pub(crate) fn table_names(&self, schema: &str) -> Vec<String> {
        let known = self.known();
        let tables = known.get(schema).into_iter().flatten();
        tables
            .filter(|(_, entry)| entry.is_table())
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Whether a table of that name lies under a root, whole or broken.
    pub(crate) fn has_table(&self, schema: &str, name: &str) -> bool {
        self.entry(schema, name).is_some_and(|entry| !entry.is_gone())
    }

    /// The table of that name, as it is now.
    ///
    /// # Errors
    /// It is there and cannot be opened.
    pub(crate) async fn table(&self, schema: &str, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        match self.entry(schema, name) {
            Some(entry) if entry.is_outdated().await => {
                self.forget(schema, name).await;
                self.entry(schema, name).map_or(Ok(None), |entry| entry.table())
            }
            Some(entry) => entry.table(),
            None => {
                self.look_again_for_a_name().await;
                self.entry(schema, name).map_or(Ok(None), |entry| entry.table())
            }
        }
    }

    /// Opens one table anew, because a file of it was found to be another than it was.
    pub(crate) async fn renew(&self, schema: &str, name: &str) {
        let Some(entry) = self.entry(schema, name) else { return };
        let (index, found) = entry.found();
        let Some(root) = self.roots.get(index) else { return };
        let renewed = Arc::new(Entry::open(root, index, found.clone(), &self.state).await);
        if renewed.is_broken() {
            // A store that stumbles for a moment takes no table away. What is truly broken is found at the next look.
            return;
        }
        self.change(|known| {
            known
                .entry(schema.to_owned())
                .or_default()
                .insert(name.to_owned(), renewed);
        });
    }

    /// Looks at all roots again. What cannot be listed just now stays as it was known.
    pub(crate) async fn reload(&self) {
        let mut looked = self.looked.lock().await;
        self.look().await;
        *looked = Instant::now();
    }

    /// The time that it takes to find that a name is not known.
    pub(super) async fn miss(&self) {
        self.look_again_for_a_name().await;
    }

    async fn look_again_for_a_name(&self) {
        let mut looked = self.looked.lock().await;
        if looked.elapsed() >= LOOK_AGAIN {
            self.look().await;
            *looked = Instant::now();
        }
    }

    async fn look(&self) {
        match discovery::look(&self.roots, &self.state, &self.known()).await {
            Ok(known) => self.change(|slot| *slot = known),
            Err(error) => tracing::warn!(%error, "kept the tables as they were known"),
        }
    }

    fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn entry(&self, schema: &str, name: &str) -> Option<Arc<Entry>> {
        self.known().get(schema)?.get(name).cloned()
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        let mut slot = self.known.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut slot));
    }
}

/// Looks at the roots again every `interval`, for as long as somebody holds the catalogue.
pub(crate) async fn keep_current(catalog: Weak<LiveCatalog>, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        match catalog.upgrade() {
            Some(catalog) => catalog.reload().await,
            None => return,
        }
    }
}
