//! A store whose reads give exactly the bytes asked for, of one version of the object, or fail.
//!
//! A body that breaks off is resumed where it ended, on the condition that the object is still the same; a body that
//! ends early with a straight face is one that broke off. Listings that break off are resumed as well. Every error
//! leaves in plain words. Answers that ask to be tried again (429, 5xx) are retried by the client below.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetRange, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};
use tokio::time::Instant;

use super::counters::{Count, Counters};
use super::fault::{StoreFault, plain};
use super::flat;
use super::stretch::Stretch;
use super::wire::Broken;
use crate::StorageConfig;

/// The layer above a client. Clones are the same store.
#[derive(Clone)]
pub(super) struct Steady {
    inner: Arc<dyn ObjectStore>,
    /// Scheme and authority, for messages.
    name: Arc<str>,
    counters: Arc<Counters>,
    /// Whether the store can list. A plain web server cannot.
    lists: bool,
    timeout: Duration,
    retries: usize,
    coalesce: u64,
}

impl Steady {
    pub(super) fn new(
        inner: Arc<dyn ObjectStore>,
        name: &str,
        lists: bool,
        counters: Arc<Counters>,
        config: &StorageConfig,
    ) -> Self {
        Self {
            inner,
            name: name.into(),
            counters,
            lists,
            timeout: config.timeout(),
            retries: config.retries,
            coalesce: config.coalesce_gap_bytes,
        }
    }

    fn told(&self, location: &Path) -> impl Fn(Error) -> Error + use<> {
        let (name, location) = (Arc::clone(&self.name), location.clone());
        move |error| plain(error, &name, &location)
    }

    /// One request for an object: how its body broke off, if it does, comes back in the second part.
    async fn ask(&self, location: &Path, options: &GetOptions, range: Option<GetRange>) -> Result<(GetResult, Broken)> {
        let broken = Broken::default();
        let mut options = options.clone();
        options.range = range;
        options.extensions.insert(broken.clone());
        let wanted = options.if_match.clone();
        let answer = self
            .inner
            .get_opts(location, options)
            .await
            .map_err(self.told(location))?;
        match (wanted, &answer.meta.e_tag) {
            // Some servers do not know If-Match and answer with what they have.
            (Some(wanted), Some(tag)) if wanted != *tag && wanted != "*" && !wanted.contains(',') => {
                Err(StoreFault::rewritten(&self.name, location))
            }
            _ => Ok((answer, broken)),
        }
    }

    /// The start of a read. A whole object is asked for as the range of all its bytes, because the answer then says
    /// twice how many there are: a shorter one cannot pass for the whole.
    async fn first(&self, location: &Path, options: &GetOptions) -> Result<(GetResult, Broken)> {
        if options.range.is_some() {
            return self.ask(location, options, options.range.clone()).await;
        }
        match self.ask(location, options, Some(GetRange::Offset(0))).await {
            Err(error) if has_no_ranges(&error) => self.ask(location, options, None).await,
            answer => answer,
        }
    }

    /// Runs a listing again that broke off, for as long as one request may take.
    async fn list_once_more<T, F: Future<Output = Result<T>>>(&self, run: impl Fn() -> F) -> Result<T> {
        let mut stretch = Stretch::new(self.timeout, self.retries);
        loop {
            let from = Instant::now();
            match run().await {
                Err(error) if broke_off(&error) => match stretch.resume(from.elapsed()) {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => return Err(error),
                },
                done => return done,
            }
        }
    }
}

/// An empty object, or a server that knows no ranges.
fn has_no_ranges(error: &Error) -> bool {
    let text = error.to_string();
    matches!(error, Error::NotSupported { .. }) || text.contains(": 416 ") || text.contains("non-partial response")
}

/// Whether an answer came and its body could not be read. Answers that were refused have been tried again below.
fn broke_off(error: &Error) -> bool {
    matches!(error, Error::Generic { .. }) && !error.to_string().contains("Error performing")
}

