//! The views of the state store, as tables among the others: beneath what a session makes itself, and beneath the
//! tables.
//!
//! A view is planned when it is looked up, in the session that asks. Its text names every table in full, so it means
//! the same to all.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, SchemaProvider, TableProvider};
use datafusion::common::Result;
use datafusion::datasource::{TableType, ViewTable};
use datafusion::execution::SessionState;
use datafusion::prelude::SessionContext;
use tokio::task_local;

use super::parse;
use crate::catalog;
use crate::state::{StateStore, View};
use crate::{DEFAULT_CATALOG, Error, ErrorKind};

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

/// Plans views.
#[derive(Clone)]
struct Planner {
    views: Arc<StateStore>,
    /// The session's state, as long as the session lives.
    session: Arc<dyn Fn() -> Option<SessionState> + Send + Sync>,
}

impl fmt::Debug for Planner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Planner")
            .field("views", &self.views)
            .finish_non_exhaustive()
    }
}

/// Lets a session see the views.
pub(super) fn show(context: &SessionContext, beneath: Arc<dyn CatalogProvider>, views: &Arc<StateStore>) {
    let session = context.state_weak_ref();
    let planner = Planner {
        views: Arc::clone(views),
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
    catalog::is_own(beneath(schema), table)
}

impl Planner {
    async fn plan(&self, name: &str, view: View) -> Result<Arc<dyn TableProvider>> {
        let around = AROUND.try_with(|around| *around).unwrap_or(0);
        if around >= DEPTH {
            let message = format!("view {name} lies within {DEPTH} others, or within itself");
            return Err(Error::new(ErrorKind::LimitExceeded, message).into());
        }
        let Some(state) = (self.session)() else {
            return Err(Error::new(ErrorKind::Internal, "the session has ended").into());
        };
        let depth = state.config().options().sql_parser.recursion_limit.get();
        let fault = |error: Error| Error::new(error.kind, format!("view {name}: {}", error.message));
        let statement = match parse::parse(&view.query, depth).map_err(fault)?.pop() {
            Some(statement) => statement.ast().clone(),
            None => return Err(fault(Error::new(ErrorKind::Internal, "its text is empty")).into()),
        };
        // Each view that this one reads is looked up, and so planned, within this call.
        let plan = AROUND.scope(around + 1, Box::pin(state.statement_to_plan(statement)));
        let plan = plan.await.map_err(|error| fault(error.into()))?;
        Ok(Arc::new(ViewTable::new(plan, Some(view.query))))
    }
}

impl CatalogProvider for WithViews {
    fn schema_names(&self) -> Vec<String> {
        let mut names = self.beneath.schema_names();
        names.extend(self.planner.views.schemas());
        names.sort_unstable();
        names.dedup();
        names
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        let beneath = self.beneath.schema(name);
        if beneath.is_none() && !self.planner.views.schemas().iter().any(|schema| schema == name) {
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
        self.planner.views.view(&self.name, name)
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
        names.extend(self.planner.views.schema(&self.name).views.keys().cloned());
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
            Some(view) => self
                .planner
                .plan(&format!("{}.{name}", self.name), view)
                .await
                .map(Some),
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
