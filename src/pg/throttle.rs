//! Guessing passwords is made slow: after each failure an address waits for its answer, twice as long as before.
//!
//! The wait depends on the address alone, never on the name that was tried, so it tells nothing of who exists, and
//! nobody can lock a user out from elsewhere.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// After so long without a failure all is forgotten.
const FORGET: Duration = Duration::from_secs(60);

/// The wait is doubled so often at most: from a quarter of a second to eight.
const DOUBLINGS: u32 = 5;

/// Time between two clearings of a full memory: looking through it costs something too.
const CLEARING: Duration = Duration::from_secs(1);

/// Addresses that are remembered.
const ADDRESSES: usize = 10_000;

/// Failures of log-in, by address.
#[derive(Debug)]
pub(super) struct Throttle {
    base: Duration,
    failures: Mutex<Failures>,
}

#[derive(Debug, Default)]
struct Failures {
    /// How many, and when the last.
    of: HashMap<IpAddr, (u32, Instant)>,
    cleared: Option<Instant>,
}

impl Throttle {
    /// `base` is the wait after the first failure; none, if it is nothing.
    pub(super) fn new(base: Duration) -> Self {
        Self {
            base,
            failures: Mutex::default(),
        }
    }

    /// A log-in has failed: how long its answer has to wait.
    pub(super) fn failed(&self, from: IpAddr, now: Instant) -> Duration {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let Failures { of, cleared } = &mut *failures;
        let due = cleared.is_none_or(|then| now.saturating_duration_since(then) >= CLEARING);
        if of.len() >= ADDRESSES && due {
            of.retain(|_, (_, last)| now.saturating_duration_since(*last) < FORGET);
            *cleared = Some(now);
        }
        let from = network(from);
        if of.len() >= ADDRESSES && !of.contains_key(&from) {
            // An attack from everywhere: strangers are taken to have failed before.
            return self.base.saturating_mul(1 << DOUBLINGS);
        }
        let (count, last) = of.entry(from).or_insert((0, now));
        if now.saturating_duration_since(*last) >= FORGET {
            *count = 0;
        }
        let wait = self.base.saturating_mul(1 << (*count).min(DOUBLINGS));
        (*count, *last) = (count.saturating_add(1), now);
        wait
    }
}

/// Who has one address of version 6 has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_to_a_bound_and_is_forgotten() {
        let throttle = Throttle::new(Duration::from_millis(250));
        let (here, now) = (IpAddr::from([10, 0, 0, 1]), Instant::now());
        let waits: Vec<_> = (0..8).map(|_| throttle.failed(here, now).as_millis()).collect();
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 8000, 8000, 8000]);
        assert_eq!(throttle.failed(IpAddr::from([10, 0, 0, 2]), now).as_millis(), 250);
        assert_eq!(throttle.failed(here, now + FORGET).as_millis(), 250);
    }

    #[test]
    fn a_network_of_version_6_is_one_stranger_and_memory_is_bounded() {
        let throttle = Throttle::new(Duration::from_millis(1));
        let now = Instant::now();
        let of = |a: u16, b: u16| IpAddr::from([0x2001, 0xdb8, 0, a, 0, 0, 0, b]);
        assert_eq!(throttle.failed(of(1, 1), now).as_millis(), 1);
        assert_eq!(throttle.failed(of(1, 2), now).as_millis(), 2);
        for number in 0..=u16::MAX {
            throttle.failed(of(number, 0), now);
        }
        assert!(throttle.failures.lock().unwrap().of.len() <= ADDRESSES);
        assert_eq!(throttle.failed(of(u16::MAX, 9), now).as_millis(), 32);
    }
}
