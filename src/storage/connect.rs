//! From an address to a client: which library speaks to which store, and with which credentials.
//!
//! Google's and Microsoft's stores are offered as the library has them; no test here has met them.

use std::sync::Arc;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::http::HttpBuilder;
use object_store::{BackoffConfig, ClientOptions, HeaderValue, ObjectStore, RetryConfig};

use super::ClosedRegistry;
use super::address::{Place, Scheme};
use super::steady::Steady;
use super::wire::Wire;
use crate::{Error, ErrorKind, Result, StorageConfig};

/// Who asks.
const USER_AGENT: &str = concat!("dreyer/", env!("CARGO_PKG_VERSION"));

/// Opens the store of a place, without asking it anything.
pub(super) fn connect(
    place: &Place,
    config: &StorageConfig,
    registry: &ClosedRegistry,
) -> Result<Arc<dyn ObjectStore>> {
    let counters = registry.count(&place.store);
    let wire = Wire::new(registry.io()?, Arc::clone(&counters), config);
    let client = match place.scheme {
        Scheme::S3 => s3(place, config, wire),
        Scheme::Google => google(place, config, wire),
        Scheme::Azure => azure(place, config, wire),
        Scheme::Http => http(place, config, wire),
    }?;
    let lists = place.scheme != Scheme::Http;
    Ok(Arc::new(Steady::new(client, &place.store, lists, counters, config)))
}

fn s3(place: &Place, config: &StorageConfig, wire: Wire) -> Result<Arc<dyn ObjectStore>> {
    let mut builder = AmazonS3Builder::from_env().with_bucket_name(&place.authority);
    for (option, key) in [
        ("endpoint", AmazonS3ConfigKey::Endpoint),
        ("region", AmazonS3ConfigKey::Region),
    ] {
        if let Some(value) = place.options.text(option) {
            builder = builder.with_config(key, value);
        }
    }
    if let Some(virtual_hosted) = place.options.switch("virtual_hosted_style")? {
        builder = builder.with_virtual_hosted_style_request(virtual_hosted);
    }
    if let Some(keys) = config.credentials.get(&place.store) {
        builder = builder
            .with_access_key_id(&keys.access_key_id)
            .with_secret_access_key(keys.secret_access_key.reveal());
        if let Some(token) = &keys.session_token {
            builder = builder.with_token(token.reveal());
        }
    }
    if let Some(anonymous) = place.options.switch("anonymous")? {
        builder = builder.with_skip_signature(anonymous);
    }
    let endpoint = builder.get_config_value(&AmazonS3ConfigKey::Endpoint);
    let client = builder
        .with_client_options(client_options(config, is_plain(endpoint.as_deref())))
        .with_retry(retry(config))
        .with_http_connector(wire)
        .build();
    opened(place, client)
}

fn google(place: &Place, config: &StorageConfig, wire: Wire) -> Result<Arc<dyn ObjectStore>> {
    let mut builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(&place.authority);
    if let Some(anonymous) = place.options.switch("anonymous")? {
        builder = builder.with_skip_signature(anonymous);
    }
    let client = builder
        .with_client_options(client_options(config, false))
        .with_retry(retry(config))
        .with_http_connector(wire)
        .build();
    opened(place, client)
}

fn azure(place: &Place, config: &StorageConfig, wire: Wire) -> Result<Arc<dyn ObjectStore>> {
    let mut builder = MicrosoftAzureBuilder::from_env().with_container_name(&place.authority);
    if let Some(account) = place.options.text("account") {
        builder = builder.with_account(account);
    }
    let endpoint = place.options.text("endpoint");
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(endpoint.to_owned());
    }
    if let Some(anonymous) = place.options.switch("anonymous")? {
        builder = builder.with_skip_signature(anonymous);
    }
    let client = builder
        .with_client_options(client_options(config, is_plain(endpoint)))
        .with_retry(retry(config))
        .with_http_connector(wire)
        .build();
    opened(place, client)
}

fn http(place: &Place, config: &StorageConfig, wire: Wire) -> Result<Arc<dyn ObjectStore>> {
    let client = HttpBuilder::new()
        .with_url(format!("{}/", place.store))
        .with_client_options(client_options(config, is_plain(Some(&place.store))))
        .with_retry(retry(config))
        .with_http_connector(wire)
        .build();
    opened(place, client)
}

fn opened<S: ObjectStore>(place: &Place, client: object_store::Result<S>) -> Result<Arc<dyn ObjectStore>> {
    match client {
        Ok(client) => Ok(Arc::new(client)),
        Err(error) => {
            let message = format!("cannot open {}: {}", place.store, super::fault::innermost(&error));
            Err(Error::new(ErrorKind::Configuration, message))
        }
    }
}

/// Whether an address is one without TLS. Whoever writes http:// means it.
fn is_plain(endpoint: Option<&str>) -> bool {
    endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"))
}

/// Time is watched by the wire, which sees more of it.
fn client_options(config: &StorageConfig, plain: bool) -> ClientOptions {
    ClientOptions::new()
        .with_user_agent(HeaderValue::from_static(USER_AGENT))
        .with_allow_http(plain)
        .with_connect_timeout(config.connect_timeout())
        .with_timeout_disabled()
}

fn retry(config: &StorageConfig) -> RetryConfig {
    let backoff = BackoffConfig {
        max_backoff: (config.timeout() / 4).max(BackoffConfig::default().init_backoff),
        ..BackoffConfig::default()
    };
    RetryConfig {
        backoff,
        max_retries: config.retries,
        retry_timeout: config.timeout(),
    }
}
