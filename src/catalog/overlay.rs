//! One session's view of the catalogue: the shared tables, and over them its own views and tables.
//!
//! What a session creates lives and ends with it. Shared tables can be neither replaced nor dropped.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{
    CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider, TableProvider,
};
use datafusion::common::Result;

use super::{SharedTables, Tables};
use crate::{Error, ErrorKind};

/// The catalogue of one session.
#[derive(Debug)]
pub(crate) struct SessionCatalog {
    shared: Arc<SharedTables>,
    /// Schemas that the session has touched or made.
    own: MemoryCatalogProvider,
}

impl SessionCatalog {
    pub(crate) fn new(shared: Arc<SharedTables>) -> Self {
        Self {
            shared,
            own: MemoryCatalogProvider::new(),
        }
    }
}

impl CatalogProvider for SessionCatalog {
    fn schema_names(&self) -> Vec<String> {
        let mut names = self.own.schema_names();
        names.extend(self.shared.schemas.keys().cloned());
        names.sort_unstable();
        names.dedup();
        names
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        if let Some(schema) = self.own.schema(name) {
            return Some(schema);
        }
        let shared = Arc::clone(self.shared.schemas.get(name)?);
        let schema: Arc<dyn SchemaProvider> = Arc::new(SessionSchema {
            shared,
            own: MemorySchemaProvider::new(),
        });
        self.own.register_schema(name, Arc::clone(&schema)).ok()?;
        Some(schema)
    }

    fn register_schema(&self, name: &str, schema: Arc<dyn SchemaProvider>) -> Result<Option<Arc<dyn SchemaProvider>>> {
        if self.shared.schemas.contains_key(name) {
            return Err(shared_object("schema", name).into());
        }
        self.own.register_schema(name, schema)
    }

    fn deregister_schema(&self, name: &str, cascade: bool) -> Result<Option<Arc<dyn SchemaProvider>>> {
        if self.shared.schemas.contains_key(name) {
            return Err(shared_object("schema", name).into());
        }
        self.own.deregister_schema(name, cascade)
    }
}

/// One schema as one session sees it.
#[derive(Debug)]
struct SessionSchema {
    shared: Arc<Tables>,
    own: MemorySchemaProvider,
}

#[async_trait]
impl SchemaProvider for SessionSchema {
    fn table_names(&self) -> Vec<String> {
        let mut names = self.own.table_names();
        names.extend(self.shared.keys().cloned());
        names.sort_unstable();
        names
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        match self.shared.get(name) {
            Some(table) => Ok(Some(Arc::clone(table))),
            None => self.own.table(name).await,
        }
    }

    fn register_table(&self, name: String, table: Arc<dyn TableProvider>) -> Result<Option<Arc<dyn TableProvider>>> {
        if self.shared.contains_key(&name) {
            return Err(shared_object("relation", &name).into());
        }
        self.own.register_table(name, table)
    }

    fn deregister_table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if self.shared.contains_key(name) {
            return Err(shared_object("relation", name).into());
        }
        self.own.deregister_table(name)
    }

    fn table_exist(&self, name: &str) -> bool {
        self.shared.contains_key(name) || self.own.table_exist(name)
    }
}

/// Whether a table of that name lies under a root.
pub(crate) fn is_shared(schema: &dyn SchemaProvider, table: &str) -> bool {
    schema
        .downcast_ref::<SessionSchema>()
        .is_some_and(|schema| schema.shared.contains_key(table))
}

/// The error for a change to what all sessions share.
pub(crate) fn shared_object(what: &str, name: &str) -> Error {
    let message = format!("{what} \"{name}\" lies under a catalogue root and cannot be changed");
    Error::new(ErrorKind::ReadOnly, message).with_hint("Choose another name for a table or view of your own.")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use datafusion::arrow::datatypes::Schema;
    use datafusion::datasource::empty::EmptyTable;

    use super::*;

    fn table() -> Arc<dyn TableProvider> {
        Arc::new(EmptyTable::new(Arc::new(Schema::empty())))
    }

    fn shared() -> Arc<SharedTables> {
        let public = BTreeMap::from([("stars".to_owned(), table())]);
        Arc::new(SharedTables::new(BTreeMap::from([("public".to_owned(), public)])))
    }

    #[tokio::test]
    async fn a_session_sees_its_own_tables_and_no_other_session_does() {
        let shared = shared();
        let (one, two) = (SessionCatalog::new(Arc::clone(&shared)), SessionCatalog::new(shared));
        one.schema("public")
            .unwrap()
            .register_table("mine".to_owned(), table())
            .unwrap();
        assert_eq!(one.schema("public").unwrap().table_names(), ["mine", "stars"]);
        assert_eq!(two.schema("public").unwrap().table_names(), ["stars"]);
        assert!(one.schema("public").unwrap().table("mine").await.unwrap().is_some());
        assert!(
            one.schema("public")
                .unwrap()
                .deregister_table("mine")
                .unwrap()
                .is_some()
        );
        assert_eq!(one.schema("public").unwrap().table_names(), ["stars"]);
    }

    #[test]
    fn shared_tables_cannot_be_touched() {
        let catalog = SessionCatalog::new(shared());
        let schema = catalog.schema("public").unwrap();
        assert_eq!(
            Error::from(schema.deregister_table("stars").unwrap_err()).sqlstate(),
            "25006"
        );
        assert_eq!(
            Error::from(schema.register_table("stars".to_owned(), table()).unwrap_err()).sqlstate(),
            "25006"
        );
        assert!(catalog.deregister_schema("public", true).is_err());
        assert!(catalog.schema("nowhere").is_none());
    }
}
