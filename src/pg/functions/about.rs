//! What is known of objects: comments, sizes, privileges, definitions. What nothing here has, a default or a trigger
//! say, is NULL.

use datafusion::common::{Result, ScalarValue};
use pgwire::api::Type;

use super::super::catalog::{Routine, roles, type_name};
use super::super::door::Door;
use super::argument::{integer, oid, some_text, text, truth};
use super::{Row, looking, pure};

pub(super) const ROWS: &[Row] = &[
    looking("obj_description", Type::TEXT, |door, arguments| {
        let snapshot = door.snapshot();
        let Some(oid) = oid(arguments, 0) else {
            return Ok(ScalarValue::Utf8(None));
        };
        let relation = || snapshot.relation(oid).and_then(|relation| relation.comment.clone());
        let schema = || {
            snapshot
                .schema(oid)
                .and_then(|schema| schema.comment.map(str::to_owned))
        };
        let routine = || snapshot.routine(oid).and_then(|routine| routine.comment.clone());
        Ok(some_text(match text(arguments, 1).as_deref() {
            Some("pg_class") => relation(),
            Some("pg_namespace") => schema(),
            Some("pg_proc") => routine(),
            Some(_) => None,
            None => relation().or_else(schema).or_else(routine),
        }))
    }),
    looking("col_description", Type::TEXT, |door, arguments| {
        let snapshot = door.snapshot();
        let relation = oid(arguments, 0).and_then(|oid| snapshot.relation(oid));
        let number = integer(arguments, 1).and_then(|number| usize::try_from(number).ok()?.checked_sub(1));
        let column = relation
            .zip(number)
            .and_then(|(relation, number)| relation.columns.get(number));
        Ok(some_text(column.and_then(|column| column.comment.clone())))
    }),
    pure("shobj_description", Type::TEXT, none),
    looking("pg_table_size", Type::INT8, size),
    looking("pg_relation_size", Type::INT8, size),
    looking("pg_total_relation_size", Type::INT8, size),
    pure("pg_indexes_size", Type::INT8, |_| Ok(ScalarValue::Int64(Some(0)))),
    looking("pg_database_size", Type::INT8, everything),
    looking("pg_tablespace_size", Type::INT8, everything),
    pure("pg_size_pretty", Type::TEXT, |arguments| {
        Ok(some_text(integer(arguments, 0).map(pretty)))
    }),
    pure("pg_tablespace_location", Type::TEXT, |_| Ok(some_text(Some("")))),
    looking("pg_get_function_arguments", Type::TEXT, |door, arguments| {
        let snapshot = door.snapshot();
        Ok(some_text(
            oid(arguments, 0)
                .and_then(|oid| snapshot.routine(oid))
                .map(arguments_of),
        ))
    }),
    looking("pg_get_function_identity_arguments", Type::TEXT, |door, arguments| {
        let snapshot = door.snapshot();
        Ok(some_text(
            oid(arguments, 0)
                .and_then(|oid| snapshot.routine(oid))
                .map(arguments_of),
        ))
    }),
    looking("pg_get_function_result", Type::TEXT, |door, arguments| {
        let snapshot = door.snapshot();
        let routine = oid(arguments, 0).and_then(|oid| snapshot.routine(oid));
        Ok(some_text(routine.map(|routine| type_name(routine.returns.oid()))))
    }),
    looking("pg_get_viewdef", Type::TEXT, |door, arguments| {
        let snapshot = door.snapshot();
        let relation = oid(arguments, 0).and_then(|oid| snapshot.relation(oid));
        Ok(some_text(relation.and_then(|relation| relation.definition.clone())))
    }),
    pure("pg_get_expr", Type::TEXT, none),
    pure("pg_get_constraintdef", Type::TEXT, none),
    pure("pg_get_indexdef", Type::TEXT, none),
    pure("pg_get_triggerdef", Type::TEXT, none),
    pure("pg_get_ruledef", Type::TEXT, none),
    pure("pg_get_partkeydef", Type::TEXT, none),
    pure("pg_get_partition_constraintdef", Type::TEXT, none),
    pure("pg_get_statisticsobjdef", Type::TEXT, none),
    pure("pg_get_statisticsobjdef_columns", Type::TEXT, none),
    pure("pg_get_serial_sequence", Type::TEXT, none),
    pure("pg_get_functiondef", Type::TEXT, none),
    pure("pg_get_function_sqlbody", Type::TEXT, none),
    pure("pg_relation_is_publishable", Type::BOOL, no),
    pure("pg_column_is_updatable", Type::BOOL, no),
    pure("pg_relation_is_updatable", Type::INT4, |_| {
        Ok(ScalarValue::Int32(Some(0)))
    }),
    looking("has_table_privilege", Type::BOOL, reading_a_table),
    pure("has_column_privilege", Type::BOOL, reading),
    looking("has_any_column_privilege", Type::BOOL, reading_a_table),
    pure("has_schema_privilege", Type::BOOL, reading),
    pure("has_database_privilege", Type::BOOL, reading),
    pure("has_function_privilege", Type::BOOL, reading),
    pure("has_language_privilege", Type::BOOL, reading),
    pure("has_sequence_privilege", Type::BOOL, reading),
    pure("has_tablespace_privilege", Type::BOOL, reading),
    pure("has_type_privilege", Type::BOOL, reading),
    looking("pg_has_role", Type::BOOL, |door, arguments| {
        let said = text(arguments, arguments.len().saturating_sub(2)).unwrap_or_default();
        let numbered = |oid: u32| roles::all(door).into_iter().find(|role| role.oid == oid);
        let role = said.parse().ok().and_then(numbered).map_or(said, |role| role.name);
        let has = |roles: &std::collections::BTreeSet<String>| roles.contains(&role);
        Ok(truth(role == door.user || door.sight.roles().as_ref().is_none_or(has)))
    }),
];

