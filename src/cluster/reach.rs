//! What workers can reach: files under the roots, which they have too. Others lie on this machine alone, or may.

use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, plan_err};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;

use crate::storage::Root;

/// Whether all files that `plan` reads lie under `roots`.
///
/// # Errors
/// Which one does not.
pub(super) fn check(plan: &Arc<dyn ExecutionPlan>, roots: &[Root]) -> Result<()> {
    plan.apply(|node| {
        let source = node.downcast_ref::<DataSourceExec>();
        let Some(scan) = source.and_then(|exec| exec.data_source().downcast_ref::<FileScanConfig>()) else {
            return Ok(TreeNodeRecursion::Continue);
        };
        let of_store: Vec<&Root> = roots.iter().filter(|root| root.url == scan.object_store_url).collect();
        for file in scan.file_groups.iter().flat_map(FileGroup::iter) {
            let location = &file.object_meta.location;
            if !of_store.iter().any(|root| location.prefix_matches(&root.path)) {
                return plan_err!("{location} lies under no root, where workers would find it");
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .map(drop)
}
