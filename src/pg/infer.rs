//! Types of parameters that the client has left open: what stands beside them decides.
//!
//! The engine infers from comparisons; here are the places it does not look at: casts, arguments of functions, LIMIT
//! and OFFSET, branches of CASE, arrays. Where a parameter stands in several places, the first that decides counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::{Placeholder, ScalarFunction};
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, ScalarUDF, TypeSignature};
use dreyer_sky::kernel::spec_of;
use pgwire::api::Type;

use super::encode::{arrow_type, pg_type};

/// What is known of the parameters of a plan, by number from 1. `None`: it is there, and nothing decides its type.
pub(super) fn parameters(plan: &LogicalPlan) -> Result<BTreeMap<usize, Option<Type>>> {
    let mut found = Found::default();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Limit(limit) = node {
            for count in [&limit.skip, &limit.fetch].into_iter().flatten() {
                found.decide(count, &DataType::Int64);
            }
        }
        let schema = merge_schema(&node.inputs());
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                found.look(expr, &schema);
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(found.types)
}

/// Types that an argument of a function is tried with, in this order.
fn candidates() -> [DataType; 5] {
    [
        DataType::Float64,
        DataType::Int64,
        DataType::Utf8,
        DataType::Boolean,
        DataType::Timestamp(TimeUnit::Microsecond, None),
    ]
}

#[derive(Default)]
struct Found {
    types: BTreeMap<usize, Option<Type>>,
}

impl Found {
    /// Learns from one expression about the parameters right under it.
    fn look(&mut self, expr: &Expr, schema: &DFSchema) {
        match expr {
            Expr::Placeholder(placeholder) => {
                if let Some(number) = number(placeholder) {
                    let known = placeholder.field.as_ref().map(|field| pg_type(field));
                    self.note(number, known);
                }
            }
            Expr::Cast(cast) => self.cast(&cast.expr, cast.field.data_type()),
            Expr::TryCast(cast) => self.decide(&cast.expr, cast.field.data_type()),
            Expr::Negative(inner) => self.decide(inner, &DataType::Float64),
            Expr::Case(case) => {
                let branches = case
                    .when_then_expr
                    .iter()
                    .map(|(_, then)| &**then)
                    .chain(case.else_expr.as_deref());
                self.alike(&branches.collect::<Vec<_>>(), schema);
            }
            Expr::ScalarFunction(call) => self.call(call, schema),
            _ => {}
        }
    }

    /// A cast to numbers of objects, which only `::oid[]` spells here, says so.
    fn cast(&mut self, expr: &Expr, kind: &DataType) {
        let numbers = matches!(kind, DataType::List(item) if *item.data_type() == DataType::UInt32);
        match expr {
            Expr::Placeholder(placeholder @ Placeholder { field: None, .. }) if numbers => {
                if let Some(number) = number(placeholder) {
                    self.note(number, Some(Type::OID_ARRAY));
                }
            }
            expr => self.decide(expr, kind),
        }
    }

    fn call(&mut self, call: &ScalarFunction, schema: &DFSchema) {
        match (call.func.name(), call.args.as_slice()) {
            ("array_has", [list, item]) => {
                if let Some(kind) = known(item, schema) {
                    self.decide(list, &DataType::new_list(kind, true));
                }
                if let Some(DataType::List(field)) = known(list, schema) {
                    self.decide(item, field.data_type());
                }
            }
            ("coalesce" | "nullif" | "greatest" | "least", arguments) => {
                self.alike(&arguments.iter().collect::<Vec<_>>(), schema);
            }
            (_, arguments) => {
                let given: Vec<_> = arguments.iter().map(|argument| known(argument, schema)).collect();
                if given.iter().all(Option::is_some) {
                    return;
                }
                let Some(kinds) = documented(&call.func, &given).or_else(|| accepted(&call.func, &given)) else {
                    return;
                };
                for (argument, kind) in arguments.iter().zip(&kinds) {
                    self.decide(argument, kind);
                }
            }
        }
    }

