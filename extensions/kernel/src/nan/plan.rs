//! A logical plan in which numbers that were computed are compared as numbers from files are.

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{Between, InList};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator};

use super::function::canonical;

/// Functions of the engine that keep what they are given, sign and all, or choose among it.
const PASSING: &[&str] = &[
    "asinh", "atan", "atan2", "cbrt", "coalesce", "degrees", "floor", "greatest", "least", "nullif", "nvl", "nvl2",
    "radians", "signum", "sinh", "tanh",
];

/// Functions of the engine that make a NaN of numbers, whose sign is the machine's, or -0 of others.
const MAKING: &[&str] = &[
    "acos", "acosh", "asin", "atanh", "ceil", "cos", "cot", "ln", "log", "log10", "log2", "pow", "power", "round",
    "sin", "sqrt", "tan", "trunc",
];

/// Those that compare what they are given.
const COMPARING: &[&str] = &["greatest", "least", "nullif"];

/// The last word on a plan before it becomes physical; rules that look for expressions of a certain form have done so.
///
/// # Errors
/// An expression of the plan has no type.
pub fn total_order(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| {
        // Its filters are hints for pruning, read as they stand.
        if matches!(node, LogicalPlan::TableScan(_)) {
            return Ok(Transformed::no(node));
        }
        let schema = merge_schema(&node.inputs());
        let names = NamePreserver::new(&node);
        let of_groups = matches!(
            node.inputs().first(),
            Some(LogicalPlan::Aggregate(_) | LogicalPlan::Window(_))
        );
        let outward = matches!(
            node,
            LogicalPlan::Projection(_)
                | LogicalPlan::Sort(_)
                | LogicalPlan::Aggregate(_)
                | LogicalPlan::Join(_)
                | LogicalPlan::Values(_)
        );
        let here = Here {
            schema: &schema,
            of_groups,
        };
        let changed = node.map_expressions(|expr| {
            let name = names.save(&expr);
            let inner = expr.transform_up(|expr| here.within(expr))?;
            let mut changed = inner.transformed;
            let mut expr = inner.data;
            if outward {
                changed |= here.mend_inside_alias(&mut expr)?;
            }
            Ok(Transformed::new_transformed(name.restore(expr), changed))
        })?;
        if changed.transformed {
            changed.map_data(LogicalPlan::recompute_schema)
        } else {
            Ok(changed)
        }
    })
    .data()
}

/// What the expressions of one node are over.
struct Here<'a> {
    schema: &'a DFSchema,
    /// Columns were computed by an aggregate or a window.
    of_groups: bool,
}

impl Here<'_> {
    fn within(&self, expr: Expr) -> Result<Transformed<Expr>> {
        match expr {
            Expr::BinaryExpr(mut both) if compares(both.op) => {
                let mut changed = self.mend(&mut both.left)?;
                changed |= self.mend(&mut both.right)?;
                Ok(match with_zero(&mut both) {
                    Some(compared) => Transformed::yes(compared),
                    None => Transformed::new_transformed(Expr::BinaryExpr(both), changed),
                })
            }
            Expr::Between(mut between) => {
                let mut changed = false;
                for part in [&mut between.expr, &mut between.low, &mut between.high] {
                    changed |= self.mend(part)?;
                }
                changed |= signed_zero(&mut between.low, true) | signed_zero(&mut between.high, false);
                Ok(Transformed::new_transformed(Expr::Between(between), changed))
            }
            Expr::InList(mut list) => {
                let mut changed = self.mend(&mut list.expr)?;
                for item in &mut list.list {
                    changed |= self.mend(item)?;
                }
                match zero_in_list(list) {
                    Ok(either) => Ok(Transformed::yes(either)),
                    Err(list) => Ok(Transformed::new_transformed(Expr::InList(list), changed)),
                }
            }
            Expr::AggregateFunction(mut call) if matches!(call.func.name(), "min" | "max") => {
                let mut changed = false;
                for argument in &mut call.params.args {
                    changed |= self.mend(argument)?;
                }
                Ok(Transformed::new_transformed(Expr::AggregateFunction(call), changed))
            }
            Expr::WindowFunction(mut call) => {
                let params = &mut call.params;
                let ordered = params.order_by.iter_mut().map(|sort| &mut sort.expr);
                let mut changed = false;
                for key in params.partition_by.iter_mut().chain(ordered).chain(&mut params.args) {
                    changed |= self.mend(key)?;
                }
                Ok(Transformed::new_transformed(Expr::WindowFunction(call), changed))
            }
            Expr::ScalarFunction(mut call) if COMPARING.contains(&call.func.name()) => {
                let mut changed = false;
                for argument in &mut call.args {
                    changed |= self.mend(argument)?;
                }
                Ok(Transformed::new_transformed(Expr::ScalarFunction(call), changed))
            }
            Expr::Case(mut case) if case.expr.is_some() => {
                let whens = case.when_then_expr.iter_mut().map(|(when, _)| when);
                let mut changed = false;
                for compared in case.expr.iter_mut().chain(whens) {
                    changed |= self.mend(compared)?;
                }
                Ok(Transformed::new_transformed(Expr::Case(case), changed))
            }
            expr => Ok(Transformed::no(expr)),
        }
    }

    /// Puts `expr` in order if it may be another NaN, or another zero. Gives whether it did.
    fn mend(&self, expr: &mut Expr) -> Result<bool> {
        if let Expr::Literal(value, _) = expr {
            return Ok(mend_literal(value));
        }
        if !self.computes(expr)? || !expr.get_type(self.schema).is_ok_and(|kind| kind.is_floating()) {
            return Ok(false);
        }
        let inner = std::mem::take(expr);
        *expr = canonical().call(vec![inner]);
        Ok(true)
    }

    fn mend_inside_alias(&self, expr: &mut Expr) -> Result<bool> {
        match expr {
            Expr::Alias(alias) => self.mend_inside_alias(&mut alias.expr),
            expr => self.mend(expr),
        }
    }

    /// Whether the value of `expr` was made by arithmetic, rather than read from a column.
    fn computes(&self, expr: &Expr) -> Result<bool> {
        let mut computes = false;
        expr.apply(|part| {
            Ok(match part {
                Expr::BinaryExpr(_) | Expr::Negative(_) => {
                    computes = true;
                    TreeNodeRecursion::Stop
                }
                Expr::Column(_) => {
                    computes |= self.of_groups;
                    TreeNodeRecursion::Continue
                }
                Expr::Alias(_) | Expr::Cast(_) | Expr::TryCast(_) | Expr::Case(_) => TreeNodeRecursion::Continue,
                Expr::ScalarFunction(call) => {
                    let name = call.func.name();
                    if MAKING.contains(&name) {
                        computes = true;
                        TreeNodeRecursion::Stop
                    } else if PASSING.contains(&name) {
                        TreeNodeRecursion::Continue
                    } else {
                        TreeNodeRecursion::Jump
                    }
                }
                _ => TreeNodeRecursion::Jump,
            })
        })?;
        Ok(computes)
    }
}

