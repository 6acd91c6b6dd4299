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
}

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

    /// A worker failed: it gets no work for a while.
    pub(super) fn lose(&self, url: &Url, why: &str) {
        self.stand(url, Standing::Lost(why.to_owned()));
    }

    fn stand(&self, url: &Url, standing: Standing) {
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        let Some(member) = seen.get_mut(url) else { return };
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
                Ok(build) if build != build::id() => self.stand(&url, Standing::OtherBuild(build)),
                Ok(_) => self.welcome(&url),
                Err(error) => self.lose(&url, &error),
            }
        }
    }

    /// A worker answers. One that failed a query a moment ago has to wait.
    fn welcome(&self, url: &Url) {
        let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
        let member = seen.get(url);
        let waits = member.is_some_and(|member| {
            matches!(&member.standing, Standing::Lost(why) if why != UNKNOWN) && member.since.elapsed() < self.eject
        });
        drop(seen);
        if !waits {
            self.stand(url, Standing::Ready);
        }
    }

    fn found(&self, urls: Vec<Url>) {
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|url, _| urls.contains(url));
        for url in urls {
            seen.entry(url.clone()).or_insert_with(|| Member {
                url,
                standing: Standing::Lost(UNKNOWN.to_owned()),
                since: Instant::now(),
            });
        }
    }
}

/// What is said of a worker that has not been asked yet.
const UNKNOWN: &str = "not asked yet";

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
        members.welcome(&first);
        assert_eq!(members.ready(), [first.clone()]);
        members.lose(&first, "it went away");
        members.welcome(&first);
        assert!(members.ready().is_empty(), "it has to wait");
    }

    #[test]
    fn one_that_is_no_longer_listed_is_forgotten() {
        let (members, first) = members();
        members.welcome(&first);
        members.found(vec![Url::parse("http://b:2").unwrap()]);
        members.lose(&first, "late news");
        assert_eq!(members.all().len(), 1);
        assert!(members.ready().is_empty());
    }
}
