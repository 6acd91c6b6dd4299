//! Roots as the user writes them become stores and paths, and the stores enter the registry.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::execution::object_store::{ObjectStoreRegistry, ObjectStoreUrl};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::path::Path;

use super::address::{Address, Place};
use super::connect::connect;
use super::contain::Contained;
use super::fence::Fence;
use super::{ClosedRegistry, sample};
use crate::{Access, Config, Error, ErrorKind, Result};

/// A place to look for catalogues, or to write tables to.
#[derive(Clone)]
pub(crate) struct Root {
    /// As the user wrote it, without options; for messages.
    pub(crate) given: String,
    /// The store, fenced.
    pub(crate) store: Arc<dyn ObjectStore>,
    /// How sessions know the store.
    pub(crate) url: ObjectStoreUrl,
    /// The root's folder within the store.
    pub(crate) path: Path,
    /// The folder, where the store is this machine's disk.
    pub(crate) local: Option<PathBuf>,
    /// Whether tables may be written here.
    pub(crate) writable: bool,
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Root");
        shown
            .field("given", &self.given)
            .field("local", &self.local)
            .field("writable", &self.writable)
            .finish_non_exhaustive()
    }
}

/// A root, understood and not yet opened.
struct Wanted {
    given: String,
    /// A folder is resolved.
    address: Address,
    path: Path,
    writable: bool,
}

/// Opens each root of the configuration, or the sample sky if there is none, and the writable one; registers what
/// statements may reach. Nothing is asked of a store over the network yet.
///
/// # Errors
/// A root that cannot be understood, a folder that is not there, two roots that would share a name in SQL and are
/// different stores, a writable root that lies across others.
pub(crate) async fn open_roots(config: &Config, registry: &ClosedRegistry) -> Result<Vec<Root>> {
    config.storage.check()?;
    let wanted = wanted(config)?;
    let mut roots = Vec::new();
    if config.roots.is_empty() {
        roots.push(sample_root(registry).await?);
    }
    let local = local_store(&wanted, config.access, registry);
    let mut remote: BTreeMap<&str, (&Place, Arc<dyn ObjectStore>)> = BTreeMap::new();
    for Wanted {
        given,
        address,
        path,
        writable,
    } in &wanted
    {
        let (store, url, folder) = match address {
            Address::Folder(folder) => (
                Arc::clone(&local),
                ObjectStoreUrl::local_filesystem(),
                Some(folder.clone()),
            ),
            Address::Place(place) => {
                let store = match remote.get(place.store.as_str()) {
                    Some((first, _)) if first.options != place.options => return Err(confused(given, &place.store)),
                    Some((_, store)) => Arc::clone(store),
                    None => {
                        let store = fenced(place, &wanted, config, registry)?;
                        remote.insert(&place.store, (place, Arc::clone(&store)));
                        store
                    }
                };
                (store, ObjectStoreUrl::parse(&place.store)?, None)
            }
        };
        roots.push(Root {
            given: given.clone(),
            store,
            url,
            path: path.clone(),
            local: folder,
            writable: *writable,
        });
    }
    Ok(roots)
}

/// The roots in their order, and the writable one after them unless it is one of them.
fn wanted(config: &Config) -> Result<Vec<Wanted>> {
    let mut wanted = Vec::new();
    for given in &config.roots {
        wanted.push(Wanted::parse(given, false)?);
    }
    let Some(given) = &config.writable else {
        return Ok(wanted);
    };
    let last = Wanted::parse(given, true)?;
    if last.place().is_some_and(|place| !place.can_be_written()) {
        let message = format!("cannot write to {}: a web server only gives", last.given);
        return Err(Error::new(ErrorKind::Configuration, message));
    }
    let mut own = true;
    for root in wanted.iter_mut().filter(|root| root.store() == last.store()) {
        if root.path == last.path {
            root.writable = true;
            own = false;
        } else if root.path.prefix_matches(&last.path) || last.path.prefix_matches(&root.path) {
            let message = format!("the writable root {} lies across the root {}", last.given, root.given);
            return Err(Error::new(ErrorKind::Configuration, message)
                .with_hint("It must be one of the roots, or lie apart from them all."));
        }
    }
    if own {
        wanted.push(last);
    }
    Ok(wanted)
}

