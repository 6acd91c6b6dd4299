//! What can be wrong with an input, and what to do about it.

use thiserror::Error;

/// Why a position, region or cell could not be made.
///
/// [`Display`](std::fmt::Display) says what was expected and what came; [`hint`](Self::hint) says what to do.
///
/// ```
/// use dreyer_sphere::{Circle, LonLat};
///
/// let error = Circle::new(LonLat::new(10.0, 20.0)?, 3600.0).unwrap_err();
/// assert_eq!(error.to_string(), "CIRCLE radius must lie in [0, 180] degrees, got 3600");
/// assert_eq!(error.hint(), Some("1 arcsec is 1/3600."));
/// # Ok::<(), dreyer_sphere::SphereError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[non_exhaustive]
pub enum SphereError {
    /// A longitude that is NaN or infinite.
    #[error("longitude must be a finite number of degrees, got {got}")]
    Longitude {
        /// The longitude given, in degrees.
        got: f64,
    },
    /// A latitude beyond a pole, NaN or infinite.
    #[error("latitude must lie in [-90, 90] degrees, got {got}")]
    Latitude {
        /// The latitude given, in degrees.
        got: f64,
    },
    /// A circle's radius outside `[0, 180]` degrees.
    #[error("CIRCLE radius must lie in [0, 180] degrees, got {got}")]
    Radius {
        /// The radius given, in degrees.
        got: f64,
    },
    /// A box's width or height outside `[0, 180)` degrees.
    #[error("BOX {side} must be at least 0 and less than 180 degrees, got {got}")]
    BoxSide {
        /// `"width"` or `"height"`.
        side: &'static str,
        /// The length given, in degrees.
        got: f64,
    },
    /// A polygon with fewer than three distinct vertices.
    #[error("POLYGON needs at least 3 distinct vertices, got {got}")]
    TooFewVertices {
        /// How many distinct vertices were given.
        got: usize,
    },
    /// Two consecutive vertices that are antipodes, so that no single great circle joins them.
    #[error("POLYGON vertices {first} and {second} are antipodes: the edge between them is undefined")]
    AntipodalVertices {
        /// The edge's first vertex, counted from 1 in the order given, without repeated vertices.
        first: usize,
        /// The edge's second vertex, counted alike.
        second: usize,
    },
    /// Two edges of a polygon that cross.
    #[error("POLYGON crosses itself: the edge after vertex {first} meets the edge after vertex {second}")]
    SelfIntersecting {
        /// The vertex that opens the first edge, counted from 1 in the order given, without repeated vertices.
        first: usize,
        /// The vertex that opens the second edge, counted alike.
        second: usize,
    },
    /// A polygon whose vertices lie on one line, so that it has no inside.
    #[error("POLYGON has no area: its vertices lie along one line")]
    NoArea,
    /// A HEALPix order above [`MAX_ORDER`](crate::MAX_ORDER).
    #[error("HEALPix order must lie in [0, 29], got {got}")]
    Order {
        /// The order given.
        got: u8,
    },
    /// A cell index that its order does not have.
    #[error("HEALPix order {order} has cells 0 to {last}, got {got}")]
    Index {
        /// The order.
        order: u8,
        /// The last cell of that order.
        last: u64,
        /// The index given.
        got: u64,
    },
}

impl SphereError {
    /// What to do about it, if there is something general to say.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Longitude { .. } => Some("Leave out rows without a position."),
            Self::Latitude { .. } => Some("Longitude comes first: POINT(ra, dec)."),
            Self::Radius { .. } => Some("1 arcsec is 1/3600."),
            Self::BoxSide { .. } => {
                Some("The sides of a BOX are great circles: for a band of coordinates, compare the columns themselves.")
            }
            Self::TooFewVertices { .. } => Some("Repeated vertices count once."),
            Self::AntipodalVertices { .. } => Some("Add a vertex between them."),
            Self::SelfIntersecting { .. } => Some("List the vertices in order along the border."),
            Self::NoArea => Some("Check the order of longitude and latitude in the vertices."),
            Self::Order { .. } => Some("Order 29 is the finest that fits 64 bits."),
            Self::Index { .. } => Some("Order k has 12 * 4^k cells; the index is of the NESTED scheme."),
        }
    }
}
