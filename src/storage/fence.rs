//! A file system that ends at the roots and takes no writes: what a server's statements can reach at most.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};

/// Only what lies under one of the roots, and only for reading.
#[derive(Debug)]
pub(super) struct Fence {
    inner: Arc<dyn ObjectStore>,
    roots: Vec<Path>,
}

impl Fence {
    pub(super) fn new(inner: Arc<dyn ObjectStore>, roots: Vec<Path>) -> Self {
        Self { inner, roots }
    }

    fn check(&self, location: &Path) -> Result<()> {
        if self.roots.iter().any(|root| location.prefix_matches(root)) {
            Ok(())
        } else {
            Err(denied(location, "lies under no root"))
        }
    }
}

fn denied(location: &Path, reason: &str) -> Error {
    Error::PermissionDenied {
        path: location.to_string(),
        source: reason.into(),
    }
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (roots only)", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Fence {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.check(location)?;
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.check(location)?;
        self.inner.get_ranges(location, ranges).await
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.check(prefix.unwrap_or(&Path::default())) {
            Ok(()) => self.inner.list(prefix),
            Err(error) => stream::once(async { Err(error) }).boxed(),
        }
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.check(prefix.unwrap_or(&Path::default())) {
            Ok(()) => self.inner.list_with_offset(prefix, offset),
            Err(error) => stream::once(async { Err(error) }).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.check(prefix.unwrap_or(&Path::default()))?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn put_opts(&self, location: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        Err(denied(location, "is read-only"))
    }

    async fn put_multipart_opts(&self, location: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(denied(location, "is read-only"))
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        locations
            .map(|location| Err(denied(&location?, "is read-only")))
            .boxed()
    }

    async fn copy_opts(&self, _: &Path, to: &Path, _: CopyOptions) -> Result<()> {
        Err(denied(to, "is read-only"))
    }

    async fn rename_opts(&self, _: &Path, to: &Path, _: RenameOptions) -> Result<()> {
        Err(denied(to, "is read-only"))
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;
    use object_store::ObjectStoreExt;
    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn nothing_outside_the_roots_is_seen_and_nothing_is_written() {
        let inner = Arc::new(InMemory::new());
        for path in ["data/sky/a", "data/skyline/b", "etc/passwd"] {
            inner
                .put(&Path::from(path), PutPayload::from_static(b"x"))
                .await
                .unwrap();
        }
        let fence = Fence::new(inner, vec![Path::from("data/sky")]);
        assert!(fence.get(&Path::from("data/sky/a")).await.is_ok());
        for path in ["data/skyline/b", "etc/passwd", "data/sky/../../etc/passwd"] {
            let error = fence.get(&Path::from(path)).await.unwrap_err();
            assert!(
                !matches!(error, Error::NotFound { .. }) || path.contains(".."),
                "{path}: {error}"
            );
        }
        assert!(fence.list(None).try_collect::<Vec<_>>().await.is_err());
        assert_eq!(
            fence
                .list(Some(&Path::from("data/sky")))
                .try_collect::<Vec<_>>()
                .await
                .unwrap()
                .len(),
            1
        );
        assert!(fence.put(&Path::from("data/sky/new"), PutPayload::new()).await.is_err());
        assert!(fence.delete(&Path::from("data/sky/a")).await.is_err());
    }
}
