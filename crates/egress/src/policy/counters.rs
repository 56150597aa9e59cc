//! A bounded set of things that count, one for each key.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Something that counts, and knows when it may be forgotten without anyone gaining by it.
pub(super) trait Counter {
    /// Whether a new one would behave the same.
    fn is_idle(&self, now_ms: u64) -> bool;
}

/// Counters by key. When it is full of counters that are not idle, unknown keys get none: fail closed.
#[derive(Debug)]
pub(super) struct Counters<C> {
    most: usize,
    inner: Mutex<Inner<C>>,
}

#[derive(Debug)]
struct Inner<C> {
    by_key: HashMap<Box<str>, Arc<C>>,
    swept_ms: u64,
}

/// How often a full set looks for idle counters; looking at all of them for each request would be an attack's
/// lever.
const SWEEP_MS: u64 = 1_000;

impl<C: Counter> Counters<C> {
    pub(super) fn new(most: usize) -> Self {
        Self { most, inner: Mutex::new(Inner { by_key: HashMap::new(), swept_ms: 0 }) }
    }

    pub(super) fn get(&self, key: &str, now_ms: u64, make: impl FnOnce() -> C) -> Option<Arc<C>> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = inner.by_key.get(key) {
            return Some(Arc::clone(counter));
        }
        if inner.by_key.len() >= self.most && now_ms >= inner.swept_ms.saturating_add(SWEEP_MS) {
            inner.swept_ms = now_ms;
            inner.by_key.retain(|_, counter| Arc::strong_count(counter) > 1 || !counter.is_idle(now_ms));
        }
        if inner.by_key.len() >= self.most {
            return None;
        }
        let counter = Arc::new(make());
        inner.by_key.insert(key.into(), Arc::clone(&counter));
        Some(counter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Until(u64);

    impl Counter for Until {
        fn is_idle(&self, now_ms: u64) -> bool {
            now_ms >= self.0
        }
    }

    #[test]
    fn idle_counters_make_room_and_busy_ones_do_not() {
        let counters = Counters::new(2);
        assert!(counters.get("a", 5_000, || Until(6_000)).is_some());
        let held = counters.get("b", 5_000, || Until(0)).unwrap();
        assert!(counters.get("c", 5_000, || Until(0)).is_none(), "a is busy, b is held");
        assert!(counters.get("a", 5_000, || panic!("known")).is_some());
        assert!(counters.get("c", 6_500, || Until(0)).is_some(), "a is idle");
        drop(held);
        assert!(counters.get("d", 6_600, || Until(0)).is_none(), "swept a moment ago");
        assert!(counters.get("d", 7_500, || Until(0)).is_some());
    }
}
