//! A call of `XMATCH`, read.

use std::num::NonZeroU32;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::ScalarFunction;
use dreyer_tiling::SkyCoords;

use super::xmatch::misuse;
use crate::spec::Pick;

/// Most partners that a row can ask for.
const MOST: u32 = 10_000;

/// What a call asks for.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) positions: Option<(SkyCoords, SkyCoords)>,
    pub(super) radius_arcsec: Expr,
    pub(super) pick: Pick,
    pub(super) least_arcsec: f64,
}

impl Wanted {
    /// Reads a call whose arguments stand in their places.
    pub(super) fn of(call: &ScalarFunction) -> Result<Self> {
        let (positions, rest) = match call.args.as_slice() {
            [lon1, lat1, lon2, lat2, rest @ ..] if matches!(rest.len(), 1 | 4) => {
                let a = SkyCoords::LonLat(lon1.clone(), lat1.clone());
                let b = SkyCoords::LonLat(lon2.clone(), lat2.clone());
                (Some((a, b)), rest)
            }
            [a, b, rest @ ..] if matches!(rest.len(), 1 | 4) => {
                (Some((SkyCoords::of_point(a), SkyCoords::of_point(b))), rest)
            }
            rest => (None, rest),
        };
        let (radius, pick, least_arcsec) = match rest {
            [radius] => (radius, Pick::All, 0.0),
            [radius, mode, k, least] => (radius, pick_of(mode, k)?, least_of(least)?),
            _ => return Err(misuse("XMATCH has no form with so many arguments", HINT)),
        };
        Ok(Self {
            positions,
            radius_arcsec: radius.clone(),
            pick,
            least_arcsec,
        })
    }
}

const HINT: &str = "Write XMATCH(a.ra, a.dec, b.ra, b.dec, radius_arcsec => 1, mode => 'nearest', k => 3, \
                    min_radius_arcsec => 0.1).";

fn pick_of(mode: &Expr, k: &Expr) -> Result<Pick> {
    let (Some(mode), Some(k)) = (text(mode), number(k)) else {
        return Err(misuse("XMATCH takes its mode and k as constants", HINT));
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number within the range was asked for"
    )]
    let count = if k.fract() == 0.0 && (1.0..=f64::from(MOST)).contains(&k) {
        NonZeroU32::new(k as u32)
    } else {
        None
    };
    let Some(count) = count else {
        let message = format!("XMATCH takes a k from 1 to {MOST}, got {k}");
        return Err(misuse(&message, HINT));
    };
    let one = count.get() == 1;
    match mode.to_ascii_lowercase().as_str() {
        "all" if one => Ok(Pick::All),
        "nearest" => Ok(Pick::Nearest(count)),
        "best" if one => Ok(Pick::Mutual),
        mode @ ("all" | "best") => {
            let message = format!("XMATCH counts no k in mode '{mode}'");
            Err(misuse(&message, "Leave k out, or write mode => 'nearest'."))
        }
        other => {
            let message = format!("XMATCH has no mode '{other}'");
            Err(misuse(&message, "The modes are 'all', 'nearest' and 'best'."))
        }
    }
}

fn least_of(least: &Expr) -> Result<f64> {
    match number(least) {
        Some(least) if least >= 0.0 => Ok(least),
        _ => Err(misuse(
            "XMATCH takes its min_radius_arcsec as a constant not less than 0",
            HINT,
        )),
    }
}

fn number(expr: &Expr) -> Option<f64> {
    match expr {
        Expr::Literal(value, _) => match value.cast_to(&DataType::Float64) {
            Ok(ScalarValue::Float64(number)) => number,
            _ => None,
        },
        Expr::Cast(cast) => number(&cast.expr),
        Expr::Negative(inner) => number(inner).map(|number| -number),
        _ => None,
    }
}

fn text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(value, _) => value.try_as_str().flatten(),
        Expr::Cast(cast) => text(&cast.expr),
        _ => None,
    }
}
