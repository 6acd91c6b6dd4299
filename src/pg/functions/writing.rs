//! Values written as texts by PostgreSQL's rules, where the engine's cast follows others: `1` for 1.0, `{1,2}` for an
//! array, a blank between date and time, `\x00ff` for bytes.

use std::sync::Arc;

use bytes::BytesMut;
use datafusion::arrow::array::{Array, ArrayRef, StringViewBuilder};
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
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
        let (Some(value), Some(field)) = (arguments.args.first(), arguments.arg_fields.first()) else {
            return plan_err!("write_text takes one value");
        };
        let constant = matches!(value, ColumnarValue::Scalar(_));
        let rows = if constant { 1 } else { arguments.number_rows };
        let zone = arguments.config_options.execution.time_zone.as_deref();
        let style = Style {
            time_zone: zone.and_then(|zone| zone.parse().ok()),
            extra_float_digits: 1,
        };
        let encoder = RowEncoder::new([(pg_type(field), WireFormat::Text)], style);
        let array = value.to_array(rows)?;
        let field = field.as_ref().clone().with_nullable(true);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::new(Schema::new(vec![field])), vec![array], &options)?;
        let columns = encoder.columns(&batch)?;
        let mut texts = StringViewBuilder::with_capacity(rows);
        let mut text = BytesMut::new();
        for row in 0..rows {
            let Some(column) = columns.first().filter(|column| !column.is_null(row)) else {
                texts.append_null();
                continue;
            };
            text.clear();
            column.put(row, &mut text);
            match std::str::from_utf8(&text) {
                Ok(text) => texts.append_value(text),
                Err(_) => return exec_err!("a value of type {} was written in no text", batch.column(0).data_type()),
            }
        }
        let texts: ArrayRef = Arc::new(texts.finish());
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&texts, 0)?));
        }
        Ok(ColumnarValue::Array(texts))
    }
}
