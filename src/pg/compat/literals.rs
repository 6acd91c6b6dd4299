//! Texts that stand for values of other types. To PostgreSQL a literal in quotes has no type until it is seen what it
//! stands beside, or is cast to; that type's own rules then read it: `flag = 't'`, `seen > '2024-01-01 10:00'`,
//! `'{1,2}'::float8[]`; a column of texts that is cast is read by the same rules, and whatever becomes a text is written by
//! them. And `1.5::int` is 2, the nearest. Here: the operators, while they are planned, and casts, `||`, BETWEEN and IN,
//! in the plan.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator, ScalarUDF};
use datafusion::sql::sqlparser::ast::BinaryOperator as Op;
use pgwire::api::Type;

use super::super::decode;
use super::super::encode::{PG_TYPE, pg_type};
use super::super::functions::{ReadText, Rint, Times, WriteText};

/// Reads the operands of operators.
#[derive(Debug)]
pub(in crate::pg) struct Operands {
    /// The function `oid`, which makes a number of what shows as the name of a function.
    number: Arc<ScalarUDF>,
}

impl Operands {
    pub(in crate::pg) fn new(number: ScalarUDF) -> Self {
        Self {
            number: Arc::new(number),
        }
    }

    /// `typreceive = 0`: a function's name beside a number is its number.
    fn numbered(&self, expr: Expr, other: &Expr, schema: &DFSchema) -> Expr {
        let named = expr
            .to_field(schema)
            .is_ok_and(|(_, field)| is_procedure(field.metadata().get(PG_TYPE)));
        let beside_number = other.get_type(schema).is_ok_and(|kind| kind.is_integer());
        if named && beside_number {
            self.number.call(vec![expr])
        } else {
            expr
        }
    }
}

fn is_procedure(name: Option<&String>) -> bool {
    name.is_some_and(|name| name == Type::REGPROC.name())
}

impl ExprPlanner for Operands {
    fn plan_binary_op(&self, raw: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let RawBinaryExpr { op, left, right } = raw;
        let compares = matches!(op, Op::Eq | Op::NotEq | Op::Lt | Op::LtEq | Op::Gt | Op::GtEq);
        let computes = matches!(op, Op::Plus | Op::Minus | Op::Multiply | Op::Divide | Op::Modulo);
        let (mut left, mut right) = (left, right);
        if compares {
            let (a, b) = (left.clone(), right.clone());
            left = self.numbered(left, &b, schema);
            right = self.numbered(right, &a, schema);
        }
        if compares || computes {
            let kind_of = |expr: &Expr| expr.get_type(schema).ok();
            if let (Some(text), Some(kind)) = (quoted(&right), kind_of(&left)) {
                let kind = if computes { beside(&kind, &op) } else { Some(kind) };
                right = read(text, kind.as_ref())?.unwrap_or(right);
            } else if let (Some(text), Some(kind)) = (quoted(&left), kind_of(&right)) {
                let kind = if computes { beside(&kind, &op) } else { Some(kind) };
                left = read(text, kind.as_ref())?.unwrap_or(left);
            }
        }
        if op == Op::Multiply {
            let spans = |expr: &Expr| matches!(expr.get_type(schema), Ok(DataType::Interval(_)));
            let numbers = |expr: &Expr| expr.get_type(schema).is_ok_and(|kind| kind.is_numeric());
            let product = match (spans(&left), spans(&right)) {
                (false, true) if numbers(&left) => Some(vec![left.clone(), right.clone()]),
                (true, false) if numbers(&right) => Some(vec![right.clone(), left.clone()]),
                _ => None,
            };
            if let Some(factors) = product {
                return Ok(PlannerResult::Planned(
                    ScalarUDF::new_from_impl(Times::new()).call(factors),
                ));
            }
        }
        Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }))
    }
}

/// The type that arithmetic with a value of `kind` makes of a literal: another of its kind, or a time's difference.
fn beside(kind: &DataType, op: &Op) -> Option<DataType> {
    let interval = DataType::Interval(datafusion::arrow::datatypes::IntervalUnit::MonthDayNano);
    match kind {
        kind if kind.is_numeric() => Some(kind.clone()),
        DataType::Timestamp(..) if *op == Op::Plus => Some(interval),
        DataType::Timestamp(..) if *op == Op::Minus => Some(kind.clone()),
        DataType::Interval(_) => Some(interval),
        _ => None,
    }
}

/// Reads the literals of a plan that are cast, or that stand in BETWEEN and IN.
pub(in crate::pg) fn typed(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| {
        let names = NamePreserver::new(&node);
        let schema = merge_schema(&node.inputs());
        let read = node.map_expressions(|expr| {
            let name = names.save(&expr);
            let done = expr.transform_up(|expr| within(expr, &schema))?;
            Ok(done.update_data(|expr| name.restore(expr)))
        })?;
        if read.transformed {
            read.map_data(LogicalPlan::recompute_schema)
        } else {
            Ok(read)
        }
    })
    .data()
}

