//! A last look at a plan: joins on a separation that will not end, and what the user probably meant.

use std::sync::Arc;

use datafusion::catalog::Session;
use datafusion::common::Result;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::NestedLoopJoinExec;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use dreyer_tiling::{CrossMatchStrategy, Notices, Role, role_of, sky_options};

use crate::exec::CrossMatchExec;
use crate::spec::Arcsec;

/// Tells the session of joins that compare, or will give, more pairs than `dreyer.crossmatch_notice_pairs`.
///
/// # Errors
/// Those of the statistics of the plan.
pub fn review(plan: &Arc<dyn ExecutionPlan>, session: &dyn Session) -> Result<()> {
    let options = sky_options(session.config());
    // Whoever asked for nested loops knows.
    if options.crossmatch_strategy == CrossMatchStrategy::NestedLoop {
        return Ok(());
    }
    let most = options.crossmatch_notice_pairs as f64;
    let notices = Notices::of(session.config());
    plan.apply(|node| {
        if let Some(notice) = notice(node, most)? {
            notices.say(notice);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

fn notice(node: &Arc<dyn ExecutionPlan>, most: f64) -> Result<Option<String>> {
    if let Some(join) = node.downcast_ref::<NestedLoopJoinExec>() {
        let compares = join.filter().is_some_and(|filter| measures(filter.expression()));
        let pairs = pairs(join.left(), join.right())?.filter(|&pairs| compares && pairs > most);
        return Ok(pairs.map(|pairs| {
            format!(
                "a join on a separation compares every row of one side with every row of the other, about {pairs:.0e} \
                 pairs, because its condition sets no upper bound on the separation that is known beforehand: write \
                 DISTANCE(..) < radius, in degrees, in the ON clause by itself or beside AND"
            )
        }));
    }
    let Some(exec) = node.downcast_ref::<CrossMatchExec>() else {
        return Ok(None);
    };
    let inputs = exec.children();
    let (Some(radius_deg), [left, right]) = (exec.terms().radius.constant(), inputs.as_slice()) else {
        return Ok(None);
    };
    // Of two even skies, the share of pairs within the radius.
    let share = (1.0 - radius_deg.clamp(0.0, 180.0).to_radians().cos()) / 2.0;
    let expected = pairs(left, right)?
        .map(|pairs| pairs * share)
        .filter(|&expected| expected > most);
    Ok(expected.map(|expected| {
        format!(
            "a cross-match within {} has about {expected:.0e} pairs to find: radii are in degrees, and 1 arcsec is \
             1/3600.",
            Arcsec(radius_deg)
        )
    }))
}

/// Rows of one side times rows of the other, where the statistics know.
fn pairs(left: &Arc<dyn ExecutionPlan>, right: &Arc<dyn ExecutionPlan>) -> Result<Option<f64>> {
    let rows = |input: &Arc<dyn ExecutionPlan>| -> Result<Option<f64>> {
        let statistics = StatisticsContext::new().compute(input.as_ref(), &StatisticsArgs::new())?;
        Ok(match statistics.num_rows {
            Precision::Exact(rows) | Precision::Inexact(rows) => Some(rows as f64),
            Precision::Absent => None,
        })
    };
    Ok(rows(left)?.zip(rows(right)?).map(|(left, right)| left * right))
}

fn measures(expr: &Arc<dyn PhysicalExpr>) -> bool {
    let here = expr.downcast_ref::<ScalarFunctionExpr>().is_some_and(|call| {
        matches!(
            role_of(call.fun()),
            Some(Role::Separation | Role::SeparationArcsec | Role::Within | Role::Ellipse)
        )
    });
    here || expr.children().into_iter().any(measures)
}
