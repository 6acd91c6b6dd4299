//! Which PostgreSQL type an Arrow column is shown as, and the one array layout that each is written from.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Field, Int64Type, IntervalUnit, Time64NanosecondType, TimeUnit, TimestampNanosecondType,
};
use datafusion::arrow::error::ArrowError;
use pgwire::api::Type;

use super::datetime::micros_of_nanos;

/// Field metadata that names the PostgreSQL type where Arrow has none of its own: `oid`, `name`, `"char"`, …
/// The catalogue relations carry it.
pub(crate) const PG_TYPE: &str = "dreyer.pg_type";

/// Types that only field metadata can ask for, by name.
const NAMED: &[Type] = &[
    Type::OID,
    Type::NAME,
    Type::CHAR,
    Type::XID,
    Type::REGPROC,
    Type::REGCLASS,
    Type::REGTYPE,
    Type::INT2_VECTOR,
    Type::OID_VECTOR,
    Type::OID_ARRAY,
    Type::NAME_ARRAY,
    Type::CHAR_ARRAY,
    Type::INT2_ARRAY,
    Type::INET,
    Type::JSON,
    Type::VARCHAR,
];

/// The type that a field is described as to clients.
pub(crate) fn pg_type(field: &Field) -> Type {
    match field
        .metadata()
        .get(PG_TYPE)
        .and_then(|name| NAMED.iter().find(|known| known.name() == name))
    {
        Some(named) => named.clone(),
        None => of_data_type(field.data_type()),
    }
}

fn of_data_type(data_type: &DataType) -> Type {
    match data_type {
        DataType::Boolean => Type::BOOL,
        DataType::Int8 | DataType::UInt8 | DataType::Int16 => Type::INT2,
        DataType::UInt16 | DataType::Int32 => Type::INT4,
        DataType::UInt32 | DataType::Int64 => Type::INT8,
        DataType::UInt64
        | DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => Type::NUMERIC,
        DataType::Float16 | DataType::Float32 => Type::FLOAT4,
        DataType::Float64 => Type::FLOAT8,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => Type::TEXT,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => Type::BYTEA,
        DataType::Date32 | DataType::Date64 => Type::DATE,
        DataType::Time32(_) | DataType::Time64(_) => Type::TIME,
        DataType::Timestamp(_, None) => Type::TIMESTAMP,
        DataType::Timestamp(_, Some(_)) => Type::TIMESTAMPTZ,
        DataType::Interval(_) | DataType::Duration(_) => Type::INTERVAL,
        DataType::Dictionary(_, value) => of_data_type(value),
        DataType::RunEndEncoded(_, values) => pg_type(values),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => array_of(&pg_type(item)),
        DataType::Struct(_) | DataType::Map(..) | DataType::Union(..) => Type::JSON,
    }
}

/// Element types and their array types. What has no row here (json, arrays) makes a list json.
const ARRAYS: &[(Type, Type)] = &[
    (Type::BOOL, Type::BOOL_ARRAY),
    (Type::INT2, Type::INT2_ARRAY),
    (Type::INT4, Type::INT4_ARRAY),
    (Type::INT8, Type::INT8_ARRAY),
    (Type::NUMERIC, Type::NUMERIC_ARRAY),
    (Type::FLOAT4, Type::FLOAT4_ARRAY),
    (Type::FLOAT8, Type::FLOAT8_ARRAY),
    (Type::TEXT, Type::TEXT_ARRAY),
    (Type::VARCHAR, Type::VARCHAR_ARRAY),
    (Type::BYTEA, Type::BYTEA_ARRAY),
    (Type::DATE, Type::DATE_ARRAY),
    (Type::TIME, Type::TIME_ARRAY),
    (Type::TIMESTAMP, Type::TIMESTAMP_ARRAY),
    (Type::TIMESTAMPTZ, Type::TIMESTAMPTZ_ARRAY),
    (Type::INTERVAL, Type::INTERVAL_ARRAY),
    (Type::OID, Type::OID_ARRAY),
    (Type::NAME, Type::NAME_ARRAY),
    (Type::CHAR, Type::CHAR_ARRAY),
];

fn array_of(element: &Type) -> Type {
    ARRAYS
        .iter()
        .find(|(known, _)| known == element)
        .map_or(Type::JSON, |(_, array)| array.clone())
}

/// The element type of an array type.
pub(crate) fn element_of(array: &Type) -> Option<Type> {
    match *array {
        Type::INT2_VECTOR => Some(Type::INT2),
        Type::OID_VECTOR => Some(Type::OID),
        _ => ARRAYS
            .iter()
            .find(|(_, known)| known == array)
            .map(|(element, _)| element.clone()),
    }
}

