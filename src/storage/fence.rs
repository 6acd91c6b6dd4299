//! A store that ends at the roots and takes writes under the writable one only: what statements can reach at most.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, RenameOptions, Result,
};

use super::contain::{Contained, Leads};
use super::fault::StoreFault;

/// Only what lies under one of the roots; for writing, only what lies under a writable one.
#[derive(Clone)]
pub(super) struct Fence {
    inner: Arc<dyn ObjectStore>,
    /// Scheme and authority, for messages.
    name: Arc<str>,
    /// Each root, and whether it is writable.
    roots: Vec<(Path, bool)>,
    /// For the disk of this machine, which has symbolic links.
    contained: Option<Arc<Contained>>,
}

/// What is about to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

impl Fence {
    pub(super) fn new(inner: Arc<dyn ObjectStore>, name: &str, roots: Vec<(Path, bool)>) -> Self {
        Self {
            inner,
            name: name.into(),
            roots,
            contained: None,
        }
    }

    /// The same around a disk: links are resolved and must stay within.
    pub(super) fn with_links_contained(mut self, contained: Contained) -> Self {
        self.contained = Some(Arc::new(contained));
        self
    }

    /// What the path alone decides.
    fn allows(&self, location: &Path, access: Access) -> Result<()> {
        let mut roots = self
            .roots
            .iter()
            .filter(|(root, _)| location.prefix_matches(root))
            .peekable();
        if roots.peek().is_none() {
            return Err(StoreFault::denied(&self.name, location, "lies under no root"));
        }
        if access == Access::Write && !roots.any(|(_, writable)| *writable) {
            return Err(StoreFault::denied(&self.name, location, "lies under no writable root"));
        }
        Ok(())
    }

    /// What a statement that names a place is told before it runs. The reads and writes to come are checked again.
    ///
    /// # Errors
    /// [`object_store::Error::PermissionDenied`].
    pub(super) fn permits(&self, location: &Path, write: bool) -> Result<()> {
        self.allows(location, if write { Access::Write } else { Access::Read })?;
        match &self.contained {
            Some(contained) if contained.look(location) == Leads::Outside => Err(self.leads_out(location)),
            _ => Ok(()),
        }
    }

    async fn check(&self, location: &Path, access: Access) -> Result<()> {
        self.allows(location, access)?;
        let Some(contained) = self.contained.clone() else {
            return Ok(());
        };
        let place = location.clone();
        match tokio::task::spawn_blocking(move || contained.look(&place)).await? {
            Leads::Inside => Ok(()),
            Leads::Outside => Err(self.leads_out(location)),
        }
    }

    fn leads_out(&self, location: &Path) -> object_store::Error {
        StoreFault::denied(&self.name, location, "leads out of the roots by a symbolic link")
    }

    /// The objects of a listing that may be seen.
    fn seen(&self, objects: BoxStream<'static, Result<ObjectMeta>>) -> BoxStream<'static, Result<ObjectMeta>> {
        let Some(contained) = &self.contained else {
            return objects;
        };
        let mut shown = contained.for_listing();
        let seen = objects.try_filter(move |object| std::future::ready(shown(object)));
        seen.boxed()
    }

    /// A listing after a look at the folder itself.
    fn list_with(
        &self,
        prefix: Option<&Path>,
        list: impl FnOnce(&Self) -> BoxStream<'static, Result<ObjectMeta>> + Send + 'static,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let (fence, prefix) = (self.clone(), prefix.cloned().unwrap_or_default());
        let listing = async move {
            fence.check(&prefix, Access::Read).await?;
            Ok::<_, object_store::Error>(fence.seen(list(&fence)))
        };
        stream::once(listing).try_flatten().boxed()
    }
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (roots only)", self.name)
    }
}

