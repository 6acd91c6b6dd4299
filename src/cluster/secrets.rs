//! What processes of a cluster know each other by: a shared token, and certificates both ways.

use std::fmt;
use std::fs;
use std::path::Path;

use http::HeaderValue;
use tonic::transport::{Certificate, ClientTlsConfig, Identity, ServerTlsConfig};

use super::configuration;
use crate::Result;
use crate::config::ClusterConfig;

/// The secrets of this process. They are never shown.
#[derive(Clone)]
pub(super) struct Secrets {
    /// `Bearer TOKEN`.
    token: Option<HeaderValue>,
    tls: Option<Tls>,
}

#[derive(Clone)]
struct Tls {
    identity: Identity,
    authority: Certificate,
    name: Option<String>,
}

impl Secrets {
    /// Reads the files that the configuration names.
    ///
    /// # Errors
    /// A file cannot be read or is empty; the message names it, and nothing of what is in it.
    pub(super) fn read(config: &ClusterConfig) -> Result<Self> {
        let token = config.token_file.as_deref().map(token).transpose()?;
        let tls = match (&config.tls_cert, &config.tls_key, &config.tls_ca) {
            (Some(cert), Some(key), Some(ca)) => Some(Tls {
                identity: Identity::from_pem(pem(cert)?, pem(key)?),
                authority: Certificate::from_pem(pem(ca)?),
                name: config.tls_name.clone(),
            }),
            _ => None,
        };
        Ok(Self { token, tls })
    }

    pub(super) fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// What a request carries, if there is a token.
    pub(super) fn token(&self) -> Option<&HeaderValue> {
        self.token.as_ref()
    }

    /// Whether a request that carries `given` comes from one of us.
    pub(super) fn admits(&self, given: Option<&HeaderValue>) -> bool {
        match (&self.token, given) {
            (None, _) => true,
            (Some(own), Some(given)) => same(own.as_bytes(), given.as_bytes()),
            (Some(_), None) => false,
        }
    }

    /// How a worker that is reached by `host` is to prove itself, and we to it.
    pub(super) fn client(&self, host: Option<&str>) -> Option<ClientTlsConfig> {
        let tls = self.tls.as_ref()?;
        let config = ClientTlsConfig::new()
            .ca_certificate(tls.authority.clone())
            .identity(tls.identity.clone());
        Some(match tls.name.as_deref().or(host) {
            Some(name) => config.domain_name(name),
            None => config,
        })
    }

    /// How those who ask us are to prove themselves.
    pub(super) fn server(&self) -> Option<ServerTlsConfig> {
        let tls = self.tls.as_ref()?;
        let config = ServerTlsConfig::new().identity(tls.identity.clone());
        Some(config.client_ca_root(tls.authority.clone()))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets")
            .field("token", &self.token.is_some())
            .field("tls", &self.tls.is_some())
            .finish()
    }
}

/// Compares without telling by the time it takes how much was right.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

fn token(file: &Path) -> Result<HeaderValue> {
    let text = String::from_utf8(pem(file)?).unwrap_or_default();
    let fault = || {
        configuration(format!(
            "cluster.token_file: {} holds no token: one line of printable ASCII",
            file.display()
        ))
    };
    let word = text.trim();
    if word.is_empty() {
        return Err(fault());
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {word}")).map_err(|_| fault())?;
    value.set_sensitive(true);
    Ok(value)
}

fn pem(file: &Path) -> Result<Vec<u8>> {
    match fs::read(file) {
        Ok(bytes) if bytes.is_empty() => Err(configuration(format!("{} is empty", file.display()))),
        Ok(bytes) => Ok(bytes),
        Err(error) => Err(configuration(format!("cannot read {}: {error}", file.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(token: Option<&str>) -> Secrets {
        let token = token.map(|token| HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
        Secrets { token, tls: None }
    }

    #[test]
    fn only_the_right_token_is_let_in() {
        let right = HeaderValue::from_static("Bearer Orion");
        assert!(secrets(Some("Orion")).admits(Some(&right)));
        assert!(!secrets(Some("Orion")).admits(None));
        for wrong in ["Bearer Orio", "Bearer Orioo", "Orion", ""] {
            assert!(
                !secrets(Some("Orion")).admits(Some(&HeaderValue::from_static(wrong))),
                "{wrong}"
            );
        }
        assert!(secrets(None).admits(None));
    }

    #[test]
    fn nothing_of_a_token_is_shown() {
        assert!(!format!("{:?}", secrets(Some("Orion"))).contains("Orion"));
    }
}
