//! Which waves are done, and how often each was begun.

use crate::WaveCount;

/// One wave.
#[derive(Debug, Clone, Copy, Default)]
struct Wave {
    /// Rows, once it is done.
    rows: Option<usize>,
    failures: usize,
}

/// All waves of a query.
#[derive(Debug)]
pub(super) struct Manifest(Vec<Wave>);

impl Manifest {
    pub(super) fn new(number: usize) -> Self {
        Self(vec![Wave::default(); number])
    }

    /// The wave is whole.
    pub(super) fn done(&mut self, wave: usize, rows: usize) {
        if let Some(wave) = self.0.get_mut(wave) {
            wave.rows = Some(rows);
        }
    }

    /// The wave failed; how often it has by now.
    pub(super) fn failed(&mut self, wave: usize) -> usize {
        self.0.get_mut(wave).map_or(usize::MAX, |wave| {
            wave.failures += 1;
            wave.failures
        })
    }

    pub(super) fn count(&self) -> WaveCount {
        WaveCount {
            total: self.0.len() as u64,
            done: self.0.iter().filter(|wave| wave.rows.is_some()).count() as u64,
            failed: self.0.iter().map(|wave| wave.failures as u64).sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waves_are_counted_by_how_they_stand() {
        let mut manifest = Manifest::new(3);
        assert_eq!(manifest.failed(1), 1);
        assert_eq!(manifest.failed(1), 2);
        manifest.done(0, 10);
        manifest.done(1, 0);
        let (total, done, failed) = (3, 2, 2);
        assert_eq!(manifest.count(), WaveCount { total, done, failed });
    }
}
