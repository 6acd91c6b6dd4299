//! Which values of a column a condition leaves possible: the question put to an index.
//!
//! Conditions are read as the engine evaluates them, whether they were written in a query or come from the other side
//! of a join while it runs. What is not understood says nothing; nothing here decides about a row.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type, UInt64Type};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{
    BinaryExpr, CaseExpr, CastExpr, Column, DynamicFilterPhysicalExpr, InListExpr, Literal, TryCastExpr,
};

/// A value that an index can be asked for. Other types, floats above all, have no exact order to search by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// Any integer.
    Integer(i128),
    /// A text, in the order of its bytes.
    Text(String),
}

impl Key {
    /// Whether columns of this type can be looked up.
    pub(crate) fn has(kind: &DataType) -> bool {
        kind.is_integer() || is_text(kind)
    }

    fn of(value: &ScalarValue) -> Option<Self> {
        match value {
            ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text) => {
                text.clone().map(Self::Text)
            }
            value if value.data_type().is_integer() => {
                let array = value.to_array().ok()?;
                Self::all(&array).ok()?.pop()?
            }
            _ => None,
        }
    }

    /// The keys of a column, row by row; nulls have none.
    pub(crate) fn all(array: &ArrayRef) -> Result<Vec<Option<Self>>> {
        Ok(match array.data_type() {
            DataType::UInt64 => {
                let values = array.as_primitive::<UInt64Type>().iter();
                values
                    .map(|value| value.map(|value| Self::Integer(value.into())))
                    .collect()
            }
            kind if kind.is_integer() => {
                let wide = cast(array, &DataType::Int64)?;
                let values = wide.as_primitive::<Int64Type>().iter();
                values
                    .map(|value| value.map(|value| Self::Integer(value.into())))
                    .collect()
            }
            _ => {
                let views = cast(array, &DataType::Utf8View)?;
                let values = views.as_string_view().iter();
                values
                    .map(|value| value.map(|text| Self::Text(text.to_owned())))
                    .collect()
            }
        })
    }
}

fn is_text(kind: &DataType) -> bool {
    matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// A set of keys: closed intervals, ascending and apart. An end of `None` is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Keys(Vec<(Option<Key>, Option<Key>)>);

impl Keys {
    fn none() -> Self {
        Self(Vec::new())
    }

    fn between(low: Option<Key>, high: Option<Key>) -> Self {
        match (&low, &high) {
            (Some(low), Some(high)) if low > high => Self::none(),
            _ => Self(vec![(low, high)]),
        }
    }

    fn of_values(mut keys: Vec<Key>) -> Self {
        keys.sort();
        keys.dedup();
        Self(keys.into_iter().map(|key| (Some(key.clone()), Some(key))).collect())
    }

    /// How many intervals; of a list of values, how many values.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether both ends of all intervals are known, so that there is something to look up.
    pub(crate) fn is_bounded(&self) -> bool {
        self.0.iter().all(|(low, high)| low.is_some() && high.is_some())
    }

    /// Whether any key lies between `low` and `high`, both included; an unknown end counts as open.
    pub(crate) fn overlaps(&self, low: Option<&Key>, high: Option<&Key>) -> bool {
        let reaches = |end: &Option<Key>| end.as_ref().zip(low).is_none_or(|(end, low)| end >= low);
        let first = self.0.partition_point(|(_, end)| !reaches(end));
        self.0
            .get(first)
            .is_some_and(|(start, _)| start.as_ref().zip(high).is_none_or(|(start, high)| start <= high))
    }

    /// Whether `key` is in the set.
    pub(crate) fn contains(&self, key: &Key) -> bool {
        self.overlaps(Some(key), Some(key))
    }

    fn union(self, other: Self) -> Self {
        let mut all: Vec<_> = self.0.into_iter().chain(other.0).collect();
        // `None` sorts first, which is where an open start belongs.
        all.sort_by(|a, b| a.0.cmp(&b.0));
        let mut merged: Vec<(Option<Key>, Option<Key>)> = Vec::with_capacity(all.len());
        for (start, end) in all {
            match merged.last_mut() {
                Some((_, last))
                    if last
                        .as_ref()
                        .is_none_or(|last| start.as_ref().is_none_or(|start| start <= last)) =>
                {
                    if let (Some(known), Some(end)) = (last.clone(), &end) {
                        *last = Some(known.max(end.clone()));
                    } else {
                        *last = None;
                    }
                }
                _ => merged.push((start, end)),
            }
        }
        Self(merged)
    }

    fn intersection(self, other: &Self) -> Self {
        let (mut a, mut b) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut both = Vec::new();
        while let (Some((a_start, a_end)), Some((b_start, b_end))) = (a.peek(), b.peek()) {
            let start = a_start.clone().max(b_start.clone());
            let (end, a_is_first) = match (a_end, b_end) {
                (Some(a_end), Some(b_end)) => (Some(a_end.min(b_end).clone()), a_end <= b_end),
                (Some(a_end), None) => (Some(a_end.clone()), true),
                (None, b_end) => (b_end.clone(), false),
            };
            both.extend(Self::between(start, end).0);
            if a_is_first {
                a.next();
            } else {
                b.next();
            }
        }
        Self(both)
    }
}

/// A column whose keys are asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sought<'a> {
    name: &'a str,
    text: bool,
}