impl Wanted {
    /// A folder that is to be written to is made.
    fn parse(given: &str, writable: bool) -> Result<Self> {
        let wanted = |address, path| Self {
            given: Address::shown(given),
            address,
            path,
            writable,
        };
        let folder = match Address::parse(given)? {
            Address::Folder(folder) => folder,
            Address::Place(place) => {
                let path = place.path.clone();
                return Ok(wanted(Address::Place(place), path));
            }
        };
        if writable {
            fs::create_dir_all(&folder).map_err(|error| unreadable(given, &error))?;
        }
        let absolute = fs::canonicalize(&folder).map_err(|error| unreadable(given, &error))?;
        if !absolute.is_dir() {
            return Err(unreadable(given, &"not a directory"));
        }
        let path = Path::from_absolute_path(&absolute).map_err(|error| unreadable(given, &error))?;
        Ok(wanted(Address::Folder(absolute), path))
    }

    fn place(&self) -> Option<&Place> {
        match &self.address {
            Address::Place(place) => Some(place),
            Address::Folder(_) => None,
        }
    }

    fn folder(&self) -> Option<&PathBuf> {
        match &self.address {
            Address::Folder(folder) => Some(folder),
            Address::Place(_) => None,
        }
    }

    /// What it is registered under; `None` for the disk.
    fn store(&self) -> Option<&str> {
        self.place().map(|place| place.store.as_str())
    }
}

fn unreadable(given: &str, error: &dyn fmt::Display) -> Error {
    Error::new(ErrorKind::Io, format!("cannot open the root {given}: {error}"))
        .with_hint("A root is a directory with HATS catalogues in it. Without one, the sample sky is opened.")
}

fn confused(given: &str, store: &str) -> Error {
    let message = format!("{given}: another root names {store} with other options");
    Error::new(ErrorKind::Configuration, message).with_hint(
        "Statements know a store by its bucket alone, so all roots in it need the same options. \
         Two endpoints with buckets of one name need two servers.",
    )
}

/// The disk of this machine. On a server it ends at the roots; a shell of one's own may go anywhere.
fn local_store(wanted: &[Wanted], access: Access, registry: &ClosedRegistry) -> Arc<dyn ObjectStore> {
    let files: Arc<dyn ObjectStore> = Arc::new(LocalFileSystem::new());
    let url = ObjectStoreUrl::local_filesystem();
    let local: Vec<_> = wanted
        .iter()
        .filter_map(|root| Some((root, root.folder()?.clone())))
        .collect();
    if access == Access::Full {
        registry.register_store(url.as_ref(), Arc::clone(&files));
    }
    if access == Access::Full || local.is_empty() {
        return files;
    }
    let roots = local
        .iter()
        .map(|(root, _)| (root.path.clone(), root.writable))
        .collect();
    let contained = Contained::new(local.into_iter().map(|(_, folder)| folder).collect());
    registry.register_fence(
        &url,
        Fence::new(files, "file://", roots).with_links_contained(contained),
    )
}

/// A store over the network, ending at the roots that lie in it, whoever asks.
fn fenced(
    place: &Place,
    wanted: &[Wanted],
    config: &Config,
    registry: &ClosedRegistry,
) -> Result<Arc<dyn ObjectStore>> {
    let roots = wanted
        .iter()
        .filter(|root| root.store() == Some(place.store.as_str()))
        .map(|root| (root.path.clone(), root.writable))
        .collect();
    let fence = Fence::new(connect(place, &config.storage, registry)?, &place.store, roots);
    Ok(registry.register_fence(&ObjectStoreUrl::parse(&place.store)?, fence))
}

