//! What the `[cluster]` part of a configuration says: who the workers are, and how far they are trusted and waited for.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::{Error, ErrorKind, Result};

/// Several processes that answer one query.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClusterConfig {
    /// The workers: addresses such as `http://10.0.0.7:50051`, separated by commas, or `dns:HOST:PORT` for all that a name
    /// resolves to. None, the default: queries run in this process.
    pub workers: Option<String>,

    /// Address on which this process works for others. Default: it does not; `dreyer worker` takes `127.0.0.1:50051`.
    pub listen: Option<SocketAddr>,

    /// Other servers over the same workers, in the same form: a cancel, or a look at what runs, that reaches this server
    /// reaches them too. The list may name this server as well. Default: none.
    pub coordinators: Option<String>,

    /// Address on which this server answers the others. Default: it does not.
    pub coordinator_listen: Option<SocketAddr>,

    /// File with a secret that all processes of the cluster share. Without one, whoever reaches a worker may use it.
    pub token_file: Option<PathBuf>,

    /// Certificate of this process (PEM), shown to the others and asked of them; with `tls_key` and `tls_ca`.
    pub tls_cert: Option<PathBuf>,

    /// Its key (PEM).
    pub tls_key: Option<PathBuf>,

    /// The authority that signed the certificates of all processes of the cluster (PEM).
    pub tls_ca: Option<PathBuf>,

    /// The name that workers' certificates are made out to. Default: the host by which a worker is reached.
    pub tls_name: Option<String>,

    /// Seconds that a connection to a worker may take to be made, and a worker to say who it is. Default 2.
    pub connect_timeout_s: f64,

    /// Seconds of silence after which a worker is asked whether it lives, and again for its answer. Default 5.
    pub keep_alive_s: f64,

    /// Seconds between two looks at who the workers are and which of them are ready. Default 1.
    pub refresh_s: f64,

    /// Seconds for which a worker that failed gets no work. Default 5.
    pub eject_s: f64,

    /// How often a query is run again whose worker was lost before a row had left. Default 3.
    pub retries: usize,

    /// Bytes that a query must have to read at least to leave this process, where `dreyer.compute` is `auto`. Default
    /// 256 MiB.
    pub min_scan_bytes: u64,

    /// Bytes for which a query gets another worker. Default 64 MiB.
    pub task_bytes: u64,

    /// Bytes that may be on their way over one connection between two processes. Default 8 MiB.
    pub connection_bytes: usize,

    /// Stored bytes of a wave of a query whose rows are written: a part that is run again, alone, if a worker is lost.
    /// Default 1 GiB.
    pub wave_bytes: u64,

    /// Queries that this server has on the workers at once; more wait. Default 64.
    pub max_queries: usize,

    /// Queries that wait for that; more are refused (SQLSTATE 53400). Default 256.
    pub max_queued: usize,

    /// Seconds that a query waits for its turn at most. Default 60.
    pub queue_s: f64,

    /// Tasks of queries that a worker has at once; more are sent elsewhere. Default 256.
    pub max_tasks: usize,
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self {
            workers: None,
            listen: None,
            coordinators: None,
            coordinator_listen: None,
            token_file: None,
            tls_cert: None,
            tls_key: None,
            tls_ca: None,
            tls_name: None,
            connect_timeout_s: 2.0,
            keep_alive_s: 5.0,
            refresh_s: 1.0,
            eject_s: 5.0,
            retries: 3,
            min_scan_bytes: 256 << 20,
            task_bytes: 64 << 20,
            connection_bytes: 8 << 20,
            wave_bytes: 1 << 30,
            max_queries: 64,
            max_queued: 256,
            queue_s: 60.0,
            max_tasks: 256,
        }
    }
}

impl ClusterConfig {
    /// How long a connection may take to be made.
    pub fn connect_timeout(&self) -> Duration {
        seconds(self.connect_timeout_s)
    }

    /// How long a silence may last.
    pub fn keep_alive(&self) -> Duration {
        seconds(self.keep_alive_s)
    }

    /// How often we look at who is there.
    pub fn refresh(&self) -> Duration {
        seconds(self.refresh_s)
    }

    /// How long a worker that failed is left alone.
    pub fn eject(&self) -> Duration {
        seconds(self.eject_s)
    }

    /// How long a query waits for its turn.
    pub fn queue(&self) -> Duration {
        seconds(self.queue_s)
    }

    /// Checks that the numbers make sense and that secrets come together.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`], naming the key.
    pub(crate) fn check(&self) -> Result<()> {
        for (key, value) in [
            ("connect_timeout_s", self.connect_timeout_s),
            ("keep_alive_s", self.keep_alive_s),
            ("refresh_s", self.refresh_s),
            ("eject_s", self.eject_s),
            ("queue_s", self.queue_s),
        ] {
            if !(0.001..=86_400.0).contains(&value) {
                let message = format!("cluster.{key} must lie in [0.001, 86400] seconds, got {value}");
                return Err(Error::new(ErrorKind::Configuration, message));
            }
        }
        let none = [
            ("max_tasks", self.max_tasks == 0),
            ("max_queries", self.max_queries == 0),
            ("task_bytes", self.task_bytes == 0),
            ("wave_bytes", self.wave_bytes == 0),
            ("connection_bytes", self.connection_bytes == 0),
        ];
        if let Some((key, _)) = none.iter().find(|(_, none)| *none) {
            let message = format!("cluster.{key} must be more than 0");
            return Err(Error::new(ErrorKind::Configuration, message));
        }
        let given = [&self.tls_cert, &self.tls_key, &self.tls_ca].map(Option::is_some);
        if given.contains(&true) && given.contains(&false) {
            return Err(Error::new(
                ErrorKind::Configuration,
                "cluster.tls_cert, cluster.tls_key and cluster.tls_ca come together, or not at all",
            ));
        }
        Ok(())
    }
}

/// Checked to be a sensible number.
fn seconds(number: f64) -> Duration {
    Duration::try_from_secs_f64(number).unwrap_or_default()
}
