//! From filters to less reading: which sky ranges are wanted, and which tiles they touch.
//!
//! Nothing here decides about a row: every filter stays above the scan.

use datafusion::common::ScalarValue;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::FileGroup;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Operator};
use dreyer_sphere::CellRanges;

use crate::listing::Tile;

/// One past the largest index of order 29.
const END: u64 = 12 << 58;

/// The ranges of order-29 cells to which `filters`, all of which must hold, confine the index column.
/// `None`: they say nothing about it.
pub(crate) fn index_ranges(filters: &[Expr], index_column: &str) -> Option<CellRanges> {
    let parts = filters.iter().filter_map(|filter| ranges_of(filter, index_column));
    parts.reduce(|a, b| a.intersection(&b))
}

fn ranges_of(expr: &Expr, index: &str) -> Option<CellRanges> {
    match expr {
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::And,
            right,
        }) => match (ranges_of(left, index), ranges_of(right, index)) {
            (Some(a), Some(b)) => Some(a.intersection(&b)),
            (a, b) => a.or(b),
        },
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::Or,
            right,
        }) => Some(ranges_of(left, index)?.union(&ranges_of(right, index)?)),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            if is_column(left, index) {
                compared(*op, integer(right)?)
            } else if is_column(right, index) {
                compared(op.swap()?, integer(left)?)
            } else {
                None
            }
        }
        Expr::Between(Between {
            expr,
            negated: false,
            low,
            high,
        }) if is_column(expr, index) => {
            let (low, high) = (
                compared(Operator::GtEq, integer(low)?)?,
                compared(Operator::LtEq, integer(high)?)?,
            );
            Some(low.intersection(&high))
        }
        _ => None,
    }
}

fn is_column(expr: &Expr, name: &str) -> bool {
    matches!(expr, Expr::Column(column) if column.name == name)
}

fn integer(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Literal(ScalarValue::Int64(value), _) => *value,
        _ => None,
    }
}

fn compared(op: Operator, value: i64) -> Option<CellRanges> {
    // Below zero lies no cell: clamping keeps `>` and `>=` whole and `<`, `<=` and `=` empty.
    let at = |value: i64| u64::try_from(value).unwrap_or(0).min(END);
    let above = value.saturating_add(1);
    let range = match op {
        Operator::Eq => at(value)..at(above),
        Operator::Lt => 0..at(value),
        Operator::LtEq => 0..at(above),
        Operator::Gt => at(above)..END,
        Operator::GtEq => at(value)..END,
        _ => return None,
    };
    Some(CellRanges::from_ranges((!range.is_empty()).then_some(range)))
}

/// The tiles that hold any cell of `ranges`.
pub(crate) fn touched<'a>(tiles: &'a [Tile], ranges: &CellRanges) -> impl Iterator<Item = &'a Tile> {
    tiles.iter().filter(|tile| ranges.overlaps(&tile.cell.range()))
}

/// Whether `ranges` hold every cell of `tiles`, so that nothing within a tile can be skipped.
pub(crate) fn covers(ranges: &CellRanges, tiles: &[Tile]) -> bool {
    tiles.iter().all(|tile| ranges.covers(&tile.cell.range()))
}

/// Order-29 indexes stay below 2^62.
pub(crate) fn signed(index: u64) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
}

