//! Numbers with a fraction made whole as PostgreSQL does it: to the nearest, and of two as near to the even one. The
//! engine's own cast cuts the fraction off.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Float64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{Result, plan_err};
use datafusion::functions::utils::make_scalar_function;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

/// `rint(x)`, in double precision.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(in crate::pg) struct Rint {
    signature: Signature,
}

impl Rint {
    pub(in crate::pg) fn new() -> Self {
        Self {
            signature: Signature::exact(vec![DataType::Float64], Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for Rint {
    fn name(&self) -> &'static str {
        "rint"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        make_scalar_function(rounded, Vec::new())(&arguments.args)
    }
}

fn rounded(numbers: &[ArrayRef]) -> Result<ArrayRef> {
    let [numbers] = numbers else {
        return plan_err!("rint takes one number");
    };
    let numbers = cast(numbers, &DataType::Float64)?;
    let rounded: Float64Array = numbers.as_primitive::<Float64Type>().unary(f64::round_ties_even);
    Ok(Arc::new(rounded))
}
