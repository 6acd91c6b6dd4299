//! One session's view of the catalogue: the shared tables, and over them its own views and tables.
//!
//! What a session creates lives and ends with it. Shared tables can be neither replaced nor dropped. Those that its user
//! may not read are not there at all, in no list and by no name.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{
    CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider, TableProvider,
};
use datafusion::common::Result;

use super::{Handed, LiveCatalog};
use crate::users::Sight;
use crate::{DEFAULT_SCHEMA, Error, ErrorKind};

/// The catalogue of one session.
#[derive(Debug)]
pub(crate) struct SessionCatalog {
    shared: Arc<LiveCatalog>,
    /// What its user may read of them.
    sight: Sight,
    /// What it was given of them.
    handed: Arc<Handed>,
    /// Schemas that the session has touched or made.
    own: MemoryCatalogProvider,
}

impl SessionCatalog {
    pub(crate) fn new(shared: Arc<LiveCatalog>, sight: Sight, handed: Arc<Handed>) -> Self {
        Self {
            shared,
            sight,
            handed,
            own: MemoryCatalogProvider::new(),
        }
    }

    /// Whether the session gets to know of a schema: there is something in it that it sees, or nothing of others at all.
    fn shows(&self, schema: &str) -> bool {
        if schema == DEFAULT_SCHEMA || self.sight.sees_all() || !self.shared.has_schema(schema) {
            return true;
        }
        let tables = self.shared.table_names(schema);
        let own = || {
            self.own
                .schema(schema)
                .is_some_and(|schema| !schema.table_names().is_empty())
        };
        tables.iter().any(|table| self.sight.sees(schema, table)) || own()
    }
}

impl CatalogProvider for SessionCatalog {
    fn schema_names(&self) -> Vec<String> {
        let mut names = self.own.schema_names();
        names.extend(self.shared.schema_names());
        names.sort_unstable();
        names.dedup();
        names.retain(|name| self.shows(name));
        names
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        if !self.shows(name) {
            return None;
        }
        if let Some(schema) = self.own.schema(name) {
            return Some(schema);
        }
        if !self.shared.has_schema(name) {
            return None;
        }
        let schema: Arc<dyn SchemaProvider> = Arc::new(SessionSchema {
            name: name.to_owned(),
            shared: Arc::clone(&self.shared),
            sight: self.sight.clone(),
            handed: Arc::clone(&self.handed),
            own: MemorySchemaProvider::new(),
        });
        self.own.register_schema(name, Arc::clone(&schema)).ok()?;
        Some(schema)
    }

    fn register_schema(&self, name: &str, schema: Arc<dyn SchemaProvider>) -> Result<Option<Arc<dyn SchemaProvider>>> {
        if self.shared.has_schema(name) {
            return Err(shared_object("schema", name).into());
        }
        self.own.register_schema(name, schema)
    }

    fn deregister_schema(&self, name: &str, cascade: bool) -> Result<Option<Arc<dyn SchemaProvider>>> {
        if self.shared.has_schema(name) {
            return Err(shared_object("schema", name).into());
        }
        self.own.deregister_schema(name, cascade)
    }
}

/// One schema as one session sees it.
#[derive(Debug)]
struct SessionSchema {
    name: String,
    shared: Arc<LiveCatalog>,
    sight: Sight,
    handed: Arc<Handed>,
    own: MemorySchemaProvider,
}

impl SessionSchema {
    /// Whether there is a shared table of that name, for this session.
    fn has_shared(&self, table: &str) -> bool {
        self.shared.has_table(&self.name, table) && self.sight.sees(&self.name, table)
    }
}

#[async_trait]
impl SchemaProvider for SessionSchema {
    fn table_names(&self) -> Vec<String> {
        let mut names = self.own.table_names();
        let mut shared = self.shared.table_names(&self.name);
        shared.retain(|table| self.sight.sees(&self.name, table));
        names.extend(shared);
        names.sort_unstable();
        names
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if let Some(own) = self.own.table(name).await? {
            return Ok(Some(own));
        }
        if !self.sight.sees(&self.name, name) {
            self.shared.miss().await;
            return Ok(None);
        }
        let table = self.shared.table(&self.name, name).await?;
        if let Some(table) = &table {
            self.handed.remember(table, &self.name, name);
        }
        Ok(table)
    }