/// Not what is within: clients show their keys.
impl fmt::Debug for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Fence");
        shown
            .field("name", &self.name)
            .field("roots", &self.roots)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl ObjectStore for Fence {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.check(location, Access::Read).await?;
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.check(location, Access::Read).await?;
        self.inner.get_ranges(location, ranges).await
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let folder = prefix.cloned();
        self.list_with(prefix, move |fence| fence.inner.list(folder.as_ref()))
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        let (folder, offset) = (prefix.cloned(), offset.clone());
        self.list_with(prefix, move |fence| {
            fence.inner.list_with_offset(folder.as_ref(), &offset)
        })
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.check(prefix.unwrap_or(&Path::default()), Access::Read).await?;
        let mut listed = self.inner.list_with_delimiter(prefix).await?;
        if let Some(contained) = self.contained.clone() {
            let filtered = tokio::task::spawn_blocking(move || {
                let mut inside = |place: &Path| {
                    let inside = contained.look(place) == Leads::Inside;
                    if !inside {
                        tracing::warn!(%place, "left out: leads out of the roots by a symbolic link");
                    }
                    inside
                };
                listed.common_prefixes.retain(&mut inside);
                listed.objects.retain(|object| inside(&object.location));
                listed
            });
            listed = filtered.await?;
        }
        Ok(listed)
    }

    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.check(location, Access::Write).await?;
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.check(location, Access::Write).await?;
        self.inner.put_multipart_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let fence = self.clone();
        let allowed = locations.and_then(move |location| {
            let fence = fence.clone();
            async move { fence.check(&location, Access::Write).await.map(|()| location) }
        });
        self.inner.delete_stream(allowed.boxed())
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.check(from, Access::Read).await?;
        self.check(to, Access::Write).await?;
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.check(from, Access::Write).await?;
        self.check(to, Access::Write).await?;
        self.inner.rename_opts(from, to, options).await
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;
    use object_store::local::LocalFileSystem;
    use object_store::memory::InMemory;
    use object_store::{Error, ObjectStoreExt};

    use super::*;

    async fn store_with(paths: &[&str]) -> Arc<InMemory> {
        let store = Arc::new(InMemory::new());
        for path in paths {
            store
                .put(&Path::from(*path), PutPayload::from_static(b"x"))
                .await
                .unwrap();
        }
        store
    }

    #[tokio::test]
    async fn nothing_outside_the_roots_is_seen() {
        let inner = store_with(&["data/sky/a", "data/skyline/b", "etc/passwd"]).await;
        let fence = Fence::new(inner, "memory://", vec![(Path::from("data/sky"), false)]);
        assert!(fence.get(&Path::from("data/sky/a")).await.is_ok());
        for path in ["data/skyline/b", "etc/passwd", "data", ""] {
            let error = fence.get(&Path::from(path)).await.unwrap_err();
            assert!(matches!(error, Error::PermissionDenied { .. }), "{path}: {error}");
        }
        assert!(fence.get(&Path::from("data/sky/../../etc/passwd")).await.is_err());
        assert!(fence.list(None).try_collect::<Vec<_>>().await.is_err());
        let root = Path::from("data/sky");
        assert_eq!(fence.list(Some(&root)).try_collect::<Vec<_>>().await.unwrap().len(), 1);
        assert!(fence.list_with_delimiter(None).await.is_err());
        assert!(fence.head(&Path::from("etc/passwd")).await.is_err());
        assert!(
            fence
                .get_ranges(&Path::from("etc/passwd"), &[0..1, 1..2])
                .await
                .is_err()
        );
    }

    #[tokio::test]
    async fn writes_go_under_the_writable_root_only() {
        let inner = store_with(&["sky/a", "mine/a"]).await;
        let roots = vec![(Path::from("sky"), false), (Path::from("mine"), true)];
        let fence = Fence::new(inner, "memory://", roots);
        let (sky, mine) = (Path::from("sky/a"), Path::from("mine/b"));
        assert!(fence.put(&mine, PutPayload::new()).await.is_ok());
        assert!(fence.put(&sky, PutPayload::new()).await.is_err());
        assert!(fence.put_multipart(&sky).await.is_err());
        assert!(fence.delete(&sky).await.is_err());
        assert!(fence.copy(&mine, &sky).await.is_err());
        assert!(fence.copy(&Path::from("elsewhere"), &mine).await.is_err());
        assert!(fence.rename(&sky, &mine).await.is_err());
        assert!(fence.copy(&sky, &mine).await.is_ok());
        assert!(fence.rename(&mine, &Path::from("mine/c")).await.is_ok());
        assert!(fence.delete(&Path::from("mine/c")).await.is_ok());
        assert!(fence.get(&sky).await.is_ok());
    }

    #[tokio::test]
    async fn a_link_is_no_gate() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        for (path, text) in [("root/in", "in"), ("out/secret", "secret")] {
            std::fs::create_dir_all(base.join(path).parent().unwrap()).unwrap();
            std::fs::write(base.join(path), text).unwrap();
        }
        std::os::unix::fs::symlink(base.join("out"), base.join("root/gate")).unwrap();
        let root = Path::from_absolute_path(base.join("root")).unwrap();
        let fence = Fence::new(Arc::new(LocalFileSystem::new()), "file://", vec![(root.clone(), true)])
            .with_links_contained(Contained::new(vec![base.join("root")]));
        let secret = Path::from(format!("{root}/gate/secret"));
        for error in [
            fence.get(&secret).await.map(drop).unwrap_err(),
            fence.get_ranges(&secret, &[0..1, 1..2]).await.map(drop).unwrap_err(),
            fence.put(&secret, PutPayload::new()).await.map(drop).unwrap_err(),
            fence
                .list_with_delimiter(Some(&Path::from(format!("{root}/gate"))))
                .await
                .map(drop)
                .unwrap_err(),
        ] {
            assert!(matches!(error, Error::PermissionDenied { .. }), "{error}");
        }
        let listed = fence.list_with_delimiter(Some(&root)).await.unwrap();
        assert!(listed.common_prefixes.is_empty());
        assert_eq!(listed.objects.len(), 1);
        let all: Vec<_> = fence.list(Some(&root)).try_collect().await.unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!(std::fs::read_to_string(base.join("out/secret")).unwrap(), "secret");
    }
}
