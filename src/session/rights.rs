//! Whether a plan reads only what its user may. The scans of the plan are looked at, wherever they stand: in a subquery, in
//! what EXPLAIN explains, in what a statement writes.
//!
//! Names of tables that a user does not see mean nothing in the first place: the catalogue of the session lacks them. This
//! is for what was planned before a right was taken away: prepared statements, and views of the session's own.
//!
//! A view that lasts reads with the rights of its owner, as in PostgreSQL. Its part of a plan lies under an alias that SQL
//! cannot write ([`mark`]); above it the reader's rights count, and for the view itself.

use std::sync::Arc;

use datafusion::common::TableReference;
use datafusion::common::tree_node::{TreeNodeRecursion, TreeNodeVisitor};
use datafusion::datasource::source_as_provider;
use datafusion::error::Result as EngineResult;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};

use crate::catalog::Handed;
use crate::users::Sight;
use crate::{Error, ErrorKind, Result};

/// What the catalogue part of a mark begins with; the owner's name follows.
const MARK: &str = "definer:";

/// What a user sees, by name.
pub(super) type Owners = Arc<dyn Fn(&str) -> Sight + Send + Sync>;

/// The plan of a view, under the sign that what is below it is read with its owner's rights.
pub(super) fn mark(plan: LogicalPlan, owner: &str, schema: &str, view: &str) -> EngineResult<LogicalPlan> {
    let sign = TableReference::full(format!("{MARK}{owner}"), schema, view);
    LogicalPlanBuilder::from(plan).alias(sign)?.build()
}

/// The owner, schema and name of the view that an alias is the mark of.
fn marked(alias: &TableReference) -> Option<(&str, &str, &str)> {
    match alias {
        TableReference::Full { catalog, schema, table } => Some((catalog.strip_prefix(MARK)?, schema, table)),
        _ => None,
    }
}

/// Checks that `sight` covers all scans of a plan.
///
/// # Errors
/// The same as for a table that is not there (42P01); 42501 where EXPLAIN would show what a view reads.
pub(super) fn check(plan: &LogicalPlan, sight: &Sight, handed: &Handed, owners: &Owners) -> Result<()> {
    if sight.sees_all() {
        return Ok(());
    }
    let mut scans = Scans {
        handed,
        owners,
        rights: vec![sight.clone()],
        shown: false,
    };
    plan.visit_with_subqueries(&mut scans)?;
    Ok(())
}

/// Whether a plan reads nothing that `sight` does not cover, whatever the views in it may read.
pub(super) fn covers(plan: &LogicalPlan, sight: &Sight, handed: &Handed, owners: &Owners) -> bool {
    let mut scans = Scans {
        handed,
        owners,
        rights: vec![sight.clone()],
        shown: true,
    };
    plan.visit_with_subqueries(&mut scans).is_ok()
}

struct Scans<'a> {
    handed: &'a Handed,
    owners: &'a Owners,
    /// Whose rights count here, the innermost last; the first are the reader's.
    rights: Vec<Sight>,
    /// Whether the reader gets to see the plan itself.
    shown: bool,
}

impl Scans<'_> {
    fn check(&self, schema: &str, name: &str, own: bool) -> Result<()> {
        let sees = self.rights.last().is_some_and(|sight| sight.sees(schema, name));
        match (sees, own) {
            (true, _) => {}
            (false, true) => {
                let shown = if schema == crate::DEFAULT_SCHEMA {
                    name.to_owned()
                } else {
                    format!("{schema}.{name}")
                };
                let message = format!("relation \"{shown}\" does not exist");
                return Err(Error::new(ErrorKind::UndefinedTable, message));
            }
            (false, false) => return Err(Error::new(ErrorKind::Denied, "permission denied for what a view reads")),
        }
        let told = self.rights.first().is_some_and(|sight| sight.sees(schema, name));
        if self.shown && !told {
            let message = "permission denied to explain what a view reads";
            return Err(Error::new(ErrorKind::Denied, message)
                .with_hint("The view reads with the rights of its owner; its plan would show more than its rows."));
        }
        Ok(())
    }
}

impl<'n> TreeNodeVisitor<'n> for Scans<'_> {
    type Node = LogicalPlan;

    fn f_down(&mut self, node: &'n LogicalPlan) -> EngineResult<TreeNodeRecursion> {
        match node {
            LogicalPlan::Explain(_) | LogicalPlan::Analyze(_) => self.shown = true,
            LogicalPlan::SubqueryAlias(alias) => {
                if let Some((owner, schema, view)) = marked(&alias.alias) {
                    self.check(schema, view, self.rights.len() == 1)?;
                    self.rights.push((self.owners)(owner));
                }
            }
            LogicalPlan::TableScan(scan) => {
                // What cannot be looked at holds no rows of ours.
                if let Ok(provider) = source_as_provider(&scan.source)
                    && let Some((schema, name)) = self.handed.name_of(&provider)
                {
                    self.check(&schema, &name, self.rights.len() == 1)?;
                }
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn f_up(&mut self, node: &'n LogicalPlan) -> EngineResult<TreeNodeRecursion> {
        if let LogicalPlan::SubqueryAlias(alias) = node
            && marked(&alias.alias).is_some()
        {
            self.rights.pop();
        }
        Ok(TreeNodeRecursion::Continue)
    }
}