impl<'a> Sought<'a> {
    /// `None` for a type that cannot be looked up.
    pub(crate) fn new(name: &'a str, kind: &DataType) -> Option<Self> {
        let text = is_text(kind);
        Key::has(kind).then_some(Self { name, text })
    }

    /// The keys of the column for which `expr` can be true. `None`: it says nothing about them.
    pub(crate) fn keys(&self, expr: &Arc<dyn PhysicalExpr>) -> Option<Keys> {
        if let Some(literal) = expr.downcast_ref::<Literal>() {
            return matches!(literal.value(), ScalarValue::Boolean(Some(false) | None)).then(Keys::none);
        }
        if let Some(filter) = expr.downcast_ref::<DynamicFilterPhysicalExpr>() {
            return self.keys(&filter.current().ok()?);
        }
        if let Some(binary) = expr.downcast_ref::<BinaryExpr>() {
            return self.of_binary(binary);
        }
        if let Some(list) = expr.downcast_ref::<InListExpr>() {
            return self.of_list(list);
        }
        let case = expr.downcast_ref::<CaseExpr>()?;
        // Whichever branch decides, the row passed one of them; without ELSE the rest is NULL, which passes nowhere.
        let branches = case
            .when_then_expr()
            .iter()
            .map(|(_, then)| then)
            .chain(case.else_expr());
        branches
            .map(|branch| self.keys(branch))
            .try_fold(Keys::none(), |all, keys| Some(all.union(keys?)))
    }

    fn of_binary(&self, binary: &BinaryExpr) -> Option<Keys> {
        let (left, right) = (binary.left(), binary.right());
        match binary.op() {
            Operator::And => match (self.keys(left), self.keys(right)) {
                (Some(a), Some(b)) => Some(a.intersection(&b)),
                (a, b) => a.or(b),
            },
            Operator::Or => Some(self.keys(left)?.union(self.keys(right)?)),
            op if self.is(left) => self.compared(*op, right),
            op if self.is(right) => self.compared(op.swap()?, left),
            _ => None,
        }
    }

    fn compared(&self, op: Operator, value: &Arc<dyn PhysicalExpr>) -> Option<Keys> {
        let literal = value.downcast_ref::<Literal>()?.value();
        let key = if literal.is_null() {
            None
        } else {
            Some(self.key(literal)?)
        };
        match (op, key) {
            // No row passes a comparison with NULL.
            (Operator::Eq | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq, None) => Some(Keys::none()),
            (Operator::Eq, key) => Some(Keys::between(key.clone(), key)),
            // Strictly less and greater only widen by one value.
            (Operator::Lt | Operator::LtEq, key) => Some(Keys::between(None, key)),
            (Operator::Gt | Operator::GtEq, key) => Some(Keys::between(key, None)),
            _ => None,
        }
    }

    fn of_list(&self, list: &InListExpr) -> Option<Keys> {
        if list.negated() || !self.is(list.expr()) {
            return None;
        }
        let mut keys = Vec::with_capacity(list.len());
        for value in list.list() {
            let value = value.downcast_ref::<Literal>()?.value();
            if !value.is_null() {
                keys.push(self.key(value)?);
            }
        }
        Some(Keys::of_values(keys))
    }

    fn key(&self, literal: &ScalarValue) -> Option<Key> {
        Key::of(literal).filter(|key| matches!(key, Key::Text(_)) == self.text)
    }

    /// Whether `expr` is the column, as it is or as another integer or text type: a value that does not fit there
    /// fails the query or becomes NULL, and any other stays what it was.
    fn is(&self, expr: &Arc<dyn PhysicalExpr>) -> bool {
        if let Some(column) = expr.downcast_ref::<Column>() {
            return column.name() == self.name;
        }
        let cast = expr
            .downcast_ref::<CastExpr>()
            .map(|cast| (cast.expr(), cast.cast_type()));
        let cast = cast.or_else(|| {
            let cast = expr.downcast_ref::<TryCastExpr>()?;
            Some((cast.expr(), cast.cast_type()))
        });
        cast.is_some_and(|(inner, kind)| Key::has(kind) && is_text(kind) == self.text && self.is(inner))
    }
}

#[cfg(test)]
mod tests {
    use datafusion::physical_expr::expressions::{NotExpr, lit};
    use proptest::prelude::*;

    use super::*;

