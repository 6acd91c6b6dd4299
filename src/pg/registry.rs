//! Who is connected: for cancel requests, which come on a line of their own, and for `pg_stat_activity`.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use pgwire::messages::startup::SecretKey;
use tokio_util::sync::CancellationToken;

use super::audit::Who;
use super::redact::redact;
use crate::cluster::Desk;

/// Every open connection, by process id as clients know it.
#[derive(Debug, Default)]
pub(super) struct Registry {
    seats: Mutex<HashMap<i32, Arc<Entry>>>,
    entered: AtomicU64,
}

/// One connection, as seen from others.
#[derive(Debug)]
struct Entry {
    /// Counts those who entered.
    number: u64,
    /// The session is to end.
    leave: CancellationToken,
    secret: SecretKey,
    user: String,
    peer: SocketAddr,
    since: SystemTime,
    now: Mutex<Now>,
}

/// What a connection is at.
#[derive(Debug, Default, Clone)]
struct Now {
    cancel: Option<CancellationToken>,
    query: String,
    query_since: Option<SystemTime>,
    application: String,
    transaction: &'static str,
}

/// What is told of a connection.
#[derive(Debug, Clone)]
pub(super) struct Activity {
    pub(super) pid: i32,
    pub(super) user: String,
    pub(super) application: String,
    pub(super) peer: SocketAddr,
    pub(super) since: SystemTime,
    pub(super) query_since: Option<SystemTime>,
    pub(super) state: &'static str,
    pub(super) query: String,
}

impl Registry {
    /// Enters a connection; it leaves when the seat is dropped.
    pub(super) fn enter(self: &Arc<Self>, pid: i32, secret: SecretKey, user: &str, peer: SocketAddr) -> Seat {
        let entry = Arc::new(Entry {
            number: self.entered.fetch_add(1, Ordering::Relaxed),
            leave: CancellationToken::new(),
            secret,
            user: user.to_owned(),
            peer,
            since: SystemTime::now(),
            now: Mutex::new(Now {
                transaction: "idle",
                ..Now::default()
            }),
        });
        lock(&self.seats).insert(pid, Arc::clone(&entry));
        Seat {
            registry: Arc::clone(self),
            pid,
            entry,
        }
    }

    /// A number for a connection. Drawn, not counted: servers that know of each other must not use the same.
    pub(super) fn free_pid(&self) -> i32 {
        let seats = lock(&self.seats);
        loop {
            let pid = rand::random_range(1..i32::MAX);
            if !seats.contains_key(&pid) {
                return pid;
            }
        }
    }

    /// Whose a connection is.
    pub(super) fn user_of(&self, pid: i32) -> Option<String> {
        lock(&self.seats).get(&pid).map(|entry| entry.user.clone())
    }

    /// Connections of the same user that were there before that one.
    pub(super) fn before(&self, pid: i32) -> usize {
        let seats = lock(&self.seats);
        let Some(own) = seats.get(&pid) else { return 0 };
        let before = |entry: &&Arc<Entry>| entry.user == own.user && entry.number < own.number;
        seats.values().filter(before).count()
    }

    /// Stops what the connection runs, if the secret is right; whether it was is not for the client to know.
    pub(super) fn cancel(&self, pid: i32, secret: &[u8]) -> bool {
        let entry = lock(&self.seats).get(&pid).cloned();
        let entry = entry.filter(|entry| same_secret(&secret_bytes(&entry.secret), secret));
        entry.map(|entry| entry.cancel()).is_some()
    }

    /// Stops what a connection runs, for one who may; false if there is no such connection.
    pub(super) fn cancel_unchecked(&self, pid: i32) -> bool {
        let entry = lock(&self.seats).get(&pid).cloned();
        entry.map(|entry| entry.cancel()).is_some()
    }

