//! What all sessions share: memory, caches, stores and the catalogues found under the roots.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use datafusion::execution::SessionState;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};

use crate::catalog::{LiveCatalog, keep_current};
use crate::cluster::{Cluster, Peers};
use crate::engine::Engine;
use crate::session::{Admission, Running, builder};
use crate::state::StateStore;
use crate::storage::{ClosedRegistry, open_roots};
use crate::trace::Tracer;
use crate::users::{Sight, Users};
use crate::{
    Access, Config, DEFAULT_USER, Limits, Member, Principal, QueryEnd, Result, RunningQuery, Session, StoreMetrics,
};

/// Consumers of memory that an out-of-memory error lists.
const CONSUMERS_NAMED: NonZeroUsize = match NonZeroUsize::new(5) {
    Some(number) => number,
    None => NonZeroUsize::MIN,
};

/// An opened set of catalogues. Sessions come from it; they share its memory pool, caches and tables.
pub struct Database {
    config: Config,
    tables: Arc<LiveCatalog>,
    state: Arc<StateStore>,
    /// Every extension registered, no tables: what each session starts from.
    template: SessionState,
    stores: Arc<ClosedRegistry>,
    engine: Engine,
    running: Arc<Running>,
    admission: Admission,
    /// The file of users, if there is a place for one.
    users: Option<Arc<Users>>,
    /// Those who help.
    cluster: Option<Arc<Cluster>>,
    /// Other servers.
    peers: Arc<Peers>,
    tracer: Option<Arc<Tracer>>,
    /// The threads on which we speak with both.
    _lines: Engine,
}

impl Database {
    /// Opens the catalogues under the configured roots, or the sample sky if there is no root.
    ///
    /// # Errors
    /// A root cannot be read or holds no table, or two catalogues have one name.
    pub async fn open(config: Config) -> Result<Arc<Self>> {
        let users = config.users_path().map(|path| Users::open(&path)).transpose()?;
        let registry = Arc::new(ClosedRegistry::default());
        let roots = open_roots(&config, &registry).await?;
        let runtime = runtime(&config.limits, Arc::clone(&registry))?;
        let template = builder::template(&config, runtime);
        let tables = Arc::new(LiveCatalog::open(roots, template.clone()).await?);
        let state = StateStore::configured(&config).await?;
        let engine = Engine::start("dreyer-engine", None)?;
        let admission = Admission::new(&config.limits);
        let lines = Engine::start("dreyer-cluster", Some(1))?;
        // Boxed, since callers hold the future of all this on their stacks.
        let cluster = Box::pin(Cluster::open(&config.cluster, lines.handle().clone())).await?;
        let running: Arc<Running> = Arc::default();
        let peers = Peers::new(&config.cluster, Arc::clone(&running), lines.handle().clone())?;
        let tracer = config.trace.file.as_deref().map(Tracer::to).transpose()?;
        if let Some(interval) = config.limits.refresh() {
            engine.handle().spawn(keep_current(Arc::downgrade(&tables), interval));
        }
        Ok(Arc::new(Self {
            config,
            tables,
            state: Arc::new(state),
            template,
            stores: registry,
            engine,
            admission,
            users,
            running,
            cluster,
            peers,
            tracer,
            _lines: lines,
        }))
    }

    /// A new session: its own settings, views and prepared statements over the shared tables.
    pub fn session(self: &Arc<Self>) -> Session {
        self.session_as(DEFAULT_USER)
    }

    /// The same for a user, with the rights that the configuration gives to that name. Whether the user is who they say
    /// is for the caller to know.
    pub fn session_as(self: &Arc<Self>, user: &str) -> Session {
        Session::new(Arc::clone(self), Principal::of(&self.config, user))
    }

    /// Whether whoever comes in has to log in: there are users.
    pub(crate) fn asks_for_passwords(&self) -> bool {
        self.users.as_ref().is_some_and(|users| users.now().is_some())
    }

    pub(crate) fn users(&self) -> Option<&Arc<Users>> {
        self.users.as_ref()
    }

    /// What the user of that name sees.
    pub(crate) fn sight_of_name(&self, name: &str) -> Sight {
        self.sight_of(&Arc::new(Principal::of(&self.config, name)))
    }

    /// What a user sees.
    pub(crate) fn sight_of(&self, principal: &Arc<Principal>) -> Sight {
        match &self.users {
            Some(users) if self.config.access == Access::ReadOnly => {
                Sight::of(Arc::clone(users), Arc::clone(principal))
            }
            _ => Sight::everything(),
        }
    }

    /// What the database was opened with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What was asked of each store over the network since the database was opened.
    pub fn storage_metrics(&self) -> Vec<StoreMetrics> {
        self.stores.metrics()
    }

    /// The workers that large queries are dealt to, and how each of them stands. Empty where there are none.
    pub fn workers(&self) -> Vec<Member> {
        self.cluster().map(Cluster::members).unwrap_or_default()
    }

    /// The queries that run now or wait for their turn, the oldest first.
    pub fn queries(&self) -> Vec<RunningQuery> {
        self.running.all()
    }

    /// The queries that ended last, the oldest first: a hundred at most.
    pub fn last_queries(&self) -> Vec<RunningQuery> {
        self.running.last()
    }

    /// Waves of long queries that are done, and that failed and were run again.
    pub fn waves(&self) -> [u64; 2] {
        self.running.waves()
    }

    /// How many queries have ended so.
    pub fn queries_ended(&self, end: QueryEnd) -> u64 {
        self.running.ended(end)
    }

    /// Memory that queries have reserved, in bytes.
    pub fn memory_reserved(&self) -> usize {
        self.template.runtime_env().memory_pool.reserved()
    }

    pub(crate) fn running(&self) -> &Arc<Running> {
        &self.running
    }

    /// Who may run a query, and who waits.
    pub(crate) fn admission(&self) -> &Admission {
        &self.admission
    }

    pub(crate) fn cluster(&self) -> Option<&Cluster> {
        self.cluster.as_deref()
    }

    pub(crate) fn tracer(&self) -> Option<&Arc<Tracer>> {
        self.tracer.as_ref()
    }

    pub(crate) fn peers(&self) -> &Arc<Peers> {
        &self.peers
    }

    pub(crate) fn stores(&self) -> &ClosedRegistry {
        &self.stores
    }

    pub(crate) fn tables(&self) -> &Arc<LiveCatalog> {
        &self.tables
    }

    pub(crate) fn state(&self) -> &Arc<StateStore> {
        &self.state
    }

    pub(crate) fn engine(&self) -> &tokio::runtime::Handle {
        self.engine.handle()
    }

    pub(crate) fn template(&self) -> &SessionState {
        &self.template
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

fn runtime(limits: &Limits, registry: Arc<ClosedRegistry>) -> Result<Arc<RuntimeEnv>> {
    let mode = match &limits.spill_dir {
        Some(folder) => DiskManagerMode::Directories(vec![folder.clone()]),
        None => DiskManagerMode::OsTmpDirectory,
    };
    let disk = DiskManagerBuilder::default()
        .with_mode(mode)
        .with_max_temp_directory_size(limits.spill_bytes);
    let pool = TrackConsumersPool::new(FairSpillPool::new(limits.memory_bytes), CONSUMERS_NAMED);
    let runtime = RuntimeEnvBuilder::new()
        .with_object_store_registry(registry)
        .with_memory_pool(Arc::new(pool))
        .with_disk_manager_builder(disk)
        .with_metadata_cache_limit(limits.footer_cache_bytes)
        .build_arc()?;
    Ok(runtime)
}
