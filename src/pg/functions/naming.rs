//! Names and numbers: regclass and its kin, visibility, the spelling of types and identifiers.

use datafusion::common::{DataFusionError, Result, ScalarValue};
use pgwire::api::Type;

use super::super::catalog::{Relation, format_type, named_type, roles, type_name};
use super::super::door::Door;
use super::argument::{integer, name_parts, oid, quoted, some_text, text, truth};
use super::{Row, looking, pure};
use crate::{Error, ErrorKind};

pub(super) const ROWS: &[Row] = &[
    // The cast to regclass takes a name and gives a number; the cast back, and a column that is shown, the name.
    looking("regclass", Type::OID, |door, arguments| {
        number_of(
            arguments,
            |name| found(door, name),
            "relation",
            ErrorKind::UndefinedTable,
        )
    }),
    looking("to_regclass", Type::OID, |door, arguments| {
        Ok(ScalarValue::UInt32(
            text(arguments, 0).and_then(|name| found(door, &name)),
        ))
    }),
    looking("regclassout", Type::TEXT, |door, arguments| {
        let snapshot = door.snapshot();
        let shown = |relation: &Relation| {
            let name = quoted(&relation.name);
            if snapshot.is_visible(relation) {
                name
            } else {
                format!("{}.{name}", quoted(&relation.schema))
            }
        };
        Ok(name_of(arguments, |oid| snapshot.relation(oid).map(shown)))
    }),
    pure("regtype", Type::OID, |arguments| {
        number_of(arguments, typed, "type", ErrorKind::UndefinedObject)
    }),
    pure("to_regtype", Type::OID, |arguments| {
        Ok(ScalarValue::UInt32(text(arguments, 0).and_then(|name| typed(&name))))
    }),
    pure("regtypeout", Type::TEXT, |arguments| {
        Ok(name_of(arguments, |oid| {
            Some(type_name(oid)).filter(|name| name != "???")
        }))
    }),
    looking("regnamespace", Type::OID, |door, arguments| {
        number_of(
            arguments,
            |name| schema(door, name),
            "schema",
            ErrorKind::UndefinedSchema,
        )
    }),
    looking("to_regnamespace", Type::OID, |door, arguments| {
        Ok(ScalarValue::UInt32(
            text(arguments, 0).and_then(|name| schema(door, &name)),
        ))
    }),
    looking("regnamespaceout", Type::TEXT, |door, arguments| {
        let snapshot = door.snapshot();
        Ok(name_of(arguments, |oid| {
            snapshot.schema(oid).map(|schema| quoted(&schema.name))
        }))
    }),
    looking("regrole", Type::OID, |door, arguments| {
        number_of(
            arguments,
            |name| {
                roles::all(door)
                    .into_iter()
                    .find(|role| role.name == name)
                    .map(|role| role.oid)
            },
            "role",
            ErrorKind::UndefinedObject,
        )
    }),
    looking("regroleout", Type::TEXT, |door, arguments| {
        let named = |oid: u32| roles::all(door).into_iter().find(|role| role.oid == oid);
        Ok(name_of(arguments, |oid| named(oid).map(|role| quoted(&role.name))))
    }),
    looking("regprocedure", Type::OID, |door, arguments| {
        let snapshot = door.snapshot();
        let named = |name: &str| {
            snapshot
                .routines
                .iter()
                .find(|routine| routine.name == name)
                .map(|routine| routine.oid)
        };
        number_of(arguments, named, "function", ErrorKind::UndefinedFunction)
    }),
    // Operators have no rows of their own here, so none has a name.
    pure("regoper", Type::OID, |arguments| {
        number_of(arguments, |_| None, "operator", ErrorKind::UndefinedFunction)
    }),
    pure("regoperator", Type::OID, |arguments| {
        number_of(arguments, |_| None, "operator", ErrorKind::UndefinedFunction)
    }),
    pure("regoperout", Type::TEXT, |arguments| Ok(name_of(arguments, |_| None))),
    pure("regoperatorout", Type::TEXT, |arguments| {
        Ok(name_of(arguments, |_| None))
    }),
    looking("regprocedureout", Type::TEXT, |door, arguments| {
        let snapshot = door.snapshot();
        Ok(name_of(arguments, |oid| {
            snapshot.routine(oid).map(|routine| routine.name.clone())
        }))
    }),
    looking("pg_table_is_visible", Type::BOOL, |door, arguments| {
        let snapshot = door.snapshot();
        let relation = oid(arguments, 0).and_then(|oid| snapshot.relation(oid));
        Ok(ScalarValue::Boolean(
            relation.map(|relation| snapshot.is_visible(relation)),
        ))
    }),
    looking("pg_function_is_visible", Type::BOOL, |door, arguments| {
        let snapshot = door.snapshot();
        let routine = oid(arguments, 0).and_then(|oid| snapshot.routine(oid));
        let visible = |schema: &str| schema == "pg_catalog" || snapshot.path.iter().any(|name| name == schema);
        Ok(ScalarValue::Boolean(routine.map(|routine| visible(routine.schema))))
    }),
    pure("pg_type_is_visible", Type::BOOL, yes),
    pure("pg_operator_is_visible", Type::BOOL, yes),
    pure("pg_opclass_is_visible", Type::BOOL, yes),
    pure("pg_opfamily_is_visible", Type::BOOL, yes),
    pure("pg_collation_is_visible", Type::BOOL, yes),
    pure("pg_conversion_is_visible", Type::BOOL, yes),
    pure("pg_statistics_obj_is_visible", Type::BOOL, yes),
    pure("pg_ts_config_is_visible", Type::BOOL, yes),
    pure("pg_ts_dict_is_visible", Type::BOOL, yes),
    pure("pg_ts_parser_is_visible", Type::BOOL, yes),
    pure("pg_ts_template_is_visible", Type::BOOL, yes),
    pure("format_type", Type::TEXT, |arguments| {
        Ok(some_text(
            oid(arguments, 0).map(|oid| format_type(oid, integer(arguments, 1).unwrap_or(-1))),
        ))
    }),
    pure("quote_ident", Type::TEXT, |arguments| {
        Ok(some_text(text(arguments, 0).map(|name| quoted(&name))))
    }),
    pure("quote_literal", Type::TEXT, |arguments| {
        Ok(some_text(text(arguments, 0).map(|text| literal(&text))))
    }),
    pure("quote_nullable", Type::TEXT, |arguments| {
        Ok(some_text(Some(
            text(arguments, 0).map_or_else(|| "NULL".to_owned(), |text| literal(&text)),
        )))
    }),
    pure("format", Type::TEXT, |arguments| {
        Ok(some_text(text(arguments, 0).map(|pattern| filled(&pattern, arguments))))
    }),
    pure("parse_ident", Type::TEXT_ARRAY, |arguments| {
        let parts = text(arguments, 0).map(|name| name_parts(&name)).unwrap_or_default();
        Ok(super::arrays::texts(parts))
    }),
    looking("pg_get_userbyid", Type::NAME, |door, arguments| {
        let name = |oid: u32| {
            let known = roles::all(door).into_iter().find(|role| role.oid == oid);
            known.map_or_else(|| format!("unknown (OID={oid})"), |role| role.name)
        };
        Ok(some_text(oid(arguments, 0).map(name)))
    }),
    pure("pg_encoding_to_char", Type::NAME, |arguments| {
        Ok(some_text(
            integer(arguments, 0).map(|number| if number == 6 { "UTF8" } else { "" }),
        ))
    }),
    pure("pg_char_to_encoding", Type::INT4, |arguments| {
        let name = text(arguments, 0).unwrap_or_default();
        Ok(ScalarValue::Int32(Some(if name.eq_ignore_ascii_case("utf8") {
            6
        } else {
            -1
        })))
    }),
];

