//! How a root is written: a folder, or the address of a place in an object store. Parsing only; nothing is opened.
//!
//! ```text
//!  /data/catalogues            file:///data/catalogues
//!  s3://bucket/prefix?endpoint=https://host:9000&region=us-west-2&anonymous=true&virtual_hosted_style=true
//!  gs://bucket/prefix?anonymous=true                  (untested)
//!  az://container/prefix?account=name&anonymous=true  (untested)
//!  https://host/path/catalogue
//! ```
//!
//! What an address does not say, the usual variables of the environment do (`AWS_REGION`, `AWS_ENDPOINT_URL`,
//! `GOOGLE_SERVICE_ACCOUNT`, `AZURE_STORAGE_ACCOUNT_NAME`, …). Keys and passwords never stand in an address: addresses
//! end up in logs, messages and the list of processes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use object_store::path::Path;
use url::{Position, Url};

use crate::{Error, ErrorKind, Result};

/// What kind of store an address means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    S3,
    Google,
    Azure,
    Http,
}

/// The schemes, and the options that an address of each may carry.
const SCHEMES: &[(&str, Scheme, &[&str])] = &[
    (
        "s3",
        Scheme::S3,
        &["endpoint", "region", "anonymous", "virtual_hosted_style"],
    ),
    ("gs", Scheme::Google, &["anonymous"]),
    ("az", Scheme::Azure, &["account", "endpoint", "anonymous"]),
    ("http", Scheme::Http, &[]),
    ("https", Scheme::Http, &[]),
];

/// A root, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A place in an object store.
    Place(Place),
}

/// A place in an object store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) scheme: Scheme,
    /// Scheme and authority, `s3://bucket`: what the store is registered under.
    pub(super) store: String,
    /// Bucket, container, or host with its port.
    pub(super) authority: String,
    pub(super) path: Path,
    pub(super) options: Options,
}

impl Place {
    /// Whether the store takes writes at all.
    pub(super) fn can_be_written(&self) -> bool {
        self.scheme != Scheme::Http
    }
}

/// What an address says beside the place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Options(BTreeMap<String, String>);

impl Options {
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Whether a switch is on; `None` where the address does not say.
    pub(super) fn switch(&self, key: &str) -> Result<Option<bool>> {
        match self.text(key) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(Error::new(
                ErrorKind::Configuration,
                format!("the option {key} of a root must be true or false"),
            )),
        }
    }
}

impl Address {
    /// Understands a root as the user wrote it.
    pub(super) fn parse(given: &str) -> Result<Self> {
        match given.split_once("://") {
            None => Ok(Self::Folder(PathBuf::from(given))),
            Some(("file", _)) => {
                let url = Url::parse(given).map_err(|error| refused(given, &error.to_string()))?;
                let path = url
                    .to_file_path()
                    .map_err(|()| refused(given, "it is not the address of a folder on this machine"))?;
                Ok(Self::Folder(path))
            }
            Some(_) => place(given).map(Self::Place),
        }
    }

    /// The root as messages show it: without its options.
    pub(super) fn shown(given: &str) -> String {
        let Some((scheme, rest)) = given.split_once("://") else {
            return given.to_owned();
        };
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let host = authority.rsplit('@').next().unwrap_or_default();
        let path = path.trim_end_matches('/');
        if path.is_empty() && scheme != "file" {
            format!("{scheme}://{host}")
        } else {
            format!("{scheme}://{host}/{path}")
        }
    }
}

