//! The first rule: what `XMATCH` asks for becomes a condition, or a [`CrossMatch`](crate::CrossMatch) that picks.
//!
//! It runs before all others. A filter in WHERE must not slip below a nearest match on the searched side, where it would
//! change which row is the nearest; once the join is a node of its own, none can.

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result, ScalarValue, plan_datafusion_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, Join, JoinType, LogicalPlan, cast};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};
use dreyer_kernel::FunctionError;
use dreyer_tiling::{Role, SkyCoords, role_of};

use super::condition::{of_conjuncts, separation_call};
use super::kinds;
use super::xmatch_call::Wanted;
use crate::spec::Pick;

/// Reads `XMATCH`. Belongs at the head of the rule list.
#[derive(Debug, Default)]
pub struct XMatchRule;

impl OptimizerRule for XMatchRule {
    fn name(&self) -> &'static str {
        "xmatch"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        match plan {
            LogicalPlan::Join(join) if join.filter.as_ref().is_some_and(asks) => of_join(join, config),
            plan if plan_asks(&plan) => plan.map_expressions(|expr| {
                expr.transform_up(|expr| match call_of(&expr) {
                    Some(call) => Wanted::of(call)?.as_condition(None, config).map(Transformed::yes),
                    None => Ok(Transformed::no(expr)),
                })
            }),
            plan => Ok(Transformed::no(plan)),
        }
    }
}

/// Whether an `XMATCH` stands in the expression.
fn asks(expr: &Expr) -> bool {
    expr.exists(|expr| Ok(call_of(expr).is_some())).unwrap_or(false)
}

/// The same of a plan's own expressions, which are not copied for it: every node of every query is asked.
fn plan_asks(plan: &LogicalPlan) -> bool {
    let mut found = false;
    let walked = plan.apply_expressions(|expr| {
        found |= asks(expr);
        Ok(if found {
            TreeNodeRecursion::Stop
        } else {
            TreeNodeRecursion::Continue
        })
    });
    found && walked.is_ok()
}

fn call_of(expr: &Expr) -> Option<&ScalarFunction> {
    match expr {
        Expr::ScalarFunction(call) if role_of(&call.func) == Some(Role::CrossMatch) => Some(call),
        _ => None,
    }
}

fn of_join(mut join: Join, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
    let sides = (join.left.as_ref().clone(), join.right.as_ref().clone());
    let mut pick = Pick::All;
    let mut conjuncts = Vec::new();
    for conjunct in join.filter.take().map(split_conjunction_owned).unwrap_or_default() {
        let wanted = call_of(&conjunct).map(Wanted::of).transpose()?;
        let Some(wanted) = wanted.filter(|wanted| wanted.pick != Pick::All) else {
            // Within OR and NOT, and where every pair is wanted, it is a condition like others.
            let condition = conjunct.transform_up(|expr| match call_of(&expr) {
                Some(call) => Wanted::of(call)?
                    .as_condition(Some(&sides), config)
                    .map(Transformed::yes),
                None => Ok(Transformed::no(expr)),
            })?;
            conjuncts.extend(split_conjunction_owned(condition.data));
            continue;
        };
        if pick != Pick::All {
            return Err(misuse(
                "XMATCH picks pairs twice in one ON clause",
                "Join a third table for a second match, or filter with a DISTANCE(..) < radius beside the first.",
            ));
        }
        pick = wanted.pick;
        let all = Wanted {
            pick: Pick::All,
            ..wanted
        };
        conjuncts.extend(split_conjunction_owned(all.as_condition(Some(&sides), config)?));
    }
    if pick == Pick::All {
        join.filter = conjunction(conjuncts);
        return Ok(Transformed::yes(LogicalPlan::Join(join)));
    }
    if join.join_type == JoinType::Full && pick != Pick::Mutual {
        return Err(misuse(
            "a FULL JOIN has no side whose rows could pick the nearest of the other",
            "Use LEFT JOIN, RIGHT JOIN, or mode => 'best'.",
        ));
    }
    let equalities = join.on.iter().map(|(left, right)| left.clone().eq(right.clone()));
    conjuncts.extend(equalities);
    let condition = of_conjuncts(conjuncts, &join.left, &join.right, config)?.ok_or_else(|| {
        misuse(
            "XMATCH must compare a position of the one table with one of the other, and conditions beside it must not \
             hold subqueries",
            "Write ON XMATCH(a.ra, a.dec, b.ra, b.dec, radius_arcsec => 1, mode => 'nearest'); move subqueries to WHERE.",
        )
    })?;
    let plan = kinds::cross_match(&join, condition, pick)?.ok_or_else(|| {
        misuse(
            "XMATCH cannot pick among pairs in this kind of join",
            "Use JOIN, LEFT JOIN or RIGHT JOIN of tables that give the same rows each time they are read.",
        )
    })?;
    Ok(Transformed::yes(plan))
}