/// A read that is going on.
struct Read {
    store: Steady,
    location: Path,
    options: GetOptions,
    meta: ObjectMeta,
    /// The bytes that are still to come.
    left: Range<u64>,
    begun: bool,
    body: BoxStream<'static, Result<Bytes>>,
    broken: Broken,
    stretch: Stretch,
}

impl Read {
    /// The next bytes, or `None` after the last.
    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let from = Instant::now();
            let next = tokio::time::timeout(self.stretch.patience(), self.body.next()).await;
            let why = match next {
                Ok(Some(Ok(bytes))) if bytes.is_empty() => continue,
                Ok(Some(Ok(bytes))) => return self.received(bytes, from.elapsed()).map(Some),
                Ok(Some(Err(error))) => return Err((self.store.told(&self.location))(error)),
                Ok(None) if self.left.is_empty() => return Ok(None),
                Ok(None) => self.broken.why().unwrap_or_else(|| "the body ended early".to_owned()),
                Err(_) => "nothing came in time".to_owned(),
            };
            if self.left.is_empty() {
                return Ok(None);
            }
            self.resume(&why, from.elapsed()).await?;
        }
    }

    fn received(&mut self, bytes: Bytes, waited: Duration) -> Result<Bytes> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if length > self.left.end - self.left.start {
            return Err(self.failed("more bytes came than were asked for"));
        }
        self.left.start += length;
        self.begun = true;
        self.stretch.received(length, waited);
        Ok(bytes)
    }

    /// Asks for the rest of a body that broke off.
    async fn resume(&mut self, why: &str, waited: Duration) -> Result<()> {
        let Some(pause) = self.stretch.resume(waited) else {
            let missing = self.left.end - self.left.start;
            return Err(self.failed(&format!(
                "{why}; {missing} bytes are missing, and it was tried often enough"
            )));
        };
        let etag = self.meta.e_tag.clone().filter(|etag| !etag.starts_with("W/"));
        if etag.is_none() && self.begun {
            return Err(self.failed(&format!(
                "{why}; without an ETag the rest cannot be told to belong to the start"
            )));
        }
        tracing::debug!(location = %self.location, why, left = ?self.left, "resuming a read");
        tokio::time::sleep(pause).await;
        self.store.counters.add(Count::Resumed, 1);
        let mut options = self.options.clone();
        options.if_match = options.if_match.or_else(|| etag.clone());
        let range = GetRange::Bounded(self.left.clone());
        let (answer, broken) = self.store.ask(&self.location, &options, Some(range)).await?;
        let same = answer.meta.size == self.meta.size && answer.meta.e_tag == self.meta.e_tag;
        if !same || answer.range != self.left {
            return Err(StoreFault::rewritten(&self.store.name, &self.location));
        }
        self.body = answer.into_stream();
        self.broken = broken;
        Ok(())
    }

    fn failed(&self, what: &str) -> Error {
        StoreFault::failed(&self.store.name, &self.location, what)
    }
}

