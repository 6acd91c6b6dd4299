//! One configuration, typed, each key with its meaning and default. `dreyer serve --config FILE` reads it as TOML.
//!
//! ```toml
//! roots = ["/data/catalogues"]
//!
//! [pg]
//! listen = "127.0.0.1:5433"
//!
//! [limits]
//! memory_bytes = 8_000_000_000
//! ```

mod audit;
mod cluster;
mod prices;
mod storage;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

pub use audit::AuditConfig;
pub use cluster::ClusterConfig;
pub use prices::PriceConfig;
pub use storage::{Credentials, StorageConfig};

use crate::{Error, ErrorKind, Result};

/// Share of the machine's memory that queries may hold unless `limits.memory_bytes` says otherwise.
const MEMORY_SHARE: f64 = 0.6;

/// Memory for queries where the machine does not tell how much it has.
const MEMORY_FALLBACK: usize = 4 << 30;

/// Everything that can be set about a database. Unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Places with HATS catalogues: directories, or addresses such as `s3://bucket/prefix?region=us-west-2` and
    /// `https://host/catalogue`. Empty (the default): the sample sky that the binary carries.
    pub roots: Vec<String>,

    /// Where tables may be written: one of the roots, or a place of its own, which is then a root as well. Default
    /// nowhere.
    pub writable: Option<String>,

    /// What statements sessions may run. Default `read_only`; the shell on one's own machine uses `full`.
    pub access: Access,

    /// A directory or address for what must last and is in no catalogue: views, comments. None, the default: it is
    /// kept in memory, and ends with the process.
    pub state: Option<String>,

    /// The file of those who may log in, of their roles and of what these may read; `dreyer user add` makes it. Default:
    /// `users.json` in `state`, if that is a directory. As long as there is none, this machine is let in without passwords.
    pub users_file: Option<PathBuf>,

    /// Users and what they may do besides reading. Empty, the default: `dreyer` may write in the schema `dreyer`, if
    /// there is a writable root.
    pub users: Vec<UserConfig>,

    /// The PostgreSQL door.
    pub pg: PgConfig,

    /// The door for machines that watch over the process.
    pub http: HttpConfig,

    /// The log of who asked what.
    pub audit: AuditConfig,

    /// How much one query, one session and all of them together may use.
    pub limits: Limits,

    /// How stores that are not on this machine are asked.
    pub storage: StorageConfig,

    /// Other processes that take part in answering queries.
    pub cluster: ClusterConfig,

    /// What reading and computing cost.
    pub prices: PriceConfig,

    /// Spans for OpenTelemetry.
    pub trace: TraceConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            roots: Vec::new(),
            writable: None,
            access: Access::ReadOnly,
            state: None,
            users_file: None,
            users: Vec::new(),
            pg: PgConfig::default(),
            http: HttpConfig::default(),
            audit: AuditConfig::default(),
            limits: Limits::default(),
            storage: StorageConfig::default(),
            cluster: ClusterConfig::default(),
            prices: PriceConfig::default(),
            trace: TraceConfig::default(),
        }
    }
}

/// What statements sessions may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Queries, and the settings on the allow-list. No DDL, no writes, no locations named in SQL.
    ReadOnly,
    /// Every statement the engine knows, with the rights of the process: files may be named, read and written.
    Full,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserConfig {
    /// The user's name, and that of the schema in which the user's tables lie.
    pub name: String,

    /// Where the user may create, change and drop tables. Default: nowhere.
    #[serde(default)]
    pub write: WriteConfig,

    /// Whether the user may make tables over files under the roots (`CREATE EXTERNAL TABLE`). Default: whoever may
    /// write may do that too.
    pub external: Option<bool>,
}

/// Where a user may write.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum WriteConfig {
    /// `true`: in the schema of the user's name; `false`: nowhere.
    Own(bool),
    /// In these schemas.
    Schemas(Vec<String>),
}

