//! Names.
use sqlparser::ast::{Query, Statement};
use crate::Error;

/// The tables.
pub trait NameScope {
    /// The columns of a table.
    fn tables(&self, name: &[String]) -> Option<Vec<String>>;
    /// Tables whose name equals `name` when case is ignored.
    fn candidates(&self, name: &[String]) -> Vec<Vec<String>> { let _ = name; Vec::new() }
}

/// x
pub fn resolve_names(_statement: &mut Statement, _scope: &dyn NameScope) -> Result<(), Error> { Ok(()) }
/// x
pub fn resolve_query_names(_query: &mut Query, _scope: &dyn NameScope) -> Result<(), Error> { Ok(()) }
