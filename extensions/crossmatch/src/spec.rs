//! What is asked of a cross-match: which rows come out, and which of the pairs.
//!
//! A match is driven by its left side: "nearest" means the nearest right row of each left row, "left" keeps left rows
//! without a partner. The mirrored forms are the same with the inputs exchanged.

use std::fmt;
use std::num::NonZeroU32;

use datafusion::common::{JoinSide, JoinType};
use datafusion::logical_expr::Expr;

/// Which rows come out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Join {
    /// Pairs.
    #[default]
    Inner,
    /// Pairs, and left rows without a partner.
    Left,
    /// Left rows with a partner.
    Semi,
    /// Left rows without a partner.
    Anti,
}

/// Which of the pairs that satisfy the condition count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Pick {
    /// All of them.
    #[default]
    All,
    /// Of each left row, those with the nearest so many right rows.
    Nearest(NonZeroU32),
    /// Those of which each row is the nearest of the other.
    Mutual,
}

/// What is asked of a cross-match.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct MatchSpec {
    /// Which rows come out.
    pub join: Join,
    /// Which pairs count.
    pub pick: Pick,
}

impl MatchSpec {
    /// The same rows in the simplest words: a row has a nearest partner exactly if it has any.
    #[must_use]
    pub fn simplified(self) -> Self {
        match (self.join, self.pick) {
            (Join::Semi | Join::Anti, Pick::Nearest(_)) => Self {
                pick: Pick::All,
                ..self
            },
            _ => self,
        }
    }

    /// Whether, with one side held, what comes of a row of the other side depends on no other row of it.
    #[must_use]
    pub(crate) fn judges_rows_alone(self, held: JoinSide) -> bool {
        self.is_plain() || (held == JoinSide::Right && self.pick != Pick::Mutual)
    }

    /// Whether all pairs come out, and nothing else: each pair can then be judged alone.
    #[must_use]
    pub fn is_plain(self) -> bool {
        self == Self::default()
    }
}

impl Join {
    /// Whether right columns come out.
    #[must_use]
    pub fn has_right(self) -> bool {
        matches!(self, Self::Inner | Self::Left)
    }

    /// Whether left rows without a partner come out.
    #[must_use]
    pub fn keeps_unmatched(self) -> bool {
        matches!(self, Self::Left | Self::Anti)
    }

    /// The engine's word for it.
    #[must_use]
    pub fn join_type(self) -> JoinType {
        match self {
            Self::Inner => JoinType::Inner,
            Self::Left => JoinType::Left,
            Self::Semi => JoinType::LeftSemi,
            Self::Anti => JoinType::LeftAnti,
        }
    }

    pub(crate) fn code(self) -> u32 {
        match self {
            Self::Inner => 0,
            Self::Left => 1,
            Self::Semi => 2,
            Self::Anti => 3,
        }
    }

    pub(crate) fn from_code(code: u32) -> Option<Self> {
        [Self::Inner, Self::Left, Self::Semi, Self::Anti]
            .into_iter()
            .find(|join| join.code() == code)
    }
}

impl Pick {
    /// 0 for all, the number of nearest, or -1 for mutual.
    pub(crate) fn code(self) -> i64 {
        match self {
            Self::All => 0,
            Self::Nearest(k) => i64::from(k.get()),
            Self::Mutual => -1,
        }
    }

    pub(crate) fn from_code(code: i64) -> Option<Self> {
        match code {
            0 => Some(Self::All),
            -1 => Some(Self::Mutual),
            k => u32::try_from(k).ok().and_then(NonZeroU32::new).map(Self::Nearest),
        }
    }
}

impl fmt::Display for MatchSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = match self.join {
            Join::Inner => "inner",
            Join::Left => "left",
            Join::Semi => "semi",
            Join::Anti => "anti",
        };
        write!(f, "join={join}, pick=")?;
        match self.pick {
            Pick::All => f.write_str("all"),
            Pick::Nearest(k) if k.get() == 1 => f.write_str("nearest"),
            Pick::Nearest(k) => write!(f, "nearest {k}"),
            Pick::Mutual => f.write_str("mutual"),
        }
    }
}

/// Within which angle two rows can match.
#[derive(Debug, Clone)]
pub enum Radius<E = Expr> {
    /// The same for all rows, in degrees.
    Constant(f64),
    /// An expression over both sides, in degrees. NULL and NaN match nothing.
    PerRow(E),
}

impl<E> Radius<E> {
    /// The radius in degrees, if it is the same for all rows.
    pub fn constant(&self) -> Option<f64> {
        match self {
            Self::Constant(radius_deg) => Some(*radius_deg),
            Self::PerRow(_) => None,
        }
    }
}

// Logical plans are compared and hashed; a radius is what its bits say.
impl<E: PartialEq> PartialEq for Radius<E> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Constant(a), Self::Constant(b)) => a.to_bits() == b.to_bits(),
            (Self::PerRow(a), Self::PerRow(b)) => a == b,
            _ => false,
        }
    }
}

impl<E: Eq> Eq for Radius<E> {}

impl<E: std::hash::Hash> std::hash::Hash for Radius<E> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        match self {
            Self::Constant(radius_deg) => radius_deg.to_bits().hash(state),
            Self::PerRow(expr) => expr.hash(state),
        }
    }
}

impl<E: fmt::Display> fmt::Display for Radius<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(radius_deg) => Arcsec(*radius_deg).fmt(f),
            Self::PerRow(expr) => write!(f, "[{expr}]"),
        }
    }
}

/// A radius as people read it: arcseconds below 0.1 degree.
pub(crate) struct Arcsec(pub(crate) f64);

impl fmt::Display for Arcsec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Rounded in the ninth digit, so that 1/3600. reads as one arcsecond.
        let round = |value: f64| (value * 1e9).round() / 1e9;
        if self.0.abs() < 0.1 {
            write!(f, "{}\"", round(self.0 * 3600.0))
        } else {
            write!(f, "{}°", round(self.0))
        }
    }
}
