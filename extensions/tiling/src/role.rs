//! What a function means on the sky, told by the word in its row of the function table.

use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::expr::ScalarFunction;

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
    /// The angle between two positions, in arcseconds: 3600 times that in degrees.
    SeparationArcsec,
    /// Whether two positions (four numbers) lie closer than a radius (the fifth), in degrees, strictly.
    Within,
    /// Whether the second of two positions (four numbers) lies in an ellipse around the first, of which the fifth number
    /// is the greater semi-axis in degrees.
    Ellipse,
    /// The condition of a cross-match, with everything that can be asked of one: see `XMATCH`.
    CrossMatch,
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
            "separation_arcsec" => Self::SeparationArcsec,
            "within" => Self::Within,
            "ellipse" => Self::Ellipse,
            "crossmatch" => Self::CrossMatch,
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

/// Functions whose verdict is that of [`dreyer_sphere::separation_deg`] to the last bit: calls of them that say the same
/// may be exchanged. A role alone does not promise that; a site's own function may measure differently.
const OURS: &[&str] = &[
    "contains",
    "distance",
    "intersects",
    "q3c_dist",
    "q3c_join",
    "q3c_radial_query",
    "separation_arcsec",
    "sky_contains",
    "sky_intersects",
];

pub(crate) fn is_ours(call: &ScalarFunction) -> bool {
    dreyer_kernel::spec_of(&call.func).is_some_and(|spec| OURS.contains(&spec.name))
}
