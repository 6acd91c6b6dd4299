//! Which statements may run. A server reads; nothing a client says makes it write, open a location or change what
//! other sessions see.
//!
//! The plan is checked, not the text: a write hidden in `EXPLAIN ANALYZE` or `PREPARE` is still a write.

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::listing::ListingTableUrl;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{DdlStatement, LogicalPlan, Statement};

use super::outcome;
use super::views::is_shared;
use crate::catalog::shared_object;
use crate::storage::ClosedRegistry;
use crate::{Error, ErrorKind, Result};

/// What a setting may be set to on a server.
enum Bound {
    Any,
    /// A whole number from 1 to this.
    UpTo(usize),
}

/// Settings that a client of a server may change, by full name or by prefix.
const SETTINGS: &[(&str, Bound)] = &[
    ("dreyer.", Bound::Any),
    ("datafusion.execution.batch_size", Bound::UpTo(65_536)),
    ("datafusion.execution.target_partitions", Bound::UpTo(1024)),
    ("datafusion.execution.time_zone", Bound::Any),
    ("datafusion.explain.", Bound::Any),
];

/// Checks a plan for a session that only reads.
///
/// `own` says that the statement makes or drops a view that this session alone sees.
pub(super) fn check_read_only(plan: &LogicalPlan, own: bool) -> Result<()> {
    let mut refused = None;
    let top: *const LogicalPlan = plan;
    plan.apply_with_subqueries(|node| {
        refused = if own && std::ptr::eq(node, top) && is_of_session(node) {
            None
        } else {
            check_node(node).err()
        };
        Ok(if refused.is_some() {
            TreeNodeRecursion::Stop
        } else {
            TreeNodeRecursion::Continue
        })
    })?;
    refused.map_or(Ok(()), Err)
}

/// Whether the engine does it within the session: nothing of it reaches a store.
fn is_of_session(node: &LogicalPlan) -> bool {
    match node {
        LogicalPlan::Ddl(ddl) => matches!(ddl, DdlStatement::CreateView(_) | DdlStatement::DropView(_)),
        _ => false,
    }
}

fn check_node(node: &LogicalPlan) -> Result<()> {
    match node {
        LogicalPlan::Ddl(ddl) => Err(refused(outcome::ddl_tag(ddl))),
        LogicalPlan::Dml(dml) => Err(refused(outcome::write_tag(&dml.op))),
        LogicalPlan::Copy(_) => Err(refused("COPY")),
        LogicalPlan::Statement(Statement::SetVariable(set)) => check_setting(&set.variable, Some(&set.value)),
        LogicalPlan::Statement(Statement::ResetVariable(reset)) => check_setting(&reset.variable, None),
        LogicalPlan::Statement(
            Statement::TransactionStart(_)
            | Statement::TransactionEnd(_)
            | Statement::Prepare(_)
            | Statement::Execute(_)
            | Statement::Deallocate(_),
        ) => Ok(()),
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Window(_)
        | LogicalPlan::Aggregate(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Join(_)
        | LogicalPlan::Repartition(_)
        | LogicalPlan::Union(_)
        | LogicalPlan::TableScan(_)
        | LogicalPlan::EmptyRelation(_)
        | LogicalPlan::Subquery(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Values(_)
        | LogicalPlan::Explain(_)
        | LogicalPlan::Analyze(_)
        | LogicalPlan::Extension(_)
        | LogicalPlan::Distinct(_)
        | LogicalPlan::DescribeTable(_)
        | LogicalPlan::Unnest(_)
        | LogicalPlan::RecursiveQuery(_) => Ok(()),
    }
}

/// Checks that a plan drops nothing that all sessions share. The engine would say that there is no such table.
pub(super) fn check_shared(plan: &LogicalPlan, state: &SessionState) -> Result<()> {
    let name = match plan {
        LogicalPlan::Ddl(DdlStatement::DropTable(drop)) => &drop.name,
        LogicalPlan::Ddl(DdlStatement::DropView(drop)) => &drop.name,
        _ => return Ok(()),
    };
    match state.schema_for_ref(name.clone()) {
        Ok(schema) if is_shared(schema.as_ref(), name.table()) => Err(shared_object("relation", name.table())),
        _ => Ok(()),
    }
}

/// Checks that places named in a statement may be reached.
pub(super) fn check_places(plan: &LogicalPlan, stores: &ClosedRegistry) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        let (locations, write) = match node {
            LogicalPlan::Copy(copy) => (std::slice::from_ref(&copy.output_url), true),
            LogicalPlan::Ddl(DdlStatement::CreateExternalTable(create)) => (create.locations.as_slice(), false),
            _ => return Ok(TreeNodeRecursion::Continue),
        };
        for location in locations {
            let url = ListingTableUrl::parse(location)?;
            stores.permits(&url.object_store(), url.prefix(), write)?;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

/// The error for a statement that writes where nothing can be written.
pub(super) fn refused(statement: &str) -> Error {
    Error::new(
        ErrorKind::ReadOnly,
        format!("cannot execute {statement} on a server that only reads"),
    )
    .with_hint("`dreyer sql` on your own machine allows it; so does a server that was given a --writable root.")
}

fn check_setting(name: &str, value: Option<&str>) -> Result<()> {
    let Some((_, bound)) = SETTINGS.iter().find(|(allowed, _)| matches(name, allowed)) else {
        let allowed: Vec<_> = SETTINGS.iter().map(|(name, _)| name.trim_end_matches('.')).collect();
        return Err(Error::new(
            ErrorKind::ReadOnly,
            format!("parameter \"{name}\" cannot be changed here"),
        )
        .with_hint(format!("A session may set {}.", allowed.join(", "))));
    };
    match (bound, value) {
        (Bound::UpTo(most), Some(value)) if !value.parse().is_ok_and(|number| (1..=*most).contains(&number)) => {
            Err(Error::new(
                ErrorKind::InvalidParameter,
                format!("{name} must lie in [1, {most}], got {value}"),
            ))
        }
        _ => Ok(()),
    }
}

fn matches(name: &str, allowed: &str) -> bool {
    if allowed.ends_with('.') {
        name.starts_with(allowed)
    } else {
        name == allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_the_session_pass_and_those_of_the_process_do_not() {
        assert!(check_setting("dreyer.dialect", Some("adql")).is_ok());
        assert!(check_setting("datafusion.execution.batch_size", Some("8192")).is_ok());
        assert!(check_setting("datafusion.execution.batch_size", None).is_ok());
        for value in ["0", "-1", "65537", "many"] {
            let error = check_setting("datafusion.execution.batch_size", Some(value)).unwrap_err();
            assert_eq!(error.sqlstate(), "22023", "{value}");
        }
        for name in [
            "datafusion.runtime.memory_limit",
            "datafusion.catalog.location",
            "datafusion.execution.batch_sizes",
        ] {
            assert_eq!(
                check_setting(name, Some("1")).unwrap_err().sqlstate(),
                "25006",
                "{name}"
            );
        }
    }
}
