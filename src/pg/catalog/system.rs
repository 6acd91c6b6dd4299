//! The schemas of the catalogue for the engine: views planned when first asked for, once for all sessions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_trait::async_trait;
use datafusion::catalog::information_schema::{INFORMATION_SCHEMA_TABLES, InformationSchemaProvider};
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider,
    SchemaProvider, TableProvider,
};
use datafusion::common::{Result, plan_err};
use datafusion::datasource::ViewTable;
use datafusion::datasource::empty::EmptyTable;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::DFParserBuilder;

use super::super::{compat, functions};
use super::names::Which;
use super::source::{SOURCES, SourceTable};
use crate::{DEFAULT_CATALOG, Database, Error};

/// The schema of the sources, which only views can name.
const SOURCES_SCHEMA: &str = "source";

/// Views that were planned, by schema and name.
type Planned = HashMap<(&'static str, String), Arc<dyn TableProvider>>;

/// The catalogue relations, shared by all sessions of a server.
pub(in crate::pg) struct System {
    /// The state that views are planned with: no tables but the sources.
    template: SessionState,
    sources: Arc<dyn SchemaProvider>,
    planned: Mutex<Planned>,
    /// For the schemas that are handed out, which must not keep this alive from within it.
    this: Weak<Self>,
}

impl System {
    pub(in crate::pg) fn new(_database: &Database) -> Result<Arc<Self>, Error> {
        let config = SessionConfig::new()
            .with_default_catalog_and_schema(DEFAULT_CATALOG, Which::PgCatalog.name())
            .with_create_default_catalog_and_schema(false)
            .with_information_schema(false);
        let mut template = SessionStateBuilder::new()
            .with_config(config)
            .with_default_features()
            .build();
        for function in functions::typing() {
            datafusion::execution::FunctionRegistry::register_udf(&mut template, Arc::new(function))?;
        }
        let sources = MemorySchemaProvider::new();
        for source in SOURCES {
            sources.register_table(source.name.to_owned(), Arc::new(SourceTable::new(source)))?;
        }
        let sources = Arc::new(sources);
        Ok(Arc::new_cyclic(|this| Self {
            template,
            sources,
            planned: Mutex::default(),
            this: this.clone(),
        }))
    }

    /// Puts the catalogue schemas into a session.
    pub(in crate::pg) fn register(&self, context: &SessionContext) -> Result<(), Error> {
        let state = context.state();
        let Some(catalog) = state.catalog_list().catalog(DEFAULT_CATALOG) else {
            return Ok(());
        };
        let session = Arc::downgrade(state.catalog_list());
        for which in [Which::PgCatalog, Which::InformationSchema] {
            let schema = SystemSchema {
                system: self.this.clone(),
                which,
                session: Some(session.clone()),
            };
            catalog.register_schema(which.name(), Arc::new(schema))?;
        }
        Ok(())
    }

    /// A relation of the catalogue.
    pub(super) async fn relation(&self, which: Which, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let key = (which.name(), name.to_owned());
        let known = self
            .planned
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
            .cloned();
        if known.is_some() {
            return Ok(known);
        }
        let table: Arc<dyn TableProvider> = match (which.view(name), which.empty(name)) {
            (Some(text), _) => Arc::new(self.plan(text).await.map_err(|e| e.context(format!("view {name}")))?),
            (None, Some(schema)) => Arc::new(EmptyTable::new(schema)),
            (None, None) => return Ok(None),
        };
        self.planned
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key, Arc::clone(&table));
        Ok(Some(table))
    }

    /// Plans the query of a view.
    async fn plan(&self, text: &str) -> Result<ViewTable> {
        let mut statements = DFParserBuilder::new(text)
            .with_dialect(dreyer_adql::dialect())
            .build()?
            .parse_statements()?;
        let (Some(mut ast), true) = (statements.pop_front(), statements.is_empty()) else {
            return plan_err!("a view is one query");
        };
        compat::rewrite(&mut ast, &[])?;
        let state = SessionStateBuilder::new_from_existing(self.template.clone())
            .with_catalog_list(self.catalogs()?)
            .build();
        let plan = compat::decorrelate(state.statement_to_plan(ast).await?)?;
        Ok(ViewTable::new(plan, Some(text.trim().to_owned())))
    }

    fn catalogs(&self) -> Result<Arc<dyn CatalogProviderList>> {
        let catalog = MemoryCatalogProvider::new();
        catalog.register_schema(SOURCES_SCHEMA, Arc::clone(&self.sources))?;
        for which in [Which::PgCatalog, Which::InformationSchema] {
            let schema = SystemSchema {
                system: self.this.clone(),
                which,
                session: None,
            };
            catalog.register_schema(which.name(), Arc::new(schema))?;
        }
        let catalogs = MemoryCatalogProviderList::new();
        catalogs.register_catalog(DEFAULT_CATALOG.to_owned(), Arc::new(catalog));
        Ok(Arc::new(catalogs))
    }
}

impl std::fmt::Debug for System {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("System").finish_non_exhaustive()
    }
}

/// One of the catalogue's schemas in a session.
#[derive(Debug)]
struct SystemSchema {
    system: Weak<System>,
    which: Which,
    /// The session's own catalogue, for the engine's SHOW statements, which select from relations of its own.
    session: Option<Weak<dyn CatalogProviderList>>,
}

impl SystemSchema {
    /// A relation of the engine's information_schema that PostgreSQL does not have.
    async fn engines(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let engine = self.which == Which::InformationSchema && INFORMATION_SCHEMA_TABLES.contains(&name);
        let session = self.session.as_ref().filter(|_| engine).and_then(Weak::upgrade);
        match session {
            Some(session) => InformationSchemaProvider::new(session).table(name).await,
            None => Ok(None),
        }
    }
}

#[async_trait]
impl SchemaProvider for SystemSchema {
    fn table_names(&self) -> Vec<String> {
        self.which.relations().into_iter().map(str::to_owned).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let Some(system) = self.system.upgrade() else {
            return Ok(None);
        };
        match system.relation(self.which, name).await? {
            Some(table) => Ok(Some(table)),
            None => self.engines(name).await,
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        self.which.relations().contains(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_view_can_be_planned() {
        let database = Database::open(crate::Config::default()).await.unwrap();
        let system = System::new(&database).unwrap();
        for which in [Which::PgCatalog, Which::InformationSchema] {
            for name in which.relations() {
                let table = system
                    .relation(which, name)
                    .await
                    .unwrap_or_else(|error| panic!("{name}: {error}"));
                assert!(!table.unwrap().schema().fields().is_empty(), "{name}");
            }
        }
    }
}
