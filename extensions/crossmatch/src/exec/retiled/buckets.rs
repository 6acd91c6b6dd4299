//! Buckets of the sky: cells of one order, and which of them a row can have partners in.

use dreyer_sphere::{Cell, CellRanges, InnerTest, MAX_ORDER, finest_order_wider_than};

/// How far positions may be off where cells meet, and separations where they are judged.
const SLACK_DEG: f64 = 1e-6;

/// Cells of one order, one after another along the curve.
#[derive(Debug)]
pub(super) struct Buckets {
    order: u8,
    first: u64,
    /// The sky within the radius of each cell.
    reach: Vec<CellRanges>,
    /// The neighbours of each cell that are buckets too.
    near: Vec<Vec<usize>>,
    inner: InnerTest,
}

/// The finest order whose cells no circle of that radius leaves by more than one; `None`: there is none.
pub(crate) fn finest_order(radius_deg: f64) -> Option<u8> {
    (radius_deg >= 0.0).then(|| finest_order_wider_than(radius_deg + SLACK_DEG))?
}

impl Buckets {
    /// All cells of an order.
    pub(super) fn of_sky(order: u8, radius_deg: f64) -> Self {
        Self::new(Self::all(order).collect(), order, radius_deg)
    }

    /// Those cells.
    pub(super) fn all(order: u8) -> impl Iterator<Item = Cell> {
        let base = (0..12).filter_map(|cell| Cell::new(0, cell).ok());
        base.flat_map(move |cell| cell.children(order))
    }

    /// The cells of an order that a coarser cell falls into.
    pub(super) fn within(cell: Cell, order: u8, radius_deg: f64) -> Self {
        Self::new(cell.children(order).collect(), order, radius_deg)
    }

    fn new(cells: Vec<Cell>, order: u8, radius_deg: f64) -> Self {
        let reach_deg = radius_deg + SLACK_DEG;
        let mut buckets = Self {
            order,
            first: cells.first().map_or(0, |cell| cell.index()),
            reach: cells
                .iter()
                .map(|cell| CellRanges::of_range(cell.range()).grow(reach_deg))
                .collect(),
            near: Vec::new(),
            inner: InnerTest::new(order, reach_deg),
        };
        let near = cells.iter().map(|cell| buckets.around(*cell));
        buckets.near = near.collect();
        buckets
    }

    fn around(&self, cell: Cell) -> Vec<usize> {
        cell.neighbours()
            .into_iter()
            .filter_map(|cell| self.place(cell.index()))
            .collect()
    }

    fn place(&self, number: u64) -> Option<usize> {
        let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
        (place < self.reach.len()).then_some(place)
    }

    fn number(&self, index: u64) -> u64 {
        index >> (2 * (MAX_ORDER - self.order))
    }

    pub(super) fn len(&self) -> usize {
        self.reach.len()
    }

    /// The cell of a bucket.
    pub(super) fn cell(&self, bucket: usize) -> Option<Cell> {
        Cell::new(self.order, self.first + bucket as u64).ok()
    }

    /// The bucket that a row at this index lies in.
    pub(super) fn own(&self, index: u64) -> Option<usize> {
        self.place(self.number(index))
    }

    /// Calls `found` with each bucket that has room for a partner of a row at this index.
    pub(super) fn reached(&self, index: u64, mut found: impl FnMut(usize)) {
        let number = self.number(index);
        let own = self.place(number);
        if let Some(own) = own {
            found(own);
        }
        if self.inner.is_inner(index) {
            return;
        }
        let others;
        let near = match own {
            Some(own) => &self.near[own],
            None => {
                others = Cell::new(self.order, number).map_or_else(|_| Vec::new(), |cell| self.around(cell));
                &others
            }
        };
        near.iter()
            .copied()
            .filter(|near| self.reach[*near].contains(index))
            .for_each(found);
    }
}

#[cfg(test)]
mod tests {
    use dreyer_sphere::{LonLat, destination, index29};
    use proptest::prelude::*;

    use super::*;

    fn at(place: LonLat) -> u64 {
        index29(place.lon_deg(), place.lat_deg()).unwrap()
    }

    fn anywhere() -> impl Strategy<Value = (f64, f64)> {
        prop_oneof![
            (0.0..360.0, -90.0..=90.0),
            (0.0..360.0, prop_oneof![Just(90.0), Just(-90.0), 89.0..90.0]),
            (-1.0..1.0_f64, -1.0..1.0).prop_map(|(lon, lat): (f64, f64)| (lon.rem_euclid(360.0), lat)),
            (44.9..45.1, 41.7..41.9),
        ]
    }

    proptest! {
        #[test]
        fn partners_meet_in_the_bucket_of_the_streamed_row(
            place in anywhere(), turn in 0.0..360.0, share in 0.0..=1.0,
            radius_deg in prop_oneof![Just(0.0), Just(1.0 / 3600.0), Just(0.5), Just(5.0)],
            order in 0_u8..4, finer in 1_u8..3,
        ) {
            let finest = finest_order(radius_deg).unwrap();
            let order = order.min(finest.saturating_sub(1));
            let streamed = LonLat::new(place.0, place.1).unwrap();
            let held = destination(streamed, turn, share * radius_deg);
            let sky = Buckets::of_sky(order, radius_deg);
            prop_assert_eq!(sky.len(), 12 << (2 * order));
            let own = sky.own(at(streamed)).unwrap();
            let reached = |buckets: &Buckets| {
                let mut reached = Vec::new();
                buckets.reached(at(held), |bucket| reached.push(bucket));
                reached
            };
            let all = reached(&sky);
            prop_assert!(all.contains(&own));
            let mut once = all.clone();
            once.sort_unstable();
            once.dedup();
            prop_assert_eq!(once.len(), all.len());
            // And in a part of that bucket.
            let part = Buckets::within(sky.cell(own).unwrap(), (order + finer).min(finest), radius_deg);
            let own = part.own(at(streamed)).unwrap();
            prop_assert!(reached(&part).contains(&own));
        }
    }

    #[test]
    fn few_rows_go_to_several_buckets() {
        let sky = Buckets::of_sky(2, 1.0 / 3600.0);
        let mut copies = 0;
        for number in 0..4000_u64 {
            sky.reached(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (12 << 58), |_| copies += 1);
        }
        assert!((4000..4500).contains(&copies), "{copies}");
        assert!(finest_order(-1.0).is_none() && finest_order(f64::NAN).is_none());
    }
}
