//! TLS for clients: a certificate and its key, read from files, and read again when these change.
//!
//! A connection keeps the certificate that it was made with; the next one gets the new. Files that do not fit each
//! other, as between the two writes of a renewal, leave the old certificate in place.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use pgwire::api::auth::sasl::scram::ScramServerAuth;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::{PgConfig, TlsMode};
use crate::{Error, ErrorKind, Result};

/// What clients say that they want to talk, where they say it.
const ALPN: &[u8] = b"postgresql";

/// How clients are encrypted with.
#[derive(Debug)]
pub(super) struct Tls {
    cert: PathBuf,
    key: PathBuf,
    /// Whether a client that does not encrypt is turned away.
    required: bool,
    current: RwLock<Current>,
}

#[derive(Debug)]
struct Current {
    stamp: Stamp,
    loaded: Arc<Loaded>,
}

/// A certificate, ready to be used.
pub(super) struct Loaded {
    pub(super) acceptor: TlsAcceptor,
    /// SCRAM that can be tied to this certificate; `None` if its kind has no such tie.
    pub(super) binding: Option<ScramServerAuth>,
}

/// What tells whether the files have changed.
type Stamp = [Option<(u64, u64, i64, i64)>; 2];

impl Tls {
    /// What the configuration asks for; `None`: no encryption.
    ///
    /// # Errors
    /// A file cannot be read, or the two do not fit each other.
    pub(super) fn configured(config: &PgConfig) -> Result<Option<Self>> {
        let required = match config.tls_mode() {
            TlsMode::Off => return Ok(None),
            TlsMode::Allow => false,
            TlsMode::Required => true,
        };
        let (Some(cert), Some(key)) = (&config.tls_cert, &config.tls_key) else {
            let message = "pg.tls needs pg.tls_cert and pg.tls_key";
            return Err(Error::new(ErrorKind::Configuration, message));
        };
        let stamp = stamp(cert, key);
        let loaded = Arc::new(load(cert, key)?);
        Ok(Some(Self {
            cert: cert.clone(),
            key: key.clone(),
            required,
            current: RwLock::new(Current { stamp, loaded }),
        }))
    }

    pub(super) fn is_required(&self) -> bool {
        self.required
    }

    /// The certificate as it is now.
    pub(super) fn now(&self) -> Arc<Loaded> {
        let stamp = stamp(&self.cert, &self.key);
        {
            let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
            if current.stamp == stamp {
                return Arc::clone(&current.loaded);
            }
        }
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.stamp != stamp {
            current.stamp = stamp;
            match load(&self.cert, &self.key) {
                Ok(loaded) => current.loaded = Arc::new(loaded),
                Err(error) => tracing::warn!(%error, "kept the certificate as it was"),
            }
        }
        Arc::clone(&current.loaded)
    }
}

impl std::fmt::Debug for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loaded").finish_non_exhaustive()
    }
}

fn stamp(cert: &Path, key: &Path) -> Stamp {
    [cert, key].map(|path| {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
    })
}

/// Reads both files. Errors name them, and show nothing of what is in them.
fn load(cert: &Path, key: &Path) -> Result<Loaded> {
    let fault = |file: &Path, error: &dyn std::fmt::Display| {
        let message = format!("cannot use {} for TLS: {error}", file.display());
        Error::new(ErrorKind::Configuration, message)
    };
    let pem = fs::read(cert).map_err(|error| fault(cert, &error))?;
    let chain = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|_| fault(cert, &"it is not PEM"))?;
    if chain.is_empty() {
        return Err(fault(cert, &"it holds no certificate"));
    }
    let private = fs::read(key).map_err(|error| fault(key, &error))?;
    let private = PrivateKeyDer::from_pem_slice(&private).map_err(|_| fault(key, &"it holds no private key in PEM"))?;
    // Named, since the process may hold more than one provider.
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| fault(cert, &error))?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| fault(cert, &format!("it does not go with {}: {error}", key.display())))?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    let mut binding = ScramServerAuth::new();
    let bound = binding.configure_certificate(&pem);
    if let Err(error) = &bound {
        tracing::info!(%error, "log-in cannot be bound to this kind of certificate");
    }
    Ok(Loaded {
        acceptor: TlsAcceptor::from(Arc::new(config)),
        binding: bound.is_ok().then_some(binding),
    })
}

/// Whether a client that spoke TLS at once said that it wants PostgreSQL inside, without which it may have been led here
/// from somewhere else.
pub(super) fn asked_for_postgres(stream: &tokio_rustls::server::TlsStream<tokio::net::TcpStream>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(ALPN)
}
