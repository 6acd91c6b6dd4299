//! Pass 1: the coordinate-system argument, deprecated since ADQL 2.1, leaves the geometry.
//!
//! Before: `CIRCLE('ICRS GEOCENTER', ra, dec, 1)`. After: `CIRCLE(ra, dec, 1)`.
//!
//! Only a label of what the functions take anyway is dropped: nothing, ICRS, and the equatorial
//! J2000/FK5 that users write for it. Anything else (GALACTIC above all) would silently move every
//! position, so it is an error: coordinates are never converted behind the user's back.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Function, FunctionArg, Value, VisitorMut};
use sqlparser::tokenizer::Span;

use super::{Broken, step};
use crate::{Error, call};

pub(super) struct Pass;

/// Frames whose degrees are taken as they are.
const FRAMES: &[&str] = &["ICRS", "FK5", "J2000", "J2000.0", "UNKNOWNFRAME"];

/// Words of an STC-S system that say nothing about the axes: reference positions and flavours.
const QUALIFIERS: &[&str] = &[
    "BARYCENTER",
    "CARTESIAN2",
    "CARTESIAN3",
    "EMBARYCENTER",
    "GEOCENTER",
    "HELIOCENTER",
    "LSR",
    "LSRD",
    "LSRK",
    "RELOCATABLE",
    "SPHERICAL2",
    "TOPOCENTER",
    "UNKNOWNREFPOS",
];

/// Calls that certainly make a point, to tell `CIRCLE(NULL, POINT(..), r)` from `CIRCLE(NULL, lat, r)`.
const POINT_MAKERS: &[&str] = &[
    "centroid",
    "ivo_epoch_prop_pos",
    "ivo_geom_transform",
    "ivo_healpix_center",
    "point",
];

impl VisitorMut for Pass {
    type Break = Box<Error>;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> Broken {
        match expr {
            Expr::Function(function) => step(strip(function)),
            _ => ControlFlow::Continue(()),
        }
    }
}

fn strip(function: &mut Function) -> Result<(), Error> {
    let Some(name) = call::name(function) else {
        return Ok(());
    };
    let numbers: fn(usize) -> bool = match name.as_str() {
        "point" => |n| n == 2,
        "circle" => |n| n == 3,
        "box" => |n| n == 4,
        "polygon" => |n| n >= 6 && n % 2 == 0,
        _ => return Ok(()),
    };
    let Some(list) = call::plain_list_mut(function) else {
        return Ok(());
    };
    match system(&list.args, numbers) {
        None => Ok(()),
        // Two labels are no form of any function: it is for the function to say so.
        Some(_) if system(list.args.get(1..).unwrap_or_default(), numbers).is_some() => Ok(()),
        Some((label, _)) if is_icrs(&label) => {
            list.args.remove(0);
            Ok(())
        }
        Some((label, span)) => Err(Error::coordinate_system(&name.to_uppercase(), &label, span)),
    }
}

/// The first argument, if it names a coordinate system rather than a coordinate.
fn system(args: &[FunctionArg], numbers: fn(usize) -> bool) -> Option<(String, Span)> {
    if args.len() < 2 {
        return None;
    }
    match call::literal(call::positional(args, 0)?)? {
        // A number in quotes is a coordinate that will be cast, not a label.
        (Value::SingleQuotedString(label), span) if label.trim().parse::<f64>().is_err() => Some((label.clone(), span)),
        (Value::Null, span) => {
            let rest = args.len() - 1;
            let point = call::positional(args, 1).is_some_and(makes_point);
            (point || numbers(rest) && !numbers(args.len())).then(|| (String::new(), span))
        }
        _ => None,
    }
}

fn makes_point(expr: &Expr) -> bool {
    match call::peeled(expr) {
        Expr::Function(function) => call::name(function).is_some_and(|name| POINT_MAKERS.contains(&name.as_str())),
        _ => false,
    }
}

/// Does a coordinate system, in words, label ICRS degrees?
pub(super) fn is_icrs(label: &str) -> bool {
    label
        .to_uppercase()
        .split_whitespace()
        .all(|word| FRAMES.contains(&word) || QUALIFIERS.contains(&word))
}

