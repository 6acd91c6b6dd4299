//! An aligned match as the input of another: it is cut on the sky as its left side is, so that a third catalogue can be
//! matched unit by unit with the pairs of the first two.
//!
//! ```text
//!  CrossMatchExec: strategy=aligned            a unit of the sky
//!    CrossMatchExec: strategy=aligned            ├─ the pairs in it: a match confined to the unit
//!      a                                         │    ├─ a in the unit
//!      b                                         │    └─ b in the unit and its rim
//!    c                                           └─ c in the unit and its rim
//! ```

use std::sync::Arc;

use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_plan::ExecutionPlan;
use dreyer_sphere::CellRanges;

use super::{CrossMatchExec, Mode, PairExpr};
use crate::spec::Radius;

impl CrossMatchExec {
    /// The left side, if each of its rows comes out where it lies, and the same whenever it is asked for.
    pub(crate) fn cut_as_left(&self) -> Option<&Arc<dyn ExecutionPlan>> {
        let Mode::Aligned { .. } = self.mode else { return None };
        let radius = match &self.terms.radius {
            Radius::Constant(_) => None,
            Radius::PerRow(radius) => Some(radius),
        };
        let mut exprs = self.terms.condition.exprs().chain(radius).map(PairExpr::expr);
        (!exprs.any(is_volatile)).then_some(&self.left)
    }

    /// The column of the left side that an output column is.
    pub(crate) fn left_column(&self, column: usize) -> Option<usize> {
        let place = match &self.output {
            Some(output) => *output.get(column)?,
            None => column,
        };
        (place < self.left_side.width).then_some(place)
    }

    /// The same match with the left side's index among its columns, and where.
    pub(crate) fn with_left_index(&self) -> Option<(Self, usize)> {
        let index = self.left_side.index_column?;
        let width = self.left_side.width;
        let all = |exec: &Self| (0..exec.schema.fields().len()).collect::<Vec<_>>();
        let mut output = self.output.as_ref().map_or_else(|| all(self), |output| output.to_vec());
        let mut sides = [self.left_side.clone(), self.right_side.clone()];
        if index >= width {
            // It was read behind the columns that come out, and now comes out itself.
            if index > width {
                return None;
            }
            sides[0].width = width + 1;
            output
                .iter_mut()
                .filter(|place| **place >= width)
                .for_each(|place| *place += 1);
        }
        let at = match output.iter().position(|place| *place == index) {
            Some(at) => at,
            None => {
                output.push(index);
                output.len() - 1
            }
        };
        let inputs = [Arc::clone(&self.left), Arc::clone(&self.right)];
        let exec = Self::new(inputs, sides, self.terms.clone(), self.mode.clone());
        Some((exec.with_output(Some(output)), at))
    }

    /// What comes of the left rows in `ranges`, in one partition; `None` if no part of the match can be told from others.
    pub(crate) fn confined(&self, ranges: &CellRanges) -> Option<Self> {
        let Mode::Aligned { units, estimate, role } = &self.mode else {
            return None;
        };
        let mut parts: Vec<CellRanges> = units.iter().flatten().map(|unit| unit.intersection(ranges)).collect();
        parts.retain(|part| !part.is_empty());
        parts.sort_by_key(|part| part.iter().next().map_or(0, |range| range.start));
        let mode = Mode::Aligned {
            units: vec![parts].into(),
            estimate: *estimate,
            role: *role,
        };
        let inputs = [Arc::clone(&self.left), Arc::clone(&self.right)];
        let sides = [self.left_side.clone(), self.right_side.clone()];
        let mut part = Self::new(inputs, sides, self.terms.clone(), mode);
        part = part.with_output(self.output.as_ref().map(|output| output.to_vec()));
        // Whoever reads the whole plan's figures wants those of its parts.
        part.metrics = self.metrics.clone();
        Some(part)
    }
}