fn yes(_: &[ScalarValue]) -> Result<ScalarValue> {
    Ok(truth(true))
}

/// The pattern with `%s`, `%I` and `%L` replaced by the arguments after it, in order or as `%2$s` says.
fn filled(pattern: &str, arguments: &[ScalarValue]) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut next = 1;
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        let (number, mut tail) = after.split_at(digits);
        let at = match tail.strip_prefix('$') {
            Some(behind) => {
                tail = behind;
                number.parse().unwrap_or(next)
            }
            None => next,
        };
        let mut letters = tail.chars();
        match letters.next() {
            Some('s') => out.push_str(&text(arguments, at).unwrap_or_default()),
            Some('I') => out.push_str(&quoted(&text(arguments, at).unwrap_or_default())),
            Some('L') => out.push_str(&text(arguments, at).map_or_else(|| "NULL".to_owned(), |text| literal(&text))),
            other => out.extend(other),
        }
        if !tail.starts_with('%') {
            next = at + 1;
        }
        rest = letters.as_str();
    }
    out.push_str(rest);
    out
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Schema and name of the relation that an argument means, by number or by name.
pub(super) fn relation(door: &Door, arguments: &[ScalarValue], at: usize) -> Option<(String, String)> {
    let number = oid(arguments, at).or_else(|| found(door, &text(arguments, at)?))?;
    let snapshot = door.snapshot();
    let relation = snapshot.relation(number)?;
    Some((relation.schema.clone(), relation.name.clone()))
}

