//! The condition of a match over pairs of rows, split so that parts of it can be judged alone.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Float64Type, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{JoinSide, Result, ScalarValue, internal_err};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, Literal};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter};

/// An expression over both rows of a pair. It reads a small schema of its own: columns of the left side, of the right,
/// and ([`JoinSide::None`]) the separation.
#[derive(Debug, Clone)]
pub struct PairExpr(pub JoinFilter);

/// The separation among the columns that an expression reads.
const SEPARATION: ColumnIndex = ColumnIndex {
    index: 0,
    side: JoinSide::None,
};

impl PairExpr {
    /// `expr` over the columns of both inputs, left then right, `widths` of them. A column beyond is the separation.
    pub(crate) fn new(
        expr: Arc<dyn PhysicalExpr>,
        [left, right]: [&Arc<dyn ExecutionPlan>; 2],
        widths: (usize, usize),
    ) -> Result<Self> {
        let mut used: Vec<usize> = collect_columns(&expr).iter().map(Column::index).collect();
        used.sort_unstable();
        used.dedup();
        let mut columns = Vec::with_capacity(used.len());
        let mut fields = Vec::with_capacity(used.len());
        for &index in &used {
            let (column, field) = if index < widths.0 {
                let side = JoinSide::Left;
                (ColumnIndex { index, side }, Arc::clone(&left.schema().fields()[index]))
            } else if index < widths.0 + widths.1 {
                let (index, side) = (index - widths.0, JoinSide::Right);
                (ColumnIndex { index, side }, Arc::clone(&right.schema().fields()[index]))
            } else {
                (SEPARATION, Self::separation_field())
            };
            columns.push(column);
            fields.push(field);
        }
        let moved = expr.transform_up(|expr| {
            let Some(column) = expr.downcast_ref::<Column>() else {
                return Ok(Transformed::no(expr));
            };
            let Ok(place) = used.binary_search(&column.index()) else {
                return Ok(Transformed::no(expr));
            };
            let moved: Arc<dyn PhysicalExpr> = Arc::new(Column::new(column.name(), place));
            Ok(Transformed::yes(moved))
        });
        Ok(Self(JoinFilter::new(
            moved.data()?,
            columns,
            Arc::new(Schema::new(fields)),
        )))
    }

    /// The expression over joined rows, the first `left_width` columns of which are the left side's.
    pub(crate) fn over_pairs(&self, left_width: usize) -> Result<Arc<dyn PhysicalExpr>> {
        let moved = Arc::clone(self.expr()).transform_up(|expr| {
            let place = expr
                .downcast_ref::<Column>()
                .map(|column| (column.name().to_owned(), column.index()));
            let Some((name, column)) = place.and_then(|(name, at)| Some((name, self.columns().get(at)?))) else {
                return Ok(Transformed::no(expr));
            };
            let shift = if column.side == JoinSide::Right { left_width } else { 0 };
            let moved: Arc<dyn PhysicalExpr> = Arc::new(Column::new(&name, column.index + shift));
            Ok(Transformed::yes(moved))
        });
        moved.data()
    }

    pub(crate) fn separation_field() -> Arc<Field> {
        Arc::new(Field::new("separation", DataType::Float64, true))
    }

    /// The columns that it reads.
    pub(crate) fn columns(&self) -> &[ColumnIndex] {
        self.0.column_indices()
    }

    /// Whether it reads a column of that side; the separation is of [`JoinSide::None`].
    pub(crate) fn reads(&self, side: JoinSide) -> bool {
        self.columns().iter().any(|column| column.side == side)
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        self.0.schema()
    }

    pub(crate) fn expr(&self) -> &Arc<dyn PhysicalExpr> {
        self.0.expression()
    }

    /// Its values for pairs whose columns `column` gives.
    pub(crate) fn evaluate(
        &self,
        rows: usize,
        column: impl FnMut(&ColumnIndex) -> Result<ArrayRef>,
    ) -> Result<ArrayRef> {
        let columns = self.columns().iter().map(column).collect::<Result<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(self.schema()), columns, &options)?;
        self.expr().evaluate(&batch)?.into_array(rows)
    }
}

