//! The views of the state store, as tables among the others: beneath what a session makes itself, and beneath the
//! tables.
//!
//! A view is planned when it is looked up, in the session that asks. Its text names every table in full, so it means
//! the same to all. It reads with the rights of whoever made it, as in PostgreSQL: who may read the view need not see its
//! tables.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProviderList, SchemaProvider, TableProvider,
};
use datafusion::common::Result;
use datafusion::datasource::{TableType, ViewTable};
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use tokio::task_local;

use super::parse;
use super::rights::{self, Owners};
use crate::catalog::{self, Handed, LiveCatalog, SessionCatalog};
use crate::state::{StateStore, View};
use crate::users::Sight;
use crate::{DEFAULT_CATALOG, Error, ErrorKind};

/// Schemas that are the same for everybody.
const SYSTEM_SCHEMAS: [&str; 2] = ["pg_catalog", "information_schema"];

/// Most views within views.
const DEPTH: usize = 32;

task_local! {
    /// How many views lie around the one that is being planned.
    static AROUND: usize;
}

/// A catalogue with the views over it.
#[derive(Debug)]
struct WithViews {
    beneath: Arc<dyn CatalogProvider>,
    planner: Planner,
}

/// One schema of it.
#[derive(Debug)]
struct SchemaWithViews {
    name: String,
    /// None for a schema in which there is nothing but views.
    beneath: Option<Arc<dyn SchemaProvider>>,
    planner: Planner,
}

/// Where views and what they read come from.
#[derive(Clone)]
pub(super) struct Origin {
    pub(super) tables: Arc<LiveCatalog>,
    pub(super) views: Arc<StateStore>,
    pub(super) handed: Arc<Handed>,
    pub(super) owners: Owners,
}

/// Plans views.
#[derive(Clone)]
struct Planner {
    origin: Origin,
    /// What the user sees for whom they are planned.
    sight: Sight,
    /// The session's state, as long as the session lives.
    session: Arc<dyn Fn() -> Option<SessionState> + Send + Sync>,
}

impl fmt::Debug for Planner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Planner")
            .field("views", &self.origin.views)
            .field("sight", &self.sight)
            .finish_non_exhaustive()
    }
}

/// Lets a session see the views.
pub(super) fn show(context: &SessionContext, beneath: Arc<dyn CatalogProvider>, origin: Origin, sight: &Sight) {
    let session = context.state_weak_ref();
    let planner = Planner {
        origin,
        sight: sight.clone(),
        session: Arc::new(move || session.upgrade().map(|state| state.read().clone())),
    };
    context.register_catalog(DEFAULT_CATALOG, Arc::new(WithViews { beneath, planner }));
}

/// The schema without the views.
fn beneath(schema: &dyn SchemaProvider) -> &dyn SchemaProvider {
    match schema.downcast_ref::<SchemaWithViews>() {
        Some(SchemaWithViews {
            beneath: Some(beneath), ..
        }) => beneath.as_ref(),
        _ => schema,
    }
}

/// Whether that name means a table under a root, and none of the session's own.
pub(super) fn is_shared(schema: &dyn SchemaProvider, table: &str) -> bool {
    catalog::is_shared(beneath(schema), table)
}

/// Whether the session itself made a table or view of that name.
pub(super) fn is_own(schema: &dyn SchemaProvider, table: &str) -> bool {
    match schema.downcast_ref::<SchemaWithViews>() {
        // Nothing but views that last.
        Some(SchemaWithViews { beneath: None, .. }) => false,
        _ => catalog::is_own(beneath(schema), table),
    }
}

impl Planner {
    /// A view of the state, planned for the user who asks.
    async fn open(&self, schema: &str, name: &str, view: View) -> Result<Arc<dyn TableProvider>> {
        let full = format!("{schema}.{name}");
        let table = if self.sight.sees_all() {
            let Some(state) = (self.session)() else {
                return Err(Error::new(ErrorKind::Internal, "the session has ended").into());
            };
            let plan = Self::plan(&state, &full, &view).await?;
            ViewTable::new(plan, Some(view.query))
        } else {
            self.open_for_owner(schema, name, view).await.map_err(|error| {
                tracing::info!(view = full, %error, "a view cannot be read with the rights of its owner");
                // What it is that the owner lacks is no business of the reader.
                let message = format!("permission denied for what view {full} reads");
                Error::new(ErrorKind::Denied, message).with_hint("It reads with the rights of its owner.")
            })?
        };
        Ok(Arc::new(table))
    }

    /// The same with the rights of its owner, and a sign in the plan that says so.
    async fn open_for_owner(&self, schema: &str, name: &str, view: View) -> Result<ViewTable> {
        let (state, _catalogs) = self.state_of(&view.owner)?;
        let plan = Self::plan(&state, &format!("{schema}.{name}"), &view).await?;
        let Origin { handed, owners, .. } = &self.origin;
        // The text names what the view reads: for those who see that too.
        let text = rights::covers(&plan, &self.sight, handed, owners).then_some(view.query);
        Ok(ViewTable::new(rights::mark(plan, &view.owner, schema, name)?, text))
    }

