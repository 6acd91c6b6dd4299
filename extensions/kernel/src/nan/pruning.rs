//! Predicates by which statistics may say that rows hold nothing. The least and greatest values of a column leave NaN
//! out, for which `x > 5` is true.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{
    BinaryExpr, CastExpr, Column, DynamicFilterPhysicalExpr, InListExpr, Literal, NotExpr, TryCastExpr,
};
use datafusion::physical_expr::utils::split_conjunction;
use datafusion::physical_plan::filter_pushdown::{FilterPushdownPropagation, PushedDown};

/// Hands `filters`, all of which must hold, on to a source that prunes by statistics, as far as those judge them rightly.
///
/// # Errors
/// Those of the source.
pub fn push_down<T>(
    filters: Vec<Arc<dyn PhysicalExpr>>,
    schema: &Schema,
    push: impl FnOnce(Vec<Arc<dyn PhysicalExpr>>) -> Result<FilterPushdownPropagation<T>>,
) -> Result<FilterPushdownPropagation<T>> {
    let sound = sound(filters, schema);
    let kept: Vec<Kept> = sound.iter().map(|(kept, _)| *kept).collect();
    let mut answer = push(sound.into_iter().filter_map(|(_, filter)| filter).collect())?;
    let mut told = answer.filters.into_iter();
    // What went in part must still be asked of each row.
    let of_all = kept.into_iter().map(|kept| match kept {
        Kept::Whole => told.next().unwrap_or(PushedDown::No),
        Kept::Part => told.next().map_or(PushedDown::No, |_| PushedDown::No),
        Kept::Nothing => PushedDown::No,
    });
    answer.filters = of_all.collect();
    Ok(answer)
}

/// How much of a filter statistics may judge.
#[derive(Clone, Copy)]
enum Kept {
    Whole,
    Part,
    Nothing,
}

fn sound(filters: Vec<Arc<dyn PhysicalExpr>>, schema: &Schema) -> Vec<(Kept, Option<Arc<dyn PhysicalExpr>>)> {
    let bounded: HashSet<usize> = filters
        .iter()
        .flat_map(split_conjunction)
        .filter_map(bounded_above)
        .collect();
    let judge = Judge {
        schema,
        bounded: &bounded,
    };
    let sound_part = |filter: Arc<dyn PhysicalExpr>| {
        let parts = split_conjunction(&filter);
        if !parts.iter().any(|part| judge.errs(part)) {
            return (Kept::Whole, Some(filter));
        }
        let sound = parts.into_iter().filter(|part| !judge.errs(part)).cloned();
        match sound.reduce(|a, b| Arc::new(BinaryExpr::new(a, Operator::And, b))) {
            Some(part) => (Kept::Part, Some(part)),
            None => (Kept::Nothing, None),
        }
    };
    filters.into_iter().map(sound_part).collect()
}

/// The column of which a comparison leaves NaN out.
fn bounded_above(expr: &Arc<dyn PhysicalExpr>) -> Option<usize> {
    let both = expr.downcast_ref::<BinaryExpr>()?;
    let (column, literal) = match both.op() {
        Operator::Lt | Operator::LtEq => (both.left(), both.right()),
        Operator::Gt | Operator::GtEq => (both.right(), both.left()),
        _ => return None,
    };
    let literal = literal.downcast_ref::<Literal>()?;
    (!is_nan(literal.value())).then(|| column_of(column))?
}

/// The column that an expression is, cast or not.
fn column_of(expr: &Arc<dyn PhysicalExpr>) -> Option<usize> {
    if let Some(column) = expr.downcast_ref::<Column>() {
        return Some(column.index());
    }
    if let Some(cast) = expr.downcast_ref::<CastExpr>() {
        return column_of(cast.expr());
    }
    column_of(expr.downcast_ref::<TryCastExpr>()?.expr())
}

fn is_nan(value: &ScalarValue) -> bool {
    match value {
        ScalarValue::Float64(Some(number)) => number.is_nan(),
        ScalarValue::Float32(Some(number)) => number.is_nan(),
        _ => false,
    }
}

struct Judge<'a> {
    schema: &'a Schema,
    bounded: &'a HashSet<usize>,
}