impl Default for WriteConfig {
    fn default() -> Self {
        Self::Own(false)
    }
}

impl WriteConfig {
    /// The schemas in which the user of that name may write.
    pub(crate) fn schemas(&self, user: &str) -> Vec<String> {
        match self {
            Self::Own(true) => vec![user.to_owned()],
            Self::Own(false) => Vec::new(),
            Self::Schemas(schemas) => schemas.clone(),
        }
    }
}

/// The PostgreSQL door.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PgConfig {
    /// Address and port to listen on. Default `127.0.0.1:5433`: this machine only.
    pub listen: SocketAddr,

    /// Whether clients encrypt. Default: `required` if there is a certificate, else `off`.
    pub tls: Option<TlsMode>,

    /// Certificate (PEM), with those between it and its authority after it. Read again when it changes.
    pub tls_cert: Option<PathBuf>,

    /// Its key (PEM).
    pub tls_key: Option<PathBuf>,

    /// Milliseconds that the answer to a wrong password waits; each further one from the same address waits twice as
    /// long, up to 32 times. Default 250.
    pub failed_login_delay_ms: u64,
}

/// Whether clients encrypt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TlsMode {
    /// They cannot.
    Off,
    /// They may.
    Allow,
    /// They must: whoever does not is turned away.
    Required,
}

impl Default for PgConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 5433)),
            tls: None,
            tls_cert: None,
            tls_key: None,
            failed_login_delay_ms: 250,
        }
    }
}

impl PgConfig {
    /// Whether clients encrypt, by what is said and by what there is.
    pub fn tls_mode(&self) -> TlsMode {
        let default = match &self.tls_cert {
            Some(_) => TlsMode::Required,
            None => TlsMode::Off,
        };
        self.tls.unwrap_or(default)
    }

    fn check(&self) -> Result<()> {
        let files = [&self.tls_cert, &self.tls_key].map(Option::is_some);
        let message = if files[0] != files[1] {
            "pg.tls_cert and pg.tls_key come together, or not at all"
        } else if self.tls_mode() != TlsMode::Off && !files[0] {
            "pg.tls needs pg.tls_cert and pg.tls_key"
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::Configuration, message))
    }
}

/// The door for machines that watch over the process: `/healthz`, `/readyz`, `/metrics`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpConfig {
    /// Address and port to listen on. Default: none.
    pub listen: Option<SocketAddr>,
}

/// Spans: what this process did for a statement, and when.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TraceConfig {
    /// File to append spans to, a line of OTLP/JSON each, as collectors of OpenTelemetry read them. Default: none are
    /// made.
    pub file: Option<PathBuf>,
}

