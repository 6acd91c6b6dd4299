//! One HEALPix cell, and the index of a position.

use std::cmp::Ordering;
use std::ops::Range;

use cdshealpix::nested;

use super::{MAX_ORDER, cells_of_order, shift_to_29};
use crate::{Circle, LonLat, SphereError};

/// The order-29 NESTED index of a position in degrees: the `_healpix_29` of HATS catalogues.
///
/// `None` for NaN, an infinity or a latitude beyond a pole. Longitudes of any finite size are reduced to one turn.
///
/// ```
/// use dreyer_sphere::index29;
///
/// assert_eq!(index29(45.0, 90.0), Some((1 << 58) - 1));
/// assert_eq!(index29(f64::NAN, 0.0), None);
/// ```
#[inline]
#[must_use]
pub fn index29(lon_deg: f64, lat_deg: f64) -> Option<u64> {
    LonLat::new(lon_deg, lat_deg).ok().map(index29_of)
}

#[inline]
pub(crate) fn index29_of(position: LonLat) -> u64 {
    nested::hash(
        MAX_ORDER,
        position.lon_deg().to_radians(),
        position.lat_deg().to_radians(),
    )
}

/// A HEALPix cell of the NESTED scheme: an order in `[0, 29]` and an index in `[0, 12 × 4^order)`.
///
/// Cells sort by where they begin on the curve, a cell before those within it.
///
/// ```
/// use dreyer_sphere::{Cell, LonLat};
///
/// let tile = Cell::containing(5, LonLat::new(83.633, 22.014)?);
/// assert_eq!(tile.parent(3), Cell::containing(3, LonLat::new(83.633, 22.014)?));
/// assert_eq!(tile.children(6).count(), 4);
/// assert!(Cell::new(0, 12).is_err());
/// # Ok::<(), dreyer_sphere::SphereError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cell {
    order: u8,
    index: u64,
}

impl Cell {
    /// The cell of an order and a NESTED index.
    ///
    /// # Errors
    ///
    /// [`SphereError::Order`] above order 29, [`SphereError::Index`] if the order has no such cell.
    pub fn new(order: u8, index: u64) -> Result<Self, SphereError> {
        if order > MAX_ORDER {
            return Err(SphereError::Order { got: order });
        }
        let last = cells_of_order(order) - 1;
        if index > last {
            return Err(SphereError::Index {
                order,
                last,
                got: index,
            });
        }
        Ok(Self { order, index })
    }

    /// A cell known to exist.
    pub(crate) const fn unchecked(order: u8, index: u64) -> Self {
        Self { order, index }
    }

    /// The cell of an order in which a position lies. Orders above 29 count as 29.
    ///
    /// It is an ancestor of the cell that [`index29`] gives, whatever the rounding at a cell's border.
    #[inline]
    #[must_use]
    pub fn containing(order: u8, position: LonLat) -> Self {
        let order = order.min(MAX_ORDER);
        Self {
            order,
            index: index29_of(position) >> shift_to_29(order),
        }
    }

    /// The order, in `[0, 29]`.
    #[inline]
    #[must_use]
    pub fn order(self) -> u8 {
        self.order
    }

    /// The NESTED index within the order.
    #[inline]
    #[must_use]
    pub fn index(self) -> u64 {
        self.index
    }

    /// The order-29 indexes within this cell.
    ///
    /// ```
    /// assert_eq!(dreyer_sphere::Cell::new(28, 3)?.range(), 12..16);
    /// # Ok::<(), dreyer_sphere::SphereError>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn range(self) -> Range<u64> {
        let shift = shift_to_29(self.order);
        self.index << shift..(self.index + 1) << shift
    }

    /// The centre of the cell.
    #[must_use]
    pub fn center(self) -> LonLat {
        from_radians(nested::center(self.order, self.index))
    }

    /// The cell of a coarser order around this one; the cell itself if the order is not coarser.
    #[must_use]
    pub fn parent(self, order: u8) -> Self {
        let order = order.min(self.order);
        Self {
            order,
            index: self.index >> (2 * (self.order - order)),
        }
    }

    /// The cells of a finer order within this one, along the curve; the cell itself if the order is not finer.
    pub fn children(self, order: u8) -> impl Iterator<Item = Self> + use<> {
        let order = order.clamp(self.order, MAX_ORDER);
        let shift = 2 * (order - self.order);
        (self.index << shift..(self.index + 1) << shift).map(move |index| Self { order, index })
    }

    /// The cells of the same order that share an edge or a corner with this one, along the curve.
    ///
    /// Eight of them, or seven at the eight corners of base cells where only three meet; six or seven at order 0.
    #[must_use]
    pub fn neighbours(self) -> Vec<Self> {
        let mut indexes = nested::neighbours(self.order, self.index, false).sorted_values_vec();
        indexes.dedup();
        indexes
            .into_iter()
            .map(|index| Self {
                order: self.order,
                index,
            })
            .collect()
    }

    /// A circle around the centre that contains the whole cell.
    #[must_use]
    pub fn bounding_circle(self) -> Circle {
        let center = self.center();
        let vector = center.to_vector();
        let farthest = self
            .vertices()
            .into_iter()
            .map(|vertex| vertex.to_vector().separation_deg(vector))
            .fold(0.0, f64::max);
        // No point of a cell is farther from its centre than a corner; the slack is for rounding.
        Circle::clamped(center, farthest * (1.0 + 1e-12) + 1e-13)
    }

    /// The corners, in the order south, east, north, west.
    #[must_use]
    pub fn vertices(self) -> [LonLat; 4] {
        nested::vertices(self.order, self.index).map(from_radians)
    }
}

