//! How large an expression over two rows can get, when of one row only the extremes of its columns are known.
//!
//! A radius such as `3 * SQRT(a.error * a.error + b.error * b.error)` is not known before a pair is. For the search it
//! is enough that it is never larger than what is found here. Interval arithmetic (Moore 1966), for a whole batch of
//! the rows that are known, with room for the rounding of the expression itself.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::{JoinSide, Result, ScalarValue};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, CastExpr, Column, Literal, NegativeExpr};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};

use super::condition::{PairExpr, doubles};

/// Least and greatest values; NaN where there is none. One for all rows, or one for each.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Interval {
    low: Vec<f64>,
    high: Vec<f64>,
}

/// Whether every part of the expression is one that [`upper`] knows.
pub(crate) fn is_known(expr: &PairExpr) -> bool {
    known(expr.expr(), expr.schema())
}

fn known(expr: &Arc<dyn PhysicalExpr>, schema: &Schema) -> bool {
    let here = Step::of(expr, schema).is_some();
    here && expr.children().into_iter().all(|child| known(child, schema))
}

/// The extremes of each column of `expr` that belongs to the held side; `None` for the others.
pub(crate) fn extremes(expr: &PairExpr, held: JoinSide, batches: &[RecordBatch]) -> Result<Vec<Option<Interval>>> {
    let columns = expr.columns().iter().map(|column| {
        if column.side != held {
            return Ok(None);
        }
        let (mut low, mut high) = (f64::NAN, f64::NAN);
        for batch in batches {
            // NULL and NaN make no radius, or leave it to the other operands.
            for value in doubles(batch.column(column.index))?.iter().flatten() {
                (low, high) = (low.min(value), high.max(value));
            }
        }
        Ok(Some(Interval::new(low, high)))
    });
    columns.collect()
}

/// For each row of `streamed`, a number that the expression does not exceed, whichever row it is paired with.
pub(crate) fn upper(expr: &PairExpr, extremes: &[Option<Interval>], streamed: &RecordBatch) -> Result<Vec<f64>> {
    let found = evaluate(expr.expr(), expr, extremes, streamed)?;
    Ok((0..streamed.num_rows()).map(|row| found.at(row).1).collect())
}

/// What the expression does to its operands.
enum Step {
    Column(usize),
    Constant(f64),
    Same,
    Negative,
    Arithmetic(Operator, f64),
    Sqrt,
    Abs,
    Power(f64),
    OneOf,
    Times(f64),
}

