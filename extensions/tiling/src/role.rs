//! What a function means on the sky, told by the word in its row of the function table.

use datafusion::logical_expr::ScalarUDF;

/// What a planner may assume of a function. Any function can opt in by naming a role in its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A position from longitude and latitude.
    Point,
    /// A circle from a centre and a radius.
    Circle,
    /// A box from a centre, a width and a height.
    Box,
    /// A polygon from its vertices.
    Polygon,
    /// The angle between two positions, in degrees.
    Separation,
    /// Whether two positions (four numbers) lie closer than a radius (the fifth), in degrees, strictly.
    Within,
    /// Whether the first geometry lies inside the second.
    Contains,
    /// Whether two geometries touch; with a position on one side, the same as [`Role::Contains`].
    Intersects,
}

impl Role {
    fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "point" => Self::Point,
            "circle" => Self::Circle,
            "box" => Self::Box,
            "polygon" => Self::Polygon,
            "separation" => Self::Separation,
            "within" => Self::Within,
            "contains" => Self::Contains,
            "intersects" => Self::Intersects,
            _ => return None,
        })
    }
}

/// The role of a function, if its row names one.
pub fn role_of(function: &ScalarUDF) -> Option<Role> {
    Role::from_word(dreyer_kernel::spec_of(function)?.role?)
}
