//! The memory of one query: a part of everybody's, with a bound of its own.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};
use datafusion::execution::runtime_env::RuntimeEnv;

/// The environment for one query, or for one task of it: it may hold `limit` bytes of what all may hold. 0: as much as
/// there is.
pub(crate) fn allowed(runtime: &Arc<RuntimeEnv>, limit: usize) -> Arc<RuntimeEnv> {
    if limit == 0 {
        return Arc::clone(runtime);
    }
    let allowance = Allowance {
        all: Arc::clone(&runtime.memory_pool),
        limit,
        held: AtomicUsize::new(0),
    };
    Arc::new(RuntimeEnv {
        memory_pool: Arc::new(allowance),
        ..runtime.as_ref().clone()
    })
}

#[derive(Debug)]
struct Allowance {
    all: Arc<dyn MemoryPool>,
    limit: usize,
    held: AtomicUsize,
}

impl fmt::Display for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} bytes, of {}", self.reserved(), self.limit, self.all)
    }
}

impl MemoryPool for Allowance {
    fn name(&self) -> &'static str {
        "query"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.all.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.all.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.held.fetch_add(additional, Ordering::Relaxed);
        self.all.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.held.fetch_sub(shrink, Ordering::Relaxed);
        self.all.shrink(reservation, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let held = self.held.fetch_add(additional, Ordering::Relaxed);
        let granted = if held.saturating_add(additional) > self.limit {
            let name = reservation.consumer().name();
            let limit = self.limit;
            Err(DataFusionError::ResourcesExhausted(format!(
                "{name} asked for {additional} bytes more, and the query holds {held} of the {limit} that it may \
                 (limits.query_memory_bytes)"
            )))
        } else {
            self.all.try_grow(reservation, additional)
        };
        if granted.is_err() {
            self.held.fetch_sub(additional, Ordering::Relaxed);
        }
        granted
    }

    fn reserved(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit)
    }
}

#[cfg(test)]
mod tests {
    use datafusion::execution::memory_pool::GreedyMemoryPool;
    use datafusion::execution::runtime_env::RuntimeEnvBuilder;

    use super::*;

    #[test]
    fn a_query_holds_no_more_than_it_may_and_gives_it_back() {
        let pool = Arc::new(GreedyMemoryPool::new(1000));
        let all = RuntimeEnvBuilder::new().with_memory_pool(pool).build_arc().unwrap();
        let (one, other) = (allowed(&all, 600), allowed(&all, 600));
        let first = MemoryConsumer::new("sort").register(&one.memory_pool);
        let second = MemoryConsumer::new("join").register(&other.memory_pool);
        first.try_grow(600).unwrap();
        let error = first.try_grow(1).unwrap_err().to_string();
        assert!(error.contains("limits.query_memory_bytes"), "{error}");
        second.try_grow(400).unwrap();
        assert!(second.try_grow(1).is_err(), "all may hold 1000");
        drop(first);
        second.try_grow(200).unwrap();
        assert_eq!((one.memory_pool.reserved(), all.memory_pool.reserved()), (0, 600));
        assert!(Arc::ptr_eq(&allowed(&all, 0), &all));
    }
}