impl Ord for Cell {
    fn cmp(&self, other: &Self) -> Ordering {
        self.range()
            .start
            .cmp(&other.range().start)
            .then(self.order.cmp(&other.order))
    }
}

impl PartialOrd for Cell {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn from_radians((lon, lat): (f64, f64)) -> LonLat {
    LonLat::from_finite(lon.to_degrees(), lat.to_degrees())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::destination;
    use crate::sample::{TRANSITION_LAT_DEG, position};

    fn all_cells(order: u8) -> impl Iterator<Item = Cell> {
        (0..cells_of_order(order)).map(move |index| Cell::new(order, index).unwrap())
    }

    #[test]
    fn bad_numbers_are_refused() {
        assert_eq!(Cell::new(30, 0), Err(SphereError::Order { got: 30 }));
        assert_eq!(
            Cell::new(0, 12),
            Err(SphereError::Index {
                order: 0,
                last: 11,
                got: 12
            })
        );
        assert!(Cell::new(29, u64::MAX).is_err());
        for (lon, lat) in [
            (f64::NAN, 0.0),
            (0.0, f64::NAN),
            (f64::INFINITY, 0.0),
            (0.0, 90.000_001),
            (0.0, -91.0),
        ] {
            assert_eq!(index29(lon, lat), None, "{lon} {lat}");
        }
    }

    /// Base cells of Górski et al. 2005, figure 4: four around the north pole, four on the equator, four in the south.
    #[test]
    fn base_cells_stand_where_the_paper_has_them() {
        let expected = [
            (0, 45.0, TRANSITION_LAT_DEG),
            (3, 315.0, 41.0),
            (4, 0.0, 0.0),
            (6, 180.0, 0.0),
            (11, 315.0, -41.0),
        ];
        for (base, lon, lat) in expected {
            assert_eq!(
                Cell::containing(0, LonLat::new(lon, lat).unwrap()).index(),
                base,
                "{lon} {lat}"
            );
        }
        for quadrant in 0..4 {
            let lon = 90.0 * f64::from(quadrant) + 45.0;
            let north = index29(lon, 90.0).unwrap() >> 58;
            assert_eq!(north, u64::try_from(quadrant).unwrap());
            assert_eq!(index29(lon, -90.0).unwrap() >> 58, 8 + north);
        }
    }

    #[test]
    fn longitudes_of_any_turn_are_the_same_place() {
        assert_eq!(index29(-0.5, 10.0), index29(359.5, 10.0));
        assert_eq!(index29(725.0, 10.0), index29(5.0, 10.0));
        assert_eq!(index29(360.0, 10.0), index29(0.0, 10.0));
    }

    #[test]
    fn neighbours_are_mutual_and_as_many_as_they_should_be() {
        for order in 0..=4 {
            let mut with_seven = 0;
            for cell in all_cells(order) {
                let neighbours = cell.neighbours();
                let distinct: BTreeSet<_> = neighbours.iter().copied().collect();
                assert_eq!(distinct.len(), neighbours.len(), "{cell:?}");
                assert!(neighbours.is_sorted() && !distinct.contains(&cell), "{cell:?}");
                assert!(
                    neighbours.iter().all(|other| other.neighbours().contains(&cell)),
                    "{cell:?}"
                );
                match neighbours.len() {
                    8 => {}
                    7 => with_seven += 1,
                    6 => assert!(order == 0),
                    other => panic!("{cell:?} has {other} neighbours"),
                }
            }
            if order > 0 {
                assert_eq!(with_seven, 24, "three cells at each of eight corners, order {order}");
            }
        }
    }

    #[test]
    fn bounding_circles_hold_the_edges() {
        for order in 0..=3 {
            for cell in all_cells(order) {
                let circle = cell.bounding_circle();
                // Cells of a much finer order along all edges and within.
                for inner in cell.children(order + 4) {
                    for corner in inner.vertices() {
                        assert!(circle.contains(corner), "{cell:?} {corner:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn parents_and_children_stay_in_line() {
        let cell = Cell::new(3, 100).unwrap();
        assert_eq!(cell.parent(5), cell);
        assert_eq!(cell.children(2).collect::<Vec<_>>(), [cell]);
        assert_eq!(cell.children(5).count(), 16);
        assert!(cell.children(5).all(|child| child.parent(3) == cell && cell < child));
        assert!(cell.children(40).next().is_some_and(|child| child.order() == 29));
        assert_eq!(Cell::new(29, 7).unwrap().range(), 7..8);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn a_position_lies_in_its_cell(at in position(), order in 0..=29_u8) {
            let cell = Cell::containing(order, at);
            prop_assert!(cell.range().contains(&index29(at.lon_deg(), at.lat_deg()).unwrap()));
            prop_assert!(cell.bounding_circle().contains(at));
            prop_assert_eq!(Cell::containing(order, cell.center()), cell);
            for vertex in cell.vertices() {
                let near = Cell::containing(order, destination(vertex, 10.0, 1e-13));
                prop_assert!(near == cell || cell.neighbours().contains(&near));
            }
        }
    }
}
