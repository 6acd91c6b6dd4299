//! Which columns come out, and what need not be read if none do.

use std::sync::Arc;

use datafusion::common::{JoinSide, Result};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter};
use datafusion::physical_plan::projection::{EmbeddedProjection, ProjectionExec, ProjectionExpr, all_columns};

use super::condition::{PairCondition, PairExpr};
use super::{CrossMatchExec, IndexRole, Mode, Position, Pruned, Side, Terms};

impl EmbeddedProjection for CrossMatchExec {
    /// The same match with only those columns of its output. If the indexes are exact, coordinates that are not among them
    /// may not need to be read.
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
        let narrow = match &self.mode {
            Mode::Aligned { .. } if chosen.is_empty() => self.by_indexes_alone()?,
            Mode::Indexed { .. } => self.without_coordinates(&chosen)?,
            _ => None,
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
        // Behind the index.
        let behind = [1, 2];
        let moved = |column: &ColumnIndex| match column.side {
            JoinSide::Left => coordinate(&self.left_side, column.index, behind),
            JoinSide::Right => coordinate(&self.right_side, column.index, behind),
            JoinSide::None => None,
        };
        let Some(terms) = self.terms_over(moved) else {
            return Ok(None);
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

    /// The same match of a few held rows with a scan that reads its coordinates only where the index leaves a doubt, if they
    /// are not among the columns that are to come out.
    fn without_coordinates(&self, chosen: &[usize]) -> Result<Option<Self>> {
        let Mode::Indexed {
            held,
            pruned:
                Some(Pruned {
                    partitions,
                    role: IndexRole::Decides { may_suffice: true },
                }),
            ..
        } = &self.mode
        else {
            return Ok(None);
        };
        let streamed = if *held == JoinSide::Left {
            JoinSide::Right
        } else {
            JoinSide::Left
        };
        let (plan, side, first) = match streamed {
            JoinSide::Left => (&self.left, &self.left_side, 0),
            _ => (&self.right, &self.right_side, self.left_side.width),
        };
        let gives = 0..match streamed {
            JoinSide::Right if !self.terms.spec.join.has_right() => 0,
            _ => side.width,
        };
        let of_streamed = |column: &usize| column.checked_sub(first).filter(|column| gives.contains(column));
        let Some(narrow) = Narrow::of(side, chosen.iter().filter_map(of_streamed).collect()) else {
            return Ok(None);
        };
        let moved = |column: &ColumnIndex| match column.side {
            JoinSide::None => None,
            of if of == streamed => coordinate(side, column.index, narrow.coordinates),
            _ => Some(column.index),
        };
        let output = chosen.iter().map(|column| match of_streamed(column) {
            Some(own) => first + narrow.place(own).unwrap_or(0),
            None if *column < first => *column,
            None => column + narrow.width - side.width,
        });
        let (Some(terms), output) = (self.terms_over(moved), output.collect()) else {
            return Ok(None);
        };
        let (mut inputs, mut sides) = (
            [Arc::clone(&self.left), Arc::clone(&self.right)],
            [self.left_side.clone(), self.right_side.clone()],
        );
        let at = usize::from(streamed == JoinSide::Right);
        sides[at] = narrow.side();
        let Some(scan) = narrowed(plan, narrow.columns)? else {
            return Ok(None);
        };
        inputs[at] = scan;
        let mode = Mode::Indexed {
            held: *held,
            every_pair: false,
            pruned: Some(Pruned {
                partitions: *partitions,
                role: IndexRole::Suffices,
            }),
        };
        Ok(Some(Self::new(inputs, sides, terms, mode).with_output(Some(output))))
    }

    /// What is asked, with the condition over other columns, and judged as a whole. `None`: it reads one that `moved` knows
    /// nothing of.
    fn terms_over(&self, moved: impl Fn(&ColumnIndex) -> Option<usize>) -> Option<Terms> {
        let condition = &self.terms.condition.whole;
        let columns = condition.columns().iter().map(|column| {
            let (index, side) = (moved(column)?, column.side);
            Some(ColumnIndex { index, side })
        });
        let columns: Option<Vec<ColumnIndex>> = columns.collect();
        let whole = PairExpr(JoinFilter::new(
            Arc::clone(condition.expr()),
            columns?,
            Arc::clone(condition.schema()),
        ));
        Some(Terms {
            condition: PairCondition {
                separation: None,
                bound: whole.clone(),
                residual: None,
                whole,
            },
            measured: None,
            identifying: [Vec::new(), Vec::new()],
            ..self.terms.clone()
        })
    }
}

/// What a side is read with that need not be read with its coordinates.
struct Narrow {
    /// The columns that come out, by where they are in its input, and the index, which may be one of them.
    columns: Vec<usize>,
    /// How many come out.
    width: usize,
    /// Where the index is now.
    index: usize,
    /// Where the coordinates are, once they are read: behind these columns, whether or not one of them is the same.
    coordinates: [usize; 2],
}

impl Narrow {
    /// For those columns to come out. `None`: both coordinates are among them, or it has no index.
    fn of(side: &Side, mut columns: Vec<usize>) -> Option<Self> {
        let (Some(index_column), Position::LonLat { lon, lat }) = (side.index_column, &side.position) else {
            return None;
        };
        columns.sort_unstable();
        columns.dedup();
        let width = columns.len();
        let index = columns.binary_search(&index_column).unwrap_or(width);
        let comes_out = |expr: &Arc<dyn PhysicalExpr>| {
            let column = expr.downcast_ref::<Column>();
            column.is_some_and(|own| columns.binary_search(&own.index()).is_ok())
        };
        if comes_out(lon) && comes_out(lat) {
            return None;
        }
        if index == width {
            columns.push(index_column);
        }
        let coordinates = [columns.len(), columns.len() + 1];
        Some(Self {
            columns,
            width,
            index,
            coordinates,
        })
    }

    /// Where a column that comes out is now.
    fn place(&self, column: usize) -> Option<usize> {
        self.columns[..self.width].binary_search(&column).ok()
    }

    fn side(&self) -> Side {
        Side {
            position: Position::Index,
            index_column: Some(self.index),
            width: self.width,
        }
    }
}

/// Where the longitude or the latitude of a side has come to, if `column` is one of them.
fn coordinate(side: &Side, column: usize, [lon_at, lat_at]: [usize; 2]) -> Option<usize> {
    let Position::LonLat { lon, lat } = &side.position else {
        return None;
    };
    let is = |expr: &Arc<dyn PhysicalExpr>| expr.downcast_ref::<Column>().is_some_and(|own| own.index() == column);
    if is(lon) {
        Some(lon_at)
    } else if is(lat) {
        Some(lat_at)
    } else {
        None
    }
}

/// A scan that reads nothing but the index, if `plan` is a scan, perhaps under a choice of its columns.
pub(super) fn index_of(plan: &Arc<dyn ExecutionPlan>, side: &Side) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    match side.index_column {
        Some(column) => narrowed(plan, vec![column]),
        None => Ok(None),
    }
}

/// A scan that reads nothing but those columns, if `plan` is a scan, perhaps under a choice of its columns.
fn narrowed(plan: &Arc<dyn ExecutionPlan>, mut columns: Vec<usize>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let mut plan = plan;
    while let Some(choice) = plan.downcast_ref::<ProjectionExec>() {
        let below = columns.iter().map(|column| {
            let chosen = choice.expr().get(*column)?.expr.downcast_ref::<Column>()?;
            Some(chosen.index())
        });
        let below: Option<Vec<usize>> = below.collect();
        let Some(below) = below.filter(|_| all_columns(choice.expr())) else {
            return Ok(None);
        };
        (plan, columns) = (choice.input(), below);
    }
    let Some(scan) = plan.downcast_ref::<DataSourceExec>() else {
        return Ok(None);
    };
    let schema = plan.schema();
    let only = columns.iter().map(|column| {
        let name = schema.field(*column).name().clone();
        ProjectionExpr {
            expr: Arc::new(Column::new(&name, *column)),
            alias: name,
        }
    });
    let only = ProjectionExec::try_new(only.collect::<Vec<_>>(), Arc::clone(plan))?;
    scan.try_swapping_with_projection(&only)
}
