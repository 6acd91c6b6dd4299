//! Casts to types that only PostgreSQL has: the names of known types with a schema, the one-byte `"char"`, and the
//! types whose values are numbers of objects and whose text is their name (regclass, regtype, …).
//!
//! `'t'::regclass` is a number where it is compared, and a name where it is cast to text or shown.

use datafusion::common::Result;
use datafusion::sql::sqlparser::ast::{ArrayElemTypeDef, DataType, Expr, Select, SelectItem};
use datafusion::sql::sqlparser::parser::Parser;

use super::{expression, last_part, schema_part, sql_error};

/// Types that are functions here: see `functions::typing`.
const TYPED: &[&str] = &["oid", "xid", "name", "char", "regproc", "inet"];

/// Types of numbers that show as names. Each has a function of its name, and another with `out` after it.
const NAMED: &[&str] = &[
    "regclass",
    "regtype",
    "regnamespace",
    "regrole",
    "regprocedure",
    "regoper",
    "regoperator",
];

/// Types kept as others: of the catalogue itself, and domains of information_schema.
const STAND_INS: &[(&str, &str)] = &[
    ("json", "TEXT"),
    ("jsonb", "TEXT"),
    ("sql_identifier", "TEXT"),
    ("character_data", "TEXT"),
    ("yes_or_no", "TEXT"),
    ("cardinal_number", "INT"),
    ("time_stamp", "TIMESTAMP WITH TIME ZONE"),
];

/// Rewrites a cast. Gives whether it now reads the catalogue.
pub(super) fn cast(expr: &mut Expr) -> Result<bool> {
    let Expr::Cast {
        expr: inner, data_type, ..
    } = expr
    else {
        return Ok(false);
    };
    if let Some(plain) = stand_in(data_type)? {
        *data_type = plain;
    }
    if is_text(data_type) {
        if let Some(shown) = shown(inner)? {
            *expr = shown;
        }
        return Ok(false);
    }
    let Some(name) = type_name(data_type) else {
        return Ok(false);
    };
    if TYPED.contains(&name.as_str()) || NAMED.contains(&name.as_str()) {
        *expr = expression(&format!("{name}({inner})"))?;
        return Ok(NAMED.contains(&name.as_str()));
    }
    Ok(false)
}

/// Numbers of objects that a query shows become names.
pub(super) fn show_names(select: &mut Select) -> Result<()> {
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item
            && let Some(shown) = shown(expr)?
        {
            *expr = shown;
        }
    }
    Ok(())
}

/// `regclass(x)` as `regclassout(regclass(x))`.
fn shown(expr: &Expr) -> Result<Option<Expr>> {
    let Expr::Function(function) = expr else {
        return Ok(None);
    };
    match last_part(&function.name).filter(|name| NAMED.contains(&name.as_str())) {
        Some(name) => expression(&format!("{name}out({expr})")).map(Some),
        None => Ok(None),
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Text | DataType::Varchar(_) | DataType::CharacterVarying(_) | DataType::String(_)
    )
}

fn type_name(data_type: &DataType) -> Option<String> {
    match data_type {
        DataType::Custom(name, _) => last_part(name),
        DataType::Regclass => Some("regclass".to_owned()),
        _ => None,
    }
}

/// A type that the engine knows in the place of one with a schema, or of one that it does not know.
fn stand_in(data_type: &DataType) -> Result<Option<DataType>> {
    match data_type {
        DataType::Custom(name, modifiers) => {
            let Some(last) = last_part(name) else { return Ok(None) };
            if let Some((_, plain)) = STAND_INS.iter().find(|(special, _)| *special == last) {
                return parsed(plain).map(Some);
            }
            let special = TYPED.contains(&last.as_str()) || NAMED.contains(&last.as_str());
            if special || schema_part(name).is_none_or(|schema| schema != "pg_catalog") {
                return Ok(None);
            }
            let modifiers = if modifiers.is_empty() {
                String::new()
            } else {
                format!("({})", modifiers.join(","))
            };
            parsed(&format!("{last}{modifiers}")).map(Some)
        }
        DataType::JSON | DataType::JSONB => Ok(Some(DataType::Text)),
        DataType::CharacterVarying(None) | DataType::CharVarying(None) => Ok(Some(DataType::Varchar(None))),
        DataType::Array(ArrayElemTypeDef::SquareBracket(item, size)) => {
            let number = type_name(item).is_some_and(|name| name == "oid" || NAMED.contains(&name.as_str()));
            let plain = match stand_in(item)? {
                Some(plain) => Some(plain),
                None if number => Some(parsed("INT UNSIGNED")?),
                None => type_name(item).map(|_| DataType::Text),
            };
            Ok(plain.map(|item| DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(item), *size))))
        }
        _ => Ok(None),
    }
}

fn parsed(text: &str) -> Result<DataType> {
    let mut parser = Parser::new(dreyer_adql::dialect())
        .try_with_sql(text)
        .map_err(sql_error)?;
    parser.parse_data_type().map_err(sql_error)
}
