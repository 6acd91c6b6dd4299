//! How a session is put together. The only place that knows all extensions.

use std::sync::Arc;

use datafusion::catalog::{CatalogProvider, CatalogProviderList, MemoryCatalogProviderList};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};
use dreyer_sky::SkyExt;
use dreyer_sky::tiling::{Notices, QueryMemory};

use super::cooperate::CooperateAboveJoins;
use super::rights::Owners;
use super::views::{self, Origin};
use crate::catalog::{Handed, LiveCatalog, SessionCatalog};
use crate::state::StateStore;
use crate::users::Sight;
use crate::{Config, DEFAULT_CATALOG, DEFAULT_SCHEMA, pg};

/// The state that every session starts from: all functions, rules and planners, and no tables.
pub(crate) fn template(config: &Config, runtime: Arc<RuntimeEnv>) -> SessionState {
    let mut builder = SessionStateBuilder::new()
        .with_config(session_config(config))
        .with_runtime_env(runtime)
        .with_default_features()
        .with_sky()
        .with_physical_optimizer_rule(Arc::new(CooperateAboveJoins));
    let functions = builder.scalar_functions().get_or_insert_default();
    functions.extend(pg::value_functions().map(Arc::new));
    builder.build()
}

fn session_config(config: &Config) -> SessionConfig {
    let session = SessionConfig::new()
        .with_default_catalog_and_schema(DEFAULT_CATALOG, DEFAULT_SCHEMA)
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(true)
        // Errors are shown under the text that caused them.
        .set_bool("datafusion.sql_parser.collect_spans", true)
        // A join by id hands its keys to the scan of the other side, which looks them up in an index catalogue.
        .set_usize("datafusion.optimizer.hash_join_inlist_pushdown_max_distinct_values", 10_000)
        .set_usize("datafusion.optimizer.hash_join_inlist_pushdown_max_size", 1 << 20);
    let session = match config.limits.query_memory_bytes {
        0 => session,
        bytes => session.with_extension(Arc::new(QueryMemory(bytes))),
    };
    let session = match config.limits.target_partitions {
        0 => session,
        number => session.with_target_partitions(number),
    };
    if config.cluster.workers.is_some() {
        // A plan in one partition has no seams at which it could be cut into stages.
        let partitions = session.target_partitions().max(2);
        return session.with_target_partitions(partitions);
    }
    session
}

/// What a session is put over: the shared tables and views, and how much of them it sees.
pub(super) struct Shared<'a> {
    pub(super) tables: &'a Arc<LiveCatalog>,
    pub(super) views: &'a Arc<StateStore>,
    pub(super) sight: &'a Sight,
    pub(super) handed: &'a Arc<Handed>,
    pub(super) owners: &'a Owners,
}

/// A context over `template` that sees the shared tables, and keeps what it creates to itself.
pub(super) fn context(template: &SessionState, shared: &Shared<'_>) -> SessionContext {
    let catalogs = MemoryCatalogProviderList::new();
    let (tables, handed) = (Arc::clone(shared.tables), Arc::clone(shared.handed));
    let catalog: Arc<dyn CatalogProvider> = Arc::new(SessionCatalog::new(tables, shared.sight.clone(), handed));
    catalogs.register_catalog(DEFAULT_CATALOG.to_owned(), Arc::clone(&catalog));
    let config = template.config().clone().with_extension(Arc::new(Notices::default()));
    let state = SessionStateBuilder::new_from_existing(template.clone())
        .with_config(config)
        .with_catalog_list(Arc::new(catalogs))
        .build();
    let context = SessionContext::new_with_state(state);
    let origin = Origin {
        tables: Arc::clone(shared.tables),
        views: Arc::clone(shared.views),
        handed: Arc::clone(shared.handed),
        owners: Arc::clone(shared.owners),
    };
    views::show(&context, catalog, origin, shared.sight);
    context
}
