//! Both sides are tiled scans, joined on the columns that tile them: cut the sky into units and match each alone.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{CastExpr, Column};
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use dreyer_tiling::{Density, IndexTrust, Tiling, TilingSources};

use super::units::Cut;
use crate::exec::{CrossMatchExec, IndexRole, Mode, Position, Side};
use crate::planner::MatchPlan;
use crate::spec::Pick;

pub(crate) fn aligned(plan: &MatchPlan) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let spec = plan.terms.spec;
    let Some(radius_deg) = plan.terms.radius.constant() else {
        return Ok(None);
    };
    if radius_deg.is_nan() || radius_deg > plan.options.crossmatch_aligned_max_radius_deg {
        return Ok(None);
    }
    let Some(left) = TiledInput::of(&plan.sources, &plan.left, &plan.left_at)? else {
        return Ok(None);
    };
    let Some(right) = TiledInput::of(&plan.sources, &plan.right, &plan.right_at)? else {
        return Ok(None);
    };
    // What lies around a unit can be told from what lies in it by a stored index only.
    if spec.pick == Pick::Mutual && (left.index_column.is_none() || right.index_column.is_none()) {
        return Ok(None);
    }
    let cut = Cut {
        left: (&left.tiling, &left.density),
        right: (&right.tiling, &right.density),
        radius_deg,
        unit_rows: plan.options.crossmatch_unit_rows as u64,
        all_of_left: spec.join.keeps_unmatched(),
        splittable: left.index_column.is_some(),
    };
    let (units, estimate) = cut.units(plan.target_partitions);
    let exact = left.is_exact(plan) && right.is_exact(plan);
    let role = role(plan, radius_deg, exact);
    let side = |input: &TiledInput, position: &Position| Side {
        position: position.clone(),
        index_column: input.index_column,
        width: input.width,
    };
    let sides = [side(&left, &plan.left_at), side(&right, &plan.right_at)];
    let mode = Mode::Aligned {
        units: units.into(),
        estimate,
        role,
    };
    let exec = CrossMatchExec::new([left.plan, right.plan], sides, plan.terms.clone(), mode);
    Ok(Some(Arc::new(exec)))
}

/// What the indexes are good for: they decide if those of both sides are exact, and the condition bounds the separation of
/// just the positions that they were made of.
pub(super) fn role(plan: &MatchPlan, radius_deg: f64, exact: bool) -> IndexRole {
    if !exact || !plan.terms.condition.bounds_just_the_separation(radius_deg) {
        return IndexRole::Proposes;
    }
    IndexRole::Decides {
        // How many rows choose each other cannot be told from how many partners each has.
        may_suffice: plan.terms.condition.residual.is_none()
            && plan.terms.measured.is_none()
            && plan.terms.spec.pick != Pick::Mutual,
    }
}

/// A tiled scan under operators that treat each row alone, with the index column added behind its own columns.
pub(super) struct TiledInput {
    pub(super) plan: Arc<dyn ExecutionPlan>,
    tiling: Tiling,
    density: Density,
    pub(super) index_column: Option<usize>,
    width: usize,
    /// Whether the coordinates are stored as the numbers that an index is made of.
    in_double_precision: bool,
}

impl TiledInput {
    pub(super) fn of(sources: &TilingSources, input: &Arc<dyn ExecutionPlan>, at: &Position) -> Result<Option<Self>> {
        let Position::LonLat { lon, lat } = at else {
            return Ok(None);
        };
        let (Some(lon), Some(lat)) = (plain_column(lon), plain_column(lat)) else {
            return Ok(None);
        };
        let Some(traced) = trace(sources, input, lon, lat) else {
            return Ok(None);
        };
        let tiling = traced.tiling;
        if [&tiling.lon_column, &tiling.lat_column] != [&traced.lon, &traced.lat] {
            return Ok(None);
        }
        // A cast on the way hides how far a stored index may be off.
        let in_double_precision = is_double(input, lon) && is_double(input, lat);
        if in_double_precision && !traced.in_double_precision {
            return Ok(None);
        }
        let width = input.schema().fields().len();
        let (plan, index_column) = match add_index(sources, input)? {
            Some((plan, column)) => (plan, Some(column)),
            None => (Arc::clone(input), None),
        };
        Ok(Some(Self {
            plan,
            tiling,
            density: traced.density,
            index_column,
            width,
            in_double_precision,
        }))
    }
}

