//! Texts of a column read as values of another type by PostgreSQL's rules, where the engine's cast follows others: it
//! makes an array of the whole text, and bytes of its letters.

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::functions::utils::make_scalar_function;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::super::decode;
use super::super::encode::pg_type;

/// `read_text(text, like)`: a value of the type of `like`, whose own value does not matter.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(in crate::pg) struct ReadText {
    signature: Signature,
}

impl ReadText {
    pub(super) fn new() -> Self {
        Self {
            signature: Signature::any(2, Volatility::Immutable),
        }
    }

    /// Reads `text` as a value of `kind`; gives it back where the engine's own cast does as PostgreSQL.
    pub(in crate::pg) fn of(text: Expr, kind: &DataType) -> Result<Expr, Expr> {
        let differs = matches!(
            kind,
            DataType::List(_)
                | DataType::Boolean
                | DataType::Binary
                | DataType::LargeBinary
                | DataType::BinaryView
                | DataType::Interval(_)
        );
        match ScalarValue::try_from(kind) {
            Ok(like) if differs => {
                let like = Expr::Literal(like, None);
                Ok(ScalarUDF::new_from_impl(Self::new()).call(vec![text, like]))
            }
            _ => Err(text),
        }
    }
}

impl ScalarUDFImpl for ReadText {
    fn name(&self) -> &'static str {
        "read_text"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [_, like] => Ok(like.clone()),
            _ => plan_err!("read_text takes a text, and a value of the type to read"),
        }
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let kind = arguments.return_field.data_type();
        let Some(text) = arguments.args.get(..1) else {
            return plan_err!("read_text takes a text, and a value of the type to read");
        };
        make_scalar_function(|texts: &[ArrayRef]| read(&texts[0], kind), Vec::new())(text)
    }
}

/// Values of a type out of texts.
fn read(texts: &ArrayRef, kind: &DataType) -> Result<ArrayRef> {
    let texts = cast(texts, &DataType::Utf8View)?;
    let target = pg_type(&Field::new("", kind.clone(), true));
    let null = ScalarValue::try_from(kind)?;
    if texts.is_empty() {
        return null.to_array_of_size(0);
    }
    let values = texts.as_string_view().iter().map(|text| match text {
        Some(text) => decode::from_text(text, &target)?.cast_to(kind),
        None => Ok(null.clone()),
    });
    ScalarValue::iter_to_array(values.collect::<Result<Vec<_>>>()?)
}
