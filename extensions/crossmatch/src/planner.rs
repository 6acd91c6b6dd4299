//! From the logical node to an operator: the strategies in order, each free to say that it is not its turn.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::{JoinSide, Result};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{LogicalPlan, UserDefinedLogicalNode};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter};
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};
use dreyer_tiling::{CrossMatchStrategy, SkyCoords, SkyOptions, TilingSources, sky_options};

use crate::exec::Position;
use crate::node::CrossMatch;
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
    pub(crate) radius_deg: f64,
    pub(crate) condition: JoinFilter,
    pub(crate) options: SkyOptions,
    pub(crate) sources: Arc<TilingSources>,
    pub(crate) target_partitions: usize,
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
        let condition = planner.create_physical_expr(
            node.condition(),
            datafusion::logical_expr::UserDefinedLogicalNodeCore::schema(node),
            session,
            planning_ctx,
        )?;
        let plan = MatchPlan {
            left: Arc::clone(left),
            right: Arc::clone(right),
            left_at: position(node.left_at(), left_logical)?,
            right_at: position(node.right_at(), right_logical)?,
            radius_deg: node.radius_deg(),
            condition: join_filter(condition, left, right)?,
            options: sky_options(session.config()),
            sources: TilingSources::of(session.config()),
            target_partitions: session.config().target_partitions().max(1),
        };
        choose(plan).map(Some)
    }
}

fn choose(plan: MatchPlan) -> Result<Arc<dyn ExecutionPlan>> {
    let wanted = plan.options.crossmatch_strategy;
    if matches!(wanted, CrossMatchStrategy::Auto | CrossMatchStrategy::Aligned)
        && let Some(aligned) = strategy::aligned(&plan)?
    {
        return Ok(aligned);
    }
    if wanted != CrossMatchStrategy::NestedLoop {
        return strategy::indexed(&plan);
    }
    strategy::nested_loop(&plan)
}

/// The condition over only those columns that it reads, which is the form that joins evaluate.
fn join_filter(
    condition: Arc<dyn PhysicalExpr>,
    left: &Arc<dyn ExecutionPlan>,
    right: &Arc<dyn ExecutionPlan>,
) -> Result<JoinFilter> {
    use datafusion::arrow::datatypes::Schema;
    use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
    use datafusion::physical_expr::expressions::Column;

    let left_width = left.schema().fields().len();
    let mut used: Vec<usize> = collect_columns(&condition).iter().map(Column::index).collect();
    used.sort_unstable();
    used.dedup();
    let mut fields = Vec::with_capacity(used.len());
    let mut indices = Vec::with_capacity(used.len());
    for &index in &used {
        let (side, schema, index) = if index < left_width {
            (JoinSide::Left, left.schema(), index)
        } else {
            (JoinSide::Right, right.schema(), index - left_width)
        };
        fields.push(schema.field(index).clone());
        indices.push(ColumnIndex { index, side });
    }
    let expression = condition
        .transform_up(|expr| {
            let Some(column) = expr.downcast_ref::<Column>() else {
                return Ok(Transformed::no(expr));
            };
            let Ok(place) = used.binary_search(&column.index()) else {
                return Ok(Transformed::no(expr));
            };
            let moved: Arc<dyn PhysicalExpr> = Arc::new(Column::new(column.name(), place));
            Ok(Transformed::yes(moved))
        })
        .data()?;
    Ok(JoinFilter::new(expression, indices, Arc::new(Schema::new(fields))))
}
