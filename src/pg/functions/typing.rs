//! Casts to the types that only PostgreSQL has: the value stays, the column is described as the type.

use datafusion::common::{Result, ScalarValue};
use pgwire::api::Type;

use super::argument::{oid, some_text, text};
use super::{Row, pure};

pub(super) const ROWS: &[Row] = &[
    pure("oid", Type::OID, |arguments| Ok(ScalarValue::UInt32(oid(arguments, 0)))),
    pure("xid", Type::XID, |arguments| Ok(ScalarValue::UInt32(oid(arguments, 0)))),
    pure("name", Type::NAME, as_text),
    pure("char", Type::CHAR, |arguments| {
        Ok(some_text(
            text(arguments, 0).map(|text| text.chars().take(1).collect::<String>()),
        ))
    }),
    pure("regproc", Type::REGPROC, as_text),
    pure("inet", Type::INET, as_text),
    pure("json_text", Type::JSON, as_text),
];

fn as_text(arguments: &[ScalarValue]) -> Result<ScalarValue> {
    Ok(some_text(text(arguments, 0)))
}
