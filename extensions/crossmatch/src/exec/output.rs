//! Which columns come out, and what need not be read if none do.

use std::sync::Arc;

use datafusion::common::{JoinSide, Result};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter};
use datafusion::physical_plan::projection::{EmbeddedProjection, ProjectionExec, ProjectionExpr, all_columns};

use super::condition::{PairCondition, PairExpr};
use super::{CrossMatchExec, IndexRole, Mode, Position, Side, Terms};

/// The columns of a scan widened by its coordinates: the index, longitude and latitude.
const LON: usize = 1;
const LAT: usize = 2;

impl EmbeddedProjection for CrossMatchExec {
    /// The same match with only those columns of its output. If none are wanted and the indexes of both sides are exact,
    /// nothing but them is read.
    fn with_projection(&self, projection: Option<Vec<usize>>) -> Result<Self> {
        let Some(wanted) = projection else {
            return Ok(self.rebuilt([Arc::clone(&self.left), Arc::clone(&self.right)]));
        };
        let chosen: Vec<usize> = match &self.output {
            Some(before) => wanted
                .iter()
                .filter_map(|column| before.get(*column).copied())
                .collect(),
            None => wanted,
        };
        let narrow = if chosen.is_empty() {
            self.by_indexes_alone()?
        } else {
            None
        };
        match narrow {
            Some(exec) => Ok(exec),
            None => Ok(self
                .rebuilt([Arc::clone(&self.left), Arc::clone(&self.right)])
                .with_output(Some(chosen))),
        }
    }
}

impl CrossMatchExec {
    /// The same match of scans that read nothing but their index, if it can be told from that.
    fn by_indexes_alone(&self) -> Result<Option<Self>> {
        let Mode::Aligned {
            units,
            estimate,
            role: IndexRole::Decides { may_suffice: true },
        } = &self.mode
        else {
            return Ok(None);
        };
        let (Some(left), Some(right)) = (
            index_of(&self.left, &self.left_side)?,
            index_of(&self.right, &self.right_side)?,
        ) else {
            return Ok(None);
        };
        let Some(whole) = self.over_coordinates(&self.terms.condition.whole) else {
            return Ok(None);
        };
        let terms = Terms {
            condition: PairCondition {
                separation: None,
                bound: whole.clone(),
                residual: None,
                whole,
            },
            measured: None,
            identifying: [Vec::new(), Vec::new()],
            ..self.terms.clone()
        };
        let mode = Mode::Aligned {
            units: Arc::clone(units),
            estimate: *estimate,
            role: IndexRole::Suffices,
        };
        Ok(Some(Self::new(
            [left, right],
            [Side::of_index(), Side::of_index()],
            terms,
            mode,
        )))
    }

    /// A condition over the coordinates of both sides, with these behind the index.
    fn over_coordinates(&self, condition: &PairExpr) -> Option<PairExpr> {
        let moved = condition.columns().iter().map(|column| {
            let side = match column.side {
                JoinSide::Left => &self.left_side,
                JoinSide::Right => &self.right_side,
                JoinSide::None => return None,
            };
            let Position::LonLat { lon, lat } = &side.position else {
                return None;
            };
            let is = |expr: &Arc<dyn datafusion::physical_expr::PhysicalExpr>| {
                expr.downcast_ref::<Column>()
                    .is_some_and(|own| own.index() == column.index)
            };
            let index = if is(lon) {
                LON
            } else if is(lat) {
                LAT
            } else {
                return None;
            };
            Some(ColumnIndex {
                index,
                side: column.side,
            })
        });
        let columns: Option<Vec<ColumnIndex>> = moved.collect();
        Some(PairExpr(JoinFilter::new(
            Arc::clone(condition.expr()),
            columns?,
            Arc::clone(condition.schema()),
        )))
    }
}

/// A scan that reads nothing but the index, if `plan` is a scan, perhaps under a choice of its columns.
pub(super) fn index_of(plan: &Arc<dyn ExecutionPlan>, side: &Side) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(mut column) = side.index_column else {
        return Ok(None);
    };
    let mut plan = plan;
    while let Some(choice) = plan.downcast_ref::<ProjectionExec>() {
        let below = choice
            .expr()
            .get(column)
            .and_then(|choice| choice.expr.downcast_ref::<Column>());
        let Some(below) = below.filter(|_| all_columns(choice.expr())) else {
            return Ok(None);
        };
        (plan, column) = (choice.input(), below.index());
    }
    let Some(scan) = plan.downcast_ref::<DataSourceExec>() else {
        return Ok(None);
    };
    let name = plan.schema().field(column).name().clone();
    let only = ProjectionExpr {
        expr: Arc::new(Column::new(&name, column)),
        alias: name,
    };
    let only = ProjectionExec::try_new(vec![only], Arc::clone(plan))?;
    scan.try_swapping_with_projection(&only)
}