    /// Ends a connection, for one who may; false if there is no such connection.
    pub(super) fn terminate_unchecked(&self, pid: i32) -> bool {
        let entry = lock(&self.seats).get(&pid).cloned();
        entry.map(|entry| entry.leave.cancel()).is_some()
    }

    /// All connections.
    pub(super) fn activity(&self) -> Vec<Activity> {
        let mut all: Vec<_> = lock(&self.seats)
            .iter()
            .map(|(pid, entry)| entry.activity(*pid))
            .collect();
        all.sort_by_key(|activity| activity.pid);
        all
    }
}

impl Desk for Registry {
    fn cancel(&self, pid: i32, secret: Option<&[u8]>) -> bool {
        match secret {
            Some(secret) => Self::cancel(self, pid, secret),
            None => self.cancel_unchecked(pid),
        }
    }
}

impl Entry {
    fn cancel(&self) {
        if let Some(token) = &lock(&self.now).cancel {
            token.cancel();
        }
    }

    fn activity(&self, pid: i32) -> Activity {
        let now = lock(&self.now).clone();
        Activity {
            pid,
            user: self.user.clone(),
            application: now.application,
            peer: self.peer,
            since: self.since,
            query_since: now.query_since,
            state: if now.cancel.is_some() {
                "active"
            } else {
                now.transaction
            },
            query: now.query,
        }
    }
}

/// A connection's own place in the registry.
#[derive(Debug)]
pub(super) struct Seat {
    registry: Arc<Registry>,
    pid: i32,
    entry: Arc<Entry>,
}

impl Seat {
    /// Is cancelled when the session is to end.
    pub(super) fn leave(&self) -> CancellationToken {
        self.entry.leave.clone()
    }

    /// A statement begins: from now on a cancel hits it.
    pub(super) fn begin(&self, query: Option<&str>) -> CancellationToken {
        let token = CancellationToken::new();
        let mut now = lock(&self.entry.now);
        now.cancel = Some(token.clone());
        if let Some(query) = query {
            now.query = redact(query).chars().take(1024).collect();
            now.query_since = Some(SystemTime::now());
        }
        token
    }

    /// Who sits here, for those who write it down.
    pub(super) fn who(&self) -> Who {
        Who {
            user: self.entry.user.clone(),
            address: self.entry.peer,
            pid: Some(self.pid),
        }
    }

    /// The statement is over: a cancel that comes late hits nothing.
    pub(super) fn end(&self, transaction: &'static str, application: &str) {
        let mut now = lock(&self.entry.now);
        now.cancel = None;
        now.transaction = transaction;
        if now.application != application {
            application.clone_into(&mut now.application);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        lock(&self.registry.seats).remove(&self.pid);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Compares in a time that does not depend on where the first difference lies.
fn same_secret(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differ, (x, y)| differ | (x ^ y)) == 0
}

/// A secret as bytes, however many its version of the protocol has.
pub(super) fn secret_bytes(key: &SecretKey) -> Vec<u8> {
    match key {
        SecretKey::I32(number) => number.to_be_bytes().to_vec(),
        SecretKey::Bytes(bytes) => bytes.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancel_hits_the_running_statement_of_the_right_connection() {
        let registry = Arc::new(Registry::default());
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let seat = registry.enter(7, SecretKey::I32(42), "dreyer", peer);
        registry.cancel(7, &42_i32.to_be_bytes());
        let token = seat.begin(Some("SELECT 1"));
        assert!(!registry.cancel(7, &43_i32.to_be_bytes()));
        assert!(!registry.cancel(8, &42_i32.to_be_bytes()));
        assert!(!token.is_cancelled());
        assert_eq!(registry.activity()[0].state, "active");
        assert!(registry.cancel(7, &42_i32.to_be_bytes()));
        assert!(token.is_cancelled());
        seat.end("idle", "psql");
        let after = seat.begin(None);
        assert!(!after.is_cancelled(), "a late cancel must not hit the next statement");
        drop(seat);
        assert!(registry.activity().is_empty());
    }
}