impl fmt::Display for PairExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.expr().fmt(f)
    }
}

/// When two rows match.
#[derive(Debug, Clone)]
pub struct PairCondition {
    /// The separation in degrees; the other parts may read it as a column.
    pub separation: Option<PairExpr>,
    /// The conjunct that bounds the separation.
    pub bound: PairExpr,
    /// The other conjuncts.
    pub residual: Option<PairExpr>,
    /// All of it over the inputs' columns, as the engine's own joins take it, and EXPLAIN shows it.
    pub whole: PairExpr,
}

impl PairCondition {
    /// The parts over the columns of both inputs, left then right.
    pub(crate) fn new(
        separation: Option<Arc<dyn PhysicalExpr>>,
        bound: Arc<dyn PhysicalExpr>,
        residual: Option<Arc<dyn PhysicalExpr>>,
        inputs: [&Arc<dyn ExecutionPlan>; 2],
        widths: (usize, usize),
    ) -> Result<Self> {
        let measured: Arc<dyn PhysicalExpr> = Arc::new(Column::new("separation", widths.0 + widths.1));
        let part = |expr: Arc<dyn PhysicalExpr>| -> Result<PairExpr> {
            let Some(separation) = &separation else {
                return PairExpr::new(expr, inputs, widths);
            };
            let shared = expr.transform_down(|expr| {
                Ok(if expr.eq(separation) {
                    Transformed::yes(Arc::clone(&measured))
                } else {
                    Transformed::no(expr)
                })
            });
            PairExpr::new(shared.data()?, inputs, widths)
        };
        let whole = match &residual {
            None => Arc::clone(&bound),
            Some(residual) => Arc::new(BinaryExpr::new(
                Arc::clone(&bound),
                datafusion::logical_expr::Operator::And,
                Arc::clone(residual),
            )),
        };
        Ok(Self {
            bound: part(bound)?,
            residual: residual.map(part).transpose()?,
            whole: PairExpr::new(whole, inputs, widths)?,
            separation: separation
                .clone()
                .map(|expr| PairExpr::new(expr, inputs, widths))
                .transpose()?,
        })
    }

    /// Whether the bound says that the separation is below the radius (or at most it), and nothing else.
    pub(crate) fn bounds_just_the_separation(&self, radius_deg: f64) -> bool {
        let Some(comparison) = self.bound.expr().downcast_ref::<BinaryExpr>() else {
            return false;
        };
        let limit = comparison.right().downcast_ref::<Literal>().map(Literal::value);
        self.bound.columns() == [SEPARATION]
            && comparison.left().downcast_ref::<Column>().is_some()
            && matches!(comparison.op(), Operator::Lt | Operator::LtEq)
            && matches!(limit, Some(ScalarValue::Float64(Some(limit))) if limit.to_bits() == radius_deg.to_bits())
    }

    /// All expressions in it.
    pub(crate) fn exprs(&self) -> impl Iterator<Item = &PairExpr> {
        [&self.bound, &self.whole]
            .into_iter()
            .chain(&self.separation)
            .chain(&self.residual)
    }
}

/// Where an expression is true; NULL is not.
pub(crate) fn truth(values: &ArrayRef) -> Result<BooleanArray> {
    let Some(values) = values.as_boolean_opt() else {
        return internal_err!("a join condition must be boolean, got {}", values.data_type());
    };
    Ok(match values.nulls() {
        None => values.clone(),
        Some(nulls) => BooleanArray::new(values.values() & nulls.inner(), None),
    })
}

/// Numbers as doubles.
pub(crate) fn doubles(values: &ArrayRef) -> Result<datafusion::arrow::array::Float64Array> {
    if let Some(doubles) = values.as_primitive_opt::<Float64Type>() {
        return Ok(doubles.clone());
    }
    Ok(cast(values, &DataType::Float64)?.as_primitive::<Float64Type>().clone())
}
