//! What functions and catalogue relations may know of the session that asks: its user, its settings, and a snapshot
//! of what exists.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::SystemTime;

use datafusion::execution::FunctionRegistry;

use super::catalog::{Snapshot, System};
use super::portal::{Cursor, Prepared};
use super::{compat, functions};

use super::registry::Registry;
use super::server::Shared;
use super::settings::Settings;
use crate::users::Sight;
use crate::{Database, Error, ErrorKind, Result, Session};

/// One session, as seen through SQL.
pub(super) struct Door {
    pub(super) user: String,
    pub(super) pid: i32,
    pub(super) opened: SystemTime,
    pub(super) registry: Arc<Registry>,
    pub(super) system: Arc<System>,
    pub(super) database: Arc<Database>,
    /// What the user may know of.
    pub(super) sight: Sight,

    settings: RwLock<Settings>,
    snapshot: RwLock<Arc<Snapshot>>,
    portals: RwLock<Vec<OpenPortal>>,
    statements: RwLock<Vec<KnownStatement>>,
}

/// A prepared statement, for `pg_prepared_statements`.
#[derive(Debug, Clone)]
pub(super) struct KnownStatement {
    pub(super) name: String,
    pub(super) prepared: Arc<Prepared>,
}

/// A portal that is open, for `pg_cursors`.
#[derive(Debug, Clone)]
pub(super) struct OpenPortal {
    pub(super) name: String,
    pub(super) statement: String,
    pub(super) cursor: Cursor,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").field("pid", &self.pid).finish_non_exhaustive()
    }
}

impl Door {
    /// Gives a session the catalogue schemas and functions of PostgreSQL, which look through this door.
    pub(super) fn open(
        session: &Session,
        shared: &Shared,
        user: &str,
        pid: i32,
        settings: Settings,
    ) -> Result<Arc<Self>> {
        let most = session.database().config().limits.max_connections_per_user;
        if most > 0 && shared.registry.before(pid) >= most {
            let message = format!("too many connections for role \"{user}\"");
            return Err(Error::new(ErrorKind::TooManyConnections, message)
                .with_detail(format!(
                    "{most} are open, as many as limits.max_connections_per_user allows."
                ))
                .with_hint("Close some, or raise the limit."));
        }
        let door = Arc::new(Self {
            user: user.to_owned(),
            pid,
            opened: SystemTime::now(),
            registry: Arc::clone(&shared.registry),
            system: Arc::clone(&shared.system),
            database: Arc::clone(session.database()),
            sight: session.sight().clone(),

            settings: RwLock::new(settings),
            snapshot: RwLock::default(),
            portals: RwLock::default(),
            statements: RwLock::default(),
        });
        let context = session.context();
        {
            let state = context.state_ref();
            let mut state = state.write();
            let config = state.config_mut();
            config.set_extension(Arc::clone(&door));
            // The engine's own information_schema would take the place of ours.
            config.options_mut().catalog.information_schema = false;
            if let Some(number) = functions::number() {
                state.register_expr_planner(Arc::new(compat::Operands::new(number)))?;
            }
        }

        session.is_of(pid);
        door.system.register(&context)?;
        for function in functions::scalar(&door) {
            context.register_udf(function);
        }
        door.apply(session);
        Ok(door)
    }

    pub(super) fn settings(&self) -> RwLockReadGuard<'_, Settings> {
        self.settings.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn settings_mut(&self) -> RwLockWriteGuard<'_, Settings> {
        self.settings.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// What exists, as of the last [`Door::refresh`].
    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The portals that were open when the statement began.
    pub(super) fn portals(&self) -> Vec<OpenPortal> {
        self.portals.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_portals(&self, open: Vec<OpenPortal>) {
        *self.portals.write().unwrap_or_else(PoisonError::into_inner) = open;
    }

    /// The prepared statements that there were when the statement began.
    pub(super) fn statements(&self) -> Vec<KnownStatement> {
        self.statements.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_statements(&self, known: Vec<KnownStatement>) {
        *self.statements.write().unwrap_or_else(PoisonError::into_inner) = known;
    }

    /// Looks again at what exists.
    pub(super) async fn refresh(&self, session: &Session) -> Result<()> {
        let path = self.settings().search_path(&self.user);
        let snapshot = Arc::new(Snapshot::take(session, &self.system, path).await?);
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = snapshot;
        Ok(())
    }

    /// Brings the engine's settings in line with the session's.
    pub(super) fn apply(&self, session: &Session) {
        let settings = self.settings();
        let path = settings.search_path(&self.user);
        session.set_path(path.clone());
        let context = session.context();
        let state = context.state_ref();
        let mut state = state.write();
        let catalog = state.catalog_list().catalog(crate::DEFAULT_CATALOG);
        let exists = |name: &String| catalog.as_ref().is_some_and(|catalog| catalog.schema(name).is_some());
        // What the planner takes for granted is where tables are shared; those of the user get their schema written out.
        let (own, others): (Vec<_>, Vec<_>) = path.into_iter().partition(|name| *name == self.user);
        let schema = others.into_iter().chain(own).find(exists);
        let options = state.config_mut().options_mut();
        options.catalog.default_schema = schema.unwrap_or_else(|| crate::DEFAULT_SCHEMA.to_owned());
        options.execution.time_zone = settings.get("TimeZone").map(str::to_owned);
    }
}