impl Judge<'_> {
    /// A column of numbers among which NaN may be, and not left out by another filter.
    fn may_be_nan(&self, expr: &Arc<dyn PhysicalExpr>) -> bool {
        column_of(expr).is_some_and(|column| {
            let floating = self
                .schema
                .fields()
                .get(column)
                .is_none_or(|field| field.data_type().is_floating());
            floating && !self.bounded.contains(&column)
        })
    }

    fn has_float(&self, expr: &Arc<dyn PhysicalExpr>) -> bool {
        self.may_be_nan(expr) || expr.children().into_iter().any(|child| self.has_float(child))
    }

    /// Whether statistics could say that `expr` holds nowhere, although it does for NaN.
    fn errs(&self, expr: &Arc<dyn PhysicalExpr>) -> bool {
        if let Some(both) = expr.downcast_ref::<BinaryExpr>() {
            let (left, right) = (both.left(), both.right());
            let either = || self.may_be_nan(left) || self.may_be_nan(right);
            let nan = |side: &Arc<dyn PhysicalExpr>| {
                side.downcast_ref::<Literal>()
                    .is_some_and(|literal| is_nan(literal.value()))
            };
            return match both.op() {
                Operator::Gt | Operator::GtEq => self.may_be_nan(left),
                Operator::Lt | Operator::LtEq => self.may_be_nan(right),
                Operator::NotEq | Operator::IsDistinctFrom => either(),
                Operator::Eq | Operator::IsNotDistinctFrom => either() && (nan(left) || nan(right)),
                Operator::And | Operator::Or => self.errs(left) || self.errs(right),
                _ => false,
            };
        }
        if expr.downcast_ref::<NotExpr>().is_some() || expr.downcast_ref::<DynamicFilterPhysicalExpr>().is_some() {
            return self.has_float(expr);
        }
        if let Some(list) = expr.downcast_ref::<InListExpr>() {
            let nan = |item: &Arc<dyn PhysicalExpr>| {
                item.downcast_ref::<Literal>()
                    .is_some_and(|literal| is_nan(literal.value()))
            };
            return self.may_be_nan(list.expr()) && (list.negated() || list.list().iter().any(nan));
        }
        expr.children().into_iter().any(|child| self.errs(child))
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::{DataType, Field};
    use datafusion::physical_expr::expressions::{col, is_null, lit, not};

    use super::*;

    #[test]
    fn what_holds_for_nan_is_no_ground_for_pruning() {
        let schema = Schema::new(vec![
            Field::new("x", DataType::Float64, true),
            Field::new("n", DataType::Int64, true),
        ]);
        let (x, n) = (|| col("x", &schema).unwrap(), || col("n", &schema).unwrap());
        let compare = |left, op, right| Arc::new(BinaryExpr::new(left, op, right)) as Arc<dyn PhysicalExpr>;
        let above = || compare(x(), Operator::Gt, lit(5.0));
        let below = || compare(x(), Operator::Lt, lit(9.0));
        let shown = |filters: Vec<Arc<dyn PhysicalExpr>>| {
            let sound = sound(filters, &schema).into_iter();
            let texts = sound.map(|(_, filter)| filter.map_or_else(|| "none".to_owned(), |filter| filter.to_string()));
            texts.collect::<Vec<_>>()
        };
        assert_eq!(shown(vec![above()]), ["none"]);
        assert_eq!(shown(vec![below()]), ["x@0 < 9"]);
        assert_eq!(shown(vec![above(), below()]), ["x@0 > 5", "x@0 < 9"]);
        assert_eq!(
            shown(vec![compare(above(), Operator::And, below())]),
            ["x@0 > 5 AND x@0 < 9"]
        );
        assert_eq!(shown(vec![compare(lit(5.0), Operator::LtEq, x())]), ["none"]);
        assert_eq!(shown(vec![compare(x(), Operator::Eq, lit(5.0))]), ["x@0 = 5"]);
        assert_eq!(shown(vec![compare(x(), Operator::Eq, lit(f64::NAN))]), ["none"]);
        assert_eq!(shown(vec![compare(x(), Operator::NotEq, lit(5.0))]), ["none"]);
        assert_eq!(shown(vec![not(below()).unwrap()]), ["none"]);
        assert_eq!(
            shown(vec![compare(above(), Operator::Or, is_null(x()).unwrap())]),
            ["none"]
        );
        assert_eq!(shown(vec![compare(n(), Operator::Gt, lit(5_i64))]), ["n@1 > 5"]);
        let both = compare(above(), Operator::And, compare(n(), Operator::Gt, lit(5_i64)));
        assert_eq!(shown(vec![both]), ["n@1 > 5"]);
        let running = |of| Arc::new(DynamicFilterPhysicalExpr::new(vec![of], lit(true))) as Arc<dyn PhysicalExpr>;
        assert_eq!(shown(vec![running(x())]), ["none"]);
        assert!(shown(vec![running(n())])[0].contains("DynamicFilter"));

        let whole = compare(n(), Operator::Gt, lit(5_i64));
        let part = compare(above(), Operator::And, Arc::clone(&whole));
        let told = push_down(vec![above(), part, whole], &schema, |sound| {
            let told = vec![PushedDown::Yes; sound.len()];
            assert_eq!(told.len(), 2);
            Ok(FilterPushdownPropagation::<()>::with_parent_pushdown_result(told))
        });
        let told = told.unwrap().filters;
        assert!(matches!(told[..], [PushedDown::No, PushedDown::No, PushedDown::Yes]));
    }
}
