//! From the logical node to an operator: the strategies in order, each free to say that it is not its turn.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::Result;
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{LogicalPlan, UserDefinedLogicalNode};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};
use dreyer_tiling::{CrossMatchStrategy, QueryMemory, SkyCoords, SkyOptions, TilingSources, sky_options};

use crate::exec::{PairCondition, PairExpr, Position, Terms};
use crate::node::CrossMatch;
use crate::spec::Radius;
use crate::strategy;

/// Plans [`CrossMatch`] nodes.
#[derive(Debug, Default)]
pub struct CrossMatchPlanner;

/// What every strategy is given.
pub(crate) struct MatchPlan {
    pub(crate) left: Arc<dyn ExecutionPlan>,
    pub(crate) right: Arc<dyn ExecutionPlan>,
    pub(crate) left_at: Position,
    pub(crate) right_at: Position,
    pub(crate) terms: Terms,
    pub(crate) options: SkyOptions,
    pub(crate) sources: Arc<TilingSources>,
    pub(crate) target_partitions: usize,
    /// The memory limit, if there is one.
    pub(crate) memory_bytes: Option<usize>,
    /// Whether there is room on disk for what does not fit into memory.
    pub(crate) spills: bool,
}

#[async_trait]
impl ExtensionPlanner for CrossMatchPlanner {
    async fn plan_extension(
        &self,
        planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        logical_inputs: &[&LogicalPlan],
        physical_inputs: &[Arc<dyn ExecutionPlan>],
        session: &dyn Session,
        planning_ctx: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(node) = node.as_any().downcast_ref::<CrossMatch>() else {
            return Ok(None);
        };
        let ([left_logical, right_logical], [left, right]) = (logical_inputs, physical_inputs) else {
            return Ok(None);
        };
        let position = |coords: &SkyCoords, input: &LogicalPlan| -> Result<Position> {
            let physical = |expr| planner.create_physical_expr(expr, input.schema(), session, planning_ctx);
            Ok(match coords {
                SkyCoords::LonLat(lon, lat) => Position::LonLat {
                    lon: physical(lon)?,
                    lat: physical(lat)?,
                },
                SkyCoords::Point(point) => Position::Point(physical(point)?),
            })
        };
        let pair_schema = left_logical.schema().join(right_logical.schema())?;
        let physical = |expr| planner.create_physical_expr(expr, &pair_schema, session, planning_ctx);
        let widths = (left.schema().fields().len(), right.schema().fields().len());
        let pair = |expr| PairExpr::new(expr, [left, right], widths);
        let condition = node.condition();
        let radius = match &condition.radius {
            Radius::Constant(radius_deg) => Radius::Constant(*radius_deg),
            Radius::PerRow(expr) => Radius::PerRow(pair(physical(expr)?)?),
        };
        let separation = condition.separation.as_ref().map(&physical).transpose()?;
        let bound = physical(&condition.bound)?;
        let residual = condition.residual.as_ref().map(&physical).transpose()?;
        let plan = MatchPlan {
            left: Arc::clone(left),
            right: Arc::clone(right),
            left_at: position(&condition.left_at, left_logical)?,
            right_at: position(&condition.right_at, right_logical)?,
            terms: Terms {
                spec: node.spec(),
                radius,
                condition: PairCondition::new(separation, bound, residual, [left, right], widths)?,
                measured: node.measured().map(str::to_owned),
                identifying: node.identifying_columns(),
            },
            options: sky_options(session.config()),
            sources: TilingSources::of(session.config()),
            target_partitions: session.config().target_partitions().max(1),
            memory_bytes: memory_bytes(session),
            spills: session.runtime_env().disk_manager.tmp_files_enabled(),
        };
        choose(plan).map(Some)
    }
}

/// How much memory a query of this session may hold, if there is a limit.
fn memory_bytes(session: &dyn Session) -> Option<usize> {
    let all = match session.runtime_env().memory_pool.memory_limit() {
        MemoryLimit::Finite(bytes) => Some(bytes),
        _ => None,
    };
    let own = session.config().get_extension::<QueryMemory>().map(|own| own.0);
    all.into_iter().chain(own).min()
}

fn choose(plan: MatchPlan) -> Result<Arc<dyn ExecutionPlan>> {
    let wanted = plan.options.crossmatch_strategy;
    if wanted == CrossMatchStrategy::Auto
        && let Some(pruned) = strategy::pruned(&plan)?
    {
        return Ok(pruned);
    }
    if matches!(wanted, CrossMatchStrategy::Auto | CrossMatchStrategy::Aligned)
        && let Some(aligned) = strategy::aligned(&plan)?
    {
        return Ok(aligned);
    }
    if matches!(wanted, CrossMatchStrategy::Auto | CrossMatchStrategy::Retiled)
        && let Some(retiled) = strategy::retiled(&plan)?
    {
        return Ok(retiled);
    }
    if wanted != CrossMatchStrategy::NestedLoop
        && let Some(indexed) = strategy::indexed(&plan)?
    {
        return Ok(indexed);
    }
    strategy::nested_loop(&plan)
}