impl Step {
    fn of(expr: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Option<Self> {
        let number = |value: &ScalarValue| match value.cast_to(&DataType::Float64) {
            Ok(ScalarValue::Float64(number)) => Some(number.unwrap_or(f64::NAN)),
            _ => None,
        };
        if let Some(column) = expr.downcast_ref::<Column>() {
            let numeric = schema.fields().get(column.index())?.data_type().is_numeric();
            return numeric.then_some(Self::Column(column.index()));
        }
        if let Some(literal) = expr.downcast_ref::<Literal>() {
            return number(literal.value()).map(Self::Constant);
        }
        if let Some(cast) = expr.downcast_ref::<CastExpr>() {
            return (*cast.cast_type() == DataType::Float64).then_some(Self::Same);
        }
        // Integers divide, and decimals round, in ways of their own.
        let rounding = match expr.data_type(schema).ok()? {
            DataType::Float64 => 4.0 * f64::EPSILON,
            DataType::Float32 => 4.0 * f64::from(f32::EPSILON),
            _ => return None,
        };
        if expr.downcast_ref::<NegativeExpr>().is_some() {
            return Some(Self::Negative);
        }
        if let Some(binary) = expr.downcast_ref::<BinaryExpr>() {
            let known = matches!(
                binary.op(),
                Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide
            );
            return known.then_some(Self::Arithmetic(*binary.op(), rounding));
        }
        let call = expr.downcast_ref::<ScalarFunctionExpr>()?;
        match call.name() {
            "sqrt" => Some(Self::Sqrt),
            "abs" => Some(Self::Abs),
            "power" | "pow" => {
                let exponent = call.args().get(1)?.downcast_ref::<Literal>()?;
                number(exponent.value()).filter(|power| *power > 0.0).map(Self::Power)
            }
            "greatest" | "least" => Some(Self::OneOf),
            "radians" => Some(Self::Times(1_f64.to_radians())),
            "degrees" => Some(Self::Times(1_f64.to_degrees())),
            _ => None,
        }
    }
}

fn evaluate(
    expr: &Arc<dyn PhysicalExpr>,
    whole: &PairExpr,
    extremes: &[Option<Interval>],
    streamed: &RecordBatch,
) -> Result<Interval> {
    let Some(step) = Step::of(expr, whole.schema()) else {
        return Ok(Interval::anything());
    };
    let operands: Vec<Interval> = expr
        .children()
        .into_iter()
        .map(|child| evaluate(child, whole, extremes, streamed))
        .collect::<Result<_>>()?;
    let first = || operands.first().cloned().unwrap_or_else(Interval::anything);
    Ok(match step {
        Step::Column(at) => match (extremes.get(at), whole.columns().get(at)) {
            (Some(Some(extremes)), _) => extremes.clone(),
            (_, Some(column)) => {
                let values = doubles(streamed.column(column.index))?;
                let values: Vec<f64> = values.iter().map(|value| value.unwrap_or(f64::NAN)).collect();
                Interval {
                    low: values.clone(),
                    high: values,
                }
            }
            _ => Interval::anything(),
        },
        Step::Constant(value) => Interval::new(value, value),
        Step::Same => first(),
        Step::Negative => first().map(|low, high| (-high, -low)),
        Step::Arithmetic(op, rounding) => match operands.as_slice() {
            [a, b] => a.with(b, |a, b| arithmetic(op, a, b, rounding)),
            _ => Interval::anything(),
        },
        Step::Sqrt => first().map(|low, high| (low.max(0.0).sqrt(), high.sqrt())),
        Step::Abs => first().map(magnitude),
        Step::Power(power) => first().map(|low, high| raised(low, high, power)),
        Step::Times(factor) => first().map(|low, high| (low * factor, high * factor)),
        Step::OneOf => {
            // Either of the operands, those left out that are NULL.
            let either = |(a, b): (f64, f64), (c, d): (f64, f64)| (a.min(c), b.max(d));
            operands
                .iter()
                .skip(1)
                .fold(first(), |so_far, next| so_far.zip(next, either))
        }
    })
}

fn arithmetic(op: Operator, (a, b): (f64, f64), (c, d): (f64, f64), rounding: f64) -> (f64, f64) {
    let (low, high) = match op {
        Operator::Plus => (a + c, b + d),
        Operator::Minus => (a - d, b - c),
        Operator::Divide if c <= 0.0 && d >= 0.0 => (f64::NEG_INFINITY, f64::INFINITY),
        _ => {
            let pairs = [(a, c), (a, d), (b, c), (b, d)];
            let values = pairs.map(|(x, y)| if op == Operator::Divide { x / y } else { x * y });
            if values.iter().any(|value| value.is_nan()) {
                (f64::NEG_INFINITY, f64::INFINITY)
            } else {
                values
                    .iter()
                    .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &value| {
                        (low.min(value), high.max(value))
                    })
            }
        }
    };
    if low.is_nan() || high.is_nan() {
        return (f64::NEG_INFINITY, f64::INFINITY);
    }
    let largest = [a, b, c, d, low, high]
        .into_iter()
        .map(f64::abs)
        .filter(|value| value.is_finite())
        .fold(0.0, f64::max);
    (low - largest * rounding, high + largest * rounding)
}

fn magnitude(low: f64, high: f64) -> (f64, f64) {
    let least = if low <= 0.0 && high >= 0.0 {
        0.0
    } else {
        low.abs().min(high.abs())
    };
    (least, low.abs().max(high.abs()))
}

/// A positive power: an even one is that of the magnitude, and what is negative has no root.
fn raised(low: f64, high: f64, power: f64) -> (f64, f64) {
    let (low, high) = if power % 2.0 == 0.0 {
        magnitude(low, high)
    } else if power.fract() == 0.0 {
        (low, high)
    } else {
        (low.max(0.0), high)
    };
    let (least, most) = (low.powf(power), high.powf(power));
    (least, most + most.abs() * 4.0 * f64::from(f32::EPSILON))
}

impl Interval {
    fn new(low: f64, high: f64) -> Self {
        Self {
            low: vec![low],
            high: vec![high],
        }
    }

    fn anything() -> Self {
        Self::new(f64::NEG_INFINITY, f64::INFINITY)
    }

    fn at(&self, row: usize) -> (f64, f64) {
        let row = if self.low.len() == 1 { 0 } else { row };
        let at = |values: &[f64]| values.get(row).copied().unwrap_or(f64::NAN);
        (at(&self.low), at(&self.high))
    }

    fn map(self, change: impl Fn(f64, f64) -> (f64, f64)) -> Self {
        let pairs = self.low.into_iter().zip(self.high);
        let (low, high) = pairs.map(|(low, high)| change(low, high)).unzip();
        Self { low, high }
    }

    /// Row by row; where one has no value, neither has the result.
    fn with(&self, other: &Self, join: impl Fn((f64, f64), (f64, f64)) -> (f64, f64)) -> Self {
        self.zip(other, |a, b| {
            if a.0.is_nan() || a.1.is_nan() || b.0.is_nan() || b.1.is_nan() {
                (f64::NAN, f64::NAN)
            } else {
                join(a, b)
            }
        })
    }

    fn zip(&self, other: &Self, join: impl Fn((f64, f64), (f64, f64)) -> (f64, f64)) -> Self {
        let rows = if self.low.len() == 1 {
            other.low.len()
        } else {
            self.low.len()
        };
        let (low, high) = (0..rows).map(|row| join(self.at(row), other.at(row))).unzip();
        Self { low, high }
    }
}
