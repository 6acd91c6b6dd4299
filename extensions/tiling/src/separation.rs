//! Separations in expressions: the call, and by which constants it was scaled before it was compared.
//!
//! `DISTANCE(..) * 3600 < 1` bounds the separation at one arcsecond, to the last bit: the bound is the double at which
//! the scaled separation, as rounded, stops being below 1.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use crate::predicate::{Bound, SkyCoords, constant, literal, strip_casts};
use crate::role::{Role, is_ours, role_of};

/// Arcseconds in a degree.
const ARCSEC_PER_DEG: f64 = 3600.0;

/// How many doubles around the quotient are tried before a bound is called inexact.
const MOST_STEPS: u32 = 64;

/// A separation, perhaps times or over positive constants.
#[derive(Debug, Clone, PartialEq)]
pub struct Separation {
    /// The position named first.
    pub a: SkyCoords,
    /// The position named second.
    pub b: SkyCoords,
    /// Whether the function is one of ours, which means [`dreyer_sphere::separation_deg`] to the bit.
    pub is_ours: bool,
    /// What is done to the separation in degrees, in that order.
    scales: Vec<Scale>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Scale {
    Times(f64),
    Over(f64),
}

impl Separation {
    /// The separation that an expression is, scaled or not.
    pub fn of(expr: &Expr) -> Option<Self> {
        match strip_casts(expr) {
            Expr::ScalarFunction(call) => {
                let scales = match role_of(&call.func)? {
                    Role::Separation => Vec::new(),
                    Role::SeparationArcsec => vec![Scale::Times(ARCSEC_PER_DEG)],
                    _ => return None,
                };
                let (a, b) = match call.args.as_slice() {
                    [p, q] => (SkyCoords::of_point(p), SkyCoords::of_point(q)),
                    [lon1, lat1, lon2, lat2] => (
                        SkyCoords::LonLat(lon1.clone(), lat1.clone()),
                        SkyCoords::LonLat(lon2.clone(), lat2.clone()),
                    ),
                    _ => return None,
                };
                Some(Self {
                    a,
                    b,
                    is_ours: is_ours(call),
                    scales,
                })
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (op, constant(left), constant(right)) {
                (Operator::Multiply, Some(factor), None) => Self::of(right)?.then(Scale::Times(factor)),
                (Operator::Multiply, None, Some(factor)) => Self::of(left)?.then(Scale::Times(factor)),
                (Operator::Divide, None, Some(factor)) => Self::of(left)?.then(Scale::Over(factor)),
                _ => None,
            },
            _ => None,
        }
    }

    fn then(mut self, scale: Scale) -> Option<Self> {
        let (Scale::Times(factor) | Scale::Over(factor)) = scale;
        self.scales.push(scale);
        (factor > 0.0).then_some(self)
    }

    /// By what the separation in degrees is multiplied; `None` if it is divided, or changed more than once.
    pub fn factor(&self) -> Option<f64> {
        match self.scales.as_slice() {
            [] => Some(1.0),
            [Scale::Times(factor)] => Some(*factor),
            _ => None,
        }
    }

    fn scaled(&self, separation_deg: f64) -> f64 {
        self.scales.iter().fold(separation_deg, |value, scale| match scale {
            Scale::Times(factor) => value * factor,
            Scale::Over(factor) => value / factor,
        })
    }

    /// The bound in degrees that a bound of the scaled separation is, and whether it is so to the last bit.
    pub(crate) fn limit_deg(&self, limit: f64, bound: Bound) -> (f64, bool) {
        let guess = self.scales.iter().rev().fold(limit, |value, scale| match scale {
            Scale::Times(factor) => value / factor,
            Scale::Over(factor) => value * factor,
        });
        if self.scales.is_empty() || !guess.is_finite() || guess <= 0.0 {
            return (guess, self.scales.is_empty());
        }
        let holds = |value: f64| match bound {
            Bound::Below => self.scaled(value) < limit,
            Bound::Through => self.scaled(value) <= limit,
        };
        let mut at = guess;
        for _ in 0..MOST_STEPS {
            match (bound, holds(at)) {
                // The least double for which it no longer holds.
                (Bound::Below, true) => at = at.next_up(),
                (Bound::Below, false) if !holds(at.next_down()) => at = at.next_down(),
                // The greatest for which it does.
                (Bound::Through, false) => at = at.next_down(),
                (Bound::Through, true) if holds(at.next_up()) => at = at.next_up(),
                _ => return (at, true),
            }
        }
        (guess, false)
    }

    /// What `limit` is in degrees, for a limit that is an expression.
    pub(crate) fn unscaled(&self, limit: Expr) -> Expr {
        self.scales.iter().rev().fold(limit, |value, scale| {
            let (op, factor) = match scale {
                Scale::Times(factor) => (Operator::Divide, factor),
                Scale::Over(factor) => (Operator::Multiply, factor),
            };
            Expr::BinaryExpr(BinaryExpr::new(Box::new(value), op, Box::new(literal(*factor))))
        })
    }
}

/// Whether an expression can be shown never to be less than 0: NULL and NaN are not less.
pub(crate) fn never_negative(expr: &Expr) -> bool {
    match strip_casts(expr) {
        Expr::Literal(ScalarValue::Null, _) => true,
        Expr::ScalarFunction(call) => match call.func.name() {
            "sqrt" | "abs" | "exp" => true,
            "greatest" => call.args.iter().any(never_negative),
            "least" => call.args.iter().all(never_negative),
            _ => Separation::of(expr).is_some(),
        },
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::Plus | Operator::Multiply | Operator::Divide => never_negative(left) && never_negative(right),
            _ => false,
        },
        other => constant(other).is_some_and(|value| value >= 0.0),
    }
}
