//! The logical node: a join whose condition bounds the separation of two positions.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::{Column, DFSchema, DFSchemaRef, Result, plan_err};
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore, build_join_schema};
use dreyer_tiling::SkyCoords;

use crate::identifier::identifying;
use crate::spec::{MatchSpec, Pick, Radius};

/// Rows of the left side, and of the right, whose positions lie within a radius and for which a condition holds.
///
/// Output: the columns of the left side, then, unless the join is a semi or an anti join, those of the right, and last
/// the separation, if it is measured.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CrossMatch {
    left: LogicalPlan,
    right: LogicalPlan,
    spec: MatchSpec,
    condition: Condition,
    /// The name of the output column that holds the separation.
    measured: Option<String>,
    /// Of each side the columns that say which object a row is, if pairs are picked.
    identifying: [Vec<Column>; 2],
    schema: DFSchemaRef,
}

/// The condition of a match, split where the operators need it split.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Condition {
    /// Where the left side's position comes from.
    pub left_at: SkyCoords,
    /// Where the right side's position comes from.
    pub right_at: SkyCoords,
    /// Within which angle a pair is a candidate.
    pub radius: Radius,
    /// The separation in degrees as the condition calls it, where it does.
    pub separation: Option<Expr>,
    /// The conjunct that bounds the separation. It decides; position and radius only propose.
    pub bound: Expr,
    /// The other conjuncts.
    pub residual: Option<Expr>,
}

impl Condition {
    /// The whole condition.
    pub fn whole(&self) -> Expr {
        match &self.residual {
            Some(residual) => self.bound.clone().and(residual.clone()),
            None => self.bound.clone(),
        }
    }

    /// Whether rows at the same place match the same rows.
    fn is_of_places(&self) -> bool {
        self.residual.is_none() && self.radius.constant().is_some()
    }

    fn exprs(&self) -> Vec<Expr> {
        let places = self.left_at.exprs().into_iter().chain(self.right_at.exprs());
        let radius = match &self.radius {
            Radius::Constant(_) => None,
            Radius::PerRow(expr) => Some(expr),
        };
        let rest = radius.into_iter().chain(&self.separation);
        places
            .chain(rest)
            .chain([&self.bound])
            .chain(&self.residual)
            .cloned()
            .collect()
    }

    /// The same with expressions that a rewrite may have changed, in the order of [`Self::exprs`].
    fn with_exprs(&self, exprs: Vec<Expr>) -> Option<Self> {
        let mut exprs = exprs.into_iter();
        let mut coords = |at: &SkyCoords| {
            Some(match at {
                SkyCoords::Point(_) => SkyCoords::Point(exprs.next()?),
                SkyCoords::LonLat(..) => SkyCoords::LonLat(exprs.next()?, exprs.next()?),
            })
        };
        Some(Self {
            left_at: coords(&self.left_at)?,
            right_at: coords(&self.right_at)?,
            radius: match self.radius {
                Radius::Constant(radius_deg) => Radius::Constant(radius_deg),
                Radius::PerRow(_) => Radius::PerRow(exprs.next()?),
            },
            separation: match &self.separation {
                Some(_) => Some(exprs.next()?),
                None => None,
            },
            bound: exprs.next()?,
            residual: match &self.residual {
                Some(_) => Some(exprs.next()?),
                None => None,
            },
        })
    }
}

impl CrossMatch {
    /// A cross-match of `left` and `right`.
    pub fn try_new(left: LogicalPlan, right: LogicalPlan, spec: MatchSpec, condition: Condition) -> Result<Self> {
        Self::with_measured(left, right, spec, condition, None)
    }

    /// The same with the separation of each pair as a last column of that name, of which the condition must know.
    pub fn measuring(&self, name: &str) -> Result<Self> {
        let (left, right) = (self.left.clone(), self.right.clone());
        let condition = self.condition.clone();
        let measuring = Self::with_measured(left, right, self.spec, condition, Some(name.to_owned()))?;
        Ok(measuring.told_apart_as(self))
    }