    fn id() -> Sought<'static> {
        Sought::new("id", &DataType::Int32).unwrap()
    }

    fn column() -> Arc<dyn PhysicalExpr> {
        Arc::new(Column::new("id", 3))
    }

    fn binary(left: Arc<dyn PhysicalExpr>, op: Operator, right: Arc<dyn PhysicalExpr>) -> Arc<dyn PhysicalExpr> {
        Arc::new(BinaryExpr::new(left, op, right))
    }

    fn is(value: i64) -> Arc<dyn PhysicalExpr> {
        binary(column(), Operator::Eq, lit(value))
    }

    #[test]
    fn conditions_become_keys() {
        let keys = |expr: &Arc<dyn PhysicalExpr>| id().keys(expr);
        let two = binary(is(7), Operator::Or, binary(lit(3_i64), Operator::Eq, column()));
        assert_eq!(keys(&two).unwrap().len(), 2);
        assert_eq!(keys(&binary(is(7), Operator::Or, is(7))).unwrap().len(), 1);
        assert_eq!(keys(&binary(is(7), Operator::And, is(8))), Some(Keys::none()));
        let other = binary(Arc::new(Column::new("mag", 1)), Operator::Eq, lit(1_i64));
        assert_eq!(keys(&binary(is(7), Operator::Or, Arc::clone(&other))), None);
        assert_eq!(keys(&binary(is(7), Operator::And, other)), keys(&is(7)));
        assert_eq!(keys(&lit(false)), Some(Keys::none()));
        assert_eq!(keys(&lit(true)), None);
        assert_eq!(keys(&(Arc::new(NotExpr::new(is(7))) as _)), None);
        let open = keys(&binary(column(), Operator::Gt, lit(7_i64))).unwrap();
        assert!(!open.is_bounded() && open.contains(&Key::Integer(8)) && !open.contains(&Key::Integer(6)));
        let floats = binary(column(), Operator::Eq, lit(7.0_f64));
        assert_eq!(keys(&floats), None, "rounding might hide a key");
        let cast = |kind| Arc::new(CastExpr::new(column(), kind, None)) as Arc<dyn PhysicalExpr>;
        let wider = binary(cast(DataType::Int64), Operator::Eq, lit(7_i64));
        assert_eq!(keys(&wider), keys(&is(7)));
        let spelt = binary(cast(DataType::Utf8), Operator::Eq, lit("7"));
        assert_eq!(keys(&spelt), None, "texts and numbers sort differently");
    }

    #[test]
    fn a_running_join_tells_its_keys() {
        let filter = Arc::new(DynamicFilterPhysicalExpr::new(vec![column()], lit(true)));
        let expr: Arc<dyn PhysicalExpr> = Arc::clone(&filter) as _;
        assert_eq!(id().keys(&expr), None);
        filter.update(is(5)).unwrap();
        assert!(id().keys(&expr).unwrap().contains(&Key::Integer(5)));
        let routed = CaseExpr::try_new(
            Some(lit(1_u64)),
            vec![(lit(0_u64), is(5)), (lit(1_u64), is(6))],
            Some(lit(false)),
        );
        filter.update(Arc::new(routed.unwrap())).unwrap();
        assert_eq!(id().keys(&expr).unwrap().len(), 2);
    }

    /// Sets over 0..16 as bit masks.
    fn keys_of_mask(mask: u16) -> Keys {
        let integers = (0..16)
            .filter(|bit| mask & (1 << bit) != 0)
            .map(|bit| Key::Integer(bit.into()));
        Keys::of_values(integers.collect())
    }

    proptest! {
        #[test]
        fn sets_agree_with_bit_masks(a in any::<u16>(), b in any::<u16>(), low in 0_i128..16, size in 0_i128..16) {
            let (x, y) = (keys_of_mask(a), keys_of_mask(b));
            let range = Keys::between(Some(Key::Integer(low)), Some(Key::Integer(low + size)));
            let (or, and) = (x.clone().union(y.clone()), x.clone().intersection(&y));
            let (wide, cut) = (x.clone().union(range.clone()), range.intersection(&x));
            for bit in 0..16_i128 {
                let key = Key::Integer(bit);
                let (in_a, in_b) = (a & (1 << bit) != 0, b & (1 << bit) != 0);
                let in_range = (low..=low + size).contains(&bit);
                prop_assert_eq!(or.contains(&key), in_a || in_b);
                prop_assert_eq!(and.contains(&key), in_a && in_b);
                prop_assert_eq!(wide.contains(&key), in_a || in_range);
                prop_assert_eq!(cut.contains(&key), in_a && in_range);
            }
            let any = (low..=low + size).any(|bit| bit < 16 && a & (1 << bit) != 0);
            prop_assert_eq!(x.overlaps(Some(&Key::Integer(low)), Some(&Key::Integer(low + size))), any);
        }
    }
}
