//! Where workers are: a list of addresses, or a name that stands for all of them.

use std::fmt;

use tokio::net::lookup_host;
use url::Url;

use super::configuration;
use crate::Result;

/// What `--workers` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// These, always.
    Listed(Vec<Url>),
    /// Whatever the name resolves to when it is asked: `dns:HOST:PORT`.
    Named {
        host: String,
        port: u16,
        scheme: &'static str,
    },
}

impl Address {
    /// Reads `URL[,URL…]` or `dns:HOST:PORT`. An address without a scheme is `https` in a cluster with certificates,
    /// else `http`.
    ///
    /// # Errors
    /// It is neither; the message says which part.
    pub(super) fn parse(text: &str, tls: bool) -> Result<Self> {
        let scheme = if tls { "https" } else { "http" };
        if let Some(name) = text.strip_prefix("dns:") {
            let parts = name
                .rsplit_once(':')
                .and_then(|(host, port)| Some((host, port.parse().ok()?)));
            let Some((host, port)) = parts.filter(|(host, _)| !host.is_empty()) else {
                return Err(configuration(format!("workers: expected dns:HOST:PORT, got '{text}'")));
            };
            let host = host.to_owned();
            return Ok(Self::Named { host, port, scheme });
        }
        let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
        let urls = words.map(|word| url(word, scheme)).collect::<Result<Vec<_>>>()?;
        if urls.is_empty() {
            return Err(configuration("workers: no address is given".to_owned()));
        }
        Ok(Self::Listed(urls))
    }

    /// The addresses as they are now.
    ///
    /// # Errors
    /// The name cannot be resolved.
    pub(super) async fn resolve(&self) -> std::io::Result<Vec<Url>> {
        match self {
            Self::Listed(urls) => Ok(urls.clone()),
            Self::Named { host, port, scheme } => {
                let found = lookup_host((host.as_str(), *port)).await?;
                let mut urls: Vec<Url> = found
                    .filter_map(|address| Url::parse(&format!("{scheme}://{address}")).ok())
                    .collect();
                urls.sort();
                urls.dedup();
                Ok(urls)
            }
        }
    }

    /// The name that certificates are made out to, where addresses are only numbers.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Listed(_) => None,
            Self::Named { host, .. } => Some(host),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listed(urls) => {
                let urls: Vec<&str> = urls.iter().map(Url::as_str).collect();
                f.write_str(&urls.join(","))
            }
            Self::Named { host, port, .. } => write!(f, "dns:{host}:{port}"),
        }
    }
}

fn url(word: &str, scheme: &str) -> Result<Url> {
    let full = if word.contains("://") {
        word.to_owned()
    } else {
        format!("{scheme}://{word}")
    };
    let fault = || {
        configuration(format!(
            "workers: expected an address such as {scheme}://HOST:PORT, got '{word}'"
        ))
    };
    let url = Url::parse(&full).map_err(|_| fault())?;
    let plain = url.path() == "/" && url.query().is_none() && url.username().is_empty();
    if !["http", "https"].contains(&url.scheme()) || url.port().is_none() || !plain {
        return Err(fault());
    }
    if url.scheme() != scheme {
        return Err(configuration(format!(
            "workers: {word} must be {scheme}: certificates are {}configured",
            if scheme == "https" { "" } else { "not " }
        )));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_names_are_read() {
        let listed = Address::parse("http://a:1, b:2", false).unwrap();
        assert_eq!(listed.to_string(), "http://a:1/,http://b:2/");
        let named = Address::parse("dns:workers.sky:50051", true).unwrap();
        assert_eq!(
            named,
            Address::Named {
                host: "workers.sky".to_owned(),
                port: 50051,
                scheme: "https"
            }
        );
    }

    #[test]
    fn anything_else_is_refused_with_its_words() {
        for text in [
            "",
            "dns:host",
            "dns::1",
            "a",
            "ftp://a:1",
            "http://a:1/path",
            "http://a",
        ] {
            let error = Address::parse(text, false).unwrap_err();
            assert!(error.message.starts_with("workers: "), "{text}: {}", error.message);
        }
        assert!(
            Address::parse("http://a:1", true)
                .unwrap_err()
                .message
                .contains("https")
        );
    }

    #[tokio::test]
    async fn a_name_is_resolved() {
        let urls = Address::parse("dns:localhost:7", false)
            .unwrap()
            .resolve()
            .await
            .unwrap();
        assert!(urls.iter().any(|url| url.as_str() == "http://127.0.0.1:7/"), "{urls:?}");
    }
}