    fn register_table(&self, name: String, table: Arc<dyn TableProvider>) -> Result<Option<Arc<dyn TableProvider>>> {
        if self.has_shared(&name) {
            return Err(shared_object("relation", &name).into());
        }
        self.own.register_table(name, table)
    }

    fn deregister_table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if self.has_shared(name) {
            return Err(shared_object("relation", name).into());
        }
        self.own.deregister_table(name)
    }

    fn table_exist(&self, name: &str) -> bool {
        self.has_shared(name) || self.own.table_exist(name)
    }
}

/// Whether that name means a table under a root, and none of the session's own.
pub(crate) fn is_shared(schema: &dyn SchemaProvider, table: &str) -> bool {
    schema
        .downcast_ref::<SessionSchema>()
        .is_some_and(|schema| !schema.own.table_exist(table) && schema.has_shared(table))
}

/// Whether the session itself made a table or view of that name.
pub(crate) fn is_own(schema: &dyn SchemaProvider, table: &str) -> bool {
    match schema.downcast_ref::<SessionSchema>() {
        Some(schema) => schema.own.table_exist(table),
        // A schema that the session made.
        None => schema.table_exist(table),
    }
}

/// The error for a change to what all sessions share.
pub(crate) fn shared_object(what: &str, name: &str) -> Error {
    let message = format!("{what} \"{name}\" lies under a catalogue root and cannot be changed");
    Error::new(ErrorKind::ReadOnly, message).with_hint("Choose another name for a table or view of your own.")
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::Schema;
    use datafusion::datasource::empty::EmptyTable;
    use datafusion::execution::SessionStateBuilder;
    use object_store::memory::InMemory;
    use object_store::{ObjectStore, ObjectStoreExt, PutPayload};

    use super::*;
    use crate::catalog::Root;

    fn table() -> Arc<dyn TableProvider> {
        Arc::new(EmptyTable::new(Arc::new(Schema::empty())))
    }

    /// A root with one table, `stars`; broken, which is enough to have its name.
    async fn shared() -> Arc<LiveCatalog> {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let nothing = PutPayload::from_static(b"");
        store.put(&"stars/hats.properties".into(), nothing).await.unwrap();
        let root = Root {
            given: "memory".to_owned(),
            store,
            url: datafusion::execution::object_store::ObjectStoreUrl::parse("memory://").unwrap(),
            path: "".into(),
            local: None,
            writable: false,
        };
        Arc::new(
            LiveCatalog::open(vec![root], SessionStateBuilder::new().build())
                .await
                .unwrap(),
        )
    }

    fn seeing(shared: &Arc<LiveCatalog>) -> SessionCatalog {
        SessionCatalog::new(Arc::clone(shared), Sight::everything(), Arc::default())
    }

    #[tokio::test]
    async fn a_session_sees_its_own_tables_and_no_other_session_does() {
        let shared = shared().await;
        let (one, two) = (seeing(&shared), seeing(&shared));
        let (one, two) = (one.schema("public").unwrap(), two.schema("public").unwrap());
        one.register_table("mine".to_owned(), table()).unwrap();
        assert_eq!(one.table_names(), ["mine"]);
        assert_eq!(two.table_names(), Vec::<String>::new());
        assert!(one.table("mine").await.unwrap().is_some());
        assert!(one.deregister_table("mine").unwrap().is_some());
        assert!(one.table("mine").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn shared_tables_cannot_be_touched() {
        let catalog = seeing(&shared().await);
        let schema = catalog.schema("public").unwrap();
        let refused = Error::from(schema.deregister_table("stars").unwrap_err());
        assert_eq!(refused.sqlstate(), "25006");
        let refused = Error::from(schema.register_table("stars".to_owned(), table()).unwrap_err());
        assert_eq!(refused.sqlstate(), "25006");
        assert!(catalog.deregister_schema("public", true).is_err());
        assert!(catalog.schema("nowhere").is_none());
    }

    #[tokio::test]
    async fn a_broken_catalogue_is_not_listed_and_says_why() {
        let catalog = seeing(&shared().await);
        let schema = catalog.schema("public").unwrap();
        assert_eq!(schema.table_names(), Vec::<String>::new());
        let error = Error::from(schema.table("stars").await.unwrap_err());
        assert!(
            error.message.starts_with("the table public.stars cannot be opened: "),
            "{}",
            error.message
        );
    }
}