/// The error for a relation that is not there.
pub(super) fn no_relation(name: &str) -> DataFusionError {
    let error = Error::new(ErrorKind::UndefinedTable, format!("relation \"{name}\" does not exist"));
    DataFusionError::External(Box::new(error))
}

fn found(door: &Door, name: &str) -> Option<u32> {
    let snapshot = door.snapshot();
    let relation = match name_parts(name).as_slice() {
        [name] => snapshot.find_relation(None, name),
        [schema, name] => snapshot.find_relation(Some(schema), name),
        [catalog, schema, name] if catalog == crate::DEFAULT_CATALOG => snapshot.find_relation(Some(schema), name),
        _ => None,
    };
    relation.map(|relation| relation.oid)
}

fn schema(door: &Door, name: &str) -> Option<u32> {
    let name = name_parts(name).pop()?;
    door.snapshot()
        .schemas
        .iter()
        .find(|schema| schema.name == name)
        .map(|schema| schema.oid)
}

fn typed(name: &str) -> Option<u32> {
    named_type(name).map(Type::oid)
}

/// The number of what is named; a number stays what it is.
fn number_of(
    arguments: &[ScalarValue],
    find: impl Fn(&str) -> Option<u32>,
    what: &str,
    kind: ErrorKind,
) -> Result<ScalarValue> {
    if let Some(oid) = oid(arguments, 0) {
        return Ok(ScalarValue::UInt32(Some(oid)));
    }
    let Some(name) = text(arguments, 0) else {
        return Ok(ScalarValue::UInt32(None));
    };
    match find(&name) {
        Some(oid) => Ok(ScalarValue::UInt32(Some(oid))),
        None if name == "-" => Ok(ScalarValue::UInt32(Some(0))),
        None => {
            let error = Error::new(kind, format!("{what} \"{name}\" does not exist"));
            Err(DataFusionError::External(Box::new(error)))
        }
    }
}

/// The name of a number: `-` for 0, the number itself where it means nothing. Text stays what it is.
fn name_of(arguments: &[ScalarValue], find: impl Fn(u32) -> Option<String>) -> ScalarValue {
    match oid(arguments, 0) {
        Some(0) => some_text(Some("-")),
        Some(oid) => some_text(Some(find(oid).unwrap_or_else(|| oid.to_string()))),
        None => some_text(text(arguments, 0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_filled() {
        let arguments = ["", "DR 3", "it's", "x"].map(ScalarValue::from);
        assert_eq!(filled("%I.%s = %L %% %1$s", &arguments), "\"DR 3\".it's = 'x' % DR 3");
        assert_eq!(filled("%I", &arguments[..1]), "\"\"");
    }
}
