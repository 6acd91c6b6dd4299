//! How patient a read is: for each stretch of a body, so much waiting and so many resumptions. No I/O.
//!
//! A whole transfer may take as long as its size asks for; what may not happen is that it stops getting on.

use std::time::Duration;

/// Bytes that the time and the attempts of one request are for. A longer body has them again for each further stretch.
pub(super) const STRETCH_BYTES: u64 = 1 << 20;

/// Bytes per second below which a body counts as stalled.
pub(super) const MIN_RATE: u64 = 1 << 10;

/// What has been spent on the stretch that is being read.
#[derive(Debug)]
pub(super) struct Stretch {
    timeout: Duration,
    retries: usize,
    bytes: u64,
    waited: Duration,
    resumed: usize,
    /// Resumptions since the last byte.
    fruitless: u32,
}

impl Stretch {
    pub(super) fn new(timeout: Duration, retries: usize) -> Self {
        Self {
            timeout,
            retries,
            bytes: 0,
            waited: Duration::ZERO,
            resumed: 0,
            fruitless: 0,
        }
    }

    /// Time left for the next bytes.
    pub(super) fn patience(&self) -> Duration {
        self.timeout.saturating_sub(self.waited)
    }

    /// `bytes` came after a wait.
    pub(super) fn received(&mut self, bytes: u64, waited: Duration) {
        self.waited += waited;
        self.bytes += bytes;
        self.fruitless = 0;
        if self.bytes >= STRETCH_BYTES {
            *self = Self::new(self.timeout, self.retries);
        }
    }

    /// The pause before the body is resumed once more, or `None` if that was tried often enough.
    pub(super) fn resume(&mut self, waited: Duration) -> Option<Duration> {
        self.waited += waited;
        if self.resumed >= self.retries || self.patience().is_zero() {
            return None;
        }
        let pause = Duration::from_millis(50) * 2_u32.pow(self.fruitless.min(5));
        let pause = pause.min(self.patience());
        self.resumed += 1;
        self.fruitless += 1;
        self.waited += pause;
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn attempts_and_time_run_out() {
        let mut stretch = Stretch::new(10 * SECOND, 2);
        assert_eq!(stretch.resume(SECOND), Some(Duration::from_millis(50)));
        assert_eq!(stretch.resume(SECOND), Some(Duration::from_millis(100)));
        assert_eq!(stretch.resume(SECOND), None);
        let mut stretch = Stretch::new(10 * SECOND, 2);
        assert_eq!(stretch.resume(10 * SECOND), None);
    }

    #[test]
    fn getting_on_renews_them() {
        let mut stretch = Stretch::new(10 * SECOND, 1);
        assert!(stretch.resume(SECOND).is_some());
        stretch.received(STRETCH_BYTES - 1, 5 * SECOND);
        assert_eq!(stretch.patience(), 4 * SECOND - Duration::from_millis(50));
        assert!(stretch.resume(Duration::ZERO).is_none());
        stretch.received(1, Duration::ZERO);
        assert_eq!(stretch.patience(), 10 * SECOND);
        assert!(stretch.resume(Duration::ZERO).is_some());
    }
}