async fn sample_root(registry: &ClosedRegistry) -> Result<Root> {
    let store = sample::open().await?;
    let url = ObjectStoreUrl::parse(sample::URL)?;
    registry.register_store(url.as_ref(), Arc::clone(&store));
    Ok(Root {
        given: sample::URL.to_owned(),
        store,
        url,
        path: Path::default(),
        local: None,
        writable: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(roots: &[&str], writable: Option<&str>) -> Config {
        Config {
            roots: roots.iter().map(|root| (*root).to_owned()).collect(),
            writable: writable.map(str::to_owned),
            ..Config::default()
        }
    }

    async fn opened(roots: &[&str], writable: Option<&str>) -> Result<Vec<Root>> {
        open_roots(&config(roots, writable), &ClosedRegistry::default()).await
    }

    #[tokio::test]
    async fn roots_that_cannot_be_opened_say_why() {
        let error = opened(&["hf://datasets/x"], None).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotSupported);
        let error = opened(&["/no/such/folder"], None).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Io);
        assert!(error.message.starts_with("cannot open the root /no/such/folder: "));
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = opened(&[file.path().to_str().unwrap()], None).await.unwrap_err();
        assert!(error.message.ends_with("not a directory"));
        let error = opened(&[], Some("https://host/x")).await.unwrap_err();
        assert!(error.message.contains("cannot write"), "{error}");
    }

    #[tokio::test]
    async fn roots_of_one_bucket_share_a_store_and_two_endpoints_are_not_confused() {
        let one = "s3://bucket/a?endpoint=http://127.0.0.1:1&anonymous=true";
        let two = "s3://bucket/b?endpoint=http://127.0.0.1:1&anonymous=true";
        let roots = opened(&[one, two], Some(two)).await.unwrap();
        assert!(Arc::ptr_eq(&roots[0].store, &roots[1].store));
        assert_eq!((roots[0].writable, roots[1].writable), (false, true));
        assert_eq!(roots[0].given, "s3://bucket/a");
        let other = "s3://bucket/b?endpoint=http://127.0.0.1:2&anonymous=true";
        let error = opened(&[one, other], None).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Configuration);
        assert!(opened(&[one, "s3://other/b"], None).await.is_ok());
    }

    #[tokio::test]
    async fn the_writable_root_is_one_of_them_or_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        fs::create_dir(path("sky")).unwrap();
        let roots = opened(&[&path("sky")], Some(&path("mine"))).await.unwrap();
        assert_eq!(roots.len(), 2);
        assert!(roots[1].writable && roots[1].local.as_ref().unwrap().is_dir());
        let roots = opened(&[&path("sky")], Some(&path("sky"))).await.unwrap();
        assert!(roots.len() == 1 && roots[0].writable);
        for across in [path("sky/mine"), folder.path().to_str().unwrap().to_owned()] {
            let error = opened(&[&path("sky")], Some(&across)).await.unwrap_err();
            assert!(error.message.contains("lies across"), "{error}");
        }
        let roots = opened(&[], Some(&path("mine"))).await.unwrap();
        assert_eq!(
            roots.iter().map(|root| root.writable).collect::<Vec<_>>(),
            [false, true]
        );
    }

    #[tokio::test]
    async fn nothing_shows_a_key() {
        let mut config = config(&["s3://bucket/a"], None);
        let keys = crate::Credentials::new("AKIAEXAMPLE", "hush-hush");
        config.storage.credentials.insert("s3://bucket".to_owned(), keys);
        let registry = ClosedRegistry::default();
        let roots = open_roots(&config, &registry).await.unwrap();
        let shown = format!(
            "{config:?} {roots:?} {registry:?} {:?} {}",
            roots[0].store, roots[0].store
        );
        assert!(!shown.contains("hush") && !shown.contains("AKIA"), "{shown}");
    }
}