/// Bounds. Each has a default, and an error that names the key to raise.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Connections open at once. Default 100.
    pub max_connections: usize,

    /// Of them, connections of one user; 0, the default: as many as there are.
    pub max_connections_per_user: usize,

    /// Queries that run at once, those whose cursor is open included; the others wait. A query that reads only what lies in
    /// memory does not count. 0, the default: as many as are asked.
    pub max_queries: usize,

    /// Of them, queries of one user; 0, the default: as many as there are.
    pub max_queries_per_user: usize,

    /// Queries that may wait for their turn. Default 100.
    pub max_queued_queries: usize,

    /// Seconds that a query waits for its turn. Default 60.
    pub queue_timeout_s: u64,

    /// Bytes that one result may have on its way to a client; 0, the default, means no limit.
    pub max_result_bytes: u64,

    /// Seconds after which a session ends in which nothing happens; 0, the default, means never. A session may ask for
    /// less with `SET idle_session_timeout`.
    pub idle_session_timeout_s: u64,

    /// The same within a transaction block: `SET idle_in_transaction_session_timeout`.
    pub idle_transaction_timeout_s: u64,

    /// Length of one statement text, in bytes. Default 1 MiB.
    pub max_statement_bytes: usize,

    /// Seconds a statement may run, the sending of its rows included; 0, the default, means no limit. A session may
    /// lower or raise its own with `SET statement_timeout`.
    pub statement_timeout_s: u64,

    /// Memory that all running queries may hold together, in bytes; sorts, aggregations and the like spill to disk
    /// beyond it. Default: 60 % of the machine's memory, or 4 GiB where that is not known.
    pub memory_bytes: usize,

    /// Memory that one query may hold of it, or one of its tasks on a worker, in bytes; 0, the default: as much as there
    /// is.
    pub query_memory_bytes: usize,

    /// Memory of it that the tables may hold that one session has made for itself, in bytes; 0: as much as there is.
    /// Default 256 MiB.
    pub session_table_bytes: usize,

    /// Memory for decoded Parquet footers, in bytes. Default 256 MiB.
    pub footer_cache_bytes: usize,

    /// Disk that all running queries may spill to, in bytes. Default 64 GiB.
    pub spill_bytes: u64,

    /// Directory to spill to. Default: the system's directory for temporary files.
    pub spill_dir: Option<PathBuf>,

    /// Streams that one query is cut into; 0, the default, means one for each core.
    pub target_partitions: usize,

    /// Seconds after which the roots are looked at again for catalogues that came, went or changed; 0 means never. A
    /// name that is not known is looked for at once. Default 30.
    pub refresh_s: u64,

    /// Seconds for which VACUUM leaves files that are no longer of a table: longer than any query runs. Default 3600.
    pub vacuum_grace_s: u64,

    /// Seconds that running statements get to finish when the server is told to stop. Default 30.
    pub drain_s: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 100,
            max_connections_per_user: 0,
            max_queries: 0,
            max_queries_per_user: 0,
            max_queued_queries: 100,
            queue_timeout_s: 60,
            max_result_bytes: 0,
            idle_session_timeout_s: 0,
            idle_transaction_timeout_s: 0,
            max_statement_bytes: 1 << 20,
            statement_timeout_s: 0,
            memory_bytes: memory_default(),
            query_memory_bytes: 0,
            session_table_bytes: 256 << 20,
            footer_cache_bytes: 256 << 20,
            spill_bytes: 64 << 30,
            spill_dir: None,
            target_partitions: 0,
            refresh_s: 30,
            vacuum_grace_s: 3600,
            drain_s: 30,
        }
    }
}

impl Limits {
    /// The time a statement may run, if there is a limit.
    pub fn statement_timeout(&self) -> Option<Duration> {
        (self.statement_timeout_s > 0).then(|| Duration::from_secs(self.statement_timeout_s))
    }

    /// The time that a session may stand idle, in a transaction block or outside one, if there is a limit.
    pub(crate) fn idle_timeout(&self, in_block: bool) -> Option<Duration> {
        let seconds = if in_block {
            self.idle_transaction_timeout_s
        } else {
            self.idle_session_timeout_s
        };
        (seconds > 0).then(|| Duration::from_secs(seconds))
    }

    /// How often the roots are looked at again, if at all.
    pub fn refresh(&self) -> Option<Duration> {
        (self.refresh_s > 0).then(|| Duration::from_secs(self.refresh_s))
    }

    /// How long VACUUM leaves files that are no longer of a table.
    pub fn vacuum_grace(&self) -> Duration {
        Duration::from_secs(self.vacuum_grace_s)
    }

    /// The time running statements get when the server is told to stop.
    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_s)
    }
}

impl Config {
    /// Where the file of users lies, or would; `None` where there is no place for one.
    pub fn users_path(&self) -> Option<PathBuf> {
        let beside = |state: &String| {
            let folder = state.strip_prefix("file://").unwrap_or(state);
            (!folder.contains("://")).then(|| Path::new(folder).join("users.json"))
        };
        self.users_file.clone().or_else(|| self.state.as_ref().and_then(beside))
    }