/// The Arrow type that values of a PostgreSQL type are kept in: what a parameter becomes, and what a column is cast to
/// when it comes in a type other than the one it was described as.
pub(crate) fn arrow_type(pg: &Type) -> DataType {
    if let Some(element) = element_of(pg) {
        return DataType::List(Arc::new(Field::new_list_field(arrow_type(&element), true)));
    }
    match *pg {
        Type::BOOL => DataType::Boolean,
        Type::INT2 => DataType::Int16,
        Type::INT4 => DataType::Int32,
        Type::INT8 => DataType::Int64,
        Type::OID | Type::XID | Type::REGCLASS | Type::REGTYPE => DataType::UInt32,
        Type::FLOAT4 => DataType::Float32,
        Type::FLOAT8 => DataType::Float64,
        Type::NUMERIC => DataType::Decimal128(38, 10),
        Type::BYTEA => DataType::Binary,
        Type::DATE => DataType::Date32,
        Type::TIME => DataType::Time64(TimeUnit::Microsecond),
        Type::TIMESTAMP => DataType::Timestamp(TimeUnit::Microsecond, None),
        Type::TIMESTAMPTZ => DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
        Type::INTERVAL => DataType::Interval(IntervalUnit::MonthDayNano),
        _ => DataType::Utf8,
    }
}

/// `pg_type.typlen`: bytes of a value, -1 where they vary.
pub(crate) fn type_length(pg: &Type) -> i16 {
    match *pg {
        Type::BOOL | Type::CHAR => 1,
        Type::INT2 => 2,
        Type::INT4 | Type::FLOAT4 | Type::DATE | Type::OID | Type::XID | Type::REGPROC => 4,
        Type::REGCLASS | Type::REGTYPE => 4,
        Type::INT8 | Type::FLOAT8 | Type::TIME | Type::TIMESTAMP | Type::TIMESTAMPTZ => 8,
        Type::INTERVAL => 16,
        Type::NAME => 64,
        _ => -1,
    }
}

/// `pg_attribute.atttypmod`: precision and scale of a decimal, -1 for all else.
pub(crate) fn type_modifier(data_type: &DataType) -> i32 {
    match data_type {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale)
            if *scale >= 0 =>
        {
            ((i32::from(*precision) << 16) | i32::from(*scale)) + 4
        }
        _ => -1,
    }
}

/// Brings an array into the layout that its type is written from: dictionaries unpacked, the narrow and the rare
/// widths widened, strings and bytes as views, times in microseconds. `actual` is what the array would be shown as;
/// where it was promised as something else, it is cast.
pub(super) fn conform(array: &ArrayRef, actual: &Type, target: &Type) -> Result<ArrayRef, ArrowError> {
    if actual != target && !same_bytes(actual, target) {
        return conform_layout(&cast(array, &arrow_type(target))?, target);
    }
    conform_layout(array, target)
}

/// Pairs that differ in name only.
fn same_bytes(a: &Type, b: &Type) -> bool {
    let text = |t: &Type| matches!(*t, Type::TEXT | Type::VARCHAR | Type::NAME | Type::JSON | Type::UNKNOWN);
    text(a) && text(b)
}

fn conform_layout(array: &ArrayRef, target: &Type) -> Result<ArrayRef, ArrowError> {
    let to = |data_type: DataType| cast(array, &data_type);
    match array.data_type() {
        DataType::Dictionary(_, value) => conform_layout(&to(value.as_ref().clone())?, target),
        DataType::RunEndEncoded(_, values) => conform_layout(&to(values.data_type().clone())?, target),
        DataType::Int8 | DataType::UInt8 => to(DataType::Int16),
        DataType::UInt16 => to(DataType::Int32),
        DataType::UInt32 if *target == Type::INT8 => to(DataType::Int64),
        DataType::Float16 => to(DataType::Float32),
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            to(DataType::Decimal128(*precision, *scale))
        }
        DataType::Utf8 | DataType::LargeUtf8 => to(DataType::Utf8View),
        DataType::Binary | DataType::LargeBinary => to(DataType::BinaryView),
        DataType::FixedSizeBinary(_) => cast(&to(DataType::Binary)?, &DataType::BinaryView),
        DataType::Date64 => to(DataType::Date32),
        DataType::Time32(_) => to(DataType::Time64(TimeUnit::Microsecond)),
        DataType::Time64(TimeUnit::Nanosecond) => {
            let nanos = array.as_primitive::<Time64NanosecondType>();
            cast(
                &rounded(nanos.reinterpret_cast::<Int64Type>()),
                &DataType::Time64(TimeUnit::Microsecond),
            )
        }
        DataType::Timestamp(TimeUnit::Nanosecond, zone) => {
            let nanos = array.as_primitive::<TimestampNanosecondType>();
            let micros = rounded(nanos.reinterpret_cast::<Int64Type>());
            cast(&micros, &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))
        }
        DataType::Timestamp(TimeUnit::Second | TimeUnit::Millisecond, zone) => {
            to(DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))
        }
        DataType::ListView(item) | DataType::LargeListView(item) if element_of(target).is_some() => {
            to(DataType::List(Arc::clone(item)))
        }
        _ => Ok(Arc::clone(array)),
    }
}

fn rounded(nanos: datafusion::arrow::array::Int64Array) -> ArrayRef {
    Arc::new(nanos.unary::<_, Int64Type>(micros_of_nanos))
}
