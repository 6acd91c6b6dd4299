//! The order in which an aligned match gives its rows: that of its left side on the sky.
//!
//! A partition goes along the curve, unit by unit, and each left row comes out in its place with all its partners. So
//! whatever column the left side is sorted by comes out sorted, in each partition. That is declared, and spares a query
//! that orders by the index its sort; but only if all units do follow one another, since a partition may match any.

use std::sync::Arc;

use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalSortExpr};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use dreyer_sphere::CellRanges;

use super::queue::along_the_curve;
use super::{Mode, Side};

/// What can be told of the order of the rows. `output` says which columns come out, by their place among all.
pub(super) fn of_output(
    left: &Arc<dyn ExecutionPlan>,
    side: &Side,
    mode: &Mode,
    schema: &SchemaRef,
    output: Option<&[usize]>,
) -> EquivalenceProperties {
    let unordered = || EquivalenceProperties::new(Arc::clone(schema));
    let Mode::Aligned { units, .. } = mode else {
        return unordered();
    };
    let Some(index) = side.index_column.filter(|_| follow(units)) else {
        return unordered();
    };
    // A row without an index would come wherever its file has it.
    let read = left.schema();
    if read.fields().get(index).is_none_or(|field| field.is_nullable()) || !ascends(left, index) {
        return unordered();
    }
    let places: Vec<usize> = match output {
        Some(output) => output.to_vec(),
        None => (0..schema.fields().len()).collect(),
    };
    let sorted = |(at, place): (usize, &usize)| {
        let is_left = *place < side.width && !read.field(*place).is_nullable();
        (is_left && ascends(left, *place)).then(|| ascending(schema, at))
    };
    let orderings = places.iter().enumerate().filter_map(sorted);
    let orderings: Vec<[PhysicalSortExpr; 1]> = orderings.map(|by| [by]).collect();
    EquivalenceProperties::new_with_orderings(Arc::clone(schema), orderings)
}

/// Whether each unit lies behind the one before it on the curve, as a whole, whosever they are.
fn follow(units: &[Vec<CellRanges>]) -> bool {
    let span = |unit: &CellRanges| Some((unit.iter().next()?.start, unit.iter().next_back()?.end));
    let spans: Vec<(u64, u64)> = along_the_curve(units)
        .into_iter()
        .filter_map(|(_, unit)| span(unit))
        .collect();
    spans.windows(2).all(|pair| pair[0].1 <= pair[1].0)
}

/// Whether each partition of a plan comes in the order of a column.
fn ascends(plan: &Arc<dyn ExecutionPlan>, column: usize) -> bool {
    let by = [ascending(&plan.schema(), column)];
    plan.equivalence_properties().ordering_satisfy(by).unwrap_or(false)
}

fn ascending(schema: &SchemaRef, column: usize) -> PhysicalSortExpr {
    PhysicalSortExpr {
        expr: Arc::new(Column::new(schema.field(column).name(), column)),
        options: SortOptions {
            descending: false,
            nulls_first: false,
        },
    }
}

#[cfg(test)]
#[expect(clippy::single_range_in_vec_init, reason = "units are lists of ranges, some of one")]
mod tests {
    use std::ops::Range;

    use super::*;

    #[test]
    fn units_that_interleave_have_no_order() {
        let unit = |ranges: &[Range<u64>]| CellRanges::from_ranges(ranges.to_vec());
        assert!(follow(&[]));
        let (first, second, third) = (unit(&[0..4, 8..9]), unit(&[9..12]), unit(&[20..21]));
        assert!(follow(&[vec![first.clone(), unit(&[]), second.clone(), third.clone()]]));
        assert!(follow(&[
            vec![second.clone()],
            vec![first.clone(), third.clone()],
            vec![]
        ]));
        // In order by where they begin, and yet not one behind the other, in one partition or in two.
        let (around, within) = (unit(&[0..4, 16..20]), unit(&[8..12]));
        assert!(!follow(&[vec![around.clone(), within.clone()]]));
        assert!(!follow(&[vec![around], vec![within]]));
        assert!(!follow(&[vec![second], vec![unit(&[11..14])]]));
        assert!(follow(&[vec![third, first]]));
    }
}
