//! Which requests a list of byte ranges becomes.
//!
//! A request costs about as much time as 1 MiB takes to arrive, but bytes between the wanted ones cost memory and
//! money too. So small gaps are always read over; larger ones only while everything stays small, which is when waiting
//! is all there is; and what is large is cut, because several streams are faster than one.

use std::ops::Range;

/// Gaps up to this are never worth a request.
const SMALL_GAP: u64 = 128 * 1024;
/// Gaps up to this are read over in small reads.
const LARGE_GAP: u64 = 1024 * 1024;
/// What a read counts as small by: all its bytes together, gaps included.
const SMALL_READ: u64 = 1280 * 1024;
/// Largest single request.
const LARGEST_REQUEST: u64 = 8 * 1024 * 1024;

/// The requests by which `ranges`, in any order, are read: ascending, disjoint, each range within one or, where it is
/// cut, within consecutive ones. Empty ranges need none.
pub(crate) fn requests(ranges: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut sorted: Vec<Range<u64>> = ranges.iter().filter(|range| !range.is_empty()).cloned().collect();
    sorted.sort_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::with_capacity(sorted.len());
    for range in sorted {
        match merged.last_mut() {
            Some(last) if range.start <= last.end.saturating_add(SMALL_GAP) => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    close_gaps(&mut merged);
    merged.into_iter().flat_map(cut).collect()
}

/// Closes the smallest gap as long as all that is read stays small.
fn close_gaps(merged: &mut Vec<Range<u64>>) {
    let mut total: u64 = merged.iter().map(|range| range.end - range.start).sum();
    while total < SMALL_READ {
        let gaps = merged.windows(2).map(|pair| pair[1].start - pair[0].end);
        let Some((at, gap)) = gaps.enumerate().min_by_key(|(_, gap)| *gap) else {
            return;
        };
        total += gap;
        if gap > LARGE_GAP || total > SMALL_READ {
            return;
        }
        let next = merged.remove(at + 1);
        merged[at].end = next.end;
    }
}

/// One request as several of about equal size.
fn cut(request: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let size = request.end - request.start;
    let pieces = size.div_ceil(LARGEST_REQUEST).max(1);
    let step = size.div_ceil(pieces);
    (0..pieces).map(move |piece| {
        let start = request.start + piece * step;
        start..(start + step).min(request.end)
    })
}

#[cfg(test)]
#[expect(clippy::single_range_in_vec_init, reason = "one range is what is meant")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KIB: u64 = 1024;

    #[test]
    fn neighbours_become_one_request_and_distant_ranges_stay_apart() {
        assert_eq!(requests(&[10..20, 20..30, 40..50]), [10..50]);
        assert_eq!(requests(&[40..50, 10..20]), [10..50], "in any order");
        let far = 5_000 * KIB;
        assert_eq!(requests(&[0..10, far..far + 10]), [0..10, far..far + 10]);
        assert_eq!(requests(&[]), []);
        assert_eq!(requests(&[7..7]), []);
    }

    #[test]
    fn pages_of_three_columns_of_one_row_group_take_few_requests_and_few_bytes() {
        // 160 KiB of each of three adjacent chunks of 800 KiB: one gap fits the budget of a small read.
        let page = |column: u64| (column * 800 * KIB)..(column * 800 * KIB + 160 * KIB);
        let asked = requests(&[page(0), page(1), page(2)]);
        assert_eq!(asked, [0..960 * KIB, 1600 * KIB..1760 * KIB]);
        // Smaller pages of smaller chunks take one.
        let page = |column: u64| (column * 400 * KIB)..(column * 400 * KIB + 60 * KIB);
        assert_eq!(requests(&[page(0), page(1), page(2)]), [0..860 * KIB]);
    }

    #[test]
    fn a_large_range_is_read_in_parallel() {
        let asked = requests(&[0..20_000 * KIB]);
        assert_eq!(asked.len(), 3);
        assert_eq!(asked.last().unwrap().end, 20_000 * KIB);
    }

    proptest! {
        #[test]
        fn every_byte_is_asked_for_once_and_waste_is_bounded(
            starts in prop::collection::vec((0_u64..40_000_000, 0_u64..3_000_000), 0..20)
        ) {
            let ranges: Vec<_> = starts.iter().map(|(start, size)| *start..start + size).collect();
            let asked = requests(&ranges);
            prop_assert!(asked.windows(2).all(|pair| pair[0].end <= pair[1].start));
            prop_assert!(asked.iter().all(|range| !range.is_empty() && range.end - range.start <= LARGEST_REQUEST));
            for range in ranges.iter().filter(|range| !range.is_empty()) {
                let covered: u64 = asked
                    .iter()
                    .map(|piece| piece.end.min(range.end).saturating_sub(piece.start.max(range.start)))
                    .sum();
                prop_assert_eq!(covered, range.end - range.start);
            }
            let wanted: u64 = ranges.iter().map(|range| range.end - range.start).sum();
            let read: u64 = asked.iter().map(|range| range.end - range.start).sum();
            prop_assert!(read <= wanted.max(SMALL_READ) + ranges.len() as u64 * SMALL_GAP);
        }
    }
}
