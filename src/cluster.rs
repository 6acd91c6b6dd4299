//! Several processes that answer one query.
//!
//! Whoever has the client plans, deals the work and gathers the rows (the coordinator); the others scan and match (the
//! workers) and hold nothing but caches. Any process can be both.
//!
//! ```text
//!  plan as for one process ──► spread: leaves that can be dealt, dealt to the workers that are ready
//!        │ too small, or cannot travel: stays                  │ stages, each task with the tiles of its own
//!        ▼                                                     ▼
//!   this process                        channel ──► worker: gate ──► session ──► rows ──► coordinator ──► client
//!                                          │ lost: the member is ejected; the query is run again
//!                                          ▼           as long as no row of it has left
//!                                       members ◄── watch: DNS or a list, asked every second who they are
//! ```
//!
//! What is spread is always a plan that was whole and right for one process; taking the spreading away changes no row.
//! The engine that runs the stages is `datafusion-distributed`.

mod address;
mod build;
mod channel;
mod deal;
mod gate;
mod held;
mod leaf;
mod lost;
mod members;
mod peers;
mod reach;
mod secrets;
mod settings;
mod shape;
mod shielded;
mod spread;
mod travel;
mod turn;
mod whole;
mod worker;

use std::fmt;
use std::sync::Arc;

use datafusion::prelude::SessionConfig;
use datafusion_distributed::{DistributedConfig, DistributedExt};
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;

use crate::config::ClusterConfig;
use crate::{Error, ErrorKind, Result};
use address::Address;
use channel::Channels;
use members::Members;
pub use members::{Member, Standing};
use secrets::Secrets;
use turn::Turns;

pub(crate) use lost::{is_lost, lost_worker};
pub(crate) use peers::{Desk, Peers};
pub(crate) use spread::{Spread, Stays};
pub use worker::Worker;

/// The cluster as a coordinator sees it.
pub(crate) struct Cluster {
    config: ClusterConfig,
    members: Arc<Members>,
    channels: Arc<Channels>,
    turns: Turns,
}

impl Cluster {
    /// Looks for the workers of the configuration, if it names any, and goes on looking on the threads of `io`.
    ///
    /// # Errors
    /// The workers' addresses cannot be read, or the secrets to speak with them.
    pub(crate) async fn open(config: &ClusterConfig, io: Handle) -> Result<Option<Arc<Self>>> {
        let Some(workers) = &config.workers else {
            return Ok(None);
        };
        let secrets = Secrets::read(config)?;
        let address = Address::parse(workers, secrets.has_tls())?;
        let members = Arc::new(Members::new(address, config.eject()));
        let channels = Channels::new(config, secrets, Arc::clone(&members), io.clone())?;
        members.look(&channels).await;
        io.spawn(members::watch(
            Arc::downgrade(&members),
            Arc::downgrade(&channels),
            config.refresh(),
        ));
        Ok(Some(Arc::new(Self {
            config: config.clone(),
            turns: Turns::new(config),
            members,
            channels,
        })))
    }

    /// Who the workers are, and how they stand.
    pub(crate) fn members(&self) -> Vec<Member> {
        self.members.all()
    }

    /// A turn among the queries that may be on the workers at once; `waits` is told when the waiting begins and ends.
    ///
    /// # Errors
    /// [`ErrorKind::TooManyQueries`]: as many wait already as may, or it took too long.
    pub(crate) async fn turn(&self, waits: impl Fn(bool)) -> Result<OwnedSemaphorePermit> {
        self.turns.take(waits).await
    }

    /// Stored bytes of a wave of a query whose rows are written.
    pub(crate) fn wave_bytes(&self) -> u64 {
        self.config.wave_bytes
    }

    /// How often a query is run again.
    pub(crate) fn retries(&self) -> usize {
        self.config.retries
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("members", &self.members)
            .finish_non_exhaustive()
    }
}

/// What coordinator and worker must agree on: how plans are written down, and how other processes are reached.
fn equip(config: SessionConfig, channels: &Arc<Channels>) -> SessionConfig {
    let config = dreyer_sky::codecs()
        .into_iter()
        .fold(config, SessionConfig::with_distributed_user_codec_arc);
    config.with_distributed_channel_resolver(
        Arc::clone(channels) as Arc<dyn datafusion_distributed::ChannelResolver + Send + Sync>
    )
}

/// The library's own options, as we want them.
fn distributed(config: &ClusterConfig) -> DistributedConfig {
    let mut options = DistributedConfig::default();
    options.worker_connection_buffer_budget_bytes = config.connection_bytes;
    options
}

fn configuration(message: String) -> Error {
    Error::new(ErrorKind::Configuration, message)
}