fn none(_: &[ScalarValue]) -> Result<ScalarValue> {
    Ok(ScalarValue::Utf8(None))
}

fn no(_: &[ScalarValue]) -> Result<ScalarValue> {
    Ok(truth(false))
}

/// Whether a table may be read: it may, if the session sees it. Whether another user may is told to admins only.
fn reading_a_table(door: &Door, arguments: &[ScalarValue]) -> Result<ScalarValue> {
    let (user, table) = match arguments.len() {
        0 | 1 => return reading(arguments),
        2 => (None, 0),
        _ => (text(arguments, 0).filter(|name| *name != door.user && name != "10"), 1),
    };
    let Some(relation) = super::naming::relation(door, arguments, table) else {
        // A number that means nothing, as PostgreSQL has it; a name that means nothing is an error.
        return match integer(arguments, table) {
            Some(_) => Ok(ScalarValue::Boolean(None)),
            None => Err(super::naming::no_relation(&text(arguments, table).unwrap_or_default())),
        };
    };
    match user {
        Some(user) if door.sight.is_admin() => {
            let sight = door.database.sight_of_name(&user);
            let (schema, name) = relation;
            let sees = crate::pg::catalog::is_catalog_schema(&schema) || sight.sees(&schema, &name);
            if sees { reading(arguments) } else { Ok(truth(false)) }
        }
        Some(_) => Ok(truth(false)),
        None => reading(arguments),
    }
}

/// Everybody may read and use what they see, and nobody may change anything.
fn reading(arguments: &[ScalarValue]) -> Result<ScalarValue> {
    let wanted = text(arguments, arguments.len().saturating_sub(1)).unwrap_or_default();
    let allowed =
        |word: &str| ["SELECT", "USAGE", "EXECUTE", "CONNECT"].contains(&word.trim().to_ascii_uppercase().as_str());
    Ok(truth(wanted.split(',').any(allowed)))
}

fn size(door: &Door, arguments: &[ScalarValue]) -> Result<ScalarValue> {
    let snapshot = door.snapshot();
    let relation = oid(arguments, 0).and_then(|oid| snapshot.relation(oid));
    Ok(ScalarValue::Int64(relation.map(|relation| relation.bytes.unwrap_or(0))))
}

fn everything(door: &Door, _: &[ScalarValue]) -> Result<ScalarValue> {
    let snapshot = door.snapshot();
    let bytes = snapshot.relations.iter().filter_map(|relation| relation.bytes).sum();
    Ok(ScalarValue::Int64(Some(bytes)))
}

/// `ra double precision, dec double precision`.
fn arguments_of(routine: &Routine) -> String {
    let last = routine.arguments.len().saturating_sub(1);
    let shown = routine.arguments.iter().enumerate().map(|(at, argument)| {
        let variadic = if routine.variadic && at == last {
            "VARIADIC "
        } else {
            ""
        };
        let space = if argument.name.is_empty() { "" } else { " " };
        format!("{variadic}{}{space}{}", argument.name, type_name(argument.kind.oid()))
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// Bytes in the largest unit of which there are at least ten, rounded half up, as PostgreSQL shows sizes.
fn pretty(bytes: i64) -> String {
    const UNITS: [&str; 6] = ["bytes", "kB", "MB", "GB", "TB", "PB"];
    let mut unit = 0;
    let mut size = bytes as f64;
    while size.abs() >= 10_240.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{} {}", size.round(), UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_shown_as_postgresql_shows_them() {
        for (bytes, shown) in [
            (0, "0 bytes"),
            (10_239, "10239 bytes"),
            (10_240, "10 kB"),
            (7_658_496, "7479 kB"),
            (1 << 40, "1024 GB"),
        ] {
            assert_eq!(pretty(bytes), shown);
        }
    }

    #[test]
    fn nobody_may_write() {
        let asked = |what: &str| reading(&[ScalarValue::from("t"), ScalarValue::from(what)]).unwrap();
        assert_eq!(asked("SELECT"), truth(true));
        assert_eq!(asked("insert"), truth(false));
        assert_eq!(asked("INSERT, select"), truth(true));
    }
}
