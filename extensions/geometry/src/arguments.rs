//! Arguments that many functions share, with their units and limits.

use dreyer_kernel::{Arg, Kind};

const SWAPPED: &str = "longitude comes first, then latitude, both in degrees";

/// A longitude in degrees, of any finite size.
pub(crate) const fn lon(name: &'static str) -> Arg {
    Arg::new(name, Kind::Number).unit("deg").finite()
}

/// A latitude in degrees.
pub(crate) const fn lat(name: &'static str) -> Arg {
    Arg::new(name, Kind::Number)
        .unit("deg")
        .within(-90.0, 90.0)
        .hint(SWAPPED)
}

/// A radius in degrees.
pub(crate) const fn radius(name: &'static str) -> Arg {
    Arg::new(name, Kind::Number)
        .unit("deg")
        .within(0.0, 180.0)
        .hint("1 arcsec is 1/3600.")
}

/// The side of a box in degrees.
pub(crate) const fn side(name: &'static str) -> Arg {
    Arg::new(name, Kind::Number).unit("deg").within(0.0, 180.0)
}

/// A HEALPix order.
pub(crate) const fn order(name: &'static str, most: f64) -> Arg {
    Arg::new(name, Kind::Integer)
        .within(0.0, most)
        .hint("the order is log2 of nside")
}
