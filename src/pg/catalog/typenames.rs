//! The types that exist, and their names in SQL: one table for `pg_type`, `format_type` and `regtype`.

use pgwire::api::Type;

use super::super::encode::{element_of, type_length};

/// One row of `pg_type`.
pub(super) struct TypeRow {
    pub(super) kind: Type,
    /// The spelling of the SQL standard, or the name itself.
    pub(super) sql: &'static str,
    /// `typcategory`: A array, B boolean, D date, N number, P pseudo, S string, T interval, U other, Z internal.
    pub(super) category: char,
}

const fn row(kind: Type, sql: &'static str, category: char) -> TypeRow {
    TypeRow { kind, sql, category }
}

/// All scalar types. Arrays follow from them.
pub(super) const TYPES: &[TypeRow] = &[
    row(Type::BOOL, "boolean", 'B'),
    row(Type::BYTEA, "bytea", 'U'),
    row(Type::CHAR, "\"char\"", 'Z'),
    row(Type::NAME, "name", 'S'),
    row(Type::INT8, "bigint", 'N'),
    row(Type::INT2, "smallint", 'N'),
    row(Type::INT4, "integer", 'N'),
    row(Type::REGPROC, "regproc", 'N'),
    row(Type::TEXT, "text", 'S'),
    row(Type::OID, "oid", 'N'),
    row(Type::XID, "xid", 'U'),
    row(Type::JSON, "json", 'U'),
    row(Type::JSONB, "jsonb", 'U'),
    row(Type::FLOAT4, "real", 'N'),
    row(Type::FLOAT8, "double precision", 'N'),
    row(Type::UNKNOWN, "unknown", 'X'),
    row(Type::INET, "inet", 'I'),
    row(Type::BPCHAR, "character", 'S'),
    row(Type::VARCHAR, "character varying", 'S'),
    row(Type::DATE, "date", 'D'),
    row(Type::TIME, "time without time zone", 'D'),
    row(Type::TIMESTAMP, "timestamp without time zone", 'D'),
    row(Type::TIMESTAMPTZ, "timestamp with time zone", 'D'),
    row(Type::INTERVAL, "interval", 'T'),
    row(Type::NUMERIC, "numeric", 'N'),
    row(Type::REGCLASS, "regclass", 'N'),
    row(Type::REGTYPE, "regtype", 'N'),
    row(Type::UUID, "uuid", 'U'),
    row(Type::RECORD, "record", 'P'),
    row(Type::VOID, "void", 'P'),
    row(Type::TRIGGER, "trigger", 'P'),
    row(Type::ANY, "\"any\"", 'P'),
    row(Type::ANYELEMENT, "anyelement", 'P'),
    row(Type::ANYARRAY, "anyarray", 'P'),
    row(Type::INT2_VECTOR, "int2vector", 'A'),
    row(Type::OID_VECTOR, "oidvector", 'A'),
];

/// The array types, with their elements.
pub(super) const ARRAYS: &[Type] = &[
    Type::BOOL_ARRAY,
    Type::BYTEA_ARRAY,
    Type::CHAR_ARRAY,
    Type::NAME_ARRAY,
    Type::INT8_ARRAY,
    Type::INT2_ARRAY,
    Type::INT4_ARRAY,
    Type::TEXT_ARRAY,
    Type::OID_ARRAY,
    Type::FLOAT4_ARRAY,
    Type::FLOAT8_ARRAY,
    Type::VARCHAR_ARRAY,
    Type::DATE_ARRAY,
    Type::TIME_ARRAY,
    Type::TIMESTAMP_ARRAY,
    Type::TIMESTAMPTZ_ARRAY,
    Type::INTERVAL_ARRAY,
    Type::NUMERIC_ARRAY,
];

/// The name of a type in SQL; `???` for a number that is no type, as PostgreSQL says.
pub(in crate::pg) fn type_name(oid: u32) -> String {
    if let Some(row) = TYPES.iter().find(|row| row.kind.oid() == oid) {
        return row.sql.to_owned();
    }
    match ARRAYS.iter().find(|array| array.oid() == oid).and_then(element_of) {
        Some(element) => format!("{}[]", type_name(element.oid())),
        None => "???".to_owned(),
    }
}

/// The name with what the modifier says, as `format_type` gives it.
pub(in crate::pg) fn format_type(oid: u32, modifier: i64) -> String {
    let name = type_name(oid);
    let numeric = [Type::NUMERIC.oid(), Type::NUMERIC_ARRAY.oid()].contains(&oid);
    if numeric && modifier >= 4 {
        let (precision, scale) = ((modifier - 4) >> 16, (modifier - 4) & 0xffff);
        return name.replacen("numeric", &format!("numeric({precision},{scale})"), 1);
    }
    name
}

/// The type of a name, in any of its spellings.
pub(in crate::pg) fn named_type(name: &str) -> Option<&'static Type> {
    let name = name.trim().to_ascii_lowercase();
    let name = name.strip_prefix("pg_catalog.").unwrap_or(&name);
    let name = match name {
        "int" => "integer",
        "decimal" => "numeric",
        "float" | "double" => "double precision",
        "timestamp" => "timestamp without time zone",
        "time" => "time without time zone",
        "string" => "text",
        other => other,
    };
    if let Some(element) = name.strip_suffix("[]").and_then(named_type) {
        return ARRAYS.iter().find(|array| element_of(array).as_ref() == Some(element));
    }
    let scalar = TYPES
        .iter()
        .find(|row| row.kind.name() == name || row.sql == name)
        .map(|row| &row.kind);
    scalar.or_else(|| ARRAYS.iter().find(|array| array.name() == name))
}

/// The array type of a type, if it has one.
pub(super) fn array_type(element: &Type) -> Option<&'static Type> {
    ARRAYS.iter().find(|array| element_of(array).as_ref() == Some(element))
}

/// Whether values are passed in a register, which is what `typbyval` says.
pub(super) fn by_value(kind: &Type) -> bool {
    (1..=8).contains(&type_length(kind))
}

/// `typalign`: where in memory values begin.
pub(super) fn alignment(kind: &Type) -> &'static str {
    match type_length(kind) {
        1 | 64 => "c",
        2 => "s",
        8 | 16 => "d",
        _ => "i",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_there_and_back() {
        for row in TYPES {
            assert_eq!(named_type(row.sql), Some(&row.kind), "{}", row.sql);
            assert_eq!(type_name(row.kind.oid()), row.sql);
        }
        assert_eq!(named_type("float8[]"), Some(&Type::FLOAT8_ARRAY));
        assert_eq!(named_type("pg_catalog.INT4"), Some(&Type::INT4));
        assert_eq!(named_type("point"), None);
        assert_eq!(type_name(Type::FLOAT8_ARRAY.oid()), "double precision[]");
        assert_eq!(type_name(1), "???");
        assert_eq!(format_type(Type::NUMERIC.oid(), ((10 << 16) | 2) + 4), "numeric(10,2)");
        assert_eq!(format_type(Type::NUMERIC.oid(), -1), "numeric");
    }
}