impl TiledInput {
    /// Whether its rows are sorted by an index that is known to be that of their coordinates.
    pub(super) fn is_exact(&self, plan: &MatchPlan) -> bool {
        let trusted = match plan.options.crossmatch_index_trust {
            IndexTrust::Recorded => self.tiling.index_exact,
            IndexTrust::All => self.in_double_precision,
            IndexTrust::Nothing => false,
        };
        trusted && self.tiling.sorted && self.index_column.is_some()
    }
}

/// The column that `expr` hands on. A cast to double precision keeps its value; any other may move the row.
fn plain_column(expr: &Arc<dyn PhysicalExpr>) -> Option<usize> {
    if let Some(cast) = expr
        .downcast_ref::<CastExpr>()
        .filter(|cast| *cast.cast_type() == DataType::Float64)
    {
        return plain_column(cast.expr());
    }
    expr.downcast_ref::<Column>().map(Column::index)
}

fn is_double(plan: &Arc<dyn ExecutionPlan>, column: usize) -> bool {
    *plan.schema().field(column).data_type() == DataType::Float64
}

/// A tiled scan, and what two columns of a plan above are there.
struct Traced {
    tiling: Tiling,
    density: Density,
    lon: String,
    lat: String,
    in_double_precision: bool,
}

/// Follows two columns down to a tiled scan.
fn trace(sources: &TilingSources, plan: &Arc<dyn ExecutionPlan>, lon: usize, lat: usize) -> Option<Traced> {
    if let Some((_, tiling)) = sources.tiling(plan) {
        let schema = plan.schema();
        return Some(Traced {
            density: sources
                .density(plan)
                .unwrap_or_else(|| Density::of_tiles(&tiling.tiles)),
            tiling,
            lon: schema.field(lon).name().clone(),
            lat: schema.field(lat).name().clone(),
            in_double_precision: is_double(plan, lon) && is_double(plan, lat),
        });
    }
    if let Some(exec) = plan.downcast_ref::<CrossMatchExec>() {
        return trace(
            sources,
            exec.cut_as_left()?,
            exec.left_column(lon)?,
            exec.left_column(lat)?,
        );
    }
    // Right rows at the rims of several units are read once for each: a volatile value would differ between them.
    if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        let plain = filter.projection().is_none() && filter.fetch().is_none() && !is_volatile(filter.predicate());
        return plain.then(|| trace(sources, filter.input(), lon, lat))?;
    }
    let projection = plan.downcast_ref::<ProjectionExec>()?;
    if projection.expr().iter().any(|column| is_volatile(&column.expr)) {
        return None;
    }
    let below = |column: usize| plain_column(&projection.expr().get(column)?.expr);
    trace(sources, projection.input(), below(lon)?, below(lat)?)
}

/// The same rows with the scan's index column added last, and its position.
fn add_index(
    sources: &TilingSources,
    plan: &Arc<dyn ExecutionPlan>,
) -> Result<Option<(Arc<dyn ExecutionPlan>, usize)>> {
    if let Some((source, _)) = sources.tiling(plan) {
        return source.with_index(plan);
    }
    if let Some(exec) = plan.downcast_ref::<CrossMatchExec>() {
        return Ok(exec
            .with_left_index()
            .map(|(exec, column)| (Arc::new(exec) as Arc<dyn ExecutionPlan>, column)));
    }
    if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        let Some((input, column)) = add_index(sources, filter.input())? else {
            return Ok(None);
        };
        let filter = FilterExec::try_new(Arc::clone(filter.predicate()), input)?;
        return Ok(Some((Arc::new(filter), column)));
    }
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let Some((input, column)) = add_index(sources, projection.input())? else {
            return Ok(None);
        };
        let name = input.schema().field(column).name().clone();
        let mut exprs: Vec<ProjectionExpr> = projection.expr().to_vec();
        exprs.push(ProjectionExpr {
            expr: Arc::new(Column::new(&name, column)),
            alias: name,
        });
        let last = exprs.len() - 1;
        return Ok(Some((Arc::new(ProjectionExec::try_new(exprs, input)?), last)));
    }
    Ok(None)
}
