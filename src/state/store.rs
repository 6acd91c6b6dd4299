//! The documents of all schemas: read from memory, looked at again when a second old, changed one at a time.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures::TryStreamExt;
use object_store::ObjectMeta;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::commit::{Objects, Replaced, Version};
use super::document::{Comments, SchemaState, View};
use crate::storage::{ClosedRegistry, open_roots};
use crate::{Config, Error, ErrorKind, Result};

/// Age at which what was read is looked at again.
const FRESH: Duration = Duration::from_secs(1);

/// Attempts at a change that others get ahead of.
const ATTEMPTS: usize = 5;

/// Longest name of a schema, in bytes: it becomes the name of a file.
const NAME_BYTES: usize = 120;

/// The state of a database.
#[derive(Debug)]
pub(crate) struct StateStore {
    objects: Objects,
    folder: Path,
    /// As the user wrote it, for messages; `None` for memory.
    given: Option<String>,
    known: RwLock<Arc<BTreeMap<String, Known>>>,
    /// When it was last looked at; held while it is.
    looked: Mutex<Option<Instant>>,
    /// Where a state in a bucket is reached through: its threads end with it.
    stores: Option<ClosedRegistry>,
}

/// A document as it was read.
#[derive(Debug, Clone)]
struct Known {
    /// What the listing said of it.
    meta: ObjectMeta,
    state: Arc<SchemaState>,
}

impl StateStore {
    /// A state that ends with the process.
    pub(crate) fn memory() -> Self {
        let objects = Objects {
            store: Arc::new(InMemory::new()),
            local: None,
        };
        Self::new(objects, Path::default(), None)
    }

    /// The state that the configuration names, or one in memory.
    ///
    /// # Errors
    /// It cannot be opened or read.
    pub(crate) async fn configured(config: &Config) -> Result<Self> {
        let Some(given) = &config.state else {
            return Ok(Self::memory());
        };
        if !given.contains("://") || given.starts_with("file://") {
            return Self::directory(given).await;
        }
        // Opened like a root of its own, which statements know nothing of.
        let alone = Config {
            roots: vec![given.clone()],
            writable: Some(given.clone()),
            storage: config.storage.clone(),
            ..Config::default()
        };
        let stores = ClosedRegistry::default();
        let Some(root) = open_roots(&alone, &stores).await?.pop() else {
            return Err(Error::new(ErrorKind::Configuration, "the state store cannot be opened"));
        };
        let objects = Objects {
            store: root.store,
            local: None,
        };
        let mut state = Self::open(objects, root.path, &root.given).await?;
        state.stores = Some(stores);
        Ok(state)
    }

    /// A state in a directory of this machine, which is made if need be.
    ///
    /// # Errors
    /// It cannot be made or read.
    async fn directory(given: &str) -> Result<Self> {
        let fault = |error: &dyn std::fmt::Display| {
            Error::new(ErrorKind::Io, format!("cannot open the state store {given}: {error}"))
                .with_hint("--state takes a directory that this process may write.")
        };
        let folder = given.strip_prefix("file://").unwrap_or(given);
        fs::create_dir_all(folder).map_err(|error| fault(&error))?;
        let folder = fs::canonicalize(folder).map_err(|error| fault(&error))?;
        let store = LocalFileSystem::new_with_prefix(&folder).map_err(|error| fault(&error))?;
        let objects = Objects {
            store: Arc::new(store),
            local: Some(folder),
        };
        Self::open(objects, Path::default(), given).await
    }

    async fn open(objects: Objects, prefix: Path, given: &str) -> Result<Self> {
        let state = Self::new(objects, prefix, Some(given.to_owned()));
        state.refresh().await?;
        Ok(state)
    }

    fn new(objects: Objects, prefix: Path, given: Option<String>) -> Self {
        Self {
            objects,
            folder: prefix.join("v1").join("schemas"),
            given,
            known: RwLock::default(),
            looked: Mutex::default(),
            stores: None,
        }
    }

    /// Whether it outlives the process.
    pub(crate) fn is_lasting(&self) -> bool {
        self.given.is_some()
    }

