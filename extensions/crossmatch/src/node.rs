//! The logical node: an inner join whose condition bounds the separation of two positions.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use datafusion::common::{DFSchemaRef, JoinType, Result, plan_err};
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore, build_join_schema};
use dreyer_tiling::SkyCoords;

/// Pairs of rows whose positions lie within a radius and for which the whole condition holds.
///
/// Output: the columns of the left side, then those of the right, as of an inner join.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CrossMatch {
    left: LogicalPlan,
    right: LogicalPlan,
    left_at: SkyCoords,
    right_at: SkyCoords,
    radius: Radius,
    condition: Expr,
    schema: DFSchemaRef,
}

/// A radius in degrees that can be hashed: logical plans are compared.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Radius(pub(crate) f64);

impl PartialEq for Radius {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}
impl Eq for Radius {}
impl std::hash::Hash for Radius {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

impl CrossMatch {
    /// A cross-match of `left` and `right`. `condition` is the whole join condition, the bound on the separation
    /// included; `left_at`, `right_at` and `radius_deg` repeat that bound in a form that can be searched by.
    pub fn try_new(
        left: LogicalPlan,
        right: LogicalPlan,
        left_at: SkyCoords,
        right_at: SkyCoords,
        radius_deg: f64,
        condition: Expr,
    ) -> Result<Self> {
        let schema = Arc::new(build_join_schema(left.schema(), right.schema(), &JoinType::Inner)?);
        Ok(Self {
            left,
            right,
            left_at,
            right_at,
            radius: Radius(radius_deg),
            condition,
            schema,
        })
    }

    /// Where the left side's position comes from.
    pub fn left_at(&self) -> &SkyCoords {
        &self.left_at
    }

    /// Where the right side's position comes from.
    pub fn right_at(&self) -> &SkyCoords {
        &self.right_at
    }

    /// The radius in degrees.
    pub fn radius_deg(&self) -> f64 {
        self.radius.0
    }

    /// The whole join condition.
    pub fn condition(&self) -> &Expr {
        &self.condition
    }

    fn arity(coords: &SkyCoords) -> usize {
        coords.exprs().len()
    }
}

/// The positions taken back from a list of expressions that a rewrite may have changed.
fn coords_from(exprs: &mut impl Iterator<Item = Expr>, arity: usize) -> Option<SkyCoords> {
    Some(match arity {
        1 => SkyCoords::Point(exprs.next()?),
        _ => SkyCoords::LonLat(exprs.next()?, exprs.next()?),
    })
}

impl UserDefinedLogicalNodeCore for CrossMatch {
    fn name(&self) -> &'static str {
        "CrossMatch"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.left, &self.right]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        let places = self.left_at.exprs().into_iter().chain(self.right_at.exprs());
        places.chain([&self.condition]).cloned().collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "CrossMatch: radius={}, condition={}",
            Arcsec(self.radius.0),
            self.condition
        )
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let mut exprs = exprs.into_iter();
        let left_at = coords_from(&mut exprs, Self::arity(&self.left_at));
        let right_at = coords_from(&mut exprs, Self::arity(&self.right_at));
        let (Some(left_at), Some(right_at), Some(condition)) = (left_at, right_at, exprs.next()) else {
            return plan_err!("CrossMatch lost an expression in a rewrite");
        };
        let Ok([left, right]) = <[LogicalPlan; 2]>::try_from(inputs) else {
            return plan_err!("CrossMatch has two inputs");
        };
        Self::try_new(left, right, left_at, right_at, self.radius.0, condition)
    }

    /// Every column may be filtered below an inner join, but the optimiser would offer the same filter to both sides;
    /// filters were pushed down before the join became a cross-match.
    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        self.schema.fields().iter().map(|field| field.name().clone()).collect()
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let left_width = self.left.schema().fields().len();
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for &column in output_columns {
            if column < left_width {
                left.push(column);
            } else {
                right.push(column - left_width);
            }
        }
        Some(vec![left, right])
    }
}

// Plans have no order among themselves beyond that of what they say.
impl PartialOrd for CrossMatch {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (&self.left, &self.right, &self.condition).partial_cmp(&(&other.left, &other.right, &other.condition))
    }
}

/// A radius as people read it: arcseconds below 0.1 degree.
pub(crate) struct Arcsec(pub(crate) f64);

impl fmt::Display for Arcsec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Rounded in the ninth digit, so that 1/3600. reads as one arcsecond.
        let round = |value: f64| (value * 1e9).round() / 1e9;
        if self.0.abs() < 0.1 {
            write!(f, "{}\"", round(self.0 * 3600.0))
        } else {
            write!(f, "{}°", round(self.0))
        }
    }
}
