//! Values written as texts by PostgreSQL's rules, where the engine's cast follows others: `1` for 1.0, `{1,2}` for an
//! array, a blank between date and time, `\x00ff` for bytes.

use std::sync::Arc;

use bytes::BytesMut;
use datafusion::arrow::array::{Array, ArrayRef, StringViewBuilder};
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::functions::utils::make_scalar_function;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::super::encode::{RowEncoder, Style, WireFormat, pg_type};

/// `write_text(value)`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(in crate::pg) struct WriteText {
    signature: Signature,
}

impl WriteText {
    pub(super) fn new() -> Self {
        Self {
            // The session's time zone tells how a moment is written.
            signature: Signature::any(1, Volatility::Stable),
        }
    }

    /// Writes a value of `kind`; gives it back where the engine's own cast does as PostgreSQL.
    pub(in crate::pg) fn of(value: Expr, kind: &DataType) -> Result<Expr, Expr> {
        let same = kind.is_string()
            || kind.is_integer()
            || kind.is_decimal()
            || matches!(kind, DataType::Null | DataType::Boolean | DataType::Dictionary(..));
        if same {
            return Err(value);
        }
        Ok(ScalarUDF::new_from_impl(Self::new()).call(vec![value]))
    }
}

impl ScalarUDFImpl for WriteText {
    fn name(&self) -> &'static str {
        "write_text"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(field) = arguments.arg_fields.first() else {
            return plan_err!("write_text takes one value");
        };
        let zone = arguments.config_options.execution.time_zone.as_deref();
        let style = Style {
            time_zone: zone.and_then(|zone| zone.parse().ok()),
            extra_float_digits: 1,
        };
        let encoder = RowEncoder::new([(pg_type(field), WireFormat::Text)], style);
        let schema = Arc::new(Schema::new(vec![field.as_ref().clone().with_nullable(true)]));
        let texts =
            |values: &[ArrayRef]| written(&encoder, &RecordBatch::try_new(Arc::clone(&schema), values.to_vec())?);
        make_scalar_function(texts, Vec::new())(&arguments.args)
    }
}

/// The texts of the rows of one column.
fn written(encoder: &RowEncoder, values: &RecordBatch) -> Result<ArrayRef> {
    let columns = encoder.columns(values)?;
    let mut texts = StringViewBuilder::with_capacity(values.num_rows());
    let mut text = BytesMut::new();
    for row in 0..values.num_rows() {
        let Some(column) = columns.first().filter(|column| !column.is_null(row)) else {
            texts.append_null();
            continue;
        };
        text.clear();
        column.put(row, &mut text);
        match std::str::from_utf8(&text) {
            Ok(text) => texts.append_value(text),
            Err(_) => {
                return exec_err!(
                    "a value of type {} was written in no text",
                    values.column(0).data_type()
                );
            }
        }
    }
    Ok(Arc::new(texts.finish()))
}