    /// Looks at the documents again, unless that was done a moment ago.
    ///
    /// # Errors
    /// They cannot be listed, or one cannot be read.
    pub(crate) async fn refresh(&self) -> Result<()> {
        if !self.is_lasting() {
            return Ok(());
        }
        let mut looked = self.looked.lock().await;
        if looked.is_some_and(|then| then.elapsed() < FRESH) {
            return Ok(());
        }
        let listed: Vec<ObjectMeta> = self
            .objects
            .store
            .list(Some(&self.folder))
            .try_collect()
            .await
            .map_err(|error| self.fault(&error))?;
        let before = self.known();
        let mut known = BTreeMap::new();
        for meta in listed {
            let Some(schema) = schema_of(&meta.location) else {
                continue;
            };
            let old = before.get(&schema).filter(|old| same(&old.meta, &meta));
            let state = match old {
                Some(old) => Arc::clone(&old.state),
                None => Arc::new(self.read(&schema).await?.0),
            };
            known.insert(schema, Known { meta, state });
        }
        self.learn(|slot| *slot = known);
        *looked = Some(Instant::now());
        Ok(())
    }

    /// The schemas of which something is kept.
    pub(crate) fn schemas(&self) -> Vec<String> {
        self.known().keys().cloned().collect()
    }

    /// What is kept of a schema.
    pub(crate) fn schema(&self, name: &str) -> Arc<SchemaState> {
        self.known()
            .get(name)
            .map(|known| Arc::clone(&known.state))
            .unwrap_or_default()
    }

    /// The view of that name.
    pub(crate) fn view(&self, schema: &str, name: &str) -> Option<View> {
        self.known().get(schema)?.state.views.get(name).cloned()
    }

    /// The comments on that table or view.
    pub(crate) fn comments(&self, schema: &str, name: &str) -> Option<Comments> {
        self.known().get(schema)?.state.comments.get(name).cloned()
    }

    /// Changes what is kept of a schema. `edit` sees the state as it is now, and is called again if somebody else
    /// changed it meanwhile.
    ///
    /// # Errors
    /// That of `edit`; the document cannot be read or written; others got ahead every time.
    pub(crate) async fn change<T>(&self, schema: &str, edit: impl Fn(&mut SchemaState) -> Result<T>) -> Result<T> {
        for _ in 0..ATTEMPTS {
            let (mut state, version) = self.read(schema).await?;
            let before = state.clone();
            let done = edit(&mut state)?;
            if state == before {
                return Ok(done);
            }
            let path = self.path(schema)?;
            let replaced = self.objects.replace(&path, &version, state.write()?).await;
            match replaced.map_err(|error| self.fault(&error))? {
                Replaced::Yes => {
                    self.learn_one(schema, &path, state).await;
                    return Ok(done);
                }
                Replaced::Changed => {}
            }
        }
        let message = format!("schema {schema} is being changed by others all the time");
        Err(Error::new(ErrorKind::Conflict, message).with_hint("Run the statement again."))
    }

    /// What was said of a table that is no more.
    ///
    /// # Errors
    /// The document cannot be read or written.
    pub(crate) async fn forget(&self, schema: &str, name: &str) -> Result<()> {
        if self.comments(schema, name).is_none() {
            return Ok(());
        }
        let edit = |state: &mut SchemaState| {
            state.comments.remove(name);
            Ok(())
        };
        self.change(schema, edit).await
    }

    async fn learn_one(&self, schema: &str, path: &Path, state: SchemaState) {
        // Its listing may be that of a later version already: an empty tag makes the next look read it again.
        let meta = ObjectMeta {
            location: path.clone(),
            last_modified: chrono::DateTime::UNIX_EPOCH,
            size: 0,
            e_tag: None,
            version: None,
        };
        let _looking = self.looked.lock().await;
        let state = Arc::new(state);
        self.learn(|known| drop(known.insert(schema.to_owned(), Known { meta, state })));
    }

    async fn read(&self, schema: &str) -> Result<(SchemaState, Version)> {
        let path = self.path(schema)?;
        let version = self.objects.read(&path).await.map_err(|error| self.fault(&error))?;
        let state = match &version {
            Version::Absent => SchemaState::default(),
            Version::Present { bytes, .. } => SchemaState::parse(bytes, path.as_ref())?,
        };
        Ok((state, version))
    }

