//! What the `[storage]` part of a configuration says: how patient and how greedy reads from afar are, and with which
//! keys. Folders of this machine know no such limits.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;

use crate::{Error, ErrorKind, Result};

/// Bounds on requests to object stores and web servers, and keys.
///
/// A request fails at the latest after `timeout_s` and one more `connect_timeout_s` and `read_timeout_s`, once it has
/// its place among `max_requests`; a longer body has that time again for each further MiB.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StorageConfig {
    /// Seconds that a connection may take to be made. Default 5.
    pub connect_timeout_s: f64,

    /// Seconds of silence, or of a trickle below 1 KiB/s, before an attempt is given up and another is made.
    /// Default 20.
    pub read_timeout_s: f64,

    /// Seconds after which a request is not tried again. Default 120.
    pub timeout_s: f64,

    /// How often a request is tried again, with growing pauses. Default 8.
    pub retries: usize,

    /// Requests that one store is asked at once. Default 64.
    pub max_requests: usize,

    /// Ranges of one object with no more than so many bytes between them become one request. Default 1 MiB.
    pub coalesce_gap_bytes: u64,

    /// Bytes of one answer that may run ahead of its reader. Default 8 MiB.
    pub read_ahead_bytes: usize,

    /// Keys by store, as `[storage.credentials."s3://bucket"]`. A store that is not named here takes those of the
    /// environment.
    pub credentials: BTreeMap<String, Credentials>,
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self {
            connect_timeout_s: 5.0,
            read_timeout_s: 20.0,
            timeout_s: 120.0,
            retries: 8,
            max_requests: 64,
            coalesce_gap_bytes: 1 << 20,
            read_ahead_bytes: 8 << 20,
            credentials: BTreeMap::new(),
        }
    }
}

impl StorageConfig {
    /// How long a connection may take to be made.
    pub fn connect_timeout(&self) -> Duration {
        seconds(self.connect_timeout_s)
    }

    /// How long a silence may last.
    pub fn read_timeout(&self) -> Duration {
        seconds(self.read_timeout_s)
    }

    /// How long a request may be tried again.
    pub fn timeout(&self) -> Duration {
        seconds(self.timeout_s)
    }

    /// Checks that the numbers make sense.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`], naming the key.
    pub(crate) fn check(&self) -> Result<()> {
        for (key, value) in [
            ("connect_timeout_s", self.connect_timeout_s),
            ("read_timeout_s", self.read_timeout_s),
            ("timeout_s", self.timeout_s),
        ] {
            if !(0.001..=86_400.0).contains(&value) {
                let message = format!("storage.{key} must lie in [0.001, 86400] seconds, got {value}");
                return Err(Error::new(ErrorKind::Configuration, message));
            }
        }
        for (key, value, least) in [
            ("max_requests", self.max_requests, 1),
            ("read_ahead_bytes", self.read_ahead_bytes, 1 << 16),
        ] {
            if !(least..=1 << 32).contains(&value) {
                let message = format!("storage.{key} must lie in [{least}, 4294967296], got {value}");
                return Err(Error::new(ErrorKind::Configuration, message));
            }
        }
        match self.credentials.keys().find(|store| !store.starts_with("s3://")) {
            Some(store) => Err(Error::new(
                ErrorKind::Configuration,
                format!("storage.credentials.\"{store}\" names no bucket: s3://BUCKET"),
            )),
            None => Ok(()),
        }
    }
}

/// Checked to be a sensible number; anything else would be no time at all.
fn seconds(number: f64) -> Duration {
    Duration::try_from_secs_f64(number).unwrap_or_default()
}

/// Keys of one bucket.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: Secret,
    pub(crate) session_token: Option<Secret>,
}

impl Credentials {
    /// Keys that do not expire.
    pub fn new(access_key_id: impl Into<String>, secret_access_key: impl Into<String>) -> Self {
        Self {
            access_key_id: access_key_id.into(),
            secret_access_key: Secret(secret_access_key.into()),
            session_token: None,
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(***)")
    }
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(String);

impl Secret {
    /// The text, for whoever must sign with it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    #[test]
    fn keys_are_read_and_never_shown() {
        let text = "[storage]\ntimeout_s = 1.5\n[storage.credentials.'s3://bucket']\naccess_key_id = 'AKIA'\n\
                    secret_access_key = 'hush'\nsession_token = 'hush too'\n";
        let config = Config::parse(text).unwrap();
        assert_eq!(config.storage.timeout(), Duration::from_millis(1500));
        assert_eq!(
            config.storage.credentials["s3://bucket"].secret_access_key.reveal(),
            "hush"
        );
        let shown = format!("{config:?}");
        assert!(!shown.contains("hush") && !shown.contains("AKIA"), "{shown}");
        // Nor when a line beside them cannot be understood.
        for broken in [
            text.replace("'hush'", "'hush"),
            text.replace("secret_access_key", "secret_key"),
        ] {
            let error = Config::parse(&broken).unwrap_err();
            assert!(!format!("{error:?}").contains("hush"), "{error:?}");
            assert!(error.message.contains("line "), "{error:?}");
        }
    }

    #[test]
    fn numbers_that_make_no_sense_are_refused() {
        for text in [
            "timeout_s = 0",
            "read_timeout_s = -1",
            "connect_timeout_s = inf",
            "timeout_s = nan",
            "max_requests = 0",
            "read_ahead_bytes = 1",
            "credentials.'https://host' = { access_key_id = '', secret_access_key = '' }",
        ] {
            let error = Config::parse(&format!("[storage]\n{text}\n")).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Configuration, "{text}");
            assert!(error.message.starts_with("storage."), "{text}: {}", error.message);
        }
    }
}