fn place(given: &str) -> Result<Place> {
    let url = Url::parse(given).map_err(|error| refused(given, &error.to_string()))?;
    let Some((_, scheme, allowed)) = SCHEMES.iter().find(|(name, _, _)| *name == url.scheme()) else {
        let message = format!(
            "cannot open {}: no storage for {}://",
            Address::shown(given),
            url.scheme()
        );
        return Err(Error::new(ErrorKind::NotSupported, message)
            .with_hint("A root is a folder on this machine, or begins with file, s3, http, https, gs or az."));
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused(given, "a root holds neither user nor password").with_hint(KEYS_BELONG));
    }
    if url.fragment().is_some() {
        return Err(refused(given, "# has no meaning in a root"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(refused(given, "it names no bucket or host"));
    }
    let authority = &url[Position::BeforeHost..Position::AfterPort];
    let path = Path::from_url_path(url.path()).map_err(|error| refused(given, &error.to_string()))?;
    Ok(Place {
        scheme: *scheme,
        store: format!("{}://{authority}", url.scheme()),
        authority: authority.to_owned(),
        path,
        options: options(given, &url, allowed)?,
    })
}

const KEYS_BELONG: &str = "Keys belong into the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) or into \
                           [storage.credentials.\"s3://bucket\"] of the configuration.";

/// The options; values of those that are not known are not repeated, since they may be secrets.
fn options(given: &str, url: &Url, allowed: &[&str]) -> Result<Options> {
    let mut options = BTreeMap::new();
    for (key, value) in url.query_pairs() {
        if !allowed.contains(&key.as_ref()) {
            let error = refused(given, &format!("there is no option {key}"));
            let secret = ["key", "secret", "token", "sas", "password"]
                .iter()
                .any(|word| key.to_ascii_lowercase().contains(word));
            return Err(match (secret, allowed) {
                (true, _) => error.with_hint(KEYS_BELONG),
                (false, []) => error.with_hint("Roots of this kind take no options."),
                (false, _) => error.with_hint(format!("The options are {}.", allowed.join(", "))),
            });
        }
        if options.insert(key.to_string(), value.into_owned()).is_some() {
            return Err(refused(given, &format!("the option {key} is there twice")));
        }
    }
    Ok(Options(options))
}

fn refused(given: &str, why: &str) -> Error {
    Error::new(
        ErrorKind::Configuration,
        format!("cannot open {}: {why}", Address::shown(given)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(given: &str) -> Place {
        match Address::parse(given).unwrap() {
            Address::Place(place) => place,
            Address::Folder(folder) => panic!("{given} is the folder {}", folder.display()),
        }
    }

    #[test]
    fn addresses_are_understood() {
        let place = parsed("s3://bucket/a/b%20c/?endpoint=http://127.0.0.1:8333&region=x&anonymous=true");
        assert_eq!((place.scheme, place.store.as_str()), (Scheme::S3, "s3://bucket"));
        assert_eq!(place.path, Path::from("a/b c"));
        assert_eq!(place.options.text("endpoint"), Some("http://127.0.0.1:8333"));
        assert_eq!(place.options.switch("anonymous").unwrap(), Some(true));
        assert_eq!(place.options.switch("virtual_hosted_style").unwrap(), None);
        assert_eq!(parsed("s3://bucket").path, Path::default());
        assert_eq!(parsed("https://host:8443/hats/gaia").store, "https://host:8443");
        for folder in ["/data/sky", "file:///data/sky"] {
            assert_eq!(
                Address::parse(folder).unwrap(),
                Address::Folder(PathBuf::from("/data/sky"))
            );
        }
    }

    #[test]
    fn what_has_no_meaning_is_refused_and_secrets_are_not_repeated() {
        for (given, kind) in [
            ("hf://datasets/x", ErrorKind::NotSupported),
            ("s3://", ErrorKind::Configuration),
            ("s3:///path", ErrorKind::Configuration),
            ("s3://bucket/x?regoin=y", ErrorKind::Configuration),
            ("s3://bucket/x?region=y&region=z", ErrorKind::Configuration),
            ("s3://AKIA:hush-hush@bucket/x", ErrorKind::Configuration),
            (
                "s3://bucket/x?aws_secret_access_key=hush-hush",
                ErrorKind::Configuration,
            ),
            ("https://host/x?sig=hush-hush", ErrorKind::Configuration),
            ("https://host/x#hush-hush", ErrorKind::Configuration),
            ("nowhere://AKIA:hush-hush@bucket", ErrorKind::NotSupported),
        ] {
            let error = Address::parse(given).unwrap_err();
            assert_eq!(error.kind, kind, "{given}: {error:?}");
            assert!(!format!("{error:?}").contains("hush"), "{error:?}");
            assert!(!format!("{error:?}").contains("AKIA"), "{error:?}");
        }
        let error = Address::parse("s3://bucket/x?secret_access_key=1").unwrap_err();
        assert!(error.hint.unwrap().contains("AWS_SECRET_ACCESS_KEY"));
        assert!(parsed("s3://b?anonymous=yes").options.switch("anonymous").is_err());
    }

    #[test]
    fn a_path_cannot_climb() {
        for given in [
            "s3://bucket/a/%2e%2e/b",
            "s3://bucket/a/..%2f..%2fb",
            "s3://bucket/a/../../b",
        ] {
            match Address::parse(given) {
                // The URL's own rules take the dots away before they mean anything.
                Ok(Address::Place(place)) => assert_eq!(place.path, Path::from("b"), "{given}"),
                Ok(Address::Folder(_)) => panic!("{given} is no folder"),
                Err(error) => assert_eq!(error.kind, ErrorKind::Configuration, "{given}"),
            }
        }
    }

    #[test]
    fn what_is_shown_has_no_options() {
        for (given, shown) in [
            ("/data", "/data"),
            ("s3://b/p/?region=x", "s3://b/p"),
            ("s3://u:p@b?x=y", "s3://b"),
            ("file:///data/sky", "file:///data/sky"),
        ] {
            assert_eq!(Address::shown(given), shown);
        }
    }
}