    /// The session's state over the catalogue as another user sees it. It lasts as long as what is returned beside it.
    fn state_of(&self, owner: &str) -> Result<(SessionState, Arc<dyn CatalogProviderList>)> {
        let Some(state) = (self.session)() else {
            return Err(Error::new(ErrorKind::Internal, "the session has ended").into());
        };
        let sight = (self.origin.owners)(owner);
        let (tables, handed) = (Arc::clone(&self.origin.tables), Arc::clone(&self.origin.handed));
        let beneath: Arc<dyn CatalogProvider> = Arc::new(SessionCatalog::new(tables, sight.clone(), handed));
        if let Some(own) = state.catalog_list().catalog(DEFAULT_CATALOG) {
            for name in SYSTEM_SCHEMAS {
                if let Some(schema) = own.schema(name) {
                    beneath.register_schema(name, schema)?;
                }
            }
        }
        let catalogs: Arc<dyn CatalogProviderList> = Arc::new(MemoryCatalogProviderList::new());
        let build = |catalogs: Arc<dyn CatalogProviderList>, state: SessionState| {
            SessionStateBuilder::new_from_existing(state)
                .with_catalog_list(catalogs)
                .build()
        };
        // The views within are planned over the same catalogue, which must not hold itself.
        let (session, within) = (Arc::clone(&self.session), Arc::downgrade(&catalogs));
        let planner = Self {
            origin: self.origin.clone(),
            sight,
            session: Arc::new(move || Some(build(within.upgrade()?, session()?))),
        };
        catalogs.register_catalog(DEFAULT_CATALOG.to_owned(), Arc::new(WithViews { beneath, planner }));
        Ok((build(Arc::clone(&catalogs), state), catalogs))
    }

    async fn plan(state: &SessionState, name: &str, view: &View) -> Result<LogicalPlan> {
        let around = AROUND.try_with(|around| *around).unwrap_or(0);
        if around >= DEPTH {
            let message = format!("view {name} lies within {DEPTH} others, or within itself");
            return Err(Error::new(ErrorKind::LimitExceeded, message).into());
        }
        let depth = state.config().options().sql_parser.recursion_limit.get();
        let fault = |error: Error| Error::new(error.kind, format!("view {name}: {}", error.message));
        let statement = match parse::parse(&view.query, depth).map_err(fault)?.pop() {
            Some(statement) => statement.ast().clone(),
            None => return Err(fault(Error::new(ErrorKind::Internal, "its text is empty")).into()),
        };
        // Each view that this one reads is looked up, and so planned, within this call.
        let plan = AROUND.scope(around + 1, Box::pin(state.statement_to_plan(statement)));
        plan.await.map_err(|error| fault(error.into()).into())
    }

    /// The view of that name, if the user sees it.
    fn view(&self, schema: &str, name: &str) -> Option<View> {
        self.origin
            .views
            .view(schema, name)
            .filter(|_| self.sight.sees(schema, name))
    }

    /// Names of the views of a schema that the user sees.
    fn views(&self, schema: &str) -> Vec<String> {
        let state = self.origin.views.schema(schema);
        state
            .views
            .keys()
            .filter(|name| self.sight.sees(schema, name))
            .cloned()
            .collect()
    }

    /// Schemas in which there is something kept that the user may know of.
    fn schemas(&self) -> Vec<String> {
        let mut names = self.origin.views.schemas();
        if !self.sight.sees_all() {
            names.retain(|schema| !self.views(schema).is_empty());
        }
        names
    }
}

impl CatalogProvider for WithViews {
    fn schema_names(&self) -> Vec<String> {
        let mut names = self.beneath.schema_names();
        names.extend(self.planner.schemas());
        names.sort_unstable();
        names.dedup();
        names
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        let beneath = self.beneath.schema(name);
        if beneath.is_none() && !self.planner.schemas().iter().any(|schema| schema == name) {
            return None;
        }
        Some(Arc::new(SchemaWithViews {
            name: name.to_owned(),
            beneath,
            planner: self.planner.clone(),
        }))
    }

    fn register_schema(&self, name: &str, schema: Arc<dyn SchemaProvider>) -> Result<Option<Arc<dyn SchemaProvider>>> {
        self.beneath.register_schema(name, schema)
    }

    fn deregister_schema(&self, name: &str, cascade: bool) -> Result<Option<Arc<dyn SchemaProvider>>> {
        self.beneath.deregister_schema(name, cascade)
    }
}

impl SchemaWithViews {
    fn beneath(&self) -> Result<&Arc<dyn SchemaProvider>> {
        self.beneath.as_ref().ok_or_else(|| {
            let message = format!("schema {} has views only", self.name);
            Error::new(ErrorKind::UndefinedSchema, message).into()
        })
    }

    fn view(&self, name: &str) -> Option<View> {
        self.planner.view(&self.name, name)
    }

    fn has_beneath(&self, name: &str) -> bool {
        self.beneath.as_ref().is_some_and(|beneath| beneath.table_exist(name))
    }
}

#[async_trait]
impl SchemaProvider for SchemaWithViews {
    fn table_names(&self) -> Vec<String> {
        let mut names = self
            .beneath
            .as_ref()
            .map(|beneath| beneath.table_names())
            .unwrap_or_default();
        names.extend(self.planner.views(&self.name));
        names.sort_unstable();
        names.dedup();
        names
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if self.has_beneath(name) || self.view(name).is_none() {
            return match &self.beneath {
                Some(beneath) => beneath.table(name).await,
                None => Ok(None),
            };
        }
        match self.view(name) {
            Some(view) => self.planner.open(&self.name, name, view).await.map(Some),
            None => Ok(None),
        }
    }

    async fn table_type(&self, name: &str) -> Result<Option<TableType>> {
        match (self.has_beneath(name), self.view(name), &self.beneath) {
            (false, Some(_), _) => Ok(Some(TableType::View)),
            (_, _, Some(beneath)) => beneath.table_type(name).await,
            (_, _, None) => Ok(None),
        }
    }

    fn register_table(&self, name: String, table: Arc<dyn TableProvider>) -> Result<Option<Arc<dyn TableProvider>>> {
        self.beneath()?.register_table(name, table)
    }

    fn deregister_table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        self.beneath()?.deregister_table(name)
    }

    fn table_exist(&self, name: &str) -> bool {
        self.has_beneath(name) || self.view(name).is_some()
    }
}
