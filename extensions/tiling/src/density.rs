//! How many rows of a table lie where, as far as anything is known without reading them.

use std::ops::Range;

use crate::TileStats;

/// Rows that lie somewhere in a range of the HEALPix index of order 29.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The least index, and the one behind the greatest.
    pub cells: Range<u64>,
    /// How many rows they are.
    pub rows: u64,
}

/// The rows of a table along the curve, as if each run were spread evenly. Runs may overlap.
#[derive(Debug, Clone, Default)]
pub struct Density {
    /// Where runs begin and end, in order, and how many rows come before.
    steps: Vec<(u64, f64)>,
}

impl Density {
    /// That of some runs.
    pub fn new(runs: &[Run]) -> Self {
        let mut changes: Vec<(u64, f64)> = Vec::with_capacity(2 * runs.len());
        for Run { cells, rows } in runs {
            if cells.start < cells.end {
                let rate = *rows as f64 / (cells.end - cells.start) as f64;
                changes.extend([(cells.start, rate), (cells.end, -rate)]);
            }
        }
        changes.sort_by_key(|(at, _)| *at);
        let mut steps: Vec<(u64, f64)> = Vec::with_capacity(changes.len());
        let (mut rate, mut rows) = (0.0_f64, 0.0);
        for (at, change) in changes {
            if let Some((before, _)) = steps.last() {
                rows += rate.max(0.0) * (at - before) as f64;
            }
            steps.push((at, rows));
            rate += change;
        }
        Self { steps }
    }

    /// That of tiles of which no more is known.
    pub fn of_tiles(tiles: &[TileStats]) -> Self {
        let run = |tile: &TileStats| Run {
            cells: tile.cell.range(),
            rows: tile.rows.unwrap_or(0),
        };
        Self::new(&tiles.iter().map(run).collect::<Vec<_>>())
    }

    /// About how many rows lie in a range.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a number of rows, which the cast bounds on both sides"
    )]
    pub fn rows_in(&self, cells: &Range<u64>) -> u64 {
        (self.before(cells.end) - self.before(cells.start)).round() as u64
    }

    fn before(&self, cell: u64) -> f64 {
        let after = self.steps.partition_point(|(at, _)| *at <= cell);
        let Some((from, rows)) = after.checked_sub(1).and_then(|last| self.steps.get(last)) else {
            return 0.0;
        };
        match self.steps.get(after) {
            Some((to, all)) => rows + (all - rows) * (cell - from) as f64 / (to - from) as f64,
            None => *rows,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_where_their_runs_are() {
        let run = |cells: Range<u64>, rows| Run { cells, rows };
        let density = Density::new(&[
            run(100..200, 50),
            run(150..250, 100),
            run(400..401, 7),
            run(500..500, 9),
        ]);
        for (cells, rows) in [
            (0..100, 0),
            (0..1000, 157),
            (100..150, 25),
            (150..200, 75),
            (200..250, 50),
            (250..400, 0),
            (400..401, 7),
            (401..u64::MAX, 0),
        ] {
            assert_eq!(density.rows_in(&cells), rows, "{cells:?}");
        }
        assert_eq!(Density::default().rows_in(&(0..9)), 0);
    }
}
