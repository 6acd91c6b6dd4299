//! Which table a provider is, for all that were handed out to a session: a plan holds providers, not names that stay
//! true.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use datafusion::catalog::TableProvider;

/// Entries beyond which those of providers that are gone are cleared away.
const CLEAR_AT: usize = 1024;

/// The shared tables and views that a session was given.
#[derive(Debug, Default)]
pub(crate) struct Handed {
    tables: Mutex<HashMap<usize, Given>>,
}

#[derive(Debug)]
struct Given {
    /// As long as this can be upgraded, the address is that of this provider and no other.
    provider: Weak<dyn TableProvider>,
    schema: String,
    name: String,
}

impl Handed {
    /// A table is handed out.
    pub(super) fn remember(&self, provider: &Arc<dyn TableProvider>, schema: &str, name: &str) {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if tables.len() >= CLEAR_AT {
            tables.retain(|_, given| given.provider.strong_count() > 0);
        }
        let given = Given {
            provider: Arc::downgrade(provider),
            schema: schema.to_owned(),
            name: name.to_owned(),
        };
        tables.insert(address(provider), given);
    }

    /// The schema and name of a table; `None` for what is the session's own.
    pub(crate) fn name_of(&self, provider: &Arc<dyn TableProvider>) -> Option<(String, String)> {
        let tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let given = tables.get(&address(provider))?;
        let same = given
            .provider
            .upgrade()
            .is_some_and(|known| Arc::ptr_eq(&known, provider));
        same.then(|| (given.schema.clone(), given.name.clone()))
    }
}

fn address(provider: &Arc<dyn TableProvider>) -> usize {
    Arc::as_ptr(provider).cast::<()>().addr()
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::Schema;
    use datafusion::datasource::empty::EmptyTable;

    use super::*;

    fn table() -> Arc<dyn TableProvider> {
        Arc::new(EmptyTable::new(Arc::new(Schema::empty())))
    }

    #[test]
    fn a_provider_keeps_its_name_and_no_other_gets_it() {
        let handed = Handed::default();
        let stars = table();
        handed.remember(&stars, "public", "stars");
        assert_eq!(handed.name_of(&stars), Some(("public".to_owned(), "stars".to_owned())));
        assert_eq!(handed.name_of(&table()), None);
        for _ in 0..2 * CLEAR_AT {
            handed.remember(&table(), "public", "gone");
        }
        assert!(handed.tables.lock().unwrap().len() <= CLEAR_AT);
        assert!(handed.name_of(&stars).is_some());
    }
}