    pub(crate) fn with_measured(
        left: LogicalPlan,
        right: LogicalPlan,
        spec: MatchSpec,
        condition: Condition,
        measured: Option<String>,
    ) -> Result<Self> {
        let joined = build_join_schema(left.schema(), right.schema(), &spec.join.join_type())?;
        let schema = match &measured {
            None => joined,
            Some(_) if condition.separation.is_none() || !spec.join.has_right() => {
                return plan_err!("CrossMatch has no separation to measure");
            }
            Some(name) => {
                let mut fields: Vec<_> = joined
                    .iter()
                    .map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field)))
                    .collect();
                fields.push((None, separation_field(name)));
                let dependencies = joined.functional_dependencies().clone();
                DFSchema::new_with_metadata(fields, joined.metadata().clone())?
                    .with_functional_dependencies(dependencies)?
            }
        };
        let identifying = match spec.pick {
            Pick::All => [Vec::new(), Vec::new()],
            _ => [identifying(left.schema()), identifying(right.schema())],
        };
        Ok(Self {
            left,
            right,
            spec,
            condition,
            measured,
            identifying,
            schema: Arc::new(schema),
        })
    }

    /// The same with other columns that say which object a row is.
    pub(crate) fn identified_by(mut self, identifying: [Vec<Column>; 2]) -> Self {
        self.identifying = identifying;
        self
    }

    /// Likewise: a rewrite may have left fewer columns to choose from.
    fn told_apart_as(self, other: &Self) -> Self {
        self.identified_by(other.identifying.clone())
    }

    pub(crate) fn identifying(&self) -> &[Vec<Column>; 2] {
        &self.identifying
    }

    /// The same with a constant radius, if the expression of its radius has become a constant.
    pub(crate) fn folded(&self) -> Option<Result<Self>> {
        let Radius::PerRow(Expr::Literal(value, _)) = &self.condition.radius else {
            return None;
        };
        let radius_deg = match value.cast_to(&DataType::Float64) {
            Ok(datafusion::common::ScalarValue::Float64(radius_deg)) => radius_deg.unwrap_or(f64::NAN),
            _ => return None,
        };
        let condition = Condition {
            radius: Radius::Constant(radius_deg),
            ..self.condition.clone()
        };
        let (left, right) = (self.left.clone(), self.right.clone());
        let folded = Self::with_measured(left, right, self.spec, condition, self.measured.clone());
        Some(folded.map(|node| node.told_apart_as(self)))
    }

    /// What is asked of the match.
    pub fn spec(&self) -> MatchSpec {
        self.spec
    }

    /// When two rows match.
    pub fn condition(&self) -> &Condition {
        &self.condition
    }

    /// Of each side the columns that say which object a row is, as far as they are still there.
    pub(crate) fn identifying_columns(&self) -> [Vec<usize>; 2] {
        let [left, right] = &self.identifying;
        [(left, &self.left), (right, &self.right)].map(|(columns, side)| {
            let place = |column| side.schema().maybe_index_of_column(column);
            columns.iter().filter_map(place).collect()
        })
    }

    /// The name of the output column that holds the separation, if there is one.
    pub fn measured(&self) -> Option<&str> {
        self.measured.as_deref()
    }
}

/// The output column that holds the separation. It is NULL where a row has no partner.
pub(crate) fn separation_field(name: &str) -> Arc<Field> {
    let says = [("unit", "deg"), ("ucd", "pos.angDistance")];
    let says = says.map(|(key, value)| (key.to_owned(), value.to_owned()));
    Arc::new(Field::new(name, DataType::Float64, true).with_metadata(says.into()))
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
        self.condition.exprs()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CrossMatch: {}, radius={}", self.spec, self.condition.radius)?;
        if let Some(name) = &self.measured {
            write!(f, ", separation={name}")?;
        }
        write!(f, ", condition={}", self.condition.whole())
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let Some(condition) = self.condition.with_exprs(exprs) else {
            return plan_err!("CrossMatch lost an expression in a rewrite");
        };
        let Ok([left, right]) = <[LogicalPlan; 2]>::try_from(inputs) else {
            return plan_err!("CrossMatch has two inputs");
        };
        let rebuilt = Self::with_measured(left, right, self.spec, condition, self.measured.clone())?;
        Ok(rebuilt.told_apart_as(self))
    }

    /// The optimiser would offer a filter to both sides, whichever it reads. Where a filter may pass, our own rule
    /// takes it to its side.
    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        self.schema.fields().iter().map(|field| field.name().clone()).collect()
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let left_width = self.left.schema().fields().len();
        let right_width = self.right.schema().fields().len();
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for &column in output_columns {
            if column < left_width {
                left.push(column);
            } else if column < left_width + right_width {
                right.push(column - left_width);
            }
        }
        // A column of the picked rows is read: then it must be known which ones are picked.
        let [left_tells, right_tells] = self.identifying_columns();
        let (one_of_left, one_of_right) = match self.spec.pick {
            Pick::All => (false, false),
            Pick::Nearest(_) => (false, !right.is_empty()),
            Pick::Mutual => {
                let any = !left.is_empty() || !right.is_empty() || !self.condition.is_of_places();
                (any, any)
            }
        };
        for (columns, tells, wanted) in [
            (&mut left, left_tells, one_of_left),
            (&mut right, right_tells, one_of_right),
        ] {
            if wanted {
                columns.extend(tells);
                columns.sort_unstable();
                columns.dedup();
            }
        }
        Some(vec![left, right])
    }
}

// Plans have no order among themselves beyond that of what they say.
impl PartialOrd for CrossMatch {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        let told = |node: &Self| (node.condition.bound.clone(), node.condition.residual.clone());
        (&self.left, &self.right, told(self)).partial_cmp(&(&other.left, &other.right, told(other)))
    }
}
