//! The function that plans hold around what was computed.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use super::array::of_array;

/// `canonical(x)`: x, but the one NaN for every NaN and 0 for -0. Sessions need it registered where plans travel.
pub fn canonical() -> Arc<ScalarUDF> {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
        Arc::new(ScalarUDF::new_from_impl(Canonical {
            signature: Signature::any(1, Volatility::Immutable),
        }))
    });
    Arc::clone(&FUNCTION)
}

const NAME: &str = "canonical";

#[derive(Debug, PartialEq, Eq, Hash)]
struct Canonical {
    signature: Signature,
}

impl ScalarUDFImpl for Canonical {
    fn name(&self) -> &'static str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [kind] => Ok(kind.clone()),
            _ => plan_err!("{NAME} takes one value"),
        }
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match arguments.args.into_iter().next() {
            Some(ColumnarValue::Array(array)) => Ok(ColumnarValue::Array(of_array(&array).unwrap_or(array))),
            Some(ColumnarValue::Scalar(value)) => {
                let array = value.to_array()?;
                let mended = of_array(&array).unwrap_or(array);
                let value = datafusion::common::ScalarValue::try_from_array(&mended, 0)?;
                Ok(ColumnarValue::Scalar(value))
            }
            None => plan_err!("{NAME} takes one value"),
        }
    }
}
