//! Functions that give rows: in FROM, where PostgreSQL names their one column as the alias says, and takes any
//! constants as bounds; and in the select list, where each of their values is a row.

use datafusion::common::Result;
use datafusion::sql::sqlparser::ast::{
    DataType, Expr, FunctionArg, FunctionArgExpr, Ident, ObjectNamePart, Select, SelectItem, TableAlias,
    TableAliasColumnDef, TableFactor,
};

use super::super::catalog::is_pg_catalog_function;
use super::{expression, last_part};

/// Functions that count from one number to another.
const SERIES: &[&str] = &["generate_series", "range"];

/// Functions that give one value, also in FROM.
const SINGLE: &[&str] = &[
    "string_to_array",
    "current_schemas",
    "current_setting",
    "parse_ident",
    "version",
    "now",
];

/// Rewrites a function in FROM. Gives whether it is one of the catalogue's, which are views here.
pub(super) fn in_from(factor: &mut TableFactor) -> Result<bool> {
    match factor {
        TableFactor::UNNEST {
            alias: Some(alias),
            array_exprs,
            with_ordinality: false,
            ..
        } if array_exprs.len() == 1 && alias.columns.is_empty() => {
            alias.columns = vec![named(&alias.name)];
            Ok(false)
        }
        TableFactor::Table {
            name,
            args: args @ Some(_),
            alias,
            ..
        } => {
            let Some(function) = last_part(name) else {
                return Ok(false);
            };
            let given = args.as_mut().map(|args| &mut args.args);
            if SERIES.contains(&function.as_str()) {
                for argument in given.into_iter().flatten() {
                    widen(argument)?;
                }
                if let Some(alias) = alias.as_mut().filter(|alias| alias.columns.is_empty()) {
                    alias.columns = vec![named(&alias.name)];
                }
                return Ok(false);
            }
            if SINGLE.contains(&function.as_str()) {
                *factor = single(factor)?;
                return Ok(false);
            }
            if is_pg_catalog_function(&function) && given.is_some_and(|given| given.is_empty()) {
                *args = None;
                name.0 = ["pg_catalog", &function]
                    .map(|part| ObjectNamePart::Identifier(Ident::new(part)))
                    .to_vec();
                return Ok(true);
            }
            Ok(false)
        }
        _ => Ok(false),
    }
}

/// `FROM string_to_array('a,b', ',') s` as a query of one row, whose column is named as the row is.
fn single(factor: &TableFactor) -> Result<TableFactor> {
    let TableFactor::Table {
        name,
        args: Some(args),
        alias,
        ..
    } = factor
    else {
        return Ok(factor.clone());
    };
    let arguments: Vec<_> = args.args.iter().map(ToString::to_string).collect();
    let column = match alias {
        Some(alias) => alias
            .columns
            .first()
            .map_or(&alias.name, |column| &column.name)
            .to_string(),
        None => last_part(name).unwrap_or_default(),
    };
    let query = format!("SELECT {name}({}) AS {column}", arguments.join(", "));
    let Expr::Subquery(subquery) = expression(&format!("({query})"))? else {
        return Ok(factor.clone());
    };
    Ok(TableFactor::Derived {
        lateral: false,
        subquery,
        alias: alias.clone().map(|alias| TableAlias {
            columns: Vec::new(),
            ..alias
        }),
        sample: None,
    })
}

fn named(name: &Ident) -> TableAliasColumnDef {
    TableAliasColumnDef {
        name: name.clone(),
        data_type: None,
    }
}

/// Bounds that are no plain numbers are said to be whole numbers.
fn widen(argument: &mut FunctionArg) -> Result<()> {
    if let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = argument
        && matches!(
            expr,
            Expr::Function(_)
                | Expr::BinaryOp { .. }
                | Expr::Cast {
                    data_type: DataType::Int(_) | DataType::Integer(_),
                    ..
                }
        )
    {
        *expr = expression(&format!("CAST({expr} AS BIGINT)"))?;
    }
    Ok(())
}

/// `SELECT generate_series(1, 3)` gives three rows.
pub(super) fn in_select(select: &mut Select) -> Result<()> {
    for item in &mut select.projection {
        let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else {
            continue;
        };
        let Expr::Function(function) = &*expr else { continue };
        let Some(name) = last_part(&function.name).filter(|name| *name == "generate_series") else {
            continue;
        };
        let unnested = expression(&format!("unnest({expr})"))?;
        match item {
            SelectItem::UnnamedExpr(_) => {
                *item = SelectItem::ExprWithAlias {
                    expr: unnested,
                    alias: Ident::new(name),
                };
            }
            SelectItem::ExprWithAlias { expr, .. } => *expr = unnested,
            _ => {}
        }
    }
    Ok(())
}

/// `(x).name`: a field of a composite value.
pub(super) fn is_field(expr: &Expr) -> bool {
    use datafusion::sql::sqlparser::ast::AccessExpr;
    match expr {
        Expr::CompoundFieldAccess { root, access_chain } => {
            matches!(**root, Expr::Nested(_) | Expr::Function(_))
                && access_chain.iter().any(|access| matches!(access, AccessExpr::Dot(_)))
        }
        _ => false,
    }
}
