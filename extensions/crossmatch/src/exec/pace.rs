//! How many rows are searched for before anybody looks at how many pairs they have.

/// Rows at once: enough to keep the search going, and so few that their pairs, of which a row may have very many, stay near
/// the size of a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace(usize);

const FIRST: usize = 16;
const MOST: usize = 256;

impl Default for Pace {
    fn default() -> Self {
        Self(FIRST)
    }
}

impl Pace {
    /// Where the next rows end, from `next` on of `rows`.
    pub(crate) fn end(self, next: usize, rows: usize) -> usize {
        (next + self.0).min(rows)
    }

    /// Takes note of how many pairs those rows had.
    pub(crate) fn learn(&mut self, pairs: usize, batch_size: usize) {
        if pairs > batch_size {
            self.0 = (self.0 / 2).max(1);
        } else if 4 * pairs < batch_size {
            self.0 = (2 * self.0).min(MOST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_many_pairs_go_slower() {
        for (partners, rows) in [(0, MOST), (1, MOST), (100, 64), (8192, 1), (1_000_000, 1)] {
            let mut pace = Pace::default();
            for _ in 0..40 {
                let rows = pace.end(7, usize::MAX) - 7;
                pace.learn(rows * partners, 8192);
            }
            let found = pace.end(0, usize::MAX);
            assert!(
                found >= rows.min(16) / 2 && found <= rows,
                "{found} rows of {partners} partners"
            );
        }
        assert_eq!(Pace::default().end(5, 9), 9);
    }
}