impl fmt::Display for Steady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Not what is within: clients show their keys.
impl fmt::Debug for Steady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Steady")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl ObjectStore for Steady {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if options.head {
            return self
                .inner
                .get_opts(location, options)
                .await
                .map_err(self.told(location));
        }
        let (answer, broken) = self.first(location, &options).await?;
        let (meta, range, attributes) = (answer.meta.clone(), answer.range.clone(), answer.attributes.clone());
        let read = Read {
            store: self.clone(),
            location: location.clone(),
            options,
            meta: meta.clone(),
            left: range.clone(),
            begun: false,
            body: answer.into_stream(),
            broken,
            stretch: Stretch::new(self.timeout, self.retries),
        };
        let body = stream::try_unfold(read, |mut read| async move {
            Ok(read.next().await?.map(|bytes| (bytes, read)))
        });
        Ok(GetResult {
            payload: GetResultPayload::Stream(body.boxed()),
            meta,
            range,
            attributes,
        })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let get = |range: Range<u64>| async move {
            let bytes = self.get_range(location, range.clone()).await?;
            if u64::try_from(bytes.len()).ok() == Some(range.end - range.start) {
                Ok(bytes)
            } else {
                let what = format!("ends before byte {}, which was asked for", range.end);
                Err(StoreFault::failed(&self.name, location, what))
            }
        };
        object_store::coalesce_ranges(ranges, get, self.coalesce).await
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let prefix = prefix.cloned();
        if !self.lists {
            return stream::once(std::future::ready(Err(flat::cannot_list(&self.name)))).boxed();
        }
        listing(self.clone(), prefix, None)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        if !self.lists {
            return stream::once(std::future::ready(Err(flat::cannot_list(&self.name)))).boxed();
        }
        listing(self.clone(), prefix.cloned(), Some(offset.clone()))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let place = prefix.cloned().unwrap_or_default();
        if !self.lists {
            return flat::look(self, &place).await;
        }
        self.list_once_more(|| self.inner.list_with_delimiter(prefix))
            .await
            .map_err(self.told(&place))
    }

    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let put = self.inner.put_opts(location, payload, options).await;
        put.map_err(self.told(location))
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let begun = self.inner.put_multipart_opts(location, options).await;
        let inner = begun.map_err(self.told(location))?;
        Ok(Box::new(PlainUpload {
            inner,
            store: self.clone(),
            location: location.clone(),
        }))
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let told = self.told(&Path::default());
        self.inner.delete_stream(locations).map_err(told).boxed()
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await.map_err(self.told(to))
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await.map_err(self.told(to))
    }
}

/// A listing that goes on after its last object if it breaks off.
fn listing(store: Steady, prefix: Option<Path>, last: Option<Path>) -> BoxStream<'static, Result<ObjectMeta>> {
    let open = |store: &Steady, prefix: &Option<Path>, last: &Option<Path>| match last {
        Some(last) => store.inner.list_with_offset(prefix.as_ref(), last),
        None => store.inner.list(prefix.as_ref()),
    };
    let stretch = Stretch::new(store.timeout, store.retries);
    let objects = open(&store, &prefix, &last);
    let state = (store, prefix, last, objects, stretch);
    stream::try_unfold(
        state,
        move |(store, prefix, mut last, mut objects, mut stretch)| async move {
            loop {
                let from = Instant::now();
                match objects.try_next().await {
                    Ok(None) => return Ok(None),
                    Ok(Some(object)) => {
                        stretch = Stretch::new(store.timeout, store.retries);
                        last = Some(object.location.clone());
                        return Ok(Some((object, (store, prefix, last, objects, stretch))));
                    }
                    Err(error) if broke_off(&error) => {
                        let Some(pause) = stretch.resume(from.elapsed()) else {
                            return Err((store.told(&prefix.unwrap_or_default()))(error));
                        };
                        tokio::time::sleep(pause).await;
                        objects = open(&store, &prefix, &last);
                    }
                    Err(error) => return Err((store.told(&prefix.unwrap_or_default()))(error)),
                }
            }
        },
    )
    .boxed()
}

/// An upload whose errors are in plain words too.
struct PlainUpload {
    inner: Box<dyn MultipartUpload>,
    store: Steady,
    location: Path,
}

impl fmt::Debug for PlainUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlainUpload")
            .field("location", &self.location)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl MultipartUpload for PlainUpload {
    fn put_part(&mut self, data: PutPayload) -> object_store::UploadPart {
        let (part, told) = (self.inner.put_part(data), self.store.told(&self.location));
        Box::pin(async move { part.await.map_err(told) })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.inner.complete().await.map_err(self.store.told(&self.location))
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await.map_err(self.store.told(&self.location))
    }
}