impl Wanted {
    /// The pairs that are wanted as a condition on each of them; `sides` are the inputs of the join.
    fn as_condition(&self, sides: Option<&(LogicalPlan, LogicalPlan)>, config: &dyn OptimizerConfig) -> Result<Expr> {
        if self.pick != Pick::All {
            return Err(misuse(
                "XMATCH picks among pairs and can stand only in the ON clause of a JOIN, by itself or beside AND",
                "Write FROM a JOIN b ON XMATCH(..), with further conditions beside it or in WHERE.",
            ));
        }
        let (a, b) = match (&self.positions, sides) {
            (Some((a, b)), _) => (a.clone(), b.clone()),
            (None, Some((left, right))) => (position_of(left, "left")?, position_of(right, "right")?),
            (None, None) => {
                return Err(misuse(
                    "XMATCH without positions can stand only in the ON clause of a JOIN",
                    "Name the positions: XMATCH(a.ra, a.dec, b.ra, b.dec, radius_arcsec => 1).",
                ));
            }
        };
        let separation = separation_call(&a, &b, config)
            .ok_or_else(|| plan_datafusion_err!("XMATCH needs the functions distance and point in the session"))?;
        let within = separation.clone().lt(in_degrees(&self.radius_arcsec));
        Ok(match self.least_arcsec {
            0.0 => within,
            least => within.and(separation.gt_eq(number(least / 3600.0))),
        })
    }
}

/// The position columns of a table, or of whatever else is joined.
fn position_of(side: &LogicalPlan, which: &str) -> Result<SkyCoords> {
    let by_ucd = |wanted: &str| -> Vec<Expr> {
        let told = |field: &datafusion::arrow::datatypes::Field| {
            let ucd = field
                .metadata()
                .get("ucd")
                .map(|ucd| ucd.to_ascii_lowercase().replace(' ', ""));
            ucd.as_deref() == Some(wanted)
        };
        let found = side.schema().iter().filter(|(_, field)| told(field));
        found.map(|field| Expr::Column(field.into())).collect()
    };
    let by_name = |wanted: &str| -> Vec<Expr> {
        let found = side
            .schema()
            .iter()
            .filter(|(_, field)| field.name().eq_ignore_ascii_case(wanted));
        found.map(|field| Expr::Column(field.into())).collect()
    };
    let mut several = false;
    for (lon, lat) in [
        (by_ucd("pos.eq.ra;meta.main"), by_ucd("pos.eq.dec;meta.main")),
        (by_name("ra"), by_name("dec")),
    ] {
        if let ([lon], [lat]) = (lon.as_slice(), lat.as_slice()) {
            return Ok(SkyCoords::LonLat(lon.clone(), lat.clone()));
        }
        several |= lon.len() > 1 || lat.len() > 1;
    }
    let found = if several { "several pairs of" } else { "no" };
    Err(misuse(
        &format!("XMATCH finds {found} position columns on the {which} side of the join"),
        "Name the positions: XMATCH(a.ra, a.dec, b.ra, b.dec, radius_arcsec => 1).",
    ))
}

fn in_degrees(arcsec: &Expr) -> Expr {
    if let Expr::Literal(value, _) = arcsec
        && let Ok(ScalarValue::Float64(Some(arcsec))) = value.cast_to(&datafusion::arrow::datatypes::DataType::Float64)
    {
        return number(arcsec / 3600.0);
    }
    cast(arcsec.clone(), datafusion::arrow::datatypes::DataType::Float64) / number(3600.0)
}

fn number(value: f64) -> Expr {
    Expr::Literal(ScalarValue::Float64(Some(value)), None)
}

/// An error about a call of XMATCH.
pub(super) fn misuse(message: &str, hint: &str) -> DataFusionError {
    FunctionError::misused("xmatch", message, hint).into()
}