/// Deals tiles to at most `partitions` groups of consecutive tiles with about equal bytes, by the files that
/// `files_of` makes of a tile. Order along the curve is kept within and between groups.
pub(crate) fn file_groups(
    tiles: &[Tile],
    partitions: usize,
    files_of: impl Fn(&Tile) -> Vec<PartitionedFile>,
) -> Vec<FileGroup> {
    let total: u128 = tiles.iter().map(|tile| u128::from(tile.bytes())).sum();
    let partitions = partitions.clamp(1, tiles.len().max(1)) as u128;
    let mut groups: Vec<Vec<PartitionedFile>> = Vec::new();
    let mut before = 0_u128;
    let mut group_of_last = None;
    for tile in tiles {
        // The group in which the tile's middle byte falls.
        let middle = before + u128::from(tile.bytes()) / 2;
        let group = (middle * partitions)
            .checked_div(total)
            .unwrap_or(0)
            .min(partitions - 1);
        before += u128::from(tile.bytes());
        match groups.last_mut() {
            Some(files) if group_of_last == Some(group) => files.extend(files_of(tile)),
            _ => groups.push(files_of(tile)),
        }
        group_of_last = Some(group);
    }
    groups.into_iter().map(FileGroup::new).collect()
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::{col, lit as literal};
    use dreyer_sphere::Cell;
    use object_store::ObjectMeta;
    use object_store::path::Path;
    use proptest::prelude::*;

    use super::*;

    fn tile(index: u64, bytes: u64) -> Tile {
        let cell = Cell::new(4, index).unwrap();
        let location = Path::from(format!("t{index}"));
        let last_modified = chrono::DateTime::UNIX_EPOCH;
        let files = vec![ObjectMeta {
            location,
            last_modified,
            size: bytes,
            e_tag: None,
            version: None,
        }];
        Tile {
            cell,
            rows: None,
            files,
        }
    }

    #[test]
    fn comparisons_become_ranges() {
        let ranges = |filters: &[Expr]| {
            index_ranges(filters, "i")
                .map(|ranges| ranges.iter().map(|range| (range.start, range.end)).collect::<Vec<_>>())
        };
        let i = || col("i");
        let int = |value: i64| literal(value);
        assert_eq!(ranges(&[i().eq(int(7))]), Some(vec![(7, 8)]));
        assert_eq!(ranges(&[i().gt(int(7)), int(20).gt_eq(i())]), Some(vec![(8, 21)]));
        assert_eq!(
            ranges(&[i().between(int(3), int(5)).or(i().eq(int(9)))]),
            Some(vec![(3, 6), (9, 10)])
        );
        assert_eq!(ranges(&[i().lt(int(0))]), Some(vec![]));
        assert_eq!(ranges(&[i().gt_eq(int(-4))]), Some(vec![(0, END)]));
        assert_eq!(ranges(&[i().lt_eq(int(i64::MAX))]), Some(vec![(0, END)]));
        assert_eq!(ranges(&[i().eq(int(7)).or(col("x").eq(int(1)))]), None);
        assert_eq!(ranges(&[i().eq(int(7)).and(col("x").eq(int(1)))]), Some(vec![(7, 8)]));
        assert_eq!(ranges(&[i().not_eq(int(7))]), None);
        assert_eq!(ranges(&[i().eq(literal(7.5))]), None);
    }

    proptest! {
        #[test]
        fn groups_keep_every_file_in_order_and_balance(sizes in prop::collection::vec(0_u64..1000, 0..60), n in 0_usize..9) {
            let tiles: Vec<Tile> = sizes.iter().enumerate().map(|(at, size)| tile(at as u64, *size)).collect();
            let files = |tile: &Tile| tile.files.iter().cloned().map(PartitionedFile::from).collect();
            let groups = file_groups(&tiles, n, files);
            prop_assert!(groups.len() <= n.max(1));
            let dealt: Vec<_> = groups.iter().flat_map(|group| group.iter().map(|f| f.path().to_string())).collect();
            let expected: Vec<_> = tiles.iter().map(|tile| tile.files[0].location.to_string()).collect();
            prop_assert_eq!(dealt, expected);
            let total: u64 = sizes.iter().sum();
            let largest = sizes.iter().max().copied().unwrap_or(0);
            for group in &groups {
                let bytes: u64 = group.iter().map(|file| file.object_meta.size).sum();
                prop_assert!(bytes <= total / n.max(1).min(sizes.len().max(1)) as u64 + largest + 1);
            }
        }
    }
}