    /// Expressions that must be of one type: those known tell of those unknown.
    fn alike(&mut self, expressions: &[&Expr], schema: &DFSchema) {
        if let Some(kind) = expressions.iter().find_map(|expr| known(expr, schema)) {
            for expr in expressions {
                self.decide(expr, &kind);
            }
        }
    }

    /// If the expression is a parameter without a type, this is it.
    fn decide(&mut self, expr: &Expr, kind: &DataType) {
        if let Expr::Placeholder(placeholder @ Placeholder { field: None, .. }) = expr
            && let Some(number) = number(placeholder)
        {
            self.note(number, Some(pg_type(&Field::new("", kind.clone(), true))));
        }
    }

    fn note(&mut self, number: usize, kind: Option<Type>) {
        let entry = self.types.entry(number).or_default();
        if entry.is_none() {
            *entry = kind;
        }
    }
}

/// 3 of `$3`.
fn number(placeholder: &Placeholder) -> Option<usize> {
    placeholder
        .id
        .strip_prefix('$')?
        .parse()
        .ok()
        .filter(|number| *number > 0)
}

/// The type of an expression in which nothing is open.
fn known(expr: &Expr, schema: &DFSchema) -> Option<DataType> {
    let open = expr
        .exists(|expr| Ok(matches!(expr, Expr::Placeholder(Placeholder { field: None, .. }))))
        .unwrap_or(true);
    if open {
        return None;
    }
    expr.get_type(schema).ok().filter(|kind| !kind.is_null())
}

/// The types of the first form of one of this project's functions that takes what is given.
fn documented(function: &ScalarUDF, given: &[Option<DataType>]) -> Option<Vec<DataType>> {
    let spec = spec_of(function)?;
    let fits = |form: &&dreyer_sky::kernel::Overload| {
        form.takes(given.len())
            && given.iter().enumerate().all(|(at, kind)| match (kind, form.arg(at)) {
                (Some(kind), Some(argument)) => argument.kind.fit(kind).is_some(),
                (None, Some(_)) => true,
                (_, None) => false,
            })
    };
    let form = spec.overloads.iter().find(fits)?;
    (0..given.len())
        .map(|at| form.arg(at).map(|argument| argument.kind.data_type()))
        .collect()
}

/// The types that the signature of one of the engine's functions makes of the first candidate it takes.
fn accepted(function: &ScalarUDF, given: &[Option<DataType>]) -> Option<Vec<DataType>> {
    if takes_anything(function) {
        return None;
    }
    candidates().into_iter().find_map(|candidate| {
        let fields: Vec<FieldRef> = given
            .iter()
            .map(|kind| Arc::new(Field::new("", kind.clone().unwrap_or_else(|| candidate.clone()), true)))
            .collect();
        let coerced = fields_with_udf(&fields, function).ok()?;
        let kinds: Vec<_> = coerced.iter().map(|field| field.data_type().clone()).collect();
        // A function that takes anything decides nothing, and one that only takes the candidate as text wants text.
        let kept = given
            .iter()
            .zip(&kinds)
            .all(|(kind, coerced)| kind.is_some() || plain(coerced) == plain(&candidate));
        kept.then_some(kinds)
    })
}

/// Whether arguments of any type are taken as they are, so that nothing can be learnt from them.
fn takes_anything(function: &ScalarUDF) -> bool {
    fn any(signature: &TypeSignature) -> bool {
        match signature {
            TypeSignature::VariadicAny | TypeSignature::Any(_) => true,
            TypeSignature::OneOf(forms) => forms.iter().any(any),
            _ => false,
        }
    }
    any(&function.signature().type_signature)
}

/// A type without regard to layout.
fn plain(kind: &DataType) -> DataType {
    arrow_type(&pg_type(&Field::new("", kind.clone(), true)))
}