    /// Reads a TOML file.
    ///
    /// # Errors
    /// The file cannot be read, is not TOML, or has a key that does not exist; the message names the file and the line.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .map_err(|error| Error::new(ErrorKind::Io, format!("cannot read {}: {error}", path.display())))?;
        Self::parse(&text).map_err(|error| Error::new(error.kind, format!("{}: {}", path.display(), error.message)))
    }

    /// Reads the text of a TOML file.
    ///
    /// # Errors
    /// As for [`Config::read`].
    pub fn parse(text: &str) -> Result<Self> {
        let config: Self = toml::from_str(text).map_err(|error| {
            // Not the line itself, which may hold a key.
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map_or(1, |before| before.matches('\n').count() + 1);
            Error::new(ErrorKind::Configuration, format!("line {line}: {}", error.message()))
        })?;
        if config.limits.memory_bytes == 0 {
            return Err(Error::new(
                ErrorKind::Configuration,
                "limits.memory_bytes must be more than 0".to_owned(),
            ));
        }
        config.pg.check()?;
        config.storage.check()?;
        config.cluster.check()?;
        config.prices.check()?;
        Ok(config)
    }
}

fn memory_default() -> usize {
    machine_memory().map_or(MEMORY_FALLBACK, |bytes| share(bytes, MEMORY_SHARE))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a budget"
)]
fn share(bytes: u64, share: f64) -> usize {
    (bytes as f64 * share) as usize
}

/// Memory of the machine, in bytes, or of the control group that the process lives in if that is less.
fn machine_memory() -> Option<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let line = meminfo.lines().find(|line| line.starts_with("MemTotal:"))?;
    let total = line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024;
    let group = fs::read_to_string("/sys/fs/cgroup/memory.max")
        .ok()
        .and_then(|text| text.trim().parse().ok());
    Some(group.map_or(total, |limit: u64| limit.min(total)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(Config::parse("").unwrap(), Config::default());
    }

    #[test]
    fn encryption_is_required_once_there_is_a_certificate() {
        assert_eq!(Config::default().pg.tls_mode(), TlsMode::Off);
        let pg = |text: &str| Config::parse(&format!("[pg]\n{text}"));
        let files = "tls_cert = 'c'\ntls_key = 'k'\n";
        assert_eq!(pg(files).unwrap().pg.tls_mode(), TlsMode::Required);
        assert_eq!(
            pg(&format!("{files}tls = 'allow'")).unwrap().pg.tls_mode(),
            TlsMode::Allow
        );
        for wrong in [
            "tls = 'required'",
            "tls_cert = 'c'",
            "tls_key = 'k'",
            "tls = 'sometimes'",
        ] {
            assert_eq!(pg(wrong).unwrap_err().kind, ErrorKind::Configuration, "{wrong}");
        }
    }

    #[test]
    fn users_lie_beside_the_state_if_that_is_a_directory() {
        let path = |text: &str| Config::parse(text).unwrap().users_path();
        assert_eq!(path(""), None);
        assert_eq!(path("state = 's3://bucket/x'"), None);
        assert_eq!(path("state = 'file:///a'"), Some("/a/users.json".into()));
        assert_eq!(path("state = '/a'\nusers_file = '/b/u'"), Some("/b/u".into()));
    }

    #[test]
    fn keys_are_read_and_unknown_ones_refused() {
        let text = "roots = ['/a']\naccess = 'full'\n[pg]\nlisten = '0.0.0.0:1'\n[limits]\nstatement_timeout_s = 7\n";
        let config = Config::parse(text).unwrap();
        assert_eq!(config.roots, ["/a"]);
        assert_eq!(config.access, Access::Full);
        assert_eq!(config.pg.listen.port(), 1);
        assert_eq!(config.limits.statement_timeout(), Some(Duration::from_secs(7)));

        let error = Config::parse("[limits]\nmemory = 1\n").unwrap_err();
        assert_eq!(error.kind, ErrorKind::Configuration);
        assert!(error.message.contains("memory_bytes"), "{}", error.message);
    }
}
