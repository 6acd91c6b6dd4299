//! Who is there: the workers that were found, and which of them can be given work.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use datafusion::common::Result;
use datafusion_distributed::WorkerResolver;
use futures::future::join_all;
use url::Url;

use super::address::Address;
use super::build;
use super::channel::Channels;

/// A worker and how it stands.
#[derive(Debug, Clone)]
pub struct Member {
    /// Where it is.
    pub url: Url,
    /// Whether it gets work.
    pub standing: Standing,
    /// Since when.
    pub since: Instant,
    /// Until when it is left alone, having failed a query.
    ejected_until: Option<Instant>,
    /// How often in a row it did not say who it is.
    missed: u32,
}

/// A ready worker may miss so many looks less one before it gets no more work: it may just be busy.
const MISSES: u32 = 2;

/// Whether a worker gets work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    Ready,
    /// It is of another build, whose name this is, and might read plans wrongly.
    OtherBuild(String),
    /// It does not answer, or failed a short time ago; why.
    Lost(String),
}

impl Standing {
    /// In one word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::OtherBuild(_) => "other build",
            Self::Lost(_) => "lost",
        }
    }

    /// What there is to say of it.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Ready => None,
            Self::OtherBuild(reason) | Self::Lost(reason) => Some(reason),
        }
    }
}

/// The workers as last seen.
#[derive(Debug)]
pub(super) struct Members {
    address: Address,
    /// For how long one that failed is left alone.
    eject: Duration,
    seen: RwLock<BTreeMap<Url, Member>>,
}

impl Members {
    pub(super) fn new(address: Address, eject: Duration) -> Self {
        Self {
            address,
            eject,
            seen: RwLock::default(),
        }
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// All, in the order of their addresses.
    pub(super) fn all(&self) -> Vec<Member> {
        let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
        seen.values().cloned().collect()
    }

    /// Those that can be given work, in the order of their addresses.
    pub(super) fn ready(&self) -> Vec<Url> {
        let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
        let ready = seen.values().filter(|member| member.standing == Standing::Ready);
        ready.map(|member| member.url.clone()).collect()
    }

    /// A worker failed a query: it gets no work for a while, whatever it says.
    pub(super) fn lose(&self, url: &Url, why: &str) {
        let until = Instant::now() + self.eject;
        self.stand(url, Standing::Lost(why.to_owned()), Some(until));
    }

    /// A worker did not say who it is.
    fn miss(&self, url: &Url, why: String) {
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        let Some(member) = seen.get_mut(url) else { return };
        member.missed = member.missed.saturating_add(1);
        let patient = member.standing == Standing::Ready && member.missed < MISSES;
        drop(seen);
        if !patient {
            self.stand(url, Standing::Lost(why), None);
        }
    }

    fn stand(&self, url: &Url, standing: Standing, ejected_until: Option<Instant>) {
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        let Some(member) = seen.get_mut(url) else { return };
        if standing == Standing::Ready && member.ejected_until.is_some_and(|until| until > Instant::now()) {
            return;
        }
        member.ejected_until = ejected_until.or(member.ejected_until);
        if standing == Standing::Ready {
            member.missed = 0;
        }
        if member.standing.word() != standing.word() {
            tracing::info!(%url, standing = standing.word(), reason = standing.reason(), "a worker's standing changed");
            member.since = Instant::now();
        }
        member.standing = standing;
    }

    /// Asks where the workers are, and each of them who it is.
    pub(super) async fn look(&self, channels: &Arc<Channels>) {
        match self.address.resolve().await {
            Ok(urls) => self.found(urls),
            // Whom we know may well be there still.
            Err(error) => tracing::warn!(address = %self.address, %error, "cannot look up the workers"),
        }
        let urls = self.all().into_iter().map(|member| member.url);
        let asked = urls.map(|url| async move {
            let answer = channels.build_of(&url).await;
            (url, answer)
        });
        for (url, answer) in join_all(asked).await {
            match answer {
                Ok(build) if build != build::ID => self.stand(&url, Standing::OtherBuild(build), None),
                Ok(_) => self.stand(&url, Standing::Ready, None),
                Err(error) => self.miss(&url, error),
            }
        }
    }

    fn found(&self, urls: Vec<Url>) {
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|url, _| urls.contains(url));
        for url in urls {
            seen.entry(url.clone()).or_insert_with(|| Member {
                url,
                standing: Standing::Lost("not asked yet".to_owned()),
                since: Instant::now(),
                ejected_until: None,
                missed: 0,
            });
        }
    }
}

impl WorkerResolver for Members {
    fn get_urls(&self) -> Result<Vec<Url>> {
        Ok(self.ready())
    }
}

/// Looks again and again, until nobody wants to know.
pub(super) async fn watch(members: Weak<Members>, channels: Weak<Channels>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        let (Some(members), Some(channels)) = (members.upgrade(), channels.upgrade()) else {
            return;
        };
        members.look(&channels).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members() -> (Members, Url) {
        let members = Members::new(Address::parse("a:1,b:2", false).unwrap(), Duration::from_secs(60));
        let urls = vec![Url::parse("http://a:1").unwrap(), Url::parse("http://b:2").unwrap()];
        members.found(urls.clone());
        (members, urls[0].clone())
    }

    #[test]
    fn a_worker_is_ready_once_it_answered_and_waits_after_it_failed() {
        let (members, first) = members();
        assert!(members.ready().is_empty());
        members.stand(&first, Standing::Ready, None);
        assert_eq!(members.ready().first(), Some(&first));
        members.lose(&first, "it went away");
        members.stand(&first, Standing::Ready, None);
        assert!(members.ready().is_empty(), "it has to wait");
    }

    #[test]
    fn one_that_is_slow_once_keeps_its_work() {
        let (members, first) = members();
        members.stand(&first, Standing::Ready, None);
        members.miss(&first, "it did not answer".to_owned());
        assert_eq!(members.ready().len(), 1);
        members.miss(&first, "it did not answer".to_owned());
        assert!(members.ready().is_empty());
        members.stand(&first, Standing::Ready, None);
        members.miss(&first, "it did not answer".to_owned());
        assert_eq!(members.ready().len(), 1, "what it missed before is forgotten");
    }

    #[test]
    fn one_that_is_no_longer_listed_is_forgotten() {
        let (members, first) = members();
        members.stand(&first, Standing::Ready, None);
        members.found(vec![Url::parse("http://b:2").unwrap()]);
        members.lose(&first, "late news");
        assert_eq!(members.all().len(), 1);
        assert!(members.ready().is_empty());
    }
}
