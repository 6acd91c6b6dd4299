//! Squares in the plane of a base cell, by indexes whose bits of x and y stay interleaved.
//!
//! Spreading the bits of a number apart keeps its order, and sums and differences carry over the gaps: what follows compares,
//! adds and subtracts x and y as they stand in an index.

use crate::healpix::inner::{spread, whole};
use crate::healpix::{MAX_ORDER, RADIUS_OF_ORDER_0_RAD, shift_to_29, side};

/// The bits of x and of y within a base cell.
const X: u64 = 0x5555_5555_5555_5555 & ((1 << 58) - 1);
const Y: u64 = X << 1;
/// The bits that name the base cell.
const BASE: u64 = !(X | Y);

/// Half the width of a square, and its width, in cells of order 29, the bits spread.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    half: u64,
    width: u64,
}

/// How far two indexes of one base cell lie apart along x and y, the bits spread, modulo the width of a base cell.
#[derive(Debug, Clone, Copy)]
pub(super) struct Offset {
    x: u64,
    y: u64,
}

impl Offset {
    #[inline]
    pub(super) fn between(one: u64, other: u64) -> Self {
        // With the gaps clear, a borrow passes over them.
        Self {
            x: (one & X).wrapping_sub(other & X) & X,
            y: (one & Y).wrapping_sub(other & Y) & Y,
        }
    }
}

impl Reach {
    /// So many cells to each side, fewer than half of those along a base cell.
    pub(super) fn new(steps: u64) -> Self {
        let steps = steps.min((1 << (MAX_ORDER - 1)) - 1);
        Self {
            half: spread(steps),
            width: spread(2 * steps),
        }
    }

    /// Whether one of two indexes lies in the square around the other.
    #[inline]
    pub(super) fn holds(self, offset: Offset) -> bool {
        // With the gaps set, a carry passes over them.
        let x = (offset.x | !X).wrapping_add(self.half) & X;
        let y = (offset.y | !Y).wrapping_add(self.half << 1) & Y;
        (x <= self.width) & (y <= self.width << 1)
    }

    /// Half the width of a square that lies within the circle whatever the place: two points no farther apart than d along x
    /// and y are no farther than two half-diagonals of a cell that wide. A cell and a half are left for where in their cells
    /// the points are. `None` for radii that are not much wider than a cell.
    pub(super) fn within(radius_deg: f64) -> Option<Self> {
        let radius = radius_deg.to_radians();
        let steps = radius / (2.0 * RADIUS_OF_ORDER_0_RAD / side(MAX_ORDER)) - 2.5;
        // Also false for NaN. Wider than a base cell, x and y mean nothing.
        (steps >= 1.0 && steps < side(MAX_ORDER - 1)).then(|| Self::new(whole(steps.floor())))
    }
}

/// The square around a circle: bounds of x and y.
#[derive(Debug, Clone, Copy)]
pub(super) struct Square {
    base: u64,
    x: (u64, u64),
    y: (u64, u64),
}

impl Square {
    /// It must lie within the base cell.
    #[inline]
    pub(super) fn around(index: u64, reach: Reach) -> Self {
        let (half, x, y) = (reach.half, index & X, index & Y);
        Self {
            base: index & BASE,
            x: (x.wrapping_sub(half) & X, (x | !X).wrapping_add(half) & X),
            y: (y.wrapping_sub(half << 1) & Y, (y | !Y).wrapping_add(half << 1) & Y),
        }
    }

    /// Whether an index of the same base cell lies in the square.
    #[inline]
    pub(super) fn holds(&self, index: u64) -> bool {
        let (x, y) = (index & X, index & Y);
        (x >= self.x.0) & (x <= self.x.1) & (y >= self.y.0) & (y <= self.y.1)
    }

    /// The cells of an order that the square touches, each once; four at most if they are wider than the square.
    #[inline]
    pub(super) fn cells(&self, order: u8) -> [Option<u64>; 4] {
        let shift = shift_to_29(order);
        let cell = |x: u64, y: u64| (self.base | x | y) >> shift;
        let (x, y) = (self.x, self.y);
        let corners = [cell(x.0, y.0), cell(x.1, y.0), cell(x.0, y.1), cell(x.1, y.1)];
        let (wide, high) = (corners[0] != corners[1], corners[0] != corners[2]);
        [
            Some(corners[0]),
            wide.then_some(corners[1]),
            high.then_some(corners[2]),
            (wide && high).then_some(corners[3]),
        ]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The two ways to ask whether an index lies in a square agree, where it does not leave the base cell.
        #[test]
        fn offsets_tell_what_bounds_do(
            x in 0..1_u64 << 29, y in 0..1_u64 << 29, steps in 0..1_u64 << 28, away in (-300..300_i64, -300..300_i64),
        ) {
            let steps = steps >> (x % 28);
            let last = (1 << 29) - 1;
            prop_assume!(x.min(y) >= steps && x.max(y) + steps <= last);
            let moved = |from: u64, away: i64| from.saturating_add_signed(away * (1 + steps.cast_signed() / 150)).min(last);
            let index = |x: u64, y: u64| spread(x) | (spread(y) << 1);
            let (one, other) = (index(x, y), index(moved(x, away.0), moved(y, away.1)));
            let truth = x.abs_diff(moved(x, away.0)).max(y.abs_diff(moved(y, away.1))) <= steps;
            let reach = Reach::new(steps);
            prop_assert_eq!(reach.holds(Offset::between(one, other)), truth);
            prop_assert_eq!(reach.holds(Offset::between(other, one)), truth);
            prop_assert_eq!(Square::around(one, reach).holds(other), truth);
        }
    }
}
