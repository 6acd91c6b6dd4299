//! A span of time taken so many times: `3 * INTERVAL '1 second'`. The engine has no such product.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Float64Array, IntervalMonthDayNanoArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Float64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit,
};
use datafusion::common::{Result, plan_err};
use datafusion::functions::utils::make_scalar_function;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

/// Nanoseconds of a day.
const DAY: f64 = 86_400e9;

/// `interval_times(number, interval)`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(in crate::pg) struct Times {
    signature: Signature,
}

impl Times {
    pub(in crate::pg) fn new() -> Self {
        let interval = DataType::Interval(IntervalUnit::MonthDayNano);
        Self {
            signature: Signature::exact(vec![DataType::Float64, interval], Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for Times {
    fn name(&self) -> &'static str {
        "interval_times"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Interval(IntervalUnit::MonthDayNano))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        make_scalar_function(products, Vec::new())(&arguments.args)
    }
}

fn products(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    let [numbers, spans] = arrays else {
        return plan_err!("interval_times takes a number and an interval");
    };
    let numbers = cast(numbers, &DataType::Float64)?;
    let numbers: &Float64Array = numbers.as_primitive::<Float64Type>();
    let spans: &IntervalMonthDayNanoArray = spans.as_primitive::<IntervalMonthDayNanoType>();
    let products: IntervalMonthDayNanoArray = numbers
        .iter()
        .zip(spans.iter())
        .map(|(number, span)| Some(times(number?, span?)))
        .collect();
    Ok(Arc::new(products))
}

/// Whole months and days stay such; what is left of a month counts as thirtieths, as in PostgreSQL. What is beyond the
/// years that times have stays at the last.
#[expect(clippy::cast_possible_truncation, reason = "what is too large stays at the last")]
fn times(number: f64, span: IntervalMonthDayNano) -> IntervalMonthDayNano {
    let months = number * f64::from(span.months);
    let days = number * f64::from(span.days) + (months - months.trunc()) * 30.0;
    let nanoseconds = number * span.nanoseconds as f64 + (days - days.trunc()) * DAY;
    IntervalMonthDayNano::new(months as i32, days as i32, nanoseconds.round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_are_not_whole_go_to_the_next_smaller() {
        let span = IntervalMonthDayNano::new(1, 3, 1_000_000_000);
        assert_eq!(times(2.0, span), IntervalMonthDayNano::new(2, 6, 2_000_000_000));
        assert_eq!(times(0.5, span), IntervalMonthDayNano::new(0, 16, 43_200_500_000_000));
    }
}