#[cfg(test)]
mod tests {
    use crate::lower::testing::adql;

    fn geometry(call: &str) -> String {
        adql(&format!("SELECT {call} FROM t"))
            .replacen("SELECT ", "", 1)
            .replacen(" FROM t", "", 1)
    }

    #[test]
    fn labels_of_icrs_are_dropped() {
        for label in [
            "''",
            "'ICRS'",
            "'icrs'",
            "'J2000'",
            "'fk5'",
            "'ICRS GEOCENTER'",
            "'FK5 TOPOCENTER SPHERICAL2'",
            "' '",
            "NULL",
        ] {
            assert_eq!(
                geometry(&format!("POINT({label}, ra, dec)")),
                "POINT(ra, dec)",
                "{label}"
            );
            assert_eq!(geometry(&format!("CIRCLE({label}, ra, dec, 1)")), "CIRCLE(ra, dec, 1)");
            assert_eq!(
                geometry(&format!("CIRCLE({label}, POINT({label}, ra, dec), 1)")),
                "CIRCLE(POINT(ra, dec), 1)"
            );
            assert_eq!(geometry(&format!("BOX({label}, ra, dec, 1, 2)")), "BOX(ra, dec, 1, 2)");
            assert_eq!(
                geometry(&format!("BOX({label}, POINT(ra, dec), 1, 2)")),
                "BOX(POINT(ra, dec), 1, 2)"
            );
            assert_eq!(
                geometry(&format!("POLYGON({label}, 1, 2, 3, 4, 5, 6)")),
                "POLYGON(1, 2, 3, 4, 5, 6)"
            );
            assert_eq!(
                geometry(&format!("Polygon({label}, POINT({label}, 1, 2), p, q)")),
                "Polygon(POINT(1, 2), p, q)"
            );
        }
        assert_eq!(geometry("CIRCLE('ICRS', center, 1)"), "CIRCLE(center, 1)");
        assert_eq!(
            geometry("CONTAINS(POINT('ICRS', 1, 2), BOX('', 1, 2, 3, 4))"),
            "CONTAINS(POINT(1, 2), BOX(1, 2, 3, 4))"
        );
    }

    #[test]
    fn coordinates_are_not_labels() {
        for call in [
            "POINT(1, 2)",
            "POINT(NULL, 2)",
            "CIRCLE(NULL, 2, 3)",
            "CIRCLE(NULL, 3)",
            "CIRCLE(p, 3)",
            "BOX(NULL, 2, 3, 4)",
            "BOX(p, 3, 4)",
            "POLYGON(NULL, 2, 3, 4, 5, 6)",
            "POINT('10.5', 2)",
            "POINT('ICRS')",
            "COORDSYS(POINT(1, 2))",
            "\"POINT\"('x', 1, 2)",
            "s.point('ICRS', 1, 2)",
            "POINT(system, 1, 2)",
            "POINT('', NULL, 1, 2)",
            "CIRCLE('ICRS', NULL, POINT(1, 2), 3)",
            "CIRCLE('GALACTIC', 'ICRS', 1, 2, 3)",
        ] {
            assert_eq!(geometry(call), call);
        }
    }

    #[test]
    fn other_systems_are_refused() {
        insta::assert_snapshot!(adql("SELECT CIRCLE('GALACTIC', l, b, 1) FROM t"), @r"
        CIRCLE takes ICRS degrees; 'GALACTIC' is not a coordinate system it can label
        LINE 1: SELECT CIRCLE('GALACTIC', l, b, 1) FROM t
                              ^~~~~~~~~~
        HINT: coordinates are never converted silently: leave the argument out for ICRS, or convert with ivo_geom_transform('GALACTIC', 'ICRS', POINT(l, b))
        ");
        for label in ["'ECLIPTIC'", "'FK4'", "'ICRS GALACTIC'", "'B1950'", "'M31'"] {
            assert!(
                geometry(&format!("POINT({label}, 1, 2)")).contains("not a coordinate system"),
                "{label}"
            );
        }
    }
}