    fn path(&self, schema: &str) -> Result<Path> {
        if schema.is_empty() || schema.len() > NAME_BYTES {
            let message = format!("the name of a schema has 1 to {NAME_BYTES} bytes, got {}", schema.len());
            return Err(Error::new(ErrorKind::InvalidParameter, message));
        }
        Ok(self.folder.clone().join(format!("{schema}.json")))
    }

    fn known(&self) -> Arc<BTreeMap<String, Known>> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn learn(&self, change: impl FnOnce(&mut BTreeMap<String, Known>)) {
        let mut slot = self.known.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut slot));
    }

    fn fault(&self, error: &object_store::Error) -> Error {
        let given = self.given.as_deref().unwrap_or("memory");
        Error::new(ErrorKind::Io, format!("the state store {given}: {error}"))
    }
}

/// The schema whose document lies there.
fn schema_of(path: &Path) -> Option<String> {
    let name = path.filename()?.strip_suffix(".json")?;
    Some(percent_decoded(name))
}

/// Undoes the escapes that a path gives to characters that a file's name cannot hold.
fn percent_decoded(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let code = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn same(one: &ObjectMeta, other: &ObjectMeta) -> bool {
    one.e_tag.is_some() && (&one.e_tag, one.size, one.last_modified) == (&other.e_tag, other.size, other.last_modified)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(query: &str) -> View {
        View {
            query: query.to_owned(),
            owner: "ada".to_owned(),
        }
    }

    async fn add(store: &StateStore, schema: &str, name: &str) -> Result<()> {
        let edit = |state: &mut SchemaState| {
            if state.views.contains_key(name) {
                return Err(Error::new(ErrorKind::DuplicateTable, name));
            }
            state.views.insert(name.to_owned(), view("SELECT 1"));
            Ok(())
        };
        store.change(schema, edit).await
    }

    #[tokio::test]
    async fn what_was_written_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let given = folder.path().join("state");
        let given = given.to_str().unwrap();
        let store = StateStore::directory(given).await.unwrap();
        for schema in ["ada", "über 100%/x", "."] {
            add(&store, schema, "v").await.unwrap();
        }
        let again = StateStore::directory(given).await.unwrap();
        let mut schemas = again.schemas();
        schemas.sort();
        assert_eq!(schemas, [".", "ada", "über 100%/x"]);
        assert_eq!(again.view("über 100%/x", "v"), Some(view("SELECT 1")));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn of_many_writers_all_are_heard_and_one_gets_the_name() {
        let folder = tempfile::tempdir().unwrap();
        let given = folder.path().to_str().unwrap();
        let one = Arc::new(StateStore::directory(given).await.unwrap());
        let two = Arc::new(StateStore::directory(given).await.unwrap());
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..4 {
            let store = Arc::clone(if number % 2 == 0 { &one } else { &two });
            tasks.spawn(async move {
                let own = add(&store, "ada", &format!("v{number}")).await;
                (own, add(&store, "ada", "same").await)
            });
        }
        let done = tasks.join_all().await;
        for (own, same) in &done {
            for result in [own, same] {
                let told = result.as_ref().err().map(Error::sqlstate);
                assert!([None, Some("42P07"), Some("40001")].contains(&told), "{told:?}");
            }
        }
        assert_eq!(done.iter().filter(|(_, same)| same.is_ok()).count(), 1);
        let written = done.iter().filter(|(own, _)| own.is_ok()).count();
        let again = StateStore::directory(given).await.unwrap();
        assert_eq!(again.schema("ada").views.len(), written + 1);
    }

    #[tokio::test]
    async fn another_process_is_heard_within_a_second() {
        let folder = tempfile::tempdir().unwrap();
        let given = folder.path().to_str().unwrap();
        let (one, two) = (
            StateStore::directory(given).await.unwrap(),
            StateStore::directory(given).await.unwrap(),
        );
        add(&one, "ada", "v").await.unwrap();
        assert!(two.view("ada", "v").is_none());
        tokio::time::sleep(FRESH).await;
        two.refresh().await.unwrap();
        assert!(two.view("ada", "v").is_some());
    }
}