/// A comparison with 0, written so that it is one with -0 as well; `None` for any other.
fn with_zero(both: &mut BinaryExpr) -> Option<Expr> {
    let left = is_zero(&both.left);
    if left == is_zero(&both.right) {
        return None;
    }
    let (zero, other) = if left {
        (&mut both.left, &both.right)
    } else {
        (&mut both.right, &both.left)
    };
    // The operator with the zero on the right.
    let op = if left { both.op.swap()? } else { both.op };
    match op {
        Operator::Eq | Operator::NotEq => {
            return Some(between_zeros(other.as_ref().clone(), zero, op == Operator::NotEq));
        }
        Operator::Lt | Operator::GtEq => signed_zero(zero, true),
        Operator::Gt | Operator::LtEq => signed_zero(zero, false),
        _ => return None,
    };
    Some(Expr::BinaryExpr(both.clone()))
}

/// The bits of a NaN or a zero put right. Gives whether they were not.
fn mend_literal(value: &mut ScalarValue) -> bool {
    match value {
        ScalarValue::Float64(Some(number)) => {
            let mended = if number.is_nan() { f64::NAN } else { *number + 0.0 };
            let before = std::mem::replace(number, mended);
            before.to_bits() != mended.to_bits()
        }
        ScalarValue::Float32(Some(number)) => {
            let mended = if number.is_nan() { f32::NAN } else { *number + 0.0 };
            let before = std::mem::replace(number, mended);
            before.to_bits() != mended.to_bits()
        }
        _ => false,
    }
}

fn is_zero(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(ScalarValue::Float64(Some(number)), _) if *number == 0.0)
        || matches!(expr, Expr::Literal(ScalarValue::Float32(Some(number)), _) if *number == 0.0)
}

/// Gives a zero that sign. Gives whether it had the other.
fn signed_zero(expr: &mut Expr, negative: bool) -> bool {
    match expr {
        Expr::Literal(ScalarValue::Float64(Some(number)), _) if *number == 0.0 => {
            let wanted = if negative { -0.0 } else { 0.0 };
            let changed = number.is_sign_negative() != negative;
            *number = wanted;
            changed
        }
        Expr::Literal(ScalarValue::Float32(Some(number)), _) if *number == 0.0 => {
            let wanted = if negative { -0.0 } else { 0.0 };
            let changed = number.is_sign_negative() != negative;
            *number = wanted;
            changed
        }
        _ => false,
    }
}

fn between_zeros(value: Expr, zero: &Expr, negated: bool) -> Expr {
    let (mut low, mut high) = (zero.clone(), zero.clone());
    signed_zero(&mut low, true);
    signed_zero(&mut high, false);
    Expr::Between(Between::new(Box::new(value), negated, Box::new(low), Box::new(high)))
}

/// A list that holds 0, as a list without it and both zeros.
fn zero_in_list(mut list: InList) -> Result<Expr, InList> {
    let Some(at) = list.list.iter().position(is_zero) else {
        return Err(list);
    };
    let zero = list.list.remove(at);
    list.list.retain(|item| !is_zero(item));
    let zeros = between_zeros(list.expr.as_ref().clone(), &zero, list.negated);
    if list.list.is_empty() {
        return Ok(zeros);
    }
    let negated = list.negated;
    let rest = Expr::InList(list);
    Ok(if negated { zeros.and(rest) } else { zeros.or(rest) })
}

fn compares(op: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(
        op,
        Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom
    )
}