fn within(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::Cast(mut cast) => {
            let Some(text) = quoted(&cast.expr) else {
                let Ok(from) = cast.expr.get_type(schema) else {
                    return Ok(Transformed::no(Expr::Cast(cast)));
                };
                let inner = std::mem::take(&mut *cast.expr);
                let converted = convert(inner, &from, cast.field.data_type());
                return Ok(match converted {
                    Ok(converted) => {
                        *cast.expr = converted;
                        Transformed::yes(Expr::Cast(cast))
                    }
                    Err(inner) => {
                        *cast.expr = inner;
                        Transformed::no(Expr::Cast(cast))
                    }
                });
            };
            match read(text, Some(cast.field.data_type()))? {
                Some(value) => {
                    *cast.expr = value;
                    Ok(Transformed::yes(Expr::Cast(cast)))
                }
                None => Ok(Transformed::no(Expr::Cast(cast))),
            }
        }
        Expr::Between(mut between) => {
            let kind = between.expr.get_type(schema).ok();
            let mut changed = false;
            for bound in [&mut between.low, &mut between.high] {
                changed |= replace(bound, kind.as_ref())?;
            }
            Ok(Transformed::new_transformed(Expr::Between(between), changed))
        }
        Expr::InList(mut list) => {
            let kind = list.expr.get_type(schema).ok();
            let mut changed = false;
            for item in &mut list.list {
                changed |= replace(item, kind.as_ref())?;
            }
            Ok(Transformed::new_transformed(Expr::InList(list), changed))
        }
        Expr::BinaryExpr(mut both) if both.op == Operator::StringConcat => {
            let mut changed = false;
            if let (Ok(left), Ok(right)) = (both.left.get_type(schema), both.right.get_type(schema)) {
                // Two arrays, or an array and an element, make an array.
                let texts = is_text(&left) || is_text(&right);
                for (side, kind) in [(&mut both.left, left), (&mut both.right, right)] {
                    if !texts {
                        break;
                    }
                    let value = std::mem::take(&mut **side);
                    let written = WriteText::of(value, &kind);
                    changed |= written.is_ok();
                    **side = written.unwrap_or_else(|value| value);
                }
            }
            Ok(Transformed::new_transformed(Expr::BinaryExpr(both), changed))
        }
        expr => Ok(Transformed::no(expr)),
    }
}

/// What a cast is of, made such that the engine's cast gives what PostgreSQL's would; or given back as it was.
fn convert(inner: Expr, from: &DataType, to: &DataType) -> Result<Expr, Expr> {
    if is_text(from) {
        ReadText::of(inner, to)
    } else if is_text(to) {
        WriteText::of(inner, from)
    } else if to.is_integer() && from.is_floating() {
        Ok(ScalarUDF::new_from_impl(Rint::new()).call(vec![inner]))
    } else {
        Err(inner)
    }
}

fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(_, value) => is_text(value),
        kind => kind.is_string(),
    }
}

fn replace(expr: &mut Expr, kind: Option<&DataType>) -> Result<bool> {
    let Some(text) = quoted(expr) else { return Ok(false) };
    match read(text, kind)? {
        Some(value) => {
            *expr = value;
            Ok(true)
        }
        None => Ok(false),
    }
}

/// The text of a literal in quotes.
fn quoted(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(value, _) => value.try_as_str().flatten(),
        _ => None,
    }
}

/// What a text means as a value of a type; `None` leaves it to the engine, which reads numbers as PostgreSQL does, and
/// has texts of its own.
fn read(text: &str, kind: Option<&DataType>) -> Result<Option<Expr>> {
    let Some(kind) = kind else { return Ok(None) };
    let target = pg_type(&Field::new("", kind.clone(), true));
    let value = match target {
        // The engine knows the session's zone; it only has to be able to read the text.
        Type::TIMESTAMP | Type::TIMESTAMPTZ | Type::DATE | Type::TIME => {
            ScalarValue::Utf8(Some(decode::time_in_full(text, &target)?))
        }
        Type::BOOL
        | Type::BYTEA
        | Type::INTERVAL
        | Type::INT2
        | Type::INT4
        | Type::INT8
        | Type::FLOAT4
        | Type::FLOAT8 => decode::from_text(text, &target)?,
        _ if matches!(kind, DataType::List(_)) && text.trim_start().starts_with('{') => {
            decode::from_text(text, &target)?
        }
        _ => return Ok(None),
    };
    Ok(Some(Expr::Literal(value, None)))
}
